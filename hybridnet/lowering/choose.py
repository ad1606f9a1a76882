"""Who computes each node: generated kernels, kernels written by hand, a library, the array module.

The last rewrite that looks at operators alone. Copies, plans and programs, which come after it, read ``Node.implementation`` and ask
nobody again.
"""

from __future__ import annotations

from hybridnet.graph.backend import backend_of, implementation_of
from hybridnet.graph.implementation import ArrayModule
from hybridnet.graph.ir import Graph
from hybridnet.graph.refusals import tell_refusal


def choose(graph: Graph) -> Graph:
    """The graph, whose nodes all know who computes them; what a library was to compute and does not is told."""
    for node in graph.nodes:
        if isinstance(implementation_of(node), ArrayModule):
            tell_refusal(node, backend_of(node.device).plainly)
    return graph
