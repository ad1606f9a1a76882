"""SqueezeNet: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size" (arXiv:1602.07360)."""

from __future__ import annotations

from typing import Any

from hybridnet.device import cpu
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.model_store import load_pretrained
from hybridnet.ops.nn.common import one_of

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

#: version -> channels and kernel of the first convolution, and the squeezed channels of each fire module; None is a pooling
_LAYERS: dict[str, tuple[int, int, tuple[int | None, ...]]] = {
    "1.0": (96, 7, (None, 16, 16, 32, None, 32, 48, 48, 64, None, 64)),
    "1.1": (64, 3, (None, 16, 16, None, 32, 32, None, 48, 48, 64, 64)),
}


def _conv(channels: int, kernel: int, padding: int = 0) -> nn.HybridSequential:
    conv = nn.HybridSequential(prefix="")
    conv.add(nn.Conv2D(channels, kernel, padding=padding), nn.Activation("relu"))
    return conv


def _fire(squeezed: int) -> nn.HybridSequential:
    """Channels squeezed by a convolution of 1 by 1, then expanded to four times as many by one of 1 and four times by one of 3."""
    fire = nn.HybridSequential(prefix="")
    fire.add(_conv(squeezed, 1))
    expanded = nn.HybridConcatenate(axis=1, prefix="")
    expanded.add(_conv(4 * squeezed, 1), _conv(4 * squeezed, 3, 1))
    fire.add(expanded)
    return fire


class SqueezeNet(HybridBlock):
    """Images (batch, 3, 224, 224) to scores (batch, ``classes``); ``version`` "1.0", or "1.1", which computes less."""

    def __init__(self, version: str, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        channels, kernel, layers = _LAYERS[one_of("SqueezeNet", "version", version, _LAYERS)]
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self.features.add(nn.Conv2D(channels, kernel, 2), nn.Activation("relu"))
            for squeezed in layers:
                self.features.add(nn.MaxPool2D(3, 2, ceil_mode=True) if squeezed is None else _fire(squeezed))
            self.features.add(nn.Dropout(0.5))
            self.output = nn.HybridSequential(prefix="")
            self.output.add(nn.Conv2D(classes, 1), nn.Activation("relu"), nn.AvgPool2D(13), nn.Flatten())

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


def get_squeezenet(version: str, pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any) -> SqueezeNet:
    """SqueezeNet of ``version`` "1.0" or "1.1"; ``classes`` as of :class:`SqueezeNet`."""
    return load_pretrained(SqueezeNet(version, **kwargs), f"squeezenet{version}", pretrained, ctx, root)


def squeezenet1_0(**kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.0."""
    return get_squeezenet("1.0", **kwargs)


def squeezenet1_1(**kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.1: as good as 1.0, with 2.4 times less to compute."""
    return get_squeezenet("1.1", **kwargs)
