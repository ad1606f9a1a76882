"""Several devices: one copy of the parameters on each, a part of every batch for each, gradients summed.

The loop by hand is that of a Gluon program: ``split_and_load``, a loss on each device, ``trainer.step``. Then the same network by
``net.fit``, which does that by itself for parameters on several devices. Without GPUs the devices are ``cpu(0)``, ``cpu(1)`` …, which
stand for them: all are the host's memory.

    python examples/several_devices.py --devices 2
"""

import argparse

import numpy
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.gluon import nn


def data(samples: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images as rows from 0 to 1, and their digits."""
    digits = load_digits()
    return (digits.data[:samples] / 16).astype("float32"), digits.target[:samples].astype("int32")


def network(devices: list[hn.Device]) -> nn.HybridSequential:
    """Two dense layers, on each of the devices with the same values."""
    hn.random.seed(0)
    net = nn.HybridSequential()
    net.add(nn.Dense(64, activation="relu", in_units=64), nn.Dense(10, in_units=64))
    net.initialize(hn.init.Xavier(), ctx=devices)
    net.hybridize()
    return net


def by_hand(net: nn.HybridSequential, devices: list[hn.Device], x: numpy.ndarray, y: numpy.ndarray, epochs: int) -> None:
    """Train as a Gluon program does."""
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.2, "momentum": 0.9}, kvstore="device")
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(x, y), 64, last_batch="discard")
    for epoch in range(epochs):
        total = 0.0
        for images, labels in loader:
            parts = gluon.utils.split_and_load(images, devices)
            answers = gluon.utils.split_and_load(labels, devices)
            with autograd.record():
                losses = [loss_of(net(part), answer) for part, answer in zip(parts, answers, strict=True)]
            autograd.backward(losses)
            trainer.step(len(images))
            total += sum(loss.sum().item() for loss in losses)
        print(f"epoch {epoch}: loss {total / len(loader) / 64:.4f} on {len(devices)} devices")


def accuracy(net: nn.HybridSequential, x: numpy.ndarray, y: numpy.ndarray) -> float:
    """The share of digits that the network knows."""
    return float((net.predict(x).asnumpy().argmax(axis=1) == y).mean())


def main(number: int = 2, epochs: int = 5, samples: int = 1797) -> tuple[float, float, float]:
    """The accuracies of the loop by hand on one device and on several, and of ``fit`` on several."""
    kind = hn.gpu if hn.num_gpus() >= number else hn.cpu
    devices = [kind(i) for i in range(number)]
    x, y = data(samples)
    found = []
    for some in (devices[:1], devices):
        net = network(some)
        by_hand(net, some, x, y, epochs)
        found.append(accuracy(net, x, y))
    net = network(devices)
    net.compile("sgd", "softmax_cross_entropy", ["accuracy"], {"learning_rate": 0.2, "momentum": 0.9})
    net.fit(x, y, epochs=epochs, batch_size=64)
    return found[0], found[1], accuracy(net, x, y)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=2)
    one, several, by_fit = main(parser.parse_args().devices)
    print(f"accuracy by hand: {one:.4f} on one device, {several:.4f} on several; by fit on several: {by_fit:.4f}")
