"""What all transforms share: the way past arrays and operators that an image in memory takes.

A transform is a block. Called on an image on the CPU, with nothing recorded, traced or hybridized, it works on the pixels
(:meth:`Transform.pixels`), and a ``Compose`` of transforms hands these on: a worker that loads data does nothing else. In all other
cases it is its operators, as any block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet import ndarray as nd
from hybridnet.core import NDArray, local
from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.nn import HybridSequential, Sequential
from hybridnet.image import colours
from hybridnet.image.arrays import image_like, pixels_of
from hybridnet.image.pixels import Image
from hybridnet.ndarray import random as nd_random


def in_memory(x: Any) -> bool:
    """Whether ``x`` is an array whose values are at hand, with nothing that watches what becomes of it."""
    if isinstance(x, NDArray):
        return isinstance(x._data, np.ndarray) and not local.special
    return isinstance(x, np.ndarray) and not local.special


def is_plain(block: Block) -> bool:
    """Whether a call of ``block`` is nothing but its forward."""
    return block._compiled is None and not block._forward_hooks and not block._forward_pre_hooks


class Pixelwise(Block):
    """A block that is a function of pixels, whatever its array."""

    def __call__(self, x: Any, *args: Any) -> Any:
        if in_memory(x) and is_plain(self):
            result = image_like(self.pixels(pixels_of(type(self).__name__, x)), x)
            return (result, *args) if args else result
        return super().__call__(x, *args)

    def forward(self, x: Any, *args: Any) -> Any:
        result = image_like(self.pixels(pixels_of(type(self).__name__, x)), x)
        return (result, *args) if args else result

    def pixels(self, image: Image) -> Image:
        """The changed image; what is given stays as it is."""
        raise NotImplementedError(f"{type(self).__name__}.pixels(self, image)")


class Transform(Pixelwise, HybridBlock):
    """A transform that has operators as well."""

    forward = HybridBlock.forward


class Compose(Sequential):
    """Transforms one after the other, each a block."""

    def __init__(self, transforms: Sequence[Block]) -> None:
        super().__init__()
        _check_blocks("Compose", transforms)
        self.add(*transforms)

    def __call__(self, x: Any, *args: Any) -> Any:
        if in_memory(x) and is_plain(self):
            result = run(self._children.values(), x)
            return (result, *args) if args else result
        return super().__call__(x, *args)


class HybridCompose(HybridSequential):
    """Transforms one after the other, each a hybrid block, compiled as one from the start."""

    def __init__(self, transforms: Sequence[HybridBlock]) -> None:
        super().__init__()
        _check_blocks("HybridCompose", transforms, HybridBlock)
        self.add(*transforms)
        self.hybridize()


def _check_blocks(op: str, blocks: Sequence[Any], kind: type[Block] = Block) -> None:
    odd = next((block for block in blocks if not isinstance(block, kind)), None)
    if odd is not None:
        fail(ArgumentError, op, expected=f"transforms that are each a {kind.__name__}", got=f"a {type(odd).__name__}", fix="nn.Lambda(f)")


def run(blocks: Any, x: Any) -> Any:
    """What ``blocks`` make of ``x``, an array in memory; arrays are made only for those that do not work on pixels."""
    image: Image | None = None  # where ``x`` has got to, if pixels are ahead of it
    for block in blocks:
        if isinstance(block, Pixelwise) and is_plain(block) and (image is not None or in_memory(x)):
            image = block.pixels(pixels_of("transforms", x) if image is None else image)
        else:
            if image is not None:
                x, image = image_like(image, x), None
            x = block(x)
    return x if image is None else image_like(image, x)


class RandomApply(Sequential):
    """A transform, or several, that happen with probability ``p``."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        several = list(transforms) if isinstance(transforms, (list, tuple)) else [transforms]
        _check_blocks(type(self).__name__, several)
        self.add(*several)
        self.transforms, self.p = transforms, p

    def __call__(self, x: Any, *args: Any) -> Any:
        return super().__call__(x, *args) if host().random() < self.p else (x, *args) if args else x


class HybridRandomApply(HybridSequential):
    """Hybrid transforms that happen with probability ``p``, drawn anew by each run of the compiled program as well."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        several = list(transforms) if isinstance(transforms, (list, tuple)) else [transforms]
        _check_blocks("HybridRandomApply", several, HybridBlock)
        self.add(*several)
        self.p = p

    def forward(self, x: Any, *args: Any) -> Any:  # type: ignore[override]
        changed = Sequential.forward(self, x)
        happens = nd_random.bernoulli(self.p, shape=(1,))
        return nd.where(nd.broadcast_to(happens.reshape((1,) * x.ndim), x.shape), changed, x)


class Cast(Transform):
    """Another dtype."""

    def __init__(self, dtype: Any = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def pixels(self, image: Image) -> Image:
        return image.astype(dtypes.as_dtype(self._dtype))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.cast(x, self._dtype)


class ToTensor(Transform):
    """(h, w, c) in 0 to 255, or a batch of them, to float32 (c, h, w) in 0 to 1."""

    def pixels(self, image: Image) -> Image:
        return colours.to_tensor(image)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.to_tensor(x)


class Normalize(Transform):
    """(x - mean) / std of a tensor (c, h, w), or a batch of them; ``mean`` and ``std`` a number or one a channel."""

    def __init__(self, mean: Any = 0.0, std: Any = 1.0) -> None:
        super().__init__()
        self._mean, self._std = mean, std
        self._by_channel = [np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (mean, std)]

    def pixels(self, image: Image) -> Image:
        channels = image.shape[-3] if image.ndim in (3, 4) else 0
        for name, values in zip(("mean", "std"), self._by_channel, strict=True):
            if not channels or len(values) not in (1, channels):
                got = f"{len(values)} numbers for {image.shape}"
                fail(
                    ArgumentError,
                    "Normalize",
                    expected=f"a tensor (channels, height, width), and {name} a number or one a channel",
                    got=got,
                )
        return colours.normalized(image, *self._by_channel)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.normalize(x, self._mean, self._std)
