"""Groups of tensors that a program cannot compute as one are written out member by member again."""

from __future__ import annotations

from hybridnet.errors import JoinedSite
from hybridnet.graph.ir import Graph, Node, Rewriter
from hybridnet.lowering.copies import insert_copies
from hybridnet.lowering.target import Target


def ungroup(graph: Graph, target: Target) -> Graph:
    """The graph without the groups that the program does not want, which may be more once the first are written out."""
    while unwanted := target.unwanted(graph):
        graph = insert_copies(_written_out(graph, unwanted), target.donate)
    return graph


def _written_out(graph: Graph, unwanted: set[Node]) -> Graph:
    """The graph with some ``group`` nodes written out member by member."""
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in unwanted:
            inputs = [rewriter.of(v) for v in node.inputs]
            body, members, slots = node.attrs["body"], node.attrs["members"], node.attrs["slots"]
            sites = node.site.parts if isinstance(node.site, JoinedSite) and len(node.site.parts) == members else ()
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
                        sites[m] if sites else part.site,
                    )
                    inner[part.output] = new.output
                    rewriter.nodes.append(new)
                for o, v in enumerate(body.outputs):
                    rewriter.replace(node.outputs[o * members + m], inner[v])
        else:
            rewriter.keep(node)
    return rewriter.finish()
