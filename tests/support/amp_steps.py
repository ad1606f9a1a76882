"""Networks and training steps for the tests of mixed precision."""

from collections.abc import Callable
from typing import Any

import numpy

from hybridnet import amp, autograd, cpu, gluon, init, jit, np, npx
from hybridnet.core import local
from hybridnet.core.tree import flatten
from hybridnet.gluon import nn

MODES = ("imperative", "hybridized", "jit")
SCALE = 2.0**8  # that of MXNet is too large for these networks at first


def inputs(seed: int = 0) -> tuple[Any, Any]:
    rng = numpy.random.default_rng(seed)
    return np.array(rng.normal(size=(6, 3, 8, 8)).astype("float32")), np.array(rng.integers(0, 4, 6).astype("int32"))


def network(device: Any = None) -> Any:
    """Convolutions with batch norm, pooling, a dense layer; all weights the same at each call."""
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(6, 3, padding=1, in_channels=3),
        nn.BatchNorm(in_channels=6),
        nn.Activation("relu"),
        nn.MaxPool2D(),
        nn.Conv2D(5, 3, in_channels=6),
        nn.GELU(),
        nn.GlobalAvgPool2D(),
        nn.Dense(4, in_units=5),
    )
    net.initialize(init.Zero(), ctx=device)
    rng = numpy.random.default_rng(7)
    for p in net.collect_params().values():
        if p.name.endswith("weight"):
            p.set_data(np.array(rng.normal(size=p.shape, scale=0.4).astype("float32")))
    return net


def counters(trainer: Any) -> Any:
    return trainer._amp_loss_scaler._on(cpu())


def train(mode: str, steps: int = 3, watch: Callable[[int, Any], None] | None = None) -> tuple[Any, Any, Any]:
    """Losses, parameters and trainer after a few steps, with the loss scaled."""
    net, loss_of = network(), gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    if local.precision is not None:
        amp.init_trainer(trainer)
    if trainer._amp_loss_scaler is not None:
        counters(trainer).scale[...] = SCALE

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
            with amp.scale_loss(loss, trainer) as scaled:
                scaled.backward()
        trainer.step(x.shape[0])
        return loss

    if mode == "hybridized":
        net.hybridize()
        loss_of.hybridize()
    run = jit(step) if mode == "jit" else step
    losses = []
    for i in range(steps):
        if watch is not None:
            watch(i, trainer)
        losses.append(run(*inputs(i)).asnumpy())
    return losses, {k.split("_", 1)[-1]: p.data().asnumpy() for k, p in net.collect_params().items()}, trainer


def small(name: str = "sgd", dtype: str = "float32", **options: Any) -> tuple[Any, Any, Any]:
    """A dense layer, its trainer, and a batch."""
    net = nn.Dense(3, in_units=4)
    net.initialize(init.Constant(0.25))
    net.cast(dtype)
    trainer = gluon.Trainer(net.collect_params(), name, {"learning_rate": 0.1, **options})
    amp.init_trainer(trainer)
    if trainer._amp_loss_scaler is not None:
        assert trainer._amp_loss_scaler.loss_scale == 2.0**16
        counters(trainer).scale[...] = SCALE
    return net, trainer, np.array(numpy.random.default_rng(3).normal(size=(5, 4)).astype(dtype))


def backward(net: Any, trainer: Any, x: Any) -> None:
    with autograd.record():
        loss = npx.log_softmax(net(x))[:, 0].sum()
        with amp.scale_loss(loss, trainer) as scaled:
            scaled.backward()


def reference_gradient(x: Any) -> Any:
    """Of the sum of log(1/3) over a batch, whose classes are alike, with respect to the weight."""
    return numpy.outer([2 / 3, -1 / 3, -1 / 3], x.sum(0))


def held_by(trainer: Any) -> list[Any]:
    """Weights, states and the count of steps."""
    found: list[Any] = [s.t for s in trainer._scalars.values()]
    flatten([*(p.data() for p in trainer._params), *trainer._states], found)
    return found
