"""The functions of ``np`` by name: the operators' public functions under NumPy's names.

:data:`FUNCTIONS` is what the namespace shows and, where NumPy has a function of that name, what
``numpy.f(x)`` gives for one of our arrays.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, NDArray, call
from hybridnet.device import Device
from hybridnet.errors import DtypeError, fail
from hybridnet.numpy import applying, creation, grids, io, kinds
from hybridnet.ops.array import creation as core_creation
from hybridnet.ops.array import gather, joining, rearrange, selection, selective, sets, shape, sorting, writing
from hybridnet.ops.common import in_floats, tensor
from hybridnet.ops.linalg import products
from hybridnet.ops.linalg.einsum import einsum
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import (
    bits,
    complex_parts,
    floats,
    histograms,
    pointwise,
    polynomials,
    quantiles,
    reduction,
    scan,
    signals,
    special,
    statistics,
)
from hybridnet.ops.ufuncs import elementwise
from hybridnet.ops.vocabulary import NUMPY, check_order, with_like

_math = pointwise.FUNCTIONS


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


def copy(a: ArrayLike, order: str = "K", subok: bool = False) -> Any:
    """A new array with the values of ``a``."""
    check_order("copy", order)
    return call("copy", tensor(a))


def positive(x: ArrayLike) -> Any:
    """+x, a copy; DtypeError for booleans."""
    x = tensor(x)
    if x.dtype == dtypes.bool_:
        fail(DtypeError, "positive", expected="numbers", got="bool")
    return call("copy", x)


def msort(a: ArrayLike) -> Any:
    """``a`` sorted along its first axis: a name of NumPy 1's."""
    return sorting.sort(a, 0)


def astype(x: ArrayLike, dtype: DTypeLike, copy: bool = True, device: DeviceLike = None) -> Any:
    """The values cast to ``dtype``, on ``device`` if one is told."""
    found = tensor(x).astype(dtype, copy=copy)
    return found if device is None else found.to_device(Device(device))


def ldexp(x1: Any, x2: Any) -> Any:
    """x1 · 2**x2, in the dtype of x1, integers float32; x2 may be floating, as in MXNet. Element by element; the two broadcast."""
    (x1,) = in_floats(x1)
    exponent = x2 if isinstance(x2, (int, float)) else tensor(x2, x1).astype(x1.dtype, copy=False)
    return _math["multiply"](x1, 2.0**exponent if isinstance(exponent, (int, float)) else _math["exp2"](exponent))


def heaviside(x1: Any, x2: Any) -> Any:
    """0 below 0, ``x2`` at 0, 1 above, NaN for NaN; integers give float32. Element by element; the two broadcast."""
    x1, x2 = in_floats(x1, x2)
    x1 = tensor(x1, x2 if isinstance(x2, NDArray) else None)
    sides = call("where", call("isnan", x1), math.nan, call("greater", x1, 0).astype(x1.dtype))
    return selection.where(call("equal", x1, 0), x2, sides)


def fabs(x: ArrayLike) -> Any:
    """The absolute value; integers give float32."""
    return call("absolute", *in_floats(x))


def float_power(x1: ArrayLike, x2: ArrayLike) -> Any:
    """``x1`` to the power of ``x2``; integers give float32. Element by element; the two broadcast."""
    return _math["power"](*in_floats(x1, x2))


def divmod(x1: ArrayLike, x2: ArrayLike) -> tuple[Any, Any]:
    """The whole quotient and the remainder.

    Element by element; the two broadcast. A tuple.
    """
    return _math["floor_divide"](x1, x2), _math["mod"](x1, x2)


def modf(x: ArrayLike) -> tuple[Any, Any]:
    """The fraction and the whole part, both with the sign of ``x``; integers give float32."""
    (x,) = in_floats(x)
    whole = call("trunc", x)
    rest = call("where", call("isinf", x), 0.0, x - call("where", call("isinf", x), 0.0, whole))
    return call("copysign", rest, x), whole


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


def matrix_transpose(x: ArrayLike) -> Any:
    """The last two axes exchanged."""
    return rearrange.swapaxes(x, -1, -2)


