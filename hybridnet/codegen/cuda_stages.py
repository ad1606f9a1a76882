"""A region cut into stages that are one kernel each.

In a stage all reductions go over the same axes. What a later stage needs of an earlier one is
loaded where it lies in memory already (outputs, results of reductions), else computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hybridnet.core import Kind
from hybridnet.graph.ir import Graph, Node, Value

Shape = tuple[int, ...]
Groups = dict[Value, int]


class Region:
    """A graph of pointwise nodes and reductions, and what code generation asks of it.

    domain: the shape that all values broadcast to.
    shapes: each value's shape as it stands in the domain: reduced axes are 1.
    axes: of each reduction the axes, counted from the domain's end, along which it really sums.
    reduced: all of those.
    level: how many reductions in a row a value depends on.
    random: what is drawn; an element's number follows from its place in the domain as an operand's does.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes: dict[Value, Shape] = {v: v.shape for v in graph.inputs}
        self.axes: dict[Node, frozenset[int]] = {}
        for node in graph.nodes:
            self.shapes[node.output] = node.output.shape
            if node.op.kind is Kind.REDUCTION:
                shape = self.shapes[node.inputs[0]]
                self.shapes[node.output] = tuple(1 if i in node.attrs["axis"] else n for i, n in enumerate(shape))
                self.axes[node] = frozenset(a - len(shape) for a in node.attrs["axis"] if shape[a] != 1)
        self.domain: Shape = np.broadcast_shapes(*self.shapes.values())
        self.reduced = frozenset[int]().union(*self.axes.values())
        self.random = [n.output for n in graph.nodes if n.op.kind is Kind.RANDOM]
        self.level: dict[Value, int] = dict.fromkeys(graph.inputs, 0)
        for node in graph.nodes:
            self.level[node.output] = max((self.level[v] for v in node.inputs), default=0) + self.reduces(node)

    def reduces(self, node: Node | None) -> bool:
        """Whether the node sums over an axis that is not of length 1."""
        return bool(self.axes.get(node)) if node is not None else False

    def varies(self, value: Value, axes: frozenset[int]) -> bool:
        """Whether a value depends on where it is along ``axes``."""
        shape = self.shapes[value]
        return any(-a <= len(shape) and shape[a] != 1 for a in axes)


def by_axes(region: Region) -> list[Graph]:
    """Stages whose reductions go over one set of axes each."""
    sets: list[frozenset[int]] = [frozenset()]
    groups: Groups = {}
    for node in region.graph.nodes:
        group = max((groups[v] for v in node.inputs if v in groups), default=0)
        axes = region.axes.get(node)
        if axes:
            while group < len(sets) and sets[group] and sets[group] != axes:
                group += 1
            if group == len(sets):
                sets.append(axes)
            sets[group] = axes
        groups[node.output] = group
    return _cut(region, [[v for v in region.graph.outputs if groups[v] == g] for g in range(len(sets))], groups.__getitem__)


def by_level(region: Region) -> list[Graph]:
    """Stages of reductions alone, one level after another, and one of all the rest."""
    last = max(region.level[v] for v in region.graph.outputs) + 1
    rest = [v for v in region.graph.outputs if not region.reduces(v.node)]
    reductions = [[v for v in region.graph.outputs if region.reduces(v.node) and region.level[v] == g] for g in range(1, last)]
    return _cut(region, [*reductions, rest], lambda v: region.level[v] - 1)


def _cut(region: Region, targets: list[list[Value]], stage_of: Callable[[Value], int]) -> list[Graph]:
    """A graph for each stage's targets; results of reductions that later stages need are added to them."""
    inputs = set(region.graph.inputs)
    stored = {v: i for i, values in enumerate(targets) for v in values}
    graphs: list[Graph] = []
    for stage in reversed(range(len(targets))):

        def in_memory(v: Value, stage: int = stage) -> bool:
            if v in inputs or stored.get(v, stage) < stage:
                return True
            return region.reduces(v.node) and v not in targets[stage] and stage_of(v) < stage

        graph = _closure(region.graph.nodes, targets[stage], in_memory)
        for v in graph.inputs:
            if v not in inputs and v not in stored:
                stored[v] = stage_of(v)
                targets[stage_of(v)].append(v)
        graphs.append(graph)
    return [g for g in reversed(graphs) if g.outputs]


def _closure(nodes: Sequence[Node], outputs: Sequence[Value], in_memory: Callable[[Value], bool]) -> Graph:
    """The part of ``nodes`` that computes ``outputs`` from what is in memory."""
    needed = set(outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if node.output in needed and (node.output in outputs or not in_memory(node.output)):
            kept.append(node)
            needed.update(node.inputs)
    computed = {n.output for n in kept}
    inputs = [v for v in dict.fromkeys(v for n in reversed(kept) for v in n.inputs) if v not in computed]
    return Graph(inputs, kept[::-1], outputs)
