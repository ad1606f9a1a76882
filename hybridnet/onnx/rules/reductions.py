"""Reductions, positions of extremes, running sums and sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer

REDUCTIONS = {"sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}


def _reduce(w: Writer, op: str, x: Value | str, axis: tuple[int, ...], keepdims: bool) -> str:
    """Reduce over axes; from opset 18 on (for sums from 13) they are an operand."""
    if not axis:
        return w.add("Identity", [x])
    if op == "ReduceSum" or w.opset >= 18:
        return w.add(op, [w.name(x), w.integers(axis)], keepdims=int(keepdims))
    return w.add(op, [x], axes=list(axis), keepdims=int(keepdims))


def _reduction(op: str) -> Callable[..., str]:
    return lambda w, node, x, axis, keepdims: _reduce(w, op, w.cast(x, node.output.dtype), axis, keepdims)


for _name, _op in REDUCTIONS.items():
    rule(_name)(_reduction(_op))


@rule("all", "any")
def _truth(w: Writer, node: Node, x: Value, axis: tuple[int, ...], keepdims: bool) -> str:
    numbers = w.cast(w.add("Cast", [w.cast(x, np.bool_)], to=6), np.int32)
    return w.add("Cast", [_reduce(w, "ReduceMin" if node.op.name == "all" else "ReduceMax", numbers, axis, keepdims)], to=9)


@rule("argmax", "argmin")
def _extreme(w: Writer, node: Node, x: Value, axis: int, keepdims: bool) -> str:
    numbers = w.cast(x, np.int32) if x.dtype == np.bool_ else w.name(x)
    found = w.add("ArgMax" if node.op.name == "argmax" else "ArgMin", [numbers], axis=axis, keepdims=int(keepdims))
    return found if node.output.dtype == np.int64 else w.cast(found, node.output.dtype)


@rule("cumsum")
def _cumsum(w: Writer, node: Node, x: Value, axis: int) -> str:
    return w.add("CumSum", [w.cast(x, node.output.dtype), w.number(axis, np.int64)])


@rule("argsort")
def _argsort(w: Writer, node: Node, x: Value, axis: int, descending: bool) -> str:
    """Of equal elements the first comes first, as with a stable sort; NaN, which ours put last, may come elsewhere."""
    count = w.size(w.shape(x)[axis])
    _, places = w.add_all("TopK", [w.name(x), count], 2, axis=axis, largest=int(descending), sorted=1)
    return places if node.output.dtype == np.int64 else w.cast(places, node.output.dtype)


def _floats(node: Node) -> bool:
    return dtypes.is_floating(node.output.dtype)


@rule("logsumexp", fits=_floats)
def _logsumexp(w: Writer, node: Node, x: Value, axis: tuple[int, ...], keepdims: bool) -> str:
    return _reduce(w, "ReduceLogSumExp", x, axis, keepdims)


@rule("global_avg_pool", fits=_floats)
def _global_average(w: Writer, node: Node, x: Value, axis: tuple[int, ...], **_: Any) -> str:
    if axis == tuple(range(2, x.ndim)):
        return w.add("GlobalAveragePool", [x])
    return _reduce(w, "ReduceMean", x, axis, True)


@rule("softmax", "log_softmax", fits=lambda node: len(node.inputs) == 1 and _floats(node))
def _softmax(w: Writer, node: Node, x: Value, axis: int) -> str:
    return w.add("Softmax" if node.op.name == "softmax" else "LogSoftmax", [w.cast(x, node.output.dtype)], axis=axis)
