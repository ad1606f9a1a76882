"""A compilation described in dicts, lists, strings and numbers, from what trace, passes, planner and profile know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hybridnet.explain.blocks import BACKWARD, Leaf, block_tree, leaves
from hybridnet.explain.graphs import Graphs, describe_passes
from hybridnet.explain.programs import describe_program
from hybridnet.explain.tables import Json, Tables
from hybridnet.graph.ir import Graph
from hybridnet.graph.pipeline import PassRun
from hybridnet.runtime.profile import Profile
from hybridnet.runtime.program import Program

FORMAT = 1


@dataclass(frozen=True)
class Compilation:
    """What there is to be described of one compilation of a function.

    arguments: how many of the inputs are the function's arguments; the others are states. programs: in the order in which they
    run in one arena. refusals: of libraries. profile: of these programs, or None; ``failure``: why there is none, though one was
    asked for.
    """

    name: str
    arguments: int
    traced: Graph
    optimized: Graph
    programs: Sequence[Program]
    passes: Sequence[PassRun]
    refusals: Iterable[object] = ()
    profile: Profile | None = None
    failure: str = ""


def describe(compilation: Compilation) -> Json:
    """The description; ``left_out`` says in sentences what of the compilation is not in it."""
    c, tables = compilation, Tables()
    graphs = Graphs(tables)
    stages, passes, left_out = describe_passes(graphs, c.traced, c.optimized, c.programs, c.passes)
    programs = [describe_program(p, graphs.numbers.get(p.source.lowered, -1), c.profile) for p in c.programs]
    if c.failure:
        left_out.append(f"times, since the profile ended with an error: {c.failure}")
    return {
        "format": FORMAT,
        "name": c.name,
        "arguments": c.arguments,
        "device": str(c.programs[0].source.lowered.nodes[0].device) if c.programs[0].source.lowered.nodes else "",
        "traced": len(c.traced.nodes),
        "planned": c.programs[0].arena_bytes,  # a backward runs in its forward's arena
        "naive": sum(p.source.naive_bytes for p in c.programs),
        "refusals": [str(r) for r in c.refusals],
        "rates": None if c.profile is None else {"copy": c.profile.copy_rate, "products": c.profile.product_rates},
        "left_out": left_out,
        "stages": stages,
        "passes": passes,
        "programs": programs,
        "blocks": _blocks(c.programs),
        "graphs": graphs.described,
        **tables.described(),
    }


def _blocks(programs: Sequence[Program]) -> list[Any]:
    """The tree of what all programs compute; a later program's nodes are numbered after those of the ones before it."""
    found: list[Leaf] = []
    start = 0
    for k, program in enumerate(programs):
        graph = program.source.lowered
        found += [leaf._replace(number=leaf.number + start) for leaf in leaves(graph, BACKWARD if k else "")]
        start += len(graph.nodes)
    return block_tree(found)
