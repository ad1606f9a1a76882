"""Fusion: pointwise operators and the reductions over them become one node, run in one pass over memory.

Where every launch counts, regions that wait for the same and read the same array, or are of single numbers, become one as well.
Asked of an operator is only its ``kind``. A region has a domain, the shape that all its values
broadcast to, and keeps at least one axis that none of its reductions sum over: along that axis a
program can run it block by block (NumPy) or row by row (CUDA) with all intermediate values on chip.
On a GPU :mod:`recompute` has given each reader copies of what is cheaper to compute than to load.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet.config import config
from hybridnet.core import Kind, Op, Spec
from hybridnet.exact import exact_attrs
from hybridnet.graph.backend import backend_of
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, communication_before

Shape = tuple[int, ...]


def _infer_fused(*specs: Spec, body: Graph) -> tuple[Spec, ...]:
    return tuple(v.spec for v in body.outputs)


#: Made by this pass alone, so it is in no registry.
FUSED = Op("fused", Kind.REGION, _infer_fused, compute=lambda xp, *data, body: tuple(interpret(body, data, xp)))


#: A region that is so many times smaller (in elements) than one that reads it is kept apart, if an element costs much
#: (``Limits.apart_cost``): computed with each of the many it would cost more than a launch and its memory. A guess.
_FEWER = 8

#: Regions that become one because they read the same read so many values at most, inner ones among them: registers hold them. A guess.
_OPERANDS = 32


class _Unit:
    """A region in the making, or a node that stays alone."""

    __slots__ = ("ancestors", "bits", "cost", "domain", "fusable", "limits", "lost", "nodes", "outside", "read", "reduced")

    def __init__(self, node: Node, fusable: bool) -> None:
        self.bits = 0  # of its single numbers, one each; of other nodes none
        self.ancestors = 0  # the bits of what it waits for
        self.outside = 0  # how many operands of other units' nodes, so far, are its results
        self.nodes = [node]
        self.fusable = fusable
        self.domain: Shape = ()
        self.reduced: frozenset[int] = frozenset()  # axes of the domain, counted from its end
        self.lost: set[Value] = set()  # results that lack the axes that they were summed over: of no use to others of the region
        self.read = set(node.inputs)
        self.limits = backend_of(node.device).limits
        self.cost = node.op.cost  # of an element
        if fusable:
            reduces = node.op.kind is Kind.REDUCTION
            self.domain = np.broadcast_shapes(*[v.shape for v in (node.inputs if reduces else (*node.inputs, *node.outputs))])
            self.reduced = _reduced_axes(node)
            if reduces and not node.attrs["keepdims"] and node.output.shape:
                self.lost.add(node.output)


def _reduced_axes(node: Node) -> frozenset[int]:
    if node.op.kind is not Kind.REDUCTION:
        return frozenset()
    ndim = node.inputs[0].ndim
    return frozenset(a - ndim for a in node.attrs["axis"])


def free_axis(domain: Shape, reduced: frozenset[int]) -> int | None:
    """The axis to run a region along, counted from the end: the longest that nothing reduces."""
    free = [a for a in range(-len(domain), 0) if a not in reduced and domain[a] > 1]
    return max(free, key=lambda a: (domain[a], -a), default=None)


#: Bytes of a region's block that lie one after another in memory, at least; shorter runs take several times as long to read.
_RUN_BYTES = 256


def _is_in_runs(domain: Shape, reduced: frozenset[int]) -> bool:
    """Whether a region goes along an axis in blocks of what memory is read in: with channels last, sums over all others do not."""
    axis = free_axis(domain, reduced)
    if axis is None:
        return False
    return axis != -1 or len(domain) < 3 or config.block_bytes >= _RUN_BYTES * math.prod(domain[:-1])


def _joined(a: _Unit, b: _Unit, of: Mapping[Value, _Unit]) -> tuple[Shape, frozenset[int]] | None:
    """The domain and reduced axes of two units as one region, or None if they do not fit."""
    try:
        domain = np.broadcast_shapes(a.domain, b.domain)
    except ValueError:
        return None
    # One of the two must span the domain, or the region would compute more than its parts do; so would one that
    # computed what is a single number with every element. What is made of a sum over everything follows it.
    if (domain != a.domain and domain != b.domain) or (a.domain == () and b.domain != ()):
        return None
    if b.domain == () != a.domain and not all(of.get(v) is a or v.shape == () for n in b.nodes for v in n.inputs):
        return None
    if a.lost & b.read or b.lost & a.read:
        return None
    # What is made of a few numbers for each of many is a kernel of its own, not computed with each of the many.
    if a.cost > a.limits.apart_cost and _FEWER * math.prod(a.domain) <= math.prod(domain) and not b.reduced and a.domain:
        return None
    if domain == () and len(a.nodes) + len(b.nodes) > a.limits.region_numbers:
        return None
    reduced = a.reduced | b.reduced
    if reduced and not a.limits.reduces_all and not _is_in_runs(domain, reduced):
        return None
    # A value summed over an axis may meet values that keep it only as a length-1 axis, which
    # broadcasting guarantees; a region that is narrower there than the domain is fine.
    return domain, reduced


def is_fusable(node: Node, min_bytes: int = 0) -> bool:
    """Whether a node may be part of a region: on arrays of ``min_bytes`` at least, with elements, and one result."""
    if len(node.outputs) != 1 or node.op.decomposition is not None:
        return False
    if not all(v.size for v in (*node.inputs, *node.outputs)):
        return False  # a region goes over its domain: over none, it would not compute what is larger, of length 1
    backend = backend_of(node.device)
    if not backend.limits.region_numbers and not any(v.shape for v in (*node.inputs, *node.outputs)):
        return False
    if max(v.nbytes for v in (*node.inputs, *node.outputs)) < min_bytes:
        return False
    if node.op.kind is Kind.REDUCTION:
        if node.inputs[0].constant is not None:
            return False
        if node.inputs[0].nbytes <= backend.limits.launch_bytes:
            return True  # even where it is then read twice: that takes less than a launch
        if not node.attrs["keepdims"]:
            return False
        domain, reduced = node.inputs[0].shape, _reduced_axes(node)
        return free_axis(domain, reduced) is not None if backend.limits.reduces_all else _is_in_runs(domain, reduced)
    return node.op.kind is Kind.POINTWISE or backend.rematerializes_random(node)


def fuse(graph: Graph, min_bytes: int = 0) -> Graph:
    """Join fusable nodes into ``fused`` nodes; those on arrays below ``min_bytes`` are left alone."""
    if not any(is_fusable(node, min_bytes) for node in graph.nodes if node.inputs):
        return graph
    units = _Fusion(min_bytes).units(graph)
    position = {node: i for i, node in enumerate(graph.nodes)}
    before = communication_before(graph.nodes)
    order = _ordered(units, position, before)
    joined = _beside(order)
    return _rebuilt(graph, order if len(joined) == len(order) else _ordered(joined, position, before), position)


class _Fusion:
    """The regions of a graph in the making: node by node, each joined to those of its producers that it fits.

    A unit that anyone besides the node waits for is joined only if it is single numbers, which may be ready early: a backward's node
    joined to the forward would run earlier, and leave its result to be stored in between. So only of single numbers must be known who
    waits for them, by whatever way: a third unit could stand between the two that are joined.
    """

    def __init__(self, min_bytes: int) -> None:
        self.min_bytes = min_bytes
        self.of: dict[Value, _Unit] = {}  # the unit that computes a value
        self.live: dict[_Unit, None] = {}
        self.viewed: dict[Value, Value] = {}  # of a view the array: nobody waits for the view itself, but for what reads it
        self.numbers = 0  # how many bits have been given

    def units(self, graph: Graph) -> list[_Unit]:
        before = communication_before(graph.nodes)
        for node in graph.nodes:
            unit = self._join(node, before.get(node))
            for v in node.outputs:
                self.of[v] = unit
            if node.op.is_view:
                self.viewed[node.output] = self.viewed.get(node.inputs[0], node.inputs[0])
                continue
            for v in node.inputs:
                producer = self.of.get(self.viewed.get(v, v))
                if producer is not None and producer is not unit:
                    producer.outside += 1
        return list(self.live)

    def _join(self, node: Node, before: Node | None) -> _Unit:
        """The unit that a node becomes part of; ``before``: the communication that it waits for besides its operands."""
        unit = _Unit(node, bool(node.inputs) and is_fusable(node, self.min_bytes))
        self.live[unit] = None
        producers = list(dict.fromkeys(self.of[v] for v in node.inputs if v in self.of))
        for p in (*producers, *(self.of[v] for v in (before.outputs if before is not None else ()))):
            unit.ancestors |= p.bits | p.ancestors
        if not unit.fusable:
            return unit
        if unit.domain == ():
            unit.bits = 1 << self.numbers
            self.numbers += 1
        between = {self.of.get(self.viewed[v]) for v in node.inputs if v in self.viewed}  # of these a view stands between
        for p in producers:
            if p.fusable and p not in between and (p.domain == () or not p.outside):
                unit = self._merge(p, unit, node)
        return unit

    def _merge(self, a: _Unit, b: _Unit, node: Node) -> _Unit:
        """Make one unit of ``a`` and ``b``, which reads it by ``node``, if they fit and no third unit stands between them."""
        joined = _joined(a, b, self.of)
        if joined is None or (a.domain == () and any(p.ancestors & a.bits for p in self._producers(b) if p is not a)):
            return b
        if a.outside:
            a.outside -= sum(self.of.get(v) is a for n in b.nodes if n is not node for v in n.inputs)
        unit, other = (a, b) if len(a.nodes) > len(b.nodes) else (b, a)  # the smaller one is entered in the larger
        for n in other.nodes:
            for v in n.outputs:
                if v in self.of:
                    self.of[v] = unit
        del self.live[other]
        unit.domain, unit.reduced = joined
        unit.limits = b.limits
        unit.cost = a.cost + b.cost
        unit.outside = a.outside + b.outside
        unit.bits = a.bits | b.bits
        unit.ancestors = (a.ancestors | b.ancestors) & ~unit.bits
        unit.nodes += other.nodes
        unit.lost |= other.lost
        unit.read |= other.read
        if unit.outside:
            gained = unit.bits | unit.ancestors
            for waiting in self.live:
                if waiting is not unit and waiting.ancestors & unit.bits:
                    waiting.ancestors |= gained
        return unit

    def _producers(self, unit: _Unit) -> set[_Unit]:
        return {p for v in unit.read if (p := self.of.get(v)) is not None and p is not unit}


def _beside(units: list[_Unit]) -> list[_Unit]:
    """Units, given in an order that runs, of which those become one that may as well run at once and read an array in common.

    They go over one domain and wait for the same unit last. So what they read is loaded once, and none runs much earlier than it would.
    Nor can one wait for another: what each waits for is there when the last of it is. Single numbers need nothing in common.
    """
    if not any(unit.fusable and unit.limits.counts_launches for unit in units):
        return units
    place = {v: i for i, unit in enumerate(units) for node in unit.nodes for v in node.outputs}
    root: dict[Value, Value] = {}  # of a view what it is a view of
    alike: dict[Any, list[_Unit]] = {}
    kept: list[_Unit] = []
    for unit in units:
        node = unit.nodes[0]
        if node.op.is_view:
            root[node.output] = root.get(node.inputs[0], node.inputs[0])
        if not unit.fusable or unit.reduced or not unit.limits.counts_launches:
            kept.append(unit)
            continue
        inside = {v for n in unit.nodes for v in n.outputs}
        read = {root.get(v, v) for v in unit.read - inside if v.constant is None}
        last = max((place.get(v, -1) for v in read), default=-1)
        others = alike.setdefault((node.device, unit.domain, last), [])
        other = next((u for u in others if _is_one_kernel(u, unit, {root.get(v, v) for v in u.read} & read)), None)
        if other is None:
            others.append(unit)
            kept.append(unit)
        else:
            other.nodes += unit.nodes
            other.read |= unit.read
    return kept


def _is_one_kernel(a: _Unit, b: _Unit, common: set[Value]) -> bool:
    """Whether units over one domain should be one, which read these arrays in common."""
    if a.domain == ():
        return len(a.nodes) + len(b.nodes) <= a.limits.region_numbers
    return len(a.read | b.read) <= _OPERANDS and any(v.size == math.prod(a.domain) for v in common)


def _rebuilt(graph: Graph, units: list[_Unit], position: Mapping[Node, int]) -> Graph:
    """The graph with each region of two nodes or more as one ``fused`` node; units in an order that runs."""
    readers: dict[Value, list[Any]] = {}
    for unit in units:
        for node in unit.nodes:
            for v in node.inputs:
                readers.setdefault(v, []).append(unit)
    for v in graph.outputs:
        readers.setdefault(v, []).append(None)
    rewriter = Rewriter(graph)
    for unit in units:
        unit.nodes.sort(key=position.__getitem__)
        if len(unit.nodes) == 1:
            rewriter.keep(unit.nodes[0])
            continue
        inside = {v for node in unit.nodes for v in node.outputs}
        inputs = list(dict.fromkeys(v for node in unit.nodes for v in node.inputs if v not in inside and v.constant is None))
        outputs = [v for node in unit.nodes for v in node.outputs if any(r is not unit for r in readers.get(v, ()))]
        if not outputs:
            continue
        body, results = _body(unit.nodes, inputs, outputs)
        last = unit.nodes[-1]
        operands = [rewriter.of(v) for v in inputs]
        region = Node(FUSED, operands, {"body": body}, [v.spec for v in body.outputs], last.output.device, last.site)
        rewriter.nodes.append(region)
        index = {result: i for i, result in enumerate(body.outputs)}
        for v, result in zip(outputs, results, strict=True):
            rewriter.replace(v, region.outputs[index[result]])
    return rewriter.finish()


def _body(nodes: Sequence[Node], inputs: Sequence[Value], outputs: Sequence[Value]) -> tuple[Graph, list[Value]]:
    """The nodes of a region as a graph of their own, constants taken in; and what of it each of ``outputs`` is."""
    inner = {v: Value(v.shape, v.dtype, v.device) for v in inputs}
    parameters = list(inner.values())
    copied: list[Node] = []
    known: dict[Any, Value] = {}
    for node in nodes:
        for v in node.inputs:
            if v.constant is not None and v not in inner and v.node is not None:
                constant = Node(v.node.op, (), v.node.attrs, [v.spec], v.device, v.node.site)
                copied.append(constant)
                inner[v] = constant.output
        new = node.with_inputs([inner[v] for v in node.inputs])
        key = node.op, new.inputs, new.output.spec, exact_attrs(node.attrs)
        inner[node.output] = known.setdefault(key, new.output)
        if inner[node.output] is new.output:  # what is computed again for two readers is computed once for both
            copied.append(new)
    results = [inner[v] for v in outputs]
    return Graph(parameters, copied, tuple(dict.fromkeys(results))), results


def _ordered(units: list[_Unit], position: dict[Node, int], before: dict[Node, Node]) -> list[_Unit]:
    """Units after what they read, and what they are to run behind, near the order that the nodes were in."""
    of = {v: u for u in units for node in u.nodes for v in node.outputs}
    done: set[int] = set()
    order: list[_Unit] = []
    for root in sorted(units, key=lambda u: max(position[n] for n in u.nodes)):
        stack = [(root, False)]
        while stack:
            unit, ready = stack.pop()
            if id(unit) in done:
                continue
            if ready:
                done.add(id(unit))
                order.append(unit)
                continue
            stack.append((unit, True))
            for node in unit.nodes:
                for v in (*node.inputs, *(before[node].outputs if node in before else ())):
                    producer = of.get(v)
                    if producer is not None and producer is not unit and id(producer) not in done:
                        stack.append((producer, False))
    return order
