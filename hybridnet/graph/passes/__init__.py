"""The passes, in their order. Each is a pure function from graph to graph.

Any can be left out by its name in ``HYBRIDNET_DISABLE_PASSES``; every one keeps the graph's
values, which the random-graph tests check one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hybridnet.graph.ir import Graph
from hybridnet.graph.passes.absorb import absorb
from hybridnet.graph.passes.casts import casts
from hybridnet.graph.passes.cleanup import cse, dce
from hybridnet.graph.passes.concat_slices import concat_slices
from hybridnet.graph.passes.decompose import decompose
from hybridnet.graph.passes.epilogue import epilogue
from hybridnet.graph.passes.fold import fold
from hybridnet.graph.passes.join import join
from hybridnet.graph.passes.layout import gains, layout
from hybridnet.graph.passes.simplify import simplify
from hybridnet.graph.passes.subgraphs import subgraphs
from hybridnet.graph.pipeline import run_pass


class Pass(NamedTuple):
    """A pass with its name and why it stands where it does."""

    name: str
    run: Callable[[Graph], Graph]
    reason: str


PASSES: tuple[Pass, ...] = (
    Pass("dce", dce, "before anything else is spent on what nobody needs"),
    Pass(
        "decompose",
        lambda graph: decompose(graph, gains),
        "so that all later passes see primitive operators; layout will decide on convolutions",
    ),
    Pass("fold", fold, "constants first: the algebra recognises them"),
    Pass("simplify", simplify, "before common subexpressions, which it makes equal"),
    Pass("cse", cse, "after the algebra; forward and backward often compute the same"),
    Pass("absorb", absorb, "when equal values are one, and before layout, which moves the axes of scales and weights"),
    Pass("concat_slices", concat_slices, "when equal gradients are one, and before layout, which gives concatenations other axes"),
    Pass("layout", layout, "when composites are written out and equal values are one, so that each is transposed once"),
    Pass("decompose-late", decompose, "convolutions that no library computes in the order that they have now"),
    Pass("subgraphs", lambda graph: subgraphs(graph, optimize), "when what nodes of control flow are given is known to be constant"),
    Pass("casts", casts, "when equal casts are one, and it is settled which composites stay whole"),
    Pass("epilogue", epilogue, "when the algebra has made products what they will be, and before regions take the additions"),
    Pass("join", join, "when layout has settled which convolutions a library computes, and before regions take what is behind them"),
    Pass("dce-late", dce, "what the passes before it left without a reader"),
)


def optimize(graph: Graph) -> Graph:
    """The graph after all passes that are not switched off."""
    for name, run, _ in PASSES:
        graph = run_pass(name, run, graph)
    return graph


def write_out(graph: Graph) -> Graph:
    """The graph with all composites written out and equal calls made once: as imperative code computes it on a CPU, where no library
    computes a composite whole. Nothing else is rewritten.

    What runs instead of imperative calls gives their results to the bit, whatever is switched on (``HYBRIDNET_FAST_MATH``) or off.
    """
    return run_pass("write_out", lambda graph: dce(cse(decompose(graph, everything=True))), graph)


__all__ = [
    "PASSES",
    "Pass",
    "absorb",
    "casts",
    "concat_slices",
    "cse",
    "dce",
    "decompose",
    "epilogue",
    "fold",
    "join",
    "layout",
    "optimize",
    "simplify",
    "subgraphs",
    "write_out",
]
