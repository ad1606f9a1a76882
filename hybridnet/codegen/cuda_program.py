"""A graph as a CUDA program: the text of its kernels and the steps that launch them, over addresses that are known once it is bound.

An address is a base (the arena, an input, a table) and an offset, so that one program can be bound to several
arenas. Steps that CuPy computes stand between the others, which are captured as CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hybridnet.codegen.apart import apart
from hybridnet.codegen.cuda_plan import CudaPlan, PlannedLoop
from hybridnet.codegen.cuda_region import Launches, Tuning, Unit, origin
from hybridnet.codegen.cuda_staging import HEADER, LARGEST, MOST, arguments_kernel, put_kernel, results_kernel
from hybridnet.codegen.cuda_steps import (
    ARENA,
    RESULT,
    Address,
    AtBind,
    CopyStep,
    CupyStep,
    Extent,
    Filled,
    KernelStep,
    LibraryStep,
    Located,
    Staging,
    Step,
)
from hybridnet.codegen.cuda_text import Kernel, Table
from hybridnet.codegen.order import Order, Span, Touched, chain, order_of, verify_order
from hybridnet.codegen.plan import Occupied, Place
from hybridnet.config import config
from hybridnet.core import Kind
from hybridnet.core.kernel import LibraryCall
from hybridnet.device import Device
from hybridnet.device.compiler import Origin
from hybridnet.device.hardware import HOST_LAUNCH_BYTES
from hybridnet.graph.control_ops import first_state, initials
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering import Target, lower


class WrittenLoop(NamedTuple):
    """A loop whose rounds, ``length`` of ``steps`` each, are steps of a program from number ``start`` on."""

    node: Node
    start: int
    steps: int
    length: int


def _placed(step: Step, place: Callable[[Address], Address]) -> Step:
    """A step over other addresses: of one for which all stay the same, the step itself."""
    match step:
        case KernelStep(kernel, arguments, node):
            moved = tuple(map(place, arguments))
            return step if moved == arguments else KernelStep(kernel, moved, node)
        case LibraryStep(call, pointers, workspace, node):
            return LibraryStep(call, tuple(map(place, pointers)), None if workspace is None else place(workspace), node)
        case CopyStep(source, target, nbytes, node):
            return CopyStep(place(source), place(target), nbytes, node)
    raise TypeError(step)


@dataclass
class CudaSource:
    """A program: kernels' text, steps, and where inputs and results lie.

    lowered: the graph that it computes.
    staged: inputs that are copied to a place of the program before it runs, by their numbers.
    returned: places whose contents are copied to staged inputs afterwards (arguments that the function writes).
    results: the outputs that are not written over an input, in order.
    at_bind: arrays that are made when the program is bound.
    direct: the bytes of the fresh buffers that each call computes its results in, if the program is direct: launched
        step by step on its arguments where they lie. Else None.
    resident: where in the arena the outputs that the caller keeps there lie.
    loops: which of the steps are rounds of loops, in order.
    writes: for each node that is not a view, what its steps write: its results, and what lies between its kernels.
    occupied: what lies in the arena, and when.
    touched: what each step reads and writes.
    order: which steps wait for which; one chain where ``HYBRIDNET_GRAPH_BRANCHES`` is 0.
    staging: how small arguments and results are copied; None: one by one, as large ones are.
    """

    lowered: Graph
    text: str
    steps: list[Step]
    arena_bytes: int
    naive_bytes: int
    staged: dict[int, Address]
    returned: dict[int, Address]
    results: list[Located]
    at_bind: list[AtBind]
    direct: list[int] | None = None
    resident: tuple[Place | None, ...] = ()
    largest: list[tuple[int, str]] = field(default_factory=list)
    loops: list[WrittenLoop] = field(default_factory=list)
    writes: dict[Node, tuple[Extent, ...]] = field(default_factory=dict)
    occupied: Sequence[Occupied] = ()
    touched: Sequence[Touched] = ()
    order: Order = field(default_factory=lambda: chain(0))
    staging: Staging | None = None

    @property
    def kernels(self) -> dict[str, Kernel]:
        """Its kernels by name, with those that copy arguments and results."""
        found = [step.kernel for step in self.steps if isinstance(step, KernelStep)]
        if self.staging is not None:
            found += [self.staging.put, *(step.kernel for step in (self.staging.first, self.staging.last) if step is not None)]
        return {kernel.name: kernel for kernel in found}

    @property
    def origins(self) -> list[Origin]:
        """Of each launch the kernel, and the operators that it is of."""
        return [origin(s.kernel, s.node) for s in self.steps if isinstance(s, KernelStep) and s.node is not None]


def write_cuda_program(
    graph: Graph,
    donate: Mapping[int, int] | None = None,
    input_places: Sequence[Place | None] = (),
    fixed: frozenset[int] = frozenset(),
    resident: frozenset[int] = frozenset(),
) -> CudaSource:
    """The CUDA program of a graph.

    ``donate`` maps positions of outputs to positions of inputs: that output is written into that
    input's buffer. ``input_places`` says of the first inputs where in the arena they lie already. ``fixed``:
    inputs whose arrays stay where they are from call to call; others are copied to a place of the program.
    ``resident``: outputs that the caller keeps in the arena.

    Where arguments and results are so large that copying them costs more than launching the steps, the program is direct.
    """
    donated = dict(donate or {})
    device = device_of_graph(graph)
    lowered = lower(graph, "gpu", Target(donated))
    tuning = Tuning(num_sms=device.num_sms)
    source = _Writer(CudaPlan(lowered, donated, input_places, fixed, Unit(tuning)), resident).write()
    copied = sum(graph.inputs[i].nbytes for i in source.staged) + sum(x.nbytes for x in source.results)
    if resident or any(input_places) or copied <= HOST_LAUNCH_BYTES * len(source.steps):
        return source
    direct = _Writer(CudaPlan(lowered, donated, input_places, fixed, Unit(tuning), direct=True), resident, direct=True).write()
    # A table of addresses is made once: it cannot hold those of arguments and results.
    looked_up = {e.base for table in direct.at_bind if isinstance(table, tuple) for e in table if isinstance(e, Address)}
    return direct if looked_up <= fixed | {ARENA} else source


def device_of_graph(graph: Graph) -> Device:
    """The device of a graph's values."""
    values = [*graph.inputs, *(v for n in graph.nodes for v in n.outputs)]
    return values[0].device


