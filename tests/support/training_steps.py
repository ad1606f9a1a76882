"""Training steps of well-known networks, compiled as a whole: what pages and pictures of them are made from."""

from __future__ import annotations

from typing import Any

import hybridnet as hn
from hybridnet import autograd, gluon, jit, np
from hybridnet.gluon import nn
from hybridnet.gluon.model_zoo import transformers, vision

Step = tuple[Any, tuple[Any, ...]]  # a compiled function, and arguments


def lenet(batch: int = 64, device: hn.Device | None = None) -> Step:
    """LeCun's network for digits, trained by momentum, on a device, the default one if there is none."""
    net = nn.HybridSequential(prefix="lenet_")
    with net.name_scope():
        net.add(nn.Conv2D(20, 5, activation="relu"), nn.MaxPool2D(2, 2))
        net.add(nn.Conv2D(50, 5, activation="relu"), nn.MaxPool2D(2, 2))
        net.add(nn.Dense(500, activation="relu"), nn.Dense(10))
    net.initialize(ctx=device)
    x = np.random.uniform(size=(batch, 1, 28, 28), device=device)
    return _step(net, x, np.array([i % 10 for i in range(batch)], device=device), "sgd", {"learning_rate": 0.1, "momentum": 0.9})


def resnet50(batch: int = 2, size: int = 64) -> Step:
    """ResNet-50 on small images: the graph is that of large ones."""
    net = vision.resnet50_v1(classes=1000)
    net.initialize()
    x = np.random.uniform(size=(batch, 3, size, size))
    return _step(net, x, np.array(list(range(batch))), "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-4})


def gpt2(batch: int = 1, length: int = 32, **sizes: int) -> Step:
    """GPT-2 of 124 million parameters on a short text, trained by Adam; ``sizes`` of a smaller one."""
    net = transformers.GPT2(**sizes) if sizes else transformers.gpt2_124m()
    net.initialize()
    tokens = np.array([[(7 * i + j) % 50 for j in range(length)] for i in range(batch)], dtype="int32")
    return _step(net, tokens, tokens, "adam", {"learning_rate": 1e-4})


def _step(net: Any, x: Any, y: Any, optimizer: str, options: dict[str, Any]) -> Step:
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    net(x)
    trainer = gluon.Trainer(net.collect_params(), optimizer, options)

    @jit
    def train_step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y).mean()
        loss.backward()
        trainer.step(1)
        return loss

    return train_step, (x, y)
