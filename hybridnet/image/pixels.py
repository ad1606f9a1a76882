"""What is done to the pixels of one image, on NumPy arrays alone: decoding, sizes, windows, borders, colours.

An image is (height, width, channels), bytes or float32. These functions are what ``hybridnet.image``, its augmenters and iterators
and ``gluon.data.vision.transforms`` call for arrays in memory; nothing here is recorded or traced. OpenCV works without Python's
lock, so that several threads decode at once.

Sizes are (width, height), as MXNet has them. Results may be views of the image that is given, and are never the image itself written to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.opencv import decoded, opencv

Image = np.ndarray[Any, Any]
#: (x0, y0, width, height)
Window = tuple[int, int, int, int]
Size = tuple[int, int]

NEAREST, LINEAR, CUBIC, AREA, LANCZOS = range(5)
AUTOMATIC, ANY = 9, 10
#: Dtypes that OpenCV resizes.
_RESIZED = tuple(np.dtype(t) for t in (np.uint8, np.int8, np.uint16, np.int16, np.float32, np.float64))

# -- decoding -----------------------------------------------------------------------------------------


def decode(buffer: Any, flag: int = 1, to_rgb: bool = True, source: str = "") -> Image:
    """The uint8 image in encoded bytes (JPEG, PNG, …), turned as its camera says.

    ``flag``: 1 for three channels, 0 for one (gray). ``to_rgb``: in the order red, green, blue, else blue, green, red.
    ``source``: where the bytes are from, for the error.
    """
    cv2 = opencv()
    image = decoded("imdecode", buffer, cv2.IMREAD_GRAYSCALE if flag == 0 else cv2.IMREAD_COLOR_RGB if to_rgb else cv2.IMREAD_COLOR, source)
    return image[:, :, None] if flag == 0 else image


# -- sizes --------------------------------------------------------------------------------------------


def method(interp: int, old: Size, new: Size) -> int:
    """OpenCV's number (0 to 4) of the interpolation from one size to another.

    9: cubic to enlarge both sides, area to shrink both, else linear; 10: any of them at random. ArgumentError for another ``interp``.
    """
    if interp == AUTOMATIC:
        if new[0] > old[0] and new[1] > old[1]:
            return CUBIC
        return AREA if new[0] < old[0] and new[1] < old[1] else LINEAR
    if interp == ANY:
        return host().randint(NEAREST, LANCZOS)
    if interp not in range(5):
        known = "0 (nearest), 1 (linear), 2 (cubic), 3 (area), 4 (Lanczos), 9 (chosen by the sizes) or 10 (at random)"
        fail(ArgumentError, "resize", expected=f"an interpolation {known}", got=repr(interp))
    return interp


def resize(image: Image, width: int, height: int, interp: int = LINEAR) -> Image:
    """The image as (height, width, channels) of the same dtype; itself, if it has that size. ``interp``: see :func:`method`.

    ShapeError for what is no image, or a size below 1; DtypeError for dtypes that OpenCV does not resize, as bool and int32.
    """
    if image.ndim != 3 or not image.size:
        fail(ShapeError, "resize", expected="an image (height, width, channels)", got=str(image.shape))
    if width < 1 or height < 1:
        fail(ShapeError, "resize", expected="a size (width, height) of 1 or more", got=f"({width}, {height})")
    if image.dtype not in _RESIZED:
        if image.dtype == np.float16:
            return resize(image.astype(np.float32), width, height, interp).astype(np.float16)
        fail(DtypeError, "resize", expected="an image of " + ", ".join(map(str, _RESIZED)), got=str(image.dtype), fix='x.astype("float32")')
    old = size_of(image)
    if old == (width, height):
        return image
    resized = opencv().resize(image, (width, height), interpolation=method(interp, old, (width, height)))
    return resized if resized.ndim == 3 else resized[:, :, None]


def size_of(image: Image) -> Size:
    """(width, height)."""
    return image.shape[1], image.shape[0]


def short_size(old: Size, size: int) -> Size:
    """The size in which the shorter side is ``size`` and the ratio is kept."""
    width, height = old
    return (size, size * height // width) if height > width else (size * width // height, size)


def scale_down(src_size: Size, size: Size) -> Size:
    """``size``, made smaller in its ratio until it fits into ``src_size``."""
    w, h = size
    sw, sh = src_size
    if sh < h:
        w, h = w * sh / h, sh  # type: ignore[assignment]
    if sw < w:
        w, h = sw, h * sw / w  # type: ignore[assignment]
    return int(w), int(h)


# -- windows ------------------------------------------------------------------------------------------


def crop(image: Image, window: Window, size: Size | None = None, interp: int = CUBIC) -> Image:
    """A window of the image, in another ``size`` (width, height) if one is given. What of it lies right of or below the image is cut off.

    ShapeError if nothing is left.
    """
    x0, y0, w, h = window
    out = image[y0 : y0 + h, x0 : x0 + w]
    if not out.size:
        got = f"{w}×{h} at column {x0}, row {y0} of one of {image.shape[1]}×{image.shape[0]}"
        fail(ShapeError, "crop", expected="a window (width×height) inside the image", got=got)
    return out if size is None or (w, h) == tuple(size) else resize(out, *size, interp)


def center(old: Size, size: Size) -> Window:
    """The window in the middle, as large as ``size`` or, in its ratio, as the image allows."""
    w, h = scale_down(old, size)
    return (old[0] - w) // 2, (old[1] - h) // 2, w, h


def anywhere(old: Size, size: Size) -> Window:
    """A window as large as :func:`center`'s at a random place."""
    w, h = scale_down(old, size)
    draw = host()
    return draw.randint(0, old[0] - w), draw.randint(0, old[1] - h), w, h


