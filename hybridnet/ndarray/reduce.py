"""Classic reductions: ``axis`` with ``exclude``, results in the dtype of the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.core import Op, apply
from hybridnet.ndarray.attributes import Array, Dtype, Floats, Shape
from hybridnet.ndarray.record import numbered
from hybridnet.ndarray.register import classic, helper, keep_dtype
from hybridnet.ndarray.types import always
from hybridnet.ops.array import selection
from hybridnet.ops.common import normalize_axes
from hybridnet.ops.math import histograms, norms, pointwise, reduction

_math = pointwise.FUNCTIONS


def axes_of(op: str, axis: Any, ndim: int, exclude: bool = False) -> tuple[int, ...]:
    """The axes that are meant: all for ``None`` and ``()``, all but those with ``exclude``."""
    axes = normalize_axes(op, None if axis is None or (isinstance(axis, (tuple, list)) and not axis) else axis, ndim)
    return tuple(a for a in range(ndim) if a not in axes) if exclude and axis is not None else axes


def counted(data: Any) -> Any:
    """Booleans as the 0.0 and 1.0 that classic comparisons give, so that their sum counts them."""
    return data.astype(dtypes.float32) if data._data.dtype == dtypes.bool_ else data


def _reduction(compute: Callable[..., Any], doc: str, *names: str) -> Callable[..., Any]:
    def function(data: Array, axis: Shape | None = None, keepdims: bool = False, exclude: bool = False) -> Any:
        data = counted(data)
        return keep_dtype(compute(data, axes_of(names[0], axis, len(data._data.shape), exclude), keepdims=bool(keepdims)), data)

    function.__doc__ = f"{doc} over ``axis`` (all without it), or over all other axes with ``exclude``."
    return classic(*names, by_class=True)(function)


def _over(op: Op) -> Callable[..., Any]:
    return lambda data, axes, keepdims: apply(op, (data,), {"axis": axes, "keepdims": keepdims})


def _without_nan(compute: Callable[..., Any], neutral: float) -> Callable[..., Any]:
    return lambda data, axes, keepdims: compute(selection.where(_math["isnan"](data), neutral, data), axes, keepdims=keepdims)


sum_ = _reduction(_over(reduction.SUM), "The sum", "sum", "sum_axis")
mean = _reduction(reduction.mean, "The average", "mean")
prod = _reduction(_over(reduction.PROD), "The product", "prod")
max_ = _reduction(_over(reduction.MAX), "The largest value", "max", "max_axis")
min_ = _reduction(_over(reduction.MIN), "The smallest value", "min", "min_axis")
nansum = _reduction(_without_nan(_over(reduction.SUM), 0.0), "The sum of what is not NaN", "nansum")
nanprod = _reduction(_without_nan(_over(reduction.PROD), 1.0), "The product of what is not NaN", "nanprod")


@classic("norm", by_class=True)
def norm(data: Array, ord: int = 2, axis: Shape | None = None, out_dtype: Dtype | None = None, keepdims: bool = False) -> Any:
    """The L1 (``ord=1``) or L2 norm over axes, of dtype ``out_dtype`` if that is given."""
    if out_dtype is not None:
        return norm(data.astype(out_dtype), ord, axis, None, keepdims)
    data = counted(data)
    axes = axes_of("norm", axis, data.ndim)
    return keep_dtype(norms.norm_over(data, 1 if ord == 1 else 2, axes, keepdims), data)


@classic("moments", outputs=numbered(2))
def moments(data: Array, axes: Shape | None = None, keepdims: bool = False) -> Any:
    """The mean and the variance over axes."""
    data = counted(data)
    over = axes_of("moments", axes, data.ndim)
    return [reduction.mean(data, over, keepdims=keepdims), reduction.var(data, over, keepdims=keepdims)]


@helper("histogram", also={"data": "a"})
def histogram(a: Array, bins: int | Array = 10, range: Floats | None = None) -> Any:
    """The counts of values in each bin, and the bins' edges."""
    counts, edges = histograms.histogram(a, bins, range)
    return [counts.astype(dtypes.int64, copy=False), edges.astype(a.dtype, copy=False)]


@classic("_histogram", asked={"bins": lambda a: a["bin_cnt"] is None}, outputs=numbered(2), types=always(dtypes.int64, None))
def counts_and_edges(data: Array, bins: Array | None = None, bin_cnt: int | None = None, range: Floats | None = None) -> Any:
    """The counts of values in each bin, and the bins' edges: those in ``bins``, or ``bin_cnt`` equal parts of ``range``."""
    return histogram(data, bins if bin_cnt is None else bin_cnt, range)
