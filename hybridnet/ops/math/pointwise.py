"""Pointwise arithmetic: one table of operators that are NumPy's universal functions.

Each line is the whole of an operator: how it promotes, its gradient, what that keeps, its CUDA
functor, where its samples lie. Public functions are made from the same lines.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, NDArray, Op, Sample, apply, call, infer_pointwise, on_cuda, register
from hybridnet.ops.array.creation import FULL
from hybridnet.ops.common import normal, public, samples, tensor, uniform
from hybridnet.ops.math.slopes import PRODUCT, QUOTIENT

FUNCTIONS: dict[str, Callable[..., Any]] = {}
Rule = Callable[..., Any]


def _zero_kept_where(g: Any, condition: Any) -> Any:
    return call("where", condition, g, 0)


def _unit(x: Any, size: Any) -> Any:
    """x / size, and 0 where the size is 0."""
    none = call("equal", size, 0)
    return call("where", none, 0, x / call("where", none, 1, size))


def _over(g: Any, slope: Any) -> Any:
    """g / slope, and 0 where g is 0 (:mod:`hybridnet.ops.math.slopes`)."""
    return apply(QUOTIENT, (g, slope))


def _times(g: Any, slope: Any) -> Any:
    """g * slope, and 0 where g is 0."""
    return apply(PRODUCT, (g, slope))


def _kink(*points: tuple[Any, ...]) -> tuple[Sample, ...]:
    """A sample of points, each of them the operands and then their gradients."""
    operands = [np.array(column, np.float64) for column in zip(*points, strict=True)]
    half = len(operands) // 2
    return (Sample(tuple(operands[:half]), gradients=tuple(operands[half:])),)


def unary(
    name: str,
    doc: str,
    rule: Rule | None,
    *,
    saves: tuple[int | str, ...] = (),
    cuda: str,
    domain: tuple[float, float] = (-2.0, 2.0),
    promote: str | None = "float",
    result: str = "same",
    ufunc: str | None = None,
    precision: str = "follow",
    kinks: tuple[Sample, ...] = (),
) -> None:
    """Register an operator of one operand and its public function."""
    sample = uniform(*domain, 2, 3)
    op = register(
        Op(
            name,
            Kind.POINTWISE,
            infer_pointwise(name, result, ufunc or name),
            ufunc=ufunc or name,
            grad=(rule,) if rule else None,
            saves=saves,
            promote=promote,
            cost=8 if promote == "float" else 1,
            precision=precision,
            sample=samples(Sample((sample,)), Sample((uniform(*domain, 4, seed=1),)), *kinks),
        )
    )
    on_cuda(op, functor=cuda)
    FUNCTIONS[name] = public(op, doc, 1)


def binary(
    name: str,
    doc: str,
    rules: tuple[Rule | None, Rule | None] | None,
    *,
    saves: tuple[Any, ...] = (),
    cuda: str,
    domain: tuple[float, float] = (-2.0, 2.0),
    promote: str = "same",
    result: str = "same",
    integers: bool = False,
    ufunc: str | None = None,
    compute: Callable[..., Any] | None = None,
    precision: str = "follow",
    kinks: tuple[Sample, ...] = (),
) -> None:
    """Register an operator of two broadcasting operands and its public function."""
    if integers:
        made = (Sample((np.arange(6).reshape(2, 3) % 4, np.arange(3) % 3 + 1), differentiable=False),)
    else:
        a, b = uniform(*domain, 2, 3), uniform(*domain, 3, seed=1)
        made = (
            Sample((a, b)),
            Sample((a, 1.5)),
            Sample((0.5, np.abs(a) + 0.1 if name == "power" else a)),
            Sample((a, uniform(*domain, 2, 1, seed=2))),
        )  # type: ignore[assignment]
    from_error = Sample((normal(2, 3), normal(4)), error=ValueError)
    op = register(
        Op(
            name,
            Kind.POINTWISE,
            infer_pointwise(name, result, ufunc or name),
            compute=compute,
            ufunc=None if compute else ufunc or name,
            out=True,
            grad=rules,
            saves=saves,
            promote=promote,
            cost=4 if promote == "float" else 1,
            precision=precision,
            sample=samples(*made, *kinks, *(() if integers else (from_error,))),
        )
    )
    on_cuda(op, functor=cuda)
    FUNCTIONS[name] = public(op, doc, 2)


# -- arithmetic -----------------------------------------------------------------------------------

binary("add", "x1 + x2, element by element.", (lambda g, y, a, b: g, lambda g, y, a, b: g), cuda="({0} + {1})")
binary("subtract", "x1 - x2, element by element.", (lambda g, y, a, b: g, lambda g, y, a, b: -g), cuda="({0} - {1})")
binary(
    "multiply", "x1 * x2, element by element.", (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a), saves=((1,), (0,)), cuda="({0} * {1})"
)
binary(
    "true_divide",
    "x1 / x2; integers give float32.",
    (lambda g, y, a, b: _over(g, b) if isinstance(b, NDArray) else g / b, lambda g, y, a, b: -_times(g, y / b)),
    saves=((1,), (1, "y")),
    cuda="({0} / {1})",
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
    (lambda g, y, a, b: g, lambda g, y, a, b: -_times(g, call("floor_divide", a, b))),
    saves=(0, 1),
    cuda="hn_mod({0}, {1})",
    domain=(1.1, 1.9),
    promote="number",
)
binary(
    "fmod",
    "The remainder of x1 / x2, with the sign of x1.",
    (lambda g, y, a, b: g, lambda g, y, a, b: -_times(g, call("trunc", a / b))),
    saves=(0, 1),
    cuda="hn_fmod({0}, {1})",
    domain=(1.1, 1.9),
    promote="number",
)


def _power_by_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    """b · a**(b - 1), and 0 where b is 0, whatever a is."""
    if isinstance(b, NDArray):
        constant = call("logical_and", call("equal", a, 0), call("equal", b, 0))
        return _times(g, b * call("power", a, call("where", constant, 1, b) - 1))
    if b == 0:
        return apply(FULL, (), {"shape": g.shape, "value": 0, "dtype": g.dtype}, g.device, type(g))
    if b == 1:
        return g
    slope = call("power", a, b - 1)
    return g * b * slope if 1 < b <= 2 else _times(g * b, slope)


def _power_by_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    """a**b · log(a), and 0 where a is 0 and the power is not infinite."""
    a = a if isinstance(a, NDArray) else tensor(np.asarray(a, y.dtype), y)
    constant = call("logical_and", call("equal", a, 0), call("greater_equal", b, 0))
    return _times(g, y * call("log", call("where", constant, 1, a)))


def _power(xp: Any, a: Any, b: Any, *, out: Any = None) -> Any:
    """To the power of one number 2 the square and of 0.5 the square root, as NumPy (since 2.3) has it for its own types."""
    exponent = b if type(b) in (int, float) else b.item() if isinstance(b, np.ndarray) and b.ndim == 0 else None
    if exponent in (2, 0.5) and hasattr(a, "dtype") and a.dtype.kind not in "iub":
        return (xp.square if exponent == 2 else xp.sqrt)(a, out=out)
    return xp.power(a, b, out=out)


binary(
    "power",
    "x1 to the power of x2.",
    (_power_by_base, _power_by_exponent),
    saves=(0, 1, "y"),
    cuda="hn_power({0}, {1})",
    kinks=_kink((0, 0, 0, 0), (0, 2, 0, 0), (0, 1, 1, 0)),
    domain=(0.5, 2.0),
    promote="number",
    compute=_power,
    precision="float32",
)
binary(
    "maximum",
    "The larger of x1 and x2; NaN if either is.",
    (lambda g, y, a, b: _zero_kept_where(g, call("greater_equal", a, b)), lambda g, y, a, b: _zero_kept_where(g, call("less", a, b))),
    saves=(0, 1),
    cuda="hn_max({0}, {1})",
    kinks=_kink((1, 1, 1, 0)),
)
binary(
    "minimum",
    "The smaller of x1 and x2; NaN if either is.",
    (lambda g, y, a, b: _zero_kept_where(g, call("less_equal", a, b)), lambda g, y, a, b: _zero_kept_where(g, call("greater", a, b))),
    saves=(0, 1),
    cuda="hn_min({0}, {1})",
    kinks=_kink((1, 1, 1, 0)),
)
binary(
    "fmax",
    "The larger of x1 and x2, ignoring NaN.",
    (lambda g, y, a, b: _zero_kept_where(g, call("greater_equal", a, b)), lambda g, y, a, b: _zero_kept_where(g, call("less", a, b))),
    saves=(0, 1),
    cuda="hn_fmax({0}, {1})",
)
binary(
    "fmin",
    "The smaller of x1 and x2, ignoring NaN.",
    (lambda g, y, a, b: _zero_kept_where(g, call("less_equal", a, b)), lambda g, y, a, b: _zero_kept_where(g, call("greater", a, b))),
    saves=(0, 1),
    cuda="hn_fmin({0}, {1})",
)
binary(
    "hypot",
    "sqrt(x1² + x2²).",
    (lambda g, y, a, b: g * _unit(a, y), lambda g, y, a, b: g * _unit(b, y)),
    saves=(0, 1, "y"),
    cuda="hypot({0}, {1})",
    kinks=_kink((0, 0, 0, 0), (3, 4, 0.6, 0.8), (0, 2, 0, 1)),
    promote="float",
    precision="float32",
)


def _over_square(x: Any, size: Any) -> Any:
    """x / size², which may be beyond the dtype; 0 where the size is 0."""
    return _unit(_unit(x, size), size)


binary(
    "arctan2",
    "The angle of the point (x2, x1), in radians.",
    (lambda g, y, a, b: g * _over_square(b, call("hypot", a, b)), lambda g, y, a, b: -g * _over_square(a, call("hypot", a, b))),
    saves=(0, 1),
    cuda="atan2({0}, {1})",
    kinks=_kink((0, 0, 0, 0), (0, 2, 0.5, 0)),
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
    kinks=_kink((-np.inf, -np.inf, 0, 0), (-np.inf, 1, 0, 1)),
    promote="float",
    precision="float32",
)

# -- comparisons and logic ------------------------------------------------------------------------


def _of_truths(function: Callable[..., Any]) -> Callable[..., Any]:
    """A logical function to which numbers are true or false as they are, not as the other operand's type would round them."""

    @functools.wraps(function)
    def of_truths(x1: Any, x2: Any) -> Any:
        return function(*(bool(x) if isinstance(x, (int, float)) else x for x in (x1, x2)))

    return of_truths


