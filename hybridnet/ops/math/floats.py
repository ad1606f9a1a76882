"""Floating numbers taken apart: their exponents, their neighbours and what lies between; and logarithms of sums to base 2."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, infer_pointwise, on_cuda, register
from hybridnet.ops.common import NONE, in_floats, normal, operands
from hybridnet.ops.math import pointwise

_math = pointwise.FUNCTIONS


def _exponent(xp: Any, x: Any) -> Any:
    found = xp.frexp(x if x.dtype.itemsize > 2 else x.astype(dtypes.float32))[1]
    return np.where(np.isfinite(x), found, 0).astype(dtypes.int32) if xp is np else found


EXPONENT = register(
    Op(
        "exponent",
        Kind.POINTWISE,
        lambda x: Spec(x.shape, dtypes.int32),
        compute=_exponent,
        promote="float",
        sample=lambda: [
            Sample((np.array([[0.0, 1.0, -0.3], [8.0, 1e-3, -7.9]]),), differentiable=False),
            Sample((np.array([np.inf, np.nan, 0.5]),), differentiable=False),
        ],
    )
)
on_cuda(EXPONENT, functor="(({0}) == 0 || !isfinite({0}) ? 0 : ilogb({0}) + 1)")

#: The number next to x1 on the way to x2. Of 16 bits a kernel, which computes in float, would give x1 again: CuPy does it.
NEXTAFTER = register(
    Op(
        "nextafter",
        Kind.OPAQUE,
        infer_pointwise("nextafter", ufunc="nextafter"),
        compute=lambda xp, a, b: xp.nextafter(a, b),
        promote="float",
        sample=lambda: [
            Sample((normal(2, 3), normal(3, seed=1)), differentiable=False),
            Sample((np.array([0.0, 1.0, -1.0]), np.array([-1.0, np.inf, -1.0])), differentiable=False),
        ],
    )
)


def nextafter(x1: Any, x2: Any) -> Any:
    """The number that comes next to x1 on the way to x2, in the type of both; element by element, the two broadcast."""
    return apply(NEXTAFTER, operands(x1, x2))


def frexp(x: Any) -> tuple[Any, Any]:
    """The fractions, of size from ½ to below 1, and the int32 exponents of 2 whose products are ``x``; integers give float32."""
    (x,) = in_floats(x)
    exponent = apply(EXPONENT, (x,), NONE)
    half = call("floor_divide", exponent, 2)
    fraction = x  # in two steps, since 2 to the power of the least exponent's opposite is beyond the dtype
    for part in (half, exponent - half):
        fraction = fraction * _math["exp2"](-call("cast", part, dtype=x.dtype))
    return fraction, exponent


def spacing(x: Any) -> Any:
    """The distance to the next number away from 0, with the sign of ``x``; NaN of infinities. Integers give float32."""
    (x,) = in_floats(x)
    info: Any = ml_dtypes.finfo(x.dtype)
    lowest, digits = info.minexp - info.nmant, info.nmant + 1
    exponent = call("maximum", apply(EXPONENT, (x,), NONE) - digits, lowest)
    exponent = call("where", call("equal", x, 0), lowest, exponent)
    size = _math["exp2"](call("cast", exponent, dtype=dtypes.float64)).astype(x.dtype, copy=False)
    signed = call("where", call("less", x, 0), -size, size)
    return call("where", call("isfinite", x), signed, math.nan)


def logaddexp2(x1: Any, x2: Any) -> Any:
    """log2(2**x1 + 2**x2), without overflow. Element by element; the two broadcast."""
    to_e = math.log(2)
    x1, x2 = in_floats(x1, x2)
    return _math["logaddexp"](x1 * to_e, x2 * to_e) / to_e
