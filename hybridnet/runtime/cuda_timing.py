"""The steps of CUDA programs timed by the GPU's clock, each alone: a CUDA graph of many launches of the same step.

A step that writes over its operands finds others each time, so what a step writes is put back when it has been timed, and it
runs once more for the steps behind it. The device is kept busy while the host puts work between two marks on the stream, so
that no launch is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hybridnet.codegen.cuda_program import CudaSource
from hybridnet.codegen.cuda_steps import CopyStep, CupyStep, KernelStep, LibraryStep, Step
from hybridnet.device import copy_bytes, current_stream, device_bytes, mark, seconds_between
from hybridnet.graph.ir import Node, Value
from hybridnet.runtime.arena import Arena, take
from hybridnet.runtime.cuda_program import CudaProgram, DirectInstance, Instance
from hybridnet.runtime.cuda_segment import Action, Segment
from hybridnet.runtime.timing import REPEATS, Copies, Link, TimedProgram, TimedStep, median, repeats
from hybridnet.runtime.work import bytes_of, flops_of, operator_of

#: A step is launched fewer times where all of them would take longer than this.
STEP_SECONDS = 0.5


class _Timed:
    """One program bound to an arena and to copies of what it writes."""

    def __init__(self, program: CudaProgram, arena: Arena, given: Sequence[Any]) -> None:
        self.program = program
        self.given = given
        self.copies = Copies(sorted(program.written))
        inputs = self.copies.of(given)
        kind = Instance if program.source.direct is None else DirectInstance
        self.instance = kind(program, arena, inputs)
        self.places = self.instance.places() if program.source.direct is None else ()  # of results
        self.seconds: list[float] = []  # of each step
        self.runs: list[tuple[Any, Any]] = []

    @property
    def stream(self) -> Any:
        return current_stream(self.program.device)

    def stage(self) -> None:
        """Put the inputs, as they are at the start of a run, where the steps find them."""
        self.instance.stage(self.copies.of(self.given), self.places, self.stream.ptr)

    def launch(self) -> None:
        """All steps, once."""
        for segment in self.instance.segments:
            segment.run(self.stream)

    def results(self) -> Sequence[Any]:
        """What the caller of the program would be given."""
        self.instance.give(self.places, self.stream.ptr)
        return self.places

    def step_by_step(self) -> None:
        """Time each step; in the end all of them have run once."""
        for segment in self.instance.segments:
            segment.begin(self.stream)
            for action, step in segment.actions:
                self.seconds.append(self._seconds(action, step, segment.in_graph))
            segment.end(self.stream)

    def capture(self) -> None:
        """Keep the steps as CUDA graphs, as a run from the second on does; a direct program never does."""
        if self.program.source.direct is None:
            for segment in self.instance.segments:
                segment.capture(self.program.device)

    def _seconds(self, action: Action, step: Step, in_graph: bool) -> float:
        once, many = Segment(in_graph), Segment(in_graph)
        once.actions = [(action, step)]
        with _Kept(self._extents(step), self.program):
            if in_graph:
                count = max(1, min(REPEATS, int(STEP_SECONDS / max(self._clocked(lambda: once.run(self.stream)), 1e-9))))
                many.actions = once.actions * count
                many.capture(self.program.device)
                many.run(self.stream)  # the first launch uploads it
                seconds = self._clocked(lambda: many.run(self.stream)) / count
            else:  # CuPy's step, which never writes over its operands
                seconds = median([self._clocked(lambda: once.run(self.stream)) for _ in repeats()])
        once.run(self.stream)
        return seconds

    def _clocked(self, work: Callable[[], None]) -> float:
        first = mark(self.program.device)
        work()
        return seconds_between(first, mark(self.program.device))

    def _extents(self, step: Step) -> list[tuple[int, int]]:
        """Addresses and sizes of what a step writes."""
        if isinstance(step, CopyStep):
            return [(self.instance.at(step.target), step.nbytes)]
        assert step.node is not None
        return [(self.instance.at(address), size) for address, size in self.program.source.writes[step.node]]

    def result(self) -> TimedProgram:
        steps = [s._replace(seconds=t) for s, t in zip(cuda_steps(self.program.source), self.seconds, strict=True)]
        return TimedProgram(steps, median([seconds_between(*marks) for marks in self.runs]))


def cuda_steps(source: CudaSource) -> list[TimedStep]:
    """The steps of a CUDA program, not timed; of a node of several the first has its operations, in each round of a loop."""
    first: dict[Node, object] = {}
    steps: list[TimedStep] = []
    for step in source.steps:
        if isinstance(step, CopyStep):
            steps.append(TimedStep("copy", str(step), step.node, "copy", 0.0, 2 * step.nbytes, 0))
            continue
        node = step.node
        assert node is not None
        kind, name, grid, values = _described(step, source)
        by = step.kernel if isinstance(step, KernelStep) else step.call if isinstance(step, LibraryStep) else step
        flops = flops_of(node) if first.setdefault(node, by) is by else 0
        steps.append(TimedStep(kind, name, node, operator_of(node), 0.0, bytes_of(node, values), flops, grid))
    return steps


def _described(step: Step, source: CudaSource) -> tuple[str, str, str, Iterable[Value] | None]:
    """A step's kind, the name of what computes it, its grid, and the values that it moves where those are not all of the node's."""
    match step:
        case KernelStep(kernel, arguments, node):
            assert node is not None
            tables = {
                v for v, a in zip(kernel.arguments, arguments, strict=True) if a.base <= -2 and isinstance(_made(source, a.base), tuple)
            }
            looked_up = (*node.inputs, *node.outputs) if tables else ()  # the arrays whose addresses are in a table
            values = [v for v in (*kernel.arguments, *looked_up) if v not in tables]
            return "kernel", kernel.name, f"{kernel.grid[0]}x{kernel.grid[1]} blocks of {kernel.block}", values
        case LibraryStep(call):
            return "library", call.name, "", None
        case CupyStep():
            return "cupy", "CuPy", "", None
    raise TypeError(step)


def _made(source: CudaSource, base: int) -> Any:
    at = -2 - base
    return source.at_bind[at] if at < len(source.at_bind) else None


class _Kept:
    """Keeps the bytes at some places of a GPU's memory, to put them back at the end of its body."""

    def __init__(self, extents: Sequence[tuple[int, int]], program: CudaProgram) -> None:
        self.device = program.device
        self.extents = extents
        self.memory = device_bytes(self.device, sum(size for _, size in extents))

    def _copy(self, keep: bool) -> None:
        at, stream = int(self.memory.ptr), current_stream(self.device).ptr
        for address, size in self.extents:
            copy_bytes(*((at, address) if keep else (address, at)), size, stream)
            at += size

    def __enter__(self) -> None:
        self._copy(keep=True)

    def __exit__(self, kind: Any, *exc: object) -> None:
        if kind is None:
            self._copy(keep=False)


