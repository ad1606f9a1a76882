"""Watching: what a profiler is told of programs as they run, step by step, and of what the host does between them.

Nothing of it is on the way of a program that is not watched. When watching begins, every program that there is gets other code to run, with
a look at the clock around each step, and its own again when it ends (``rebind``); a program that is made meanwhile gets it at once.
What is asked at every turn is asked where a turn is long: when a function is compiled, and when a loader gives a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, Protocol

from hybridnet.codegen.numpy_program import Source
from hybridnet.core import failure
from hybridnet.device import Device, mark, named_range
from hybridnet.errors import HybridnetError
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.cuda_segment import Segment, guarded
from hybridnet.runtime.cuda_timing import cuda_steps
from hybridnet.runtime.numpy_program import bound_text
from hybridnet.runtime.numpy_timing import numpy_steps
from hybridnet.runtime.program import Program, programs, tell_new
from hybridnet.runtime.timing import TimedStep

_now = time.perf_counter_ns
_END = object()


class Watcher(Protocol):
    """Who is told. Times of the host are nanoseconds of ``time.perf_counter_ns``, those of a GPU are marks on its stream."""

    def ran(self, program: str, steps: Sequence[TimedStep], stamps: Sequence[int]) -> None:
        """A run on the CPU: ``stamps`` before the first step and after each."""

    def launched(self, program: str, device: Device, steps: Sequence[TimedStep], marks: Sequence[Any], begin: int, end: int) -> None:
        """Steps that were put on a GPU's stream between two times of the host: ``marks`` before the first and after each."""

    def spent(self, kind: str, name: str, begin: int, end: int) -> None:
        """What the host did between two times: ``kind`` is ``compile`` or ``wait``."""


_watcher: Watcher | None = None


def watch(watcher: Watcher | None) -> None:
    """Have all programs tell this watcher from now on, or nobody."""
    global _watcher
    _watcher = watcher
    tell_new.clear()
    if watcher is not None:
        tell_new.append(_rebind)
    for program in list(programs):
        _rebind(program)


def _rebind(program: Program) -> None:
    watcher = _watcher
    if isinstance(program, CudaProgram):
        program.rebind(Segment if watcher is None else _segments(program, watcher))
    else:
        program.rebind(None if watcher is None else _bind(program.name, program.source, watcher))


# -- on the CPU --------------------------------------------------------------------------------------------


def _bind(name: str, source: Source, watcher: Watcher) -> Callable[[Any], Any]:
    """The function ``bind`` of a program, of which each run tells the watcher."""
    text, steps = source.interrupted("_stamp(_now())"), numpy_steps(source)

    def bind(view: Any) -> Any:
        stamps: list[int] = []  # of one arena, in which there is one run at a time
        file = f"<hybridnet {name}, watched {id(stamps):x}>"
        run = bound_text(text, source.names | {"_stamp": stamps.append, "_now": _now}, file)(view)

        def watched(inputs: Sequence[Any]) -> Any:
            stamps.clear()
            try:
                results = run(inputs)
            except Exception as error:
                _explain(source, len(stamps) - 1, error)
            watcher.ran(name, steps, tuple(stamps))
            return results

        return watched

    return bind


def _explain(source: Source, step: int, error: Exception) -> NoReturn:
    """As an unwatched program does: of which operator, from which line of the user's, an error is."""
    node = source.statements[step].node if 0 <= step < len(source.statements) else None
    if node is None or isinstance(error, (HybridnetError, MemoryError)):
        raise error
    raise failure(node.op.name, [v.spec for v in node.inputs], node.attrs, error, node.site) from error


# -- on a GPU ----------------------------------------------------------------------------------------------


class _Watched(Segment):
    """Steps that are launched one by one, with an event between each two and a named range around each: no CUDA graph shows its steps."""

    __slots__ = ("device", "name", "of", "watcher")

    def __init__(self, in_graph: bool, name: str, device: Device, of: dict[int, TimedStep], watcher: Watcher) -> None:
        super().__init__(in_graph)
        self.name, self.device, self.of, self.watcher = name, device, of, watcher

    def run(self, stream: Any) -> None:
        begin, marks = _now(), [mark(self.device)]
        steps = [self.of[id(step)] for _, step in self.actions]
        for (action, step), told in zip(self.actions, steps, strict=True):
            with named_range(f"{told.operator} ({self.name})"):
                guarded(action, step, stream.ptr)
            marks.append(mark(self.device))
        self.watcher.launched(self.name, self.device, steps, marks, begin, _now())

    def capture(self, device: Device) -> None:
        """Nothing."""


def _segments(program: CudaProgram, watcher: Watcher) -> Callable[[bool], Segment]:
    told = {id(step): timed for step, timed in zip(program.source.steps, cuda_steps(program.source), strict=True)}
    name, device = program.name, program.device
    return lambda in_graph: _Watched(in_graph, name, device, told, watcher)


# -- on the host -------------------------------------------------------------------------------------------


class told:
    """``with told(kind, name): ...``: a watcher is told how long the body took."""

    __slots__ = ("begin", "kind", "name")

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name

    def __enter__(self) -> None:
        self.begin = _now()

    def __exit__(self, *exc: object) -> None:
        if _watcher is not None:
            _watcher.spent(self.kind, self.name, self.begin, _now())


def waited(name: str, batches: Iterable[Any]) -> Iterator[Any]:
    """The same batches; a watcher is told how long each was waited for."""
    iterator = iter(batches)
    while True:
        begin = _now()
        batch = next(iterator, _END)
        if batch is _END:
            return
        if _watcher is not None:
            _watcher.spent("wait", name, begin, _now())
        yield batch
