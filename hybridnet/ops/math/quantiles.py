"""Quantiles: the values below which parts of the elements lie, by all of NumPy's methods, weighted, and passing over NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import sorting
from hybridnet.ops.array.creation import FULL
from hybridnet.ops.array.gather import TAKE_ALONG
from hybridnet.ops.array.rearrange import moveaxis
from hybridnet.ops.array.shape import broadcast_to, concatenate, reshape, slice_axis, stack, transpose
from hybridnet.ops.common import normalize_axes, tensor
from hybridnet.ops.math import pointwise, reduction
from hybridnet.ops.math.scan import cumsum
from hybridnet.ops.math.wide import in_wide

_math = pointwise.FUNCTIONS

#: Of the methods that lie between two elements, what (alpha, beta) of Hyndman and Fan they are.
_SPREAD = {
    "linear": (1.0, 1.0), "weibull": (0.0, 0.0), "hazen": (0.5, 0.5), "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
    "interpolated_inverted_cdf": (0.0, 1.0),
}  # fmt: skip
#: Those that choose one of the elements, and so keep their dtype.
_CHOOSING = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
_METHODS = (*_SPREAD, *_CHOOSING, "midpoint", "averaged_inverted_cdf")


def quantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    method: str | None = None,
    overwrite_input: bool = False,
    weights: ArrayLike | None = None,
) -> Any:
    """The values below which the fractions ``q`` (from 0 to 1) of the elements over axes lie.

    By ``method`` (NumPy 1 and MXNet: ``interpolation``), one of NumPy's thirteen. The axes of ``q`` come first. ``q`` must be known
    when tracing. ``weights``: of the elements, of ``a``'s shape or that of the one axis, with method ``inverted_cdf``.
    """
    return _Quantiles("quantile", a, q, 1, axis, method or interpolation, keepdims)(weights)


def percentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    method: str | None = None,
    overwrite_input: bool = False,
    weights: ArrayLike | None = None,
) -> Any:
    """As :func:`quantile`, with ``q`` from 0 to 100.

    Shapes are those of :func:`quantile`: that of ``q``, followed by that of ``a`` without ``axis``.
    """
    return _Quantiles("percentile", a, q, 100, axis, method or interpolation, keepdims)(weights)


def median(a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, overwrite_input: bool = False) -> Any:
    """The middle value over axes; the mean of the two middle ones of an even number, NaN of none."""
    return _Quantiles("median", a, 0.5, 1, axis, "linear", keepdims)()


def nanquantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    method: str | None = None,
    overwrite_input: bool = False,
    weights: ArrayLike | None = None,
) -> Any:
    """As :func:`quantile` over axes, of the elements that are not NaN; NaN where there are none."""
    return _Quantiles("nanquantile", a, q, 1, axis, method or interpolation, keepdims).of_numbers(weights)


def nanpercentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
    method: str | None = None,
    overwrite_input: bool = False,
    weights: ArrayLike | None = None,
) -> Any:
    """As :func:`percentile` over axes, of the elements that are not NaN; NaN where there are none."""
    return _Quantiles("nanpercentile", a, q, 100, axis, method or interpolation, keepdims).of_numbers(weights)


def nanmedian(a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, overwrite_input: bool = False) -> Any:
    """The middle value over axes of the elements that are not NaN; NaN where there are none."""
    return _Quantiles("nanmedian", a, 0.5, 1, axis, "linear", keepdims).of_numbers()


class _Quantiles:
    """One call: the array as rows to choose from, the fractions, and the shape that results have."""

    def __init__(self, op: str, a: Any, q: Any, whole: int, axis: Any, method: str, keepdims: bool) -> None:
        a, fractions = tensor(a), np.asarray(q, dtype=np.float64) / whole
        if method not in _METHODS:
            fail(ArgumentError, op, expected="method " + ", ".join(_METHODS), got=repr(method))
        if fractions.size and not (fractions.min() >= 0 and fractions.max() <= 1):
            fail(ArgumentError, op, expected=f"q from 0 to {whole}", got=str(q))
        self.op, self.method, self.a = op, method, a
        self.axes = normalize_axes(op, axis, a.ndim)
        self.rest = tuple(i for i in range(a.ndim) if i not in self.axes)
        self.rows = tuple(a.shape[i] for i in self.rest)
        self.n = reduction.count(a.shape, self.axes)
        reduced = tuple(1 if i in self.axes else n for i, n in enumerate(a.shape)) if keepdims else self.rows
        self.shape = (*fractions.shape, *reduced)
        self.q = fractions.reshape(-1).tolist()
        self.dtype = a.dtype if method in _CHOOSING else dtypes.floating(a.dtype)

    def _as_rows(self, x: Any) -> Any:
        """An array of the shape of ``a`` with the axes to choose from as its last."""
        return reshape(transpose(x, (*self.rest, *self.axes)), (*self.rows, self.n))

    def _placed(self, found: Any) -> Any:
        """(rows, fractions) in the shape of the result."""
        return reshape(moveaxis(found, -1, 0), self.shape)

    def _empty(self) -> Any:
        if math.prod(self.shape) and self.op in ("quantile", "percentile"):
            fail(ShapeError, self.op, expected="something to choose from", got=f"shape {self.a.shape} over axes {self.axes}")
        attrs = {"shape": self.shape, "value": math.nan, "dtype": dtypes.floating(self.dtype)}
        return apply(FULL, (), attrs, self.a.device, type(self.a))

    def __call__(self, weights: Any = None) -> Any:
        if not self.n:
            return self._empty()
        rows = self._as_rows(self.a.astype(self.dtype, copy=False))
        if weights is not None:
            found, ordered = self._by_weight(rows, weights), sorting.sort(rows, -1)
        else:
            ordered = sorting.sort(rows, -1)
            places = np.quantile(np.arange(self.n, dtype=np.float64), self.q, method=self.method)  # type: ignore[call-overload]
            found = _between(ordered, places.tolist())
        # A NaN anywhere in a row is sorted last and makes all its quantiles NaN.
        if dtypes.is_floating(self.a.dtype):
            last = slice_axis(ordered, -1, self.n - 1, None)
            found = call("where", call("isnan", last), last, found)
        return self._placed(found)

    def of_numbers(self, weights: Any = None) -> Any:
        """The same of the elements that are not NaN, of which each row has its own number."""
        if not dtypes.is_floating(self.a.dtype) or not self.n:
            return self(weights)
        rows = self._as_rows(self.a.astype(self.dtype, copy=False))
        missing = call("isnan", rows)
        if weights is not None:
            weights = call("where", missing, 0, self._weights(weights))
            return self._placed(_or_nan(self._by_weight(rows, weights), missing))
        count = reduction.sum(call("logical_not", missing), -1, keepdims=True)
        return self._placed(_or_nan(_among(sorting.sort(rows, -1), count, self.q, self.method), missing))

    def _weights(self, weights: Any) -> Any:
        """The weights as rows."""
        weights = tensor(weights, self.a)
        if self.method != "inverted_cdf":
            fail(ArgumentError, self.op, expected="method inverted_cdf beside weights", got=repr(self.method))
        if weights.ndim == 1 and len(self.axes) == 1 and weights.shape[0] == self.a.shape[self.axes[0]]:
            return broadcast_to(weights, (*self.rows, self.n))
        if weights.shape != self.a.shape:
            fail(ShapeError, self.op, expected=f"weights of shape {self.a.shape}, or of one axis of it", got=str(weights.shape))
        return self._as_rows(weights)

    def _by_weight(self, rows: Any, weights: Any) -> Any:
        """The first elements up to which the weights, in the elements' order, sum to the fractions of all."""
        weights = self._weights(weights) if weights.shape != rows.shape or rows.shape != self.a.shape else weights
        order = sorting.argsort(rows, -1)
        sums = cumsum(apply(TAKE_ALONG, (call("cast", weights, dtype=dtypes.float64), order), {"axis": rows.ndim - 1}), -1)
        total = slice_axis(sums, -1, self.n - 1, None)
        ordered = apply(TAKE_ALONG, (rows, order), {"axis": rows.ndim - 1})
        found = []
        for q in self.q:
            below = reduction.sum(call("logical_or", call("less", sums, total * q), call("equal", sums, 0)), -1, keepdims=True)
            place = call("clip", below, a_min=0, a_max=self.n - 1)
            found.append(apply(TAKE_ALONG, (ordered, place), {"axis": rows.ndim - 1}))
        return concatenate(found, -1)


