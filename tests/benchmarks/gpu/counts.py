"""What the training steps would launch, move and hold on a GPU, counted in programs that are written for an emulated one and not run.

    PYTHONPATH=tests:tests/benchmarks python -m emulator.run -m gpu.counts FILE [--sizes tiny] [--workloads perceptron lstm ...]

writes FILE, JSON by workload; what is in it already and not asked for stays. The record is ``records/gpu-counts.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import hybridnet as hn
from gpu.peer_hybridnet import BUILDERS
from gpu.sizes import SIZES, Sizes
from hybridnet import amp
from hybridnet.codegen.cuda_program import CopyStep, CupyStep, KernelStep, LibraryStep, Step
from hybridnet.config import config
from hybridnet.graph.ir import Node
from hybridnet.runtime.cuda_program import CudaProgram
from hybridnet.runtime.work import bytes_of, operator_of

#: A step with other settings than usual: whose, and which.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {"gpt2 in chunks": ("gpt2", {"score_bytes": 1 << 27})}
WORKLOADS = ("perceptron", "lstm", "resnet", "gpt2", *VARIANTS)
KINDS = {KernelStep: "kernels", LibraryStep: "library calls", CopyStep: "copies", CupyStep: "CuPy"}


def counted(program: CudaProgram) -> dict[str, Any]:
    """Of a program its steps by kind and by operator, the bytes that their nodes read and write, and its arena's."""
    steps: list[Step] = program.source.steps
    nodes: dict[Node, None] = dict.fromkeys(s.node for s in steps if s.node is not None)
    moved = sum(map(bytes_of, nodes)) + sum(s.nbytes for s in steps if isinstance(s, CopyStep) and s.node is None)
    names = Counter(operator_of(s.node) if s.node is not None else "copy" for s in steps)
    return {
        "steps": len(steps),
        **{kind: sum(isinstance(s, of) for s in steps) for of, kind in KINDS.items()},
        "gigabytes": round(moved / 1e9, 3),
        "arena gigabytes": round(program.source.arena_bytes / 1e9, 3),
        "by operator": dict(names.most_common()),
    }


def count(workload: str, sizes: Sizes) -> dict[str, Any]:
    """The counts of a workload's step, and the seconds from its call to its program's text."""
    name, settings = VARIANTS.get(workload, (workload, {}))
    try:
        with ExitStack() as changed:
            for key, value in settings.items():
                changed.enter_context(mock.patch.object(config, key, value))
            return _counted(name, sizes)
    finally:
        amp.init("float32")


def _counted(workload: str, sizes: Sizes) -> dict[str, Any]:
    point = BUILDERS[workload](sizes, "gpu")["step"]()
    begin = time.perf_counter()
    (program,) = point.programs()
    return {**counted(program), "seconds": round(time.perf_counter() - begin, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Counts of what training steps launch, move and hold")
    parser.add_argument("file", type=Path)
    parser.add_argument("--sizes", choices=SIZES, default="full")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    asked = parser.parse_args()
    record = json.loads(asked.file.read_text()) if asked.file.exists() else {}
    for workload in asked.workloads:
        record[workload] = count(workload, SIZES[asked.sizes])
        print(workload, {k: v for k, v in record[workload].items() if k != "by operator"}, flush=True)
        asked.file.write_text(json.dumps({"hybridnet": hn.__version__, **record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
