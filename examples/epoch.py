"""Many training steps in one call: ``foreach`` over stacked batches in ``jit``, beside a call for each step.

A small perceptron on scikit-learn's handwritten digits, for which what happens between two steps counts: Python, the check of the
arguments, on a GPU the launch of a CUDA graph. With ``--steps`` batches in a call that is done once for all of them, and on a GPU they
are one graph. Parameters, the optimizer's state, the schedule and the random numbers go from step to step inside: the losses are the
same to the bit.

    python examples/epoch.py
    python examples/epoch.py --steps 11 --epochs 20 --device gpu
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet import autograd, gluon, npx
from hybridnet.gluon import nn
from hybridnet.gluon.data import ArrayDataset, DataLoader

BATCH = 32


def dataset() -> ArrayDataset:
    """1,797 images as 64 numbers from 0 to 1, and their labels."""
    digits = load_digits()
    return ArrayDataset((digits.data / 16).astype("float32"), digits.target.astype("int32"))


def make_step(device: hn.Device, updates: int) -> Callable[[Any, Any], Any]:
    """A network, and the step that trains it, the same each time; the rate falls along a cosine."""
    hn.random.seed(0)
    net = nn.HybridSequential()
    net.add(nn.Dense(64, activation="relu", in_units=64), nn.Dropout(0.1), nn.Dense(10, in_units=64))
    net.initialize(hn.init.Xavier(), ctx=device)
    schedule = hn.lr_scheduler.CosineScheduler(updates, base_lr=0.01, final_lr=0.001)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"lr_scheduler": schedule})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss.mean()

    return step


def train(run: Callable[[Any, Any], Any], loader: DataLoader, epochs: int) -> tuple[list[float], float]:
    """The losses of all steps, and the seconds of a step once everything is compiled."""
    losses: list[float] = []
    seconds, steps = 0.0, 0
    for epoch in range(epochs):
        batches = list(loader)  # so that what is timed is training alone
        begin = time.perf_counter()
        results = [run(x, y) for x, y in batches]
        found = numpy.concatenate([x.asnumpy().ravel() for x in results]).tolist()  # which waits for the device
        if epoch:
            seconds, steps = seconds + time.perf_counter() - begin, steps + len(found)
        losses += found
    return losses, seconds / max(steps, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Many training steps in one call")
    parser.add_argument("--steps", type=int, default=28, help="steps in a call")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    asked = parser.parse_args()
    device, data = hn.Device(asked.device), dataset()
    updates = asked.epochs * (len(data) // BATCH)
    # The last batch has fewer samples: it would be a program of its own.
    how = {"batch_size": BATCH, "shuffle": True, "last_batch": "discard", "device": device}

    step = make_step(device, updates)
    losses, single = train(hn.jit(step), DataLoader(data, **how), asked.epochs)
    print(f"a call for each step:  {single * 1e6:7.1f} µs a step, loss {losses[0]:.3f} to {losses[-1]:.3f}")

    step = make_step(device, updates)

    @hn.jit
    def many(xs: Any, ys: Any) -> Any:
        return npx.foreach(lambda batch, none: (step(*batch), none), [xs, ys], [])[0]

    found, together = train(many, DataLoader(data, **how, stack=asked.steps), asked.epochs)
    print(f"{asked.steps} steps in a call:    {together * 1e6:7.1f} µs a step, loss {found[0]:.3f} to {found[-1]:.3f}")
    print("the same losses to the bit" if found == losses else "other losses")


if __name__ == "__main__":
    main()