def sort_complex(a: ArrayLike) -> Any:
    """The numbers along the last axis, as complex ones, sorted by their real parts, equal ones by the imaginary; NaN last."""
    a = tensor(a)
    z = a.astype(dtypes.complex_of(a.dtype), copy=False)
    return gather.take_along_axis(z, sorting.lexsort((complex_parts.imag(z), complex_parts.real(z))), -1)


def real_if_close(a: ArrayLike, tol: float = 100) -> Any:
    """The real parts, if all imaginary ones are below ``tol`` (times the type's eps, if it is above 1), else ``a``; eager only."""
    a = tensor(a)
    if not dtypes.is_complex(a.dtype):
        return a
    most = tol * float(np.finfo(dtypes.real_of(a.dtype)).eps) if tol > 1 else tol
    return complex_parts.real(a) if bool((call("absolute", complex_parts.imag(a)) < most).all()) else a


def may_share_memory(a: Any, b: Any, max_work: int | None = None) -> bool:
    """Whether two arrays may lie in the same memory.

    Told by where their memory, of whatever shapes, begins and ends: views that interleave may. ``max_work``, how long NumPy may
    think, changes nothing.
    """
    return bool(np.may_share_memory(a._concrete("may_share_memory"), b._concrete("may_share_memory")))


# -- what NumPy's functions take besides ----------------------------------------------------------


def _in_dtype(join: Callable[..., Any]) -> Callable[..., Any]:
    """A function that joins arrays, with ``dtype=``, to which they are cast first, as ``casting=`` allows."""

    @functools.wraps(join)
    def joined(arrays: Any, *args: Any, dtype: DTypeLike = None, casting: str = "same_kind", **kwargs: Any) -> Any:
        if dtype is not None or casting != "same_kind":
            arrays = [tensor(x) for x in arrays]
            every = [x.dtype for x in arrays]
            target = np.result_type(*every) if dtype is None else dtypes.as_dtype(dtype)
            for given in every:
                if dtypes.bfloat16 not in (given, target) and not np.can_cast(given, target, casting):  # type: ignore[arg-type]
                    fail(DtypeError, join.__name__, expected=f"what {casting!r} casts to {target}", got=str(given))
            arrays = [x if dtype is None else x.astype(target, copy=False) for x in arrays]
        return join(arrays, *args, **kwargs)

    own = inspect.signature(join)
    more = {"dtype": None, "casting": "same_kind"}
    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in more.items()]
    joined.__signature__ = own.replace(parameters=[*own.parameters.values(), *keywords])  # type: ignore[attr-defined]
    return joined


# -- the table ------------------------------------------------------------------------------------


def _public(module: ModuleType, names: str) -> dict[str, Callable[..., Any]]:
    return {name: getattr(module, name) for name in names.split()}


#: Makers of arrays that NumPy reaches by ``like=``, which ours take too.
_LIKED: dict[str, Callable[..., Any]] = {
    **_public(creation, "array asarray asanyarray ascontiguousarray asfortranarray require zeros ones empty full eye fromfunction"),
    **_public(core_creation, "arange identity"),
    "tri": rearrange.tri,
    **_public(io, "loadtxt genfromtxt fromfile fromstring frombuffer fromiter"),
}
_MAKING: dict[str, Callable[..., Any]] = {
    **_public(creation, "asarray_chkfinite from_dlpack linspace logspace geomspace hanning hamming blackman bartlett kaiser"),
    **_public(creation, "diag_indices mask_indices empty_like"),
    **_public(rearrange, "tril_indices triu_indices indices"),
    **{name: NUMPY.wrap(getattr(creation, name), writes=True) for name in ("full_like", "zeros_like", "ones_like")},
    "load": io.load,
    **{name: with_like(NUMPY.wrap(make, writes=True) if name == "full" else make) for name, make in _LIKED.items()},
}

#: Functions that write to their argument, or give no array: called with the arrays as they are.
_AS_THEY_ARE: dict[str, Callable[..., Any]] = {
    "put_along_axis": gather.put_along_axis,
    **_public(writing, "copyto fill_diagonal place putmask put"),
    **_public(io, "save savez savez_compressed savetxt"),
    **_public(complex_parts, "iscomplexobj isrealobj"),
    **_public(kinds, "isdtype can_cast common_type"),
    "ndim": ndim,
    "shape": shape_of,
    "size": size,
    "may_share_memory": may_share_memory,
    "shares_memory": may_share_memory,
}

