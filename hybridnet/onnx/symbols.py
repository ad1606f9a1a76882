"""How ONNX's operators are written in symbols of MXNet's.

A writer is a function of the symbols so far, the node, and the names of its operands; it gives a symbol, or a list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from hybridnet import symbol as sym
from hybridnet.onnx.operators import Call
from hybridnet.symbol import Symbol


class Symbols:
    """What was written so far. ``values``: symbols by ONNX's names; ``arrays``: parameters, and constants that are read here."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.arrays: dict[str, np.ndarray] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.values: dict[str, Symbol] = {x.name: sym.var(x.name) for x in model.graph.input if x.name not in self.arrays}

    def of(self, name: str) -> Symbol:
        """The symbol of an operand; of a parameter its variable."""
        if name not in self.values:
            self.values[name] = sym.var(name)
        return self.values[name]

    def known(self, call: Call, name: str) -> np.ndarray:
        """An operand that must be a constant."""
        if name not in self.arrays:
            call.refuse("shapes and axes that are constants", f"{name!r}, which is computed", "import_to_gluon")
        return self.arrays[name]

    def changed(self, name: str, array: np.ndarray) -> Symbol:
        """A parameter in another layout, as a variable of its own."""
        label = f"{name}_transposed"
        self.arrays[label] = array
        return self.of(label)


Write = Callable[..., Any]
SYMBOLS: dict[str, Write] = {}


def writes(*names: str) -> Callable[[Write], Write]:
    """Enter a function for the operators of these names."""

    def enter(function: Write) -> Write:
        SYMBOLS.update(dict.fromkeys(names, function))
        return function

    return enter


def _pointwise(function: Callable[..., Symbol]) -> Write:
    return lambda s, call, *names: function(*[s.of(name) for name in names])


SYMBOLS |= {
    name: _pointwise(getattr(sym, function))
    for name, function in {
        "Abs": "abs", "Acos": "arccos", "Acosh": "arccosh", "Add": "broadcast_add", "Asin": "arcsin", "Asinh": "arcsinh",
        "Atan": "arctan", "Atanh": "arctanh", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Div": "broadcast_div", "Erf": "erf",
        "Exp": "exp", "Floor": "floor", "Identity": "identity", "Log": "log", "Mul": "broadcast_mul", "Neg": "negative",
        "Pow": "broadcast_power", "Reciprocal": "reciprocal", "Relu": "relu", "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin",
        "Sinh": "sinh", "Softsign": "softsign", "Sqrt": "sqrt", "Sub": "broadcast_sub", "Sum": "add_n", "Tan": "tan", "Tanh": "tanh",
    }.items()
}  # fmt: skip


@writes("Max", "Min")
def _extreme(s: Symbols, call: Call, *names: str) -> Symbol:
    operator = sym.broadcast_maximum if call.op == "Max" else sym.broadcast_minimum
    found = s.of(names[0])
    for name in names[1:]:
        found = operator(found, s.of(name))
    return found


@writes("Dropout")
def _dropout(s: Symbols, call: Call, x: str, *_: str) -> Symbol:
    return sym.identity(s.of(x))


@writes("LeakyRelu", "Elu", "Selu", "PRelu", "Gelu", "Softplus", "HardSigmoid")
def _activation(s: Symbols, call: Call, x: str, slope: str = "") -> Symbol:
    data = s.of(x)
    if call.op == "Softplus":
        return sym.Activation(data, act_type="softrelu")
    if call.op == "HardSigmoid":
        return sym.hard_sigmoid(data, alpha=call.get("alpha", 0.2), beta=call.get("beta", 0.5))
    if call.op == "PRelu":
        learnt = s.known(call, slope)
        return sym.LeakyReLU(data, s.changed(slope, learnt.reshape(-1)), act_type="prelu")
    kinds = {"LeakyRelu": ("leaky", 0.01), "Elu": ("elu", 1.0), "Selu": ("selu", 0.0), "Gelu": ("gelu", 0.0)}
    kind, usual = kinds[call.op]
    if call.op == "Gelu" and call.get("approximate", "none") != "none":
        call.refuse("a gelu that is exact", "an approximate one", "import_to_gluon")
    return sym.LeakyReLU(data, act_type=kind, slope=call.get("alpha", usual))


