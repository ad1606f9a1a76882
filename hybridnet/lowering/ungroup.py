"""Groups of tensors that a program cannot compute as one are written out member by member again."""

from __future__ import annotations

from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.copies import insert_copies
from hybridnet.lowering.target import Target


def ungroup(graph: Graph, target: Target) -> Graph:
    """The graph without the groups that the program does not want, which may be more once the first are written out."""
    while unwanted := target.unwanted(graph):
        graph = insert_copies(_written_out(graph, unwanted), target.donate)
    return graph


def _written_out(graph: Graph, unwanted: set[Node]) -> Graph:
    """The graph with some ``group`` nodes written out member by member."""
    nodes: list[Node] = []
    became: dict[Value, Value] = {}
    for node in graph.nodes:
        inputs = [became.get(v, v) for v in node.inputs]
        if node in unwanted:
            body, members, slots = node.attrs["body"], node.attrs["members"], node.attrs["slots"]
            for m in range(members):
                shape = inputs[m].shape
                inner = dict(zip(body.inputs, [*(inputs[s * members + m] for s in range(slots)), *inputs[slots * members :]], strict=True))
                for part in body.nodes:
                    spec = part.output.spec
                    new = Node(
                        part.op,
                        [inner[v] for v in part.inputs],
                        part.attrs,
                        [spec._replace(shape=shape) if part.inputs else spec],
                        part.output.device,
                        part.site,
                    )
                    inner[part.output] = new.output
                    nodes.append(new)
                for o, v in enumerate(body.outputs):
                    became[node.outputs[o * members + m]] = inner[v]
            continue
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.outputs[0].device, node.site)
            became.update(zip(node.outputs, new.outputs, strict=True))
            node = new
        nodes.append(node)
    return Graph(graph.inputs, nodes, [became.get(v, v) for v in graph.outputs])
