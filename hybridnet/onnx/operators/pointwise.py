"""Arithmetic, comparisons, functions of one number, casts."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from onnx import helper

from hybridnet import numpy as mnp
from hybridnet import numpy_extension as npx
from hybridnet.core import call as core
from hybridnet.onnx.operators import Call, operator

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": mnp.abs, "Acos": mnp.arccos, "Acosh": mnp.arccosh, "Asin": mnp.arcsin, "Asinh": mnp.arcsinh, "Atan": mnp.arctan,
    "Atanh": mnp.arctanh, "Ceil": mnp.ceil, "Cos": mnp.cos, "Cosh": mnp.cosh, "Erf": npx.erf, "Exp": mnp.exp, "Floor": mnp.floor,
    "Identity": lambda x: x, "IsNaN": mnp.isnan, "Log": mnp.log, "Neg": mnp.negative, "Not": mnp.logical_not, "Reciprocal": lambda x: 1 / x,
    "Relu": npx.relu, "Round": mnp.rint, "Sigmoid": npx.sigmoid, "Sign": mnp.sign, "Sin": mnp.sin, "Sinh": mnp.sinh,
    "Softplus": lambda x: mnp.logaddexp(x, 0), "Softsign": lambda x: x / (1 + mnp.abs(x)), "Sqrt": mnp.sqrt, "Tan": mnp.tan,
    "Tanh": mnp.tanh, "BitwiseNot": mnp.bitwise_not, "Mish": lambda x: x * mnp.tanh(mnp.logaddexp(x, 0)),
}  # fmt: skip
OF_TWO: dict[str, Callable[..., Any]] = {
    "Add": mnp.add, "Sub": mnp.subtract, "Mul": mnp.multiply, "Equal": mnp.equal, "Greater": mnp.greater,
    "GreaterOrEqual": mnp.greater_equal, "Less": mnp.less, "LessOrEqual": mnp.less_equal, "And": mnp.logical_and, "Or": mnp.logical_or,
    "Xor": mnp.logical_xor, "BitwiseAnd": mnp.bitwise_and, "BitwiseOr": mnp.bitwise_or, "BitwiseXor": mnp.bitwise_xor,
}  # fmt: skip


def _function(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda call, x: f(x)


def _aligned(call: Call, b: Any, ndim: int) -> Any:
    """The second operand where, before opset 7, it was to begin at an axis of the first."""
    if call.opset >= 7 or not call.get("broadcast") or b.ndim == 0:
        return b
    axis = call.get("axis", ndim - b.ndim) % ndim
    return b.reshape(*b.shape, *[1] * (ndim - axis - b.ndim))


def _of_two(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda call, a, b: f(a, _aligned(call, b, a.ndim))


for _name, _f in FUNCTIONS.items():
    operator(_name)(_function(_f))
for _name, _f in OF_TWO.items():
    operator(_name)(_of_two(_f))


@operator("Div")
def _div(call: Call, a: Any, b: Any) -> Any:
    b = _aligned(call, b, a.ndim)
    if a.dtype.kind == "f":
        return a / b
    quotient = mnp.floor_divide(mnp.abs(a), mnp.abs(b))  # towards zero
    return mnp.where(mnp.logical_xor(a < 0, b < 0), -quotient, quotient).astype(a.dtype)


@operator("Pow")
def _pow(call: Call, a: Any, b: Any) -> Any:
    return mnp.power(a, _aligned(call, b, a.ndim)).astype(a.dtype)


@operator("Mod")
def _mod(call: Call, a: Any, b: Any) -> Any:
    return mnp.fmod(a, b) if call.get("fmod", 0) else mnp.mod(a, b)


@operator("Max")
def _max(call: Call, *xs: Any) -> Any:
    return reduce(mnp.maximum, xs)


@operator("Min")
def _min(call: Call, *xs: Any) -> Any:
    return reduce(mnp.minimum, xs)


@operator("Sum")
def _sum(call: Call, *xs: Any) -> Any:
    return reduce(mnp.add, xs)


@operator("Mean")
def _mean(call: Call, *xs: Any) -> Any:
    return reduce(mnp.add, xs) / len(xs)


@operator("Where")
def _where(call: Call, condition: Any, a: Any, b: Any) -> Any:
    return mnp.where(condition, a, b)


@operator("Clip")
def _clip(call: Call, x: Any, low: Any = None, high: Any = None) -> Any:
    low = call.get("min") if low is None else low
    high = call.get("max") if high is None else high
    if low is not None:
        x = mnp.maximum(x, low).astype(x.dtype)
    return x if high is None else mnp.minimum(x, high).astype(x.dtype)


@operator("Cast")
def _cast(call: Call, x: Any) -> Any:
    return _as(call, x, helper.tensor_dtype_to_np_dtype(call.get("to")))


@operator("CastLike")
def _cast_like(call: Call, x: Any, like: Any) -> Any:
    return _as(call, x, like.dtype)


def _as(call: Call, x: Any, dtype: Any) -> Any:
    if np.dtype(dtype).kind in "OUS":
        call.refuse("numbers", "strings")
    return x.astype(dtype)


@operator("IsInf")
def _isinf(call: Call, x: Any) -> Any:
    found = mnp.isinf(x)
    if not call.get("detect_negative", 1):
        found = mnp.logical_and(found, x > 0)
    if not call.get("detect_positive", 1):
        found = mnp.logical_and(found, x < 0)
    return found


@operator("LeakyRelu")
def _leaky_relu(call: Call, x: Any) -> Any:
    return mnp.where(x < 0, x * call.get("alpha", 0.01), x)


@operator("PRelu")
def _prelu(call: Call, x: Any, slope: Any) -> Any:
    if call.opset < 7 and slope.ndim == 1:
        slope = slope.reshape(-1, *[1] * (x.ndim - 2))
    return mnp.where(x < 0, x * slope, x)


@operator("Elu")
def _elu(call: Call, x: Any) -> Any:
    return mnp.where(x < 0, call.get("alpha", 1.0) * mnp.expm1(mnp.minimum(x, 0)), x)


@operator("Celu")
def _celu(call: Call, x: Any) -> Any:
    alpha = call.get("alpha", 1.0)
    return mnp.maximum(x, 0) + mnp.minimum(alpha * mnp.expm1(mnp.minimum(x, 0) / alpha), 0)


@operator("Selu")
def _selu(call: Call, x: Any) -> Any:
    alpha, gamma = call.get("alpha", 1.6732632423543772), call.get("gamma", 1.0507009873554805)
    return gamma * mnp.where(x > 0, x, alpha * mnp.expm1(mnp.minimum(x, 0)))


@operator("ThresholdedRelu")
def _thresholded(call: Call, x: Any) -> Any:
    return mnp.where(x > call.get("alpha", 1.0), x, mnp.zeros_like(x))


@operator("HardSigmoid")
def _hard_sigmoid(call: Call, x: Any) -> Any:
    return mnp.clip(x * call.get("alpha", 0.2) + call.get("beta", 0.5), 0, 1)


@operator("HardSwish")
def _hard_swish(call: Call, x: Any) -> Any:
    return x * mnp.clip(x / 6 + 0.5, 0, 1)


@operator("Swish")
def _swish(call: Call, x: Any) -> Any:
    return x * npx.sigmoid(x * call.get("alpha", 1.0))


@operator("Gelu")
def _gelu(call: Call, x: Any) -> Any:
    return core("gelu_tanh" if call.get("approximate", "none") == "tanh" else "gelu", x)


@operator("Shrink")
def _shrink(call: Call, x: Any) -> Any:
    lambd, bias = call.get("lambd", 0.5), call.get("bias", 0.0)
    return mnp.where(x < -lambd, x + bias, mnp.where(x > lambd, x - bias, mnp.zeros_like(x))).astype(x.dtype)


@operator("BitShift")
def _bit_shift(call: Call, x: Any, y: Any) -> Any:
    return mnp.left_shift(x, y) if call.get("direction") == "LEFT" else mnp.right_shift(x, y)
