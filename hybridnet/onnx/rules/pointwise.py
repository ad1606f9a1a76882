"""Pointwise operators. The traced graph has brought the operands to one element type already, but for numbers beside arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer

Operand = Value | str

#: Operators that are one ONNX operator on operands of the result's element type.
PLAIN = {
    "absolute": "Abs",
    "arccos": "Acos",
    "arccosh": "Acosh",
    "arcsin": "Asin",
    "arcsinh": "Asinh",
    "arctan": "Atan",
    "arctanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "log": "Log",
    "maximum": "Max",
    "minimum": "Min",
    "multiply": "Mul",
    "negative": "Neg",
    "power": "Pow",
    "reciprocal": "Reciprocal",
    "relu": "Relu",
    "rint": "Round",
    "root": "Sqrt",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "softrelu": "Softplus",
    "softsign": "Softsign",
    "sqrt": "Sqrt",
    "subtract": "Sub",
    "tan": "Tan",
    "tanh": "Tanh",
    "true_divide": "Div",
}
COMPARISONS = {"equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual"}
LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}
BITWISE = {"bitwise_and": ("BitwiseAnd", "And"), "bitwise_or": ("BitwiseOr", "Or"), "bitwise_xor": ("BitwiseXor", "Xor")}


def _floating(node: Node) -> bool:
    return dtypes.is_floating(node.output.dtype)


def _plain(op: str) -> Callable[..., str]:
    return lambda w, node, *xs: w.add(op, [w.cast(x, node.output.dtype) for x in xs])


def _compared(op: str) -> Callable[..., str]:
    def write(w: Writer, node: Node, a: Value, b: Value) -> str:
        dtype = np.promote_types(a.dtype, b.dtype)
        if dtype == np.bool_ and op != "Equal":
            dtype = np.dtype(np.int32)  # ONNX orders numbers alone
        return w.add(op, [w.cast(a, dtype), w.cast(b, dtype)])

    return write


def _logical(op: str) -> Callable[..., str]:
    return lambda w, node, *xs: w.add(op, [w.cast(x, np.bool_) for x in xs])


def _bitwise(numbers: str, booleans: str) -> Callable[..., str]:
    return lambda w, node, *xs: w.add(booleans if node.output.dtype == np.bool_ else numbers, [w.cast(x, node.output.dtype) for x in xs])


for _name, _op in PLAIN.items():
    rule(_name)(_plain(_op))
for _name, _op in COMPARISONS.items():
    rule(_name)(_compared(_op))
for _name, _op in LOGICAL.items():
    rule(_name)(_logical(_op))
for _name, _ops in BITWISE.items():
    rule(_name, since=18)(_bitwise(*_ops))


@rule("add")
def _add(w: Writer, node: Node, a: Value, b: Value) -> str:
    for x, bias in ((a, b), (b, a)):
        if (joined := _as_bias(w, x, bias)) is not None:
            return joined
    return w.add("Add", [w.cast(a, node.output.dtype), w.cast(b, node.output.dtype)])


def _as_bias(w: Writer, x: Value, bias: Value) -> str | None:
    """The sum as one more operand of the convolution or product that gives ``x``, where ``bias`` has a number for each channel."""
    product, data = w.written_by(x), w.known.get(bias)
    if product is None or data is None or len(product.input) != 2 or product.op_type not in ("Conv", "ConvTranspose", "Gemm"):
        return None
    channel = 1 if product.op_type != "Gemm" else x.ndim - 1
    if bias.ndim > x.ndim or bias.dtype != x.dtype or w.shape(x)[channel] != data.size:
        return None
    if data.shape != (1,) * (bias.ndim - (x.ndim - channel)) + (data.size,) + (1,) * (x.ndim - channel - 1):
        return None
    product.input.append(w.constant(data.reshape(-1), bias.name or "bias"))
    return w.name_of(x)


@rule("not_equal")
def _not_equal(w: Writer, node: Node, a: Value, b: Value) -> str:
    return w.add("Not", [_compared("Equal")(w, node, a, b)])


@rule("logical_not")
def _logical_not(w: Writer, node: Node, x: Value) -> str:
    return w.add("Not", [w.cast(x, np.bool_)])


@rule("invert", since=18)
def _invert(w: Writer, node: Node, x: Value) -> str:
    return w.add("Not" if x.dtype == np.bool_ else "BitwiseNot", [x])


@rule("copy", "round_straight", "gradient_multiplier", "make_loss")
def _copy(w: Writer, node: Node, x: Value, **_: Any) -> str:
    return w.add("Round" if node.op.name == "round_straight" else "Identity", [x])


@rule("cast")
def _cast(w: Writer, node: Node, x: Value, dtype: Any) -> str:
    return w.cast(x, dtype) if x.dtype != node.output.dtype else w.add("Identity", [x])


@rule("clip")
def _clip(w: Writer, node: Node, x: Value, a_min: Any, a_max: Any) -> str:
    if not dtypes.is_floating(x.dtype):
        info = np.iinfo(x.dtype)
        a_min, a_max = [n if n is None else min(max(n, info.min), info.max) for n in (a_min, a_max)]
    bounds = [w.number(n, x.dtype) if n is not None else "" for n in (a_min, a_max)]
    return w.add("Clip", [w.name(x), *bounds])


@rule("where")
def _where(w: Writer, node: Node, condition: Value, a: Value, b: Value) -> str:
    return w.add("Where", [w.cast(condition, np.bool_), w.cast(a, node.output.dtype), w.cast(b, node.output.dtype)])


@rule("square")
def _square(w: Writer, node: Node, x: Value) -> str:
    return w.add("Mul", [x, x])


@rule("exp2")
def _exp2(w: Writer, node: Node, x: Value) -> str:
    return w.add("Pow", [w.number(2, node.output.dtype), w.cast(x, node.output.dtype)])


@rule("log2", "log10")
def _log_of_base(w: Writer, node: Node, x: Value) -> str:
    dtype = node.output.dtype
    base = math.log(2 if node.op.name == "log2" else 10)
    return w.add("Div", [w.add("Log", [w.cast(x, dtype)]), w.number(base, dtype)])


@rule("trunc")
def _trunc(w: Writer, node: Node, x: Value) -> str:
    return w.add("Mul", [w.add("Sign", [x]), w.add("Floor", [w.add("Abs", [x])])])


@rule("cbrt")
def _cbrt(w: Writer, node: Node, x: Value) -> str:
    dtype = node.output.dtype
    x_cast = w.cast(x, dtype)
    return w.add("Mul", [w.add("Sign", [x_cast]), w.add("Pow", [w.add("Abs", [x_cast]), w.number(1 / 3, dtype)])])


@rule("erfc")
def _erfc(w: Writer, node: Node, x: Value) -> str:
    return w.add("Sub", [w.number(1, node.output.dtype), w.add("Erf", [w.cast(x, node.output.dtype)])])


@rule("isnan")
def _isnan(w: Writer, node: Node, x: Value) -> str:
    return w.add("IsNaN", [w.cast(x, x.dtype if dtypes.is_floating(x.dtype) else np.float32)])


@rule("isinf")
def _isinf(w: Writer, node: Node, x: Value) -> str:
    return w.add("IsInf", [w.cast(x, np.float32)])


@rule("isfinite")
def _isfinite(w: Writer, node: Node, x: Value) -> str:
    wide = w.cast(x, np.float32)
    return w.add("Not", [w.add("Or", [w.add("IsInf", [wide]), w.add("IsNaN", [wide])])])


@rule("hypot")
def _hypot(w: Writer, node: Node, a: Value, b: Value) -> str:
    """Scaled by the larger one, so that no square overflows."""
    a_abs, b_abs = [w.add("Abs", [w.cast(x, node.output.dtype)]) for x in (a, b)]
    most = w.add("Max", [a_abs, b_abs])
    zero, one = w.number(0, node.output.dtype), w.number(1, node.output.dtype)
    safe = w.add("Where", [w.add("Equal", [most, zero]), one, most])
    squares = []
    for x in (a_abs, b_abs):
        part = w.add("Div", [x, safe])
        squares.append(w.add("Mul", [part, part]))
    return w.add("Mul", [most, w.add("Sqrt", [w.add("Add", squares)])])


@rule("floor_divide")
def _floor_divide(w: Writer, node: Node, a: Value, b: Value) -> str:
    dtype = node.output.dtype
    a_cast, b_cast = w.cast(a, dtype), w.cast(b, dtype)
    if _floating(node):
        return w.add("Floor", [w.add("Div", [a_cast, b_cast])])
    # Whole numbers are divided towards zero there: what the remainder (of the divisor's sign) leaves can be divided without one.
    return w.add("Div", [w.add("Sub", [a_cast, w.add("Mod", [a_cast, b_cast])]), b_cast])


@rule("mod")
def _mod(w: Writer, node: Node, a: Value, b: Value) -> str:
    dtype = node.output.dtype
    a_cast, b_cast = w.cast(a, dtype), w.cast(b, dtype)
    if not _floating(node):
        return w.add("Mod", [a_cast, b_cast])
    remainder = w.add("Mod", [a_cast, b_cast], fmod=1)  # of the dividend's sign; ours is of the divisor's
    zero = w.number(0, dtype)
    other = w.add("Less", [w.add("Mul", [remainder, w.add("Sign", [b_cast])]), zero])
    return w.add("Where", [other, w.add("Add", [remainder, b_cast]), remainder])


@rule("fmod")
def _fmod(w: Writer, node: Node, a: Value, b: Value) -> str:
    return w.add("Mod", [w.cast(a, node.output.dtype), w.cast(b, node.output.dtype)], fmod=1)


@rule("fmax", "fmin")
def _ignoring_nan(w: Writer, node: Node, a: Value, b: Value) -> str:
    dtype = node.output.dtype
    a_cast, b_cast = w.cast(a, dtype), w.cast(b, dtype)
    both = w.add("Max" if node.op.name == "fmax" else "Min", [a_cast, b_cast])
    if not _floating(node):
        return both
    return w.add("Where", [w.add("IsNaN", [a_cast]), b_cast, w.add("Where", [w.add("IsNaN", [b_cast]), a_cast, both])])


@rule("elu", fits=_floating)
def _elu(w: Writer, node: Node, x: Value, alpha: float = 1.0) -> str:
    return w.add("Elu", [x], alpha=float(alpha))


@rule("leaky_relu", fits=_floating)
def _leaky_relu(w: Writer, node: Node, x: Value, slope: float) -> str:
    return w.add("LeakyRelu", [x], alpha=float(slope))


@rule("gelu", since=20, fits=_floating)
def _gelu(w: Writer, node: Node, x: Value) -> str:
    return w.add("Gelu", [x])


@rule("gelu_tanh", since=20, fits=_floating)
def _gelu_tanh(w: Writer, node: Node, x: Value) -> str:
    return w.add("Gelu", [x], approximate="tanh")


def _log1p_of(w: Writer, x: str, dtype: Any) -> str:
    """The logarithm of 1 + x to full precision near 0: what the rounding of 1 + x lost is put back by x / ((1 + x) - 1)."""
    one = w.number(1, dtype)
    u = w.add("Add", [x, one])
    rounded = w.add("Equal", [u, one])
    rest = w.add("Where", [rounded, one, w.add("Sub", [u, one])])
    infinite = w.add("IsInf", [x])
    share = w.add("Where", [w.add("Or", [rounded, infinite]), one, w.add("Div", [x, rest])])
    return w.add("Where", [rounded, x, w.add("Mul", [w.add("Log", [u]), share])])


@rule("log1p")
def _log1p(w: Writer, node: Node, x: Value) -> str:
    return _log1p_of(w, w.cast(x, node.output.dtype), node.output.dtype)


@rule("expm1")
def _expm1(w: Writer, node: Node, x: Value) -> str:
    """2 tanh(x / 2) / (1 - tanh(x / 2)) near 0, where exp(x) - 1 loses digits."""
    dtype = node.output.dtype
    x_cast, one, two = w.cast(x, dtype), w.number(1, dtype), w.number(2, dtype)
    half = w.add("Tanh", [w.add("Div", [x_cast, two])])
    near = w.add("Div", [w.add("Mul", [half, two]), w.add("Sub", [one, half])])
    is_near = w.add("Less", [w.add("Abs", [x_cast]), one])
    return w.add("Where", [is_near, near, w.add("Sub", [w.add("Exp", [x_cast]), one])])


@rule("logaddexp")
def _logaddexp(w: Writer, node: Node, a: Value, b: Value) -> str:
    dtype = node.output.dtype
    a_cast, b_cast = w.cast(a, dtype), w.cast(b, dtype)
    most = w.add("Max", [a_cast, b_cast])
    same = w.add("Equal", [a_cast, b_cast])  # two infinities too, whose difference is no number
    apart = w.add("Where", [same, w.number(0, dtype), w.add("Abs", [w.add("Sub", [a_cast, b_cast])])])
    return w.add("Add", [most, _log1p_of(w, w.add("Exp", [w.add("Neg", [apart])]), dtype)])


@rule("arctan2")
def _arctan2(w: Writer, node: Node, y: Value, x: Value) -> str:
    """The angle in the right half of the plane, and half a turn more in the left one, towards y's side."""
    dtype = node.output.dtype
    y_cast, x_cast, zero = w.cast(y, dtype), w.cast(x, dtype), w.number(0, dtype)
    origin = w.add("And", [w.add("Equal", [x_cast, zero]), w.add("Equal", [y_cast, zero])])
    right = w.add("Where", [origin, zero, w.add("Atan", [w.add("Div", [y_cast, x_cast])])])
    turn = w.add("Where", [w.add("Less", [y_cast, zero]), w.number(-math.pi, dtype), w.number(math.pi, dtype)])
    return w.add("Where", [w.add("Less", [x_cast, zero]), w.add("Add", [right, turn]), right])
