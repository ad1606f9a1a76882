"""What a NumPy program computes where: views, copies, overwritten states and the arena.

Everything that is decided before a line of text is written (:mod:`numpy_program` writes it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet.codegen.numpy_text import is_ufunc
from hybridnet.config import config
from hybridnet.core import OPS, Kind
from hybridnet.graph.control_ops import CONTROL, initial, initials
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.memory import Request, place
from hybridnet.graph.passes.fuse import FUSED, free_axis
from hybridnet.graph.passes.group import GROUP

Place = tuple[int, int]  # offset and size in the arena
Flat = tuple[int, ...]  # positions of state inputs that lie one after another in one buffer


def aliases(graph: Graph) -> dict[Value, Value]:
    """For each value that is a view in memory, the value whose buffer it views.

    Found by taking the views of arrays that are never touched: NumPy itself says when a reshape
    must copy.
    """
    shadow: dict[Value, Any] = {v: np.empty(v.shape, v.dtype) for v in graph.inputs}
    root: dict[Value, Value] = {}
    for node in graph.nodes:
        out = node.outputs[0]
        if node.op.kind is Kind.VIEW and node.op.compute is not None:
            source = node.inputs[0]
            shadow[out] = node.op.compute(np, shadow[source], **node.attrs)
            if not out.size or np.may_share_memory(shadow[out], shadow[source]):
                root[out] = root.get(source, source)
            continue
        for v in node.outputs:
            shadow[v] = np.empty(v.shape, v.dtype)
    return root


def legalize(graph: Graph, donate: dict[int, int]) -> Graph:
    """Copies where the program needs an array of its own: reshapes that are no views, inputs returned as they are."""
    root = aliases(graph)
    nodes: list[Node] = []
    became: dict[Value, Value] = {}

    def copied(v: Value) -> Value:
        node = Node(OPS["copy"], (v,), {}, [v.spec], v.device, v.node.site if v.node else None)
        nodes.append(node)
        return node.output

    for node in graph.nodes:
        inputs = [became.get(v, v) for v in node.inputs]
        if node.op.kind is Kind.VIEW and node.outputs[0] not in root:
            inputs[0] = copied(inputs[0])
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.outputs[0].device, node.site)
            became.update(zip(node.outputs, new.outputs, strict=True))
            node = new
        nodes.append(node)
    outputs = [became.get(v, v) for v in graph.outputs]
    given = set(graph.inputs)
    root = {became.get(v, v): became.get(r, r) for v, r in root.items()}
    taken: set[Value] = set()
    for i, v in enumerate(outputs):
        if root.get(v, v) in given or (i in donate and (v in taken or v in root)):
            outputs[i] = v = copied(v)
        if i in donate:
            taken.add(v)
    for i, v in enumerate(outputs):
        if i not in donate and root.get(v, v) in taken:
            outputs[i] = copied(v)
    return Graph(graph.inputs, nodes, outputs)


def ungroup(graph: Graph, unwanted: set[Node]) -> Graph:
    """The graph with some ``group`` nodes written out member by member."""
    nodes: list[Node] = []
    became: dict[Value, Value] = {}
    for node in graph.nodes:
        inputs = [became.get(v, v) for v in node.inputs]
        if node in unwanted:
            body, members, slots = node.attrs["body"], node.attrs["members"], node.attrs["slots"]
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
                        part.site,
                    )
                    inner[part.output] = new.output
                    nodes.append(new)
                for o, v in enumerate(body.outputs):
                    became[node.outputs[o * members + m]] = inner[v]
            continue
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            new = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.outputs[0].device, node.site)
            became.update(zip(node.outputs, new.outputs, strict=True))
            node = new
        nodes.append(node)
    return Graph(graph.inputs, nodes, [became.get(v, v) for v in graph.outputs])


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


def _body_allows(body: Graph, parameter: Value, result: Value, axis: int | None) -> bool:
    """Whether a region may write ``result`` over ``parameter`` block by block."""
    if parameter.shape != result.shape or parameter.dtype != result.dtype or result.node is None:
        return False
    if axis is not None:
        domain = np.broadcast_shapes(*[v.shape for n in body.nodes for v in (*n.inputs, *n.outputs)])
        if parameter.ndim < -axis or parameter.shape[axis] != domain[axis]:
            return False
    made = body.nodes.index(result.node)
    last = max((i for i, n in enumerate(body.nodes) if parameter in n.inputs), default=-1)
    return last < made or (last == made and is_ufunc(result.node.op))


class Plan:
    """Where each value of a legalized graph lies.

    root: value -> the value whose buffer it views.
    homes: value -> the state input into whose buffer it is computed.
    late: (position, value) of outputs that are copied into their state at the end.
    places: value -> its request in the arena.
    overwrites: value -> the operand whose buffer it takes over.
    starts: constants that are nothing but what loops' states start from, which need no array.
    """

    def __init__(self, graph: Graph, donate: dict[int, int], resident: frozenset[int], given: Sequence[Place | None] = ()) -> None:
        self.graph = graph
        self.resident = resident
        self.donate = donate
        self.root = aliases(graph)
        self.step = {node: i for i, node in enumerate(graph.nodes)}
        self.end = len(graph.nodes)
        self.last_use = self._last_uses()
        self.starts = self._starts()
        self.returned = {self.root_of(v) for i, v in enumerate(graph.outputs) if i not in donate and i not in resident}
        self.homes: dict[Value, Value] = {}
        self.late: list[tuple[int, Value]] = []
        self._find_homes()
        self.requests: list[Request] = []
        self.request_names: list[str] = []
        self.places: dict[Value, Request] = {}
        self._owner_last: dict[int, int] = {}
        self.overwrites: dict[Value, Value] = {}  # result -> the operand whose place it takes
        self._take_given(given)
        self._share_returned()
        self._make_requests()

    def root_of(self, v: Value) -> Value:
        return self.root.get(v, v)

    def place(self) -> int:
        """Give the requests their offsets; gives the arena's bytes."""
        return place(self.requests)

    def _take_given(self, given: Sequence[Place | None]) -> None:
        """Inputs that lie in the arena already: their places are free once they have been read."""
        extents = [p for p in given if p is not None]
        for v, at in zip(self.graph.inputs, given, strict=False):
            if at is None:
                continue
            alone = sum(at[0] < p[0] + p[1] and p[0] < at[0] + at[1] for p in extents) == 1 and at[1] == v.nbytes
            stop = self.last_use.get(v, 0) if alone else self.end
            made = Request(at[1], 0, stop, at[0])
            self.requests.append(made)
            self.request_names.append(f"{v.spec} kept by the forward")
            self.places[v] = made
            self._owner_last[id(made)] = stop

    def resident_places(self) -> list[Place | None]:
        """Where in the arena each resident output lies, once placed; None for results outside it."""
        requests = [self.places.get(self.root_of(self.graph.outputs[i])) for i in sorted(self.resident)]
        return [None if r is None else (r.offset, r.size) for r in requests]

    @property
    def naive_bytes(self) -> int:
        """The bytes of a separate buffer for every value."""
        return sum(v.nbytes for node in self.graph.nodes for v in node.outputs if v not in self.root and v.constant is None)

    def _last_uses(self) -> dict[Value, int]:
        """The last step that reads each buffer, through whatever view; outputs live to the end."""
        last: dict[Value, int] = {}
        for i, node in enumerate(self.graph.nodes):
            for v in (*node.inputs, *node.outputs):
                last[self.root_of(v)] = i
        for v in self.graph.outputs:
            last[self.root_of(v)] = self.end
        return last

    def _starts(self) -> set[Value]:
        found = {v for node in self.graph.nodes for v in initials(node) if v.constant is not None and v.shape}
        for node in self.graph.nodes:
            states = initials(node)
            found -= {v for v in node.inputs if node.inputs.count(v) > states.count(v)}
        return found - set(self.graph.outputs)

    def may_overwrite(self, node: Node, x: Value, out: Value) -> bool:
        """Whether ``node`` may write its result ``out`` over its operand ``x``: elementwise, no other reads of it."""
        if x.shape != out.shape or x.dtype != out.dtype:
            return False
        if not all(v is x or self.root_of(v) is not x for v in node.inputs):
            return False
        if node.op is FUSED:
            body = node.attrs["body"]
            parameter, result = body.inputs[node.inputs.index(x)], body.outputs[out.index]
            return self._once(body, result) and _body_allows(body, parameter, result, region_axis(body, config.block_bytes))
        if node.op is GROUP:
            body, members = node.attrs["body"], node.attrs["members"]
            slot = node.inputs.index(x)
            if slot % members != out.index % members or slot >= node.attrs["slots"] * members:
                return False
            result = body.outputs[out.index // members]
            return self._once(body, result) and _body_allows(body, body.inputs[slot // members], result, None)
        if node.op in CONTROL:  # a loop's state may lie where it started, if nothing else reads that
            return initial(node, out) is x and node.inputs.count(x) == 1
        return is_ufunc(node.op)

    @staticmethod
    def _once(body: Graph, result: Value) -> bool:
        return sum(v is result for v in body.outputs) == 1

    def _find_homes(self) -> None:
        """Which outputs can be computed right into the state that they replace."""
        readers: dict[Value, int] = {}
        for i, reader in enumerate(self.graph.nodes):
            for v in reader.inputs:
                readers[self.root_of(v)] = i
        for i, target in self.donate.items():
            v, state = self.graph.outputs[i], self.graph.inputs[target]
            node = v.node
            last = readers.get(state, -1)
            if (
                node is not None
                and planned(node)
                and (last < self.step[node] or (last == self.step[node] and self.may_overwrite(node, state, v)))
            ):
                self.homes[v] = state
            else:
                self.late.append((i, v))

    def _share_returned(self) -> None:
        """A returned result that may overwrite a dying operand: compute that operand in the returned array."""
        for node in reversed(self.graph.nodes):
            if not planned(node):
                continue
            for out in node.outputs:
                if out not in self.returned or out in self.homes:
                    continue
                for x in dict.fromkeys(node.inputs):
                    own = x.node is not None and planned(x.node) and x.constant is None and x not in self.root
                    if (
                        own
                        and x not in self.homes
                        and x not in self.returned
                        and self.last_use[x] == self.step[node]
                        and self.may_overwrite(node, x, out)
                    ):
                        self.returned.add(x)
                        self.overwrites[out] = x
                        break

    def _make_requests(self) -> None:
        """The arena's requests; values that overwrite a dying operand share its request."""
        for i, node in enumerate(self.graph.nodes):
            if not planned(node):
                continue
            for v in node.outputs:
                if (
                    v in self.root or v in self.homes or v in self.returned or v.constant is not None  # made once, outside the arena
                ):
                    continue
                shared = self._dying_operand(node, v, i)
                if shared is not None:
                    shared[1].stop = self._owner_last[id(shared[1])] = self.last_use.get(v, i)
                    self.places[v] = shared[1]
                    self.overwrites[v] = shared[0]
                else:
                    self.request(v, node, i, self.last_use.get(v, i))

    def request(self, v: Value, node: Node, start: int, stop: int) -> None:
        """A place of its own in the arena for ``v``."""
        made = Request(v.nbytes, start, stop)
        self.requests.append(made)
        self.request_names.append(f"{v.spec} {node.op.name} {node.site or ''}".strip())
        self.places[v] = made
        self._owner_last[id(made)] = stop

    def scratch(self, size: int, step: int, name: str = "scratch of a block") -> Request:
        """Bytes that are used within one step alone."""
        made = Request(size, step, step)
        self.requests.append(made)
        self.request_names.append(name)
        return made

    def _dying_operand(self, node: Node, out: Value, step: int) -> tuple[Value, Request] | None:
        for x in dict.fromkeys(node.inputs):
            request = self.places.get(x)
            if (
                request is not None
                and self._owner_last[id(request)] == step
                and self.may_overwrite(node, x, out)
                and self.places.get(x) not in [self.places.get(o) for o in node.outputs]
            ):
                return x, request
        return None


def planned(node: Node) -> bool:
    """Whether the node's results are written into planned buffers; others allocate their own."""
    if node.op is FUSED or node.op is GROUP or node.op in CONTROL:
        return True
    return node.op.kind is not Kind.VIEW and len(node.outputs) == 1 and (node.op.out or node.op.kind in (Kind.POINTWISE, Kind.REDUCTION))


def group_flats(plan: Plan, node: Node, can_flatten: Callable[[Flat], bool]) -> list[Flat] | None:
    """For each slot, then each output, of a group the states that it is; None unless all can lie flat."""
    members, graph = node.attrs["members"], plan.graph
    position = {v: i for i, v in enumerate(graph.inputs)}
    values: Sequence[Value] = [*node.inputs[: node.attrs["slots"] * members], *node.outputs]
    flats: list[Flat] = []
    for start in range(0, len(values), members):
        states = [plan.homes.get(v, v) for v in values[start : start + members]]
        if any(s not in position for s in states):
            return None
        flat = tuple(position[s] for s in states)
        if flat not in flats and not can_flatten(flat):
            return None
        flats.append(flat)
    return flats