@writes("Clip")
def _clip(s: Symbols, call: Call, x: str, low: str = "", high: str = "") -> Symbol:
    ends = [
        float(s.known(call, name).reshape(())) if name else float(call.get(key, usual))
        for name, key, usual in ((low, "min", -3.4e38), (high, "max", 3.4e38))
    ]
    return sym.clip(s.of(x), *ends)


@writes("Cast")
def _cast(s: Symbols, call: Call, x: str) -> Symbol:
    return sym.cast(s.of(x), dtype=str(onnx.helper.tensor_dtype_to_np_dtype(call.get("to", 1))))


# -- layers -------------------------------------------------------------------------------------------


def _windows(s: Symbols, call: Call, x: str, kernel: tuple[int, ...], fill: float = 0.0) -> tuple[Symbol, dict[str, Any]]:
    """The data, padded where both sides differ, and the windows over it."""
    n = len(kernel)
    if call.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        call.refuse("padding that is said", call.get("auto_pad", ""), "import_to_gluon")
    pads = [int(p) for p in call.get("pads", [0] * 2 * n)]
    data = s.of(x)
    if pads[:n] != pads[n:]:
        width = [0, 0, 0, 0, *[p for pair in zip(pads[:n], pads[n:], strict=True) for p in pair]]
        data, pads = sym.pad(data, mode="constant", pad_width=tuple(width), constant_value=fill), [0] * 2 * n
    return data, {"kernel": kernel, "stride": tuple(call.get("strides", [1] * n)), "pad": tuple(pads[:n])}


@writes("Conv", "ConvTranspose")
def _convolution(s: Symbols, call: Call, x: str, w: str, b: str = "") -> Symbol:
    weight = s.known(call, w)
    data, said = _windows(s, call, x, weight.shape[2:])
    said |= {"dilate": tuple(call.get("dilations", [1] * (weight.ndim - 2))), "num_group": call.get("group", 1), "no_bias": not b}
    operands = [data, s.of(w), *([s.of(b)] if b else [])]
    if call.op == "Conv":
        return sym.Convolution(*operands, num_filter=weight.shape[0], **said)
    if call.get("output_shape", None) is not None:
        call.refuse("padding that is said", "output_shape", "import_to_gluon")
    said["adj"] = tuple(call.get("output_padding", [0] * (weight.ndim - 2)))
    return sym.Deconvolution(*operands, num_filter=weight.shape[1] * said["num_group"], **said)


@writes("MaxPool", "AveragePool")
def _pool(s: Symbols, call: Call, x: str) -> Symbol:
    largest = call.op == "MaxPool"
    data, said = _windows(s, call, x, tuple(call.get("kernel_shape", [])), -3.4e38 if largest else 0.0)
    uneven = data is not s.of(x)
    counted = bool(call.get("count_include_pad", 0))
    if any(d != 1 for d in call.get("dilations", [1])) or sum(call.wanted) > 1 or (uneven and not largest and not counted):
        call.refuse("a plain pool", "dilations, places, or padding of one side that does not count", "import_to_gluon")
    said["pooling_convention"] = "full" if call.get("ceil_mode", 0) else "valid"
    return sym.Pooling(data, pool_type="max" if largest else "avg", count_include_pad=counted, **said)


@writes("GlobalMaxPool", "GlobalAveragePool")
def _global_pool(s: Symbols, call: Call, x: str) -> Symbol:
    return sym.Pooling(s.of(x), global_pool=True, kernel=(1, 1), pool_type="max" if call.op == "GlobalMaxPool" else "avg")


@writes("BatchNormalization", "InstanceNormalization", "LayerNormalization")
def _norm(s: Symbols, call: Call, *names: str) -> Symbol:
    data = [s.of(name) for name in names]
    eps = call.get("epsilon", 1e-5)
    if call.op == "BatchNormalization":
        return sym.BatchNorm(*data, eps=eps, fix_gamma=False, use_global_stats=True)
    if call.op == "InstanceNormalization":
        return sym.InstanceNorm(*data, eps=eps)
    if len(names) < 3 or call.get("axis", -1) != -1 or sum(call.wanted) > 1:
        call.refuse("a norm of the last axis with a bias", "another", "import_to_gluon")
    return sym.LayerNorm(*data, axis=-1, eps=eps)


@writes("LRN")
def _lrn(s: Symbols, call: Call, x: str) -> Symbol:
    said = {"alpha": call.get("alpha", 1e-4), "beta": call.get("beta", 0.75), "knorm": call.get("bias", 1.0), "nsize": call.get("size", 1)}
    return sym.LRN(s.of(x), **said)


