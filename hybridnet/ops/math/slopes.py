"""What gradients at the edge of a domain are made of.

No gradient is no gradient, however steep the function: where an element's result is not used (``where`` took the other
branch, say), the gradient that comes back is 0, and so is what goes on, though the slope is infinite or NaN there. And the square root
that ends a norm or a deviation has the subgradient 0 at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, call, infer_pointwise, on_cuda, register
from hybridnet.ops.common import normal, uniform


def _but_zero(name: str) -> Callable[..., Any]:
    """The ufunc, with its first operand where that is 0 and the result would be NaN."""

    def compute(xp: Any, g: Any, slope: Any, *, out: Any = None) -> Any:
        ufunc = getattr(xp, name)
        dtype = (g if hasattr(g, "dtype") else slope).dtype  # a constant is a number
        if xp is np and dtype.kind == "f" and not (out is g or out is slope):
            with np.errstate(invalid="ignore"):
                found = ufunc(g, slope, out=out)
                # 0 / 0, 0 * inf, 0 / NaN and 0 * NaN are NaN, and so then is the sum of all: one look at what is in the cache yet.
                if not math.isnan(np.add.reduce(found, axis=None)):
                    return found
        with np.errstate(all="ignore"):
            found = ufunc(g, slope)
            found = xp.where((g == 0) & xp.isnan(found), g, found).astype(dtype, copy=False)
        if out is None:
            return found
        out[...] = found
        return out

    return compute


_g = normal(2, 3) * np.array([[1, 0, 1], [1, 1, 0]])


def _register(name: str, ufunc: str, grad: tuple[Any, Any], saves: tuple[Any, ...], cuda: str) -> Op:
    op = register(
        Op(
            name,
            Kind.POINTWISE,
            infer_pointwise(name),
            complex="holomorphic",
            compute=_but_zero(ufunc),
            out=True,
            grad=grad,
            saves=saves,
            promote="float",
            sample=lambda: [
                Sample((normal(2, 3), uniform(0.5, 2, 3, seed=1))),
                Sample((_g, uniform(0.5, 2, 2, 1, seed=2))),
                Sample((np.array([0.0, 0.0, -0.0, 0.0]), np.array([0.0, np.inf, np.nan, 2.0])), differentiable=False),
            ],
        )
    )
    return on_cuda(op, functor=cuda)


#: g / slope, and 0 where g is 0 and the slope 0 or NaN.
QUOTIENT = _register(
    "quotient",
    "true_divide",
    (lambda h, y, g, slope: call("quotient", h, slope), lambda h, y, g, slope: -call("quotient", call("product", h, y), slope)),
    ((1,), (1, "y")),
    "hn_gradient_quotient({0}, {1})",
)
#: g * slope, and 0 where g is 0 and the slope infinite or NaN.
PRODUCT = _register(
    "product",
    "multiply",
    (lambda h, y, g, slope: call("product", h, slope), lambda h, y, g, slope: h * g),
    ((1,), (0,)),
    "hn_gradient_product({0}, {1})",
)

#: The square root that ends a norm or a deviation: at 0, where it has no slope, its gradient is 0.
ROOT = register(
    Op(
        "root",
        Kind.POINTWISE,
        infer_pointwise("root"),
        complex="holomorphic",
        ufunc="sqrt",
        grad=(lambda g, y, x: call("quotient", call("where", call("equal", y, 0), 0, g), y * 2),),
        saves=("y",),
        promote="float",
        cost=8,
        sample=lambda: [
            Sample((uniform(0.5, 2.0, 2, 3),)),
            Sample((np.array([0.0, 4.0]),), gradients=(np.array([0.0, 0.25]),)),
        ],
    )
)
on_cuda(ROOT, functor="sqrt({0})")
