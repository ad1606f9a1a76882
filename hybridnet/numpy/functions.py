"""The functions of ``np`` by name: the operators' public functions under NumPy's names.

:data:`FUNCTIONS` is what the namespace shows and, where NumPy has a function of that name, what
``numpy.f(x)`` gives for one of our arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, NDArray, call
from hybridnet.core.conversion import from_data
from hybridnet.device import Device, device_of
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import creation, gather, joining, rearrange, selection, selective, shape, sorting
from hybridnet.ops.common import tensor
from hybridnet.ops.linalg import products
from hybridnet.ops.linalg.einsum import einsum
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import pointwise, reduction, scan, special, statistics
from hybridnet.ops.vocabulary import NUMPY, elementwise

_math = pointwise.FUNCTIONS


# -- making arrays --------------------------------------------------------------------------------


def array(
    object: Any, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None, copy: bool = True, ndmin: int = 0
) -> Any:
    """A new array of anything array-like, of ``ndmin`` dimensions or more.

    Without ``dtype`` what has a dtype keeps it, and Python's numbers, integers and booleans as well as floats, become float32,
    as MXNet has it.
    """
    target = device if device is not None else ctx
    if dtype is None and not hasattr(object, "dtype"):
        dtype = dtypes.default_float
    make = core.array if copy or not isinstance(object, NDArray) else core.asarray
    made = make(object, dtype, None if target is None else Device(target))
    return made if made.ndim >= ndmin else shape.reshape(made, (1,) * (ndmin - made.ndim) + made.shape)


def asarray(a: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None, copy: bool | None = None) -> Any:
    """An array of anything array-like, by the rules of :func:`array`; one of ours as it is, if dtype and device are right.

    ``copy``: whether always to copy; false: never, which is an error for what is not one of ours already.
    """
    made = array(a, dtype, device, ctx, copy=bool(copy))
    if copy is False and made is not a:
        fail(ArgumentError, "asarray", expected="an array that needs no copy", got=type(a).__name__, fix="copy=None")
    return made


def ascontiguousarray(a: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """An array whose elements lie in order in memory, of one dimension or more."""
    made = array(a, dtype, device, ctx, copy=False, ndmin=1)
    return made if made._data.flags.c_contiguous else made.copy()


def from_dlpack(x: Any) -> Any:
    """An array over the memory of an array of any library that speaks DLPack (NumPy, CuPy, PyTorch …); nothing is copied."""
    on_host = int(x.__dlpack_device__()[0]) == 1
    data = Device("cpu" if on_host else "gpu", 0 if on_host else int(x.__dlpack_device__()[1])).xp.from_dlpack(x)
    dtypes.as_dtype(data.dtype)
    made = from_data(data, device_of(data))
    made.storage().share()
    return made


def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
    shape: Any = None,
) -> Any:
    """An array of ``a``'s shape, dtype and device, where none is given, filled with a number."""
    a, target = tensor(a), device if device is not None else ctx
    if shape is None and target is None:
        return creation.full_like(a, fill_value, dtype)
    dtype = a.dtype if dtype is None else dtype
    return creation.full(a.shape if shape is None else shape, fill_value, dtype, a.device if target is None else Device(target))


def zeros_like(a: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None, shape: Any = None) -> Any:
    """Zeros of ``a``'s shape, dtype and device, where none is given."""
    return full_like(a, 0, dtype, device, ctx, shape)


def ones_like(a: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None, shape: Any = None) -> Any:
    """Ones of ``a``'s shape, dtype and device, where none is given."""
    return full_like(a, 1, dtype, device, ctx, shape)


def empty_like(prototype: ArrayLike, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None, shape: Any = None) -> Any:
    """An array of ``prototype``'s shape, dtype and device, where none is given; its values do not matter yet."""
    return full_like(prototype, 0, dtype, device, ctx, shape)


def copy(a: ArrayLike) -> Any:
    """A new array with the values of ``a``."""
    return call("copy", tensor(a))


def logspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """``base`` to the power of evenly spaced exponents."""
    return _math["power"](base, creation.linspace(start, stop, num, endpoint, False, dtype, device, ctx))


def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of ``x`` as columns, falling unless ``increasing``."""
    x = tensor(x)
    powers = [x**n for n in range(x.shape[0] if N is None else N)]
    return shape.stack(powers if increasing else powers[::-1], axis=1)


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


# -- small compositions ---------------------------------------------------------------------------


def ndim(a: ArrayLike) -> int:
    """The number of dimensions."""
    return tensor(a).ndim


def shape_of(a: ArrayLike) -> tuple[int, ...]:
    """The shape."""
    return tensor(a).shape


def size(a: ArrayLike, axis: int | None = None) -> int:
    """The number of elements, or the length of an axis."""
    a = tensor(a)
    return a.size if axis is None else a.shape[axis]


def astype(x: ArrayLike, dtype: DTypeLike, copy: bool = True) -> Any:
    """The values cast to ``dtype``."""
    return tensor(x).astype(dtype, copy)


def copyto(dst: Any, src: Any) -> None:
    """Write the values of ``src``, broadcast and cast, into ``dst``."""
    dst[...] = src


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write ``val`` to the main diagonal of ``a``, in place.

    As long as the shortest axis. ArgumentError for fewer than two dimensions, or with ``wrap``.
    """
    if a.ndim < 2 or wrap:
        fail(ArgumentError, "fill_diagonal", expected="two dimensions or more, and no wrapping", got=f"shape {a.shape}, wrap={wrap}")
    n = min(a.shape)
    a[tuple(creation.arange(n, dtype=dtypes.int64) for _ in a.shape)] = val


