"""Averages, correlations, comparisons, rounding, interpolation, and the functions that pass over NaN."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, apply, call
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.array import sorting
from hybridnet.ops.array.creation import full_like
from hybridnet.ops.array.gather import take
from hybridnet.ops.array.rearrange import diagonal
from hybridnet.ops.array.shape import broadcast_to, concatenate, expand_dims, reshape, transpose
from hybridnet.ops.common import in_floats, normalize_axes, real_part, tensor
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
    axes = normalize_axes("average", axis, a.ndim)
    if weights is None:
        (a,) = in_floats(a)
        found = reduction.mean(a, axes, keepdims=keepdims)
        return (found, full_like(found, float(reduction.count(a.shape, axes)))) if returned else found
    a, weights = in_floats(a, tensor(weights, a))
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


def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
    dtype: DTypeLike = None,
) -> Any:
    """The covariance matrix of variables, one a row (a column without ``rowvar``); over n - 1 unless ``bias`` or ``ddof`` says else.

    ``fweights``: how often each observation came, ``aweights``: how much it counts, both of one dimension, else ShapeError.
    ``dtype``: of the computation and the result, floating, else DtypeError.
    """
    x = _variables(m, rowvar)
    if y is not None:
        more = _variables(y, rowvar)
        kind = dtypes.promote(x.dtype, more.dtype) if dtypes.is_complex(more.dtype) else x.dtype
        x = concatenate([x.astype(kind, copy=False), more.astype(kind, copy=False)], 0)
    if dtype is not None and not dtypes.is_inexact(dtypes.as_dtype(dtype)):
        fail(DtypeError, "cov", expected="a floating dtype", got=str(dtype))
    x = x if dtype is None else x.astype(dtype, copy=False)
    weights = [w if w is None else tensor(w, x) for w in (fweights, aweights)]
    for w in weights:
        if w is not None and w.shape != x.shape[1:]:
            fail(ShapeError, "cov", expected=f"weights of shape {x.shape[1:]}", got=str(w.shape))
    return _cov(x, (0 if bias else 1) if ddof is None else ddof, *weights)


@in_wide
def _cov(x: Any, ddof: int, fweights: Any, aweights: Any) -> Any:
    free: Any = float(x.shape[1] - ddof)
    weights: Any = None
    if fweights is not None or aweights is not None:
        weights = 1
        for w in (fweights, aweights):
            weights = weights if w is None else weights * call("cast", w, dtype=x.dtype)
        total = reduction.sum(weights)
        spent = 0 if not ddof else ddof if aweights is None else reduction.sum(weights * aweights) / total * ddof
        free = total - spent
        mean = reduction.sum(x * weights, 1, keepdims=True) / total
    else:
        mean = reduction.mean(x, 1, keepdims=True)
    centred = x - mean
    spread = centred if weights is None else centred * weights
    found = matmul(spread, transpose(conjugated(centred))) / (call("maximum", free, 0.0) if weights is not None else max(free, 0.0))
    return reshape(found, ()) if found.size == 1 else found


def _variables(m: Any, rowvar: bool) -> Any:
    m = tensor(m)
    m = m.astype(dtypes.floating(m.dtype), copy=False)
    if m.ndim > 2:
        fail(ShapeError, "cov", expected="one or two dimensions", got=str(m.shape))
    if m.ndim < 2:
        return reshape(m, (1, -1))
    return m if rowvar else transpose(m)


def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, dtype: DTypeLike = None) -> Any:
    """The correlation coefficients of variables: their covariances over the products of their deviations.

    ``dtype``: of the computation and the result, floating, else DtypeError.
    """
    x, y = tensor(x), None if y is None else tensor(y)
    if dtype is not None:
        if not dtypes.is_floating(dtypes.as_dtype(dtype)):
            fail(DtypeError, "corrcoef", expected="a floating dtype", got=str(dtype))
        x, y = x.astype(dtype, copy=False), None if y is None else y.astype(dtype, copy=False)
    return _corrcoef(x, y, rowvar)


@in_wide
def _corrcoef(x: Any, y: Any, rowvar: bool) -> Any:
    c = cov(x, y, rowvar)
    if not c.ndim:
        return c / c
    spread = apply(ROOT, (real_part(diagonal(c)),))
    found = c / expand_dims(spread, 0) / expand_dims(spread, 1)
    return found if dtypes.is_complex(found.dtype) else call("clip", found, a_min=-1.0, a_max=1.0)


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


def around(a: Any, decimals: int = 0) -> Any:
    """Rounded to ``decimals`` places after the point (before it, if negative); halves to even, of complex numbers both parts.

    DtypeError for places of booleans.
    """
    a = tensor(a)
    if dtypes.is_complex(a.dtype):
        return of_parts(lambda part: around(part, decimals), a)
    if a.dtype == dtypes.bool_:
        if decimals:
            fail(DtypeError, "around", expected="numbers", got="bool")
        a = a.astype(dtypes.default_float())
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
    x, xp, fp = in_floats(x, tensor(xp, x), tensor(fp, x))
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


def without_nan(a: Any, value: float) -> Any:
    """``a`` with ``value`` in place of NaN; of its shape."""
    a = tensor(a)
    return call("where", call("isnan", a), value, a) if dtypes.is_inexact(a.dtype) else a


def _passing(function: Callable[..., Any], name: str, value: float) -> Callable[..., Any]:
    @functools.wraps(function)
    def passing(a: ArrayLike, *args: Any, **kwargs: Any) -> Any:
        return function(without_nan(a, value), *args, **kwargs)

    passing.__name__ = passing.__qualname__ = name
    passing.__doc__ = f"As ``{name.removeprefix('nan')}``, with NaN counted as {value:g}; takes the same arguments."
    return passing


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
    return reduction.sum(without_nan(a, 0.0), axis, keepdims=keepdims) / _counted(a, axis, keepdims)


def nanvar(a: ArrayLike, axis: Any = None, ddof: float = 0, keepdims: bool = False, mean: Any = None) -> Any:
    """The variance over axes of the elements that are not NaN."""
    a = tensor(a)
    return _nanvar(a.astype(dtypes.floating(a.dtype), copy=False), axis, ddof, keepdims, mean)


@in_wide
def _nanvar(a: Any, axis: Any, ddof: float, keepdims: bool, mean: Any) -> Any:
    missing = call("isnan", a)
    centred = call("where", missing, 0.0, a - (nanmean(a, axis, True) if mean is None else mean))
    if mean is None:  # twice, so that nothing is left of a constant, whatever its mean was rounded to
        left = reduction.sum(centred, axis, keepdims=True) / call("maximum", _counted(a, axis, True), 1)
        centred = call("where", missing, 0.0, centred - left)
    free = _counted(a, axis, keepdims) - float(ddof)
    total = reduction.sum(centred * centred, axis, keepdims=keepdims)
    return total / call("where", call("greater", free, 0), free, np.nan)


def nanstd(a: ArrayLike, axis: Any = None, ddof: float = 0, keepdims: bool = False, mean: Any = None) -> Any:
    """The standard deviation over axes of the elements that are not NaN. Its gradient where all are equal is 0."""
    a = tensor(a)
    return _nanstd(a.astype(dtypes.floating(a.dtype), copy=False), axis, ddof, keepdims, mean)


@in_wide
def _nanstd(a: Any, axis: Any, ddof: float, keepdims: bool, mean: Any) -> Any:
    return apply(ROOT, (_nanvar(a, axis, ddof, keepdims, mean),))
