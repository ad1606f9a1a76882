"""Running a CUDA program: one CUDA graph, or several with what cannot be captured between them.

A program is bound to an arena and to the addresses of the states that it reads and writes. Its first run
launches everything one by one (which loads modules and lets libraries warm up); the second captures, and from then on
a run is the copies of its arguments, the launch of the graphs and the copies of its results.
"""

from __future__ import annotations

import operator
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet.codegen.cuda_program import CudaSource, device_of_graph, write_cuda_program
from hybridnet.codegen.cuda_steps import (
    ARENA,
    RESULT,
    Address,
    AtBind,
    CopyStep,
    CupyStep,
    Filled,
    KernelStep,
    LibraryStep,
    Located,
    Staging,
    Step,
)
from hybridnet.core import cuda_rule
from hybridnet.core.kernel import LibraryCall
from hybridnet.device import copy_bytes, cuda, current_stream, device_bytes
from hybridnet.device.compiler import Module
from hybridnet.device.failures import raise_if_out_of_memory
from hybridnet.device.hardware import ACCESS_BYTES, GRAPH_LAUNCHES
from hybridnet.errors import OutOfMemoryError
from hybridnet.graph.control_ops import CONTROL, FOREACH
from hybridnet.graph.interpret import run_node
from hybridnet.graph.ir import Node
from hybridnet.graph.messages import told
from hybridnet.graph.refusals import refused
from hybridnet.lowering.working_copies import working_copies
from hybridnet.runtime.arena import Arena, take
from hybridnet.runtime.cuda_segment import Action, Segment
from hybridnet.runtime.lease import Lease, leased
from hybridnet.runtime.spec import ProgramSpec
from hybridnet.runtime.working_copies import KeptCopies


