"""Gluon under MXNet 1.x's rules: layers, losses, optimizers and metrics on ``nd`` arrays, whose dtype is a NumPy type."""

from typing import Any

import numpy
import pytest

import hybridnet as hn
from hybridnet import autograd, gluon, metric, nd, np, util
from hybridnet.gluon import nn, rnn

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "Dense": (lambda: nn.Dense(3, activation="relu"), (2, 4)),
    "Conv2D": (lambda: nn.Conv2D(3, 3, padding=1), (2, 2, 5, 5)),
    "Conv1DTranspose": (lambda: nn.Conv1DTranspose(3, 3), (2, 2, 5)),
    "MaxPool2D": (lambda: nn.MaxPool2D(), (2, 2, 4, 4)),
    "GlobalAvgPool2D": (lambda: nn.GlobalAvgPool2D(), (2, 2, 4, 4)),
    "BatchNorm": (lambda: nn.BatchNorm(), (2, 3, 4)),
    "BatchNorm without scale": (lambda: nn.BatchNorm(scale=False), (2, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(), (2, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2), (2, 4, 3)),
    "InstanceNorm": (lambda: nn.InstanceNorm(), (2, 4, 3)),
    "Dropout": (lambda: nn.Dropout(0.5), (2, 3)),
    "PReLU": (lambda: nn.PReLU(), (2, 3)),
    "SELU": (lambda: nn.SELU(), (2, 3)),
    "Swish": (lambda: nn.Swish(), (2, 3)),
    "GELU": (lambda: nn.GELU(), (2, 3)),
    "ELU": (lambda: nn.ELU(), (2, 3)),
    "Flatten": (lambda: nn.Flatten(), (2, 3, 2)),
    "LSTM": (lambda: rnn.LSTM(3), (4, 2, 5)),
    "GRU": (lambda: rnn.GRU(3, bidirectional=True), (4, 2, 5)),
}
LOSSES = [
    "L2Loss",
    "L1Loss",
    "HuberLoss",
    "HingeLoss",
    "SquaredHingeLoss",
    "LogisticLoss",
    "SigmoidBinaryCrossEntropyLoss",
    "KLDivLoss",
    "PoissonNLLLoss",
]


@pytest.fixture(autouse=True)
def classic() -> Any:
    util.reset_np()
    yield
    util.set_np()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_numpys_rules(name: str, hybridize: bool, dtype: str) -> None:
    make, shape = LAYERS[name]
    data = numpy.random.default_rng(0).normal(size=shape).astype(dtype)
    found = []
    for array in (np.array, nd.array):
        hn.random.seed(3)
        net = make()
        net.initialize(hn.init.Normal(0.5))
        net.cast(dtype)
        net.hybridize(hybridize)
        x = array(data, dtype=dtype)
        x.attach_grad()
        with autograd.record(train_mode=name != "Dropout"):
            y = net(x)
            loss = (y * y).sum()
        loss.backward()
        assert type(y) is type(x)
        assert type(x.grad) is type(x)
        assert y.dtype == numpy.dtype(dtype)
        found.append([y.asnumpy(), x.grad.asnumpy(), *(p.grad().asnumpy() for p in net.collect_params().values() if p.grad_req != "null")])
    for a, b in zip(*found, strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-6 if dtype != "float16" else 1e-2, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    rng = numpy.random.default_rng(0)
    pred, label = rng.random((3, 4)).astype("float32"), rng.random((3, 4)).astype("float32")
    values = [getattr(gluon.loss, name)()(array(pred), array(label)).asnumpy() for array in (np.array, nd.array)]
    numpy.testing.assert_allclose(*values, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    "name", ["sgd", "nag", "adam", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "ftrl", "ftml", "signum", "lamb"]
)
def test_training(name: str, dtype: str) -> None:
    """Three steps on classic arrays, with a float32 copy of 16-bit weights, as on NumPy's."""
    weights = []
    for array, switch in ((np.array, util.set_np), (nd.array, util.reset_np)):
        switch()
        hn.random.seed(3)
        net = nn.Dense(1, in_units=3)
        net.initialize(hn.init.Normal(0.5))
        net.cast(dtype)
        trainer = gluon.Trainer(net.collect_params(), name, {"learning_rate": 0.01, "multi_precision": dtype == "float16"})
        x, y = array(numpy.eye(3, dtype=dtype), dtype=dtype), array(numpy.ones((3, 1), dtype), dtype=dtype)
        for _ in range(3):
            with autograd.record():
                loss = gluon.loss.L2Loss()(net(x), y)
            loss.backward()
            gluon.utils.clip_global_norm([p.grad() for p in net.collect_params().values()], 1.0)
            trainer.step(3)
        assert type(net.weight.data()) is type(x)
        weights.append(net.weight.data().asnumpy())
    numpy.testing.assert_allclose(*weights, rtol=1e-6 if dtype == "float32" else 1e-2)


def test_metrics_and_files(tmp_path: Any) -> None:
    measure = metric.Accuracy()
    measure.update([nd.array([0, 1])], [nd.array([[0.9, 0.1], [0.8, 0.2]])])
    assert measure.get()[1] == 0.5
    path = str(tmp_path / "a.params")
    arrays = {d: nd.array([1, 2], dtype=d) for d in ("float16", "float32", "float64", "int32", "int64", "uint8", "int8")}
    nd.save(path, arrays)
    for dtype, x in nd.load(path).items():
        assert x.dtype is arrays[dtype].dtype


@pytest.mark.parametrize("outer", [False, True])
def test_a_network_that_says_so_is_compiled_anew(outer: bool) -> None:
    """``_clear_cached_op``, which detectors written for MXNet call when their thresholds have changed."""

    class Scaled(gluon.HybridBlock):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.scales = [2.0]  # a list, whose numbers no program looks at again

        def hybrid_forward(self, F: Any, x: Any) -> Any:
            return x * self.scales[0]

    inner = Scaled()
    net = inner
    if outer:
        net = gluon.nn.HybridSequential()
        net.add(inner)
    net.hybridize()
    x = nd.ones(2)
    assert net(x).asnumpy().tolist() == [2, 2]
    inner.scales[0] = 3.0
    inner._clear_cached_op()
    assert net(x).asnumpy().tolist() == [3, 3]
