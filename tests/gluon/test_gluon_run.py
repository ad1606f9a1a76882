"""Gluon at work: every layer in all modes, both styles of block, hybridize, hooks, summary, copies."""

import copy
import pickle
from typing import Any

import numpy
import pytest
from support.gluon_blocks import New, Old, sample

import hybridnet as hn
from hybridnet import autograd, gluon, init, np
from hybridnet.errors import (
    ArgumentError,
    TraceError,
)
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def seeded() -> None:
    hn.random.seed(7)


LAYERS: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = [
    (lambda: nn.Dense(3), (2, 4, 5), (2, 3)),
    (lambda: nn.Dense(3, flatten=False, use_bias=False, activation="tanh"), (2, 4, 5), (2, 4, 3)),
    (lambda: nn.Dense(3, activation="softmax", input_shape=(20,)), (2, 4, 5), (2, 3)),
    (lambda: nn.Conv1D(4, 3), (2, 3, 8), (2, 4, 6)),
    (lambda: nn.Conv2D(4, 3, strides=2, padding=1, activation="relu"), (2, 3, 8, 8), (2, 4, 4, 4)),
    (lambda: nn.Conv2D(4, 3, groups=2, layout="NHWC", use_bias=False), (2, 8, 8, 2), (2, 6, 6, 4)),
    (lambda: nn.Conv3D(2, 2, dilation=2), (2, 1, 5, 5, 5), (2, 2, 3, 3, 3)),
    (lambda: nn.Conv1DTranspose(2, 3, 2, 1, 1), (2, 3, 5), (2, 2, 10)),
    (lambda: nn.Conv2DTranspose(4, 2, strides=2, groups=2), (2, 2, 3, 3), (2, 4, 6, 6)),
    (lambda: nn.Conv3DTranspose(2, 2), (1, 1, 2, 2, 2), (1, 2, 3, 3, 3)),
    (lambda: nn.MaxPool1D(), (2, 3, 8), (2, 3, 4)),
    (lambda: nn.MaxPool2D(3, 2, ceil_mode=True), (2, 3, 8, 8), (2, 3, 4, 4)),
    (lambda: nn.MaxPool3D(), (1, 1, 4, 4, 4), (1, 1, 2, 2, 2)),
    (lambda: nn.AvgPool1D(2, 1), (2, 3, 8), (2, 3, 7)),
    (lambda: nn.AvgPool2D((3, 2), 1, 1, count_include_pad=False), (2, 3, 6, 6), (2, 3, 6, 7)),
    (lambda: nn.AvgPool3D(), (1, 1, 4, 4, 4), (1, 1, 2, 2, 2)),
    (lambda: nn.GlobalAvgPool1D(), (2, 3, 5), (2, 3, 1)),
    (lambda: nn.GlobalAvgPool2D(), (2, 3, 5, 4), (2, 3, 1, 1)),
    (lambda: nn.GlobalMaxPool2D(layout="NHWC"), (2, 3, 5, 4), (2, 1, 1, 4)),
    (lambda: nn.GlobalMaxPool3D(), (2, 3, 2, 2, 2), (2, 3, 1, 1, 1)),
    (lambda: nn.BatchNorm(), (4, 3, 5), (4, 3, 5)),
    (lambda: nn.BatchNorm(axis=-1, scale=False, center=False), (4, 3, 5), (4, 3, 5)),
    (lambda: nn.BatchNormReLU(), (4, 3, 5), (4, 3, 5)),
    (lambda: nn.LayerNorm(), (2, 3, 4), (2, 3, 4)),
    (lambda: nn.LayerNorm(axis=1, center=False), (2, 3, 4), (2, 3, 4)),
    (lambda: nn.GroupNorm(2), (2, 4, 3), (2, 4, 3)),
    (lambda: nn.InstanceNorm(scale=True), (2, 3, 4), (2, 3, 4)),
    (lambda: nn.InstanceNorm(axis=2), (2, 3, 4), (2, 3, 4)),
    (lambda: nn.Dropout(0.3, axes=(1,)), (4, 5), (4, 5)),
    (lambda: nn.Activation("softsign"), (2, 3), (2, 3)),
    (lambda: nn.LeakyReLU(0.1), (2, 3), (2, 3)),
    (lambda: nn.PReLU(in_channels=3), (2, 3), (2, 3)),
    (lambda: nn.ELU(0.5), (2, 3), (2, 3)),
    (lambda: nn.SELU(), (2, 3), (2, 3)),
    (lambda: nn.GELU(), (2, 3), (2, 3)),
    (lambda: nn.GELU("tanh"), (2, 3), (2, 3)),
    (lambda: nn.Swish(1.5), (2, 3), (2, 3)),
    (lambda: nn.SiLU(), (2, 3), (2, 3)),
    (lambda: nn.Flatten(), (2, 3, 4), (2, 12)),
    (lambda: nn.Identity(), (2, 3), (2, 3)),
    (lambda: nn.ReflectionPad2D(1), (1, 2, 3, 3), (1, 2, 5, 5)),
    (lambda: nn.HybridLambda(lambda F, x: F.relu(x) * 2), (2, 3), (2, 3)),
    (lambda: nn.HybridLambda("tanh"), (2, 3), (2, 3)),
    (Old, (2, 3), (2, 4)),
    (New, (2, 3), (2, 4)),
]


