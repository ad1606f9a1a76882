"""Copies where the program needs an array of its own: reshapes that are no views, inputs returned as they are."""

from __future__ import annotations

from collections.abc import Mapping

from hybridnet.core import Kind
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import COPY
from hybridnet.lowering.shadows import is_whole, shadows


def copy_inputs(graph: Graph) -> Graph:
    """Copies at the start for results that are inputs as they are, while these hold what they did: a step of a loop overwrites them."""
    copies = {i: Node(COPY, (v,), {}, [v.spec], v.device) for i, v in enumerate(graph.outputs) if v in graph.inputs}
    if not copies:
        return graph
    outputs = [copies[i].output if i in copies else v for i, v in enumerate(graph.outputs)]
    return Graph(graph.inputs, [*copies.values(), *graph.nodes], outputs)


def insert_copies(graph: Graph, donate: Mapping[int, int], shapes_matter: bool = True) -> Graph:
    """Copies where the program needs an array of its own: reshapes that are no views, inputs returned as they are.

    ``shapes_matter``: whether a result that is another shape of an array cannot be computed where that array is.
    """
    made = shadows(graph)
    root = dict(made.root)
    whole = set() if shapes_matter else {v for v in graph.outputs if v in root and is_whole(made, v)}
    nodes: list[Node] = []
    became: dict[Value, Value] = {}

    def copied(v: Value) -> Value:
        node = Node(COPY, (v,), {}, [v.spec], v.device, v.node.site if v.node else None)
        nodes.append(node)
        return node.output

    for node in graph.nodes:
        inputs = [became.get(v, v) for v in node.inputs]
        if node.op.kind is Kind.VIEW and node.outputs[0] not in root:
            inputs[0] = copied(inputs[0])
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.device, node.site)
            new.implementation = node.implementation
            became.update(zip(node.outputs, new.outputs, strict=True))
            node = new
        nodes.append(node)
    outputs = [became.get(v, v) for v in graph.outputs]
    given = set(graph.inputs)
    root = {became.get(v, v): became.get(r, r) for v, r in root.items()}
    whole = {became.get(v, v) for v in whole}
    taken: set[Value] = set()
    for i, v in enumerate(outputs):
        if root.get(v, v) in given or (i in donate and (root.get(v, v) in taken or (v in root and v not in whole))):
            outputs[i] = v = copied(v)
        if i in donate:
            taken.add(root.get(v, v))
    for i, v in enumerate(outputs):
        if i not in donate and root.get(v, v) in taken:
            outputs[i] = copied(v)
    return Graph(graph.inputs, nodes, outputs)
