"""A layer of one's own in both of Gluon's styles, in a training loop of one's own.

The layer is a gated linear unit: (x · V + c) times sigmoid(x · W + b). ``forward`` writes it over ``np`` and ``npx``,
``hybrid_forward`` in MXNet 1.x's style, where ``F`` holds the operators and parameters come as arguments. Both compute and
compile alike: two networks that share their parameters show it. The loop learns to tell two spirals apart, one
compiled step a batch.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy

import hybridnet as hn
from hybridnet import autograd, gluon, metric, np, npx
from hybridnet.gluon import nn


class NewGate(gluon.HybridBlock):
    """The layer with ``forward``: parameters are asked for their arrays."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.weight = gluon.Parameter("weight", shape=(2 * units, inputs), init=hn.init.Xavier())
        self.bias = gluon.Parameter("bias", shape=(2 * units,), init=hn.init.Zero())

    def forward(self, x: Any) -> Any:
        value, gate = np.split(np.dot(x, self.weight.data().T) + self.bias.data(), 2, axis=1)
        return value * npx.sigmoid(gate)


class OldGate(gluon.HybridBlock):
    """The same with ``hybrid_forward``: shapes that are not known wait for the first input."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(2 * units, 0), init=hn.init.Xavier(), allow_deferred_init=True)
            self.bias = self.params.get("bias", shape=(2 * units,), init=hn.init.Zero())

    def infer_shape(self, x: Any) -> None:
        self.weight.shape = (2 * self.units, x.shape[1])

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any) -> Any:
        value, gate = F.split(F.FullyConnected(x, weight, bias, num_hidden=2 * self.units), num_outputs=2, axis=1)
        return value * F.sigmoid(gate)


def spirals(n: int, seed: int) -> tuple[Any, Any]:
    """Points (n, 2) on two spirals, and which one."""
    rng = numpy.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    turn = rng.uniform(0.5, 3.5, n)
    angle = turn * numpy.pi / 2 + label * numpy.pi
    points = turn[:, None] * numpy.stack([numpy.cos(angle), numpy.sin(angle)], axis=1) + rng.normal(0, 0.1, (n, 2))
    return np.array(points, dtype="float32"), np.array(label)


def build(first: gluon.HybridBlock, second: gluon.HybridBlock) -> nn.HybridSequential:
    """A network of two gates and a dense layer."""
    net = nn.HybridSequential()
    net.add(first, second, nn.Dense(2, in_units=32))
    return net


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Run the example; gives what a test looks at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args(arguments)
    hn.random.seed(0)
    x, y = spirals(1024, seed=1)
    held_x, held_y = spirals(512, seed=2)

    net = build(NewGate(2, 32), NewGate(32, 32))
    net.initialize(hn.init.Xavier())
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})

    @hn.jit
    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_fn(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss.mean()

    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(x, y), 64, shuffle=True)
    for epoch in range(args.epochs):
        losses = [step(points, label) for points, label in loader]
        if epoch % 20 == 19 or epoch == args.epochs - 1:
            print(f"epoch {epoch + 1}: loss {sum(losses).item() / len(losses):.4f}")

    accuracy = metric.Accuracy()
    accuracy.update([held_y], [net(held_x)])
    print(f"held-out accuracy: {accuracy.get()[1]:.4f}")

    other = build(OldGate(32), OldGate(32))
    other.initialize()
    other(held_x)  # finds the shapes
    for ours, theirs in zip(other.collect_params().values(), net.collect_params().values(), strict=True):
        ours.set_data(theirs.data())
    difference = 0.0
    for hybridized in (False, True):
        net.hybridize(hybridized)
        other.hybridize(hybridized)
        difference = max(difference, np.abs(net(held_x) - other(held_x)).max().item())
    print(f"largest difference between the two styles, imperative and hybridized: {difference:.1e}")
    return {"accuracy": accuracy.get()[1], "difference": difference}


if __name__ == "__main__":
    main()
