"""Arrays from nothing: full, arange, linspace, eye. Constants of a graph are ``full`` nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import (
    ArrayLike,
    DeviceLike,
    DTypeLike,
    Kind,
    NDArray,
    Op,
    Sample,
    Spec,
    apply,
    local,
    on_cuda,
    on_numpy,
    register,
    tape,
)
from hybridnet.core.kernel import HandKernels
from hybridnet.device import Device, current_device
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.common import as_shape, tensor
from hybridnet.ops.kernels.places import each, index_type, pack_width


def _create(op: Op, attrs: dict[str, Any], device: Any) -> Any:
    return apply(op, (), attrs, current_device() if device is None else Device(device), NDArray)


def _full(xp: Any, *, shape: tuple[int, ...], value: Any, dtype: Any, out: Any = None) -> Any:
    if type(value) is int and dtypes.is_inexact(dtype) and abs(value) >= 1 << 63:
        value = float(value)  # NumPy has no integers of that size
    if out is None:
        return xp.full(shape, value, dtype)
    if xp is np:
        np.copyto(out, value, casting="unsafe")  # as numpy.full does
    else:
        out.fill(value)
    return out


def _infer_full(*, shape: tuple[int, ...], value: Any, dtype: dtypes.Dtype) -> Spec:
    """NumPy converts floats to integers, cut off, but refuses integers that are out of range."""
    if isinstance(value, int) and dtype.kind in "iub":
        limits = np.iinfo(dtypes.int64 if dtype == dtypes.bool_ else dtype)
        if not limits.min <= value <= limits.max:
            fail(DtypeError, "full", expected=f"a number from {limits.min} to {limits.max} for {dtype}", got=str(value))
    return Spec(shape, dtype)


FULL = register(
    Op(
        "full",
        Kind.CREATION,
        _infer_full,
        compute=_full,
        out=True,
        sample=lambda: [
            Sample((), {"shape": (2, 3), "value": 1.5, "dtype": dtypes.float32}),
            Sample((), {"shape": (), "value": 2, "dtype": dtypes.int32}),
        ],
    )
)


def _filled(*, shape: tuple[int, ...], value: Any, dtype: dtypes.Dtype, out: Any = None) -> Any:
    if dtype.kind != "f":
        return _full(np, shape=shape, value=value, dtype=dtype, out=out)
    made = np.empty(shape, dtype) if out is None else out
    made.fill(value)
    return made


on_numpy(FULL, _filled)
on_cuda(FULL, functor="{value}")


def _type_of(number: Any) -> dtypes.Dtype:
    """The type of an array of a number, if none is said."""
    if isinstance(number, (bool, np.bool_)):
        return dtypes.bool_
    if isinstance(number, (int, np.integer)):
        return dtypes.default_whole()
    return dtypes.default_complex() if np.iscomplexobj(number) else dtypes.default_float()


def full(shape: Any, fill_value: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array of ``shape`` filled with a number. ShapeError if a dimension is negative."""
    shape = as_shape("full", shape)
    if any(n < 0 for n in shape):
        fail(ShapeError, "full", expected="no negative dimensions", got=str(shape))
    if isinstance(fill_value, NDArray):
        return tensor(fill_value).astype(dtype if dtype is not None else fill_value.dtype).broadcast_to(shape)
    if dtype is None:
        dtype = _type_of(fill_value)
    return _create(FULL, {"shape": shape, "value": fill_value, "dtype": dtypes.as_dtype(dtype)}, device or ctx)


