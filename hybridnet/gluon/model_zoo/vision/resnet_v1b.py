"""ResNet v1b, as GluonCV and PyTorch have it: as version 1, with the stride in the convolution of 3 by 3, and no bias beside a norm.

Parameters are named by their places as in GluonCV's ``.params`` files: ``layer1.0.conv1.weight``, ``layer1.0.bn1.gamma`` … ``fc.bias``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock

__all__ = ["BasicBlockV1b", "BottleneckV1b", "ResNetV1b", "resnet18_v1b", "resnet34_v1b", "resnet50_v1b", "resnet101_v1b", "resnet152_v1b"]


def _conv(channels: int, kernel: int, stride: int, in_channels: int) -> nn.Conv2D:
    return nn.Conv2D(channels, kernel, stride, kernel // 2, use_bias=False, in_channels=in_channels)


class _Block(HybridBlock):
    """relu(what the convolutions make of x, + x); where shapes differ, x goes through a convolution of 1 by 1."""

    expansion: int

    def __init__(self, channels: int, stride: int, in_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.downsample = None
        after = channels * self.expansion
        with self.name_scope():
            self._add_convs(channels, stride, in_channels)
            if stride != 1 or in_channels != after:
                self.downsample = nn.HybridSequential(prefix="down_")
                with self.downsample.name_scope():
                    self.downsample.add(_conv(after, 1, stride, in_channels), nn.BatchNorm(in_channels=after))

    def _add_convs(self, channels: int, stride: int, in_channels: int) -> None:
        raise NotImplementedError

    def _body(self, F: Any, x: Any) -> Any:
        raise NotImplementedError

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        residual = x if self.downsample is None else self.downsample(x)
        return F.relu(self._body(F, x) + residual)


class BasicBlockV1b(_Block):
    """Two convolutions of 3 by 3: of 18 and 34 layers. ``channels``: of the result, ``stride``: of the first convolution."""

    expansion = 1

    def _add_convs(self, channels: int, stride: int, in_channels: int) -> None:
        self.conv1 = _conv(channels, 3, stride, in_channels)
        self.bn1 = nn.BatchNorm(in_channels=channels)
        self.conv2 = _conv(channels, 3, 1, channels)
        self.bn2 = nn.BatchNorm(in_channels=channels)

    def _body(self, F: Any, x: Any) -> Any:
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class BottleneckV1b(_Block):
    """Convolutions of 1, 3 and 1: of 50 layers and more. ``channels``: a quarter of the result's, ``stride``: of the second one."""

    expansion = 4

    def _add_convs(self, channels: int, stride: int, in_channels: int) -> None:
        self.conv1 = _conv(channels, 1, 1, in_channels)
        self.bn1 = nn.BatchNorm(in_channels=channels)
        self.conv2 = _conv(channels, 3, stride, channels)
        self.bn2 = nn.BatchNorm(in_channels=channels)
        self.conv3 = _conv(4 * channels, 1, 1, channels)
        self.bn3 = nn.BatchNorm(in_channels=4 * channels)

    def _body(self, F: Any, x: Any) -> Any:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


def _stage(number: int, block: type[_Block], layers: int, before: int, channels: int) -> nn.HybridSequential:
    """Blocks after a stage of ``before`` channels (not counting the expansion); the first halves height and width, but of stage 1."""
    stage = nn.HybridSequential(prefix=f"layers{number}_")
    inner = before if number == 1 else before * block.expansion
    with stage.name_scope():
        stage.add(block(channels, 1 if number == 1 else 2, inner))
        stage.add(*[block(channels, 1, channels * block.expansion) for _ in range(layers - 1)])
    return stage


class ResNetV1b(HybridBlock):
    """Images (batch, 3, height, width) to scores (batch, ``classes``).

    ``block``: ``BasicBlockV1b`` or ``BottleneckV1b``; ``layers``: the number of blocks of each of the four stages; ``width``: the channels
    of the first convolution and of the first stage's convolutions of 3 by 3, which double from stage to stage.
    """

    def __init__(self, block: type[_Block], layers: Sequence[int], classes: int = 1000, width: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(layers) != 4:
            fail(ArgumentError, "ResNetV1b", expected="the number of blocks of 4 stages", got=str(list(layers)))
        with self.name_scope():
            self.conv1 = nn.Conv2D(width, 7, 2, 3, use_bias=False, in_channels=3)
            self.bn1 = nn.BatchNorm(in_channels=width)
            self.maxpool = nn.MaxPool2D(3, 2, 1)
            self.layer1 = _stage(1, block, layers[0], width, width)
            self.layer2 = _stage(2, block, layers[1], width, 2 * width)
            self.layer3 = _stage(3, block, layers[2], 2 * width, 4 * width)
            self.layer4 = _stage(4, block, layers[3], 4 * width, 8 * width)
            self.avgpool = nn.GlobalAvgPool2D()
            self.flat = nn.Flatten()
            self.fc = nn.Dense(classes, in_units=8 * width * block.expansion)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flat(self.avgpool(x)))


def resnet18_v1b(**kwargs: Any) -> ResNetV1b:
    """ResNet v1b of 18 layers."""
    return ResNetV1b(BasicBlockV1b, [2, 2, 2, 2], **kwargs)


def resnet34_v1b(**kwargs: Any) -> ResNetV1b:
    """ResNet v1b of 34 layers."""
    return ResNetV1b(BasicBlockV1b, [3, 4, 6, 3], **kwargs)


def resnet50_v1b(**kwargs: Any) -> ResNetV1b:
    """ResNet v1b of 50 layers."""
    return ResNetV1b(BottleneckV1b, [3, 4, 6, 3], **kwargs)


def resnet101_v1b(**kwargs: Any) -> ResNetV1b:
    """ResNet v1b of 101 layers."""
    return ResNetV1b(BottleneckV1b, [3, 4, 23, 3], **kwargs)


def resnet152_v1b(**kwargs: Any) -> ResNetV1b:
    """ResNet v1b of 152 layers."""
    return ResNetV1b(BottleneckV1b, [3, 8, 36, 3], **kwargs)
