"""``mx.image``'s functions: images are read, decoded, resized and cut, one at a time.

An image is an array uint8 (height, width, channels), red first. Arrays of NumPy are taken as well. These functions compute at
once, on the CPU, and are neither recorded nor traced; ``nd.image`` has operators for what belongs into a network.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hybridnet.core import NDArray, asarray
from hybridnet.core.random import host
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.image import pixels, rotation
from hybridnet.image.arrays import image_like, new_image, on_pixels, pixels_of
from hybridnet.image.pixels import Size, Window, scale_down

__all__ = [
    "center_crop", "color_normalize", "copyMakeBorder", "fixed_crop", "imdecode", "imread", "imresize", "imrotate", "random_crop",
    "random_rotate", "random_size_crop", "resize_short", "scale_down",
]  # fmt: skip


def _result(image: Any, out: Any) -> Any:
    if out is None:
        return image
    out[...] = image
    return out


def imread(filename: str | os.PathLike[str], flag: int = 1, to_rgb: bool = True, out: Any = None) -> Any:
    """The image in a file; see :func:`imdecode`."""
    with open(filename, "rb") as file:
        return _result(new_image(pixels.decode(file.read(), flag, to_rgb, os.fspath(filename))), out)


def imdecode(buf: Any, flag: int = 1, to_rgb: bool = True, out: Any = None) -> Any:
    """The image uint8 (height, width, channels) in encoded bytes (JPEG, PNG, …), or in an array of them.

    ``flag``: 1 for three channels, 0 for one (gray). ``to_rgb``: red first, else blue first as OpenCV has it. ``out``: an array that
    receives the image and is returned. DtypeError for what is neither bytes nor an array, FileFormatError for bytes that OpenCV
    cannot decode.
    """
    if isinstance(buf, str):
        fail(DtypeError, "imdecode", expected="bytes", got="a str", fix="imread, if it is the name of a file")
    data = np.frombuffer(buf, np.uint8) if isinstance(buf, (bytes, bytearray, memoryview)) else pixels_of("imdecode", buf)
    return _result(new_image(pixels.decode(data, flag, to_rgb)), out)


def imresize(src: Any, w: int, h: int, interp: int = 1, out: Any = None) -> Any:
    """The image in the size (w, h).

    ``interp``, OpenCV's numbers: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos; 9: cubic to enlarge, area to shrink, else linear;
    10: one of 0 to 4 at random.
    """
    return _result(on_pixels("imresize", src, pixels.resize, w, h, interp), out)


def copyMakeBorder(
    src: Any, top: int, bot: int, left: int, right: int, type: int = 0, value: float = 0.0, values: Any = None, out: Any = None
) -> Any:
    """The image with a border of so many pixels.

    ``type``, OpenCV's numbers: 0 constant (``value``, or ``values`` one a channel), 1 the edge again, 2 mirrored with the edge,
    3 from the other side, 4 mirrored without the edge.
    """
    return _result(on_pixels("copyMakeBorder", src, pixels.border, top, bot, left, right, type, values or value), out)


def resize_short(src: Any, size: int, interp: int = 2) -> Any:
    """The image so large that its shorter side is ``size``."""
    image = pixels_of("resize_short", src)
    return image_like(pixels.resize(image, *pixels.short_size(pixels.size_of(image), size), interp), src)


def fixed_crop(src: Any, x0: int, y0: int, w: int, h: int, size: Size | None = None, interp: int = 2) -> Any:
    """The window of ``w`` columns from ``x0`` and ``h`` rows from ``y0``, in another ``size`` (width, height) if one is given."""
    return on_pixels("fixed_crop", src, pixels.crop, (x0, y0, w, h), size, interp)


def _cut(op: str, src: Any, window: Window, size: Size, interp: int) -> tuple[Any, Window]:
    return on_pixels(op, src, pixels.crop, window, size, interp), window


def random_crop(src: Any, size: Size, interp: int = 2) -> tuple[Any, Window]:
    """A window of ``size`` (width, height) at a random place, enlarged if the image is smaller; and the window (x0, y0, w, h)."""
    return _cut("random_crop", src, pixels.anywhere(pixels.size_of(pixels_of("random_crop", src)), size), size, interp)


def center_crop(src: Any, size: Size, interp: int = 2) -> tuple[Any, Window]:
    """The window of ``size`` (width, height) in the middle, enlarged if the image is smaller; and the window (x0, y0, w, h)."""
    return _cut("center_crop", src, pixels.center(pixels.size_of(pixels_of("center_crop", src)), size), size, interp)


def random_size_crop(src: Any, size: Size, area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any) -> tuple[Any, Window]:
    """A window of a random part of the area and a random ratio of width to height, resized to ``size``; and the window.

    ``area``: the least part of the image's area, or the least and the most.
    """
    area = area_of("random_size_crop", area, kwargs)
    window = pixels.of_area(pixels.size_of(pixels_of("random_size_crop", src)), area, ratio, size)
    return _cut("random_size_crop", src, window, size, interp)


def area_of(op: str, area: Any, kwargs: dict[str, Any]) -> Any:
    """``area``, or ``min_area`` as older programs have it, which is taken out of ``kwargs``. ArgumentError for others in them."""
    area = kwargs.pop("min_area", area)
    if kwargs:
        fail(ArgumentError, op, expected="no other arguments", got=", ".join(kwargs))
    return area


def color_normalize(src: Any, mean: Any, std: Any = None) -> Any:
    """(src - mean) / std, each a number or an array of one a channel; recorded, as it is arithmetic on arrays."""
    if mean is not None:
        src = src - _beside(src, mean)
    return src if std is None else src / _beside(src, std)


def _beside(src: Any, values: Any) -> Any:
    if isinstance(values, (int, float, NDArray)) or not isinstance(src, NDArray):
        return values
    return asarray(np.asarray(values, np.float32), device=src.device)


def imrotate(src: Any, rotation_degrees: Any, zoom_in: bool = False, zoom_out: bool = False) -> Any:
    """An image float32 (channels, height, width), or a batch of them, turned by degrees against the clock about its middle.

    ``rotation_degrees``: a number, or for a batch one an image. What comes from outside is 0. ``zoom_in``: enlarged until the
    outside is not seen; ``zoom_out``: made smaller until all is seen. ArgumentError for both, or for another number of angles; ShapeError
    for other dimensions, DtypeError for another dtype.
    """
    image = pixels_of("imrotate", src)
    rotation.check_rank(image.ndim)
    degrees = np.asarray(rotation_degrees, np.float64).ravel()
    if image.ndim == 3 or degrees.size == 1:
        if degrees.size != 1:
            fail(ArgumentError, "imrotate", expected="one angle for one image", got=f"{degrees.size} angles")
        return image_like(rotation.rotated(image, degrees.item(), zoom_in, zoom_out), src)
    if degrees.size != len(image):
        fail(ArgumentError, "imrotate", expected=f"{len(image)} angles, one an image, or one for all", got=f"{degrees.size} angles")
    turned = [rotation.rotated(x, d, zoom_in, zoom_out) for x, d in zip(image, degrees.tolist(), strict=True)]
    return image_like(np.stack(turned) if turned else image.copy(), src)


def random_rotate(src: Any, angle_limits: tuple[float, float], zoom_in: bool = False, zoom_out: bool = False) -> Any:
    """As :func:`imrotate`, by a random number of degrees between the two limits, for each image another.

    ArgumentError if ``angle_limits`` is not a pair.
    """
    if not isinstance(angle_limits, (tuple, list)) or len(angle_limits) != 2:
        fail(ArgumentError, "random_rotate", expected="angle_limits (least, most) in degrees", got=repr(angle_limits))
    draw = host()
    if src.ndim == 3:
        return imrotate(src, draw.uniform(*angle_limits), zoom_in, zoom_out)
    return imrotate(src, [draw.uniform(*angle_limits) for _ in range(len(src))], zoom_in, zoom_out)
