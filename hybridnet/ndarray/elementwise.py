"""Classic operators on each element: arithmetic, comparisons, mathematical functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hybridnet import dtypes
from hybridnet.core import apply, call
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Array, Dtype
from hybridnet.ndarray.classic import combine
from hybridnet.ndarray.record import numbered
from hybridnet.ndarray.register import arrays_of, classic, helper, keep_dtype
from hybridnet.ndarray.shapes import alike, all_alike
from hybridnet.ndarray.types import always, apart, cast_floating
from hybridnet.ops.array import selection
from hybridnet.ops.math import pointwise, special
from hybridnet.ops.nn.like import stop_gradient
from hybridnet.ops.sparse.values import of_values

_math = pointwise.FUNCTIONS | special.FUNCTIONS
_NONE: Mapping[str, str] = {}


# -- two operands ---------------------------------------------------------------------------------


def _binary(core_name: str, *names: str, also: Mapping[str, str] = _NONE) -> Callable[..., Any]:
    """Enter the functions of ``nd`` that take arrays and numbers alike."""

    def function(lhs: Values, rhs: Values) -> Any:
        return combine(core_name, lhs, rhs)

    function.__doc__ = f"{core_name} of two arrays that broadcast, or of an array and a number."
    return helper(*names, also=also, thin=True)(function)


def _operators(core_name: str, broadcast: tuple[str, ...], same: tuple[str, ...], scalar: str = "", reflected: str = "") -> None:
    """Enter an operator's broadcasting form, its form for equal shapes, and its forms with a number at the right or left."""

    def broadcasting(lhs: Array, rhs: Array) -> Any:
        return combine(core_name, lhs, rhs)

    def same_shape(lhs: Array, rhs: Array) -> Any:
        if lhs.shape != rhs.shape:
            fail(ShapeError, same[0], expected="two arrays of one shape", got=f"{lhs.shape} and {rhs.shape}", fix=broadcast[0])
        return combine(core_name, lhs, rhs)

    broadcasting.__doc__ = f"{core_name} of two arrays that broadcast."
    same_shape.__doc__ = f"{core_name} of two arrays of one shape."
    classic(*broadcast, thin=True)(broadcasting)
    classic(*same, shapes=alike("lhs", "rhs"), thin=True)(same_shape)
    if scalar:
        _with_number((scalar, f"_{_joined(scalar)}"), core_name, lambda data, number: combine(core_name, data, number))
    if reflected:
        _with_number((reflected, f"_R{_joined(reflected[2:])}"), core_name, lambda data, number: combine(core_name, number, data))


def _joined(name: str) -> str:
    """MXNet's older spelling: ``_plus_scalar`` as ``PlusScalar``."""
    return "".join(part.capitalize() for part in name.split("_"))


def _with_number(names: tuple[str, ...], core_name: str, compute: Callable[[Any, Any], Any]) -> None:
    def function(data: Array, scalar: float = 1.0, is_int: bool = True) -> Any:
        return compute(data, scalar)

    function.__doc__ = f"{core_name} of an array and the number ``scalar``."
    classic(*names, thin=True)(function)


#: An operand of the functions that take arrays and numbers alike.
Values: TypeAlias = Array | float

add = _binary("add", "add")
subtract = _binary("subtract", "subtract")
multiply = _binary("multiply", "multiply")
divide = _binary("true_divide", "divide", "true_divide")
modulo = _binary("mod", "modulo")


@helper("power", "pow", also={"lhs": "base", "rhs": "exp"}, thin=True)
def power(base: Values, exp: Values) -> Any:
    """power of two arrays that broadcast, or of an array and a number."""
    return combine("power", base, exp)


maximum, minimum = _binary("maximum", "maximum"), _binary("minimum", "minimum")
arctan2 = _binary("arctan2", "arctan2")
equal, not_equal = _binary("equal", "equal"), _binary("not_equal", "not_equal")
greater, greater_equal = _binary("greater", "greater"), _binary("greater_equal", "greater_equal")
lesser, lesser_equal = _binary("less", "lesser"), _binary("less_equal", "lesser_equal")
logical_and, logical_or = _binary("logical_and", "logical_and"), _binary("logical_or", "logical_or")
logical_xor = _binary("logical_xor", "logical_xor")

_operators("add", ("broadcast_add", "broadcast_plus"), ("elemwise_add", "_plus", "_add", "_Plus"), "_plus_scalar")
_operators(
    "subtract", ("broadcast_sub", "broadcast_minus"), ("elemwise_sub", "_minus", "_sub", "_Minus"), "_minus_scalar", "_rminus_scalar"
)
_operators("multiply", ("broadcast_mul",), ("elemwise_mul", "_mul", "_Mul"), "_mul_scalar")
_operators("true_divide", ("broadcast_div",), ("elemwise_div", "_div", "_Div"), "_div_scalar", "_rdiv_scalar")
_operators("mod", ("broadcast_mod",), ("_mod", "_Mod"), "_mod_scalar", "_rmod_scalar")
_operators("power", ("broadcast_power",), ("_power", "_Power"), "_power_scalar", "_rpower_scalar")
_operators("hypot", ("broadcast_hypot",), ("_hypot", "_Hypot"), "_hypot_scalar")
for _name in ("maximum", "minimum"):
    _operators(_name, (f"broadcast_{_name}",), (f"_{_name}", f"_{_name.capitalize()}"), f"_{_name}_scalar")
for _core, _name in (("less", "lesser"), ("less_equal", "lesser_equal")):
    _operators(_core, (f"broadcast_{_name}",), (f"_{_name}", f"_{_name.title()}"), f"_{_name}_scalar")
