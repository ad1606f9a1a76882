"""Statistics of channels whose parts are computed by many blocks: joined by generated code, with what follows for each channel.

The hand-written kernels of ``moments`` and ``centred_sums`` end with a launch that joins the blocks' parts. Written out, that is a sum over
one short axis, which fusion puts into one kernel with batch norm's scale and shift, or its gradients of gamma and beta and what the data's
gradient is made of. Alone it would be a launch, of numbers that take less time than that.

Where the gradient comes through a relu behind the normalisation, its mask follows from what the sums read anyway: the data, and for each
channel a scale and a shift. So the masked gradient is not stored; what else reads it computes it in the same way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hybridnet.core.kernel import HandKernels
from hybridnet.graph.backend import implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import ADD, CAST, GREATER, MAXIMUM, MULTIPLY, WHERE
from hybridnet.graph.passes.cleanup import dce
from hybridnet.graph.trace import trace_op
from hybridnet.ops.nn.moments import CENTRED_PARTS, CENTRED_SUMS, MOMENTS, MOMENTS_PARTS, count, join_moments, join_sums, parts_of

#: Of each operator the one that gives the parts, and what joins them.
_PARTS: dict[Any, Any] = {MOMENTS: (MOMENTS_PARTS, join_moments), CENTRED_SUMS: (CENTRED_PARTS, join_sums)}


def expose_parts(graph: Graph) -> Graph:
    """The graph with the parts of statistics as arrays, and what joins them as nodes."""
    if not any(node.op in _PARTS for node in graph.nodes):
        return graph
    numbers = {node: number for node in graph.nodes if node.op in _PARTS and (number := _number(node)) > 1}
    gates = {node: gate for node in numbers if node.op is CENTRED_SUMS and (gate := _gate(node)) is not None}
    masks = {gate.mask: gate for gate in gates.values()}
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in numbers:
            _write_out(rewriter, node, numbers[node], gates.get(node))
        elif node in masks:
            rewriter.replace(node.output, _masked(rewriter, masks[node]))
        else:
            rewriter.keep(node)
    return dce(rewriter.finish()) if masks else rewriter.finish()


def _number(node: Node) -> int:
    """In how many parts hand-written kernels compute each channel."""
    if not isinstance(implementation_of(node), HandKernels):
        return 1
    return parts_of(node.op, node.device.num_sms, tuple(v.spec for v in node.inputs), **node.attrs)


def _write_out(rewriter: Rewriter, node: Node, number: int, gate: _Gate | None) -> None:
    op, join = _PARTS[node.op]
    operands = node.inputs if gate is None else (gate.of_y, *node.inputs[1:], gate.scale, gate.shift)
    inputs, attrs = [rewriter.of(v) for v in operands], {**node.attrs, "parts": number}
    parts = Node(op, inputs, attrs, infer_node(op, inputs, attrs), node.device, node.site)
    rewriter.nodes.append(parts)
    n = count(node.inputs[0], node.attrs["axis"])
    body = trace_op(node.op.name, join, [v.spec for v in parts.outputs], {"n": n}, node.device)
    for old, new in zip(node.outputs, rewriter.inline(body, parts.outputs, node.site), strict=True):
        rewriter.replace(old, new)


class _Gate(NamedTuple):
    """A gradient that is ``of_y`` where a relu's operand, x · scale + shift in the type of x, lies above 0; ``mask`` is what masks it."""

    of_y: Value
    x: Value
    scale: Value
    shift: Value
    mask: Node


def _gate(sums: Node) -> _Gate | None:
    """The gate of a gradient whose sums are wanted, if it has one that follows from the data and two numbers for each channel."""
    g, x, mean = sums.inputs
    masked = g.node
    if masked is None or masked.op is not WHERE or masked.inputs[2].constant != 0 or masked.inputs[1].spec != g.spec:
        return None
    mask = masked.inputs[0].node
    if mask is None or mask.op is not GREATER or mask.inputs[1].constant != 0:
        return None
    relu = mask.inputs[0].node
    if relu is None or relu.op is not MAXIMUM or relu.inputs[1].constant != 0 or relu.output.spec != x.spec:
        return None
    moved = _before(relu.inputs[0])
    if moved is None or moved.op is not ADD:
        return None
    scaled = _before(moved.inputs[0])
    if scaled is None or scaled.op is not MULTIPLY or _uncast(scaled.inputs[0]) is not x:
        return None
    scale, shift = scaled.inputs[1], moved.inputs[1]
    if scale.spec != mean.spec or shift.spec != mean.spec or scaled.output.spec != moved.output.spec or scaled.output.dtype != mean.dtype:
        return None
    return _Gate(masked.inputs[1], x, scale, shift, masked)


def _uncast(v: Value) -> Value:
    return v.node.inputs[0] if v.node is not None and v.node.op is CAST else v


def _before(v: Value) -> Node | None:
    """What computes a value, but for a cast of it."""
    return _uncast(v).node


def _masked(rewriter: Rewriter, gate: _Gate) -> Value:
    """The gradient, from the data in place of the relu's result."""
    like, x, scale, shift = gate.mask, *map(rewriter.of, (gate.x, gate.scale, gate.shift))
    wide = x if x.dtype == scale.dtype else rewriter.emit(CAST, (x,), {"dtype": scale.dtype}, like)
    y = rewriter.emit(ADD, (rewriter.emit(MULTIPLY, (wide, scale), {}, like), shift), {}, like)
    stored = y if x.dtype == y.dtype else rewriter.emit(CAST, (y,), {"dtype": x.dtype}, like)
    zero = rewriter.of(gate.mask.inputs[2])
    above = rewriter.emit(GREATER, (stored, zero), {}, like)
    return rewriter.emit(WHERE, (above, rewriter.of(gate.of_y), zero), {}, like)
