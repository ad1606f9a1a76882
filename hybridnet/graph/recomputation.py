"""What is computed a second time, so that less lies in memory at once: chosen by the bytes that it saves against the work that it adds.

A value that is read early and again much later (a forward's activation, which a gradient reads) lies idle in between. In its place the
late readers can have a copy: its node once more, right before the first of them, on what is there then. What is not there then either is
computed again with it. Where the most lies in memory at once, the values that lie idle are taken in the order of bytes saved for the work;
then the next such place is looked for, until none is lower. On a chain of layers this ends with the results of some layers kept, and those
between computed again from them, as Chen et al. do it by hand ("Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174); to go
by the ratio at the place of the peak is how XLA does it too.

The sizes are those of the graph's own values: what fusion keeps on chip is counted as memory here. So this gives a list of graphs, each
of which needs less than the one before by its own account, and whoever wants one that fits asks the memory plan
(:mod:`hybridnet.runtime.budget`). A copy is the same call on the same bits, random numbers included, which follow from a counter: results
are the same to the bit. (On a GPU with one reserve: its compiler may join a product and a sum, rounded once, in one kernel and not in
another.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hybridnet.core import Kind
from hybridnet.graph.backend import backend_of
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.pipeline import run_pass

#: What ``HYBRIDNET_DISABLE_PASSES`` calls it, and why it stands where it does.
NAME = "budget"
REASON = "when the passes have settled what is computed, and before forward and backward are parted: a copy is part of the latter"

Marks = Mapping[Node, int]  # nodes of which readers beyond that position have a copy
_Key = tuple[Value, bool]  # a value that is no view, and whether it is the copy's

#: By how much of the peak one level is to be lower than the one before.
_STEP = 0.05
#: A move that saves less than this part of the peak is not worth looking at.
_LEAST = 1e-3
#: An operand that is so many times smaller than what follows from it is kept for it, rather than computed again.
_SMALL = 8
#: So many nodes one copy may be made of.
_CHAIN = 32
#: What comes before a node in its row counts that much less than its own work; by trying it on ResNet-50, GPT-2 and chains of layers.
_ROWS = 16
#: So many orders are tried at most: a bound on the time that this takes.
_TRIES = 600


class _Step(NamedTuple):
    """A node that runs, or a copy of it, and what it reads: each value, and whether the copy's. ``at``: for which node of the graph."""

    node: Node
    copied: bool
    reads: tuple[_Key, ...]
    at: int


@dataclass
class _Move:
    """Nodes that could be marked, for the sake of the first of them; what that saves and what it costs.

    row: the work of the longest row of marked nodes that would then end with it.
    """

    nodes: list[Node]
    gain: int
    work: int
    row: int = 0

    @property
    def ratio(self) -> float:
        """What it is taken by: of two that are alike first the one that ends the shorter row, all of which may lie there at once."""
        return self.gain / (self.work + self.row / _ROWS)


def can_repeat(node: Node) -> bool:
    """Whether a node gives the same bits wherever it runs, and does nothing else."""
    if node.op.kind in (Kind.COMMUNICATION, Kind.VIEW, Kind.CREATION) or node.op.python or node.op.in_place or not node.inputs:
        return False
    return not any(isinstance(a, Graph) for a in node.attrs.values())


def _root(v: Value) -> Value:
    while v.node is not None and v.node.op.is_view:
        v = v.node.inputs[0]
    return v


def _work(node: Node) -> int:
    """The time that a node takes, as bytes that are read in it."""
    limits = backend_of(node.device).limits
    moved = sum(v.nbytes for v in dict.fromkeys((*node.inputs, *node.outputs)) if v.constant is None)
    products = 0
    if node.op.flops is not None:
        products = node.op.flops(tuple(v.spec for v in node.inputs), tuple(v.spec for v in node.outputs), **node.attrs)
    return moved + products // limits.flops_per_byte + limits.launch_bytes


