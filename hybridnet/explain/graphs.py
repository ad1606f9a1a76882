"""The graphs of a compilation for the page: as traced, before and after each pass, and as each program computes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hybridnet.explain.blocks import BACKWARD, graph_tree, leaves
from hybridnet.explain.tables import Json, Tables
from hybridnet.graph import recomputation
from hybridnet.graph.ir import Graph, Node, value_names
from hybridnet.graph.passes import PASSES
from hybridnet.graph.pipeline import PassRun
from hybridnet.lowering import LOWERING
from hybridnet.runtime.program import Program

#: Nodes of all graphs together that a page holds; those of the middle are left out first. One node takes some 25 bytes.
MOST_NODES = 150_000

_REASONS = (
    {recomputation.NAME: recomputation.REASON}
    | {p.name: p.reason for p in PASSES}
    | {p.name: p.reason for rewrites in LOWERING.values() for p in rewrites}
)


@dataclass
class Graphs:
    """The graphs in the making: each once, by a number, with the graphs that its nodes hold.

    ``left``: how many more nodes there is room for.
    """

    tables: Tables
    left: int = field(default_factory=lambda: MOST_NODES)
    described: list[Json] = field(default_factory=list)
    numbers: dict[Graph, int] = field(default_factory=dict)

    def number(self, graph: Graph, phase: str = "") -> int:
        """The number of a graph; -1 where there is no room for it."""
        if graph in self.numbers:
            return self.numbers[graph]
        if len(graph.nodes) > self.left:
            return -1
        self.left -= len(graph.nodes)
        number = self.numbers[graph] = len(self.described)
        self.described.append({})
        bodies = [{k: self.number(a) for k, a in n.attrs.items() if isinstance(a, Graph)} for n in graph.nodes]
        value = {v: -1 - i for i, v in enumerate(graph.inputs)} | {v: i for i, v in enumerate(v for n in graph.nodes for v in n.outputs)}
        names = value_names(graph)
        found = leaves(graph, phase)
        phases = dict.fromkeys(range(len(graph.nodes)), " ") | {leaf.number: leaf.phase[0] for leaf in found}
        self.described[number] = {
            "inputs": [[names[v], self.tables.spec(v)] for v in graph.inputs],
            "nodes": [self.tables.signature(n) for n in graph.nodes],
            "reads": [[value[v] for v in n.inputs] for n in graph.nodes],
            "outputs": [value[v] for v in graph.outputs],
            "bodies": {i: body for i, body in enumerate(bodies) if body},
            "tree": graph_tree(found),
            "phases": "".join(phases.values()),
        }
        return number


def changes(before: Graph, after: Graph, tables: Tables) -> tuple[list[int], list[int]]:
    """The nodes of ``before`` that are gone, and those of ``after`` that are new, by their numbers.

    A node that does the same as one before in the same place counts as that one, whatever the values that it reads are called now.
    """
    kept = {*before.nodes} & {*after.nodes}
    unmatched: dict[int, list[int]] = defaultdict(list)
    for i, node in enumerate(before.nodes):
        if node not in kept:
            unmatched[tables.signature(node)].append(i)
    for numbers in unmatched.values():
        numbers.reverse()
    new = []
    for i, node in enumerate(after.nodes):
        if node not in kept:
            same = unmatched.get(tables.signature(node))
            if same:
                same.pop()
            else:
                new.append(i)
    return sorted(i for numbers in unmatched.values() for i in numbers), new


def chains(optimized: Graph, programs: Sequence[Program], runs: Sequence[PassRun]) -> list[tuple[str, list[PassRun]]]:
    """The passes in the chains that led to each graph: those over the whole, then those of each program.

    What was run besides, on graphs that loops hold and for programs that are not among these, is in none.
    """
    first = {recomputation.NAME, *(p.name for p in PASSES)}
    whole = [run for run in runs if run.name in first]
    lowering = [run for run in runs if run.name not in first]
    return [("passes", _chain(optimized, whole)), *((p.name, _chain(p.source.lowered, lowering)) for p in programs)]


def _chain(end: Graph, runs: Sequence[PassRun]) -> list[PassRun]:
    chain: list[PassRun] = []
    for run in reversed(runs):
        if run.after is end:
            chain.append(run)
            end = run.before
    return chain[::-1]


def describe_passes(
    graphs: Graphs, traced: Graph, optimized: Graph, programs: Sequence[Program], runs: Sequence[PassRun]
) -> tuple[list[Json], list[Json], list[str]]:
    """The stages that can be drawn, the passes with what each did, and what was left out."""
    parts = chains(optimized, programs, runs)
    lowered = {p.source.lowered: (p.name, BACKWARD if k else "") for k, p in enumerate(programs)}
    phases = {g: BACKWARD for k, (_, chain) in enumerate(parts[1:]) if k for run in chain for g in (run.before, run.after)}
    # What runs comes first, then the ends of the passes, then what is between, as long as there is room.
    ends = [*((g, phase) for g, (_, phase) in lowered.items()), (optimized, ""), (traced, "")]
    middle = [(g, phases.get(g, "")) for _, chain in parts for run in chain for g in (run.before, run.after)]
    wanted = dict.fromkeys([*ends, *middle])
    missing = {g for g, phase in wanted if graphs.number(g, phase) < 0}
    passes = [_pass(graphs, part, run) for part, chain in parts for run in chain]
    stages = [_stage(graphs, traced, "as traced"), _stage(graphs, optimized, "after the passes")]
    stages += [_stage(graphs, g, f"what {name} runs") for g, (name, _) in lowered.items()]
    whole = len({g for g, _ in wanted})
    left_out = [f"the drawings of {len(missing)} of {whole} graphs, which together have more than {MOST_NODES:,} nodes"] if missing else []
    return [s for s in stages if s["graph"] >= 0], passes, left_out


def _stage(graphs: Graphs, graph: Graph, title: str) -> Json:
    return {"title": title, "graph": graphs.numbers.get(graph, -1), "nodes": len(graph.nodes)}


def _pass(graphs: Graphs, part: str, run: PassRun) -> Json:
    gone, new = changes(run.before, run.after, graphs.tables) if run.before is not run.after else ([], [])

    def counted(nodes: Sequence[Node], numbers: Sequence[int]) -> dict[Any, int]:
        return dict(Counter(graphs.tables.signature(nodes[i]) for i in numbers))

    rows = graphs.tables.signatures.rows
    return {
        "name": run.name,
        "part": part,
        "reason": _REASONS.get(run.name, ""),
        "seconds": run.seconds,
        "before": len(run.before.nodes),
        "after": len(run.after.nodes),
        "gone": gone,
        "new": new,
        "gone_ops": _by_op(counted(run.before.nodes, gone), rows),
        "new_ops": _by_op(counted(run.after.nodes, new), rows),
        "from": graphs.numbers.get(run.before, -1),
        "to": graphs.numbers.get(run.after, -1),
    }


def _by_op(counts: dict[int, int], signatures: Sequence[Any]) -> list[list[int]]:
    """How many of each operator, by its number, the most first."""
    ops: Counter[int] = Counter()
    for signature, count in counts.items():
        ops[signatures[signature][0]] += count
    return [[op, count] for op, count in ops.most_common()]