for _name, _sign in {"equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}.items():
    binary(_name, f"x1 {_sign} x2, element by element, as bool.", None, cuda=f"({{0}} {_sign} {{1}})", result="bool")
for _name, _sign in {"logical_and": "&&", "logical_or": "||", "logical_xor": "!="}.items():
    binary(
        _name,
        f"{_name.removeprefix('logical_')} of the truth of x1 and x2, as bool.",
        None,
        cuda=f"(({{0}} != 0) {_sign} ({{1}} != 0))",
        result="bool",
    )
    FUNCTIONS[_name] = _of_truths(FUNCTIONS[_name])
for _name, _sign in {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}.items():
    binary(_name, f"x1 {_sign} x2 on the bits of integers.", None, cuda=f"({{0}} {_sign} {{1}})", integers=True)
for _name, _sign in {"left_shift": "<<", "right_shift": ">>"}.items():
    binary(_name, f"x1 {_sign} x2 on the bits of integers.", None, cuda=f"hn_{_name}({{0}}, {{1}})", integers=True, promote="number")
for _name in ("gcd", "lcm"):
    binary(_name, f"The {_name} of integers.", None, cuda=f"hn_{_name}({{0}}, {{1}})", integers=True)
unary("logical_not", "Whether x is zero, as bool.", None, cuda="({0} == 0)", result="bool", promote=None)
unary("isnan", "Whether x is not a number.", None, cuda="isnan({0})", result="bool", promote="float")
unary("isinf", "Whether x is infinite.", None, cuda="isinf({0})", result="bool", promote="float")
unary("isfinite", "Whether x is neither infinite nor NaN.", None, cuda="isfinite({0})", result="bool", promote="float")
INVERT = register(
    Op(
        "invert",
        Kind.POINTWISE,
        infer_pointwise("invert", ufunc="invert"),
        ufunc="invert",
        sample=samples(Sample((np.arange(6).reshape(2, 3),), differentiable=False)),
    )
)
on_cuda(INVERT, functor="hn_invert({0})")
FUNCTIONS["invert"] = public(INVERT, "The bits of integers flipped; not x for bool.", 1)


def _of_integers_a_copy(rounding: Callable[..., Any]) -> Callable[..., Any]:
    """A rounding function of integers and booleans too, which are what they are rounded to."""

    @functools.wraps(rounding)
    def function(x: Any) -> Any:
        x = tensor(x)
        return rounding(x) if dtypes.is_floating(x.dtype) else call("copy", x)

    return function


# -- one operand ----------------------------------------------------------------------------------

unary("negative", "-x.", lambda g, y, x: -g, cuda="(-{0})", promote="same")
unary(
    "absolute",
    "The absolute value.",
    lambda g, y, x: g * call("sign", x),
    saves=(0,),
    cuda="hn_abs({0})",
    promote="same",
    kinks=_kink((0, 0)),
)
unary("sign", "-1, 0 or 1 by the sign of x.", None, cuda="hn_sign({0})", promote="same")
for _name, _cuda in {"rint": "rint", "ceil": "ceil", "floor": "floor", "trunc": "trunc"}.items():
    unary(_name, f"x rounded ({_name}) to an integer value.", None, cuda=f"{_cuda}({{0}})")
    if _name != "rint":  # which is floating in NumPy too
        FUNCTIONS[_name] = _of_integers_a_copy(FUNCTIONS[_name])
unary("square", "x².", lambda g, y, x: g * (x * 2), saves=(0,), cuda="({0} * {0})", promote="number", precision="float32")
unary(
    "reciprocal", "1 / x.", lambda g, y, x: -_times(_times(g, y), y), saves=("y",), cuda="(1 / {0})", domain=(0.5, 2.0), precision="float32"
)
unary("sqrt", "The square root.", lambda g, y, x: _over(g, y * 2), saves=("y",), cuda="sqrt({0})", domain=(0.5, 2.0))
unary("cbrt", "The cube root.", lambda g, y, x: _over(g, y * y * 3), saves=("y",), cuda="cbrt({0})", domain=(0.5, 2.0))
unary("exp", "e to the power of x.", lambda g, y, x: _times(g, y), saves=("y",), cuda="exp({0})", precision="float32")
unary("exp2", "2 to the power of x.", lambda g, y, x: _times(g, y) * math.log(2), saves=("y",), cuda="exp2({0})", precision="float32")
unary("expm1", "exp(x) - 1, exact near 0.", lambda g, y, x: _times(g, y + 1), saves=("y",), cuda="expm1({0})", precision="float32")
unary("log", "The natural logarithm.", lambda g, y, x: _over(g, x), saves=(0,), cuda="log({0})", domain=(0.5, 2.0), precision="float32")
unary(
    "log2",
    "The logarithm to base 2.",
    lambda g, y, x: _over(g, x) / math.log(2),
    saves=(0,),
    cuda="log2({0})",
    domain=(0.5, 2.0),
    precision="float32",
)
unary(
    "log10",
    "The logarithm to base 10.",
    lambda g, y, x: _over(g, x) / math.log(10),
    saves=(0,),
    cuda="log10({0})",
    domain=(0.5, 2.0),
    precision="float32",
)
unary(
    "log1p",
    "log(1 + x), exact near 0.",
    lambda g, y, x: _over(g, x + 1),
    saves=(0,),
    cuda="log1p({0})",
    domain=(-0.5, 2.0),
    precision="float32",
)
unary("sin", "The sine of x in radians.", lambda g, y, x: g * call("cos", x), saves=(0,), cuda="sin({0})")
unary("cos", "The cosine of x in radians.", lambda g, y, x: -g * call("sin", x), saves=(0,), cuda="cos({0})")
unary(
    "tan",
    "The tangent of x in radians.",
    lambda g, y, x: g * (y * y + 1),
    saves=("y",),
    cuda="tan({0})",
    domain=(-1, 1),
    precision="float32",
)
unary(
    "arcsin",
    "The inverse sine, in radians.",
    lambda g, y, x: _over(g, call("sqrt", 1 - x * x)),
    saves=(0,),
    cuda="asin({0})",
    domain=(-0.8, 0.8),
    precision="float32",
)
unary(
    "arccos",
    "The inverse cosine, in radians.",
    lambda g, y, x: -_over(g, call("sqrt", 1 - x * x)),
    saves=(0,),
    cuda="acos({0})",
    domain=(-0.8, 0.8),
    precision="float32",
)
unary("arctan", "The inverse tangent, in radians.", lambda g, y, x: g / (x * x + 1), saves=(0,), cuda="atan({0})")
unary("sinh", "The hyperbolic sine.", lambda g, y, x: _times(g, call("cosh", x)), saves=(0,), cuda="sinh({0})", precision="float32")
unary("cosh", "The hyperbolic cosine.", lambda g, y, x: _times(g, call("sinh", x)), saves=(0,), cuda="cosh({0})", precision="float32")
unary("tanh", "The hyperbolic tangent.", lambda g, y, x: g * (1 - y * y), saves=("y",), cuda="tanh({0})")
unary("arcsinh", "The inverse hyperbolic sine.", lambda g, y, x: g / call("hypot", x, 1), saves=(0,), cuda="asinh({0})")
unary(
    "arccosh",
    "The inverse hyperbolic cosine.",
    lambda g, y, x: _over(_over(g, call("sqrt", x - 1)), call("sqrt", x + 1)),
    saves=(0,),
    cuda="acosh({0})",
    domain=(1.5, 3.0),
    precision="float32",
)
unary(
    "arctanh",
    "The inverse hyperbolic tangent.",
    lambda g, y, x: _over(g, 1 - x * x),
    saves=(0,),
    cuda="atanh({0})",
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
