"""``nd.image``: what happens to one image (height, width, channels), or a batch of them, before a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridnet import absent, dtypes
from hybridnet.core import array, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Floats, Shape
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.types import always
from hybridnet.ops.array import creation, rearrange, selection, shape
from hybridnet.ops.common import as_shape, normalize_axis
from hybridnet.ops.math import pointwise
from hybridnet.ops.nn import interpolation
from hybridnet.ops.nn import resize as core_resize
from hybridnet.ops.random import distributions as draws

#: What red, green and blue add to the brightness that one sees.
LUMA = (0.299, 0.587, 0.114)
#: The principal components of ImageNet's colours: standard deviations, and directions as columns.
PCA_VALUES = (55.46, 4.794, 1.148)
PCA_VECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def _check(op: str, data: Any) -> None:
    dims = getattr(data, "shape", ())
    if len(dims) not in (3, 4):
        got = str(dims) if hasattr(data, "shape") else f"a {type(data).__name__}"
        fail(ShapeError, op, expected="an image of three dimensions, or a batch of them", got=got)


@classic("_image_to_tensor", types=always(dtypes.float32))
def to_tensor(data: Array) -> Any:
    """(h, w, c) in 0 to 255 to float32 (c, h, w) in 0 to 1."""
    _check("to_tensor", data)
    scaled = data.astype(dtypes.float32) / 255
    return call("transpose", scaled, axes=(2, 0, 1) if data.ndim == 3 else (0, 3, 1, 2))


@classic("_image_normalize")
def normalize(data: Array, mean: Floats = (0.0, 0.0, 0.0, 0.0), std: Floats = (1.0, 1.0, 1.0, 1.0)) -> Any:
    """(data - mean) / std of each channel of (c, h, w)."""
    _check("normalize", data)
    return (data - _by_channel(mean, data)) / _by_channel(std, data)


def _by_channel(values: Any, data: Any) -> Any:
    """A number for each channel, made by operators so that a graph holds them as constants."""
    if isinstance(values, (int, float)):
        return values
    each = values[: data.shape[-3]]  # the defaults are for as many channels as an image has at most
    return shape.concatenate([creation.full((1, 1, 1), float(v), data.dtype, data.device) for v in each], 0)


@classic("_image_flip_left_right")
def flip_left_right(data: Array) -> Any:
    """(h, w, c) mirrored."""
    return rearrange.flip(data, normalize_axis("flip_left_right", -2, data.ndim))


@classic("_image_flip_top_bottom")
def flip_top_bottom(data: Array) -> Any:
    """(h, w, c) upside down."""
    return rearrange.flip(data, normalize_axis("flip_top_bottom", -3, data.ndim))


@classic("_image_random_flip_left_right")
def random_flip_left_right(data: Array, p: float = 0.5) -> Any:
    """(h, w, c) mirrored with probability ``p``."""
    return selection.where(draws.bernoulli(p, device=data.device), flip_left_right(data), data)


@classic("_image_random_flip_top_bottom")
def random_flip_top_bottom(data: Array, p: float = 0.5) -> Any:
    """(h, w, c) upside down with probability ``p``."""
    return selection.where(draws.bernoulli(p, device=data.device), flip_top_bottom(data), data)


@classic("_image_crop")
def crop(data: Array, x: int, y: int, width: int, height: int) -> Any:
    """The window of (h, w, c) that begins at column ``x`` and row ``y``. ShapeError if it is not inside the image."""
    _check("crop", data)
    if not (0 <= x <= x + width <= data.shape[-2] and 0 <= y <= y + height <= data.shape[-3]):
        fail(ShapeError, "crop", expected=f"a window inside {data.shape[-3:-1]}", got=f"{(height, width)} at row {y}, column {x}")
    return data[..., y : y + height, x : x + width, :]


@classic("_image_resize")
def resize(data: Array, size: Shape = (), keep_ratio: bool = False, interp: int = 1) -> Any:
    """(h, w, c) in another ``size`` (width, height), or one number for both (for the shorter side with ``keep_ratio``).

    ``interp``, OpenCV's numbers: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos. ArgumentError for another ``interp`` or more
    than two sizes.
    """
    _check("resize", data)
    if interp not in range(5):
        fail(ArgumentError, "resize", expected="interp 0 (nearest), 1 (linear), 2 (cubic), 3 (area) or 4 (Lanczos)", got=repr(interp))
    height, width = data.shape[-3:-1]
    size = as_shape("resize", size)
    if len(size) not in (1, 2):
        fail(ArgumentError, "resize", expected="size, one or two numbers", got=str(size))
    if len(size) == 1:
        size = (size[0], size[0])
        if keep_ratio:
            short = size[0]
            size = (short, short * height // width) if height > width else (short * width // height, short)
    batch = data if data.ndim == 4 else call("reshape", data, shape=(1, *data.shape))
    planes = call("transpose", batch, axes=(0, 3, 1, 2))
    if interp == 0:
        for axis, (n, out) in ((2, (height, size[1])), (3, (width, size[0]))):
            planes = rearrange.taken_in_runs(planes, axis, interpolation.nearest(n, out))
    else:
        planes = planes.astype(dtypes.float32, copy=False)
        planes = _interpolated(planes, size[1], size[0], interp)
    sized = call("transpose", planes, axes=(0, 2, 3, 1))
    if not dtypes.is_floating(data.dtype) and interp:
        limits = np.iinfo(data.dtype)
        sized = call("clip", pointwise.FUNCTIONS["rint"](sized), a_min=float(limits.min), a_max=float(limits.max)).astype(data.dtype)
    return sized if data.ndim == 4 else call("reshape", sized, shape=sized.shape[1:])


def _interpolated(planes: Any, height: int, width: int, interp: int) -> Any:
    """Images (n, c, h, w) of another size."""
    if interp == 1:
        return core_resize.bilinear_resize2d(planes, height, width, align_corners=False)
    h, w = planes.shape[2:]
    if interp == 3:
        matrices = [interpolation.area(n, out, height <= h and width <= w) for n, out in ((h, height), (w, width))]
    else:
        make = interpolation.cubic if interp == 2 else interpolation.lanczos
        matrices = [make(h, height), make(w, width)]
    rows, columns = (array(m, planes.dtype, planes.device) for m in matrices)
    return call("matmul", rows, call("matmul", planes, columns, transpose_b=True))


# -- colours ------------------------------------------------------------------------------------------


def _coloured(data: Any, change: Any) -> Any:
    """``change`` of the values as float32; of integers, cut to their range and to whole numbers."""
    if dtypes.is_floating(data.dtype):
        return change(data)
    limits = np.iinfo(data.dtype)
    result = call("clip", change(data.astype(dtypes.float32)), a_min=float(limits.min), a_max=float(limits.max))
    return pointwise.FUNCTIONS["trunc"](result).astype(data.dtype)


def _factor(op: str, data: Any, min_factor: float, max_factor: float) -> Any:
    """A number between the two, one for all of ``data``."""
    _check(op, data)
    if min_factor < 0 or max_factor < min_factor:
        fail(ArgumentError, op, expected="factors 0 ≤ min_factor ≤ max_factor", got=f"{min_factor} and {max_factor}")
    return draws.uniform(min_factor, max_factor, (), None, data.device)


def _channel(x: Any, number: int) -> Any:
    return x[..., number : number + 1]


def _gray(x: Any) -> Any:
    """The brightness that one sees, (..., h, w, 1)."""
    if x.shape[-1] != 3:
        return x
    return sum(_channel(x, i) * weight for i, weight in enumerate(LUMA))


@classic("_image_random_brightness")
def random_brightness(data: Array, min_factor: float, max_factor: float) -> Any:
    """(h, w, c) times a number between the two."""
    factor = _factor("random_brightness", data, min_factor, max_factor)
    return _coloured(data, lambda x: x * factor)


@classic("_image_random_contrast")
def random_contrast(data: Array, min_factor: float, max_factor: float) -> Any:
    """(h, w, c), its distances from the image's mean brightness times a number between the two."""
    factor = _factor("random_contrast", data, min_factor, max_factor)
    return _coloured(data, lambda x: x * factor + _gray(x).mean(axis=(-3, -2, -1), keepdims=True) * (1 - factor))