def time_cuda(chain: Sequence[Link]) -> list[TimedProgram]:
    """The steps of CUDA programs that run one after another in one arena."""
    first = chain[0].program
    assert isinstance(first, CudaProgram)
    arena = take(first.arena_bytes, first.device)
    try:
        arena.trail.follow(current_stream(first.device))
        timed = _bound(chain, arena)
        for one in timed:
            one.stage()
            one.step_by_step()
        for one in timed:
            one.capture()
        for i in (-1, *repeats()):
            for one in timed:  # so that the device is busy
                one.stage()
                one.launch()
            for one in timed:
                one.stage()
                begin = mark(first.device)
                one.launch()
                if i >= 0:
                    one.runs.append((begin, mark(first.device)))
        return [one.result() for one in timed]
    finally:
        arena.taken.release()


def _bound(chain: Sequence[Link], arena: Arena) -> list[_Timed]:
    """The programs, bound, and run once: that loads modules, and libraries warm up."""
    timed: list[_Timed] = []
    for link in chain:
        assert isinstance(link.program, CudaProgram)
        given, copies = link.inputs(timed[-1].results() if timed else ()), link.program.copies
        one = _Timed(link.program, arena, given if copies is None else copies.apart(given))
        timed.append(one)
        one.stage()
        one.launch()
    return timed
