"""ResNet: "Deep residual learning for image recognition" (version 1, arXiv:1512.03385) and "Identity mappings in deep
residual networks" (version 2, arXiv:1603.05027)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.device import cpu
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.model_store import load_pretrained
from hybridnet.ops.nn.common import one_of

__all__ = [
    "BasicBlockV1", "BasicBlockV2", "BottleneckV1", "BottleneckV2", "ResNetV1", "ResNetV2", "get_resnet",
    "resnet18_v1", "resnet18_v2", "resnet34_v1", "resnet34_v2", "resnet50_v1", "resnet50_v2",
    "resnet101_v1", "resnet101_v2", "resnet152_v1", "resnet152_v2",
]  # fmt: skip


def _conv3x3(channels: int, stride: int, in_channels: int) -> nn.Conv2D:
    return nn.Conv2D(channels, 3, stride, 1, use_bias=False, in_channels=in_channels)


class _BlockV1(HybridBlock):
    """relu(``body``(x) + x); ``downsample``: the x that is added goes through a convolution of 1 by 1."""

    def __init__(self, channels: int, stride: int, downsample: bool = False, in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.body = nn.HybridSequential(prefix="")
        self._fill_body(channels, stride, in_channels)
        self.downsample = None
        if downsample:
            self.downsample = nn.HybridSequential(prefix="")
            self.downsample.add(nn.Conv2D(channels, 1, stride, use_bias=False, in_channels=in_channels), nn.BatchNorm())

    def _fill_body(self, channels: int, stride: int, in_channels: int) -> None:
        raise NotImplementedError

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        residual = x if self.downsample is None else self.downsample(x)
        return F.Activation(self._joined(residual, self.body(x)), act_type="relu")

    def _joined(self, residual: Any, y: Any) -> Any:
        return residual + y


class BasicBlockV1(_BlockV1):
    """Two convolutions of 3 by 3 around which the input goes, with the norm after each: of version 1, 18 and 34 layers.

    ``channels``: of the result, ``stride``: of the first convolution, ``downsample``: whether the input has another shape than
    the result, ``in_channels``: of the input.
    """

    def _fill_body(self, channels: int, stride: int, in_channels: int) -> None:
        self.body.add(_conv3x3(channels, stride, in_channels), nn.BatchNorm(), nn.Activation("relu"))
        self.body.add(_conv3x3(channels, 1, channels), nn.BatchNorm())


class BottleneckV1(_BlockV1):
    """Convolutions of 1, 3 and 1 around which the input goes, with the norm after each: of version 1, 50 layers and more.

    The stride is that of the first one, and those of 1 by 1 have a bias, as in MXNet's networks. Arguments as of
    :class:`BasicBlockV1`.
    """

    def _fill_body(self, channels: int, stride: int, in_channels: int) -> None:
        inner = channels // 4
        self.body.add(nn.Conv2D(inner, 1, stride), nn.BatchNorm(), nn.Activation("relu"))
        self.body.add(_conv3x3(inner, 1, inner), nn.BatchNorm(), nn.Activation("relu"))
        self.body.add(nn.Conv2D(channels, 1, 1), nn.BatchNorm())

    def _joined(self, residual: Any, y: Any) -> Any:
        return y + residual  # the order of MXNet's file


class _BlockV2(HybridBlock):
    """x, or a convolution of its norm with ``downsample``, plus what convolutions make of it that have norm and relu before each."""

    def __init__(self, channels: int, stride: int, downsample: bool = False, in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        convs = self._convs(channels, stride, in_channels)
        self._numbers = range(1, len(convs) + 1)
        for i, conv in zip(self._numbers, convs, strict=True):
            setattr(self, f"bn{i}", nn.BatchNorm())
            setattr(self, f"conv{i}", conv)
        self.downsample = nn.Conv2D(channels, 1, stride, use_bias=False, in_channels=in_channels) if downsample else None

    def _convs(self, channels: int, stride: int, in_channels: int) -> list[nn.Conv2D]:
        raise NotImplementedError

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        residual = x
        for i in self._numbers:
            x = F.Activation(getattr(self, f"bn{i}")(x), act_type="relu")
            if i == 1 and self.downsample is not None:
                residual = self.downsample(x)
            x = getattr(self, f"conv{i}")(x)
        return x + residual


class BasicBlockV2(_BlockV2):
    """Two convolutions of 3 by 3, with the norm before each: of version 2, 18 and 34 layers. Arguments as of :class:`BasicBlockV1`."""

    def _convs(self, channels: int, stride: int, in_channels: int) -> list[nn.Conv2D]:
        return [_conv3x3(channels, stride, in_channels), _conv3x3(channels, 1, channels)]


class BottleneckV2(_BlockV2):
    """Convolutions of 1, 3 and 1, with the norm before each: of version 2, 50 layers and more. Arguments as of :class:`BasicBlockV1`."""

    def _convs(self, channels: int, stride: int, in_channels: int) -> list[nn.Conv2D]:
        inner = channels // 4
        return [nn.Conv2D(inner, 1, use_bias=False), _conv3x3(inner, stride, inner), nn.Conv2D(channels, 1, use_bias=False)]


class _ResNet(HybridBlock):
    """What both versions share: the first convolution, the stages, and the scores."""

    def __init__(
        self, block: Any, layers: Sequence[int], channels: Sequence[int], classes: int = 1000, thumbnail: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if len(channels) != len(layers) + 1:
            expected = "the channels of the first convolution and of each stage: one number more than layers"
            fail(ArgumentError, type(self).__name__, expected=expected, got=f"{list(channels)} for layers {list(layers)}")
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self._add_first(channels[0], thumbnail)
            self._add_stages(block, layers, channels)
            self._add_last()
            self.output = nn.Dense(classes, in_units=channels[-1])

    def _add_first(self, channels: int, thumbnail: bool) -> None:
        """The first convolution, which leaves a quarter of height and width; of a ``thumbnail`` all."""
        if thumbnail:
            self.features.add(_conv3x3(channels, 1, 0))
            return
        self.features.add(nn.Conv2D(channels, 7, 2, 3, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(3, 2, 1))

    def _add_stages(self, block: Any, layers: Sequence[int], channels: Sequence[int]) -> None:
        """Stages of blocks; each but the first halves height and width."""
        for i, number in enumerate(layers):
            stage = nn.HybridSequential(prefix=f"stage{i + 1}_")
            before, after = channels[i], channels[i + 1]
            with stage.name_scope():
                stage.add(block(after, 1 if i == 0 else 2, after != before, in_channels=before, prefix=""))
                stage.add(*[block(after, 1, False, in_channels=after, prefix="") for _ in range(number - 1)])
            self.features.add(stage)

    def _add_last(self) -> None:
        """From the last stage to a number a channel."""
        self.features.add(nn.GlobalAvgPool2D())

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


class ResNetV1(_ResNet):
    """Images (batch, 3, height, width) to scores (batch, ``classes``).

    ``block``: ``BasicBlockV1`` or ``BottleneckV1``; ``layers``: the number of blocks of each stage; ``channels``: those of the
    first convolution and of each stage. ``thumbnail``: for small images, which the first layers leave as large as they are.
    """


class ResNetV2(_ResNet):
    """As :class:`ResNetV1`, of ``BasicBlockV2`` or ``BottleneckV2``, with the images normalised by a batch norm."""

    def _add_first(self, channels: int, thumbnail: bool) -> None:
        self.features.add(nn.BatchNorm(scale=False, center=False))
        super()._add_first(channels, thumbnail)

    def _add_last(self) -> None:
        self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten())


#: number of layers -> kind of block, blocks of each stage, channels
resnet_spec = {
    18: ("basic_block", [2, 2, 2, 2], [64, 64, 128, 256, 512]),
    34: ("basic_block", [3, 4, 6, 3], [64, 64, 128, 256, 512]),
    50: ("bottle_neck", [3, 4, 6, 3], [64, 256, 512, 1024, 2048]),
    101: ("bottle_neck", [3, 4, 23, 3], [64, 256, 512, 1024, 2048]),
    152: ("bottle_neck", [3, 8, 36, 3], [64, 256, 512, 1024, 2048]),
}
resnet_net_versions: list[Any] = [ResNetV1, ResNetV2]
resnet_block_versions: list[dict[str, Any]] = [
    {"basic_block": BasicBlockV1, "bottle_neck": BottleneckV1},
    {"basic_block": BasicBlockV2, "bottle_neck": BottleneckV2},
]


def get_resnet(
    version: int, num_layers: int, pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any
) -> ResNetV1 | ResNetV2:
    """ResNet of ``version`` 1 or 2 and 18, 34, 50, 101 or 152 layers; ``classes`` and ``thumbnail`` as of :class:`ResNetV1`."""
    kind, layers, channels = resnet_spec[one_of("get_resnet", "num_layers", num_layers, resnet_spec)]
    one_of("get_resnet", "version", version, (1, 2))
    net = resnet_net_versions[version - 1](resnet_block_versions[version - 1][kind], layers, channels, **kwargs)
    return load_pretrained(net, f"resnet{num_layers}_v{version}", pretrained, ctx, root)


def resnet18_v1(**kwargs: Any) -> ResNetV1:
    """ResNet of 18 layers, version 1."""
    return get_resnet(1, 18, **kwargs)  # type: ignore[return-value]


def resnet34_v1(**kwargs: Any) -> ResNetV1:
    """ResNet of 34 layers, version 1."""
    return get_resnet(1, 34, **kwargs)  # type: ignore[return-value]


def resnet50_v1(**kwargs: Any) -> ResNetV1:
    """ResNet of 50 layers, version 1."""
    return get_resnet(1, 50, **kwargs)  # type: ignore[return-value]


def resnet101_v1(**kwargs: Any) -> ResNetV1:
    """ResNet of 101 layers, version 1."""
    return get_resnet(1, 101, **kwargs)  # type: ignore[return-value]


def resnet152_v1(**kwargs: Any) -> ResNetV1:
    """ResNet of 152 layers, version 1."""
    return get_resnet(1, 152, **kwargs)  # type: ignore[return-value]


def resnet18_v2(**kwargs: Any) -> ResNetV2:
    """ResNet of 18 layers, version 2."""
    return get_resnet(2, 18, **kwargs)  # type: ignore[return-value]


def resnet34_v2(**kwargs: Any) -> ResNetV2:
    """ResNet of 34 layers, version 2."""
    return get_resnet(2, 34, **kwargs)  # type: ignore[return-value]


def resnet50_v2(**kwargs: Any) -> ResNetV2:
    """ResNet of 50 layers, version 2."""
    return get_resnet(2, 50, **kwargs)  # type: ignore[return-value]


def resnet101_v2(**kwargs: Any) -> ResNetV2:
    """ResNet of 101 layers, version 2."""
    return get_resnet(2, 101, **kwargs)  # type: ignore[return-value]


def resnet152_v2(**kwargs: Any) -> ResNetV2:
    """ResNet of 152 layers, version 2."""
    return get_resnet(2, 152, **kwargs)  # type: ignore[return-value]
