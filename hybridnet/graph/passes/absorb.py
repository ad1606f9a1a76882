"""A contraction takes the scale of its channels into its weight, where both are settled: batch norm in inference costs nothing then.

(x ∗ w) · s + t is x ∗ (w · s) + t for an s that has one number a filter. The product w · s is computed once for many calls
(:mod:`~hybridnet.graph.settled`), what was added before the scale is scaled with it, and added to what is added behind. Results differ
in the last digits, and where x ∗ w leaves the range of its type while the scaled one does not, or the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import ADD, CONVOLUTION, MATMUL, MULTIPLY, NEGATIVE, RESHAPE, SUBTRACT
from hybridnet.graph.settled import settled


def absorb(graph: Graph) -> Graph:
    """Take scales of channels into weights, where those and these are settled."""
    known = settled(graph)
    if not known:
        return graph
    readers: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for v in node.inputs:
            readers.setdefault(v, []).append(node)
    ends: dict[Node, _Chain] = {}
    for node in graph.nodes:
        if (chain := _chain(node, known, readers, set(graph.outputs))) is not None:
            ends[chain.steps[-1].node] = chain
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in ends:
            rewriter.replace(node.output, _absorbed(rewriter, ends[node]))
        else:
            rewriter.keep(node)
    return rewriter.finish()


class _Step(NamedTuple):
    """A node that scales or shifts what is before it, by an operand of one number a channel."""

    node: Node
    operand: Value


class _Chain(NamedTuple):
    """A contraction and what scales and shifts it, at least one scale."""

    contraction: Node
    steps: Sequence[_Step]


def _channel_axis(node: Node) -> int:
    """The axis of a contraction's result on which its filters lie, counted from the end."""
    return -1 if node.op is MATMUL or node.attrs["last"] else 1 - node.output.ndim


def _chain(node: Node, known: set[Value], readers: dict[Value, list[Node]], returned: set[Value]) -> _Chain | None:
    """What scales a contraction of a settled weight; None where nothing does."""
    if node.op not in (CONVOLUTION, MATMUL) or node.inputs[1] not in known or node.inputs[0] in known:
        return None
    if node.op is MATMUL and node.inputs[1].ndim != 2:
        return None
    steps: list[_Step] = []
    v, axis = node.output, _channel_axis(node)
    while len(readers.get(v, ())) == 1 and v not in returned:
        (reader,) = readers[v]
        if reader.op not in (MULTIPLY, ADD, SUBTRACT) or (reader.op is SUBTRACT and reader.inputs[1] is v):
            break
        operand = reader.inputs[1] if reader.inputs[0] is v else reader.inputs[0]
        if operand not in known or operand.dtype != v.dtype or reader.output.spec != v.spec or not _is_by_channel(operand, v, axis):
            break
        steps.append(_Step(reader, operand))
        v = reader.output
    return _Chain(node, steps) if any(step.node.op is MULTIPLY for step in steps) else None


def _is_by_channel(operand: Value, of: Value, axis: int) -> bool:
    """Whether an operand has length 1 on all axes but the channels'."""
    lengths = operand.shape
    return len(lengths) <= of.ndim and all(n == 1 or i - len(lengths) == axis for i, n in enumerate(lengths))


def _absorbed(rewriter: Rewriter, chain: _Chain) -> Value:
    """The contraction with the scales in its weight, and the shift behind it."""
    node = chain.contraction
    scale: Value | None = None
    shift: Value | None = None
    for step, old in chain.steps:
        operand = rewriter.of(old)
        if step.op is MULTIPLY:
            scale = operand if scale is None else rewriter.emit(MULTIPLY, (scale, operand), {}, step)
            shift = None if shift is None else rewriter.emit(MULTIPLY, (shift, operand), {}, step)
        elif shift is None:
            shift = operand if step.op is ADD else rewriter.emit(NEGATIVE, (operand,), {}, step)
        else:
            shift = rewriter.emit(step.op, (shift, operand), {}, step)
    assert scale is not None
    x, w = map(rewriter.of, node.inputs)
    if scale.size > 1:
        scale = rewriter.emit(RESHAPE, (scale,), {"shape": _along_filters(node, scale.size)}, chain.steps[-1].node)
    elif scale.ndim > w.ndim:
        scale = rewriter.emit(RESHAPE, (scale,), {"shape": ()}, chain.steps[-1].node)
    w = rewriter.emit(MULTIPLY, (w, scale), {}, chain.steps[-1].node)
    y = rewriter.emit(node.op, (x, w), node.attrs, node)
    return y if shift is None else rewriter.emit(ADD, (y, shift), {}, chain.steps[-1].node)


def _along_filters(node: Node, size: int) -> tuple[int, ...]:
    """The shape in which a scale multiplies a weight."""
    w = node.inputs[1]
    axis = 0 if node.op is CONVOLUTION or node.attrs.get("transpose_b") else w.ndim - 1
    return tuple(size if i == axis else 1 for i in range(w.ndim))