_OF_ARRAYS: dict[str, Callable[..., Any]] = {
    **_math,
    **_public(selection, "where nonzero clip"),
    **_public(complex_parts, "real imag conjugate angle iscomplex isreal"),
    "conj": complex_parts.conjugate,
    **_public(special, "erf erfinv gamma gammaln digamma polygamma"),
    "logsumexp": reduction.logsumexp,
    **_public(selective, "sum prod max min any all mean var std nansum nanprod nanmean nanvar nanstd nanmax nanmin"),
    **_public(scan, "cumsum cumprod cumulative_sum cumulative_prod diff ediff1d trapezoid"),
    **_public(sorting, "argmax argmin sort argsort partition argpartition lexsort searchsorted digitize"),
    **_public(sets, "unique unique_all unique_counts unique_inverse unique_values isin in1d union1d intersect1d setdiff1d setxor1d"),
    **_public(gather, "take compress extract choose take_along_axis flatnonzero argwhere unravel_index ravel_multi_index"),
    **_public(shape, "reshape transpose broadcast_to expand_dims squeeze split"),
    **_public(joining, "atleast_1d atleast_2d atleast_3d column_stack append delete insert unstack"),
    **_public(joining, "array_split hsplit vsplit dsplit"),
    **{f.__name__: _in_dtype(f) for f in (shape.concatenate, shape.stack, joining.vstack, joining.hstack, joining.dstack)},
    **_public(rearrange, "swapaxes moveaxis rollaxis ravel flip fliplr flipud rot90 roll tile repeat resize pad"),
    **_public(rearrange, "diagonal diag diagflat trace tril triu diag_indices_from meshgrid broadcast_arrays"),
    **_public(products, "dot vdot vecdot matvec vecmat inner outer tensordot kron cross"),
    **_public(statistics, "average ptp count_nonzero cov corrcoef isclose allclose array_equal array_equiv around fix interp nan_to_num"),
    **_public(statistics, "nancumsum nancumprod nanargmax nanargmin"),
    **_public(quantiles, "quantile percentile median nanquantile nanpercentile nanmedian"),
    **_public(histograms, "histogram histogram_bin_edges histogram2d histogramdd bincount"),
    **_public(polynomials, "poly polyadd polysub polymul polydiv polyder polyint polyfit polyval roots vander"),
    **_public(signals, "convolve correlate gradient unwrap i0"),
    **_public(floats, "frexp spacing nextafter logaddexp2"),
    **_public(bits, "bitwise_count packbits unpackbits"),
    **_public(grids, "ix_ block tril_indices_from triu_indices_from trim_zeros"),
    **_public(applying, "apply_along_axis apply_over_axes select piecewise"),
    "matmul": matmul,
    "einsum": einsum,
    "copy": copy,
    "astype": astype,
    "positive": positive,
    "msort": msort,
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
    "sort_complex": sort_complex,
    "real_if_close": real_if_close,
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

#: Further names of parameters, NumPy's or MXNet's.
_ALSO: dict[str, dict[str, str]] = {
    "around": {"x": "a"},
    "diag": {"array": "v"},
    "diagflat": {"array": "v"},
    "ravel": {"x": "a"},
    "concatenate": {"arrays": "seq"},
    **{name: {"arrays": "tup"} for name in ("vstack", "hstack", "dstack")},
    "reshape": {"shape": "newshape"},
}


def _fronted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    ufunc = getattr(np, name, None)
    return elementwise(function, ufunc) if isinstance(ufunc, np.ufunc) else NUMPY.wrap(function, also=_ALSO.get(name, {}))


FUNCTIONS: dict[str, Callable[..., Any]] = _MAKING | _AS_THEY_ARE | {name: _fronted(name, f) for name, f in _OF_ARRAYS.items()}
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}

_DISPATCHED = [name for name in FUNCTIONS if hasattr(np, name) and (name not in _MAKING or name.endswith("_like"))]
core.NUMPY_FUNCTIONS.update({getattr(np, name): FUNCTIONS[name] for name in _DISPATCHED})
core.NUMPY_MAKING.update({getattr(np, name): FUNCTIONS[name] for name in _LIKED})
