"""Algebra that costs nothing in precision: neutral elements, views of views, casts of casts, transposes into products.

One rule a function, tried by the operator's name; a rule gives the value that replaces the
node's output, or None. Operands of pointwise operators lose broadcasts that the operator does
by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hybridnet.core import Kind
from hybridnet.dtypes import bfloat16, float16, float32, float64, is_floating
from hybridnet.graph.ir import Graph, Node, Rewriter, Value

Rule = Callable[[Rewriter, Node, tuple[Value, ...], dict[Value, int]], Value | None]


def simplify(graph: Graph) -> Graph:
    """Apply the rules to each node in order; operands are simplified before their users."""
    rewriter = Rewriter(graph)
    uses = graph.uses()
    for node in graph.nodes:
        inputs = tuple(rewriter.of(v) for v in node.inputs)
        if node.op.kind is Kind.POINTWISE:
            inputs = _without_broadcasts(rewriter, node, inputs)
        rule = _RULES.get(node.op.name)
        new = rule(rewriter, node, inputs, uses) if rule else None
        if new is not None:
            rewriter.replace(node.output, new)
            continue
        if inputs != tuple(rewriter.of(v) for v in node.inputs):
            changed = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.outputs[0].device, node.site)
            rewriter.nodes.append(changed)
            for old, now in zip(node.outputs, changed.outputs, strict=True):
                rewriter.replace(old, now)
        else:
            rewriter.keep(node)
    return rewriter.finish()


def _without_broadcasts(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Read through ``broadcast_to``, and constants as scalars, where the result keeps its shape."""
    if len(inputs) < 2:
        return inputs
    current = list(inputs)
    for i, v in enumerate(current):
        producer = v.node
        if producer is None:
            continue
        if producer.op.name == "broadcast_to":
            small = producer.inputs[0]
        elif v.constant is not None and v.shape:
            small = rewriter.emit("full", (), {"shape": (), "value": v.constant, "dtype": v.dtype}, producer)
        else:
            continue
        shapes = [small.shape if j == i else w.shape for j, w in enumerate(current)]
        if np.broadcast_shapes(*shapes) == node.output.shape:
            current[i] = small
    return tuple(current)


def _same(value: Value, node: Node) -> bool:
    return value.shape == node.output.shape and value.dtype == node.output.dtype