def ldexp(x1: ArrayLike, x2: ArrayLike) -> Any:
    """x1 · 2**x2. Element by element; the two broadcast."""
    return _math["multiply"](x1, _math["exp2"](x2))


def _floating(x: Any) -> Any:
    x = tensor(x)
    return x.astype(dtypes.floating(x.dtype), copy=False)


def heaviside(x1: Any, x2: Any) -> Any:
    """0 below 0, ``x2`` at 0, 1 above, NaN for NaN; integers give float32. Element by element; the two broadcast."""
    x1 = _floating(x1)
    sides = call("where", call("isnan", x1), math.nan, call("greater", x1, 0).astype(x1.dtype))
    return selection.where(call("equal", x1, 0), _floating(x2), sides)


def fabs(x: ArrayLike) -> Any:
    """The absolute value; integers give float32."""
    return call("absolute", _floating(x))


def float_power(x1: ArrayLike, x2: ArrayLike) -> Any:
    """``x1`` to the power of ``x2``; integers give float32. Element by element; the two broadcast."""
    return _math["power"](_floating(x1), _floating(x2) if isinstance(x2, NDArray) else x2)


def divmod(x1: ArrayLike, x2: ArrayLike) -> tuple[Any, Any]:
    """The whole quotient and the remainder.

    Element by element; the two broadcast. A tuple.
    """
    return _math["floor_divide"](x1, x2), _math["mod"](x1, x2)


def modf(x: ArrayLike) -> tuple[Any, Any]:
    """The fraction and the whole part, both with the sign of ``x``."""
    whole = _math["trunc"](x)
    return x - whole, whole


def signbit(x: ArrayLike) -> Any:
    """Whether the sign of ``x`` is minus, that of -0.0 and of a NaN included."""
    return call("less", call("copysign", 1.0, tensor(x)), 0)


def sinc(x: ArrayLike) -> Any:
    """sin(πx) / (πx), and 1 at 0."""
    x = tensor(x)
    zero = call("equal", x, 0)
    angle = selection.where(zero, 1.0, x * math.pi)
    return selection.where(zero, 1.0, _math["sin"](angle) / angle)


def isposinf(x: ArrayLike) -> Any:
    """Whether ``x`` is positive infinity."""
    return call("equal", tensor(x), math.inf)


def isneginf(x: ArrayLike) -> Any:
    """Whether ``x`` is negative infinity."""
    return call("equal", tensor(x), -math.inf)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """From the first condition that holds its choice, else ``default``.

    ShapeError unless there are as many conditions as choices, and at least one; all broadcast.
    """
    if len(condlist) != len(choicelist) or not condlist:
        fail(ShapeError, "select", expected="as many conditions as choices", got=f"{len(condlist)} and {len(choicelist)}")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = selection.where(condition, choice, result)
    return result


def polyval(p: ArrayLike, x: ArrayLike) -> Any:
    """The polynomial with coefficients ``p``, the highest power first, at ``x``.

    ``p`` is of one dimension, ``x`` of any shape, which the result has.
    """
    p = tensor(p)
    x = tensor(x)
    result = x * 0
    for i in range(p.shape[0]):
        result = result * x + p[i]
    return result


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``func1d`` of every slice along ``axis``, the results in the slices' places."""
    arr = rearrange.moveaxis(arr, axis, -1)
    rows = shape.reshape(arr, (-1, arr.shape[-1]))
    results = shape.stack([tensor(func1d(rows[i], *args, **kwargs)) for i in range(rows.shape[0])])
    placed = shape.reshape(results, arr.shape[:-1] + results.shape[1:])
    return rearrange.moveaxis(placed, -1, axis) if results.ndim > 1 else placed


def matrix_transpose(x: ArrayLike) -> Any:
    """The last two axes exchanged."""
    return rearrange.swapaxes(x, -1, -2)


def genfromtxt(*args: Any, **kwargs: Any) -> Any:
    """Numbers read from a text file by ``numpy.genfromtxt``, as float32 unless ``dtype`` is given."""
    dtype = kwargs.pop("dtype", dtypes.default_float)
    return core.array(np.genfromtxt(*args, **kwargs), dtype)


