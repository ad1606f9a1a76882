"""Averages, quantiles, histograms, correlations, interpolation, and the functions that pass over NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register, wrap
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.array import sorting
from hybridnet.ops.array.creation import FULL
from hybridnet.ops.array.gather import as_indices, take
from hybridnet.ops.array.indexing import INDEX_ADD
from hybridnet.ops.array.rearrange import diagonal, moveaxis
from hybridnet.ops.array.shape import broadcast_to, concatenate, expand_dims, reshape, slice_axis, transpose
from hybridnet.ops.common import normal, normalize_axes, real_part, tensor
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import pointwise, reduction, scan
from hybridnet.ops.math.complex_parts import conjugated, of_parts
from hybridnet.ops.math.slopes import ROOT
from hybridnet.ops.math.wide import in_wide

# -- averages and spreads -------------------------------------------------------------------------


def average(
    a: Any, axis: int | tuple[int, ...] | None = None, weights: Any | None = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """The mean over axes, weighted by ``weights`` (of ``a``'s shape, or of the one axis); with ``returned`` also the weights' sum.

    ShapeError for weights of another shape.
    """
    a = tensor(a)
    a = a.astype(dtypes.floating(a.dtype), copy=False)
    axes = normalize_axes("average", axis, a.ndim)
    if weights is None:
        found = reduction.mean(a, axes, keepdims=keepdims)
        return (found, found * 0 + float(reduction.count(a.shape, axes))) if returned else found
    weights = tensor(weights, a)
    if weights.shape != a.shape:
        if weights.ndim != 1 or len(axes) != 1 or weights.shape[0] != a.shape[axes[0]]:
            fail(ShapeError, "average", expected=f"weights of shape {a.shape}, or of one axis of it", got=str(weights.shape))
        weights = broadcast_to(reshape(weights, (-1,) + (1,) * (a.ndim - axes[0] - 1)), a.shape)
    found, total = _weighted_mean(a, weights, axes, keepdims)
    return (found, total) if returned else found


@in_wide
def _weighted_mean(a: Any, weights: Any, axes: tuple[int, ...], keepdims: bool) -> tuple[Any, Any]:
    total = reduction.sum(weights, axes, keepdims=keepdims)
    return reduction.sum(a * weights, axes, keepdims=keepdims) / total, total


def ptp(a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The largest minus the smallest value over axes."""
    return reduction.max(a, axis, keepdims=keepdims) - reduction.min(a, axis, keepdims=keepdims)


def count_nonzero(a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """How many elements over axes are not zero."""
    return reduction.sum(call("not_equal", tensor(a), 0), axis, keepdims=keepdims)


def cov(m: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    """The covariance matrix of variables, one a row (a column without ``rowvar``); over n - 1 unless ``bias`` or ``ddof`` says else."""
    x = _variables(m, rowvar)
    if y is not None:
        more = _variables(y, rowvar)
        kind = dtypes.promote(x.dtype, more.dtype) if dtypes.is_complex(more.dtype) else x.dtype
        x = concatenate([x.astype(kind, copy=False), more.astype(kind, copy=False)], 0)
    return _cov(x, (0 if bias else 1) if ddof is None else ddof)


@in_wide
def _cov(x: Any, ddof: int) -> Any:
    centred = x - reduction.mean(x, 1, keepdims=True)
    found = matmul(centred, transpose(conjugated(centred))) / float(x.shape[1] - ddof)
    return reshape(found, ()) if found.size == 1 else found


def _variables(m: Any, rowvar: bool) -> Any:
    m = tensor(m)
    m = m.astype(dtypes.floating(m.dtype), copy=False)
    if m.ndim > 2:
        fail(ShapeError, "cov", expected="one or two dimensions", got=str(m.shape))
    if m.ndim < 2:
        return reshape(m, (1, -1))
    return m if rowvar or m.shape[0] == 1 else transpose(m)


def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True) -> Any:
    """The correlation coefficients of variables: their covariances over the products of their deviations."""
    return _corrcoef(tensor(x), None if y is None else tensor(y), rowvar)


@in_wide
def _corrcoef(x: Any, y: Any, rowvar: bool) -> Any:
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    spread = apply(ROOT, (real_part(diagonal(c)),))
    return c / expand_dims(spread, 0) / expand_dims(spread, 1)


# -- quantiles ------------------------------------------------------------------------------------

_BETWEEN = ("linear", "lower", "higher", "nearest", "midpoint")


def quantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    method: str | None = None,
) -> Any:
    """The values below which the fractions ``q`` (from 0 to 1) of the elements over axes lie.

    Between two elements by ``method`` (NumPy 1 and MXNet: ``interpolation``): linear, lower, higher, nearest or
    midpoint. The axes of ``q`` come first. ``q`` must be known when tracing.
    """
    return _quantile(tensor(a), np.asarray(q, dtype=np.float64), axis, method or interpolation, keepdims)


def percentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    method: str | None = None,
) -> Any:
    """As :func:`quantile`, with ``q`` from 0 to 100.

    Shapes are those of :func:`quantile`: that of ``q``, followed by that of ``a`` without ``axis``.
    """
    return _quantile(tensor(a), np.asarray(q, dtype=np.float64) / 100, axis, method or interpolation, keepdims)