@classic("_image_random_saturation")
def random_saturation(data: Array, min_factor: float, max_factor: float) -> Any:
    """(h, w, 3), its distances from gray times a number between the two."""
    factor = _factor("random_saturation", data, min_factor, max_factor)
    return _coloured(data, lambda x: x * factor + _gray(x) * (1 - factor))


@classic("_image_random_hue")
def random_hue(data: Array, min_factor: float, max_factor: float) -> Any:
    """(h, w, 3), its hues in HLS moved on by a number between the two, less 1, of the circle."""
    factor = _factor("random_hue", data, min_factor, max_factor)
    return data if data.shape[-1] != 3 else _coloured(data, lambda x: _turned(x, (factor - 1) * 6))


def _turned(x: Any, turn: Any) -> Any:
    """Colours whose hue has moved on by ``turn`` sixths of the circle; the largest and the least of red, green and blue stay."""
    red, green, blue = (_channel(x, i) for i in range(3))
    most, least = x.max(axis=-1, keepdims=True), x.min(axis=-1, keepdims=True)
    span = most - least
    divisor = selection.where(span == 0, 1, span)
    of_green, of_blue = (blue - red) / divisor + 2, (red - green) / divisor + 4
    hue = selection.where(red == most, (green - blue) / divisor, selection.where(green == most, of_green, of_blue)) + turn
    channels = []
    for start in (5, 3, 1):
        place = pointwise.FUNCTIONS["mod"](hue + start, 6)
        channels.append(most - span * call("clip", call("minimum", place, 4 - place), a_min=0.0, a_max=1.0))
    return shape.concatenate(channels, -1)