def may_share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays may lie in the same memory.

    Told by where their memory, of whatever shapes, begins and ends: views that interleave may.
    """
    return bool(np.may_share_memory(a._concrete("may_share_memory"), b._concrete("may_share_memory")))


# -- the table ------------------------------------------------------------------------------------


def _public(module: ModuleType, names: str) -> dict[str, Callable[..., Any]]:
    return {name: getattr(module, name) for name in names.split()}


_MAKING: dict[str, Callable[..., Any]] = {
    **_public(creation, "zeros ones empty full arange linspace eye identity"),
    **_public(rearrange, "tri tril_indices triu_indices indices"),
    "array": array,
    "asarray": asarray,
    "from_dlpack": from_dlpack,
    "ascontiguousarray": ascontiguousarray,
    "empty_like": empty_like,
    "full_like": full_like,
    "zeros_like": zeros_like,
    "ones_like": ones_like,
    "logspace": logspace,
    "hanning": hanning,
    "hamming": hamming,
    "blackman": blackman,
    "genfromtxt": genfromtxt,
}

#: Functions that write to their argument, or give no array: called with the arrays as they are.
_WRITING: dict[str, Callable[..., Any]] = {
    "put_along_axis": gather.put_along_axis,
    "fill_diagonal": fill_diagonal,
    "copyto": copyto,
    "ndim": ndim,
    "shape": shape_of,
    "size": size,
    "may_share_memory": may_share_memory,
    "shares_memory": may_share_memory,
}

_OF_ARRAYS: dict[str, Callable[..., Any]] = {
    **_math,
    **_public(selection, "where nonzero clip"),
    **_public(special, "erf erfinv gamma gammaln digamma polygamma"),
    "logsumexp": reduction.logsumexp,
    **_public(selective, "sum prod max min any all mean var std nansum nanprod nanmean nanvar nanstd nanmax nanmin"),
    **_public(scan, "cumsum cumprod diff ediff1d trapezoid"),
    **_public(sorting, "argmax argmin sort argsort partition argpartition lexsort searchsorted digitize unique isin"),
    **_public(sorting, "union1d intersect1d setdiff1d setxor1d"),
    **_public(gather, "take compress extract choose take_along_axis flatnonzero argwhere unravel_index ravel_multi_index"),
    **_public(shape, "reshape transpose broadcast_to expand_dims squeeze concatenate stack split"),
    **_public(joining, "atleast_1d atleast_2d atleast_3d vstack hstack dstack column_stack append delete insert unstack"),
    **_public(joining, "array_split hsplit vsplit dsplit"),
    **_public(rearrange, "swapaxes moveaxis rollaxis ravel flip fliplr flipud rot90 roll tile repeat resize pad"),
    **_public(rearrange, "diagonal diag diagflat trace tril triu diag_indices_from meshgrid broadcast_arrays"),
    **_public(products, "dot vdot inner outer tensordot kron cross"),
    **_public(statistics, "average ptp count_nonzero cov corrcoef quantile percentile median histogram bincount"),
    **_public(statistics, "isclose allclose array_equal array_equiv around fix interp nan_to_num"),
    **_public(statistics, "nancumsum nancumprod nanargmax nanargmin"),
    "matmul": matmul,
    "einsum": einsum,
    "copy": copy,
    "astype": astype,
    "vander": vander,
    "positive": copy,
    "ldexp": ldexp,
    "heaviside": heaviside,
    "fabs": fabs,
    "float_power": float_power,
    "divmod": divmod,
    "modf": modf,
    "signbit": signbit,
    "sinc": sinc,
    "isposinf": isposinf,
    "isneginf": isneginf,
    "select": select,
    "polyval": polyval,
    "apply_along_axis": apply_along_axis,
    "matrix_transpose": matrix_transpose,
}

#: Other names that NumPy, MXNet and the array API standard have for the same functions.
_ALIASES = {
    "abs": "absolute", "divide": "true_divide", "remainder": "mod", "pow": "power",
    "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2", "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh",
    "bitwise_not": "invert", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift",
    "deg2rad": "radians", "rad2deg": "degrees", "amax": "max", "amin": "min", "round": "around", "round_": "around",
    "concat": "concatenate", "permute_dims": "transpose", "row_stack": "vstack", "trapz": "trapezoid",
    "product": "prod", "sometrue": "any", "alltrue": "all", "cumproduct": "cumprod",
}  # fmt: skip


def _fronted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    ufunc = getattr(np, name, None)
    return elementwise(function, ufunc.nin) if isinstance(ufunc, np.ufunc) else NUMPY.wrap(function)


FUNCTIONS: dict[str, Callable[..., Any]] = _MAKING | _WRITING | {name: _fronted(name, f) for name, f in _OF_ARRAYS.items()}
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}

_DISPATCHED = [name for name in FUNCTIONS if hasattr(np, name) and (name not in _MAKING or name.endswith("_like"))]
core.NUMPY_FUNCTIONS.update({getattr(np, name): FUNCTIONS[name] for name in _DISPATCHED})
