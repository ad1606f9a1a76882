"""How every listed rewrite runs: left out by its name; verified, and shown, under ``HYBRIDNET_DEBUG``.

The lists are :data:`hybridnet.graph.passes.PASSES` and :data:`hybridnet.lowering.LOWERING`.
"""

from __future__ import annotations

from collections.abc import Callable

from hybridnet.config import config
from hybridnet.graph.diff import graph_diff
from hybridnet.graph.ir import Graph
from hybridnet.graph.verify import verify, verify_communication


def run_pass(name: str, rewrite: Callable[..., Graph], graph: Graph, *given: object) -> Graph:
    """The graph after ``rewrite(graph, *given)``, unless ``HYBRIDNET_DISABLE_PASSES`` names it."""
    if name in config.disabled_passes:
        return graph
    after = rewrite(graph, *given)
    if config.debug >= 1:
        verify(after, name)
        verify_communication(graph, after, name)
    if config.debug >= 4 and (difference := graph_diff(graph, after)):
        print(f"-- pass {name}: {len(graph.nodes)} nodes became {len(after.nodes)}\n{difference}")
    return after
