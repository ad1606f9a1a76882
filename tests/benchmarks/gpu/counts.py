"""What the training steps would launch, move and hold on a GPU, counted in programs that are written for an emulated one and not run.

    PYTHONPATH=tests:tests/benchmarks python -m emulator.run -m gpu.counts FILE [--sizes tiny] [--workloads perceptron lstm ...]

writes FILE, JSON by workload; what is in it already and not asked for stays. The record is ``records/gpu-counts.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from support.cuda_steps import longest_chain

import hybridnet as hn
from gpu import peer_hybridnet
from gpu.peer_hybridnet import BUILDERS
from gpu.sizes import SIZES, Sizes
from hybridnet import amp, dtypes
from hybridnet.codegen.cuda_steps import CopyStep, CupyStep, KernelStep, LibraryStep, Step
from hybridnet.config import Budget, config
from hybridnet.core import Op
from hybridnet.graph.ir import Node, Value
from hybridnet.lowering.fuse import FUSED
from hybridnet.ops.nn.dropout import DROPOUT_MASK
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.work import bytes_of, operator_of

#: A step with other settings than usual: whose, and which.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {"gpt2 in chunks": ("gpt2", {"score_bytes": 1 << 27})}
#: What is counted and not timed, beside the workloads that are.
COUNTED = {**BUILDERS, "llama": peer_hybridnet.llama}
WORKLOADS = ("perceptron", "lstm", "resnet", "gpt2", "llama", *VARIANTS)
KINDS = {KernelStep: "kernels", LibraryStep: "library calls", CopyStep: "copies", CupyStep: "CuPy"}


def counted(program: CudaProgram) -> dict[str, Any]:
    """Of a program its steps by kind and by operator, the bytes that their nodes read and write, and its arena's.

    "mask bytes": of masks that one step stores for others. "critical path": the steps of which each waits for the one before, at most;
    "lanes": on how many branches the steps are.
    """
    steps: list[Step] = program.source.steps
    nodes: dict[Node, None] = dict.fromkeys(s.node for s in steps if s.node is not None)
    moved = sum(map(bytes_of, nodes)) + sum(s.nbytes for s in steps if isinstance(s, CopyStep) and s.node is None)
    names = Counter(operator_of(s.node) if s.node is not None else "copy" for s in steps)
    return {
        "steps": len(steps),
        **{kind: sum(isinstance(s, of) for s in steps) for of, kind in KINDS.items()},
        "gigabytes": round(moved / 1e9, 3),
        "longest chain": longest_chain(program.source),
        "host calls": host_calls(program),
        "arena gigabytes": round(program.source.arena_bytes / 1e9, 3),
        "mask bytes": mask_bytes(nodes),
        "critical path": program.source.order.critical_path,
        "lanes": program.source.order.width,
        "by operator": dict(names.most_common()),
    }


def mask_bytes(nodes: Iterable[Node]) -> int:
    """The bytes of masks that nodes store for others: booleans, and what dropout has drawn."""
    stored = [(v, _computes(v)) for node in nodes for v in node.outputs]
    return sum(v.nbytes for v, op in stored if v.dtype == dtypes.bool_ or op is DROPOUT_MASK)


def _computes(v: Value) -> Op | None:
    """The operator whose result a value is, within a region too."""
    node = v.node
    if node is not None and node.op is FUSED:
        node = node.attrs["body"].outputs[node.outputs.index(v)].node
    return None if node is None else node.op


def count(workload: str, sizes: Sizes, budget: int | None = None) -> tuple[dict[str, Any], Any]:
    """The counts of a workload's step, with the seconds from its call to its program's text; and its memory plan. ``budget``: in bytes."""
    name, settings = VARIANTS.get(workload, (workload, {}))
    try:
        with ExitStack() as changed:
            for key, value in {**settings, "memory_budget": None if budget is None else Budget(budget, False)}.items():
                changed.enter_context(mock.patch.object(config, key, value))
            return _counted(name, sizes)
    finally:
        amp.init("float32")


#: By name, how much of what a budget can save at most it asks for.
BUDGETS = {"half of what can be saved": 0.5, "as little as can be": 1.0}
SHOWN = ("steps", "kernels", "library calls", "gigabytes", "arena gigabytes", "seconds")


def under_budgets(workload: str, sizes: Sizes) -> dict[str, Any]:
    """Of a workload's step its peak (arena, arguments, parameters and results), and what it costs under budgets of memory."""
    least = count(workload, sizes, 1)[1].recomputed
    found: dict[str, Any] = {"peak gigabytes": round(least.without / 1e9, 3)}
    for name, share in BUDGETS.items():
        counts, memory = count(workload, sizes, int(least.without - share * (least.without - least.peak)))
        shown = {key: counts[key] for key in SHOWN}
        found[name] = {"peak gigabytes": round(memory.recomputed.peak / 1e9, 3), **shown, "again": dict(memory.recomputed.operators)}
    return found


#: Training steps in one call of ``perceptron epoch``.
EPOCH = 100


def count_epoch() -> dict[str, Any]:
    """The counts of many steps in one program, for one of them; what the host does for the call is shared by all."""
    begin = time.perf_counter()
    (program,) = peer_hybridnet.perceptron_epoch("gpu", EPOCH).programs()
    source, seconds = program.source, time.perf_counter() - begin
    (loop,) = source.loops
    outside = [s for i, s in enumerate(source.steps) if not loop.start <= i < loop.start + loop.steps * loop.length]
    return {
        "training steps": EPOCH,
        "launches a training step": len(source.steps) / EPOCH,
        "launches outside the rounds": len(outside),
        "host calls a training step": round(host_calls(program) / EPOCH, 3),
        "seconds": round(seconds, 1),
    }


def host_calls(program: CudaProgram) -> int:
    """What a call asks of the driver once the program is captured: copies of arguments and results, and launches of graphs.

    And a launch that says where small ones lie, as if that were elsewhere at each call.
    """
    source = program.source
    graphs = sum(isinstance(s, CupyStep) for s in source.steps) + 1
    copied = len(source.staged) + len(source.returned) + len(source.results)
    if source.staging is not None:
        copied += 1 - len(source.staging.arguments) - len(source.staging.results)
    return copied + graphs


def _counted(workload: str, sizes: Sizes) -> tuple[dict[str, Any], Any]:
    point = COUNTED[workload](sizes, "gpu")["step"]()
    begin = time.perf_counter()
    (program,) = point.programs()
    return {**counted(program), "seconds": round(time.perf_counter() - begin, 1)}, point.memory()


def main() -> None:
    parser = argparse.ArgumentParser(description="Counts of what training steps launch, move and hold")
    parser.add_argument("file", type=Path)
    parser.add_argument("--sizes", choices=SIZES, default="full")
    parser.add_argument("--workloads", nargs="+", choices=(*WORKLOADS, "perceptron epoch"), default=(*WORKLOADS, "perceptron epoch"))
    asked = parser.parse_args()
    record = json.loads(asked.file.read_text()) if asked.file.exists() else {}
    for workload in asked.workloads:
        if workload == "perceptron epoch":
            record[workload] = count_epoch()
        else:
            counts, _ = count(workload, SIZES[asked.sizes])
            record[workload] = {**counts, "budgets": under_budgets(workload, SIZES[asked.sizes])}
        print(workload, {k: v for k, v in record[workload].items() if k not in ("by operator", "budgets")}, flush=True)
        asked.file.write_text(json.dumps({"hybridnet": hn.__version__, **record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
