"""A profile of compiled programs: each step alone, with its time and what it reaches of what the device can do.

The device's two limits are measured in the same call with the same clock, by two programs of one step: a copy of a large
array, and a large product of matrices in each dtype in which the profiled programs have products.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.device import Device, cpu
from hybridnet.device.transfer import placed
from hybridnet.dtypes import Dtype
from hybridnet.errors import ArgumentError, fail
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import MATMUL
from hybridnet.runtime.chrome_trace import chrome_trace
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.cuda_timing import cuda_steps, time_cuda
from hybridnet.runtime.numpy_timing import numpy_steps, time_numpy
from hybridnet.runtime.profile_table import duration, quantity, table, totals
from hybridnet.runtime.program import Program, make_program
from hybridnet.runtime.record import ProgramRecord, StepRecord
from hybridnet.runtime.spec import ProgramSpec
from hybridnet.runtime.timing import Link, TimedProgram, TimedStep
from hybridnet.runtime.work import product_dtype

#: Bytes of the array that is copied, and rows of the square matrices that are multiplied, on a CPU and on a GPU.
COPIED_BYTES = (1 << 26, 1 << 28)
ROWS = (1024, 4096)


@dataclass(frozen=True)
class Profile:
    """What each step of compiled programs takes; prints as a table of the slowest.

    device: where they ran. copy_rate: bytes read and written a second by a copy of a large array. product_rates: by dtype, the
    floating-point operations a second of a large product. programs: each program as a whole. steps: in the order in which they run.
    """

    device: str
    copy_rate: float
    product_rates: dict[str, float]
    programs: tuple[ProgramRecord, ...]
    steps: tuple[StepRecord, ...]

    def table(self, order: str = "time", limit: int | None = None) -> str:
        """The steps as a table: the slowest first, or (``order="program"``) as they run; the first ``limit``, or all."""
        if order not in ("time", "program"):
            fail(ArgumentError, "Profile.table", expected='order "time" or "program"', got=repr(order))
        steps = sorted(self.steps, key=lambda s: -s.seconds) if order == "time" else self.steps
        rates = [
            f"copies {quantity(self.copy_rate, 'B/s')}",
            *(f"products in {n} {quantity(r, 'FLOP/s')}" for n, r in self.product_rates.items()),
        ]
        total = sum(p.steps_seconds for p in self.programs)
        return "\n".join([f"{self.device}: {', '.join(rates)}", totals(self.programs), table(steps, total, limit)])

    def __str__(self) -> str:
        return self.table(limit=30)

    def __repr__(self) -> str:
        total = sum(p.seconds for p in self.programs)
        return f"<Profile of {', '.join(p.program for p in self.programs)}: {len(self.steps)} steps, {duration(total)} on {self.device}>"

    def json(self) -> dict[str, Any]:
        """All of it as dicts, lists, strings and numbers, times in seconds; ``steps`` holds a flat dict for each (:class:`StepRecord`)."""
        return asdict(self) | {"programs": [asdict(p) for p in self.programs], "steps": [asdict(s) for s in self.steps]}

    def save(self, filename: str | Path) -> None:
        """Write :meth:`json` to a file."""
        _write(filename, self.json())

    def chrome_trace(self, filename: str | Path) -> None:
        """Write a trace for chrome://tracing or https://ui.perfetto.dev: steps one after another, within the blocks that they come from."""
        _write(filename, chrome_trace(self.device, self.programs, self.steps))


def _write(filename: str | Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1, allow_nan=False)
    Path(filename).write_text(text + "\n", encoding="utf-8")


def profile(chain: Sequence[Link]) -> Profile:
    """Profile programs that run one after another in one arena: a forward, then perhaps its backward.

    Arrays that they only read are read where they lie; of those that they write, copies are written.
    """
    program = chain[0].program
    device = program.device if isinstance(program, CudaProgram) else cpu()
    timed = _timed(chain)
    found = {product_dtype(s.node) for program in timed for s in program.steps if s.flops and s.node is not None}
    copy = _copy_rate(device)
    products = {dtype: _product_rate(device, dtype) for dtype in sorted(found, key=str) if dtype is not None}
    steps: list[StepRecord] = []
    programs = []
    for link, found_there in zip(chain, timed, strict=True):
        name, own = link.program.name, found_there.steps
        known = _gradients(link.program, own)
        steps += [_record(len(steps) + i, name, s, copy, products, known.get(i, 0)) for i, s in enumerate(own)]
        programs.append(ProgramRecord(name, found_there.seconds, sum(s.seconds for s in own), len(own)))
    return Profile(str(device), copy, {str(d): r for d, r in products.items()}, tuple(programs), tuple(steps))


