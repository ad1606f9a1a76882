"""Reductions and positions of extremes, softmax, norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import numpy as mnp
from hybridnet import numpy_extension as npx
from hybridnet.core import call as core
from hybridnet.onnx.operators import Call, operator

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": mnp.sum,
    "ReduceProd": mnp.prod,
    "ReduceMean": mnp.mean,
    "ReduceMax": mnp.max,
    "ReduceMin": mnp.min,
    "ReduceL1": lambda x, **kw: mnp.abs(x).sum(**kw),
    "ReduceL2": lambda x, **kw: mnp.sqrt((x * x).sum(**kw)),
    "ReduceSumSquare": lambda x, **kw: (x * x).sum(**kw),
    "ReduceLogSum": lambda x, **kw: mnp.log(x.sum(**kw)),
    "ReduceLogSumExp": lambda x, axis, keepdims: core(
        "logsumexp", x, axis=tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in axis), keepdims=keepdims
    ),
}

EMPTY = {"ReduceMax": -np.inf, "ReduceMin": np.inf}  # of no elements


def _reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    def compute(call: Call, x: Any, axes: Any = None) -> Any:
        chosen = call.integers("axes", axes)
        if not chosen:
            if call.get("noop_with_empty_axes", 0):
                return f(mnp.expand_dims(x, 0), axis=(0,), keepdims=False)
            chosen = None
        if x.size == 0 and call.op in EMPTY:
            sizes = np.max(
                np.zeros(x.shape), axis=None if chosen is None else tuple(chosen), keepdims=bool(call.get("keepdims", 1)), initial=0
            )
            return mnp.full(sizes.shape, EMPTY[call.op], dtype=x.dtype)
        return f(x, axis=None if chosen is None else tuple(chosen), keepdims=bool(call.get("keepdims", 1))).astype(x.dtype)

    return compute


for _name, _f in REDUCTIONS.items():
    operator(_name)(_reduction(_f))


@operator("ArgMax", "ArgMin")
def _extreme(call: Call, x: Any) -> Any:
    find = mnp.argmax if call.op == "ArgMax" else mnp.argmin
    axis = call.get("axis", 0)
    if call.get("select_last_index", 0):
        found = x.shape[axis] - 1 - find(mnp.flip(x, axis), axis=axis)
    else:
        found = find(x, axis=axis)
    found = found.astype("int64")
    return mnp.expand_dims(found, axis) if call.get("keepdims", 1) else found


@operator("Softmax", "LogSoftmax", "Hardmax")
def _softmax(call: Call, x: Any) -> Any:
    axis = call.get("axis", -1 if call.opset >= 13 else 1)
    shape = x.shape
    if call.opset < 13:  # over all axes from that one on
        axis += x.ndim if axis < 0 else 0
        rows = 1
        for n in shape[:axis]:
            rows *= n
        x, axis = x.reshape(rows, -1), -1
    if call.op == "Hardmax":
        size = x.shape[axis]
        first = mnp.expand_dims(mnp.argmax(x, axis=axis), axis)
        places = mnp.arange(size, dtype=first.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis % x.ndim))
        y = (first == places).astype(x.dtype)
    else:
        y = npx.softmax(x, axis=axis) if call.op == "Softmax" else npx.log_softmax(x, axis=axis)
    return y.reshape(shape)


@operator("LpNormalization")
def _lp_normalization(call: Call, x: Any) -> Any:
    axis = call.get("axis", -1)
    size = mnp.abs(x).sum(axis=axis, keepdims=True) if call.get("p", 2) == 1 else mnp.sqrt((x * x).sum(axis=axis, keepdims=True))
    return mnp.where(size == 0, mnp.zeros_like(x), x / mnp.where(size == 0, 1, size))


@operator("MeanVarianceNormalization")
def _mean_variance(call: Call, x: Any) -> Any:
    axes = tuple(call.get("axes", [0, 2, 3]))
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / (mnp.sqrt((centred * centred).mean(axis=axes, keepdims=True)) + 1e-9)