class Order:
    """The order in which a graph runs with some nodes marked, and what then lies in memory when.

    copies: the nodes that run a second time. peak: the bytes that lie in memory at once, nearly.
    """

    def __init__(self, graph: Graph, marks: Marks) -> None:
        self.graph = graph
        self.marks = marks
        self.boundary = 0
        self.steps: list[_Step] = []
        self.copies: dict[Node, None] = {}
        for at, node in enumerate(graph.nodes):
            reads = tuple([(v, self._late(v, at)) for v in node.inputs])
            for v, late in reads:
                if late and v.node is not None and v.node not in self.copies:
                    self._copy(v.node, at)
            self.steps.append(_Step(node, False, reads, at))
        self._measure()

    def _late(self, v: Value, at: int) -> bool:
        """Whether the node at a position reads a copy of ``v``."""
        node = v.node
        while node is not None and node.op.is_view:
            node = node.inputs[0].node
        return node is not None and at > self.marks.get(node, at)

    def _copy(self, node: Node, at: int) -> None:
        """Run a copy of a node here, after copies of what it reads that is marked too."""
        stack = [node]
        while stack:
            node = stack[-1]
            late = [v.node for v in node.inputs if v.node is not None and self._late(v, at) and v.node not in self.copies]
            if late and node not in self.copies:
                stack += reversed(late)
                continue
            stack.pop()
            if node not in self.copies:
                self.copies[node] = None
                self.steps.append(_Step(node, True, tuple([(v, self._late(v, at)) for v in node.inputs]), at))

    def rewritten(self) -> Graph:
        """The graph in this order."""
        return run_pass(NAME, lambda graph: self._rewritten(), self.graph)

    def _rewritten(self) -> Graph:
        now: dict[_Key, Value] = {}
        nodes: list[Node] = []
        for node, copied, reads, _ in self.steps:
            inputs = [now.get(key, key[0]) for key in reads]
            same = not copied and all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            new = node if same else node.with_inputs(inputs)
            nodes.append(new)
            now.update(((old, copied), value) for old, value in zip(node.outputs, new.outputs, strict=True))
        return Graph(self.graph.inputs, nodes, [now.get((v, False), v) for v in self.graph.outputs])

    def _measure(self) -> None:
        """Find out when each value is written and last read, and how many bytes lie in memory at each step."""
        self.written: dict[_Key, int] = {}
        self.read: dict[_Key, list[int]] = {}
        outside = {_root(v) for v in self.graph.outputs} | set(self.graph.inputs)  # results have arrays of their own
        for i, (node, copied, reads, _) in enumerate(self.steps):
            for v, late in dict.fromkeys(reads):
                key = _root(v), late
                if key in self.written:
                    self.read[key].append(i)
            if not node.op.is_view:
                for v in node.outputs:
                    if v.constant is None and (copied or v not in outside):
                        self.written[v, copied] = i
                        self.read[v, copied] = []
        change = np.zeros(len(self.steps) + 1, np.int64)
        for key, first in self.written.items():
            last = max(self.read[key], default=first)
            # A result of the same size may take a dying operand's place.
            over = last > first and self.steps[last].node.op.kind is Kind.POINTWISE
            change[first] += key[0].nbytes
            change[last if over else last + 1] -= key[0].nbytes
        self.live = change.cumsum()[:-1]
        self.peak = int(self.live.max(initial=0))

    def _rows(self) -> dict[Node, int]:
        """The work of the longest row of marked nodes that ends with each."""
        found: dict[Node, int] = {}
        for node in self.graph.nodes:
            if node in self.marks:
                before = [found[v.node] for v in map(_root, node.inputs) if v.node in found and v.node is not None]
                found[node] = _work(node) + max(before, default=0)
        return found

    @property
    def repeated(self) -> tuple[Node, ...]:
        """The copies that are work: no views."""
        return tuple(n for n in self.copies if not n.op.is_view)

    @property
    def work(self) -> int:
        """What the copies read and write, in bytes, and the time of their products as so many bytes."""
        return sum(map(_work, self.repeated))

    def above(self, bytes_: float) -> float:
        """How much lies in memory above a height, over all steps."""
        return float(np.maximum(self.live - bytes_, 0).sum())

    def moves(self, refused: set[Node]) -> list[_Move]:
        """What could be marked to save memory at the step where most lies in it, the best first."""
        self.rows = self._rows()
        top = int(self.live.argmax())
        step = self.steps[top]
        found = []
        idle: dict[Node, int] = {}
        for (v, copied), first in self.written.items():
            reads = self.read[v, copied]
            if not copied and first < top and reads and reads[-1] > top and top not in reads and v.node is not None:
                idle[v.node] = idle.get(v.node, 0) + v.nbytes
        self.boundary = step.at - step.copied
        for node, saved in idle.items():
            if node not in self.marks and node not in refused and can_repeat(node) and saved >= _LEAST * self.peak:
                move = self._move(node, saved, top)
                if move is not None and move.gain >= _LEAST * self.peak:
                    found.append(move)
        return sorted(found, key=lambda m: -m.ratio)

    def _move(self, node: Node, saved: int, top: int) -> _Move | None:
        """Mark a node, and with it what its copy reads that is gone by then."""
        late = min(i for v in node.outputs for i in self.read.get((v, False), ()) if i > top)
        move = _Move([], saved, 0)
        pending, seen = [node], {node}
        while pending:
            n = pending.pop()
            move.nodes.append(n)
            move.work += _work(n)
            if len(move.nodes) > _CHAIN:
                return None
            for root in dict.fromkeys(map(_root, n.inputs)):
                made, reads = root.node, self.read.get((root, False), [])
                if made is None or made in seen or (root, False) not in self.written or (reads and reads[-1] >= late):
                    continue
                if made in self.marks:
                    move.row = max(move.row, self.rows[made])
                    continue
                if can_repeat(made) and root.nbytes * _SMALL > saved:
                    seen.add(made)
                    pending.append(made)
                elif not reads or reads[-1] < top:
                    move.gain -= root.nbytes
        return move


def _apart(moves: Sequence[_Move], wanted: float) -> list[_Move]:
    """The first moves that together save what is wanted, and of which none reads what another one has computed again.

    So what is kept lies between what is computed again, and no row of copies becomes long before all have become so.
    """
    chosen: list[_Move] = []
    taken: set[Node] = set()
    read: set[Node] = set()
    for move in moves:
        before = {v.node for n in move.nodes for v in map(_root, n.inputs) if v.node is not None}
        if taken.isdisjoint(before) and taken.isdisjoint(move.nodes) and read.isdisjoint(move.nodes):
            chosen.append(move)
            taken.update(move.nodes)
            read |= before
            wanted -= move.gain
            if wanted <= 0:
                break
    return chosen


def levels(graph: Graph) -> Iterator[Order]:
    """The graph as it is, then with more and more computed again, each needing less memory than the one before."""
    order = Order(graph, {})
    yield order
    refused: set[Node] = set()
    tries = 0
    while tries < _TRIES and (moves := order.moves(refused)):
        chosen = _apart(moves, _STEP * order.peak)
        height = order.peak * (1 - _STEP)
        while chosen:
            tried = Order(graph, {**{n: order.boundary for m in chosen for n in m.nodes}, **order.marks})
            tries += 1
            if tried.peak <= order.peak and tried.above(height) < order.above(height):
                order = tried
                yield order
                break
            if len(chosen) == 1:
                refused.add(chosen[0].nodes[0])
            chosen = chosen[: len(chosen) // 2]
