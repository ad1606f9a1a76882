"""The networks of ``gluon_networks`` in PyTorch, layer by layer in the same order."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from workloads import HEADS, LAYERS, MOBILENET, UNITS


def lenet() -> nn.Module:
    body = [nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.classes = nn.LSTM(256, 256), nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(self.lstm(x)[0][-1])  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs, momentum=0.1)]


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(inputs, outputs, 3, stride), nn.ReLU(), *_convolution(outputs, outputs, 3, 1))
        self.shortcut = nn.Sequential(*_convolution(inputs, outputs, 1, stride)) if stride != 1 or inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


def resnet18() -> nn.Module:
    layers: list[nn.Module] = [*_convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for outputs in (64, 128, 256, 512):
        for stride in (1 if outputs == 64 else 2, 1):
            layers.append(Block(inputs, outputs, stride))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def mobilenet() -> nn.Module:
    layers: list[nn.Module] = []

    def add(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        layers.extend([convolution, nn.BatchNorm2d(outputs), nn.ReLU()])

    inputs = 32
    add(3, inputs, 3, 2)
    for outputs, stride in MOBILENET:
        add(inputs, inputs, 3, stride, groups=inputs)
        add(inputs, outputs, 1, 1)
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.queries, self.keys, self.values, self.out = (nn.Linear(UNITS, UNITS) for _ in range(4))
        self.wide, self.narrow = nn.Linear(UNITS, 4 * UNITS), nn.Linear(4 * UNITS, UNITS)
        self.norm1, self.norm2 = nn.LayerNorm(UNITS), nn.LayerNorm(UNITS)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(x)
        q, k, v = (self._heads(part(normed)) for part in (self.queries, self.keys, self.values))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.narrow(F.relu(self.wide(self.norm2(x))))


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers, self.norm = nn.Sequential(*(Layer() for _ in range(LAYERS))), nn.LayerNorm(UNITS)
        self.classes = nn.Linear(UNITS, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(self.norm(self.layers(x))).flatten(0, 1)  # type: ignore[no-any-return]


class Chain(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.square(torch.sqrt(torch.abs(x * 1.5 + 0.25)) * 0.5 - 0.3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"lenet": lenet, "lstm": Recurrent, "resnet18": resnet18, "transformer": Encoder}
#: Run forward, in inference.
INFERENCE: dict[str, Callable[[], nn.Module]] = {"resnet18": resnet18, "mobilenet": mobilenet}
