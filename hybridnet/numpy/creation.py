"""Making arrays, by NumPy's names and in the order of its parameters: from numbers, like others, of anything array-like.

``order`` and ``subok`` are taken everywhere that NumPy takes them: arrays lie in C order, and have the class of their namespace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, NDArray
from hybridnet.core.conversion import from_data
from hybridnet.core.state import suspended_trace
from hybridnet.device import Device, device_of
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.ops.array import creation, rearrange, selection, shape
from hybridnet.ops.common import normalize_axis, tensor
from hybridnet.ops.math import pointwise
from hybridnet.ops.vocabulary import check_order

_math = pointwise.FUNCTIONS


def _target(device: DeviceLike, ctx: DeviceLike) -> Device | None:
    """The device that is asked for by either of its names."""
    asked = device if device is not None else ctx
    return None if asked is None else Device(asked)


# -- of anything array-like -----------------------------------------------------------------------


def array(
    object: Any,
    dtype: DTypeLike = None,
    copy: bool = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
    *,
    ndmax: int | None = None,
) -> Any:
    """A new array of anything array-like, of ``ndmin`` dimensions or more.

    Without ``dtype`` what has a dtype keeps it, and Python's numbers, integers and booleans as well as floats, become float32,
    as MXNet has it; complex ones complex64. With NumPy's default types (``npx.set_np(dtype=True)``) they are int64, bool, float64 and
    complex128. DtypeError for what is nested deeper than ``ndmax``, of which NumPy makes objects.
    """
    check_order("array", order)
    if dtype is None and not hasattr(object, "dtype"):
        object = core.on_host(object)
        kind = object.dtype.kind
        dtype = dtypes.of_python(kind) if kind == "c" or dtypes.defaults.numpy else dtypes.float32
    make = core.array if copy or not isinstance(object, NDArray) else core.asarray
    made = make(object, dtype, _target(device, ctx))
    if ndmax is not None and made.ndim > ndmax:
        fail(DtypeError, "array", expected=f"numbers within {ndmax} dimensions", got=f"{made.ndim}: the rest would be objects")
    return made if made.ndim >= ndmin else shape.reshape(made, (1,) * (ndmin - made.ndim) + made.shape)


def asarray(
    a: ArrayLike,
    dtype: DTypeLike = None,
    order: str | None = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
    copy: bool | None = None,
) -> Any:
    """An array of anything array-like; one of ours as it is, if dtype and device are right.

    Without ``dtype`` Python's integers and booleans keep their kind, as the array API standard has it (:func:`array` gives float32).
    ``copy``: whether always to copy; false: never, which is an error for what is not one of ours already.
    """
    if dtype is None and not hasattr(a, "dtype"):
        found = core.on_host(a)
        made = array(found, dtypes.of_python(found.dtype.kind), order=order or "K", device=device, ctx=ctx)
    else:
        made = array(a, dtype, bool(copy), order or "K", device=device, ctx=ctx)
    if copy is False and made is not a:
        fail(ArgumentError, "asarray", expected="an array that needs no copy", got=type(a).__name__, fix="copy=None")
    return made


asanyarray = asarray


def asarray_chkfinite(a: ArrayLike, dtype: DTypeLike = None, order: str | None = None) -> Any:
    """As :func:`asarray`; a ValueError if there is a NaN or an infinity in it, so eager only."""
    made = asarray(a, dtype, order)
    if dtypes.is_inexact(made.dtype) and not bool(_math["isfinite"](made).all()):
        fail(ArgumentError, "asarray_chkfinite", expected="finite numbers", got="NaN or infinity")
    return made


def ascontiguousarray(a: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array whose elements lie in order in memory, of one dimension or more."""
    made = array(a, dtype, copy=False, ndmin=1, device=device, ctx=ctx)
    return made if made._is_traced() or made._data.flags.c_contiguous else made.copy()


def asfortranarray(a: ArrayLike, dtype: DTypeLike = None) -> Any:
    """An array of one dimension or more; arrays of more lie in C order here, whatever is asked."""
    return array(a, dtype, copy=False, ndmin=1)


def require(a: ArrayLike, dtype: DTypeLike = None, requirements: Any = None) -> Any:
    """``a`` as an array that is as NumPy's ``require`` asks: arrays lie in C order, are written to and own what they hold.

    ``requirements``: letters or names of NumPy's, several or one; ArgumentError for what is none, and for Fortran's order, F.
    """
    asked = [requirements] if isinstance(requirements, str) else list(requirements or ())
    known = {"C", "C_CONTIGUOUS", "CONTIGUOUS", "A", "ALIGNED", "W", "WRITEABLE", "O", "OWNDATA", "E", "ENSUREARRAY"}
    for one in asked:
        if str(one).upper() not in known:
            fail(ArgumentError, "require", expected="requirements " + ", ".join(sorted(known)), got=repr(one))
    made = asarray(a, dtype)
    return made if made._is_traced() or made._data.flags.c_contiguous else made.copy()