class _Writer:
    """Writes the steps of a plan."""

    def __init__(self, plan: CudaPlan, resident: frozenset[int], direct: bool = False) -> None:
        self.plan = plan
        self.direct = direct
        self.buffers: dict[Value, int] = {}  # of a direct program, by the value that is computed in each
        self.graph = plan.graph
        self.resident = resident
        self.number = {v: i for i, v in enumerate(self.graph.inputs)}
        self.at_bind: list[AtBind] = [Filled(v.constant, v.shape, v.dtype) for v in plan.kept]
        self.base = {v: -2 - k for k, v in enumerate(plan.kept)}
        self.steps: list[Step] = []
        self.loops: list[WrittenLoop] = []
        self.writes: dict[Node, tuple[Extent, ...]] = {}
        self.touched: list[Touched] = []  # of each step

    def write(self) -> CudaSource:
        plan, graph = self.plan, self.graph
        arena = plan.place(apart(plan) if config.graph_branches and not self.direct else None)
        self._write_steps()
        staged = {self.number[v]: self.address(v) for v in plan.staged if v in plan.places}
        returned = {at: staged[at] for at in plan.donate.values() if at in staged}
        results = [self.located(v) for i, v in enumerate(graph.outputs) if i not in plan.donate]
        places = [self.located(graph.outputs[i]) for i in sorted(self.resident)]
        largest = plan.largest()
        stays = [i in self.resident for i in range(len(graph.outputs)) if i not in plan.donate]
        staging = self._staging(staged, results, stays) if config.staging_kernel and self.steps and not self.direct else None
        order = order_of(self.touched) if config.graph_branches else chain(len(self.steps))
        if config.debug >= 1:
            verify_order(order, self.touched, "program")
        return CudaSource(
            graph,
            plan.unit.text,
            self.steps,
            arena,
            plan.naive_bytes,
            staged,
            returned,
            results,
            self.at_bind,
            [v.nbytes for v in self.buffers] if self.direct else None,
            tuple((x.address.offset, x.nbytes) if x.address.base == ARENA else None for x in places),
            largest,
            self.loops,
            self.writes,
            plan.occupied(),
            self.touched,
            order,
            staging,
        )

    def _staging(self, staged: Mapping[int, Address], results: Sequence[Located], stays: Sequence[bool]) -> Staging | None:
        """The launches that copy small arguments and results; ``stays``: whether the caller finds a result where it is computed."""
        sizes = {i: self.graph.inputs[i].nbytes for i in staged}
        given = [i for i in staged if 0 < sizes[i] <= LARGEST][:MOST]
        taken = [k for k, x in enumerate(results) if not stays[k] and 0 < x.nbytes <= LARGEST][: MOST - len(given)]
        if not given and not taken:
            return None
        put, first, last = put_kernel(len(given) + len(taken)), None, None
        table = self._made((0,) * (len(given) + len(taken)))
        if given:
            of_given = tuple(sizes[i] for i in given)
            first = KernelStep(arguments_kernel(of_given), (table, self._made(of_given), *(staged[i] for i in given)), None)
        if taken:
            of_taken = tuple(results[k].nbytes for k in taken)
            last = KernelStep(
                results_kernel(of_taken, len(given)), (table, self._made(of_taken), *(results[k].address for k in taken)), None
            )
        unit = self.plan.unit
        unit.headers[HEADER] = None
        unit.texts |= {kernel.name: kernel.text for kernel in (put, *(s.kernel for s in (first, last) if s is not None))}
        return Staging(table, put, tuple(given), tuple(taken), first, last)

    def _write_steps(self) -> None:
        plan, graph = self.plan, self.graph
        for node in graph.nodes:
            if node.op.kind is not Kind.VIEW and plan.planned(node) and node not in plan.joined:
                self._write_node(node)
        for i, v in plan.late:
            target = self.address(graph.inputs[plan.donate[i]])
            self._append(CopyStep(self.address(v), target, v.nbytes, v.node), [self._bytes(v)], [_span(target, v.nbytes)])

    def address(self, v: Value) -> Address:
        """Where a value lies."""
        plan = self.plan
        scratch = plan.temporaries.get(v)
        if scratch is not None:
            return Address(ARENA, scratch.offset)
        root, offset = plan.root_of(v), plan.shadows.offset(v)
        root = plan.homes.get(root, root)
        if root in self.base:
            return Address(self.base[root], offset)
        if root in plan.returned:
            while root in plan.overwrites:
                root = plan.overwrites[root]
            return Address(RESULT - self.buffers.setdefault(root, len(self.buffers)), offset)
        place = plan.places.get(root)
        return Address(self.number[root], offset) if place is None else Address(ARENA, place.offset + offset)

    def located(self, v: Value) -> Located:
        return Located(self.address(v), v.shape, v.dtype, tuple(s * v.dtype.itemsize for s in self.plan.shadows.strides(v)))

    def _append(self, step: Step, reads: Iterable[Span], writes: Iterable[Span], channel: str = "", alone: bool = False) -> None:
        self.steps.append(step)
        self.touched.append(Touched(tuple(reads), tuple(writes), channel, alone))

    def _bytes(self, v: Value) -> Span:
        """What a step that takes a value may touch."""
        return _span(self.address(v), v.nbytes) if v in self.plan.temporaries else self.located(v).bytes

    def _write_node(self, node: Node) -> None:
        plan = self.plan
        between = plan.launches[node].temporaries if node in plan.launches else ()
        results = [self.located(v) for v in node.outputs if v.size]
        self.writes[node] = (*((x.address, x.span) for x in results), *((self.address(v), v.nbytes) for v in between))
        if node in plan.calls:
            self._write_call(node, plan.calls[node])
        elif node in plan.launches:
            self._write_launches(node, plan.launches[node])
        elif node in plan.loops:
            self._write_loop(node, plan.loops[node])
        elif all(v.size for v in node.outputs):
            inputs, outputs = (tuple(map(self.located, vs)) for vs in (node.inputs, node.outputs))
            self._append(CupyStep(node, inputs, outputs), [x.bytes for x in inputs], [y.bytes for y in outputs], alone=True)

    def _write_call(self, node: Node, call: LibraryCall) -> None:
        workspace = self.plan.workspaces.get(node)
        scratch = None if workspace is None else Address(ARENA, workspace.offset)
        writes = [*map(self._bytes, node.outputs), *([] if scratch is None else [_span(scratch, call.workspace)])]
        pointers = tuple(self.address(v) for v in (*node.inputs, *node.outputs))
        self._append(LibraryStep(call, pointers, scratch, node), map(self._bytes, node.inputs), writes, call.channel)

    def _write_launches(self, node: Node, launches: Launches) -> None:
        made = {t.value: self._table(t) for t in launches.tables}
        made |= {v: self._made(Filled(0, v.shape, v.dtype)) for v in launches.counters}
        counters = {v: _span(made[v], v.nbytes) for v in launches.counters}
        looked_up = {t.value: [e for e in t.entries if isinstance(e, Value)] for t in launches.tables}
        written = {*node.outputs, *launches.temporaries}
        for kernel in launches.kernels:
            arguments = tuple(made[v] if v in made else self.address(v) for v in kernel.arguments)
            values = dict.fromkeys(e for v in kernel.arguments if v not in counters for e in looked_up.get(v, (v,)))
            reads, writes = ([self._bytes(v) for v in values if (v in written) is wanted] for wanted in (False, True))
            writes += [counters[v] for v in kernel.arguments if v in counters]
            self._append(KernelStep(kernel, arguments, node), reads, writes)

    def _write_loop(self, node: Node, planned: PlannedLoop) -> None:
        """The steps of a loop: the states put where they stay, then the rounds."""
        stacked = node.attrs["stacked"]
        last = node.outputs[stacked:]
        for x, y in zip(initials(node), last, strict=True):
            if self.address(x) != self.address(y):
                spans = [_span(self.address(v), y.nbytes) for v in (x, y)]
                self._append(CopyStep(self.address(x), self.address(y), y.nbytes, node), spans[:1], spans[1:])
        part = _Writer(planned.plan, frozenset())
        part._write_steps()
        first = first_state(node)
        given = [self.address(v) for v in (*node.inputs[:first], *last, *node.inputs[first + len(last) :], *node.outputs[:stacked])]
        rounds = _Rounds(self, part, given, planned.loop.moving, self.plan.workspaces[node].offset)
        self.loops.append(WrittenLoop(node, len(self.steps), len(part.steps), len(planned.loop.rounds)))
        written: dict[Node, dict[Extent, None]] = {}
        for k in planned.loop.rounds:
            place = rounds.place(k)
            self.steps += [_placed(step, place) for step in part.steps]
            self.touched += [_placed_bytes(touched, place) for touched in part.touched]
            for inner, extents in part.writes.items():
                written.setdefault(inner, {}).update(dict.fromkeys((place(address), size) for address, size in extents))
        self.writes |= {inner: tuple(extents) for inner, extents in written.items()}

    def _table(self, table: Table) -> Address:
        return self._made(tuple(e if isinstance(e, int) else self.address(e) for e in table.entries))

    def _made(self, array: AtBind) -> Address:
        self.at_bind.append(array)
        return Address(-1 - len(self.at_bind))