@writes("Gemm", "MatMul")
def _product(s: Symbols, call: Call, x: str, w: str, b: str = "") -> Symbol:
    """A dense layer of a parameter; of two arrays that are computed, matrices of as many dimensions."""
    if call.op == "Gemm" and (call.get("transA", 0) or call.get("alpha", 1.0) != 1 or (b and call.get("beta", 1.0) != 1)):
        call.refuse("a dense layer", "factors, or data that is transposed", "import_to_gluon")
    if w not in s.arrays or s.arrays[w].ndim != 2:
        if b or call.get("transB", 0):
            call.refuse("a dense layer of a parameter", "one that is computed", "import_to_gluon")
        return sym.linalg.gemm2(s.of(x), s.of(w))
    weight = s.arrays[w]
    turned = bool(call.get("transB", 0))
    operands = [s.of(x), s.of(w) if turned else s.changed(w, np.ascontiguousarray(weight.T)), *([s.of(b)] if b else [])]
    return sym.FullyConnected(*operands, num_hidden=weight.shape[0 if turned else 1], no_bias=not b, flatten=False)


@writes("Softmax", "LogSoftmax")
def _softmax(s: Symbols, call: Call, x: str) -> Symbol:
    operator = sym.softmax if call.op == "Softmax" else sym.log_softmax
    axis = call.get("axis", -1 if call.opset >= 13 else 1)
    if call.opset >= 13 or axis == -1:
        return operator(s.of(x), axis=axis)
    if axis != 1:
        call.refuse("softmax of axis 1 before opset 13", f"axis {axis}", "import_to_gluon")
    return sym.reshape_like(operator(sym.Flatten(s.of(x)), axis=-1), s.of(x))  # all axes from that one on are one


# -- shapes -------------------------------------------------------------------------------------------


def _numbers(s: Symbols, call: Call, key: str, name: str) -> tuple[int, ...] | None:
    """Numbers that are an attribute, or an operand in later opsets."""
    if name:
        return tuple(int(n) for n in s.known(call, name).reshape(-1))
    found = call.get(key, None)
    return None if found is None else tuple(int(n) for n in found)


@writes("Reshape")
def _reshape(s: Symbols, call: Call, x: str, shape: str = "") -> Symbol:
    return sym.reshape(s.of(x), shape=_numbers(s, call, "shape", shape))


@writes("Flatten")
def _flatten(s: Symbols, call: Call, x: str) -> Symbol:
    if call.get("axis", 1) != 1:
        call.refuse("all axes but the first as one", f"those from {call.get('axis', 1)} on", "import_to_gluon")
    return sym.Flatten(s.of(x))


@writes("Transpose")
def _transpose(s: Symbols, call: Call, x: str) -> Symbol:
    return sym.transpose(s.of(x), axes=tuple(call.get("perm", ())))


@writes("Concat")
def _concat(s: Symbols, call: Call, *names: str) -> Symbol:
    return sym.Concat(*[s.of(name) for name in names], dim=call.get("axis", 1))


@writes("Squeeze", "Unsqueeze")
def _squeeze(s: Symbols, call: Call, x: str, axes: str = "") -> Symbol:
    places = _numbers(s, call, "axes", axes)
    if call.op == "Squeeze":
        return sym.squeeze(s.of(x), axis=places)
    found = s.of(x)
    for place in sorted(places or ()):
        found = sym.expand_dims(found, axis=place)
    return found


@writes("Slice")
def _slice(s: Symbols, call: Call, x: str, starts: str = "", ends: str = "", axes: str = "", steps: str = "") -> Symbol:
    begin, end = _numbers(s, call, "starts", starts) or (), _numbers(s, call, "ends", ends) or ()
    places = _numbers(s, call, "axes", axes) or tuple(range(len(begin)))
    if any(step != 1 for step in _numbers(s, call, "steps", steps) or ()):
        call.refuse("steps of 1", "others", "import_to_gluon")
    found = s.of(x)
    for a, b, place in zip(begin, end, places, strict=True):
        found = sym.slice_axis(found, axis=place, begin=a, end=None if b > 1 << 30 else b)
    return found


@writes("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd")
def _reduce(s: Symbols, call: Call, x: str, axes: str = "") -> Symbol:
    operator = getattr(sym, call.op.removeprefix("Reduce").lower())
    return operator(s.of(x), axis=_numbers(s, call, "axes", axes) or (), keepdims=bool(call.get("keepdims", 1)))