def zeros(shape: Any, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array of zeros."""
    return full(shape, 0, dtypes.as_dtype(dtype), device, ctx)


def ones(shape: Any, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array of ones."""
    return full(shape, 1, dtypes.as_dtype(dtype), device, ctx)


def empty(shape: Any, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array whose values do not matter yet; zeros, so that programs are reproducible."""
    return zeros(shape, dtype, device, ctx)


def full_like(a: ArrayLike, fill_value: Any, dtype: Any = None) -> Any:
    """An array of ``a``'s shape, device and (unless given) dtype, filled with a number."""
    a = tensor(a)
    attrs = {"shape": a.shape, "value": fill_value, "dtype": dtypes.as_dtype(dtype, a._data.dtype)}
    result = apply(FULL, (), attrs, a.device, type(a))
    if local.recording:
        tape.note_behind((a,), (result,))
    return result


def zeros_like(a: Any, dtype: Any = None) -> Any:
    """Zeros of ``a``'s shape, device and (unless given) dtype."""
    return full_like(a, 0, dtype)


def ones_like(a: Any, dtype: Any = None) -> Any:
    """Ones of ``a``'s shape, device and (unless given) dtype."""
    return full_like(a, 1, dtype)


def _arange_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, start: Any, step: Any, length: int, dtype: dtypes.Dtype
) -> HandKernels | None:
    if not (math.isfinite(start) and math.isfinite(step)):
        return None
    whole = all(isinstance(n, (int, np.integer)) for n in (start, step))
    numbers = [f"{int(n)}ll" if whole else repr(float(n)) for n in (start, step)]
    width = pack_width(dtype, length)
    function = f"hn_arange<{index_type(length)}, {length // width}, {width}, {'long long' if whole else 'double'}>"
    return HandKernels("creation.cu", (each(function, ("y0", *numbers), length // width, num_sms),))


ARANGE = register(
    Op(
        "arange",
        Kind.CREATION,
        lambda *, start, step, length, dtype: Spec((length,), dtype),
        compute=lambda xp, *, start, step, length, dtype: (start + step * xp.arange(length)).astype(dtype),
        sample=lambda: [
            Sample((), {"start": 1, "step": 2, "length": 5, "dtype": dtypes.float32}),
            Sample((), {"start": 0.5, "step": -0.25, "length": 8, "dtype": dtypes.bfloat16}),
            Sample((), {"start": -3, "step": 1, "length": 6, "dtype": dtypes.int64}),
        ],
    )
)
on_cuda(ARANGE, kernels=_arange_kernels)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Evenly spaced values from ``start`` (0 if only one bound is given) to below ``stop``.

    Of float32 by default, as MXNet's; of int64 or float64 with NumPy's default types.
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        fail(ShapeError, "arange", expected="a step that is not 0", got="0")
    length = max(0, math.ceil((stop - start) / step))
    if dtype is None and all(isinstance(x, (int, np.integer)) for x in (start, stop, step)):
        dtype = dtypes.default_whole()
    return _create(ARANGE, {"start": start, "step": step, "length": length, "dtype": dtypes.as_dtype(dtype)}, device or ctx)


def linspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """``num`` evenly spaced values over an interval; with ``retstep`` also their distance."""
    steps = num - 1 if endpoint else num
    step = (stop - start) / steps if steps else 0.0
    result = _create(ARANGE, {"start": float(start), "step": step, "length": int(num), "dtype": dtypes.as_dtype(dtype)}, device or ctx)
    return (result, step) if retstep else result


def _eye_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, rows: int, columns: int, k: int, dtype: dtypes.Dtype
) -> HandKernels:
    width = pack_width(dtype, rows * columns)
    count = rows * columns // width
    function = f"hn_eye<{index_type(rows * columns)}, {count}, {width}, {columns}, {k}>"
    return HandKernels("creation.cu", (each(function, ("y0",), count, num_sms),))


EYE = register(
    Op(
        "eye",
        Kind.CREATION,
        lambda *, rows, columns, k, dtype: Spec((rows, columns), dtype),
        compute=lambda xp, *, rows, columns, k, dtype: xp.eye(rows, columns, k, dtype=dtype),
        sample=lambda: [
            Sample((), {"rows": 3, "columns": 4, "k": 1, "dtype": dtypes.float32}),
            Sample((), {"rows": 5, "columns": 3, "k": -2, "dtype": dtypes.bool_}),
        ],
    )
)
on_cuda(EYE, kernels=_eye_kernels)


def eye(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Ones on the ``k``-th diagonal of an N×M matrix of zeros."""
    return _create(
        EYE, {"rows": int(N), "columns": int(N if M is None else M), "k": int(k), "dtype": dtypes.as_dtype(dtype)}, device or ctx
    )


def identity(n: int, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """The n×n identity matrix."""
    return eye(n, dtype=dtype, device=device, ctx=ctx)