def of_area(old: Size, area: float | tuple[float, float], ratio: tuple[float, float], size: Size) -> Window:
    """A window of a random part of the area (between ``area`` and 1, or two numbers) and a random ratio of width to height.

    Where ten draws do not fit, the one in the middle of :func:`center`.
    """
    lowest, highest = (area, 1.0) if isinstance(area, (int, float)) else area
    draw, whole = host(), old[0] * old[1]
    logs = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        target = draw.uniform(lowest, highest) * whole
        shape = math.exp(draw.uniform(*logs))
        w, h = round(math.sqrt(target * shape)), round(math.sqrt(target / shape))
        if 0 < w <= old[0] and 0 < h <= old[1]:
            return draw.randint(0, old[0] - w), draw.randint(0, old[1] - h), w, h
    return center(old, size)


def border(image: Image, top: int, bot: int, left: int, right: int, kind: int = 0, value: Any = 0.0) -> Image:
    """The image with pixels around it.

    ``kind``: 0 of ``value`` (a number, or one a channel), 1 those of the edge, 2 mirrored with the edge, 3 from the other side, 4 mirrored
    without the edge. ArgumentError for a negative number of pixels, or another ``kind``; ShapeError for an image without channels.
    """
    if image.ndim != 3:
        fail(ShapeError, "copyMakeBorder", expected="an image (height, width, channels)", got=str(image.shape))
    if min(top, bot, left, right) < 0 or kind not in range(5):
        got = f"top {top}, bot {bot}, left {left}, right {right}, type {kind}"
        fail(ArgumentError, "copyMakeBorder", expected="widths of 0 or more and a type 0 to 4", got=got)
    widths = ((top, bot), (left, right), (0, 0))
    if kind:
        return np.pad(image, widths, mode=("edge", "symmetric", "wrap", "reflect")[kind - 1])  # type: ignore[call-overload]
    padded = np.empty((image.shape[0] + top + bot, image.shape[1] + left + right, image.shape[2]), image.dtype)
    padded[...] = value
    padded[top : top + image.shape[0], left : left + image.shape[1]] = image
    return padded


def flipped(image: Image, axis: int = 1) -> Image:
    """The image mirrored (``axis`` 1) or upside down (0)."""
    cv2 = opencv(required=False) if image.ndim == 3 else None
    if cv2 is not None and image.dtype in _RESIZED:  # many times faster, mirroring bytes
        return cv2.flip(image, axis).reshape(image.shape)
    return np.flip(image, axis - 3)
