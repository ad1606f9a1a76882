"""What a CUDA program does in which step, and where its values lie.

A node becomes kernels (generated or hand-written), a library's call, or, where there is neither, a step
that CuPy computes between two CUDA graphs. Results are never allocated while a program runs: everything lies
in the arena or in the buffer of a state that it replaces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from hybridnet.codegen.cuda_index import Layout
from hybridnet.codegen.cuda_loop import Loop, loop_of
from hybridnet.codegen.cuda_region import Launches, Unit
from hybridnet.codegen.memory import Request
from hybridnet.codegen.plan import Place, Plan
from hybridnet.codegen.slots import slots
from hybridnet.core import Kind
from hybridnet.core.kernel import HandKernels, LibraryCall, StridedSpec
from hybridnet.device.hardware import ACCESS_BYTES
from hybridnet.graph.backend import CUDA, implementation_of
from hybridnet.graph.control_ops import initials
from hybridnet.graph.implementation import Generated, LibraryPlan, Repetition
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.layout_copies import alignment
from hybridnet.lowering.shadows import is_whole, shadows

#: Up to this size a constant array is kept from run to run rather than filled in each.
KEPT_BYTES = 1 << 16


_NONE: Mapping[int, int] = MappingProxyType({})


class PlannedLoop(NamedTuple):
    """A loop, the plan of a round, and the bytes of the arena that this is in."""

    loop: Loop
    plan: CudaPlan
    arena_bytes: int


class CudaPlan(Plan):
    """The plan of a CUDA program.

    launches, calls, loops: what computes each node; one that is in none of them is left to CuPy.
    joined: concatenations whose operands are computed in their places.
    kept: small constants that are read as arrays: made once, when the program is bound, outside the arena.
    staged: inputs whose arrays change from call to call, and which are copied to a fixed place.
    alignments: to how many bytes inputs are aligned, and results that are written over them, where that is less than all accesses need:
        elements of arrays that a loop goes along, which ``moving`` has, with the bytes from one to the next.

    A plan that is ``direct`` stages nothing: arguments are read where they lie, and results are computed in fresh arrays
    (``returned``), so that its steps have other addresses at each call.
    """

    alignment = 256

    def __init__(
        self,
        graph: Graph,
        donate: dict[int, int],
        input_places: Sequence[Place | None],
        fixed: frozenset[int],
        unit: Unit,
        direct: bool = False,
        moving: Mapping[int, int] = _NONE,
    ) -> None:
        self.unit = unit
        slot_of = slots(graph, shadows(graph))
        self.joined = {slot.whole.node for slot in slot_of.values()}
        self.shadows = shadows(graph, slot_of)
        self.begins: dict[Value, int] = {}  # the step that computes the first part of a joined array
        for i, node in enumerate(graph.nodes):
            for v in node.outputs:
                if v in slot_of:
                    self.begins.setdefault(self.shadows.root[v], i)
        changing = () if direct else enumerate(graph.inputs)
        self.staged = [v for i, v in changing if i not in fixed and (i >= len(input_places) or input_places[i] is None)]
        self.launches: dict[Node, Launches] = {}
        self.calls: dict[Node, LibraryCall] = {}
        self.loops: dict[Node, PlannedLoop] = {}
        self.alignments = self._alignments(graph, donate, moving)
        self.pairs: dict[Node, dict[Value, list[Value]]] = {}  # of each result the operands over which a node may write it
        self._find_launches_and_calls(graph)
        results = set(graph.outputs)
        constants = self._constants_in_memory(graph)
        self.kept = [n.output for n in graph.nodes if n in constants and n.output.nbytes <= KEPT_BYTES and n.output not in results]
        self.materialized = constants - {v.node for v in self.kept}
        for node in self.materialized:
            self.launches[node] = unit.add(node)
        stay = frozenset[int]() if direct else frozenset(i for i in range(len(graph.outputs)) if i not in donate)
        super().__init__(graph, donate, stay, input_places)
        self.workspaces: dict[Node, Request] = {}  # of libraries' calls, and the arenas of loops' rounds
        self.temporaries: dict[Value, Request] = {}
        self._scratch()

    def _alignments(self, graph: Graph, donate: Mapping[int, int], moving: Mapping[int, int]) -> dict[Value, int]:
        odd = {i: bytes_ for i, step in moving.items() if (bytes_ := alignment(step)) < ACCESS_BYTES}
        if not odd:
            return {}
        root = self.shadows.root
        strict = {
            root.get(v, v)
            for node in graph.nodes
            if isinstance(implementation_of(node), (LibraryPlan, HandKernels, Repetition))
            for v in (*node.inputs, *node.outputs)
        }
        found = {graph.inputs[i]: bytes_ for i, bytes_ in odd.items()}
        for o, i in donate.items():
            v = root.get(graph.outputs[o], graph.outputs[o])
            if i in odd and v not in strict:
                found[v] = odd[i]
        return found

    def _find_launches_and_calls(self, graph: Graph) -> None:
        for node in graph.nodes:
            if node.output.constant is not None or node in self.joined:
                continue
            match implementation_of(node):
                case LibraryPlan(call):
                    self.calls[node] = self._as_they_lie(node, call)
                    if node.op.in_place:
                        times = Counter(node.inputs)
                        self.pairs[node] = self._pairs(
                            node, [(x, y) for x, y in zip(node.inputs, node.outputs, strict=False) if times[x] == 1]
                        )
                case Repetition():
                    loop = loop_of(node)
                    fixed = frozenset(range(len(loop.graph.inputs)))
                    plan = CudaPlan(loop.graph, loop.donate, (), fixed, self.unit, moving=loop.moving)
                    self.loops[node] = PlannedLoop(loop, plan, plan.place())
                    times = Counter(node.inputs)
                    states = zip(initials(node), node.outputs[node.attrs["stacked"] :], strict=True)
                    self.pairs[node] = self._pairs(node, [(x, y) for x, y in states if times[x] == 1])
                case Generated() | HandKernels():
                    self.launches[node] = self.unit.add(node, {v: self._layout(v) for v in (*node.inputs, *node.outputs)})
                    self.pairs[node] = self._pairs(node, self.launches[node].in_place())

    def _pairs(self, node: Node, in_place: Iterable[tuple[Value, Value]]) -> dict[Value, list[Value]]:
        """Of each result the operands over which it may be written, of those ``in_place``, of whose memory the node reads nothing else."""
        read = dict.fromkeys(node.inputs)
        times = Counter(self.shadows.root.get(v, v) for v in read)
        pairs: dict[Value, list[Value]] = {}
        for x, out in dict.fromkeys(in_place):
            if x in read and times[self.shadows.root.get(x, x)] == 1:
                pairs.setdefault(out, []).append(x)
        position = {v: i for i, v in enumerate(read)}
        return {out: sorted(xs, key=position.__getitem__) for out, xs in pairs.items()}

    def _as_they_lie(self, node: Node, call: LibraryCall) -> LibraryCall:
        """The library's call on operands and results as they lie, which may be with gaps, where ``call`` is one on arrays without."""
        if all(map(self.shadows.is_contiguous, (*node.inputs, *node.outputs))):
            return call
        inputs, outputs = ([StridedSpec(v.shape, v.dtype, self.shadows.strides(v)) for v in vs] for vs in (node.inputs, node.outputs))
        strided = CUDA.plan(node, inputs, outputs)
        assert strided is not None, f"{node.op.name} has operands that its library does not take as they lie"
        return strided

    def _layout(self, v: Value) -> Layout:
        begins = alignment(self.shadows.offset(v))
        if self.alignments:
            begins = min(begins, self.alignments.get(self.shadows.root.get(v, v), begins))
        return Layout(self.shadows.strides(v), begins)

    def _constants_in_memory(self, graph: Graph) -> set[Node]:
        """Constants that are read as arrays; kernels write them as numbers."""
        read = {v for node in graph.nodes if not isinstance(implementation_of(node), Generated) for v in node.inputs} | set(graph.outputs)
        return {v.node for v in read if v.constant is not None and v.node is not None}

    def _scratch(self) -> None:
        for node, call in self.calls.items():
            if call.workspace:
                self.workspaces[node] = self.scratch(call.workspace, self.step[node], f"workspace of {call.name} {node.site or ''}".strip())
        for node, planned in self.loops.items():
            self.workspaces[node] = self.scratch(
                planned.arena_bytes, self.step[node], f"a round of {node.op.name} {node.site or ''}".strip()
            )
        for node, launches in self.launches.items():
            for v in launches.temporaries:
                self.temporaries[v] = self.scratch(v.nbytes, self.step[node], f"{v.spec} between kernels of {node.op.name}")

    # -- what the plan asks -----------------------------------------------------------------------

    def planned(self, node: Node) -> bool:
        return node.op.kind is not Kind.VIEW and (node.output.constant is None or node in self.materialized)

    def is_outside(self, v: Value) -> bool:
        return v.constant is not None and v.node not in self.materialized

    def filled(self, x: Value) -> Request | None:
        # Kernels are given addresses: another shape of an array is as good as the array.
        return self.places.get(self.root_of(x)) if is_whole(self.shadows, x) else None

    def fits(self, v: Value, state: Value) -> bool:
        # States lie without gaps here, or have stand-ins.
        return v.size == state.size and (state not in self.alignments or v in self.alignments)

    def may_overwrite(self, node: Node, x: Value, out: Value) -> bool:
        return x in self.pairs.get(node, {}).get(out, ())

    def beside(self, node: Node, out: Value, operands: Mapping[Value, object]) -> Iterable[Value]:
        return [x for x in self.pairs.get(node, {}).get(out, ()) if x in operands]

    def request(self, v: Value, node: Node, start: int, stop: int) -> None:
        super().request(v, node, self.begins.get(v, start), stop)

    def _roots(self) -> dict[Value, Value]:
        return self.shadows.root

    def _starts(self) -> set[Value]:
        return set()

    def _place_inputs(self, input_places: Sequence[Place | None]) -> None:
        super()._place_inputs(input_places)
        replaced = {self.graph.inputs[i] for i in self.donate.values()}
        for v in self.staged:
            if v in replaced or v in self.last_use:
                stop = self.end if v in replaced else self.last_use[v]
                request = Request(v.nbytes, 0, stop)
                self.requests.append(request)
                self.request_names.append(f"{v.spec} {v.name or 'argument'}")
                self.places[v] = request
                self._owner_last[id(request)] = stop