def steps_of(program: Program) -> list[TimedStep]:
    """The steps of a program as a profile has them, not timed: what computes each, its node, bytes and operations."""
    return cuda_steps(program.source) if isinstance(program, CudaProgram) else numpy_steps(program.source)


def _timed(chain: Sequence[Link]) -> list[TimedProgram]:
    return time_cuda(chain) if isinstance(chain[0].program, CudaProgram) else time_numpy(chain)


def _gradients(program: Program, steps: Sequence[TimedStep]) -> dict[int, int]:
    """The bytes of gradients that a program delivers, by the last step of what computes them."""
    graph, found = program.source.lowered, dict[Node | None, int]()
    for output, state in program.donate.items():
        if graph.inputs[state].name.endswith(".grad"):
            v = graph.outputs[output]
            found[v.node] = found.get(v.node, 0) + v.nbytes
    last = {step.node: i for i, step in enumerate(steps)}
    return {last[node]: nbytes for node, nbytes in found.items() if node in last}


def _record(number: int, program: str, step: TimedStep, copy: float, products: dict[Dtype, float], gradients: int) -> StepRecord:
    site = step.node.site if step.node is not None else None
    seconds = max(step.seconds, 1e-12)  # a clock may not have moved on
    shares = {"copy": step.bytes / seconds / copy} if step.bytes else {}
    dtype = product_dtype(step.node) if step.flops and step.node is not None else None
    if dtype is not None:
        shares["product"] = step.flops / seconds / products[dtype]
    limit = max(shares, key=lambda name: shares[name], default="")
    return StepRecord(
        step=number,
        program=program,
        kind=step.kind,
        name=step.name,
        operator=step.operator,
        site=f"{site.file}:{site.line}" if site else "",
        block=site.scope if site else "",
        seconds=step.seconds,
        bytes=step.bytes,
        flops=step.flops,
        share=shares.get(limit),
        limit=limit,
        grid=step.grid,
        gradients=gradients,
    )


# -- the device's limits -----------------------------------------------------------------------------------


def _copy_rate(device: Device) -> float:
    """Bytes read and written a second by a copy of a large array."""
    count = COPIED_BYTES[device.is_gpu] // 4
    x, y = (Value((count,), dtypes.float32, device) for _ in range(2))
    seconds = _seconds(Graph([x, y], [], [x]), [np.ones(count, np.float32)])
    return 2 * x.nbytes / seconds


def _product_rate(device: Device, dtype: Dtype) -> float:
    """Floating-point operations a second of a large product of matrices."""
    rows = ROWS[device.is_gpu]
    a, b, y = (Value((rows, rows), dtype, device) for _ in range(3))
    node = Node(MATMUL, (a, b), {}, [y.spec], device)
    few = np.random.default_rng(0).standard_normal((64, 64))
    matrix = np.tile(few, (-(-rows // 64),) * 2)[:rows, :rows].astype(dtype)
    return 2 * rows**3 / _seconds(Graph([a, b, y], [node], [node.output]), [matrix, matrix])


def _seconds(graph: Graph, values: Iterable[Any]) -> float:
    """Seconds that a graph of one step takes, which writes its result into its last input."""
    device = graph.inputs[0].device
    program = make_program(ProgramSpec(graph, "limit", {0: len(graph.inputs) - 1}, fixed=frozenset(range(len(graph.inputs)))))
    inputs = [placed(x, device) for x in values]
    inputs.append(device.xp.empty_like(inputs[0]))
    (timed,) = _timed([Link(program, lambda results: inputs)])
    return max(sum(s.seconds for s in timed.steps), 1e-12)
