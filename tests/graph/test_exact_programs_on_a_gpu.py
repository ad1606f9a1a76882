"""The same random programs on the emulated device: every bit is that of eager execution on the CPU.

The emulator computes without joining products and sums to one operation, which a GPU's compiler may do within a kernel: there
a·b + c is rounded once. Everything else holds on a GPU as well.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator.bulk import Bulk
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from support.exact_programs import NAMES, ExactProgram, drawn
from support.program_campaign import compare, outcome

from hybridnet.compile import jit
from hybridnet.device import gpu
from hybridnet.errors import HybridnetError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")]


class Case:
    """A program, what it gives on the CPU, and the same program compiled for the GPU."""

    def __init__(self, program: ExactProgram) -> None:
        self.program = program
        self.expected = outcome(program, program)
        self.arrays = [x.to_device(gpu()) for x in program.arrays(1)]
        with gpu():
            self.compiled = jit(lambda xs: program(xs))._inspect((self.arrays,), {})

    def check(self) -> None:
        for _ in range(2):
            with gpu(), np.errstate(all="ignore"):
                found = [np.asarray(y.asnumpy()) for y in self.compiled(self.arrays)]
            compare(found, self.expected, self.program)


def cases(seeds: range) -> Iterator[Case]:
    """Those that no operator refuses."""
    bulk, found = Bulk(), []
    for seed in seeds:
        program = drawn(seed)
        if any(NAMES[which % len(NAMES)] == "power of an array" for which, *_ in program.steps):
            continue  # a transcendental function, of which libraries differ in the last bit
        try:
            with np.errstate(all="ignore"):
                found.append(Case(program))
        except HybridnetError:
            continue
        bulk.add_compiled(found[-1].compiled)
    bulk.build()
    yield from found


def check(seeds: range) -> None:
    with emulated_gpu():
        failed: list[Any] = []
        for case in cases(seeds):
            try:
                case.check()
            except AssertionError as error:
                failed.append(error)
        if failed:
            raise AssertionError(f"{len(failed)} of {len(seeds)} programs, the first:\n{failed[0]}\n") from failed[0]


def test_programs() -> None:
    check(range(80))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_more_programs(part: int) -> None:
    check(range(1000 + 100 * part, 1100 + 100 * part))
