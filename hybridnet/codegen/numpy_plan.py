"""What a NumPy program computes where (:mod:`numpy_program` writes it): what may overwrite what, regions, flat state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from hybridnet.codegen.numpy_text import is_ufunc
from hybridnet.codegen.plan import Place, Plan
from hybridnet.config import config
from hybridnet.core import Kind
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.control_ops import CONTROL, initial
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import ALL_REDUCE, INDEX_SET
from hybridnet.lowering.copies import same_axes, turned
from hybridnet.lowering.fuse import FUSED, free_axis
from hybridnet.lowering.multi_tensor import GROUP

Flat = tuple[int, ...]  # positions of state inputs that lie one after another in one buffer


def region_axis(body: Graph, block_bytes: int) -> int:
    """The axis, counted from the end, along which a fused region is run in blocks.

    The leftmost that nothing reduces, so that blocks are runs of memory, unless one step along it
    is more than a block.
    """
    shapes = [v.shape for v in body.inputs] + [v.shape for n in body.nodes for v in n.outputs]
    domain = np.broadcast_shapes(*shapes)
    reduced = {a - n.inputs[0].ndim for n in body.nodes if n.op.kind is Kind.REDUCTION for a in n.attrs["axis"]}
    for axis in range(-len(domain), 0):
        step = math.prod(domain[axis + 1 :] if axis < -1 else ()) * body.outputs[0].dtype.itemsize
        if axis not in reduced and domain[axis] > 1 and step <= block_bytes:
            return axis
    return free_axis(domain, frozenset(reduced)) or -1


class _Body:
    """What of a region's graph decides which of its parameters a result may be written over, block by block."""

    def __init__(self, body: Graph, axis: int | None) -> None:
        """``axis``: along which the region is run in blocks; None for a group, whose arrays are flat."""
        self.graph = body
        self.axis = axis
        self.domain = np.broadcast_shapes(*[v.shape for n in body.nodes for v in (*n.inputs, *n.outputs)])
        self.computed_at = {n: i for i, n in enumerate(body.nodes)}
        self.last_read = {v: i for i, n in enumerate(body.nodes) for v in n.inputs}
        self.times = Counter(body.outputs)

    def allows(self, parameter: Value, result: Value) -> bool:
        """Whether a region may write ``result`` over ``parameter``."""
        if parameter.shape != result.shape or parameter.dtype != result.dtype or result.node is None or self.times[result] != 1:
            return False
        if self.axis is not None and (parameter.ndim < -self.axis or parameter.shape[self.axis] != self.domain[self.axis]):
            return False
        computed_at, last = self.computed_at[result.node], self.last_read.get(parameter, -1)
        return last < computed_at or (last == computed_at and is_ufunc(result.node.op))


class _Operands:
    """What a node reads: where each operand stands first, how often, and the arrays of which it reads views."""

    def __init__(self, node: Node, root: Mapping[Value, Value]) -> None:
        self.position: dict[Value, int] = {}
        for i, v in enumerate(node.inputs):
            self.position.setdefault(v, i)
        self.times = Counter(node.inputs)
        self.viewed = {root[v] for v in node.inputs if v in root}


