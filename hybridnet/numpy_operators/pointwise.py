"""Operators of ``np`` that work element by element, and their forms with a number in place of one operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.ndarray.attributes import Array
from hybridnet.ndarray.record import TypeRule
from hybridnet.numpy.functions import FUNCTIONS as NUMPY
from hybridnet.numpy_extension.functions import FUNCTIONS as EXTENSION
from hybridnet.numpy_operators import types
from hybridnet.numpy_operators.register import numpy_operator


def _unary(name: str, rule: TypeRule | None = None, also: tuple[str, ...] = ()) -> None:
    function = NUMPY[name]

    def operator(x: Array) -> Any:
        return function(x)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", *also, types=rule)(operator)


_AS_GIVEN = "ceil fix floor negative rint sign square trunc reciprocal"
_FLOATING = """
    arccos arccosh arcsin arcsinh arctan arctanh cbrt cos cosh degrees exp expm1 log log10 log1p log2 radians sin sinh sqrt tan tanh
"""
_TRUTH = "isfinite isinf isnan isneginf isposinf logical_not"

for _name in _AS_GIVEN.split():
    _unary(_name)
_unary("absolute", also=("_npi_abs",))
_unary("bitwise_not")
for _name in _FLOATING.split():
    _unary(_name, types.floating)
for _name in _TRUTH.split():
    _unary(_name, types.truth)


def _number(scalar: float, is_int: bool, like: Any) -> Any:
    """The number as MXNet takes it beside an array: whole ones beside integers are integers."""
    return int(scalar) if scalar == int(scalar) and (is_int or like._data.dtype.kind in "iub") else scalar


def _with_number(op: str, function: Callable[[Any, Any], Any], rule: TypeRule | None, reflected: bool = False) -> None:
    def operator(data: Array, scalar: float = 1.0, is_int: bool = True) -> Any:
        number = _number(scalar, is_int, data)
        return function(number, data) if reflected else function(data, number)

    operator.__doc__ = f"``{op.removeprefix('_npi_')}``: the operator of NumPy with a number as one operand."
    numpy_operator(op, types=rule)(operator)


def _binary(name: str, rule: TypeRule) -> Callable[..., Any]:
    function: Callable[..., Any] = NUMPY[name]

    def operator(lhs: Array, rhs: Array) -> Any:
        return function(lhs, rhs)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", types=rule)(operator)
    return function


def _floating_pair(name: str) -> Callable[..., Any]:
    """The same of those whose operands MXNet calls ``x1`` and ``x2``."""
    function: Callable[..., Any] = NUMPY[name]

    def operator(x1: Array, x2: Array) -> Any:
        return function(x1, x2)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", types=types.floating)(operator)
    return function


#: Binary operators: the rule of dtypes, and whether there is a form with the number first.
_BINARY: dict[str, tuple[TypeRule, bool]] = {
    **dict.fromkeys(["add", "multiply"], (types.promoted, False)),
    **dict.fromkeys(["subtract", "mod", "power"], (types.promoted, True)),
    **dict.fromkeys(["copysign", "ldexp", "true_divide"], (types.floating, True)),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "lcm"], (types.promoted, False)),
    **dict.fromkeys(["equal", "not_equal", "greater", "greater_equal", "less", "less_equal"], (types.truth, False)),
}
for _name, (_rule, _both) in _BINARY.items():
    _function = _binary(_name, _rule)
    _with_number(f"_npi_{_name}_scalar", _function, _rule)
    if _both:
        _with_number(f"_npi_r{_name}_scalar", _function, _rule, reflected=True)
_with_number("_npi_arctan2_scalar", _floating_pair("arctan2"), types.floating)
_with_number("_npi_rarctan2_scalar", NUMPY["arctan2"], types.floating, reflected=True)
_floating_pair("hypot")


@numpy_operator("_npi_around")
def around(x: Array, decimals: int = 0) -> Any:
    """Rounded to ``decimals`` places behind the point."""
    return NUMPY["around"](x, decimals)


@numpy_operator("_npi_nan_to_num")
def nan_to_num(data: Array, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Numbers in place of what is none, and of infinities; without one the largest, and the least, that there are."""
    return NUMPY["nan_to_num"](data, copy, nan, posinf, neginf)


@numpy_operator("_npi_where", types=types.chosen)
def where(condition: Array, x: Array, y: Array) -> Any:
    """Elements of ``x`` where the condition holds, of ``y`` where not; the three broadcast."""
    return NUMPY["where"](condition, x, y)


@numpy_operator("_npi_where_lscalar", types=types.chosen)
def where_lscalar(condition: Array, x: Array, scalar: float = 0.0) -> Any:
    """A number where the condition holds, elements of ``x`` where not."""
    return NUMPY["where"](condition, _number(scalar, False, x), x)


@numpy_operator("_npi_where_rscalar", types=types.chosen)
def where_rscalar(condition: Array, y: Array, scalar: float = 0.0) -> Any:
    """Elements of ``y`` where the condition holds, a number where not."""
    return NUMPY["where"](condition, y, _number(scalar, False, y))


@numpy_operator("_npi_where_scalar2", types=types.float_unless_told())
def where_scalar2(condition: Array, x: float = 0.0, y: float = 0.0) -> Any:
    """One of two numbers, in float32."""
    return NUMPY["where"](condition, x, y)


@numpy_operator("_npx_relu")
def relu(data: Array) -> Any:
    """max(x, 0)."""
    return EXTENSION["relu"](data)


@numpy_operator("_npx_sigmoid", types=types.floating)
def sigmoid(data: Array) -> Any:
    """1 / (1 + exp(-x))."""
    return EXTENSION["sigmoid"](data)
