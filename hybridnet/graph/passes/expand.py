"""Write composite operators out in primitive ones, so that fusion sees through them."""

from __future__ import annotations

from typing import Any

from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.trace import trace_op


def expand(graph: Graph) -> Graph:
    """Replace each node whose operator has ``expand`` by the graph of that function."""
    if all(node.op.expand is None for node in graph.nodes):
        return graph
    rewriter = Rewriter(graph)
    known: dict[Any, Graph] = {}
    for node in graph.nodes:
        _append(rewriter, node, known)
    return rewriter.finish()


def _append(rewriter: Rewriter, node: Node, known: dict[Any, Graph]) -> None:
    if node.op.expand is None:
        rewriter.keep(node)
        return
    device = node.outputs[0].device
    specs = tuple(v.spec for v in node.inputs)
    key = node.op, specs, tuple(sorted(node.attrs.items(), key=lambda item: item[0])), device
    body = known.get(key)
    if body is None:
        body = known[key] = trace_op(node.op, specs, node.attrs, device)
    inner: dict[Value, Value] = {b: rewriter.of(v) for b, v in zip(body.inputs, node.inputs, strict=True)}
    for part in body.nodes:
        copied = Node(part.op, [inner[v] for v in part.inputs], part.attrs, [v.spec for v in part.outputs], device, node.site)
        _append(rewriter, copied, known)
        inner.update((old, rewriter.of(new)) for old, new in zip(part.outputs, copied.outputs, strict=True))
    for old, new in zip(node.outputs, body.outputs, strict=True):
        rewriter.replace(old, inner[new])
