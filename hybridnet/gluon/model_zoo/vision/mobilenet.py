"""MobileNet: "MobileNets: efficient convolutional neural networks for mobile vision applications" (arXiv:1704.04861), and
version 2, "Inverted residuals and linear bottlenecks" (arXiv:1801.04381)."""

from __future__ import annotations

from typing import Any

from hybridnet.device import cpu
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.model_store import load_pretrained

__all__ = [
    "MobileNet",
    "MobileNetV2",
    "get_mobilenet",
    "get_mobilenet_v2",
    "mobilenet0_5",
    "mobilenet0_25",
    "mobilenet0_75",
    "mobilenet1_0",
    "mobilenet_v2_0_5",
    "mobilenet_v2_0_25",
    "mobilenet_v2_0_75",
    "mobilenet_v2_1_0",
]  # fmt: skip

#: Version 1: channels after each pair of a depthwise and a pointwise convolution; where they grow the stride is 2, but for the first.
_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
#: Version 2: channels of a stage, its number of bottlenecks, the stride of its first one.
_STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))


class RELU6(HybridBlock):
    """min(max(x, 0), 6)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.clip(x, 0, 6, name="relu6")


def _add_conv(
    out: nn.HybridSequential,
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    active: bool = True,
    relu6: bool = False,
) -> None:
    """A convolution that keeps height and width, but for the stride, with its norm and, if ``active``, a relu."""
    out.add(nn.Conv2D(channels, kernel, stride, kernel // 2, groups=groups, use_bias=False), nn.BatchNorm(scale=True))
    if active:
        out.add(RELU6() if relu6 else nn.Activation("relu"))


class LinearBottleneck(HybridBlock):
    """Channels expanded ``t`` times, a depthwise convolution, and down to ``channels`` without a relu; its input is added if it can be."""

    def __init__(self, in_channels: int, channels: int, t: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_shortcut = stride == 1 and in_channels == channels
        with self.name_scope():
            self.out = nn.HybridSequential()
            _add_conv(self.out, in_channels * t, relu6=True)
            _add_conv(self.out, in_channels * t, 3, stride, groups=in_channels * t, relu6=True)
            _add_conv(self.out, channels, active=False)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        y = self.out(x)
        return F.elemwise_add(y, x) if self.use_shortcut else y


class MobileNet(HybridBlock):
    """Images (batch, 3, height, width) to scores (batch, ``classes``), with ``multiplier`` times the channels of the whole network."""

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        before = int(32 * multiplier)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            with self.features.name_scope():
                _add_conv(self.features, before, 3, 2)
                for i, full in enumerate(_CHANNELS):
                    channels = int(full * multiplier)
                    _add_conv(self.features, before, 3, 2 if i and full > _CHANNELS[i - 1] else 1, groups=before)
                    _add_conv(self.features, channels)
                    before = channels
                self.features.add(nn.GlobalAvgPool2D(), nn.Flatten())
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


class MobileNetV2(HybridBlock):
    """Images (batch, 3, height, width) to scores (batch, ``classes``), with ``multiplier`` times the channels of the whole network."""

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        before = int(32 * multiplier)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="features_")
            with self.features.name_scope():
                _add_conv(self.features, before, 3, 2, relu6=True)
                for i, (full, number, stride) in enumerate(_STAGES):
                    channels = int(full * multiplier)
                    for j in range(number):
                        self.features.add(LinearBottleneck(before, channels, 6 if i else 1, 1 if j else stride))
                        before = channels
                _add_conv(self.features, int(1280 * multiplier) if multiplier > 1.0 else 1280, relu6=True)
                self.features.add(nn.GlobalAvgPool2D())
            self.output = nn.HybridSequential(prefix="output_")
            with self.output.name_scope():
                self.output.add(nn.Conv2D(classes, 1, use_bias=False, prefix="pred_"), nn.Flatten())

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


def _named(multiplier: float) -> str:
    """A multiplier as it stands in the names of files: "0.25", "0.5", "1.0"."""
    text = f"{multiplier:.2f}"
    return text[:-1] if text in ("1.00", "0.50") else text


def get_mobilenet(multiplier: float, pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any) -> MobileNet:
    """MobileNet with ``multiplier`` times the channels, 0.25 or more; trained ones are 0.25, 0.5, 0.75 and 1."""
    return load_pretrained(MobileNet(multiplier, **kwargs), f"mobilenet{_named(multiplier)}", pretrained, ctx, root)


def get_mobilenet_v2(multiplier: float, pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any) -> MobileNetV2:
    """MobileNet v2 with ``multiplier`` times the channels; trained ones are 0.25, 0.5, 0.75 and 1."""
    return load_pretrained(MobileNetV2(multiplier, **kwargs), f"mobilenetv2_{_named(multiplier)}", pretrained, ctx, root)


def mobilenet1_0(**kwargs: Any) -> MobileNet:
    """MobileNet with the channels of the paper."""
    return get_mobilenet(1.0, **kwargs)


def mobilenet0_75(**kwargs: Any) -> MobileNet:
    """MobileNet with 0.75 times the channels."""
    return get_mobilenet(0.75, **kwargs)


def mobilenet0_5(**kwargs: Any) -> MobileNet:
    """MobileNet with 0.5 times the channels."""
    return get_mobilenet(0.5, **kwargs)


def mobilenet0_25(**kwargs: Any) -> MobileNet:
    """MobileNet with 0.25 times the channels."""
    return get_mobilenet(0.25, **kwargs)


def mobilenet_v2_1_0(**kwargs: Any) -> MobileNetV2:
    """MobileNet v2 with the channels of the paper."""
    return get_mobilenet_v2(1.0, **kwargs)


def mobilenet_v2_0_75(**kwargs: Any) -> MobileNetV2:
    """MobileNet v2 with 0.75 times the channels."""
    return get_mobilenet_v2(0.75, **kwargs)


def mobilenet_v2_0_5(**kwargs: Any) -> MobileNetV2:
    """MobileNet v2 with 0.5 times the channels."""
    return get_mobilenet_v2(0.5, **kwargs)


def mobilenet_v2_0_25(**kwargs: Any) -> MobileNetV2:
    """MobileNet v2 with 0.25 times the channels."""
    return get_mobilenet_v2(0.25, **kwargs)