def from_dlpack(x: Any, /, *, device: DeviceLike = None, copy: bool | None = None) -> Any:
    """An array over the memory of an array of any library that speaks DLPack (NumPy, CuPy, PyTorch …), of its shape.

    A copy on another ``device``, or if ``copy`` says so. ArgumentError if ``copy`` is false and the device another.
    """
    found = _over_memory(x)
    moved = found if device is None else found.to_device(Device(device))
    if copy is False and moved is not found:
        fail(ArgumentError, "from_dlpack", expected=f"an array on {device}", got=f"one on {found.device}", fix="copy=None")
    return moved.copy() if copy and moved is found else moved


def _over_memory(x: Any) -> Any:
    on_host = int(x.__dlpack_device__()[0]) == 1
    data = Device("cpu" if on_host else "gpu", 0 if on_host else int(x.__dlpack_device__()[1])).xp.from_dlpack(x)
    dtypes.as_dtype(data.dtype)
    made = from_data(data, device_of(data))
    made.storage().share()
    return made


# -- filled with a number -------------------------------------------------------------------------


def full(
    shape: Any, fill_value: ArrayLike, dtype: DTypeLike = None, order: str = "C", device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """An array of ``shape`` filled with a number, or with an array that broadcasts to it. ShapeError if a dimension is negative."""
    check_order("full", order, "CF")
    if isinstance(fill_value, (np.ndarray, list, tuple)):
        fill_value = tensor(fill_value)
    return creation.full(shape, fill_value, dtype, device, ctx)


def zeros(shape: Any, dtype: DTypeLike = None, order: str = "C", device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array of zeros."""
    check_order("zeros", order, "CF")
    return creation.zeros(shape, dtype, device, ctx)


def ones(shape: Any, dtype: DTypeLike = None, order: str = "C", device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array of ones."""
    check_order("ones", order, "CF")
    return creation.ones(shape, dtype, device, ctx)


def empty(shape: Any, dtype: DTypeLike = None, order: str = "C", device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array whose values do not matter yet; zeros, so that programs are reproducible."""
    check_order("empty", order, "CF")
    return creation.empty(shape, dtype, device, ctx)


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None, order: str = "C", device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """Ones on the ``k``-th diagonal of an N×M matrix of zeros."""
    check_order("eye", order, "CF")
    return creation.eye(N, M, k, dtype, device, ctx)


def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """An array of ``a``'s shape, dtype and device, where none is given, filled with a number."""
    check_order("full_like", order)
    a, target = tensor(a), _target(device, ctx)
    if shape is None and target is None and not isinstance(fill_value, (NDArray, np.ndarray)):
        return creation.full_like(a, fill_value, dtype)
    dtype = a.dtype if dtype is None else dtype
    return full(a.shape if shape is None else shape, fill_value, dtype, device=a.device if target is None else target)


def zeros_like(
    a: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Zeros of ``a``'s shape, dtype and device, where none is given."""
    return full_like(a, 0, dtype, order, subok, shape, device, ctx)


def ones_like(
    a: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Ones of ``a``'s shape, dtype and device, where none is given."""
    return full_like(a, 1, dtype, order, subok, shape, device, ctx)


def empty_like(
    prototype: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """An array of ``prototype``'s shape, dtype and device, where none is given; its values do not matter yet."""
    return full_like(prototype, 0, dtype, order, subok, shape, device, ctx)


# -- over intervals -------------------------------------------------------------------------------


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike = None,
    axis: int = 0,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """``num`` evenly spaced values over an interval; with ``retstep`` also their distance.

    Of arrays, which broadcast, along a new ``axis``. Integers are what the values are cut to, downwards. ArgumentError for a negative
    ``num``.
    """
    if num < 0:
        fail(ArgumentError, "linspace", expected="num of 0 or more", got=str(num))
    ends: Any = (start, stop)
    normalize_axis("linspace", axis, 1 + max(x.ndim if isinstance(x, NDArray) else np.ndim(x) for x in ends))
    whole = dtype is not None and not dtypes.is_floating(dtypes.as_dtype(dtype))
    asked, dtype = dtype, None if whole else dtype
    steps = num - 1 if endpoint else num
    if np.ndim(start) == 0 and np.ndim(stop) == 0 and not isinstance(start, NDArray) and not isinstance(stop, NDArray):
        if whole:  # rounded down from float64, which a device may not have
            exact = np.linspace(start, stop, num, endpoint, dtype=dtypes.as_dtype(asked))
            made = core.array(exact, device=_target(device, ctx))
            return (made, (stop - start) / steps if steps > 0 else math.nan) if retstep else made
        made, step = creation.linspace(start, stop, num, endpoint, True, dtype, device, ctx)
        step = step if steps > 0 else math.nan
    else:
        low, high = ends = rearrange.broadcast_arrays(start, stop)
        kind = dtypes.floating(dtypes.promote(low.dtype, high.dtype)) if dtype is None else dtypes.as_dtype(dtype)
        kind = dtypes.float64 if whole else kind
        low, high = low.astype(kind, copy=False), high.astype(kind, copy=False)
        places = shape.reshape(creation.arange(num, dtype=kind, device=low.device), (num,) + (1,) * low.ndim)
        step = (high - low) / float(steps) if steps > 0 else (high - low) * math.nan
        inner = places * (step if steps > 0 else 0) + low
        if endpoint and num > 1:
            inner = shape.concatenate([shape.slice_axis(inner, 0, 0, num - 1), shape.expand_dims(high, 0)], 0)
        made = rearrange.moveaxis(inner, 0, axis)
    if whole:
        made, step = _math["floor"](made).astype(asked), step.astype(dtypes.floating(dtypes.promote(*(x.dtype for x in ends))))
    return (made, step) if retstep else made


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: DTypeLike = None,
    axis: int = 0,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """``base`` to the power of evenly spaced exponents; of arrays along a new ``axis``."""
    whole = dtype is not None and not dtypes.is_floating(dtypes.as_dtype(dtype))
    exponents = linspace(start, stop, num, endpoint, False, None if whole else dtype, axis, device, ctx)
    made = _math["power"](base, exponents)
    return made.astype(dtype) if whole else made


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike = None,
    axis: int = 0,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """``num`` values over an interval, each the same multiple of the one before; of arrays along a new ``axis``.

    Numbers that are 0 or of two signs are an ArgumentError.
    """
    if np.ndim(start) == 0 and np.ndim(stop) == 0 and not isinstance(start, NDArray) and not isinstance(stop, NDArray):
        if not start * stop > 0:
            fail(ArgumentError, "geomspace", expected="two numbers of one sign, none 0", got=f"{start} and {stop}")
        sign = math.copysign(1, start)
        ends: Any = (math.log10(abs(start)), math.log10(abs(stop)))
    else:
        low, high = rearrange.broadcast_arrays(start, stop)
        sign = _math["sign"](low.astype(dtypes.floating(low.dtype), copy=False))
        ends = tuple(_math["log10"](_math["absolute"](x)) for x in (low, high))
    asked = None if dtype is None else dtypes.as_dtype(dtype)
    inner = asked if asked is not None and dtypes.is_floating(asked) else None
    made = logspace(ends[0], ends[1], num, endpoint, 10.0, inner, axis, device, ctx) * sign
    return made if asked is None else made.astype(asked, copy=False)


# -- windows --------------------------------------------------------------------------------------


def _window(name: str, terms: tuple[float, ...]) -> Callable[..., Any]:
    """A window made of cosines; NumPy's definition, symmetric."""

    def window(M: int, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
        if M <= 1:
            return creation.ones((max(M, 0),), dtype, device, ctx)
        angle = creation.linspace(0.0, 2 * math.pi, M, dtype=dtype, device=device, ctx=ctx)
        result = terms[0] - terms[1] * _math["cos"](angle)
        return result if len(terms) == 2 else result + terms[2] * _math["cos"](angle * 2)

    window.__name__ = window.__qualname__ = name
    second = f" + {terms[2]} · cos(4πn / (M - 1))" if len(terms) == 3 else ""
    window.__doc__ = f"{terms[0]} - {terms[1]} · cos(2πn / (M - 1)){second} for n from 0 to M - 1; of shape (M,), empty if M is below 1."
    return window


hanning, hamming = _window("hanning", (0.5, 0.5)), _window("hamming", (0.54, 0.46))
blackman = _window("blackman", (0.42, 0.5, 0.08))


def bartlett(M: int, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """A triangle from 0 to 1 and back; of shape (M,), empty if M is below 1."""
    if M <= 1:
        return creation.ones((max(M, 0),), dtype, device, ctx)
    return 1 - _math["absolute"](creation.linspace(-1.0, 1.0, M, dtype=dtype, device=device, ctx=ctx))


def kaiser(M: int, beta: float, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """i0(β · sqrt(1 - x²)) / i0(β) for M values of x from -1 to 1; of shape (M,), empty if M is below 1."""
    window = np.kaiser(max(M, 0), beta)
    return core.array(window, dtypes.as_dtype(dtype), _target(device, ctx))


# -- from functions -------------------------------------------------------------------------------


def fromfunction(function: Callable[..., Any], shape: Any, *, dtype: DTypeLike = None, **kwargs: Any) -> Any:
    """``function`` of the index arrays of an array of ``shape``, one an axis; all of the elements in one call."""
    return function(*rearrange.indices(shape, dtypes.as_dtype(dtype)), **kwargs)


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array of ``ndim`` axes of length ``n``."""
    return (creation.arange(n, dtype=dtypes.int64),) * ndim


def mask_indices(n: int, mask_func: Callable[..., Any], k: Any = 0) -> tuple[Any, ...]:
    """The indices of an n×n matrix of ones of which ``mask_func(ones, k)`` (``np.triu``, say) leaves something."""
    with suspended_trace():
        return selection.nonzero(mask_func(creation.ones((n, n), dtypes.int64), k))
