"""The verifier: every rule of the IR, checked after each pass in tests and under HYBRIDNET_DEBUG."""

from __future__ import annotations

from collections import Counter
from typing import NoReturn

from hybridnet.errors import GraphError
from hybridnet.exact import exact_attrs
from hybridnet.graph.ir import Graph, Node, Value, format_node, infer_node, value_names

_JOINING = frozenset({"buckets"})  # passes that join messages
_AROUND = 5  # nodes that an error shows before the one at fault, and after it


def verify(graph: Graph, after: str = "") -> Graph:
    """Raise a GraphError unless the graph is well formed; gives the graph back.

    The error names the pass that it is ``after``, and shows the nodes around the one at fault, which ``>`` marks.
    """

    def fault(what: str, at: int) -> NoReturn:
        raise GraphError(f"{what}{f' after pass {after}' if after else ''}\n{neighbourhood(graph, at)}")

    known: set[Value] = set(graph.inputs)
    if len(known) != len(graph.inputs):
        fault("an input appears twice", -1)
    if any(v.node is not None for v in graph.inputs):
        fault("an input has a producer", -1)
    for at, node in enumerate(graph.nodes):
        if not known.issuperset(node.inputs):
            fault(f"{node.op.name} reads a value that is not computed before it", at)
        specs = infer_node(node.op, node.inputs, node.attrs)
        if len(specs) != len(node.outputs):
            fault(f"{node.op.name} has {len(node.outputs)} outputs, infer says {len(specs)}", at)
        for i, (spec, v) in enumerate(zip(specs, node.outputs, strict=True)):
            if spec != v.spec:
                fault(f"{node.op.name} gives {v.spec}, infer says {spec}", at)
            if v in known:
                fault(f"{node.op.name} assigns a value twice", at)
            if v.node is not node or v.index != i:
                fault(f"an output of {node.op.name} names another producer", at)
            known.add(v)
        for name, attr in node.attrs.items():
            if isinstance(attr, Graph):
                verify(attr, f"{after} in {node.op.name}")
                continue
            try:
                hash(attr)
            except TypeError:
                fault(f"attribute {name} of {node.op.name} is not hashable: {attr!r}", at)
    if not known.issuperset(graph.outputs):
        fault("the graph returns a value that it does not compute", len(graph.nodes))
    return graph


def verify_communication(before: Graph, after: Graph, name: str) -> None:
    """Raise a GraphError unless pass ``name`` left every communication in its place among the others.

    One that joins messages may send the same arrays in others, and in another order: which is the same on all ranks, as graphs are.
    """
    old, new = ([(n.op, exact_attrs(n.attrs)) for n in graph.nodes if n.communicates] for graph in (before, after))
    if name in _JOINING:
        sent, sent_after = (
            Counter((n.op, exact_attrs(n.attrs), v.spec) for n in graph.nodes if n.communicates for v in n.inputs)
            for graph in (before, after)
        )
        if sent != sent_after:
            raise GraphError(f"an array is sent no longer, or twice, after pass {name}\n{after}")
    elif old != new:
        at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        raise GraphError(f"communication {at} of {len(old)} was left out, repeated or moved after pass {name}\n{after}")


def neighbourhood(graph: Graph, at: int) -> str:
    """The lines of a graph around node ``at`` (-1: its inputs; the number of nodes: its results), and those that compute its operands."""
    names = value_names(graph)
    first, last = max(at - _AROUND, 0), min(at + _AROUND, len(graph.nodes) - 1)
    shown = {*range(first, last + 1), *(_operands(graph, graph.nodes[at]) if 0 <= at < len(graph.nodes) else ())}
    lines = []
    if first == 0:
        lines.append(f"graph({', '.join(f'{names[v]}: {v.spec}' for v in graph.inputs)})")
    before = -1
    for i in sorted(shown):
        if i > before + 1:
            lines.append(f"  ... {i - before - 1} nodes")
        lines.append(f"  {format_node(graph.nodes[i], names)}")
        before = i
        if i == at:
            lines[-1] = f"> {lines[-1][2:]}"
    if before < len(graph.nodes) - 1:
        lines.append(f"  ... {len(graph.nodes) - 1 - before} nodes")
    if last == len(graph.nodes) - 1:
        lines.append(f"  return {', '.join(names.get(v, '?') for v in graph.outputs)}")
    if not 0 <= at < len(graph.nodes):
        edge = 0 if at < 0 else -1
        lines[edge] = f"> {lines[edge].lstrip()}"
    return "\n".join(lines)


def _operands(graph: Graph, node: Node) -> set[int]:
    """The positions of the nodes that compute a node's operands."""
    producers = {v.node for v in node.inputs}
    return {i for i, n in enumerate(graph.nodes) if n in producers}
