"""Between arrays and the NumPy arrays that images are worked on as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import ndarray as nd
from hybridnet.core import NDArray, wrap
from hybridnet.device import cpu
from hybridnet.errors import DtypeError, fail
from hybridnet.image.pixels import Image
from hybridnet.util import is_np_array

_CPU = cpu()


def pixels_of(op: str, src: Any) -> Image:
    """The values of an array, or of a NumPy array; not a copy where they are in memory."""
    if isinstance(src, NDArray):
        data = src._concrete(op)
        return data if isinstance(data, np.ndarray) else data.get()
    if isinstance(src, np.ndarray):
        return src
    return fail(DtypeError, op, expected="an image as an array", got=f"a {type(src).__name__}", fix="image.imread or image.imdecode")


def new_image(data: Image) -> Any:
    """An array over ``data``, which the caller gives away, of the class that the current rules ask for."""
    return wrap(NDArray if is_np_array() else nd.NDArray, np.ascontiguousarray(data), _CPU)


def image_like(data: Image, src: Any) -> Any:
    """A result as an array of the class and on the device of what it was made from, sharing nothing with it."""
    if not isinstance(src, NDArray):
        return new_image(data.copy() if np.may_share_memory(data, src) else data)
    if src._data is data or (isinstance(src._data, np.ndarray) and np.may_share_memory(data, src._data)):
        data = data.copy()
    result = wrap(type(src), np.ascontiguousarray(data), _CPU)
    return result if src._device is _CPU else result.to_device(src._device)


def on_pixels(op: str, src: Any, function: Callable[..., Image], *args: Any) -> Any:
    """``function`` of the pixels of ``src``, as an array like it."""
    return image_like(function(pixels_of(op, src), *args), src)
