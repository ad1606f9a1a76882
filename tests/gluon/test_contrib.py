"""What of gluon.contrib and of recurrent layers MXNet's CPU cannot tell: layouts, masks, limits, lengths, errors."""

from typing import Any

import numpy
import pytest
from support.gluon_blocks import sample

import hybridnet as hn
from hybridnet import autograd, gluon, nd, np
from hybridnet.errors import ArgumentError, ShapeError
from hybridnet.gluon import contrib, rnn


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(3)


def close(a: Any, b: Any, tolerance: float = 1e-5) -> None:
    numpy.testing.assert_allclose(a.asnumpy(), b.asnumpy() if hasattr(b, "asnumpy") else b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_channels_last(kind: str) -> None:
    """A convolutional cell on channels last is one on channels first, with everything turned."""
    make, states = getattr(contrib.rnn, f"Conv2D{kind}Cell"), 2 if kind == "LSTM" else 1
    first, last = make((2, 5, 4), 3, 3, (3, 1)), make((5, 4, 2), 3, 3, (3, 1), conv_layout="NHWC")
    for cell in (first, last):
        cell.initialize()
    for a, b in zip(first.collect_params().values(), last.collect_params().values(), strict=True):
        b.set_data(a.data().transpose(0, 2, 3, 1) if len(a.shape) == 4 else a.data())
    assert last.state_info(2)[0] == {"shape": (2, 3, 2, 3), "__layout__": "NHWC"}
    x, held = sample(2, 2, 5, 4), [sample(2, 3, 3, 2, seed=i) for i in range(states)]
    y, after = first(x, held)
    z, turned = last(x.transpose(0, 2, 3, 1), [h.transpose(0, 2, 3, 1) for h in held])
    close(z.transpose(0, 3, 1, 2), y)
    for a, b in zip(after, turned, strict=True):
        close(b.transpose(0, 3, 1, 2), a)


def test_variational_dropout_keeps_its_masks() -> None:
    cell = contrib.rnn.VariationalDropoutCell(rnn.RNNCell(50, "relu"), 0.5, 0.5, 0.5)
    cell.base_cell.initialize(hn.init.Constant(0.01))
    assert cell.name.endswith("vardrop")
    x = np.ones((2, 6, 40))
    with autograd.train_mode():
        y, _ = cell.unroll(6, x, merge_outputs=True)
        again, _ = cell.unroll(6, x, merge_outputs=True)
    dropped = y.asnumpy() == 0
    assert dropped.any()
    assert not dropped.all()
    assert (dropped == dropped[:, :1]).all(), "the same elements at every step"
    assert (dropped != (again.asnumpy() == 0)).any(), "others in the next sequence"
    assert set(cell._masks) == {"inputs", "states", "outputs"}
    close(cell.unroll(6, x, merge_outputs=True)[0], rnn.RNNCell.unroll(cell.base_cell, 6, x, merge_outputs=True)[0])


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_projected_layer_is_its_cells(bidirectional: bool, hybridize: bool) -> None:
    """Outputs, gradients and states, with sequences of unlike lengths."""
    layer = rnn.LSTM(4, 2, "NTC", bidirectional=bidirectional, projection_size=3, h2r_weight_initializer="ones", use_sequence_length=True)
    layer.initialize(hn.init.Normal(0.5))
    x, lengths = sample(3, 5, 2), np.array([5, 2, 3])
    begin = layer.begin_state(3)
    assert [s.shape for s in begin] == [(4 if bidirectional else 2, 3, n) for n in (3, 4)]
    layer.hybridize(hybridize)
    found = []
    for run in (lambda: layer(x, begin, lengths)[0], lambda: layer.unfuse().unroll(5, x, valid_length=lengths, merge_outputs=True)[0]):
        with autograd.record():
            y = run()
        y.backward(sample(*y.shape, seed=4))
        found.append([y, *(p.grad().copy() for _, p in sorted(layer.collect_params().items()))])
    for a, b in zip(*found, strict=True):
        close(a, b)
    assert numpy.allclose(layer.l0_h2r_weight.data().asnumpy(), 1)


def test_an_lstm_limits_its_cells() -> None:
    layer, free = (rnn.LSTM(4, input_size=2, **limits) for limits in ({"state_clip_min": -0.1, "state_clip_max": 0.05}, {}))
    layer.initialize(hn.init.Normal(1))
    free.share_parameters(layer.collect_params())
    x = sample(6, 3, 2)
    (y, (_, c)), (_, (_, wide)) = layer(x, layer.begin_state(3)), free(x, free.begin_state(3))
    assert c.asnumpy().min() == numpy.float32(-0.1)
    assert c.asnumpy().max() == numpy.float32(0.05)
    assert abs(wide.asnumpy()).max() > 0.1
    layer.hybridize()
    close(layer(x), y)


def test_states_have_the_layers_dtype() -> None:
    assert rnn.GRU(2, dtype="float16").begin_state(3)[0].dtype == "float16"
    assert rnn.GRU(2, dtype="float16").begin_state(3, dtype="float64")[0].dtype == "float64"


def test_sync_batch_norm_refuses_two_devices() -> None:
    layer = contrib.nn.SyncBatchNorm(in_channels=3, num_devices=2)
    layer.initialize(ctx=[hn.cpu(0), hn.cpu(1)])
    with pytest.raises(ArgumentError, match=r"\[SyncBatchNorm\].*parameters on one device.*try the whole batch"):
        layer(sample(2, 3))


def test_a_sparse_embedding_is_dense() -> None:
    layer = contrib.nn.SparseEmbedding(4, 2)
    layer.initialize()
    with autograd.record():
        layer(np.array([1, 1])).sum().backward()
    close(layer.weight.grad(), [[0, 0], [2, 2], [0, 0], [0, 0]])


class Open(gluon.HybridBlock):
    """Weights of open shape, in operators by name and by place."""

    def __init__(self) -> None:
        super().__init__()
        with self.name_scope():
            for name in ("offset", "weight", "gamma", "beta", "mean", "var", "scale", "shift"):
                setattr(self, name, self.params.get(name, allow_deferred_init=True, init="ones"))

    def hybrid_forward(self, F: Any, x: Any, offset: Any, weight: Any, **p: Any) -> Any:
        x = F.contrib.DeformableConvolution(x, offset, weight=weight, kernel="(3, 3)", num_filter=6, no_bias=True, num_group=2)
        x = F.GroupNorm(x, p["scale"], p["shift"], num_groups=3)
        return F.contrib.SyncBatchNorm(x, p["gamma"], p["beta"], p["mean"], p["var"], key="a")


def test_open_shapes_come_from_the_records() -> None:
    """Of operators in F's namespaces too; GroupNorm's weights have a number a group, as MXNet 1.9.1's layer."""
    net = Open()
    net.initialize()
    net(nd.array(sample(2, 4, 5, 5).asnumpy()))
    shapes = {name: p.shape for name, p in net._reg_params.items()}
    of_groups, of_channels = dict.fromkeys(("scale", "shift"), (3,)), dict.fromkeys(("gamma", "beta", "mean", "var"), (6,))
    assert shapes == {"offset": (2, 18, 3, 3), "weight": (6, 2, 3, 3), **of_groups, **of_channels}


def test_errors() -> None:
    for make, error, match in (
        (lambda: contrib.nn.PixelShuffle2D((2, 2, 2)), ArgumentError, "a number or 2 of them"),
        (lambda: contrib.rnn.Conv1DRNNCell((2, 5), 3, 3, 2), ArgumentError, "odd h2h_kernel"),
        (lambda: contrib.rnn.Conv1DRNNCell((2, 5, 5), 3, 3, 3), ArgumentError, "input_shape CW"),
        (lambda: contrib.cnn.DeformableConvolution(3, layout="NHWC"), ArgumentError, "layout NCHW"),
        (lambda: initialized(contrib.cnn.DeformableConvolution(4, groups=2))(sample(1, 3, 4, 4)), ArgumentError, "2 groups divide"),
        (lambda: both_dropped(), ArgumentError, "in each direction"),
        (lambda: nd.contrib.DeformableConvolution(nd.ones((1, 2, 4, 4)), nd.ones((1, 2, 4, 4)), nd.ones((3, 2, 3, 3)), no_bias=True,
                                                  kernel=(3, 3), num_filter=3), ShapeError, r"offset \(1, 18, 2, 2\)"),
        (lambda: initialized(rnn.LSTM(2, state_clip_min=1))(sample(2, 1, 3)), ArgumentError, "clip_min and clip_max"),
    ):  # fmt: skip
        with pytest.raises(error, match=match):
            make()


def initialized(block: Any) -> Any:
    block.initialize()
    return block


def both_dropped() -> Any:
    return contrib.rnn.VariationalDropoutCell(rnn.BidirectionalCell(rnn.RNNCell(2), rnn.RNNCell(2)), drop_states=0.1)


def test_integers() -> None:
    """nd's integers stay integers; of np's a mean is none."""
    loss = gluon.loss.L1Loss()
    for make, expected in ((np.array, [0.5, 0.5]), (nd.array, [0, 0])):
        pred, label = (make([[1, 2], [3, 4]], dtype="int32"), make([[2, 2], [3, 3]], dtype="int32"))
        assert loss(pred, label).asnumpy().tolist() == expected
    assert nd.sqrt(nd.array([4], dtype="int32")).dtype == numpy.int32
    assert nd.sqrt(np.array([4], dtype="int32")).dtype == "float32"
    assert nd.mean(np.array([1, 2], dtype="float16")).dtype == "float16"