@classic("_image_random_gray")
def random_gray(data: Array, p: float = 0.5) -> Any:
    """(h, w, 3) without colour, in three channels, with probability ``p``; the weights are those of ``RandomGrayAug``."""
    _check("random_gray", data)
    gray = _coloured(data, lambda x: sum(_channel(x, i) * weight for i, weight in enumerate((0.21, 0.72, 0.07))))
    return selection.where(draws.bernoulli(p, device=data.device), gray, data)


@classic("_image_random_color_jitter")
def random_color_jitter(data: Array, brightness: float, contrast: float, saturation: float, hue: float) -> Any:
    """Brightness, contrast, saturation and hue changed, in this order, each by 1 ± its number."""
    for amount, change in (
        (brightness, random_brightness),
        (contrast, random_contrast),
        (saturation, random_saturation),
        (hue, random_hue),
    ):
        if amount > 0:
            data = change(data, max(0.0, 1 - amount), 1 + amount)
    return data


@classic("_image_adjust_lighting")
def adjust_lighting(data: Array, alpha: Floats) -> Any:
    """(h, w, 3) with the principal components of ImageNet's colours added, times the three numbers ``alpha``."""
    return _lit("adjust_lighting", data, alpha)


def _lit(op: str, data: Any, alpha: Any) -> Any:
    """``data`` lit by ``alpha``: numbers, or arrays without dimensions."""
    _check(op, data)
    if data.shape[-1] != 3:
        return data
    return _coloured(data, lambda x: x + shape.concatenate([_added(row, alpha, x) for row in PCA_VECTORS], 0))


def _added(row: Any, alpha: Any, like: Any) -> Any:
    """What one channel gets: a number, as an array of one element."""
    total = sum(weight * value * a for weight, value, a in zip(row, PCA_VALUES, alpha, strict=True))
    if isinstance(total, (int, float)):
        return creation.full((1,), float(total), like.dtype, like.device)
    return call("reshape", total, shape=(1,))


@classic("_image_random_lighting")
def random_lighting(data: Array, alpha_std: float = 0.05) -> Any:
    """As :func:`adjust_lighting`, with numbers of standard deviation ``alpha_std``."""
    return _lit("random_lighting", data, [draws.normal(0.0, alpha_std, (), None, data.device) for _ in range(3)])


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
