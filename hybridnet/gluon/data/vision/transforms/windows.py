"""Transforms of sizes and windows: resized, cut, mirrored, turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.data.vision.transforms.base import Pixelwise, Transform
from hybridnet.image import pixels, rotation
from hybridnet.image.pixels import Image, Size


def _pair(op: str, size: Any) -> Size:
    """(width, height) from one number or two."""
    if isinstance(size, (int, np.integer)):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 2:
        return int(size[0]), int(size[1])
    return fail(ArgumentError, op, expected="a size as a number or as (width, height)", got=repr(size))


def _each(image: Image, change: Callable[[Image], Image]) -> Image:
    """``change`` of an image, or of each of a batch."""
    return change(image) if image.ndim == 3 else np.stack([change(x) for x in image])


def _one(op: str, image: Image) -> pixels.Size:
    """The size of an image, which must be one."""
    if image.ndim != 3:
        fail(ShapeError, op, expected="one image (height, width, channels)", got=str(image.shape))
    return pixels.size_of(image)


class Resize(Transform):
    """(h, w, c), or a batch of them, in another size.

    ``size``: (width, height), or one number for both; with ``keep_ratio`` one number is that of the shorter side.
    ``interpolation``: OpenCV's number, 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos.
    """

    def __init__(self, size: Any, keep_ratio: bool = False, interpolation: int = 1) -> None:
        super().__init__()
        self._size, self._keep, self._interpolation = size, keep_ratio, interpolation
        self._pair = _pair("Resize", size)

    def pixels(self, image: Image) -> Image:
        size = self._pair
        if self._keep and isinstance(self._size, int):
            size = pixels.short_size((image.shape[-2], image.shape[-3]), self._size)
        return _each(image, lambda x: pixels.resize(x, *size, self._interpolation))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.resize(x, self._size, self._keep, self._interpolation)


class CenterCrop(Transform):
    """The window of ``size`` (width, height) in the middle; enlarged if the image is smaller."""

    def __init__(self, size: Any, interpolation: int = 1) -> None:
        super().__init__()
        self._size, self._interpolation = _pair("CenterCrop", size), interpolation

    def pixels(self, image: Image) -> Image:
        return pixels.crop(image, pixels.center(_one("CenterCrop", image), self._size), self._size, self._interpolation)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        window = pixels.center((x.shape[-2], x.shape[-3]), self._size)
        cut = F.image.crop(x, *window)
        return cut if window[2:] == self._size else F.image.resize(cut, self._size, False, self._interpolation)


class CropResize(Transform):
    """The window of (h, w, c), or of each of a batch, of ``width`` columns from ``x`` and ``height`` rows from ``y``.

    Resized to ``size`` (a number, or (width, height)) if one is given.
    """

    def __init__(self, x: int, y: int, width: int, height: int, size: Any = None, interpolation: int | None = None) -> None:
        super().__init__()
        self._window = x, y, width, height
        self._size = None if size is None else _pair("CropResize", size)
        self._interpolation = 1 if interpolation is None else interpolation

    def pixels(self, image: Image) -> Image:
        x, y, width, height = self._window
        if x < 0 or y < 0 or x + width > image.shape[-2] or y + height > image.shape[-3]:
            got = f"{width}×{height} at column {x}, row {y} of {image.shape}"
            fail(ShapeError, "CropResize", expected="a window (width×height) inside the image", got=got)
        return _each(image, lambda one: pixels.crop(one, self._window, self._size, self._interpolation))

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        cut = F.image.crop(x, *self._window)
        return cut if self._size in (None, self._window[2:]) else F.image.resize(cut, self._size, False, self._interpolation)


class RandomResizedCrop(Pixelwise):
    """A window of a random part of the area (``scale``, least and most) and a random ratio of width to height, in ``size``."""

    def __init__(
        self,
        size: Any,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: int = 1,
    ) -> None:
        super().__init__()
        self._size, self._scale, self._ratio, self._interpolation = _pair("RandomResizedCrop", size), scale, ratio, interpolation

    def pixels(self, image: Image) -> Image:
        window = pixels.of_area(_one("RandomResizedCrop", image), self._scale, self._ratio, self._size)
        return pixels.crop(image, window, self._size, self._interpolation)


class RandomCrop(Pixelwise):
    """A window of ``size`` (width, height) at a random place of the image, with ``pad`` pixels of ``pad_value`` around it.

    ``pad``: a number for all sides, or (left and right, top and bottom), or (left, top, right, bottom).
    """

    def __init__(self, size: Any, pad: Any = None, pad_value: Any = 0, interpolation: int = 1) -> None:
        super().__init__()
        self._size, self._value, self._interpolation = _pair("RandomCrop", size), pad_value, interpolation
        sides = (pad,) * 4 if isinstance(pad, int) else tuple(pad or (0,) * 4)
        sides = sides * 2 if len(sides) == 2 else sides
        if len(sides) != 4:
            fail(ArgumentError, "RandomCrop", expected="a pad of 1, 2 or 4 numbers", got=repr(pad))
        self._sides = sides

    def pixels(self, image: Image) -> Image:
        left, top, right, bottom = self._sides
        if any(self._sides):
            image = pixels.border(image, top, bottom, left, right, 0, self._value)
        return pixels.crop(image, pixels.anywhere(_one("RandomCrop", image), self._size), self._size, self._interpolation)


class _RandomFlip(Transform):
    axis: int

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def pixels(self, image: Image) -> Image:
        return pixels.flipped(image, self.axis) if host().random() < self.p else image


class RandomFlipLeftRight(_RandomFlip):
    """Mirrored with probability ``p``."""

    axis = 1

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.random_flip_left_right(x, self.p)


class RandomFlipTopBottom(_RandomFlip):
    """Upside down with probability ``p``."""

    axis = 0

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # type: ignore[override]
        return F.image.random_flip_top_bottom(x, self.p)


class Rotate(Pixelwise):
    """A tensor float32 (c, h, w), or each of a batch, turned by degrees against the clock; see ``image.imrotate``."""

    def __init__(self, rotation_degrees: float, zoom_in: bool = False, zoom_out: bool = False) -> None:
        super().__init__()
        _check_zoom("Rotate", zoom_in, zoom_out)
        self._degrees, self._zoom = rotation_degrees, (zoom_in, zoom_out)

    def pixels(self, image: Image) -> Image:
        rotation.check_rank(image.ndim)
        return rotation.rotated(image, self._degrees, *self._zoom)


class RandomRotation(Pixelwise):
    """A tensor float32 (c, h, w), or each of a batch, turned by degrees between two limits, with probability ``rotate_with_proba``."""

    def __init__(
        self, angle_limits: tuple[float, float], zoom_in: bool = False, zoom_out: bool = False, rotate_with_proba: float = 1.0
    ) -> None:
        super().__init__()
        _check_zoom("RandomRotation", zoom_in, zoom_out)
        if not isinstance(angle_limits, (tuple, list)) or len(angle_limits) != 2 or angle_limits[0] >= angle_limits[1]:
            fail(ArgumentError, "RandomRotation", expected="angle_limits (less, more) in degrees", got=repr(angle_limits))
        if not 0 <= rotate_with_proba <= 1:
            fail(ArgumentError, "RandomRotation", expected="a probability from 0 to 1", got=repr(rotate_with_proba))
        self._limits, self._zoom, self._probability = angle_limits, (zoom_in, zoom_out), rotate_with_proba

    def pixels(self, image: Image) -> Image:
        draw = host()
        if draw.random() >= self._probability:
            return image
        rotation.check_rank(image.ndim)
        if image.ndim == 3:
            return rotation.rotated(image, draw.uniform(*self._limits), *self._zoom)
        return np.stack([rotation.rotated(x, draw.uniform(*self._limits), *self._zoom) for x in image])


def _check_zoom(op: str, zoom_in: bool, zoom_out: bool) -> None:
    if zoom_in and zoom_out:
        fail(ArgumentError, op, expected="zoom_in or zoom_out, or neither", got="both")