@pytest.mark.parametrize("classic", [False, True], ids=["np", "nd"])
@pytest.mark.parametrize(("make", "shape", "result"), LAYERS, ids=lambda x: "")
def test_layers_in_all_modes(make: Any, shape: tuple[int, ...], result: tuple[int, ...], classic: bool) -> None:
    """Output, gradients of inputs and parameters, and statistics are the same imperatively and hybridized."""
    data = numpy.random.default_rng(0).normal(size=shape).astype(numpy.float32)
    got = []
    for hybrid in (False, True):
        hn.random.seed(5)
        net = make()
        net.initialize(init.Normal(0.5))
        net.hybridize(hybrid)
        x = (hn.nd if classic else np).array(data)
        x.attach_grad()
        with autograd.record():
            y = net(x)
        assert y.shape == result and type(y) is type(x)
        y.backward()
        predicted = net(x)
        params = list(net.collect_params().values())
        assert all(p._finish_deferred_init() is None and type(p.data()) is type(x) for p in params if not classic)
        got.append([y, predicted, x.grad, *(p.data() for p in params), *(p.grad() for p in params if p.grad_req != "null")])
    for a, b in zip(*got, strict=True):
        numpy.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=2e-5, atol=2e-6)


def test_embedding() -> None:
    net = nn.Embedding(5, 3)
    net.initialize()
    x = np.array([[0, 4], [4, 2]], dtype="int32")
    for hybrid in (False, True):
        net.hybridize(hybrid)
        with autograd.record():
            y = net(x)
        y.backward()
        numpy.testing.assert_array_equal(y.asnumpy(), net.weight.data().asnumpy()[x.asnumpy()])
        numpy.testing.assert_array_equal(net.weight.grad().asnumpy()[:, 0], [1, 0, 1, 0, 2])


def test_sequential_and_concatenate() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(3), nn.Dense(4))
    assert len(net) == 3 and net[-1] is list(net)[2] and list(net[1:]) == [net[1], net[2]]
    with pytest.raises(IndexError):
        net[3]
    side = nn.HybridConcatenate(axis=1)
    side.add(nn.Dense(2), nn.Identity())
    side.initialize()
    assert side(sample(2, 3)).shape == (2, 5)
    two = nn.Sequential()
    two.add(nn.Lambda(lambda x: (x, x * 2)), nn.Lambda(lambda a, b: a + b))
    assert two(np.ones((2,))).tolist() == [3, 3]


def test_batch_norm_statistics_follow_and_stay_float32() -> None:
    net = nn.BatchNorm(momentum=0.5, in_channels=2)
    net.initialize()
    x = sample(8, 2)
    for hybrid in (False, True):
        net.hybridize(hybrid)
        before = net.running_mean.data().asnumpy()
        with autograd.record():
            net(x)
        numpy.testing.assert_allclose(net.running_mean.data().asnumpy(), 0.5 * before + 0.5 * x.asnumpy().mean(0), rtol=1e-5)
    net.cast("float16")
    assert net.gamma.dtype == numpy.float32 and net(x.astype("float16")).dtype == numpy.float16
    assert net.gamma.grad_req == "write" and net.running_mean.grad_req == "null"


def test_a_subclass_with_hybrid_forward_is_heard_and_may_change_the_weight() -> None:
    class Halved(nn.Dense):
        def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
            return super().hybrid_forward(F, x, weight * 0.5, bias)

    net = Halved(1, in_units=2)
    net.initialize(init.One())
    assert net(np.ones((1, 2))).tolist() == [[1.0]]

    class Chain(nn.HybridSequential):
        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return F.relu(super().hybrid_forward(F, x))

    chain = Chain()
    chain.add(nn.Lambda(lambda x: -x))
    assert chain(np.ones((1,))).tolist() == [0.0]