class NumpyPlan(Plan):
    """The plan of a NumPy program."""

    def __init__(self, graph: Graph, donate: dict[int, int], resident: frozenset[int], input_places: Sequence[Place | None] = ()) -> None:
        self._operands: dict[Node, _Operands] = {}
        self._bodies: dict[Node, _Body] = {}
        super().__init__(graph, donate, resident, input_places)

    def planned(self, node: Node) -> bool:
        return planned(node)

    def fills(self, node: Node) -> bool:
        """What allocates its results has them copied there at once, unless they are made once for all runs."""
        return planned(node) or (node.op.kind is not Kind.VIEW and bool(node.inputs))

    def may_fill(self, node: Node, state: Value, out: Value) -> bool:
        return not planned(node) or self.may_overwrite(node, state, out)

    def fits(self, v: Value, state: Value) -> bool:
        return same_axes(v.shape, state.shape)

    def turned(self, v: Value, result: Value) -> tuple[int, ...] | None:
        return turned(result) if result.node is not None and v in result.node.inputs else None

    def may_overwrite(self, node: Node, x: Value, out: Value) -> bool:
        """Elementwise, or the rest stays as it is; no other reads of the operand."""
        if x.shape != out.shape or x.dtype != out.dtype:
            return False
        if node not in self._operands:
            self._operands[node] = _Operands(node, self.root)
        operands = self._operands[node]
        if x in operands.viewed:
            return False
        slot = operands.position[x]
        if node.op is FUSED:
            body = self._body(node)
            return body.allows(body.graph.inputs[slot], body.graph.outputs[out.index])
        if node.op is GROUP:
            members = node.attrs["members"]
            if slot % members != out.index % members or slot >= node.attrs["slots"] * members:
                return False
            body = self._body(node)
            return body.allows(body.graph.inputs[slot // members], body.graph.outputs[out.index // members])
        if node.op in CONTROL:  # a loop's state may lie where it started, if nothing else reads that
            return initial(node, out) is x and operands.times[x] == 1
        if node.op is INDEX_SET:  # which then writes some places alone
            return slot == 0 and operands.times[x] == 1
        if node.op.in_place:
            return slot == out.index and operands.times[x] == 1
        return is_ufunc(node.op)

    def beside(self, node: Node, out: Value, operands: Mapping[Value, object]) -> Iterable[Value]:
        if node.op.in_place:
            return [v for v in node.inputs[out.index : out.index + 1] if v in operands]
        if node.op is not GROUP:
            return operands
        members = node.attrs["members"]
        own = node.inputs[out.index % members : node.attrs["slots"] * members : members]
        return [v for v in dict.fromkeys(own) if v in operands]

    def _body(self, node: Node) -> _Body:
        if node not in self._bodies:
            graph = node.attrs["body"]
            self._bodies[node] = _Body(graph, region_axis(graph, config.block_bytes) if node.op is FUSED else None)
        return self._bodies[node]


def planned(node: Node) -> bool:
    """Whether the node's results are written into planned buffers; others allocate their own."""
    if node.op is FUSED or node.op is GROUP or node.op in CONTROL:
        return True
    if isinstance(implementation_of(node), LibraryPlan):
        return True
    return node.op.kind is not Kind.VIEW and len(node.outputs) == 1 and (node.op.out or node.op.kind in (Kind.POINTWISE, Kind.REDUCTION))


def group_flats(plan: Plan, can_flatten: Callable[[Flat], bool]) -> dict[Node, list[Flat] | None]:
    """For each group of a graph the states that each of its slots, then each output, is; None unless all can lie flat."""
    if not any(node.op is GROUP for node in plan.graph.nodes):
        return {}
    position = {v: i for i, v in enumerate(plan.graph.inputs)}
    straight = {v: state for v, state in plan.homes.items() if v not in plan.turns}  # the others' elements lie in another order
    homes = {**straight, **_viewed_homes(plan)}
    return {node: _flats(node, homes, position, can_flatten) for node in plan.graph.nodes if node.op is GROUP}


def _viewed_homes(plan: Plan) -> dict[Value, Value]:
    """The views that are states' new values, of what is computed right there with its axes in another order or number; and these states."""
    found = {}
    for i, target in plan.donate.items():
        result, state = plan.graph.outputs[i], plan.graph.inputs[target]
        if plan.root_of(result) is not result and plan.homes.get(plan.root_of(result)) is state:
            found[result] = state
    return found


def _flats(
    node: Node, homes: Mapping[Value, Value], position: Mapping[Value, int], can_flatten: Callable[[Flat], bool]
) -> list[Flat] | None:
    members = node.attrs["members"]
    values: Sequence[Value] = [*node.inputs[: node.attrs["slots"] * members], *node.outputs]
    flats: list[Flat] = []
    known: set[Flat] = set()
    for start in range(0, len(values), members):
        states = [homes.get(v, v) for v in values[start : start + members]]
        if any(s not in position for s in states):
            return None
        flat = tuple(position[s] for s in states)
        if flat not in known and not can_flatten(flat):
            return None
        known.add(flat)
        flats.append(flat)
    return flats


def message_flats(plan: Plan, groups: Mapping[Node, list[Flat] | None]) -> dict[Node, Flat]:
    """The sums over ranks whose results are states that a group has one after another, and which states: they need not be packed."""
    places = {state: (flat, at) for flats in groups.values() for flat in flats or () for at, state in enumerate(flat)}
    position = {v: i for i, v in enumerate(plan.graph.inputs)}
    found: dict[Node, Flat] = {}
    for node in plan.graph.nodes:
        if node.op is ALL_REDUCE and isinstance(implementation_of(node), LibraryPlan):
            states = tuple(position.get(plan.homes.get(v, v), -1) for v in node.outputs)
            flat, at = places.get(states[0], ((), 0))
            if flat[at : at + len(states)] == states:
                found[node] = states
    return found