def median(a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The middle value over axes; the mean of the two middle ones of an even number, NaN of none."""
    return _quantile(tensor(a), np.asarray(0.5), axis, "linear", keepdims, empty=True)


def _quantile(a: Any, q: np.ndarray[Any, Any], axis: Any, method: str, keepdims: bool, empty: bool = False) -> Any:
    """``empty``: whether quantiles of nothing are NaN."""
    if method not in _BETWEEN:
        fail(ArgumentError, "quantile", expected="method " + ", ".join(_BETWEEN), got=repr(method))
    if q.size and not (q.min() >= 0 and q.max() <= 1):
        fail(ArgumentError, "quantile", expected="fractions from 0 to 1 (percentiles from 0 to 100)", got=str(q))
    axes = normalize_axes("quantile", axis, a.ndim)
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    shape = reduced = tuple(a.shape[i] for i in rest)
    if keepdims:
        reduced = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    n = reduction.count(a.shape, axes)
    if method not in ("lower", "higher", "nearest") or not n:  # which choose an element
        a = a.astype(dtypes.floating(a.dtype), copy=False)
    if not n:
        if math.prod(reduced) and not empty:
            fail(ShapeError, "quantile", expected="something to choose from", got=f"shape {a.shape} over axes {axes}")
        return apply(FULL, (), {"shape": (*q.shape, *reduced), "value": math.nan, "dtype": a.dtype}, a.device, type(a))
    ordered = sorting.sort(reshape(transpose(a, (*rest, *axes)), (*shape, n)), -1)
    found = _between(ordered, (q.reshape(-1) * (n - 1)).tolist(), method)
    # A NaN anywhere in a row is sorted last and makes all its quantiles NaN.
    if dtypes.is_floating(a.dtype):
        last = slice_axis(ordered, -1, n - 1, None)
        found = call("where", call("isnan", last), last, found)
    return reshape(moveaxis(found, -1, 0), (*q.shape, *reduced))


@in_wide
def _between(ordered: Any, places: list[float], method: str) -> Any:
    """The elements of sorted rows at fractional ``places``."""
    found = []
    for place in places:
        low, part = math.floor(place), place - math.floor(place)
        weight = {"linear": part, "lower": 0, "higher": math.ceil(part), "nearest": round(place) - low, "midpoint": 0.5 * math.ceil(part)}[
            method
        ]
        element = slice_axis(ordered, -1, low, low + 1)
        if weight:
            element = element + (slice_axis(ordered, -1, low + 1, low + 2) - element) * weight
        found.append(element)
    return concatenate(found, -1)


# -- counting -------------------------------------------------------------------------------------


def _infer_histogram(a: Spec, edges: Spec) -> Spec:
    if edges.ndim != 1 or edges.shape[0] < 2:
        fail(ShapeError, "histogram", expected="two edges of bins or more", got=str(edges.shape))
    return Spec((edges.shape[0] - 1,), dtypes.int64)


HISTOGRAM = register(
    Op(
        "histogram",
        Kind.OPAQUE,
        _infer_histogram,
        compute=lambda xp, a, edges: xp.histogram(a, edges)[0],
        promote="same",
        sample=lambda: [
            Sample((normal(3, 4), np.array([-1.0, 0.0, 0.5, 2.0])), differentiable=False),
            Sample((normal(3), normal(2, 2)), error=ValueError),
        ],
    )
)


def histogram(a: Any, bins: Any = 10, range: Any = None, weights: Any | None = None, density: bool = False) -> tuple[Any, Any]:
    """How many elements fall into each bin, and the bins' edges.

    ``bins``: the edges, ascending, or a number of equal bins over ``range`` (from the smallest to the largest
    value, which is eager only). The last bin holds its upper edge too.
    """
    a = tensor(a)
    a = a.astype(dtypes.floating(a.dtype), copy=False)
    if isinstance(bins, (int, np.integer)):
        data = a._concrete("histogram") if range is None else None
        low, high = (float(x) for x in (range if data is None else (data.min(), data.max()) if data.size else (0, 1)))
        if low == high:
            low, high = low - 0.5, high + 0.5
        bins = np.linspace(low, high, int(bins) + 1).astype(a.dtype)
    edges = tensor(bins, a).astype(a.dtype, copy=False)
    if weights is None:
        counts = apply(HISTOGRAM, (a, edges))
    else:
        counts = _weighted(reshape(a, -1), edges, reshape(tensor(weights, a), -1))
    if density:
        counts = counts / (scan.diff(edges) * reduction.sum(counts))
    return counts, edges


def _weighted(a: Any, edges: Any, weights: Any) -> Any:
    n = edges.shape[0] - 1
    low, high = slice_axis(edges, 0, 0, 1), slice_axis(edges, 0, n, None)
    weights = call("where", call("logical_and", call("greater_equal", a, low), call("less_equal", a, high)), weights, 0)
    bins = call("clip", sorting.searchsorted(edges, a, "right") - 1, a_min=0, a_max=n - 1)
    return apply(INDEX_ADD, (weights, bins), {"shape": (n,), "key": (("array",),)})


def bincount(x: ArrayLike, weights: ArrayLike | None = None, minlength: int = 0) -> Any:
    """How often each integer from 0 to the largest of ``x`` occurs, or the sum of its ``weights``; eager only."""
    x = tensor(x)
    if not dtypes.is_integer(x.dtype) and x.dtype != dtypes.bool_:
        fail(DtypeError, "bincount", expected="integers", got=str(x.dtype))
    if x.ndim != 1:
        fail(ShapeError, "bincount", expected="one dimension", got=str(x.shape))
    data = x._concrete("bincount")
    if data.size and data.min() < 0:
        fail(ArgumentError, "bincount", expected="integers of 0 or more", got=str(data.min()))
    n = max(int(minlength), int(data.max()) + 1 if data.size else 0)
    if weights is None:
        return wrap(type(x), x.device.xp.bincount(data, minlength=n).astype(dtypes.int64), x.device)
    return apply(INDEX_ADD, (tensor(weights, x), as_indices("bincount", x, x)), {"shape": (n,), "key": (("array",),)})


# -- comparing ------------------------------------------------------------------------------------


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |a - b| is at most ``atol + rtol |b|``, element by element; infinities equal themselves."""
    a = tensor(a)
    b = tensor(b, a)
    a, b = (x.astype(dtypes.floating(x.dtype), copy=False) for x in (a, b))
    near = call("less_equal", call("absolute", a - b), call("absolute", b) * rtol + atol)
    found = call("logical_or", call("logical_and", near, call("isfinite", b)), call("equal", a, b))
    return call("logical_or", found, call("logical_and", call("isnan", a), call("isnan", b))) if equal_nan else found


def allclose(a: ArrayLike, b: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close (:func:`isclose`); a Python bool. The two must broadcast."""
    return bool(reduction.all(isclose(a, b, rtol, atol, equal_nan)))


def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> bool:
    """Whether two arrays have the same shape and elements; a Python bool."""
    a1 = tensor(a1)
    a2 = tensor(a2, a1)
    return a1.shape == a2.shape and _all_equal(a1, a2, equal_nan)


def array_equiv(a1: ArrayLike, a2: ArrayLike) -> bool:
    """Whether two arrays, one broadcast to the other, have the same elements; a Python bool."""
    a1 = tensor(a1)
    a2 = tensor(a2, a1)
    try:
        common = np.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return False
    return common in (a1.shape, a2.shape) and _all_equal(a1, a2, False)


def _all_equal(a: Any, b: Any, equal_nan: bool) -> bool:
    same = call("equal", a, b)
    if equal_nan and dtypes.is_inexact(a.dtype) and dtypes.is_inexact(b.dtype):
        same = call("logical_or", same, call("logical_and", call("isnan", a), call("isnan", b)))
    return bool(reduction.all(same))


# -- rounding and interpolation -------------------------------------------------------------------


def around(a: ArrayLike, decimals: int = 0) -> Any:
    """Rounded to ``decimals`` places after the point (before it, if negative); halves to even, of complex numbers both parts."""
    a = tensor(a)
    if dtypes.is_complex(a.dtype):
        return of_parts(lambda part: around(part, decimals), a)
    if not dtypes.is_floating(a.dtype):
        if decimals >= 0:
            return a.copy()
        scale = 10**-decimals
        return call("cast", call("rint", call("cast", a, dtype=dtypes.float64) / scale) * scale, dtype=a.dtype)
    if decimals == 0:
        return call("rint", a)
    scale = 10.0 ** abs(decimals)
    return call("rint", a * scale) / scale if decimals > 0 else call("rint", a / scale) * scale


def fix(x: ArrayLike) -> Any:
    """Rounded towards zero."""
    return pointwise.FUNCTIONS["trunc"](x)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None) -> Any:
    """The values at ``x`` of the line through the points (``xp``, ``fp``), ``xp`` ascending.

    Outside it, ``left`` and ``right`` (the end values without them); with ``period``, periodic. ``x`` is of any shape, which the
    result has; ShapeError unless ``xp`` and ``fp`` are of one dimension and of equal lengths above 0.
    """
    x = tensor(x)
    x = x.astype(dtypes.floating(x.dtype), copy=False)
    xp, fp = (tensor(v, x).astype(x.dtype, copy=False) for v in (xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        fail(ShapeError, "interp", expected="xp and fp of one dimension and equal length", got=f"{xp.shape} and {fp.shape}")
    if period is not None:
        x, xp = call("mod", x, abs(period)), call("mod", xp, abs(period))
        order = sorting.argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        first, last = slice(0, 1), slice(-1, None)
        xp = concatenate([xp[last] - abs(period), xp, xp[first] + abs(period)])
        fp = concatenate([fp[last], fp, fp[first]])
    n = xp.shape[0]
    low = call("clip", sorting.searchsorted(xp, x, "right") - 1, a_min=0, a_max=max(n - 2, 0))
    high = call("clip", low + 1, a_min=0, a_max=n - 1)
    x0, x1, y0, y1 = take(xp, low), take(xp, high), take(fp, low), take(fp, high)
    found = _on_line(x, x0, x1, y0, y1)
    found = call("where", call("less", x, xp[0]), fp[0] if left is None else left, found)
    return call("where", call("greater", x, xp[-1]), fp[-1] if right is None else right, found)


@in_wide
def _on_line(x: Any, x0: Any, x1: Any, y0: Any, y1: Any) -> Any:
    return y0 + (y1 - y0) * ((x - x0) / call("where", call("equal", x0, x1), 1, x1 - x0))


# -- passing over NaN -----------------------------------------------------------------------------


def nan_to_num(x: ArrayLike, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """``x`` with NaN replaced by ``nan`` and infinities by ``posinf`` and ``neginf`` (the largest finite numbers without them).

    Without ``copy`` it is written into ``x``, and ``x`` is returned.
    """
    x = tensor(x)
    if not dtypes.is_inexact(x.dtype):
        return x.copy() if copy else x
    largest = float(ml_dtypes.finfo(dtypes.real_of(x.dtype)).max)

    def finite(part: Any) -> Any:
        found = call("where", call("isnan", part), nan, part)
        found = call("where", call("equal", found, np.inf), largest if posinf is None else posinf, found)
        return call("where", call("equal", found, -np.inf), -largest if neginf is None else neginf, found)

    found = of_parts(finite, x) if dtypes.is_complex(x.dtype) else finite(x)
    if copy:
        return found
    x[...] = found
    return x


def _without_nan(a: Any, value: float) -> Any:
    a = tensor(a)
    return call("where", call("isnan", a), value, a) if dtypes.is_inexact(a.dtype) else a


def _passing(function: Callable[..., Any], name: str, value: float) -> Callable[..., Any]:
    def passing(a: ArrayLike, *args: Any, **kwargs: Any) -> Any:
        return function(_without_nan(a, value), *args, **kwargs)

    passing.__name__ = passing.__qualname__ = name
    passing.__doc__ = f"As ``{name.removeprefix('nan')}``, with NaN counted as {value:g}; takes the same arguments."
    return passing


nansum = _passing(reduction.sum, "nansum", 0.0)
nanprod = _passing(reduction.prod, "nanprod", 1.0)
nancumsum = _passing(scan.cumsum, "nancumsum", 0.0)
nancumprod = _passing(scan.cumprod, "nancumprod", 1.0)
nanargmax = _passing(sorting.argmax, "nanargmax", -np.inf)
nanargmin = _passing(sorting.argmin, "nanargmin", np.inf)


def _counted(a: Any, axis: Any, keepdims: bool) -> Any:
    """How many elements over axes are not NaN, as floating numbers."""
    return reduction.sum(call("cast", call("logical_not", call("isnan", a)), dtype=a.dtype), axis, keepdims=keepdims)


def nanmean(a: ArrayLike, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over axes of the elements that are not NaN; NaN where there are none."""
    a = tensor(a)
    return _nanmean(a.astype(dtypes.floating(a.dtype), copy=False), axis, keepdims)


@in_wide
def _nanmean(a: Any, axis: Any, keepdims: bool) -> Any:
    return nansum(a, axis, keepdims=keepdims) / _counted(a, axis, keepdims)


def nanvar(a: ArrayLike, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over axes of the elements that are not NaN."""
    a = tensor(a)
    return _nanvar(a.astype(dtypes.floating(a.dtype), copy=False), axis, ddof, keepdims)


@in_wide
def _nanvar(a: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    centred = _without_nan(a - nanmean(a, axis, True), 0.0)
    # Twice, so that nothing is left of a constant, whatever its mean was rounded to.
    left = reduction.sum(centred, axis, keepdims=True) / call("maximum", _counted(a, axis, True), 1)
    centred = call("where", call("isnan", a), 0.0, centred - left)
    free = _counted(a, axis, keepdims) - float(ddof)
    total = reduction.sum(centred * centred, axis, keepdims=keepdims)
    return total / call("where", call("greater", free, 0), free, np.nan)


def nanstd(a: ArrayLike, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over axes of the elements that are not NaN. Its gradient where all are equal is 0."""
    a = tensor(a)
    return _nanstd(a.astype(dtypes.floating(a.dtype), copy=False), axis, ddof, keepdims)


@in_wide
def _nanstd(a: Any, axis: Any, ddof: int, keepdims: bool) -> Any:
    return apply(ROOT, (_nanvar(a, axis, ddof, keepdims),))


def _nan_extremum(function: Callable[..., Any], name: str, value: float) -> Callable[..., Any]:
    def extremum(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        a = tensor(a)
        found = function(_without_nan(a, value), axis, keepdims=keepdims)
        if not dtypes.is_inexact(a.dtype):
            return found
        missing = reduction.all(call("isnan", a), axis, keepdims=keepdims)
        return call("where", missing, np.nan, found)

    extremum.__name__ = extremum.__qualname__ = name
    extremum.__doc__ = f"As ``{name.removeprefix('nan')}`` over axes, passing over NaN; NaN where there is nothing else."
    return extremum


nanmax = _nan_extremum(reduction.max, "nanmax", -np.inf)
nanmin = _nan_extremum(reduction.min, "nanmin", np.inf)
