"""Norms of vectors: of any order, over any axes, and as one operator, whose gradient is defined at 0 as well.

Elements are divided by the largest before they are squared, so that neither large nor small ones leave the dtype's range.
Where a norm has no slope its gradient is 0, and elements of one size share that of the largest (or the smallest).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, register
from hybridnet.ops.common import normal, normalize_axes, reduced_shape
from hybridnet.ops.math import reduction
from hybridnet.ops.math.slopes import PRODUCT
from hybridnet.ops.math.wide import in_wide, wide, wide_dtype


def _scale(size: Any, axis: tuple[int, ...]) -> Any:
    """The largest element, as what the others can be divided by."""
    largest = call("max", size, axis=axis, keepdims=True)
    return call("where", call("isfinite", largest), call("maximum", largest, float(ml_dtypes.finfo(size.dtype).smallest_normal)), 1)


@in_wide
def _norm(x: Any, *, ord: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    size = call("absolute", x)
    if ord == 1 or not reduction.count(x.shape, axis):
        return call("sum", size, axis=axis, keepdims=keepdims)
    scale = _scale(size, axis) if ord > 0 else None
    unit = size if scale is None else size / scale
    powers = unit * unit if ord == 2 else call("power", unit, ord)
    total = call("sum", powers, axis=axis, keepdims=True)
    found = call("sqrt", total) if ord == 2 else call("power", total, 1 / ord)
    found = found if scale is None else found * scale
    return found if keepdims else call("reshape", found, shape=reduced_shape(x.shape, axis, False))


def _norm_rule(g: Any, y: Any, x: Any, *, ord: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    """sign(x) · (abs(x) / norm)**(ord - 1), and 0 where x or the norm is 0."""
    dtype = wide_dtype(x.dtype)
    if dtype != x.dtype:
        g, x = wide(g), wide(x)
        y = apply(NORM, (x,), {"ord": ord, "axis": axis, "keepdims": keepdims})
    if not keepdims:
        shape = reduced_shape(x.shape, axis, True)
        g, y = call("reshape", g, shape=shape), call("reshape", y, shape=shape)
    if ord == 1:
        return g * call("sign", x)
    none = call("equal", y, 0)
    share = call("where", none, 0, x / call("where", none, 1, y))
    if ord == 2:
        return g * share
    size, none = call("absolute", share), call("equal", share, 0)
    return g * apply(PRODUCT, (call("sign", share), call("power", call("where", none, 1, size), ord - 1)))


_ROW = {"axis": (1,), "keepdims": False}
_points = np.array([[0.0, 0.0], [3.0, -4.0], [0.0, 2.0]])


def _at_zero(ord: float) -> Sample:
    """Nothing but zeros, no zeros, and one of each."""
    length = (np.abs(_points[1]) ** ord).sum() ** (1 / ord)
    share = np.sign(_points[1]) * (np.abs(_points[1]) / length) ** (ord - 1)
    return Sample((_points,), {"ord": ord, **_ROW}, gradients=(np.stack([[0.0, 0.0], share, [0.0, float(ord > 0)]]),))


NORM = register(
    Op(
        "norm",
        Kind.OPAQUE,
        lambda x, *, ord, axis, keepdims: Spec(reduced_shape(x.shape, axis, keepdims), x.dtype),
        decomposition=_norm,
        grad=(_norm_rule,),
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=lambda: [
            *(Sample((normal(2, 3),), {"ord": ord, **_ROW}) for ord in (2.0, 1.0, 3.0, 0.5, -2.0)),
            Sample((normal(2, 3, 2),), {"ord": 2.0, "axis": (0, 2), "keepdims": True}),
            Sample((normal(2, 0),), {"ord": 2.0, **_ROW}),
            *map(_at_zero, (1.0, 1.5, 2.0, 3.0)),
        ],
    )
)


def norm_over(x: Any, ord: float, axis: Sequence[int], keepdims: bool = False) -> Any:
    """The norm of order ``ord`` of all elements over axes: of 2 or more axes as if they were one. Of complex elements their sizes count."""
    axes = normalize_axes("norm", tuple(axis), x.ndim)
    x = call("absolute", x) if dtypes.is_complex(x.dtype) else x.astype(dtypes.floating(x.dtype), copy=False)
    if ord == 0:
        # In terms of x, so that a gradient is asked for: it is 0.
        return reduction.sum(call("where", call("not_equal", x, 0), 1, x), axes, keepdims=keepdims)
    if math.isinf(ord):
        return (reduction.max if ord > 0 else reduction.min)(call("absolute", x), axes, keepdims=keepdims)
    return apply(NORM, (x,), {"ord": float(ord), "axis": axes, "keepdims": bool(keepdims)})
