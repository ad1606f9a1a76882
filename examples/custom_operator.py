"""An operator of one's own in Python: ``CustomOp`` and ``CustomOpProp``, as MXNet has them.

The operator is the loss of a classifier that may be wrong about a part of its labels: softmax forward, and backward the gradient of the
cross entropy, cut where the label is improbable (a loss that is given up on). It is written with NumPy, which a hybridized network
cannot look into: its program calls it between its own steps, as ``explain`` shows. The network learns two rings of points
of whose labels every tenth is wrong, with this operator and with the loss that there is, to compare.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy

import hybridnet as mx
from hybridnet import autograd, gluon, nd
from hybridnet.gluon import nn


class TrustedSoftmax(mx.operator.CustomOp):
    """softmax(data); the gradient of a row whose label has less than ``least`` of the probability is 0."""

    def __init__(self, least: float) -> None:
        self.least = least

    def forward(self, is_train: bool, req: list[str], in_data: list[Any], out_data: list[Any], aux: list[Any]) -> None:
        x = in_data[0].asnumpy()
        y = numpy.exp(x - x.max(axis=1, keepdims=True))
        self.assign(out_data[0], req[0], nd.array(y / y.sum(axis=1, keepdims=True)))

    def backward(
        self, req: list[str], out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any], aux: list[Any]
    ) -> None:
        label = in_data[1].asnumpy().astype(int)
        grad = out_data[0].asnumpy().copy()
        rows = numpy.arange(len(label))
        trusted = grad[rows, label] >= self.least
        grad[rows, label] -= 1
        self.assign(in_grad[0], req[0], nd.array(grad * trusted[:, None]))


@mx.operator.register("trusted_softmax")
class TrustedSoftmaxProp(mx.operator.CustomOpProp):
    """What is known before it runs. Attributes come as strings; as a loss it reads no gradient from above."""

    def __init__(self, least: str = "0") -> None:
        super().__init__(need_top_grad=False)
        self.least = float(least)

    def list_arguments(self) -> list[str]:
        return ["data", "label"]

    def infer_shape(self, in_shape: list[Any]) -> Any:
        data = in_shape[0]
        return [data, [data[0]]], [data], []

    def create_operator(self, ctx: Any, in_shapes: list[Any], in_dtypes: list[Any]) -> mx.operator.CustomOp:
        return TrustedSoftmax(self.least)


class WithLoss(gluon.HybridBlock):
    """A network with the operator at its end."""

    def __init__(self, net: gluon.HybridBlock, least: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least = least
        with self.name_scope():
            self.net = net

    def hybrid_forward(self, F: Any, x: Any, label: Any) -> Any:
        return F.Custom(self.net(x), label, op_type="trusted_softmax", least=self.least)


def rings(n: int, seed: int, wrong: float) -> tuple[Any, Any]:
    """Points (n, 2) on two rings, and which one, or by chance the other."""
    rng = numpy.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    angle, radius = rng.uniform(0, 2 * numpy.pi, n), 1.0 + label + rng.normal(0, 0.1, n)
    points = radius[:, None] * numpy.stack([numpy.cos(angle), numpy.sin(angle)], axis=1)
    return nd.array(points), nd.array(numpy.where(rng.random(n) < wrong, 1 - label, label))


def train(least: float, epochs: int) -> tuple[float, str]:
    """The share of held-out points that a network is right about, and how its program runs."""
    mx.random.seed(0)
    net = nn.HybridSequential()
    net.add(nn.Dense(32, activation="tanh"), nn.Dense(2))
    whole = WithLoss(net, least)
    whole.initialize(mx.init.Xavier())
    whole.hybridize()
    trainer = gluon.Trainer(whole.collect_params(), "adam", {"learning_rate": 0.01})
    x, y = rings(512, seed=1, wrong=0.1)
    for _ in range(epochs):
        for points, label in zip(nd.split(x, 8, axis=0), nd.split(y, 8, axis=0), strict=True):
            with autograd.record():
                probabilities = whole(points, label)
            probabilities.backward()
            trainer.step(points.shape[0])
    held_x, held_y = rings(512, seed=2, wrong=0.0)
    right = (whole(held_x, held_y).argmax(axis=1) == held_y).mean().asscalar()
    return float(right), whole.explain(held_x, held_y)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args(arguments)
    (every, explained), (trusted, _) = train(0.0, args.epochs), train(0.05, args.epochs)
    print(explained)
    print(f"right about held-out points: {every:.3f} when every label counts, {trusted:.3f} when the improbable do not")
    return {"every": every, "trusted": trusted, "explained": explained}


if __name__ == "__main__":
    main()
