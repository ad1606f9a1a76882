"""Classic ways to make arrays: float32 unless told otherwise, ``ctx`` before ``dtype``."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import apply, as_class
from hybridnet.device import Device, wait_for_all
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.register import OPERATORS, operator
from hybridnet.ops.array import creation, rearrange


def array(source_array: Any, ctx: Any = None, dtype: Any = None) -> Any:
    """A new array of anything array-like; float32, unless the source is one of our arrays. A number has no dimensions."""
    if dtype is None:
        dtype = source_array.dtype if isinstance(source_array, core.NDArray) else dtypes.default_float
    if ctx is None and isinstance(source_array, core.NDArray):
        ctx = source_array.device
    return as_class(core.array(source_array, dtype, None if ctx is None else Device(ctx), NDArray), NDArray)


OPERATORS["array"] = array  # no operator: its result is not :func:`finish`-ed


@operator("zeros", "_zeros")
def zeros(shape: Any, ctx: Any = None, dtype: Any = None, stype: Any = None) -> Any:
    """An array of zeros."""
    return creation.zeros(shape, dtype, ctx)


@operator("ones", "_ones")
def ones(shape: Any, ctx: Any = None, dtype: Any = None) -> Any:
    """An array of ones."""
    return creation.ones(shape, dtype, ctx)


@operator("full", "_full")
def full(shape: Any, val: float = 0.0, ctx: Any = None, dtype: Any = None, value: float | None = None) -> Any:
    """An array filled with a number."""
    return creation.full(shape, val if value is None else value, creation.default_dtype(dtype), ctx)


@operator("empty")
def empty(shape: Any, ctx: Any = None, dtype: Any = None, stype: Any = None) -> Any:
    """An array whose values do not matter yet."""
    return creation.empty(shape, dtype, ctx)


@operator("zeros_like")
def zeros_like(data: Any, **kwargs: Any) -> Any:
    """Zeros of the shape, dtype and device of ``data``."""
    return creation.zeros_like(data)


@operator("ones_like")
def ones_like(data: Any, **kwargs: Any) -> Any:
    """Ones of the shape, dtype and device of ``data``."""
    return creation.ones_like(data)


@operator("full_like")
def full_like(data: Any, fill_value: float, **kwargs: Any) -> Any:
    """A number in the shape, dtype and device of ``data``."""
    return creation.full_like(data, fill_value)


@operator("arange", "_arange")
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Any = None,
    dtype: Any = None,
) -> Any:
    """Evenly spaced numbers, each ``repeat`` times."""
    made = creation.arange(start, stop, step, dtype, ctx)
    return made if repeat == 1 else rearrange.repeat(made, repeat)


@operator("linspace", "_linspace")
def linspace(start: float, stop: float, num: int, endpoint: bool = True, ctx: Any = None, dtype: Any = None) -> Any:
    """``num`` evenly spaced numbers over an interval."""
    return creation.linspace(start, stop, num, endpoint, False, dtype, ctx)


@operator("eye", "_eye")
def eye(N: int, M: int = 0, k: int = 0, ctx: Any = None, dtype: Any = None) -> Any:
    """Ones on the ``k``-th diagonal of an N×M matrix (N×N for M = 0)."""
    return creation.eye(N, M or N, k, dtype, ctx)


def from_numpy(ndarray: np.ndarray[Any, Any], zero_copy: bool = True) -> Any:
    """A NumPy array as one of ours, sharing its memory with ``zero_copy``."""
    return core.wrap(NDArray, ndarray if zero_copy else ndarray.copy(), Device("cpu", 0))


def from_dlpack(dlpack: Any) -> Any:
    """An array of another framework, sharing its memory."""
    return from_numpy(np.from_dlpack(dlpack))


def to_dlpack_for_read(data: Any) -> Any:
    """A DLPack capsule of the array's memory."""
    return data.__dlpack__()


to_dlpack_for_write = to_dlpack_for_read


def waitall() -> None:
    """Return once everything asked for is computed."""
    wait_for_all()


def arange_like_of(data: Any, length: int, start: float, step: float) -> Any:
    """``length`` numbers from ``start``, of the class, dtype and device of ``data``."""
    attrs = {"start": start, "step": step, "length": length, "dtype": data._data.dtype}
    return apply(creation.ARANGE, (), attrs, data.device, type(data))
