"""``nd.image``: what happens to one image (height, width, channels), or a batch of them, before a network."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.register import operator
from hybridnet.ops import creation, pointwise, rearrange, selection, shape
from hybridnet.ops import random as draws
from hybridnet.ops.common import normalize_axis
from hybridnet.ops.nn import resize as core_resize


def _check(op: str, data: Any) -> None:
    if data.ndim not in (3, 4):
        fail(ShapeError, op, expected="an image of three dimensions, or a batch of them", got=str(data.shape))


@operator("_image_to_tensor")
def to_tensor(data: Any) -> Any:
    """(h, w, c) in 0 to 255 to float32 (c, h, w) in 0 to 1."""
    _check("to_tensor", data)
    scaled = data.astype(dtypes.float32) / 255
    return call("transpose", scaled, axes=(2, 0, 1) if data.ndim == 3 else (0, 3, 1, 2))


@operator("_image_normalize")
def normalize(data: Any, mean: Any = 0.0, std: Any = 1.0) -> Any:
    """(data - mean) / std of each channel of (c, h, w)."""
    _check("normalize", data)
    return (data - _by_channel(mean, data)) / _by_channel(std, data)


def _by_channel(values: Any, data: Any) -> Any:
    """A number for each channel, made by operators so that a graph holds them as constants."""
    if isinstance(values, (int, float)):
        return values
    return shape.concatenate([creation.full((1, 1, 1), float(v), data.dtype, data.device) for v in values], 0)


@operator("_image_flip_left_right")
def flip_left_right(data: Any) -> Any:
    """(h, w, c) mirrored."""
    return rearrange.flip(data, normalize_axis("flip_left_right", -2, data.ndim))


@operator("_image_flip_top_bottom")
def flip_top_bottom(data: Any) -> Any:
    """(h, w, c) upside down."""
    return rearrange.flip(data, normalize_axis("flip_top_bottom", -3, data.ndim))


@operator("_image_random_flip_left_right")
def random_flip_left_right(data: Any, p: float = 0.5) -> Any:
    """(h, w, c) mirrored with probability ``p``."""
    return selection.where(draws.bernoulli(p, device=data.device), flip_left_right(data), data)


@operator("_image_random_flip_top_bottom")
def random_flip_top_bottom(data: Any, p: float = 0.5) -> Any:
    """(h, w, c) upside down with probability ``p``."""
    return selection.where(draws.bernoulli(p, device=data.device), flip_top_bottom(data), data)


@operator("_image_crop")
def crop(data: Any, x: int, y: int, width: int, height: int) -> Any:
    """The window of (h, w, c) that begins at column ``x`` and row ``y``."""
    _check("crop", data)
    if not (0 <= x <= x + width <= data.shape[-2] and 0 <= y <= y + height <= data.shape[-3]):
        fail(ShapeError, "crop", expected=f"a window inside {data.shape[-3:-1]}", got=f"{(height, width)} at row {y}, column {x}")
    return data[..., y : y + height, x : x + width, :]


@operator("_image_resize")
def resize(data: Any, size: Any, keep_ratio: bool = False, interp: int = 1) -> Any:
    """(h, w, c) in another ``size`` (width, height), or one number for both (for the shorter side with ``keep_ratio``)."""
    _check("resize", data)
    height, width = data.shape[-3:-1]
    if isinstance(size, int):
        size = (size, size)
        if keep_ratio:
            scale = size[0] / min(height, width)
            size = (round(width * scale), round(height * scale))
    batch = data if data.ndim == 4 else call("reshape", data, shape=(1, *data.shape))
    planes = call("transpose", batch.astype(dtypes.float32, copy=False), axes=(0, 3, 1, 2))
    sized = call("transpose", core_resize.bilinear_resize2d(planes, size[1], size[0], align_corners=False), axes=(0, 2, 3, 1))
    if not dtypes.is_floating(data.dtype):
        sized = pointwise.FUNCTIONS["rint"](sized).astype(data.dtype)
    return sized if data.ndim == 4 else call("reshape", sized, shape=sized.shape[1:])
