"""Counting what falls into bins: of one variable, of several, of integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register, wrap
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.array import sorting
from hybridnet.ops.array.gather import as_indices
from hybridnet.ops.array.indexing import INDEX_ADD
from hybridnet.ops.array.shape import reshape, slice_axis, stack, transpose
from hybridnet.ops.common import in_floats, normal, tensor
from hybridnet.ops.math import reduction, scan

builtin_range = range  # which is the name of a parameter here, NumPy's


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


def histogram(
    a: Any, bins: Any = 10, range: Any = None, weights: Any | None = None, density: bool | None = None, normed: bool | None = None
) -> tuple[Any, Any]:
    """How many elements fall into each bin, and the bins' edges.

    ``bins``: the edges, ascending, or a number of equal bins over ``range`` (from the smallest to the largest
    value, which is eager only), or the name of a rule of NumPy's for that number. The last bin holds its upper edge too.
    ``density``: as a density, whose integral is 1; ``normed``: the same, as old programs have it.
    """
    a, edges = _binned(a, bins, range, weights)
    if weights is None:
        counts = apply(HISTOGRAM, (a, edges))
    else:
        weights = tensor(weights, a)
        if weights.shape != a.shape:
            fail(ShapeError, "histogram", expected=f"weights of shape {a.shape}", got=str(weights.shape))
        counts = _weighted(reshape(a, -1), edges, reshape(weights, -1))
    if density or normed:
        counts = counts / (scan.diff(edges) * reduction.sum(counts))
    return counts, edges


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any | None = None) -> Any:
    """The edges that :func:`histogram` would use: of shape (bins + 1,)."""
    return _binned(a, bins, range, weights)[1]


def _binned(a: Any, bins: Any, range: Any, weights: Any) -> tuple[Any, Any]:
    """The values as floating numbers, and the edges in their dtype."""
    a = tensor(a)
    a = a.astype(dtypes.floating(a.dtype), copy=False)
    if isinstance(bins, str):
        bins = np.histogram_bin_edges(_on_host(a), bins, range, None if weights is None else _on_host(tensor(weights, a))).astype(a.dtype)
    elif np.ndim(bins) == 0:
        bins = np.linspace(*_interval(a, bins, range), int(bins) + 1).astype(a.dtype)
    (edges,) = in_floats(tensor(bins, a))
    if edges.ndim != 1:
        fail(ShapeError, "histogram", expected="edges of one dimension", got=str(edges.shape))
    if not edges._is_traced() and not (np.diff(_on_host(edges)) >= 0).all():
        fail(ArgumentError, "histogram", expected="edges that ascend", got=str(edges))
    return a, edges


def _on_host(x: Any) -> Any:
    data = x._concrete("histogram")
    return data if isinstance(data, np.ndarray) else data.get()


def _interval(a: Any, bins: Any, range: Any) -> tuple[float, float]:
    """The lowest and the highest edge of a number of bins."""
    if int(bins) != bins or bins < 1:
        fail(ArgumentError, "histogram", expected="1 bin or more", got=repr(bins))
    data = a._concrete("histogram") if range is None else None
    low, high = (float(x) for x in (range if data is None else (data.min(), data.max()) if data.size else (0, 1)))
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        fail(ArgumentError, "histogram", expected="a finite range, the lower end first", got=f"{low} to {high}")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def histogram2d(
    x: ArrayLike, y: ArrayLike, bins: Any = 10, range: Any = None, density: bool | None = None, weights: ArrayLike | None = None
) -> tuple[Any, Any, Any]:
    """How many points (x, y) fall into each rectangle of two rows of bins: (counts, edges of x, edges of y).

    ``x`` and ``y``: of shape (n,). ``bins``: a number or edges for both, or a pair of these.
    """
    if np.ndim(bins) == 1 and len(bins) > 2:
        bins = [bins, bins]
    counts, edges = histogramdd(stack([reshape(tensor(x), -1), reshape(tensor(y), -1)], 1), bins, range, density, weights)
    return counts, edges[0], edges[1]


def histogramdd(
    sample: Any, bins: Any = 10, range: Sequence[Any] | None = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, list[Any]]:
    """How many points of several dimensions fall into each box: (counts, edges of each dimension).

    ``sample``: (n, dimensions), or a sequence of that many arrays of n. ``bins``: a number for all dimensions, or for each a number or
    its edges; ``range``: for each dimension its interval, or None. ``weights``: (n,). ShapeError for other numbers of them.
    """
    points = transpose(stack([tensor(s) for s in sample])) if isinstance(sample, (tuple, list)) else tensor(sample)
    points = reshape(points, (-1, 1)) if points.ndim == 1 else points
    size = points.shape[1]
    each = [bins] * size if np.ndim(bins) == 0 else list(bins)
    ranges = [None] * size if range is None else list(range)
    if len(each) != size or len(ranges) != size:
        fail(ShapeError, "histogramdd", expected=f"bins and ranges for {size} dimensions", got=f"{len(each)} and {len(ranges)}")
    parts = [_binned(slice_axis(points, 1, i, i + 1), each[i], ranges[i], None) for i in builtin_range(size)]
    inside: Any = None
    places: Any = None
    for values, edges in parts:
        within, place = _bins_of(reshape(values, -1), edges)
        n = edges.shape[0] - 1
        inside, places = (within, place) if inside is None else (call("logical_and", inside, within), places * n + place)
    shape = tuple(edges.shape[0] - 1 for _, edges in parts)
    weights = call("cast", inside, dtype=points.dtype) if weights is None else call("where", inside, tensor(weights, points), 0)
    weights = weights.astype(dtypes.floating(weights.dtype), copy=False)
    counts = reshape(apply(INDEX_ADD, (weights, places), {"shape": (math.prod(shape),), "key": (("array",),)}), shape)
    if density:
        for i, (_, edges) in enumerate(parts):
            counts = counts / reshape(scan.diff(edges), tuple(-1 if j == i else 1 for j in builtin_range(size)))
        counts = counts / reduction.sum(call("where", inside, weights, 0))
    return counts, [edges for _, edges in parts]


def _bins_of(a: Any, edges: Any) -> tuple[Any, Any]:
    """Whether each value lies in a bin, and in which."""
    n = edges.shape[0] - 1
    low, high = slice_axis(edges, 0, 0, 1), slice_axis(edges, 0, n, None)
    inside = call("logical_and", call("greater_equal", a, low), call("less_equal", a, high))
    return inside, call("clip", sorting.searchsorted(edges, a, "right") - 1, a_min=0, a_max=n - 1)


def _weighted(a: Any, edges: Any, weights: Any) -> Any:
    inside, bins = _bins_of(a, edges)
    weights = call("where", inside, weights, 0)
    return apply(INDEX_ADD, (weights, bins), {"shape": (edges.shape[0] - 1,), "key": (("array",),)})


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
    if minlength < 0:
        fail(ArgumentError, "bincount", expected="minlength of 0 or more", got=str(minlength))
    n = max(int(minlength), int(data.max()) + 1 if data.size else 0)
    if weights is None or not data.size:
        return wrap(type(x), x.device.xp.bincount(data, minlength=n).astype(dtypes.int64), x.device)
    weights = tensor(weights, x)
    if weights.shape != x.shape:
        fail(ShapeError, "bincount", expected=f"weights of shape {x.shape}", got=str(weights.shape))
    weights = weights.astype(dtypes.floating(weights.dtype), copy=False)
    return apply(INDEX_ADD, (weights, as_indices("bincount", x.astype(dtypes.int64, copy=False), x)), {"shape": (n,), "key": (("array",),)})
