"""Where the values of a program lie: views, overwritten states and the arena. What both programs share.

Everything that is decided before a line of text is written.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hybridnet.codegen.memory import ALIGNMENT, Request, place
from hybridnet.graph.control_ops import initials
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.shadows import shadows

Place = tuple[int, int]  # offset and size in the arena
What = str | tuple[Value, Node]  # what bytes of the arena are for: a value that a node computes, or in words
Occupied = tuple[Request, What]


def aliases(graph: Graph) -> dict[Value, Value]:
    """For each value that is a view in memory, the value whose buffer it views."""
    return shadows(graph).root


class Plan:
    """Where each value of a lowered graph lies. What a program may overwrite is for its own kind of plan to say.

    root: value -> the value whose buffer it views.
    homes: value -> the state input into whose buffer it is computed.
    turns: of values with a home: the order of its axes in which it is computed there, where that is another.
    late: (position, value) of outputs that are copied into their state at the end.
    places: value -> its request in the arena.
    overwrites: value -> the operand whose buffer it takes over.
    starts: constants that are nothing but what loops' states start from, which need no array.
    """

    alignment = ALIGNMENT

    def __init__(self, graph: Graph, donate: dict[int, int], resident: frozenset[int], input_places: Sequence[Place | None] = ()) -> None:
        self.graph = graph
        self.resident = resident
        self.donate = donate
        self.root = self._roots()
        self.step = {node: i for i, node in enumerate(graph.nodes)}
        self.end = len(graph.nodes)
        self.last_use = self._last_uses()
        self.starts = self._starts()
        self.returned = {self.root_of(v) for i, v in enumerate(graph.outputs) if i not in donate and i not in resident}
        self.homes: dict[Value, Value] = {}
        self.turns: dict[Value, tuple[int, ...]] = {}
        self.late: list[tuple[int, Value]] = []
        self._find_homes()
        self._share_homes()
        self.requests: list[Request] = []
        self.request_names: list[What] = []
        self.places: dict[Value, Request] = {}
        self._owner_last: dict[int, int] = {}
        self.overwrites: dict[Value, Value] = {}  # result -> the operand whose place it takes
        self._place_inputs(input_places)
        self._share_returned()
        self._make_requests()

    def root_of(self, v: Value) -> Value:
        """The value whose memory ``v`` lies in: itself, unless it is a view."""
        return self.root.get(v, v)

    def _roots(self) -> dict[Value, Value]:
        return aliases(self.graph)

    def place(self, apart: Any = None) -> int:
        """Give the requests their offsets; gives the arena's bytes. ``apart``: see :func:`~hybridnet.codegen.memory.place`."""
        return place(self.requests, self.alignment, apart)

    def largest(self, number: int = 10) -> list[tuple[int, str]]:
        """The largest requests: their bytes, and what they are."""
        return [(r.size, _shown(name)) for r, name in heapq.nlargest(number, self.occupied(), key=lambda pair: pair[0].size)]

    def occupied(self) -> Sequence[Occupied]:
        """All that lies in the arena, once placed: from which step to which, and what it is. A value is named that is there first."""
        return list(zip(self.requests, self.request_names, strict=True))

    def _place_inputs(self, input_places: Sequence[Place | None]) -> None:
        """Inputs that lie in the arena already: their places are free once they have been read."""
        unshared = alone([p for p in input_places if p is not None])
        for v, at in zip(self.graph.inputs, input_places, strict=False):
            if at is None:
                continue
            stop = self.last_use.get(v, 0) if at in unshared and at[1] == v.nbytes else self.end
            request = Request(at[1], 0, stop, at[0])
            self.requests.append(request)
            self.request_names.append(f"{v.spec} kept by the forward")
            self.places[v] = request
            self._owner_last[id(request)] = stop

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
        constants = {v for node in self.graph.nodes for v in initials(node) if v.constant is not None and v.shape}
        if not constants:
            return constants
        for node in self.graph.nodes:
            constants -= (Counter(node.inputs) - Counter(initials(node))).keys()
        return constants - set(self.graph.outputs)

    def planned(self, node: Node) -> bool:
        """Whether the node's results are written into planned buffers; others allocate their own."""
        raise NotImplementedError

    def fills(self, node: Node) -> bool:
        """Whether the node's results can be had right in the arrays of the states that they replace."""
        return self.planned(node)

    def may_fill(self, node: Node, state: Value, out: Value) -> bool:
        """Whether ``node``, which reads a state, may have its result ``out`` there."""
        return self.may_overwrite(node, state, out)

    def is_outside(self, v: Value) -> bool:
        """Whether a planned value needs no place: a constant that is made once, or never."""
        return v.constant is not None

    def filled(self, x: Value) -> Request | None:
        """The place that is an operand's from beginning to end."""
        return self.places.get(x)

    def fits(self, v: Value, state: Value) -> bool:
        """Whether a value can be computed right into a state's array. One of another shape cannot, since that array may have gaps."""
        return v.shape == state.shape

    def turned(self, v: Value, result: Value) -> tuple[int, ...] | None:
        """In which order of a state's axes ``v`` can be computed right there, where the state becomes ``result``, a view of ``v``."""
        return None

    def may_overwrite(self, node: Node, x: Value, out: Value) -> bool:
        """Whether ``node`` may write its result ``out`` over its operand ``x``."""
        raise NotImplementedError

    def beside(self, node: Node, out: Value, operands: Mapping[Value, object]) -> Iterable[Value]:
        """Of some operands those over which ``node`` may write ``out`` as far as their positions say; asked first, so that few are left."""
        return operands

    def _readers(self) -> dict[Value, int]:
        """The last step that reads each buffer."""
        readers: dict[Value, int] = {}
        for i, reader in enumerate(self.graph.nodes):
            for v in reader.inputs:
                readers[self.root_of(v)] = i
        return readers

    def _find_homes(self) -> None:
        """Which outputs can be computed right into the state that they replace."""
        readers = self._readers()
        for i, target in self.donate.items():
            result, state = self.graph.outputs[i], self.graph.inputs[target]
            v = self.root_of(result)
            node = v.node
            last = readers.get(state, -1)
            turned = self.turned(v, result)  # asked first: of a cube the shape is the same
            if (
                node is not None
                and self.fills(node)
                and (turned is not None or self.fits(v, state))
                and (last < self.step[node] or (last == self.step[node] and self.may_fill(node, state, v)))
            ):
                self.homes[v] = state
                if turned is not None:
                    self.turns[v] = turned
            else:
                self.late.append((i, result))

    def _share_homes(self) -> None:
        """What a message overwrites by a state's new value is computed in that state's array, unless the old value is read after that."""
        messages = [node for node in self.graph.nodes if node.op.in_place and self.planned(node)]
        readers = self._readers() if messages else {}
        for node in reversed(messages):
            operands = dict.fromkeys(v for v in node.inputs if self._may_be_returned(v, self.step[node]))
            for out in node.outputs:
                state = self.homes.get(out)
                for x in self.beside(node, out, operands) if state is not None else ():
                    maker = x.node
                    if maker is None or state is None or not self.fits(x, state) or not self.may_overwrite(node, x, out):
                        continue
                    last, step = readers.get(state, -1), self.step[maker]
                    if last < step or (last == step and self.may_overwrite(maker, state, x)):
                        self.homes[x] = state

    def _share_returned(self) -> None:
        """A returned result that may overwrite a dying operand: compute that operand in the returned array."""
        for node in reversed(self.graph.nodes):
            if not self.planned(node):
                continue
            outputs = [v for v in node.outputs if v in self.returned and v not in self.homes]
            operands = dict.fromkeys(v for v in node.inputs if self._may_be_returned(v, self.step[node])) if outputs else {}
            for out in outputs:
                for x in self.beside(node, out, operands):
                    if self.may_overwrite(node, x, out):
                        self.returned.add(x)
                        self.overwrites[out] = x
                        del operands[x]
                        break

    def _may_be_returned(self, x: Value, step: int) -> bool:
        """Whether a value that a step reads could be computed in an array that is returned: it has none yet and ends there."""
        if x.node is None or not self.planned(x.node) or x.constant is not None or x in self.root:
            return False
        return x not in self.homes and x not in self.returned and self.last_use[x] == step

    def _make_requests(self) -> None:
        """The arena's requests; values that overwrite a dying operand share its request."""
        for i, node in enumerate(self.graph.nodes):
            if not self.planned(node):
                continue
            dying = self._dying(node, i)
            sharing: dict[int, list[Value]] = {}
            for x, request in dying.items():
                sharing.setdefault(id(request), []).append(x)
            for v in node.outputs:
                if v in self.root or v in self.homes or v in self.returned or self.is_outside(v):
                    continue
                over = next((x for x in self.beside(node, v, dying) if self.may_overwrite(node, x, v)), None)
                if over is not None:
                    request = dying[over]
                    request.stop = self._owner_last[id(request)] = self.last_use.get(v, i)
                    self.places[v] = request
                    self.overwrites[v] = over
                    for y in sharing[id(request)]:
                        del dying[y]
                else:
                    self.request(v, node, i, self.last_use.get(v, i))

    def request(self, v: Value, node: Node, start: int, stop: int) -> None:
        """A place of its own in the arena for ``v``."""
        request = Request(v.nbytes, start, stop)
        self.requests.append(request)
        self.request_names.append((v, node))
        self.places[v] = request
        self._owner_last[id(request)] = stop

    def scratch(self, size: int, step: int, name: str = "scratch of a block") -> Request:
        """Bytes that are used within one step alone."""
        request = Request(size, step, step)
        self.requests.append(request)
        self.request_names.append(name)
        return request

    def _dying(self, node: Node, step: int) -> dict[Value, Request]:
        """The operands in whose places nothing is read after this step, with these places."""
        filled = ((x, self.filled(x)) for x in dict.fromkeys(node.inputs))
        return {x: request for x, request in filled if request is not None and self._owner_last[id(request)] == step}


def _shown(name: What) -> str:
    if isinstance(name, str):
        return name
    v, node = name
    return f"{v.spec} {node.op.name} {node.site or ''}".strip()


def alone(extents: Sequence[Place]) -> set[Place]:
    """Those that share no byte with another one."""
    unshared: set[Place] = set()
    ordered = sorted(extents)
    end = 0  # of all before
    for (start, size), following in zip(ordered, [*(other for other, _ in ordered[1:]), math.inf], strict=False):
        if size and end <= start and start + size <= following:
            unshared.add((start, size))
        end = max(end, start + size)
    return unshared
