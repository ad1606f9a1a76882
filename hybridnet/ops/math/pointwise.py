"""Pointwise arithmetic: one table of operators that are NumPy's universal functions."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, NDArray, apply, call
from hybridnet.ops.array.creation import FULL
from hybridnet.ops.common import real_part, tensor
from hybridnet.ops.math import logic
from hybridnet.ops.math.table import FUNCTIONS, binary, kink, over, times, unary, unit_of, zero_kept_where

__all__ = ["FUNCTIONS", "degrees", "logic", "radians"]

# -- arithmetic -----------------------------------------------------------------------------------

binary("add", "x1 + x2, element by element.", (lambda g, y, a, b: g, lambda g, y, a, b: g), cuda="({0} + {1})", complex="direct")
binary("subtract", "x1 - x2, element by element.", (lambda g, y, a, b: g, lambda g, y, a, b: -g), cuda="({0} - {1})", complex="direct")
binary(
    "multiply",
    "x1 * x2, element by element.",
    (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    saves=((1,), (0,)),
    cuda="({0} * {1})",
    complex="holomorphic",
)
binary(
    "true_divide",
    "x1 / x2; integers give float32.",
    (lambda g, y, a, b: over(g, b) if isinstance(b, NDArray) else g / b, lambda g, y, a, b: -times(g, y / b)),
    saves=((1,), (1, "y")),
    cuda="({0} / {1})",
    complex="holomorphic",
    domain=(0.5, 2.0),
    promote="float",
)
binary(
    "floor_divide",
    "The largest integer not above x1 / x2.",
    None,
    cuda="hn_floor_divide({0}, {1})",
    domain=(0.5, 9.0),
    promote="number",
)
binary(
    "mod",
    "The remainder of x1 / x2, with the sign of x2.",
    (lambda g, y, a, b: g, lambda g, y, a, b: -times(g, call("floor_divide", a, b))),
    saves=(0, 1),
    cuda="hn_mod({0}, {1})",
    domain=(1.1, 1.9),
    promote="number",
)
binary(
    "fmod",
    "The remainder of x1 / x2, with the sign of x1.",
    (lambda g, y, a, b: g, lambda g, y, a, b: -times(g, call("trunc", a / b))),
    saves=(0, 1),
    cuda="hn_fmod({0}, {1})",
    domain=(1.1, 1.9),
    promote="number",
)


def _power_by_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    """b · a**(b - 1), and 0 where b is 0, whatever a is."""
    if isinstance(b, NDArray):
        constant = call("logical_and", call("equal", a, 0), call("equal", b, 0))
        return times(g, b * call("power", a, call("where", constant, 1, b) - 1))
    if b == 0:
        return apply(FULL, (), {"shape": g.shape, "value": 0, "dtype": g.dtype}, g.device, type(g))
    if b == 1:
        return g
    slope = call("power", a, b - 1)
    return g * b * slope if b.__class__ is not builtins.complex and 1 < b <= 2 else times(g * b, slope)


def _power_by_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    """a**b · log(a), and 0 where a is 0 and the power is not infinite."""
    a = a if isinstance(a, NDArray) else tensor(np.asarray(a, y.dtype), y)
    constant = call("logical_and", call("equal", a, 0), call("greater_equal", real_part(b), 0))
    return times(g, y * call("log", call("where", constant, 1, a)))


def _power(xp: Any, a: Any, b: Any, *, out: Any = None) -> Any:
    """To the power of one number 2 the square and of 0.5 the square root, as NumPy (since 2.3) has it for its own types."""
    exponent = b if type(b) in (int, float, complex) else b.item() if isinstance(b, np.ndarray) and b.ndim == 0 else None
    if exponent in (2, 0.5) and hasattr(a, "dtype") and a.dtype.kind not in "iub":
        return (xp.square if exponent == 2 else xp.sqrt)(a, out=out)
    return xp.power(a, b, out=out)


binary(
    "power",
    "x1 to the power of x2.",
    (_power_by_base, _power_by_exponent),
    saves=(0, 1, "y"),
    cuda="hn_power({0}, {1})",
    complex="holomorphic",
    kinks=kink((0, 0, 0, 0), (0, 2, 0, 0), (0, 1, 1, 0)),
    domain=(0.5, 2.0),
    promote="number",
    compute=_power,
    precision="float32",
)
binary(
    "maximum",
    "The larger of x1 and x2; NaN if either is.",
    (lambda g, y, a, b: zero_kept_where(g, call("greater_equal", a, b)), lambda g, y, a, b: zero_kept_where(g, call("less", a, b))),
    saves=(0, 1),
    cuda="hn_max({0}, {1})",
    kinks=kink((1, 1, 1, 0)),
)
binary(
    "minimum",
    "The smaller of x1 and x2; NaN if either is.",
    (lambda g, y, a, b: zero_kept_where(g, call("less_equal", a, b)), lambda g, y, a, b: zero_kept_where(g, call("greater", a, b))),
    saves=(0, 1),
    cuda="hn_min({0}, {1})",
    kinks=kink((1, 1, 1, 0)),
)
binary(
    "fmax",
    "The larger of x1 and x2, ignoring NaN.",
    (lambda g, y, a, b: zero_kept_where(g, call("greater_equal", a, b)), lambda g, y, a, b: zero_kept_where(g, call("less", a, b))),
    saves=(0, 1),
    cuda="hn_fmax({0}, {1})",
)
binary(
    "fmin",
    "The smaller of x1 and x2, ignoring NaN.",
    (lambda g, y, a, b: zero_kept_where(g, call("less_equal", a, b)), lambda g, y, a, b: zero_kept_where(g, call("greater", a, b))),
    saves=(0, 1),
    cuda="hn_fmin({0}, {1})",
)
binary(
    "hypot",
    "sqrt(x1² + x2²).",
    (lambda g, y, a, b: g * unit_of(a, y), lambda g, y, a, b: g * unit_of(b, y)),
    saves=(0, 1, "y"),
    cuda="hypot({0}, {1})",
    kinks=kink((0, 0, 0, 0), (3, 4, 0.6, 0.8), (0, 2, 0, 1)),
    promote="float",
    precision="float32",
)


def _over_square(x: Any, size: Any) -> Any:
    """x / size², which may be beyond the dtype; 0 where the size is 0."""
    return unit_of(unit_of(x, size), size)


binary(
    "arctan2",
    "The angle of the point (x2, x1), in radians.",
    (lambda g, y, a, b: g * _over_square(b, call("hypot", a, b)), lambda g, y, a, b: -g * _over_square(a, call("hypot", a, b))),
    saves=(0, 1),
    cuda="atan2({0}, {1})",
    kinks=kink((0, 0, 0, 0), (0, 2, 0.5, 0)),
    promote="float",
    domain=(0.5, 2.0),
)
binary(
    "copysign",
    "x1 with the sign of x2.",
    (lambda g, y, a, b: g * call("sign", y) * call("sign", a), None),
    saves=(0, "y"),
    cuda="copysign({0}, {1})",
    promote="float",
)


def _share(x: Any, total: Any) -> Any:
    """exp(x - total), 0 where both are the logarithm of 0."""
    return call("exp", x - call("where", call("equal", total, -math.inf), 0, total))


binary(
    "logaddexp",
    "log(exp(x1) + exp(x2)), without overflow.",
    (lambda g, y, a, b: g * _share(a, y), lambda g, y, a, b: g * _share(b, y)),
    saves=(0, 1, "y"),
    cuda="hn_logaddexp({0}, {1})",
    kinks=kink((-np.inf, -np.inf, 0, 0), (-np.inf, 1, 0, 1)),
    promote="float",
    precision="float32",
)


def _of_integers_a_copy(rounding: Callable[..., Any]) -> Callable[..., Any]:
    """A rounding function of integers and booleans too, which are what they are rounded to."""

    @functools.wraps(rounding)
    def function(x: Any) -> Any:
        x = tensor(x)
        return rounding(x) if dtypes.is_inexact(x.dtype) else call("copy", x)

    return function


def _root_of_one_and_square(x: Any) -> Any:
    return call("sqrt", x * x + 1) if dtypes.is_complex(x.dtype) else call("hypot", x, 1)


# -- one operand ----------------------------------------------------------------------------------

unary("negative", "-x.", lambda g, y, x: -g, cuda="(-{0})", promote="same", complex="direct")
unary(
    "absolute",
    "The absolute value; real of complex numbers.",
    lambda g, y, x: g * (unit_of(x, call("absolute", x)) if dtypes.is_complex(x.dtype) else call("sign", x)),
    saves=(0,),
    cuda="hn_abs({0})",
    complex="direct",
    result="real",
    promote="same",
    kinks=kink((0, 0)),
)
unary("sign", "-1, 0 or 1 by the sign of x.", None, cuda="hn_sign({0})", promote="same")


def _of_real_numbers(sign: Callable[..., Any]) -> Callable[..., Any]:
    """The operator of real numbers; of complex ones what has the size 1, which has a gradient."""

    @functools.wraps(sign)
    def function(x: Any) -> Any:
        """-1, 0 or 1 by the sign of x; x / abs(x) of complex numbers, and 0 of 0."""
        x = tensor(x)
        return unit_of(x, call("absolute", x)) if dtypes.is_complex(x.dtype) else sign(x)

    return function


FUNCTIONS["sign"] = _of_real_numbers(FUNCTIONS["sign"])
for _name, _cuda in {"rint": "rint", "ceil": "ceil", "floor": "floor", "trunc": "trunc"}.items():
    unary(_name, f"x rounded ({_name}) to an integer value.", None, cuda=f"{_cuda}({{0}})")
    if _name != "rint":  # which is floating in NumPy too
        FUNCTIONS[_name] = _of_integers_a_copy(FUNCTIONS[_name])
unary(
    "square",
    "x².",
    lambda g, y, x: g * (x * 2),
    saves=(0,),
    cuda="({0} * {0})",
    complex="holomorphic",
    promote="number",
    precision="float32",
)
unary(
    "reciprocal",
    "1 / x.",
    lambda g, y, x: -times(times(g, y), y),
    saves=("y",),
    cuda="(1 / {0})",
    complex="holomorphic",
    domain=(0.5, 2.0),
    precision="float32",
)
unary("sqrt", "The square root.", lambda g, y, x: over(g, y * 2), saves=("y",), cuda="sqrt({0})", complex="holomorphic", domain=(0.5, 2.0))
unary("cbrt", "The cube root.", lambda g, y, x: over(g, y * y * 3), saves=("y",), cuda="cbrt({0})", domain=(0.5, 2.0))
unary("exp", "e to the power of x.", lambda g, y, x: times(g, y), saves=("y",), cuda="exp({0})", complex="holomorphic", precision="float32")
unary(
    "exp2",
    "2 to the power of x.",
    lambda g, y, x: times(g, y) * math.log(2),
    saves=("y",),
    cuda="exp2({0})",
    complex="holomorphic",
    precision="float32",
)
unary(
    "expm1",
    "exp(x) - 1, exact near 0.",
    lambda g, y, x: times(g, y + 1),
    saves=("y",),
    cuda="expm1({0})",
    complex="holomorphic",
    precision="float32",
)
unary(
    "log",
    "The natural logarithm.",
    lambda g, y, x: over(g, x),
    saves=(0,),
    cuda="log({0})",
    complex="holomorphic",
    domain=(0.5, 2.0),
    precision="float32",
)
unary(
    "log2",
    "The logarithm to base 2.",
    lambda g, y, x: over(g, x) / math.log(2),
    saves=(0,),
    cuda="log2({0})",
    complex="holomorphic",
    domain=(0.5, 2.0),
    precision="float32",
)
unary(
    "log10",
    "The logarithm to base 10.",
    lambda g, y, x: over(g, x) / math.log(10),
    saves=(0,),
    cuda="log10({0})",
    complex="holomorphic",
    domain=(0.5, 2.0),
    precision="float32",
)
unary(
    "log1p",
    "log(1 + x), exact near 0.",
    lambda g, y, x: over(g, x + 1),
    saves=(0,),
    cuda="log1p({0})",
    complex="holomorphic",
    domain=(-0.5, 2.0),
    precision="float32",
)
unary("sin", "The sine of x in radians.", lambda g, y, x: g * call("cos", x), saves=(0,), cuda="sin({0})", complex="holomorphic")
unary("cos", "The cosine of x in radians.", lambda g, y, x: -g * call("sin", x), saves=(0,), cuda="cos({0})", complex="holomorphic")
unary(
    "tan",
    "The tangent of x in radians.",
    lambda g, y, x: g * (y * y + 1),
    saves=("y",),
    cuda="tan({0})",
    complex="holomorphic",
    domain=(-1, 1),
    precision="float32",
)
unary(
    "arcsin",
    "The inverse sine, in radians.",
    lambda g, y, x: over(g, call("sqrt", 1 - x * x)),
    saves=(0,),
    cuda="asin({0})",
    complex="holomorphic",
    domain=(-0.8, 0.8),
    precision="float32",
)
unary(
    "arccos",
    "The inverse cosine, in radians.",
    lambda g, y, x: -over(g, call("sqrt", 1 - x * x)),
    saves=(0,),
    cuda="acos({0})",
    complex="holomorphic",
    domain=(-0.8, 0.8),
    precision="float32",
)
unary("arctan", "The inverse tangent, in radians.", lambda g, y, x: g / (x * x + 1), saves=(0,), cuda="atan({0})", complex="holomorphic")
unary(
    "sinh",
    "The hyperbolic sine.",
    lambda g, y, x: times(g, call("cosh", x)),
    saves=(0,),
    cuda="sinh({0})",
    complex="holomorphic",
    precision="float32",
)
unary(
    "cosh",
    "The hyperbolic cosine.",
    lambda g, y, x: times(g, call("sinh", x)),
    saves=(0,),
    cuda="cosh({0})",
    complex="holomorphic",
    precision="float32",
)
unary("tanh", "The hyperbolic tangent.", lambda g, y, x: g * (1 - y * y), saves=("y",), cuda="tanh({0})", complex="holomorphic")
unary(
    "arcsinh",
    "The inverse hyperbolic sine.",
    lambda g, y, x: g / _root_of_one_and_square(x),
    saves=(0,),
    cuda="asinh({0})",
    complex="holomorphic",
)
unary(
    "arccosh",
    "The inverse hyperbolic cosine.",
    lambda g, y, x: over(over(g, call("sqrt", x - 1)), call("sqrt", x + 1)),
    saves=(0,),
    cuda="acosh({0})",
    complex="holomorphic",
    domain=(1.5, 3.0),
    precision="float32",
)
unary(
    "arctanh",
    "The inverse hyperbolic tangent.",
    lambda g, y, x: over(g, 1 - x * x),
    saves=(0,),
    cuda="atanh({0})",
    complex="holomorphic",
    domain=(-0.8, 0.8),
    precision="float32",
)


def degrees(x: ArrayLike) -> Any:
    """Radians to degrees."""
    return tensor(x) * (180 / math.pi)


def radians(x: ArrayLike) -> Any:
    """Degrees to radians."""
    return tensor(x) * (math.pi / 180)


FUNCTIONS |= {"degrees": degrees, "radians": radians}
