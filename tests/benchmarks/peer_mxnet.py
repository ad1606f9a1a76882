"""Apache MXNet 1.9.1. Its operators are queued: a sample ends when all of its calls have been computed.

That is how MXNet is fastest; the cases that wait for every result are shown as well.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import gluon_networks
import mxnet as mx
import numpy as np
from gluon_networks import INFERENCE, NETWORKS
from measure import Case, main
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
from workloads import (
    CHECKED_RATE,
    CHECKED_STEPS,
    SIZES,
    SMALL,
    TIMED_RATE,
    Weights,
    batch,
    chain_data,
    image,
    perceptron_batch,
    perceptron_weights,
    scaled,
    small_arrays,
)


def operator(statement: str, array: Callable[..., Any] = nd.array, recorded: bool = False) -> Callable[[], Case]:
    a, b = (array(x) for x in small_arrays())
    if recorded:
        a.attach_grad()
    return lambda: Case(statement, {"a": a, "b": b, "dot": nd.dot}, finish=nd.waitall, around=autograd.record if recorded else nullcontext)


def small(statement: str) -> Case:
    a, b = (nd.array(x) for x in small_arrays())
    w, bias = b.copy(), b[0].copy()
    for variable in (w, bias):
        variable.attach_grad()
    functions = {"exp": nd.exp, "dot": nd.dot, "softmax": nd.softmax, "relu": nd.relu, "record": autograd.record}
    return Case(statement, {"a": a, "b": b, "w": w, "bias": bias, **functions}, finish=nd.waitall)


def training(network: Any, x: Any, y: Any, hybridized: bool) -> Case:
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    if hybridized:
        network.hybridize(static_alloc=True, static_shape=True)
        loss_fn.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(network.collect_params(), "adam", {"learning_rate": CHECKED_RATE})

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_fn(network(x), y)
        loss.backward()
        trainer.step(y.shape[0])
        return loss

    def losses() -> list[float]:
        values = [float(step(x, y).mean().asscalar()) for _ in range(CHECKED_STEPS)]
        trainer.set_learning_rate(TIMED_RATE)
        return values

    return Case("step(x, y)", {"step": step, "x": x, "y": y}, finish=nd.waitall, losses=losses)


def perceptron(hybridized: bool) -> Case:
    network = nn.HybridSequential()
    weights = perceptron_weights()
    for i, size in enumerate(SIZES[1:]):
        network.add(nn.Dense(size, activation="relu" if i < len(weights) - 1 else None, in_units=SIZES[i]))
    network.initialize()
    for layer, (weight, bias) in zip(network, weights):  # noqa: B905  (its own iterator has no length)
        layer.weight.set_data(nd.array(weight))
        layer.bias.set_data(nd.array(bias))
    data, labels = perceptron_batch()
    return training(network, nd.array(data), nd.array(labels), hybridized)


def started(network: Any) -> Any:
    """With the weights that all peers start from."""
    weights = Weights()
    network.initialize()
    for parameter in network.collect_params().values():
        if len(parameter.shape) > 1:
            parameter.set_data(nd.array(weights.of(parameter.shape)))
    return network


def of_gluon(name: str, hybridized: bool) -> Case:
    data, labels = batch(name)
    return training(started(NETWORKS[name](gluon)), nd.array(data), nd.array(labels), hybridized)


def inference(name: str) -> Case:
    network, x = started(INFERENCE[name](gluon)), nd.array(image(name))
    network.hybridize(static_alloc=True, static_shape=True)
    return Case("net(x)", {"net": network, "x": x}, finish=nd.waitall, losses=lambda: scaled(network(x).asnumpy()))


def chain() -> Case:
    network, x = gluon_networks.chain(gluon), nd.array(chain_data())
    network.hybridize(static_alloc=True, static_shape=True)
    return Case("net(x)", {"net": network, "x": x}, finish=nd.waitall, losses=lambda: [float(network(x).mean().asscalar())])


WORKLOADS = {
    "operators": {
        "add": operator("a + b"),
        "add, mx.np": operator("a + b", array=mx.np.array),
        "add, waiting": operator("(a + b).wait_to_read()"),
        "add scalar": operator("a + 2.0"),
        "add recorded": operator("a + b", recorded=True),
        "matmul": operator("dot(a, b)"),
        **{row: partial(small, statement) for row, statement in SMALL.items()},
    },
    "mlp-train": {"imperative": lambda: perceptron(False), "hybridized": lambda: perceptron(True)},
    **{f"{name}-train": {"hybridized": partial(of_gluon, name, True)} for name in NETWORKS},
    **{f"{name}-inference": {"hybridized": partial(inference, name)} for name in INFERENCE},
    "chain-inference": {"hybridized": chain},
}

if __name__ == "__main__":
    main(WORKLOADS, {"mxnet": mx.__version__, "numpy": np.__version__})