def _neutral(number: int, *, right_only: bool = False) -> Rule:
    def rule(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
        a, b = inputs
        if b.constant == number and b.constant is not None and _same(a, node):
            return a
        if not right_only and a.constant == number and a.constant is not None and _same(b, node):
            return b
        return None

    return rule


def _multiply(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    """Neutral 1; and factors that are constants gathered into one: (x·a)·b, and (x·a)²·b."""
    found = _neutral(1)(rewriter, node, inputs, uses)
    if found is not None:
        return found
    split = _scaled(node, inputs)
    if split is None or not is_floating(node.output.dtype):
        return None
    x, factor = split
    squared = x.node is not None and x.node.op.name == "square"
    inner = x.node.inputs[0] if squared and x.node is not None else x
    deeper = _scaled(inner.node, inner.node.inputs) if inner.node is not None and inner.node.op.name == "multiply" else None
    if deeper is None:
        return None
    base, other = deeper
    if squared:
        base = rewriter.emit("square", (base,), {}, node)
        other = other * other
    constant = rewriter.emit("full", (), {"shape": (), "value": factor * other, "dtype": node.output.dtype}, node)
    return rewriter.emit("multiply", (base, constant), {}, node)


def _scaled(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, float] | None:
    """The array and the number of a product by a constant."""
    for x, c in (inputs, inputs[::-1]):
        if c.constant is not None and c.shape == () and x.constant is None and x.shape == node.output.shape:
            return x, c.constant
    return None


def _add(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    found = _neutral(0)(rewriter, node, inputs, uses)
    if found is not None:
        return found
    a, b = inputs
    if b.node is not None and b.node.op.name == "negative":
        return rewriter.emit("subtract", (a, b.node.inputs[0]), {}, node)
    if a.node is not None and a.node.op.name == "negative":
        return rewriter.emit("subtract", (b, a.node.inputs[0]), {}, node)
    return None


def _power(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    base, exponent = inputs
    if exponent.shape or not _same(base, node):
        return None
    match exponent.constant:
        case 1:
            return base
        case 2:
            return rewriter.emit("square", (base,), {}, node)
        case 0.5:
            return rewriter.emit("sqrt", (base,), {}, node)
    return None


def _identity(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    return inputs[0] if _same(inputs[0], node) else None


#: Which types hold every value of a narrower one.
_HOLDS = {float16: (float32, float64), bfloat16: (float32, float64), float32: (float64,)}


def _cast(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    """There and back through a wider type is nothing, and on to another type one cast."""
    x = inputs[0]
    if _same(x, node):
        return x
    if x.node is None or x.node.op.name != "cast" or not is_floating(node.output.dtype):
        return None
    source = x.node.inputs[0]
    if x.dtype not in _HOLDS.get(source.dtype, ()):
        return None
    return source if _same(source, node) else rewriter.emit("cast", (source,), node.attrs, node)


def _slice(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    whole = all(item[0] == "slice" and item[3] in (None, 1) for item in node.attrs["key"])
    return inputs[0] if whole and _same(inputs[0], node) else None


def _reshape(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    x = inputs[0]
    if _same(x, node):
        return x
    if x.node is not None and x.node.op.name == "reshape":
        source = x.node.inputs[0]
        return source if _same(source, node) else rewriter.emit("reshape", (source,), node.attrs, node)
    return None


def _transpose(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    x, axes = inputs[0], node.attrs["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.node is None:
        return None
    if x.node.op.name == "transpose":
        inner = x.node.attrs["axes"]
        composed = tuple(inner[a] for a in axes)
        source = x.node.inputs[0]
        return source if composed == tuple(range(len(axes))) else rewriter.emit("transpose", (source,), {"axes": composed}, node)
    if x.node.op.name == "matmul" and _swaps_last(axes) and uses.get(node.inputs[0], 0) == 1:
        # (a b)ᵀ = bᵀ aᵀ: the product comes out in the order that is wanted, without a copy.
        a, b = x.node.inputs
        ta, tb = x.node.attrs.get("transpose_a", False), x.node.attrs.get("transpose_b", False)
        return rewriter.emit("matmul", (b, a), {"transpose_a": not tb, "transpose_b": not ta}, node)
    return None


def _swaps_last(axes: tuple[int, ...]) -> bool:
    n = len(axes)
    return n >= 2 and axes == (*range(n - 2), n - 1, n - 2)


def _matmul(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    """Transposes of the operands become flags."""
    flags = [node.attrs.get("transpose_a", False), node.attrs.get("transpose_b", False)]
    current = list(inputs)
    for i, v in enumerate(inputs):
        if v.node is not None and v.node.op.name == "transpose" and _swaps_last(v.node.attrs["axes"]):
            current[i], flags[i] = v.node.inputs[0], not flags[i]
    if tuple(current) == inputs:
        return None
    return rewriter.emit("matmul", current, {"transpose_a": flags[0], "transpose_b": flags[1]}, node)


def _reduce(rewriter: Rewriter, node: Node, inputs: tuple[Value, ...], uses: dict[Value, int]) -> Value | None:
    """A reduction over axes of length 1 is a reshape."""
    x = inputs[0]
    if x.dtype == node.output.dtype and all(x.shape[a] == 1 for a in node.attrs["axis"]):
        return x if _same(x, node) else rewriter.emit("reshape", (x,), {"shape": node.output.shape}, node)
    return None


_RULES: dict[str, Rule] = {
    "add": _add,
    "subtract": _neutral(0, right_only=True),
    "multiply": _multiply,
    "true_divide": _neutral(1, right_only=True),
    "power": _power,
    "copy": _identity,
    "cast": _cast,
    "slice": _slice,
    "broadcast_to": _identity,
    "reshape": _reshape,
    "transpose": _transpose,
    "matmul": _matmul,
    "sum": _reduce,
    "max": _reduce,
    "min": _reduce,
    "prod": _reduce,
}
