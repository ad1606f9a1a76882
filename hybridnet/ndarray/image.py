"""``nd.image``: what happens to one image (height, width, channels), or a batch of them, before a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridnet import absent, dtypes
from hybridnet.core import array, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Floats, Shape
from hybridnet.ndarray.register import classic
from hybridnet.ops.array import creation, rearrange, selection, shape
from hybridnet.ops.common import as_shape, normalize_axis
from hybridnet.ops.math import pointwise
from hybridnet.ops.nn import interpolation
from hybridnet.ops.nn import resize as core_resize
from hybridnet.ops.random import distributions as draws


def _check(op: str, data: Any) -> None:
    if data.ndim not in (3, 4):
        fail(ShapeError, op, expected="an image of three dimensions, or a batch of them", got=str(data.shape))


@classic("_image_to_tensor")
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
            scale = size[0] / min(height, width)
            size = (round(width * scale), round(height * scale))
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


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