class _Rounds:
    """The addresses of a loop's rounds, from those that a round was written over.

    given: where the round's inputs lie, in round 0 those that move. arena: where in the arena the round's own begins.
    """

    def __init__(self, outer: _Writer, part: _Writer, given: Sequence[Address], moving: Mapping[int, int], arena: int) -> None:
        self.outer, self.part, self.given, self.moving, self.arena = outer, part, given, moving, arena
        self.fixed: dict[int, Address] = {}  # arrays made at binding that are the same in all rounds, by their base in the round

    def place(self, k: int) -> Callable[[Address], Address]:
        """Where what a round was written over lies in round ``k``."""
        own: dict[int, Address] = {}
        known: dict[Address, Address] = {}

        def place(address: Address) -> Address:
            found = known.get(address)
            if found is None:
                found = known[address] = self._found(address, k, own, place)
            return found

        return place

    def _found(self, address: Address, k: int, own: dict[int, Address], place: Callable[[Address], Address]) -> Address:
        base, offset = address
        if base == ARENA:
            return Address(ARENA, self.arena + offset)
        if base >= 0:
            begin = self.given[base]
            return Address(begin.base, begin.offset + k * self.moving.get(base, 0) + offset)
        made = self.fixed.get(base) or own.get(base)
        if made is None:
            wanted = self.part.at_bind[-2 - base]
            moves = not isinstance(wanted, Filled) and any(isinstance(e, Address) and e.base in self.moving for e in wanted)
            if not isinstance(wanted, Filled):
                wanted = tuple(place(e) if isinstance(e, Address) else e for e in wanted)
            self.outer.at_bind.append(wanted)
            made = (own if moves else self.fixed)[base] = Address(-1 - len(self.outer.at_bind))
        return Address(made.base, made.offset + offset)


def _span(address: Address, nbytes: int) -> Span:
    return Span(address.base, address.offset, address.offset + nbytes)


def _placed_bytes(touched: Touched, place: Callable[[Address], Address]) -> Touched:
    """What a step of a round touches in the round that ``place`` is of."""

    def placed(spans: Iterable[Span]) -> tuple[Span, ...]:
        return tuple(_span(place(Address(s.base, s.begin)), s.end - s.begin) for s in spans)

    return touched._replace(reads=placed(touched.reads), writes=placed(touched.writes))
