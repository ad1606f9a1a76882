"""Augmenters: objects that change one image, at random where their name says so, and lists of them.

A built-in augmenter works on the pixels; a chain of them goes from one to the next without an array of ours between. One of your
own is a subclass of ``Augmenter`` whose ``__call__`` takes an array and gives an array.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import NDArray
from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, fail
from hybridnet.image import colours, pixels
from hybridnet.image.arrays import new_image, on_pixels, pixels_of
from hybridnet.image.functions import area_of
from hybridnet.image.pixels import Image, Size
from hybridnet.ndarray.image import PCA_VALUES, PCA_VECTORS


class Augmenter:
    """The base of augmenters: ``augmenter(image)`` gives the changed image. What it is made with is kept for ``dumps``."""

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {key: _listed(value) for key, value in kwargs.items()}

    def dumps(self) -> Any:
        """Its name and arguments as JSON."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__call__(self, src), which gives the changed image")


def _listed(value: Any) -> Any:
    if isinstance(value, (np.ndarray, NDArray)):
        return value.tolist()
    return value


class PixelAugmenter(Augmenter):
    """An augmenter that is a function of pixels, :meth:`pixels`."""

    def __call__(self, src: Any) -> Any:
        return on_pixels(type(self).__name__, src, self.pixels)

    def pixels(self, image: Image) -> Image:
        """The changed image; what is given stays as it is."""
        raise NotImplementedError(f"{type(self).__name__}.pixels(self, image)")


def augmented(augmenters: Iterable[Augmenter], image: Image) -> Image:
    """What a chain of augmenters makes of an image; arrays are made only for those that are not built in."""
    for augmenter in augmenters:
        if type(augmenter).__call__ is PixelAugmenter.__call__:
            image = augmenter.pixels(image)  # type: ignore[attr-defined]
        else:
            image = pixels_of(type(augmenter).__name__, augmenter(new_image(image)))
    return image


# -- several ------------------------------------------------------------------------------------------


class SequentialAug(PixelAugmenter):
    """The augmenters of a list, one after the other."""

    def __init__(self, ts: Sequence[Augmenter]) -> None:
        super().__init__()
        self.ts = ts

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), [t.dumps() for t in self.ts]]

    def pixels(self, image: Image) -> Image:
        return augmented(self.ts, image)


class RandomOrderAug(SequentialAug):
    """The augmenters of a list, in an order that is drawn for each image."""

    def pixels(self, image: Image) -> Image:
        return augmented(host().sample(self.ts, len(self.ts)), image)


# -- sizes and windows --------------------------------------------------------------------------------