def test_hybridized_calls_take_nested_inputs_and_modes() -> None:
    class Pair(gluon.HybridBlock):
        def forward(self, x: Any, states: Any, factor: int = 1) -> Any:
            h, c = states
            return x * factor, [h + x, c if autograd.is_training() else -c]

    net = Pair()
    net.hybridize()
    x = np.ones((2,))
    y, (h, c) = net(x, [x, x], 3)
    assert y.tolist() == [3, 3] and h.tolist() == [2, 2] and c.tolist() == [-1, -1]
    with autograd.train_mode():
        assert net(x, [x, x], 3)[1][1].tolist() == [1, 1]


def test_values_in_a_hybridized_forward_are_an_error() -> None:
    class Peek(gluon.HybridBlock):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    net = Peek(prefix="peek_")
    assert net(-np.ones((2,))).tolist() == [1, 1]
    net.hybridize()
    with pytest.raises(TraceError, match=r"bool\(x\).*test_gluon_run\.py:\d+ in peek; try"):
        net(np.ones((2,)))


def test_changes_after_hybridize_are_seen() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.initialize(init.One())
    net.hybridize()
    x = np.ones((1, 2))
    assert net(x).tolist() == [[2, 2]]
    net[0].weight.set_data(np.full((2, 2), 3))
    assert net(x).tolist() == [[6, 6]]
    net.add(nn.Lambda(lambda x: x + 1))
    assert net(x).tolist() == [[7, 7]]
    net.cast("float64")
    assert net(x.astype("float64")).dtype == numpy.float64


def test_graph_and_program_can_be_read() -> None:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(2, in_units=3, activation="relu"))
    net.initialize()
    for active in (False, True):
        net.hybridize(active)
        text = str(net.graph(sample(2, 3)))
        assert "matmul" in text and "in net.dense0" in text
        assert "matmul(" in net.program(sample(2, 3))


def test_hooks() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3))
    net.initialize()
    seen: list[Any] = []
    before = net[0].register_forward_pre_hook(lambda block, inputs: seen.append(("before", block, inputs[0].shape)))
    with net[0].register_forward_hook(lambda block, inputs, output: seen.append(("after", block, output.shape))):
        net(sample(4, 3))
    before.detach()
    before.detach()
    net(sample(4, 3))
    assert seen == [("before", net[0], (4, 3)), ("after", net[0], (4, 2))]


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(2))
    net.initialize()
    net.summary(sample(2, 1, 5, 5))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Conv2D-1", "(2,", "4,", "3,", "3)", "40"] in lines and ["Dense-3", "(2,", "2)", "74"] in lines
    assert ["Parameters:", "130,", "of", "them", "trained:", "122,", "not", "trained:", "8"] in lines
    net.hybridize()
    with pytest.raises(ArgumentError, match="before hybridize"):
        net.summary(sample(2, 1, 5, 5))


def test_apply_goes_through_everything() -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(2), Old())
    names: list[str] = []
    assert net.apply(lambda block: names.append(type(block).__name__)) is net
    assert names == ["Dense", "Dense", "Old", "HybridSequential"]


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"])
def test_copies_are_apart(copier: Any) -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(3, activation="relu"), nn.BatchNorm())
    net.initialize()
    net.hybridize()
    x = sample(2, 4)
    expected = net(x).asnumpy()
    twin = copier(net)
    net[0].weight.set_data(np.zeros((3, 4)))
    numpy.testing.assert_array_equal(twin(x).asnumpy(), expected)
    with autograd.record():
        y = twin(x)
    y.backward()
    assert abs(twin[0].weight.grad()).sum() > 0 and abs(net[0].weight.grad()).sum() == 0


def test_building_another_network_retraces_nothing() -> None:
    net, x = nn.HybridSequential(), np.ones((2, 3))
    net.add(nn.Dense(4))
    net.initialize()
    net.hybridize()
    net(x)
    other = nn.HybridSequential()
    other.add(nn.Dense(5, activation="relu"), nn.BatchNorm())
    other.initialize()
    other(x)
    net(x)
    assert not net._compiled.retraces
    net[0].weight.grad_req = "null"
    net(x)
    assert len(net._compiled.retraces) == 1