for _name in ("equal", "not_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor"):
    _operators(_name, (f"broadcast_{_name}",), (f"_{_name}", f"_{_name.title()}"), f"_{_name}_scalar")


@classic("add_n", "ElementWiseSum", "_sum", "elemwise_sum", shapes=all_alike)
def add_n(*args: Array, num_args: int | None = None) -> Any:
    """The sum of arrays of one shape."""
    first, *rest = arrays_of(args)
    total = first
    for x in rest:
        total = combine("add", total, x)
    return total if rest else call("copy", first)


@classic("where", types=apart("condition"))
def where(condition: Array, x: Array, y: Array) -> Any:
    """``x`` where ``condition`` is not 0, else ``y``; a condition of one dimension chooses rows."""
    if condition.ndim == 1 and x.ndim > 1:
        condition = call("reshape", condition, shape=(condition.shape[0],) + (1,) * (x.ndim - 1))
    return selection.where(condition, x, y)


# -- one operand ----------------------------------------------------------------------------------


def _unary(core_name: str, *names: str) -> Callable[..., Any]:
    compute = _math[core_name]

    def function(data: Array) -> Any:
        return keep_dtype(compute(data), data)

    function.__doc__ = compute.__doc__
    return classic(*(names or (core_name,)), by_class=True)(function)


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


@classic("sign")
@of_values
def sign(data: Array) -> Any:
    """-1, 0 or 1; 0 for NaN."""
    return selection.where(_math["isnan"](data), 0, _math["sign"](data))


@classic("gammaln", by_class=True)
def gammaln(data: Array) -> Any:
    """The logarithm of the absolute value of the gamma function; infinite at minus infinity."""
    return keep_dtype(selection.where(call("equal", data, -math.inf), math.inf, _math["gammaln"](data)), data)


@classic("round", by_class=True)
@of_values
def round_(data: Array) -> Any:
    """The nearest integer value, halves away from zero."""
    size = _math["absolute"](data)
    below = _math["floor"](size)
    # below + 0.5 is exact, or no number lies between wholes; size + 0.5 would not be, just under a half.
    return keep_dtype(_math["sign"](data) * selection.where(below + 0.5 <= size, _math["ceil"](size), below), data)


@classic("rint", by_class=True)
@of_values
def rint(data: Array) -> Any:
    """The nearest integer value, halves downwards."""
    below = _math["floor"](data)
    return keep_dtype(selection.where(data > below + 0.5, _math["ceil"](data), below), data)


@classic("rsqrt", by_class=True)
def rsqrt(data: Array) -> Any:
    """1 / sqrt(data)."""
    return keep_dtype(1 / _math["sqrt"](data), data)


@classic("rcbrt", by_class=True)
def rcbrt(data: Array) -> Any:
    """1 / cbrt(data)."""
    return keep_dtype(1 / _math["cbrt"](data), data)


@classic("clip", required=("a_min", "a_max"))
def clip(data: Array, a_min: float | None = None, a_max: float | None = None) -> Any:
    """``data`` with values outside [a_min, a_max] brought to the nearer bound."""
    return apply(selection.CLIP, (data,), {"a_min": a_min, "a_max": a_max})


@classic("Cast", "cast")
def cast(data: Array, dtype: Dtype) -> Any:
    """``data`` with its values converted to ``dtype``."""
    return data.astype(dtype)


@classic("amp_cast", types=cast_floating, shares=True)
def amp_cast(data: Array, dtype: Dtype) -> Any:
    """Floating ``data`` converted to ``dtype``; integers and booleans stay what they are."""
    return data.astype(dtype, copy=False) if dtypes.is_floating(data._data.dtype) else data


@classic("_copy", "identity")
def identity(data: Array) -> Any:
    """A copy."""
    return call("copy", data)


@classic("BlockGrad", "stop_gradient", shares=True)
def block_grad(data: Array) -> Any:
    """``data`` through which no gradient flows: as a head of ``backward`` it gives zeros."""
    return stop_gradient(data)


@classic("all_finite", types=always(dtypes.float32))
def all_finite(data: Array, init_output: bool = True) -> Any:
    """One number: 1 where every element is finite, else 0."""
    return call("all", _math["isfinite"](data), axis=tuple(range(data.ndim)), keepdims=False).astype(dtypes.float32)


@classic("multi_all_finite", inputs=lambda a: [f"array_{i}" for i in range(a["num_arrays"])], types=always(dtypes.float32))
def multi_all_finite(*arrays: Array, num_arrays: int = 1, init_output: bool = True) -> Any:
    """One number: 1 where every element of every array is finite, else 0.

    The arrays may be of any shapes; the result is of shape (1,).
    """
    first, *rest = arrays_of(arrays)
    result = all_finite(first)
    for x in rest:
        result = result * all_finite(x)
    return result


@classic(
    "amp_multicast",
    inputs=lambda a: [f"data_{i}" for i in range(a["num_outputs"])],
    outputs=lambda a: numbered(a["num_outputs"]),
    shares=True,
)
def amp_multicast(*data: Array, num_outputs: int | None = None, cast_narrow: bool = False) -> Any:
    """The floating arrays cast to one dtype: the widest of theirs (the narrowest with ``cast_narrow``). Each keeps its shape.

    Integers and booleans stay what they are.
    """
    arrays = arrays_of(data)
    order = sorted((x._data.dtype for x in arrays if dtypes.is_floating(x._data.dtype)), key=lambda d: d.itemsize)
    return [amp_cast(x, order[0] if cast_narrow else order[-1]) if order else x for x in arrays]
