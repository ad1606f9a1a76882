"""A model that MXNet 1.9.1 trained and exported, served here and taught something new.

``HybridBlock.export`` of MXNet wrote two small files, the graph and the parameters: a network that tells the digits 0 to 4 apart. Here
they are read as they are. It serves them as a compiled block, and the first layers of it, with a new head, learn all ten digits: the old
parameters move ten times slower than the new ones. What is exported at the end MXNet 1.9.1 can read again.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet import autograd, gluon, nd, sym
from hybridnet.gluon import nn

EXPORTED = Path(__file__).resolve().parent.parent / "tests" / "data" / "mxnet_1_9_1_digits"


def images_and_labels() -> tuple[Any, Any]:
    digits = load_digits()
    return nd.array(digits.images[:, None] / 16, dtype="float32"), nd.array(digits.target, dtype="float32")


def accuracy(net: Any, images: Any, labels: Any) -> float:
    return float((net(images).asnumpy().argmax(1) == labels.asnumpy()).mean())


class TenDigits(gluon.HybridBlock):
    """The layers of the old network up to the one before its last, and a new last one."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        inside = sym.load(f"{prefix}-symbol.json").get_internals()
        hidden = inside["digits_dense0_relu_fwd_output"]
        self.features = gluon.SymbolBlock(hidden, sym.var("data"))
        with self.name_scope():
            self.head = nn.Dense(10)
        self.features.load_parameters(f"{prefix}-0000.params", ignore_extra=True)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.head(self.features(x))


def fine_tune(net: TenDigits, images: Any, labels: Any, epochs: int, batch: int = 50) -> list[float]:
    """The mean loss of each epoch."""
    net.head.initialize(hn.init.Xavier())
    net.features.collect_params().setattr("lr_mult", 0.1)
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    means = []
    for _ in range(epochs):
        order = numpy.random.permutation(len(images))
        losses = []
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            x, y = images[chosen], labels[chosen]
            with autograd.record():
                value = loss(net(x), y)
            value.backward()
            trainer.step(len(chosen))
            losses.append(float(value.mean().asscalar()))
        means.append(sum(losses) / len(losses))
    return means


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--folder", default=None, help="where the new model goes")
    args = parser.parse_args(arguments)
    hn.util.reset_np()
    hn.random.seed(0)
    numpy.random.seed(0)
    images, labels = images_and_labels()

    served = gluon.SymbolBlock.imports(f"{EXPORTED}-symbol.json", ["data"], f"{EXPORTED}-0000.params")
    served.hybridize()
    small = numpy.flatnonzero(labels.asnumpy() < 5)[-200:]  # not those that it was trained on
    found = {"served": accuracy(served, images[small], labels[small])}
    print(f"MXNet's model on held-out digits 0 to 4: {found['served']:.3f}")

    net = TenDigits(str(EXPORTED))
    means = fine_tune(net, images[:1400], labels[:1400], args.epochs)
    found["tuned"] = accuracy(net, images[1400:], labels[1400:])
    print(f"fine-tuned on all ten: loss {means[0]:.3f} to {means[-1]:.3f}, held-out accuracy {found['tuned']:.3f}")

    path = str(Path(args.folder or tempfile.mkdtemp()) / "ten_digits")
    net.export(path)
    again = gluon.SymbolBlock.imports(f"{path}-symbol.json", ["data"], f"{path}-0000.params")
    found["difference"] = float(numpy.abs(again(images[:50]).asnumpy() - net(images[:50]).asnumpy()).max())
    print(f"exported to {path}-symbol.json and -0000.params; read again it differs by {found['difference']:.1e}")
    return found


if __name__ == "__main__":
    main()
