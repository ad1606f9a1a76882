"""VGG: "Very deep convolutional networks for large-scale image recognition" (arXiv:1409.1556)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.device import cpu
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.model_zoo.model_store import load_pretrained
from hybridnet.initializer import Xavier
from hybridnet.ops.nn.common import one_of

__all__ = ["VGG", "get_vgg", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

#: number of layers -> convolutions of each stage, and their filters
vgg_spec = {
    11: ([1, 1, 2, 2, 2], [64, 128, 256, 512, 512]),
    13: ([2, 2, 2, 2, 2], [64, 128, 256, 512, 512]),
    16: ([2, 2, 3, 3, 3], [64, 128, 256, 512, 512]),
    19: ([2, 2, 4, 4, 4], [64, 128, 256, 512, 512]),
}


class VGG(HybridBlock):
    """Images (batch, 3, height, width), of 224 by 224 as it was trained, to scores (batch, ``classes``).

    ``layers``: the number of convolutions of each stage, ``filters``: their channels, as many numbers; a stage halves height
    and width. ``batch_norm``: a batch norm after each convolution.
    """

    def __init__(self, layers: Sequence[int], filters: Sequence[int], classes: int = 1000, batch_norm: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(layers) != len(filters):
            fail(ArgumentError, "VGG", expected="as many filters as layers, one for each stage", got=f"{filters} and {layers}")
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            for number, channels in zip(layers, filters, strict=True):
                for _ in range(number):
                    init = Xavier(rnd_type="gaussian", factor_type="out", magnitude=2)
                    self.features.add(nn.Conv2D(channels, 3, padding=1, weight_initializer=init))
                    if batch_norm:
                        self.features.add(nn.BatchNorm())
                    self.features.add(nn.Activation("relu"))
                self.features.add(nn.MaxPool2D(strides=2))
            for _ in range(2):
                self.features.add(nn.Dense(4096, activation="relu", weight_initializer="normal"), nn.Dropout(0.5))
            self.output = nn.Dense(classes, weight_initializer="normal")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.output(self.features(x))


def get_vgg(num_layers: int, pretrained: bool = False, ctx: Any = cpu(), root: str | None = None, **kwargs: Any) -> VGG:
    """VGG of 11, 13, 16 or 19 layers; ``batch_norm`` and ``classes`` as of :class:`VGG`."""
    layers, filters = vgg_spec[one_of("get_vgg", "num_layers", num_layers, vgg_spec)]
    name = f"vgg{num_layers}{'_bn' if kwargs.get('batch_norm') else ''}"
    return load_pretrained(VGG(layers, filters, **kwargs), name, pretrained, ctx, root)


def vgg11(**kwargs: Any) -> VGG:
    """VGG of 11 layers."""
    return get_vgg(11, **kwargs)


def vgg13(**kwargs: Any) -> VGG:
    """VGG of 13 layers."""
    return get_vgg(13, **kwargs)


def vgg16(**kwargs: Any) -> VGG:
    """VGG of 16 layers."""
    return get_vgg(16, **kwargs)


def vgg19(**kwargs: Any) -> VGG:
    """VGG of 19 layers."""
    return get_vgg(19, **kwargs)


def vgg11_bn(**kwargs: Any) -> VGG:
    """VGG of 11 layers, with batch norm."""
    return get_vgg(11, **{**kwargs, "batch_norm": True})


def vgg13_bn(**kwargs: Any) -> VGG:
    """VGG of 13 layers, with batch norm."""
    return get_vgg(13, **{**kwargs, "batch_norm": True})


def vgg16_bn(**kwargs: Any) -> VGG:
    """VGG of 16 layers, with batch norm."""
    return get_vgg(16, **{**kwargs, "batch_norm": True})


def vgg19_bn(**kwargs: Any) -> VGG:
    """VGG of 19 layers, with batch norm."""
    return get_vgg(19, **{**kwargs, "batch_norm": True})
