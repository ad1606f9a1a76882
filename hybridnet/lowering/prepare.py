"""What a program computes once for many calls: all that follows from settled inputs, and weights as a library packs them.

The program is cut in two before it is lowered: one graph computes from the inputs what the other, which runs at each call, takes as
inputs besides. Who runs them (:mod:`hybridnet.runtime.prepared`) runs the first again when an array that it read has been written.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import Kind, Op, Spec, on_cpu
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.settled import settled

NAME = "prepare"


class Prepared(NamedTuple):
    """A graph cut in two.

    first: the graph's inputs -> what is computed once. main: the graph's inputs, then that -> the graph's outputs.
    """

    first: Graph
    main: Graph


def prepare(graph: Graph) -> Prepared | None:
    """The graph cut in two; None where nothing of weight follows from settled inputs."""
    if NAME in config.disabled_passes or not any(v.is_settled for v in graph.inputs):
        return None
    graph = _packed(graph)
    known = settled(graph)
    free = _free(graph)
    once = [node for node in graph.nodes if known.issuperset(node.outputs)]
    always = [node for node in graph.nodes if not known.issuperset(node.outputs)]
    read = dict.fromkeys(v for node in always for v in node.inputs if v in known and v not in free)
    read.update(dict.fromkeys(v for v in graph.outputs if v in known and v not in free))
    if not read or not always:
        return None
    kept = {v: Value(v.shape, v.dtype, v.device) for v in read}
    rewriter = Rewriter(graph)
    rewriter.replaced.update(kept)
    needed = _behind(always, graph.outputs, free)
    for node in graph.nodes:
        if node in needed or not known.issuperset(node.outputs):
            rewriter.keep(node)
    outputs = [rewriter.of(v) for v in graph.outputs]
    return Prepared(Graph(graph.inputs, once, list(read)), Graph([*graph.inputs, *kept.values()], rewriter.nodes, outputs))


def _free(graph: Graph) -> set[Value]:
    """What costs nothing at each call: inputs, views of these, what follows from no input, which programs make once by themselves."""
    free = set(graph.inputs)
    for node in graph.nodes:
        if node.op.kind in (Kind.VIEW, Kind.CREATION) and free.issuperset(node.inputs):
            free.update(node.outputs)
    return free


def _behind(nodes: list[Node], outputs: tuple[Value, ...], free: set[Value]) -> set[Node]:
    """The free nodes that others, or the results, read, directly or through others."""
    pending = [v for node in nodes for v in node.inputs] + list(outputs)
    found: set[Node] = set()
    while pending:
        v = pending.pop()
        if v in free and v.node is not None and v.node not in found:
            found.add(v.node)
            pending.extend(v.node.inputs)
    return found


# -- operands as a library packs them --------------------------------------------------------------------


def _infer_packed(x: Spec, *, packing: Any) -> Spec:
    return Spec((packing.size,), dtypes.as_dtype("uint8"))


def _infer_called(*operands: Spec, of: Node, call: Any) -> tuple[Spec, ...]:
    return tuple(v.spec for v in of.outputs)


def _pack(xp: Any, x: Any, *, packing: Any, out: Any = None) -> Any:
    out = xp.empty(packing.size, "uint8") if out is None else out
    packing(x, out)
    return out


def _call(xp: Any, *operands: Any, of: Node, call: Any, out: Any = None) -> Any:
    out = xp.empty(of.output.shape, of.output.dtype) if out is None else out
    call(*operands, out)
    return out


#: An operand as a library wants it for many calls.
PACKED = Op("packed", Kind.OPAQUE, _infer_packed, compute=_pack, out=True)


@cache
def _called(op: Op) -> Op:
    """A library's ``call`` on packed operands, in place of an operator's (attribute ``of``: the node)."""

    def flops(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, of: Node, call: Any) -> int:
        return 0 if op.flops is None else op.flops(tuple(v.spec for v in of.inputs), outputs, **of.attrs)

    return on_cpu(Op(op.name, Kind.OPAQUE, _infer_called, compute=_call, out=True, flops=flops), lambda inputs, outputs, *, of, call: call)


def _packed(graph: Graph) -> Graph:
    """The graph with settled operands of library calls packed by a node of their own."""
    known = settled(graph)
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if known.issuperset(node.outputs) or not isinstance(found := implementation_of(node), LibraryPlan):
            rewriter.keep(node)
            continue
        call, inputs = found.call, [rewriter.of(v) for v in node.inputs]
        for i, v in enumerate(node.inputs):
            if v in known and (way := call.packing(i)) is not None:
                packing, call = way
                made = Node(PACKED, (inputs[i],), {"packing": packing}, [_infer_packed(v.spec, packing=packing)], v.device, node.site)
                rewriter.nodes.append(made)
                inputs[i] = made.output
        if call is found.call:
            rewriter.keep(node)
            continue
        new = Node(_called(node.op), inputs, {"of": node, "call": call}, node.outputs, node.device, node.site)
        rewriter.nodes.append(new)
        rewriter.replaced.update(zip(node.outputs, new.outputs, strict=True))
    return rewriter.finish()
