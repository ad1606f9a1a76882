"""A hybridized network trained by ``Trainer``, exported, loaded as a ``SymbolBlock`` and trained on."""

import json
import os
import sys
import tempfile

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn


class Net(gluon.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self.features.add(nn.Conv2D(4, kernel_size=3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
            self.output = nn.Dense(3)

    def hybrid_forward(self, F, x):
        x = self.features(x)
        return self.output(F.concat(F.flatten(x), F.mean(x, axis=(2, 3)), dim=1))


def train(net, trainer, x, y, epochs):
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    losses = []
    for _ in range(epochs):
        total = 0.0
        for i in range(0, len(x), 10):
            with autograd.record():
                value = loss(net(x[i : i + 10]), y[i : i + 10])
            value.backward()
            trainer.step(10)
            total += value.mean().asscalar()
        losses.append(float(total))
    return losses


def main():
    random = np.random.RandomState(11)
    x = nd.array(random.rand(30, 2, 6, 6))
    y = nd.array(random.randint(0, 3, 30))
    net = Net(prefix="net_")
    net.initialize(mx.init.Zero())
    net(x[:10])
    for _name, parameter in sorted(net.collect_params().items()):
        if parameter.grad_req != "null":
            parameter.set_data(nd.array(random.uniform(-0.3, 0.3, parameter.shape)))
    net.hybridize(static_alloc=True)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02, "wd": 1e-3})
    losses = train(net, trainer, x, y, 4)
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "net")
        net.export(prefix, epoch=4)
        served = gluon.SymbolBlock.imports(prefix + "-symbol.json", ["data"], prefix + "-0004.params", ctx=mx.cpu())
        same = float(nd.abs(served(x[:10]) - net(x[:10])).max().asscalar())
        trainer = gluon.Trainer(served.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
        losses += train(served, trainer, x, y, 4)
    json.dump({"losses": losses, "difference": round(same, 4)}, sys.stdout)


if __name__ == "__main__":
    main()
