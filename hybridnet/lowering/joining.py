"""Several nodes that become one: where it stands among the others, which keep their order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hybridnet.graph.ir import Graph, Node, Rewriter, Value, communication_before
from hybridnet.graph.operators import RESHAPE

Uses = dict[Value, list[Node | None]]  # the nodes that read a value; None stands for a result of the graph


def uses_of(graph: Graph) -> Uses:
    """Who reads each value. Of communications each reads what the one before it gave, so that none passes another."""
    uses: Uses = {}
    for n in graph.nodes:
        for v in n.inputs:
            uses.setdefault(v, []).append(n)
    for v in graph.outputs:
        uses.setdefault(v, []).append(None)
    for n, before in communication_before(graph.nodes).items():
        uses.setdefault(before.output, []).append(n)
    return uses


def alone_before(v: Value, reader: Node, uses: Uses) -> Node | None:
    """What computes a value, in another shape maybe, that only ``reader`` reads; None where something else does."""
    node = v.node
    while uses[v] == [reader] and node is not None and node.op is RESHAPE:
        v, reader = node.inputs[0], node
        node = v.node
    return node if uses[v] == [reader] else None


def are_before(values: Iterable[Value], node: Node, position: Mapping[Node, int]) -> bool:
    """Whether all values are there before a node runs."""
    return all(v.node is None or position[v.node] < position[node] for v in values)


def readers(start: Iterable[Node], uses: Uses, position: Mapping[Node, int], last: int) -> set[Node]:
    """Those of these nodes, and of all that need their results, that run before position ``last``."""
    found: set[Node] = set()
    stack = list(start)
    while stack:
        n = stack.pop()
        if n not in found and position[n] < last:
            found.add(n)
            stack.extend(r for v in n.outputs for r in uses.get(v, ()) if r is not None)
    return found


def waiting(start: Iterable[Node], inside: Collection[Node], uses: Uses, position: Mapping[Node, int]) -> set[Node] | None:
    """Those of these nodes and all that need their results: what a joined node must run before. None if it stands for one (``inside``)."""
    after = readers(start, uses, position, len(position))
    return after if after.isdisjoint(inside) else None


def joined(graph: Graph, node: Node, results: Mapping[Value, Value], inside: Collection[Node], after: Collection[Node]) -> Graph:
    """The graph with ``node`` in place of the nodes ``inside``, behind what it reads and right before the first that waits for it.

    ``results``: of each result that is read outside what ``node`` gives for it; ``after``: those that wait, as :func:`waiting` finds them.
    """
    rewriter = Rewriter(graph)
    for old, new in results.items():
        rewriter.replace(old, new)
    order: dict[Node, None] = {}
    for n in graph.nodes:
        if n in after and node not in order:
            order.update(dict.fromkeys(_needed(graph, node)))
            order[node] = None
        if n not in inside:
            order[n] = None
    order[node] = None
    for n in order:
        rewriter.keep(n)
    return rewriter.finish()


def _needed(graph: Graph, node: Node) -> list[Node]:
    """What a node waits for, in order."""
    needed: set[Node] = set()
    stack = [node]
    earlier = communication_before(graph.nodes)
    while stack:
        n = stack.pop()
        waited = [v.node for v in n.inputs] + ([earlier[n]] if n in earlier else [])
        before = {m for m in waited if m is not None and m not in needed}
        needed.update(before)
        stack += before
    return [n for n in graph.nodes if n in needed]