class ResizeAug(PixelAugmenter):
    """The shorter side made ``size``."""

    def __init__(self, size: int, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def pixels(self, image: Image) -> Image:
        return pixels.resize(image, *pixels.short_size(pixels.size_of(image), self.size), self.interp)


class _Sized(PixelAugmenter):
    """An augmenter to a size (width, height)."""

    def __init__(self, size: Size, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp


class ForceResizeAug(_Sized):
    """Resized to (width, height), whatever the ratio."""

    def pixels(self, image: Image) -> Image:
        return pixels.resize(image, *self.size, self.interp)


class RandomCropAug(_Sized):
    """A window of a size at a random place."""

    def pixels(self, image: Image) -> Image:
        return pixels.crop(image, pixels.anywhere(pixels.size_of(image), self.size), self.size, self.interp)


class CenterCropAug(_Sized):
    """The window of a size in the middle."""

    def pixels(self, image: Image) -> Image:
        return pixels.crop(image, pixels.center(pixels.size_of(image), self.size), self.size, self.interp)


class RandomSizedCropAug(PixelAugmenter):
    """A window of a random part of the area and a random ratio, resized; see ``image.random_size_crop``."""

    def __init__(self, size: Size, area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any) -> None:
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.area, self.ratio, self.interp = size, area_of("RandomSizedCropAug", area, kwargs), ratio, interp

    def pixels(self, image: Image) -> Image:
        window = pixels.of_area(pixels.size_of(image), self.area, self.ratio, self.size)
        return pixels.crop(image, window, self.size, self.interp)


class HorizontalFlipAug(PixelAugmenter):
    """Mirrored with probability ``p``."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def pixels(self, image: Image) -> Image:
        return pixels.flipped(image) if host().random() < self.p else image


# -- colours ------------------------------------------------------------------------------------------


class _Jitter(PixelAugmenter):
    """A change of colours by a number between ``base`` ± what the augmenter is made with."""

    change: Callable[[Image, float], Image]
    base = 1.0

    def __init__(self, **kwargs: float) -> None:
        super().__init__(**kwargs)
        self.__dict__.update(kwargs)
        (self._range,) = kwargs.values()

    def pixels(self, image: Image) -> Image:
        return type(self).change(image, self.base + host().uniform(-self._range, self._range))


class BrightnessJitterAug(_Jitter):
    """Values times 1 ± ``brightness``."""

    change = staticmethod(colours.brightness)

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness=brightness)


class ContrastJitterAug(_Jitter):
    """Distances from the mean brightness times 1 ± ``contrast``."""

    change = staticmethod(colours.contrast)

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast=contrast)


class SaturationJitterAug(_Jitter):
    """Distances from gray times 1 ± ``saturation``."""

    change = staticmethod(colours.saturation)

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation=saturation)


class HueJitterAug(_Jitter):
    """Colours turned by ± ``hue`` half circles in YIQ."""

    change = staticmethod(colours.hue_in_yiq)
    base = 0.0

    def __init__(self, hue: float) -> None:
        super().__init__(hue=hue)


class ColorJitterAug(RandomOrderAug):
    """Brightness, contrast and saturation, each that is not 0, in random order."""

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        kinds = ((brightness, BrightnessJitterAug), (contrast, ContrastJitterAug), (saturation, SaturationJitterAug))
        super().__init__([kind(amount) for amount, kind in kinds if amount > 0])  # type: ignore[operator]


class LightingAug(PixelAugmenter):
    """Noise along the principal components of colours, of standard deviation ``alphastd``; AlexNet's."""

    def __init__(self, alphastd: float, eigval: Any, eigvec: Any) -> None:
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd, self.eigval, self.eigvec = alphastd, eigval, eigvec

    def pixels(self, image: Image) -> Image:
        alpha = [host().gauss(0, self.alphastd) for _ in range(3)]
        return colours.lighting(image, alpha, np.asarray(self.eigval), np.asarray(self.eigvec))


class RandomGrayAug(PixelAugmenter):
    """Without colour, with probability ``p``."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def pixels(self, image: Image) -> Image:
        return colours.gray(image) if host().random() < self.p else image


class ColorNormalizeAug(PixelAugmenter):
    """(image - mean) / std, each one a channel or ``None``."""

    def __init__(self, mean: Any, std: Any) -> None:
        super().__init__(mean=mean, std=std)
        self.mean, self.std = mean, std

    def pixels(self, image: Image) -> Image:
        return colours.normalized_colours(image, *(None if v is None else np.asarray(v) for v in (self.mean, self.std)))


class CastAug(PixelAugmenter):
    """Another dtype."""

    def __init__(self, typ: Any = "float32") -> None:
        super().__init__(type=typ)
        self.typ = typ

    def pixels(self, image: Image) -> Image:
        return image.astype(dtypes.as_dtype(self.typ))


# -- the usual list -----------------------------------------------------------------------------------


def CreateAugmenter(
    data_shape: Sequence[int],
    resize: int = 0,
    rand_crop: bool = False,
    rand_resize: bool = False,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    hue: float = 0,
    pca_noise: float = 0,
    rand_gray: float = 0,
    inter_method: int = 2,
) -> list[Augmenter]:
    """The augmenters that images for ``data_shape`` (channels, height, width) usually go through.

    ``resize``: the shorter side first; ``rand_crop``: a window at a random place, and with ``rand_resize`` of a random size;
    ``rand_mirror``: mirrored half of the time; ``mean``, ``std``: ``True`` for ImageNet's, or one a channel; the rest is how
    strong each jitter is.
    """
    size = (data_shape[2], data_shape[1])
    augmenters: list[Augmenter] = [ResizeAug(resize, inter_method)] if resize > 0 else []
    if rand_resize:
        if not rand_crop:
            fail(ArgumentError, "CreateAugmenter", expected="rand_crop with rand_resize", got="rand_resize alone", fix="rand_crop=True")
        augmenters.append(RandomSizedCropAug(size, 0.08, (3 / 4, 4 / 3), inter_method))
    else:
        augmenters.append((RandomCropAug if rand_crop else CenterCropAug)(size, inter_method))
    if rand_mirror:
        augmenters.append(HorizontalFlipAug(0.5))
    augmenters.append(CastAug())
    return augmenters + colour_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std)


def colour_augmenters(
    brightness: float, contrast: float, saturation: float, hue: float, pca_noise: float, rand_gray: float, mean: Any, std: Any
) -> list[Augmenter]:
    """What follows the cast in the usual lists."""
    augmenters: list[Augmenter] = []
    if brightness or contrast or saturation:
        augmenters.append(ColorJitterAug(brightness, contrast, saturation))
    if hue:
        augmenters.append(HueJitterAug(hue))
    if pca_noise > 0:
        augmenters.append(LightingAug(pca_noise, np.array(PCA_VALUES), np.array(PCA_VECTORS)))
    if rand_gray > 0:
        augmenters.append(RandomGrayAug(rand_gray))
    mean, std = _statistics("mean", mean, colours.MEAN), _statistics("std", std, colours.STD)
    if mean is not None or std is not None:
        augmenters.append(ColorNormalizeAug(mean, std))
    return augmenters


def _statistics(name: str, values: Any, usual: Image) -> Any:
    """One a channel, ImageNet's for ``True``, ``None`` for none."""
    if values is None or values is False:
        return None
    found = np.asarray(usual if values is True else values, np.float32)
    if found.shape not in ((1,), (3,)):
        fail(ArgumentError, "CreateAugmenter", expected=f"{name}=True, or 1 or 3 numbers", got=f"shape {found.shape}")
    return found
