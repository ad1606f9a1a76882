"""Write composite operators out in primitive ones (their decompositions), so that fusion sees through them.

What the node's device does in one step of its own (a hand-written kernel, a library call) stays whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.exact import exact_attrs
from hybridnet.graph.backend import backend_of, has_fused_implementation
from hybridnet.graph.ir import Graph, Node, Rewriter
from hybridnet.graph.refusals import tell_refusal
from hybridnet.graph.trace import trace_op


def _none(node: Node) -> bool:
    return False


def decompose(graph: Graph, spared: Callable[[Node], bool] = _none, everything: bool = False) -> Graph:
    """Replace each node whose operator its back end decomposes by the graph of that function, unless it is ``spared``.

    ``everything``: also what its device does in one step.
    """
    if all(_parts(node) is None for node in graph.nodes):
        return graph
    rewriter = Rewriter(graph)
    known: dict[Any, Graph] = {}
    for node in graph.nodes:
        _append(rewriter, node, known, lambda node: spared(node) or (not everything and has_fused_implementation(node)))
    return rewriter.finish()


def _parts(node: Node) -> Callable[..., Any] | None:
    """The function that is the node's operator in other operators, where it is to be written out."""
    return backend_of(node.device).decomposition(node.op)


def _append(rewriter: Rewriter, node: Node, known: dict[Any, Graph], stays: Callable[[Node], bool]) -> None:
    if _parts(node) is None or stays(node):
        rewriter.keep(node)
        return
    device = node.device
    tell_refusal(node, "computed in its parts")
    specs = tuple(v.spec for v in node.inputs)
    key = node.op, specs, exact_attrs(node.attrs), device
    body = known.get(key)
    if body is None:
        body = known[key] = trace_op(node.op.name, _parts(node), specs, node.attrs, device)
    site = node.site and node.site.marked(f"part of {node.op.name}")
    results = rewriter.inline(body, [rewriter.of(v) for v in node.inputs], site, lambda part: _append(rewriter, part, known, stays))
    for old, new in zip(node.outputs, results, strict=True):
        rewriter.replace(old, new)
