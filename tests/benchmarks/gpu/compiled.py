"""Every kernel of the tests and of the benchmarks through the NVRTC that is here, and loaded on the device: in seconds, before all else.

    python -m gpu.compiled FOLDER

The programs of ``tests/support/kernel_cases.py``, the operators' programs as ``tests/device/test_gpu_device.py`` has them, and what the
workloads compile, each function of each fetched from its module. Nothing is launched. FOLDER/compile.json and compile.txt hold what failed,
with the compiler's words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from support import kernel_cases

import hybridnet as hn
from gpu.isolated import answer_all, chosen, options, run
from gpu.peer_hybridnet import BUILDERS, programs, release
from gpu.sizes import SIZES
from hybridnet import amp
from hybridnet.config import config
from hybridnet.device.compiler import Module

SECONDS = 60  # of one case
AT_ONCE = max(1, min(8, (os.cpu_count() or 1) // 2))
#: Of the same programs as another.
SAME = {"resnet again"}
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(')


def names(sizes: str) -> list[str]:
    """All cases: ``kernels NAME``, ``operators FIRST to LAST``, ``workload NAME: POINT``."""
    points = [f"workload {w}: {p}" for w, build in BUILDERS.items() if w not in SAME for p in build(SIZES[sizes], "gpu")]
    return [*reversed(points), *_chunks(), *(f"kernels {name}" for name in kernel_cases.CASES)]  # what takes longest first


def _chunks() -> list[str]:
    """The operators; where what tests need is missing, one case that says so when it is asked."""
    try:
        from support import operator_steps
    except ImportError:
        return ["operators"]
    return [f"operators {operator_steps.name_of(ops)}" for ops in operator_steps.CHUNKS]


@contextmanager
def _settings(workload: str) -> Iterator[None]:
    """Those that the benchmarks have for a workload, put back afterwards."""
    tf32, config.tf32 = config.tf32, workload == "lstm"
    try:
        yield
    finally:
        amp.init("float32")
        config.tf32 = tf32


def texts(compiled: Sequence[Any]) -> list[str]:
    """The CUDA C++ of programs."""
    return [program.source.text for program in compiled]


def written(name: str, sizes: str) -> list[str]:
    """The CUDA C++ of a case."""
    kind, _, which = name.partition(" ")
    if kind == "kernels":
        return [kernel_cases.made(which).program.source.text]
    if kind == "operators":
        from support import operator_steps

        ops = next(ops for ops in operator_steps.CHUNKS if operator_steps.name_of(ops) == which)
        with np.errstate(all="ignore"):
            together, operands = operator_steps.together(ops)
        for x in operands:
            x._tape = None
        with hn.gpu(0):
            return texts(programs(hn.jit(together), *(x.to_device(hn.gpu(0)) for x in operands)))
    workload, _, point = which.partition(": ")
    with _settings(workload):
        return texts(BUILDERS[workload](SIZES[sizes], "gpu")[point]().programs())


def loaded(name: str, sizes: str) -> dict[str, Any]:
    """Compile and load a case; how many kernels it has."""
    texts = [text for text in written(name, sizes) if text.strip()]
    release("gpu")  # what the program would have run on
    kernels = [(Module(text, 0), KERNEL.findall(text)) for text in texts]
    for module, functions in kernels:
        for function in functions:
            module.function(function)
    return {"kernels": sum(len(functions) for _, functions in kernels), "programs": len(texts)}


def main() -> None:
    parser = options("Compile and load every kernel")
    parser.add_argument("--sizes", choices=list(SIZES), default="full")
    arguments = parser.parse_args()
    if arguments.serve:
        answer_all(partial(loaded, sizes=arguments.sizes))
        return
    cases = chosen(names(arguments.sizes), arguments.only)
    run("gpu.compiled", cases, arguments, "compile", AT_ONCE, SECONDS, "--sizes", arguments.sizes)


if __name__ == "__main__":
    main()
