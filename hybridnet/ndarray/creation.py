"""Classic ways to make arrays: float32 unless told otherwise, ``ctx`` before ``dtype``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import apply, as_class, local, tape
from hybridnet.device import Device, wait_for_all
from hybridnet.ndarray.attributes import Array, Context, Dtype, Shape
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.register import FUNCTIONS, classic, helper
from hybridnet.ops.array import creation, rearrange


def array(source_array: Any, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """A new array of anything array-like; float32 or complex64, unless the source is one of ours. A number has no dimensions."""
    if dtype is None:
        if not hasattr(source_array, "dtype"):
            source_array = core.on_host(source_array)
        default = dtypes.complex64 if np.iscomplexobj(source_array) else dtypes.float32
        dtype = source_array.dtype if isinstance(source_array, core.NDArray) else default
    if ctx is None and isinstance(source_array, core.NDArray):
        ctx = source_array.device
    return as_class(core.array(source_array, dtype, None if ctx is None else Device(ctx), NDArray), NDArray)


FUNCTIONS["array"] = array  # without a wrapper: its result is not :func:`finish`-ed


@classic("_zeros")
def _zeros(shape: Shape = (), ctx: Context | None = None, dtype: Dtype = "float32") -> Any:
    """An array of zeros."""
    return creation.zeros(shape, dtype, ctx)


@classic("_ones")
def _ones(shape: Shape = (), ctx: Context | None = None, dtype: Dtype = "float32") -> Any:
    """An array of ones."""
    return creation.ones(shape, dtype, ctx)


@classic("_full", required=("value",))
def _full(shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype = "float32", value: float = 0.0) -> Any:
    """An array filled with ``value``."""
    return creation.full(() if shape is None else shape, value, dtype, ctx)


@helper("zeros")
def zeros(shape: Shape, ctx: Context | None = None, dtype: Dtype | None = None, stype: str | None = None) -> Any:
    """An array of zeros, of storage ``default``, ``csr`` or ``row_sparse``: of the last two nothing is stored."""
    return creation.zeros(shape, dtype or "float32", ctx).tostype(stype or "default")


@helper("ones")
def ones(shape: Shape, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """An array of ones."""
    return creation.ones(shape, dtype or "float32", ctx)


@helper("full")
def full(shape: Shape, val: float = 0.0, ctx: Context | None = None, dtype: Dtype | None = None, value: float | None = None) -> Any:
    """An array filled with a number."""
    return creation.full(shape, val if value is None else value, dtype or "float32", ctx)


@helper("empty")
def empty(shape: Shape, ctx: Context | None = None, dtype: Dtype | None = None, stype: str | None = None) -> Any:
    """An array whose values do not matter yet."""
    return creation.empty(shape, dtype or "float32", ctx) if stype in (None, "default") else zeros(shape, ctx, dtype, stype)


@classic("zeros_like")
def zeros_like(data: Array) -> Any:
    """Zeros of the shape, dtype, storage and device of ``data``."""
    result = creation.zeros_like(data) if data.stype == "default" else data._zeros(data.stype)
    if local.recording:
        tape.note_behind((data,), (result,))
    return result


@classic("ones_like")
def ones_like(data: Array) -> Any:
    """Ones of the shape, dtype and device of ``data``."""
    return creation.ones_like(data)


@helper("full_like")
def full_like(data: Array, fill_value: float) -> Any:
    """A number in the shape, dtype and device of ``data``."""
    return creation.full_like(data, fill_value)


@classic("_arange")
def _arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    ctx: Context | None = None,
    dtype: Dtype = "float32",
) -> Any:
    """Evenly spaced numbers, each ``repeat`` times."""
    made = creation.arange(start, stop, step, dtype, ctx)
    return made if repeat == 1 else rearrange.repeat(made, repeat)


@helper("arange")
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: Dtype | None = None,
) -> Any:
    """Evenly spaced numbers, each ``repeat`` times."""
    return _arange(start, stop, step, repeat, bool(infer_range), ctx, dtype or "float32")


@classic("_linspace")
def _linspace(start: float, stop: float, num: int, endpoint: bool = True, ctx: Context | None = None, dtype: Dtype = "float32") -> Any:
    """``num`` evenly spaced numbers over an interval."""
    return creation.linspace(start, stop, num, endpoint, False, dtype, ctx)


@helper("linspace")
def linspace(start: float, stop: float, num: int, endpoint: bool = True, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """``num`` evenly spaced numbers over an interval."""
    return creation.linspace(start, stop, num, endpoint, False, dtype or "float32", ctx)


@classic("_eye")
def _eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: Dtype = "float32") -> Any:
    """Ones on the ``k``-th diagonal of an N×M matrix (N×N for M = 0)."""
    return creation.eye(N, M or N, k, dtype, ctx)


@helper("eye")
def eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """Ones on the ``k``-th diagonal of an N×M matrix (N×N for M = 0)."""
    return creation.eye(N, M or N, k, dtype or "float32", ctx)


def from_numpy(ndarray: np.ndarray[Any, Any], zero_copy: bool = True, array_cls: type[core.NDArray] = NDArray) -> Any:
    """A NumPy array as one of ours, of class ``array_cls``, sharing its memory with ``zero_copy``."""
    if not zero_copy:
        return core.wrap(array_cls, ndarray.copy(), Device("cpu", 0))
    made = core.wrap(array_cls, ndarray, Device("cpu", 0))
    made.storage().share()
    return made


class _Capsule:
    """A DLPack capsule of memory of the host, as what NumPy reads one from."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_dlpack(dlpack: Any) -> Any:
    """An array of another framework, or of a DLPack capsule, sharing its memory."""
    if hasattr(dlpack, "__dlpack__"):
        return from_numpy(np.from_dlpack(dlpack))
    # A capsule does not say whether its memory may be written, so NumPy takes it for read-only; MXNet does not.
    fixed = np.from_dlpack(_Capsule(dlpack))
    place = {**fixed.__array_interface__, "data": (fixed.__array_interface__["data"][0], False)}
    return from_numpy(np.asarray(SimpleNamespace(__array_interface__=place, owner=fixed)))


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
