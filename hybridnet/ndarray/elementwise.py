"""Classic operators on each element: arithmetic, comparisons, mathematical functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet import dtypes
from hybridnet.core import apply, call
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.classic import combine
from hybridnet.ndarray.register import _NONE, arrays_of, keep_dtype, operator
from hybridnet.ops.array import selection
from hybridnet.ops.math import pointwise, special
from hybridnet.ops.nn.like import stop_gradient

_math = pointwise.FUNCTIONS | special.FUNCTIONS


# -- two operands ---------------------------------------------------------------------------------


def _binary(
    core_name: str, *names: str, elemwise: tuple[str, ...] = (), scalar: str = "", reflected: str = "", also: Mapping[str, str] = _NONE
) -> Callable[..., Any]:
    """Enter an operator's broadcasting form, its form for equal shapes and its form with a number."""

    def function(lhs: Any, rhs: Any) -> Any:
        return combine(core_name, lhs, rhs)

    function.__doc__ = f"{core_name} of two arrays that broadcast, or of an array and a number."
    made = operator(*names, also=also)(function)
    if elemwise:

        def same_shape(lhs: Any, rhs: Any) -> Any:
            if lhs.shape != rhs.shape:
                fail(ShapeError, elemwise[0], expected="two arrays of one shape", got=f"{lhs.shape} and {rhs.shape}", fix=names[-1])
            return combine(core_name, lhs, rhs)

        same_shape.__doc__ = f"{core_name} of two arrays of one shape."
        operator(*elemwise)(same_shape)
    if scalar:
        operator(scalar)(_with_number(lambda data, number: combine(core_name, data, number), core_name))
    if reflected:
        operator(reflected)(_with_number(lambda data, number: combine(core_name, number, data), core_name))
    return made


def _with_number(compute: Callable[[Any, Any], Any], core_name: str) -> Callable[..., Any]:
    def function(data: Any, scalar: float = 1.0, is_int: bool = True) -> Any:
        return compute(data, scalar)

    function.__doc__ = f"{core_name} of an array and the number ``scalar``."
    return function


add = _binary("add", "add", "_plus", "_add", "_Plus", "broadcast_plus", "broadcast_add", elemwise=("elemwise_add",), scalar="_plus_scalar")
subtract = _binary(
    "subtract",
    "subtract",
    "_minus",
    "_sub",
    "_Minus",
    "broadcast_minus",
    "broadcast_sub",
    elemwise=("elemwise_sub",),
    scalar="_minus_scalar",
    reflected="_rminus_scalar",
)
multiply = _binary("multiply", "multiply", "_mul", "_Mul", "broadcast_mul", elemwise=("elemwise_mul",), scalar="_mul_scalar")
divide = _binary(
    "true_divide",
    "divide",
    "true_divide",
    "_div",
    "_Div",
    "broadcast_div",
    elemwise=("elemwise_div",),
    scalar="_div_scalar",
    reflected="_rdiv_scalar",
)
modulo = _binary("mod", "modulo", "_mod", "_Mod", "broadcast_mod", scalar="_mod_scalar", reflected="_rmod_scalar")
power = _binary(
    "power",
    "power",
    "pow",
    "_power",
    "_Power",
    "broadcast_power",
    scalar="_power_scalar",
    reflected="_rpower_scalar",
    also={"base": "lhs", "exp": "rhs"},
)
maximum = _binary("maximum", "maximum", "_maximum", "_Maximum", "broadcast_maximum", scalar="_maximum_scalar")
minimum = _binary("minimum", "minimum", "_minimum", "_Minimum", "broadcast_minimum", scalar="_minimum_scalar")
hypot = _binary("hypot", "_hypot", "broadcast_hypot", scalar="_hypot_scalar")
arctan2 = _binary("arctan2", "arctan2")
equal = _binary("equal", "equal", "_equal", "broadcast_equal", scalar="_equal_scalar")
not_equal = _binary("not_equal", "not_equal", "_not_equal", "broadcast_not_equal", scalar="_not_equal_scalar")
greater = _binary("greater", "greater", "_greater", "broadcast_greater", scalar="_greater_scalar")
greater_equal = _binary("greater_equal", "greater_equal", "_greater_equal", "broadcast_greater_equal", scalar="_greater_equal_scalar")
lesser = _binary("less", "lesser", "_lesser", "broadcast_lesser", scalar="_lesser_scalar")
lesser_equal = _binary("less_equal", "lesser_equal", "_lesser_equal", "broadcast_lesser_equal", scalar="_lesser_equal_scalar")
logical_and = _binary("logical_and", "logical_and", "_logical_and", "broadcast_logical_and", scalar="_logical_and_scalar")
logical_or = _binary("logical_or", "logical_or", "_logical_or", "broadcast_logical_or", scalar="_logical_or_scalar")
logical_xor = _binary("logical_xor", "logical_xor", "_logical_xor", "broadcast_logical_xor", scalar="_logical_xor_scalar")


