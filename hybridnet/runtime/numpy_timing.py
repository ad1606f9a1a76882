"""The steps of NumPy programs timed: the program's text, from the writer that wrote it, with a look at the clock between its statements.

All of the program runs each time, so that every statement finds the values that it would find. The blocks of a region are
one step.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.codegen.loop_text import loops_of
from hybridnet.codegen.numpy_program import Source, Statement
from hybridnet.graph.control_ops import CONTROL
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.multi_tensor import GROUP
from hybridnet.runtime.arena import take
from hybridnet.runtime.numpy_program import NumpyProgram, bound_text
from hybridnet.runtime.timing import Copies, Link, TimedProgram, TimedStep, median, repeats
from hybridnet.runtime.work import bytes_of, flops_of, operator_of


class _Timed:
    """One program, bound to an arena twice: as it is, and with a clock."""

    def __init__(self, program: NumpyProgram, view: Any) -> None:
        self.source = program.source
        self.stamps: list[float] = []
        clock = {"_stamp": self.stamps.append, "_now": time.perf_counter}
        self.stepped = bound_text(
            self.source.interrupted("_stamp(_now())"), self.source.names | clock, f"<hybridnet {program.name}, timed>"
        )(view)
        self.whole = program.bind(view)
        self.copies = Copies(sorted(program.written.difference(*program.source.flats)))
        self.flats: list[Any] = []
        self.views: list[tuple[int, Any]] = []  # of the flat buffers: the states that lie in them
        self.steps: list[list[float]] = []  # seconds of each, by run
        self.runs: list[float] = []

    def inputs(self, given: Sequence[Any]) -> list[Any]:
        """The inputs of one run, with copies of states that lie flat as of what is written."""
        mine = self.copies.of(given)
        if not self.flats:
            self._make_flats(given)
        for i, view in self.views:
            view[...] = given[i]
            mine[i] = view
        return [*mine, *self.flats]

    def _make_flats(self, given: Sequence[Any]) -> None:
        for flat in self.source.flats:
            buffer = np.empty(sum(given[i].size for i in flat), given[flat[0]].dtype)
            start = 0
            for i in flat:
                self.views.append((i, buffer[start : start + given[i].size].reshape(given[i].shape)))
                start += given[i].size
            self.flats.append(buffer)

    def step_by_step(self, given: Sequence[Any], counts: bool) -> Any:
        """Run it with the clock; ``counts``: whether the times are kept."""
        inputs = self.inputs(given)
        self.stamps.clear()
        results = self.stepped(inputs)
        if counts:
            self.steps.append(list(np.diff(self.stamps)))
        return results

    def at_once(self, given: Sequence[Any]) -> Any:
        inputs = self.inputs(given)
        begin = time.perf_counter()
        results = self.whole(inputs)
        self.runs.append(time.perf_counter() - begin)
        return results

    def result(self) -> TimedProgram:
        seconds = map(median, zip(*self.steps, strict=True))
        return TimedProgram([s._replace(seconds=t) for s, t in zip(numpy_steps(self.source), seconds, strict=True)], median(self.runs))


def time_numpy(chain: Sequence[Link]) -> list[TimedProgram]:
    """The steps of NumPy programs that run one after another in one arena."""
    arena = take(chain[0].program.arena_bytes)
    try:
        timed = []
        for link in chain:
            assert isinstance(link.program, NumpyProgram)
            for found in loops_of(link.program.source.names):
                found.loop.compile()
            timed.append(_Timed(link.program, arena.view))
        for i in (-1, *repeats()):  # the first run warms up
            results: Any = ()
            for link, one in zip(chain, timed, strict=True):
                results = one.step_by_step(link.inputs(results), counts=i >= 0)
        for _ in repeats():
            results = ()
            for link, one in zip(chain, timed, strict=True):
                results = one.at_once(link.inputs(results))
        return [one.result() for one in timed]
    finally:
        arena.taken.release()


def numpy_steps(source: Source) -> list[TimedStep]:
    """The steps of a NumPy program, a statement each, not timed."""
    return [_step(statement, _text(lines)) for statement, lines in zip(source.statements, source.lines(), strict=True)]


def _step(statement: Statement, name: str) -> TimedStep:
    node, copied = statement.node, statement.copied
    if copied is not None:
        return TimedStep("copy", name, node, "copy", 0.0, 2 * copied.nbytes, 0)
    assert node is not None
    kind = "view" if node.op.is_view else "region" if node.op in (FUSED, GROUP) else "loop" if node.op in CONTROL else "statement"
    return TimedStep(kind, name, node, operator_of(node), 0.0, bytes_of(node), flops_of(node))


def _text(lines: Sequence[str]) -> str:
    """A statement without the lines that make or drop arrays, and without the bodies of functions and loops."""
    depth = min(len(line) - len(line.lstrip()) for line in lines)
    outer = [line.strip() for line in lines if len(line) - len(line.lstrip()) == depth]
    return "; ".join(x for x in outer if not x.startswith(("def ", "del ")) and " = empty(" not in x) or "; ".join(outer)