def _or_nan(found: Any, missing: Any) -> Any:
    return call("where", reduction.all(missing, -1, keepdims=True), math.nan, found)


@in_wide
def _between(ordered: Any, places: list[float]) -> Any:
    """The elements of sorted rows at fractional ``places``."""
    found = []
    for place in places:
        low = math.floor(place)
        weight = place - low
        element = slice_axis(ordered, -1, low, low + 1)
        if weight:
            element = element + (slice_axis(ordered, -1, low + 1, low + 2) - element) * weight
        found.append(element)
    return concatenate(found, -1) if found else slice_axis(ordered, -1, 0, 0)


@in_wide
def _among(ordered: Any, count: Any, fractions: list[float], method: str) -> Any:
    """The same of the first ``count`` of the elements of each row, (..., 1)."""
    n = call("maximum", count, 1)
    found = []
    for q in fractions:
        place = _place(call("cast", n, dtype=dtypes.float64), q, method)
        low = call("clip", call("cast", _math["floor"](place), dtype=dtypes.int64), a_min=0, a_max=ordered.shape[-1] - 1)
        low = call("minimum", low, n - 1)
        below, above = (apply(TAKE_ALONG, (ordered, i), {"axis": ordered.ndim - 1}) for i in (low, call("minimum", low + 1, n - 1)))
        weight = place - call("cast", low, dtype=dtypes.float64)
        found.append(call("where", call("greater", weight, 0), below + (above - below) * call("cast", weight, dtype=ordered.dtype), below))
    return concatenate(found, -1) if found else stack([slice_axis(ordered, -1, 0, 0)])[0]


def _place(n: Any, q: float, method: str) -> Any:
    """Where, counted from 0, the quantile of ``n`` sorted elements lies: NumPy's thirteen definitions."""
    last = n - 1
    if method in _SPREAD:
        alpha, beta = _SPREAD[method]
        place = n * q + (alpha + q * (1 - alpha - beta)) - 1
    elif method in ("lower", "higher", "nearest", "midpoint"):
        place = last * q
        down, up = _math["floor"](place), _math["ceil"](place)
        place = {"lower": down, "higher": up, "nearest": call("rint", place), "midpoint": (down + up) * 0.5}[method]
    elif method == "closest_observation":
        place = call("rint", n * q) - 1
    else:
        up, whole = _math["ceil"](n * q) - 1, call("equal", _math["floor"](n * q), n * q)
        place = up if method == "inverted_cdf" else call("where", whole, up + 0.5, up)
    return call("minimum", call("maximum", place, 0.0), last)