class Instance:
    """A program bound to an arena and to the arrays of its fixed inputs.

    Nothing in it refers to it: one that is replaced is freed at once, with its CUDA graphs.
    """

    def __init__(self, program: CudaProgram, arena: Arena, inputs: Sequence[Any]) -> None:
        self._program = weakref.ref(program)
        self.arena = arena
        self.then: Instance | None = None  # of the program that takes over this arena: a backward's
        self.runs = 0
        source = program.source
        xp = program.device.xp
        self.fixed = [inputs[i] for i in program.fixed]
        states = dict(zip(program.fixed, self.fixed, strict=True))
        # A state that kernels could not read where it lies (a view with gaps, an odd address) gets a stand-in.
        self.standing = {i: x for i, x in states.items() if not _lies_well(x)}
        self.stand_ins = {i: xp.empty(x.shape, x.dtype) for i, x in self.standing.items()}
        self.owners = states | self.stand_ins
        self.bases = {i: x.data.ptr for i, x in self.owners.items()}
        self.bases[ARENA] = arena.address
        for k, wanted in enumerate(source.at_bind):
            self.owners[-2 - k] = self._make(wanted)
            self.bases[-2 - k] = self.owners[-2 - k].data.ptr
        arena.trail.hold(self, *(x for i, x in self.owners.items() if i not in states or i in self.stand_ins))
        self.staged = [
            (i, self.at(address), arena.view(address.offset, program.shapes[i], program.dtypes[i])) for i, address in source.staged.items()
        ]
        self.looked_up: list[tuple[int, Any]] = []  # those of them that are copied from where a table says, and their places
        self.written_to: tuple[int, ...] = ()  # the results that are copied to where it says
        self._table: list[int] = []  # what it says
        self._replayed = False  # whether a graph of the caller's writes it too, whenever that is launched
        self._put: Callable[[list[int]], object]
        self._bind(source)

    @property
    def program(self) -> CudaProgram:
        """Its program, which holds it."""
        program = self._program()
        assert program is not None
        return program

    def _bind(self, source: CudaSource) -> None:
        """What is decided once, now that the addresses are known."""
        # Of each result: the array, if it stays in the arena; else what it takes to make a fresh one.
        self.results = [
            (self.array(x) if stays else None, x.shape, x.dtype, self.at(x.address), x.nbytes)
            for x, stays in zip(source.results, self.program.resident, strict=True)
        ]
        self.segments = self._segments(source.steps)
        start = 0
        for segment in self.segments:
            stop = start + len(segment.actions)
            segment.order = source.order.part(start, stop)
            start = stop
        if source.staging is not None:
            self._bind_staging(source.staging)

    def _bind_staging(self, staging: Staging) -> None:
        self.looked_up = [(i, view) for i, _, view in self.staged if i in staging.arguments]
        self.staged = [x for x in self.staged if x[0] not in staging.arguments]
        self.written_to = staging.results
        put, table = self.program.module().function(staging.put.name), self.at(staging.table)
        self._put = lambda places: put(staging.put.grid, (staging.put.block,), [table, *places])
        if staging.first is not None:
            self.segments[0].first = self._action(staging.first), staging.first
        if staging.last is not None:
            self.segments[-1].last = self._action(staging.last), staging.last

    def at(self, address: Address) -> int:
        """The address that it is with this arena and these states."""
        return int(self.bases[address.base]) + address.offset

    def array(self, located: Located) -> Any:
        """An array that lies at a place of this instance."""
        xp = self.program.device.xp
        address = located.address
        if address.base == ARENA:
            pointer = self.arena.view(address.offset, (), np.uint8).data
        else:
            pointer = self.owners[address.base].data + address.offset
        return xp.ndarray(located.shape, located.dtype, pointer, located.strides)

    def _make(self, wanted: AtBind) -> Any:
        xp = self.program.device.xp
        if isinstance(wanted, Filled):
            return xp.full(wanted.shape, wanted.number, wanted.dtype)
        return xp.asarray(np.array([e if isinstance(e, int) else self.at(e) for e in wanted], np.int64))

    def _segments(self, steps: Sequence[Step]) -> list[Segment]:
        segments: list[Segment] = []
        for step in steps:
            in_graph = not isinstance(step, CupyStep)
            if not segments or not in_graph or not segments[-1].in_graph:
                segments.append(self.program.segment(in_graph))
            segments[-1].actions.append((self._action(step), step))
        return segments

    def _action(self, step: Step) -> Action:
        match step:
            case KernelStep(kernel, arguments):
                function = self.program.module().function(kernel.name)
                pointers = [np.uint64(self.at(a)) for a in arguments]
                return lambda stream: function(kernel.grid, (kernel.block,), pointers, shared_mem=kernel.shared_bytes)
            case LibraryStep(call, places, workspace):
                addresses = [self.at(a) for a in places]
                scratch = 0 if workspace is None else self.at(workspace)
                return lambda stream: _call(call, addresses, scratch, stream)
            case CopyStep(source, target, nbytes):
                begin, end = self.at(source), self.at(target)
                return lambda stream: copy_bytes(end, begin, nbytes, stream)
            case CupyStep(node, inputs, outputs):
                read, written = [self.array(x) for x in inputs], [self.array(y) for y in outputs]
                return lambda stream: _compute(node, read, written, cuda.cupy())
        raise TypeError(step)

    def is_bound_to(self, inputs: Sequence[Any]) -> bool:
        """Whether the fixed inputs are the arrays that they were."""
        program = self.program
        return all(map(operator.is_, self.fixed, program.pick(inputs)))

    def stage(self, inputs: Sequence[Any], results: Sequence[Any], handle: int) -> None:
        """Put the inputs where the steps read them, on the stream of that handle, which is the current one.

        Or say where the first step finds them, and the last one puts the results.
        """
        if self.looked_up or self.written_to:
            table = []
            for i, view in self.looked_up:
                data = inputs[i]
                lies_well = data.flags.c_contiguous
                table.append(data.data.ptr if lies_well else 0)
                if not lies_well:
                    view[...] = data
            table += [results[k].data.ptr for k in self.written_to]
            self._replayed = self._replayed or cuda.is_capturing(handle)
            if self._replayed or table != self._table:
                self._table = []
                self._put(table)
                self._table = table
        for i, address, view in self.staged:
            data = inputs[i]
            if data.flags.c_contiguous:
                copy_bytes(address, data.data.ptr, data.nbytes, handle)
            else:
                view[...] = data
        for i, x in self.standing.items():
            self.stand_ins[i][...] = x

    def run(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run the program on these inputs, and give its results."""
        program = self.program
        stream = current_stream(program.device)
        handle = stream.ptr
        results = self.places()  # first, so that a lack of memory leaves everything as it was
        self.arena.trail.follow(stream)
        self.stage(inputs, results, handle)
        if self.runs == 1:
            for segment in self.segments:
                segment.capture(program.device)
        for segment in self.segments:
            segment.run(stream)
        self.runs += 1  # only now: a run that failed may have left kernels unloaded and libraries cold
        for i, x in self.standing.items():
            if i in program.written:
                x[...] = self.stand_ins[i]
        for i, place in program.source.returned.items():
            _copy_back(inputs[i], self, place, handle)
        self.give(results, handle)
        return results

    def give(self, results: Sequence[Any], stream: int) -> None:
        """Copy the results that do not stay in the arena, which the next run overwrites, but for those that the last step copies."""
        for k, (array, (stays, _, _, address, nbytes)) in enumerate(zip(results, self.results, strict=True)):
            if stays is None and k not in self.written_to:
                copy_bytes(array.data.ptr, address, nbytes, stream)

    def places(self) -> tuple[Any, ...]:
        """The results' arrays; fresh ones of those that do not stay."""
        empty = cuda.cupy().ndarray
        try:
            return tuple([empty(shape, dtype) if array is None else array for array, shape, dtype, _, _ in self.results])
        except Exception as error:
            raise_if_out_of_memory(self.program.name, error, self.program.device.device_id)
            raise


class DirectInstance(Instance):
    """A direct program bound to an arena: each call launches the steps on the arguments where they lie, into fresh arrays."""

    def _bind(self, source: CudaSource) -> None:
        """Nothing: addresses are others at each call."""

    def stage(self, inputs: Sequence[Any], results: Sequence[Any], handle: int) -> None:
        """Have the steps read the arguments where they lie, and write fresh buffers."""
        source, cupy = self.program.source, cuda.cupy()
        assert source.direct is not None
        for i, x in enumerate(inputs):
            if i not in self.program.fixed:
                self.owners[i] = x if _lies_well(x) else x.copy(order="C")
        for k, size in enumerate(source.direct):
            self.owners[RESULT - k] = cupy.ndarray((size,), np.uint8, device_bytes(self.program.device, size))
        self.bases |= {i: x.data.ptr for i, x in self.owners.items()}
        for i, x in self.standing.items():
            self.stand_ins[i][...] = x
        self.segments = self._segments(source.steps)

    def run(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        program = self.program
        stream = current_stream(program.device)
        self.arena.trail.follow(stream)
        bound = set(self.owners)
        try:
            self.stage(inputs, (), stream.ptr)
            for segment in self.segments:
                segment.run(stream)
            for i, x in enumerate(inputs):
                if i in program.written and self.owners[i] is not x:
                    x[...] = self.owners[i]
            return tuple(map(self.array, program.source.results))
        finally:  # whatever happened: the next call's arguments are others
            self.segments = []
            for i in self.owners.keys() - bound:
                del self.owners[i]


def _copy_back(target: Any, instance: Instance, address: Address, stream: int) -> None:
    if target.flags.c_contiguous:
        copy_bytes(target.data.ptr, instance.at(address), target.nbytes, stream)
    else:
        target[...] = instance.arena.view(address.offset, target.shape, target.dtype)


def _lies_well(data: Any) -> bool:
    return bool(data.flags.c_contiguous) and data.data.ptr % ACCESS_BYTES == 0


def _call(call: LibraryCall, addresses: Sequence[int], scratch: int, stream: int) -> None:
    """A library's call; before the first one, which is no part of a capture, by the fastest of its algorithms."""
    call.settle(addresses, scratch, stream)
    call.enqueue(addresses, scratch, stream)


def _compute(node: Node, inputs: Sequence[Any], outputs: Sequence[Any], xp: Any) -> None:
    """A node by CuPy, into arrays that are there."""
    for place, result in zip(outputs, run_node(node, inputs, xp), strict=True):
        place[...] = result


class CudaProgram:
    """A graph compiled for a GPU; call it with the inputs' arrays."""

    bound_to_addresses = True

    def __init__(self, spec: ProgramSpec) -> None:
        graph, donate, after = spec.graph, spec.donate, spec.after
        self.name = spec.name
        self.copies: KeptCopies | None = None
        cut = working_copies(graph, donate, spec.states) if after is None and not spec.resident else None
        if cut is not None:
            graph, donate = cut.graph, cut.donate
            self.copies = KeptCopies(cut, spec.states, spec.name, CudaProgram)
        self.device = device_of_graph(graph)
        given = after.source.resident if after is not None else ()
        fixed = spec.fixed | frozenset(spec.states) | frozenset(range(len(spec.graph.inputs), len(graph.inputs)))
        self.source: CudaSource = write_cuda_program(graph, donate, given, fixed, spec.resident)
        self.shapes = [v.shape for v in graph.inputs]
        self.dtypes = [v.dtype for v in graph.inputs]
        self.donate = donate
        self.written = frozenset(donate.values())
        self.fixed = sorted(fixed)
        self.pick = _picker(self.fixed)
        self.resident = [i in spec.resident for i in range(len(graph.outputs)) if i not in donate]
        self.arena_bytes = self.source.arena_bytes
        if after is not None:
            after.arena_bytes = max(after.arena_bytes, self.arena_bytes)
        self.bound: dict[Arena, Instance] = {}
        self._last: Instance | None = None
        self.segment: Callable[[bool], Segment] = Segment  # what its steps are gathered in
        self._module: Module | None = None

    @property
    def text(self) -> str:
        """The program's steps, and the CUDA C++ of its kernels."""
        lines = [f"// {self.name} on {self.device}: {self.source.arena_bytes:,} bytes of arena"]
        staging = self.source.staging
        if staging is not None and staging.first is not None:
            lines.append(f"//    {staging.first}")
        where = ""
        rest = {loop.start + loop.steps: loop for loop in self.source.loops if loop.steps}  # behind the first round
        behind = 0
        for i, step in enumerate(self.source.steps):
            if i in rest and i >= behind:
                behind = i + rest[i].steps * (rest[i].length - 1)
                lines.append(f"//    ... {rest[i].length - 1} rounds more")
            if i < behind:
                continue
            site = str(step.node.site) if step.node is not None and step.node.site else ""
            if site and site != where:
                lines.append(f"// -- {site}")
                where = site
            lines.append(f"//    {step}")
        if staging is not None and staging.last is not None:
            lines.append(f"//    {staging.last}")
        return "\n".join([*lines, "", self.source.text])

    def explain(self) -> str:
        """In how many CUDA graphs it runs, and what stands between them."""
        steps = self.source.steps
        between = [s for s in steps if isinstance(s, CupyStep)]
        starts = zip([None, *steps], steps, strict=False)
        graphs = sum(not isinstance(step, CupyStep) and (before is None or isinstance(before, CupyStep)) for before, step in starts)
        kinds = ((KernelStep, "kernels"), (LibraryStep, "library calls"), (CopyStep, "copies"))
        parts = ", ".join(f"{sum(isinstance(s, kind) for s in steps)} {word}" for kind, word in kinds)
        ways = (
            f"{graphs} CUDA graph{'s' * (graphs != 1)}"
            if self.source.direct is None
            else "launched one by one, on large arrays where they lie"
        )
        head = f"{self.name}: {ways} ({parts}), {self.arena_bytes:,} bytes of arena"
        loops = [f"  {n.op.name} at {n.site}: {length} rounds of {steps}, in a graph" for n, _, steps, length in self.source.loops]
        sent = [f"  {told(s.node)} by {s.call.name}, in a graph" for s in steps if isinstance(s, LibraryStep) and s.node.communicates]
        chosen = Counter(f"  {s.call.name}: {s.call.how}" for s in steps if isinstance(s, LibraryStep) and s.call.how)
        tuned = [f"{line}, {number} times" if number > 1 else line for line, number in chosen.items()]
        kept = [] if self.copies is None else [f"  16-bit copies of {len(self.copies)} arrays stay, written by their updates"]
        others = [f"  {s.node.op.name} at {s.node.site}: {_reason(s.node)}" for s in between]
        return "\n".join([head, *loops, *sent, *tuned, *kept, *others])

    def module(self) -> Module:
        """The kernels on the device, compiled and loaded at the first use."""
        if self._module is None:
            self._module = Module(self.source.text, self.device.device_id, self.source.origins)
        return self._module

    def flat_inputs(self) -> list[Any]:
        """Nothing: on a GPU a table says where states lie."""
        return []

    def rebind(self, segment: Callable[[bool], Segment]) -> None:
        """From the next call on gather the steps in segments of this kind."""
        self.segment = segment
        self.bound, self._last = {}, None

    def _instance(self, inputs: Sequence[Any]) -> Instance:
        """The program bound to a free arena, which is held, and to these states; the one of the last run if it is free."""
        instance = self._last
        if instance is not None and instance.arena.taken.acquire(blocking=False):
            arena = instance.arena
        else:
            arena = self._arena()
            instance = self.bound.get(arena)
        try:
            if instance is None or not instance.is_bound_to(inputs):
                kind = Instance if self.source.direct is None else DirectInstance
                instance = self.bound[arena] = kind(self, arena, inputs)
        except BaseException:
            arena.taken.release()
            raise
        self._last = instance
        return instance

    def _arena(self) -> Arena:
        try:
            return take(self.arena_bytes, self.device)
        except OutOfMemoryError as error:
            largest = "".join(f"\n    {size:>15,} bytes: {name}" for size, name in self.source.largest)
            raise OutOfMemoryError(
                f"{error}\n  the plan of {self.name} needs {self.arena_bytes:,} bytes; its largest values:{largest}"
            ) from None

    def __call__(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        if self.copies is None:
            return self._run(inputs)
        with self.copies.completed(inputs) as whole:
            return self._run(whole)

    def _run(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        instance = self._instance(inputs)
        try:
            return instance.run(inputs)
        finally:
            instance.arena.taken.release()

    def leased(self, inputs: Sequence[Any]) -> tuple[tuple[Any, ...], Lease]:
        """The results, those that are resident as arrays in the arena, which is kept until the lease is dropped."""
        if self.copies is None:
            return leased(self._instance(inputs), inputs)
        with self.copies.completed(inputs) as whole:
            return leased(self._instance(whole), whole)

    def continued(self, lease: Lease, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run in the arena of another program's lease, over what is no longer read there."""
        before = lease.instance
        instance = before.then
        if instance is None or instance.program is not self or not instance.is_bound_to(inputs):
            instance = before.then = Instance(self, before.arena, inputs)
        return instance.run(inputs)


def _reason(node: Node) -> str:
    """Why an operator is not part of a CUDA graph."""
    if node.op.python:
        return "Python of its own; called between two graphs"
    if node.op is FOREACH and not node.attrs["counted"]:
        return f"more than {GRAPH_LAUNCHES:,} launches, or steps that no graph can hold; runs through CuPy between two graphs"
    if node.op in CONTROL:
        return "control flow that depends on values is decided on the host; runs through CuPy between two graphs"
    if (refusal := refused(node)) is not None:
        return f"{refusal.library} has no plan for {refusal.wanted}: {refusal.reason}; runs through CuPy between two graphs"
    rule = cuda_rule(node.op)
    if rule.kernels is not None or rule.library is not None:
        return "its kernels do not take these shapes or dtypes; runs through CuPy between two graphs"
    return "it has no kernels of its own; runs through CuPy, which allocates, between two graphs"


def _picker(positions: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """A function that gives the elements at ``positions`` of a sequence, fast."""
    if len(positions) > 1:
        return operator.itemgetter(*positions)
    return lambda values: [values[i] for i in positions]
