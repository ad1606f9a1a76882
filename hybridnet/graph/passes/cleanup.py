"""Common subexpressions and dead code."""

from __future__ import annotations

from typing import Any

from hybridnet.exact import exact_attrs
from hybridnet.graph.ir import Graph, Rewriter, Value


def cse(graph: Graph) -> Graph:
    """Compute equal calls once. All operators are pure functions, random ones of their counter too; communication is a barrier."""
    rewriter = Rewriter(graph)
    seen: dict[Any, tuple[Value, ...]] = {}
    for node in graph.nodes:
        if node.communicates:
            rewriter.keep(node)
            continue
        inputs = tuple(rewriter.of(v) for v in node.inputs)
        key = node.op, inputs, exact_attrs(node.attrs), node.outputs[0].device
        known = seen.get(key)
        if known is None:
            seen[key] = rewriter.keep(node).outputs
        else:
            for old, new in zip(node.outputs, known, strict=True):
                rewriter.replace(old, new)
    return rewriter.finish()


def dce(graph: Graph) -> Graph:
    """Leave out what neither an output nor communication needs: others wait for a call that is left out here."""
    live: set[Value] = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.communicates or any(v in live for v in node.outputs):
            kept.append(node)
            live.update(node.inputs)
    return graph if len(kept) == len(graph.nodes) else Graph(graph.inputs, kept[::-1], graph.outputs)
