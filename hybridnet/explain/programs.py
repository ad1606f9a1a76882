"""The programs of a compilation for the page: their steps with their text, and what lies in the arena when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.codegen.cuda_steps import KernelStep
from hybridnet.codegen.plan import Occupied
from hybridnet.explain.tables import Json, Table
from hybridnet.graph.backend import implementation_of
from hybridnet.graph.implementation import LibraryPlan
from hybridnet.graph.ir import Node
from hybridnet.graph.refusals import refused
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.numpy_program import NumpyProgram
from hybridnet.runtime.profile import Profile, steps_of
from hybridnet.runtime.program import Program
from hybridnet.runtime.timing import TimedStep


def describe_program(program: Program, graph: int, profile: Profile | None) -> Json:
    """A program: its text, its steps in columns, its arena. ``graph``: the number of what it computes."""
    steps = steps_of(program)
    number = {node: i for i, node in enumerate(program.source.lowered.nodes)}
    kinds, names = Table(), Table()
    timed = None if profile is None else [s.seconds for s in profile.steps if s.program == program.name]
    columns = {
        "node": [-1 if s.node is None else number.get(s.node, -1) for s in steps],
        "kind": [kinds.number(_kind(s)) for s in steps],
        "by": [names.number(_by(s)) for s in steps],
        "bytes": [s.bytes for s in steps],
        "flops": [s.flops for s in steps],
        "seconds": timed,
        "text": _texts(program),
    }
    return {
        "name": program.name,
        "graph": graph,
        "language": "cuda" if isinstance(program, CudaProgram) else "python",
        "text": program.source.text,
        "kinds": kinds.rows,
        "names": names.rows,
        "steps": columns,
        "seconds": next((p.seconds for p in profile.programs if p.program == program.name), None) if profile is not None else None,
        "arena": _arena(program.source.occupied, number),
        "nodes": len(number),
        "naive": program.source.naive_bytes,
        "explained": program.explain(),
    }


def _kind(step: TimedStep) -> str:
    """A step's kind; on a CPU too a library's call is called so."""
    return "library" if _library(step) else step.kind


def _library(step: TimedStep) -> LibraryPlan | None:
    if step.node is None or step.kind in ("copy", "view", "loop"):
        return None
    chosen = implementation_of(step.node)
    return chosen if isinstance(chosen, LibraryPlan) else None


def _by(step: TimedStep) -> str:
    """What computes a step, where its text does not say it: a library's call, a kernel with its grid, or why no library does."""
    if plan := _library(step):
        return str(plan.call.name)
    if step.grid:
        return f"{step.name}, {step.grid}"
    if step.node is not None and (no := refused(step.node)) is not None:
        return f"no library: {no.library} has no plan for {no.wanted}: {no.reason}"
    return ""


def _texts(program: Program) -> list[list[int]]:
    """For each step the first line of its text in the program's, and the line behind the last; none of what a library computes."""
    if isinstance(program, NumpyProgram):
        return [[s.start, s.stop] for s in program.source.statements]
    kernels = {s.kernel.name: s.kernel.text for s in program.source.steps if isinstance(s, KernelStep)}
    places = {name: _lines_of(program.source.text, text) for name, text in kernels.items()}
    return [places[s.kernel.name] if isinstance(s, KernelStep) else [0, 0] for s in program.source.steps]


def _lines_of(text: str, part: str) -> list[int]:
    """The first line of a part of a text, and the line behind its last."""
    start = text.count("\n", 0, text.index(part))
    return [start, start + part.count("\n") + 1]


def _arena(occupied: Sequence[Occupied], number: dict[Node, int]) -> list[list[Any]]:
    """Rows of offset, bytes, first step, last step, node or -1, and what it is in words: steps are the nodes of the lowered graph."""
    rows = []
    for request, what in occupied:
        if isinstance(what, str):
            rows.append([request.offset, request.size, request.start, request.stop, -1, what])
        else:
            value, node = what
            rows.append([request.offset, request.size, request.start, request.stop, number.get(node, -1), str(value.spec)])
    return sorted(rows, key=lambda row: (row[2], row[0]))
