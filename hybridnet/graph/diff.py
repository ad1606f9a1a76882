"""What a pass did to a graph, as the difference of two texts.

Printed one after the other, two graphs differ in every line after the first change, since values are numbered in order.
Here lines are matched without the names of values, and a value of the second graph is called what its match is called in the first.
"""

from __future__ import annotations

import difflib

from hybridnet.graph.ir import Graph, Node, Value, format_graph, format_node, value_names

_CONTEXT = 2  # lines that are shown before and after a change


def graph_diff(before: Graph, after: Graph) -> str:
    """The lines that differ, ``-`` before and ``+`` after, between a few that do not; empty if the graphs print alike.

    New values are called ``n0``, ``n1`` and so on.
    """
    old = value_names(before)
    new = _names_after(before, after, old)
    lines = difflib.unified_diff(_lines(before, old), _lines(after, new), lineterm="", n=_CONTEXT)
    return "\n".join(list(lines)[2:])  # without the names of two files


def _names_after(before: Graph, after: Graph, old: dict[Value, str]) -> dict[Value, str]:
    """The names of the values of ``after``, given those of ``before``."""
    names = {v: old.get(v, name) for v, name in value_names(after).items() if v.node is None}
    kept = {*before.nodes} & {*after.nodes}
    keys = [[_key(node, kept) for node in graph.nodes] for graph in (before, after)]
    for a, b, count in difflib.SequenceMatcher(a=keys[0], b=keys[1], autojunk=False).get_matching_blocks():
        for was, now in zip(before.nodes[a : a + count], after.nodes[b : b + count], strict=True):
            names.update(zip(now.outputs, [old[v] for v in was.outputs], strict=True))
    unmatched = [v for node in after.nodes for v in node.outputs if v not in names]
    return names | {v: f"n{i}" for i, v in enumerate(unmatched)}


def _key(node: Node, kept: set[Node]) -> object:
    """What two nodes that are taken for one have in common: all that is printed but the names; a node of both graphs is itself."""
    return node if node in kept else _text(node, {})


def _text(node: Node, names: dict[Value, str]) -> str:
    return "\n".join([format_node(node, names), *(format_graph(a, "  ") for a in node.attrs.values() if isinstance(a, Graph))])


def _lines(graph: Graph, names: dict[Value, str]) -> list[str]:
    lines = [f"graph({', '.join(f'{names[v]}: {v.spec}' for v in graph.inputs)})"]
    lines += [line for node in graph.nodes for line in _text(node, names).splitlines()]
    return [*lines, f"return {', '.join(names.get(v, '?') for v in graph.outputs)}"]