@operator("add_n", "ElementWiseSum", "_sum", "elemwise_sum")
def add_n(*args: Any, num_args: int | None = None) -> Any:
    """The sum of arrays of one shape."""
    first, *rest = arrays_of(args)
    total = first
    for x in rest:
        total = combine("add", total, x)
    return total if rest else call("copy", first)


@operator("where")
def where(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where ``condition`` is not 0, else ``y``; a condition of one dimension chooses rows."""
    if condition.ndim == 1 and x.ndim > 1:
        condition = call("reshape", condition, shape=(condition.shape[0],) + (1,) * (x.ndim - 1))
    return selection.where(condition, x, y)


# -- one operand ----------------------------------------------------------------------------------


def _unary(core_name: str, *names: str) -> Callable[..., Any]:
    compute = _math[core_name]

    def function(data: Any) -> Any:
        return keep_dtype(compute(data), data)

    function.__doc__ = compute.__doc__
    return operator(*(names or (core_name,)))(function)


for _name in ("ceil", "floor", "trunc", "square", "sqrt", "cbrt", "exp", "expm1", "log", "log10", "log2", "log1p"):
    _unary(_name)
for _name in ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"):
    _unary(_name)
for _name in ("degrees", "radians", "reciprocal", "logical_not"):
    _unary(_name)
for _name in ("erf", "erfinv", "gamma"):
    _unary(_name)
_unary("absolute", "abs")
_unary("negative", "negative")
_unary("trunc", "fix")


@operator("sign")
def sign(data: Any) -> Any:
    """-1, 0 or 1; 0 for NaN."""
    return selection.where(_math["isnan"](data), 0, _math["sign"](data))


@operator("gammaln")
def gammaln(data: Any) -> Any:
    """The logarithm of the absolute value of the gamma function; infinite at minus infinity."""
    return keep_dtype(selection.where(call("equal", data, -math.inf), math.inf, _math["gammaln"](data)), data)


@operator("round")
def round_(data: Any) -> Any:
    """The nearest integer value, halves away from zero."""
    return keep_dtype(_math["sign"](data) * _math["floor"](_math["absolute"](data) + 0.5), data)


@operator("rint")
def rint(data: Any) -> Any:
    """The nearest integer value, halves downwards."""
    return keep_dtype(_math["ceil"](data - 0.5), data)


@operator("rsqrt")
def rsqrt(data: Any) -> Any:
    """1 / sqrt(data)."""
    return keep_dtype(1 / _math["sqrt"](data), data)


@operator("rcbrt")
def rcbrt(data: Any) -> Any:
    """1 / cbrt(data)."""
    return keep_dtype(1 / _math["cbrt"](data), data)


@operator("clip")
def clip(data: Any, a_min: float | None = None, a_max: float | None = None) -> Any:
    """``data`` with values outside [a_min, a_max] brought to the nearer bound."""
    return apply(selection.CLIP, (data,), {"a_min": a_min, "a_max": a_max})


@operator("cast", "Cast", "amp_cast")
def cast(data: Any, dtype: Any) -> Any:
    """``data`` with its values converted to ``dtype``."""
    return data.astype(dtype)


@operator("identity", "_copy")
def identity(data: Any) -> Any:
    """A copy."""
    return call("copy", data)


operator("BlockGrad", "stop_gradient")(stop_gradient)


@operator("all_finite")
def all_finite(data: Any, init_output: bool = True) -> Any:
    """One number: 1 where every element is finite, else 0."""
    return call("all", _math["isfinite"](data), axis=tuple(range(data.ndim)), keepdims=False).astype(dtypes.float32)


@operator("multi_all_finite")
def multi_all_finite(*arrays: Any, num_arrays: int = 1, init_output: bool = True) -> Any:
    """One number: 1 where every element of every array is finite, else 0."""
    first, *rest = arrays_of(arrays)
    result = all_finite(first)
    for x in rest:
        result = result * all_finite(x)
    return result


@operator("amp_multicast")
def amp_multicast(*data: Any, num_outputs: int | None = None, cast_narrow: bool = False) -> Any:
    """The arrays cast to one dtype: the widest of theirs (the narrowest with ``cast_narrow``)."""
    arrays = arrays_of(data)
    order = sorted((x._data.dtype for x in arrays), key=lambda d: d.itemsize)
    return [x.astype(order[0] if cast_narrow else order[-1], copy=False) for x in arrays]
