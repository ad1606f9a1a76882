"""The contract on a GPU: every operator, traced, optimised and run as a CUDA program, is what it is eagerly on the CPU.

Programs of all operators, and of random functions with gradients and states, are written first and compiled together.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from emulator import nvrtc
from emulator.bulk import Bulk
from emulator.compilers import VERSIONS
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from emulator.nvrtc import ARCHITECTURES
from hypothesis import given, settings
from support.operator_steps import CHECKED, TOLERANCE, call_of, step_of
from support.programs import Program, programs
from support.samples import as_arrays, drawn, holds_floats, in_complex, samples_of, wide

from hybridnet import dtypes
from hybridnet.codegen import cuda_program
from hybridnet.codegen.order import verify_order
from hybridnet.compile import jit
from hybridnet.core import NDArray, Op, Sample, array
from hybridnet.device import gpu
from hybridnet.errors import HybridnetError
from hybridnet.ops.common import normal
from hybridnet.runtime.cuda_program import CudaProgram

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")]


class Case:
    """A function of arrays, what it gives on the CPU, and the same function compiled for the GPU."""

    def __init__(self, fn: Callable[..., Any], arrays: list[Any], name: str) -> None:
        self.arrays = arrays
        with np.errstate(all="ignore"):
            self.expected = [wide(y).copy() for y in fn(*arrays)]
        for x in arrays:
            x._tape = None
        self.on_gpu = [x.to_device(gpu()) for x in arrays]
        with gpu():
            self.program = jit(fn, name=name)._inspect(self.on_gpu, {})

    def check(self) -> None:
        """Launched one by one, captured, and as a graph; steps that may run in any order share no bytes that one writes."""
        assert isinstance(self.program.program, CudaProgram)
        source = self.program.program.source
        verify_order(source.order, source.touched, self.program.program.name)
        for _ in range(3):
            with gpu():
                found = self.program(self.on_gpu)  # not through jit, which would compile anew after another test's changes
            for y, e in zip(found, self.expected, strict=True):
                assert y.device == gpu()
                y = wide(y.asnumpy())
                assert (y.shape, y.dtype) == (e.shape, e.dtype)
                tolerance = TOLERANCE.get(found[0].dtype, 0)
                scale = float(np.abs(e[np.isfinite(e)]).max(initial=1)) if e.dtype.kind in "fc" else 0
                np.testing.assert_allclose(y, e, rtol=tolerance, atol=tolerance * min(scale, 1e6))
        for x, g in zip(self.arrays, self.on_gpu, strict=True):
            np.testing.assert_array_equal(wide(x), wide(g.asnumpy()), "an input was modified")


def cases_of(op: Op) -> Iterator[Case]:
    """All samples in float32, the first in every floating type; with gradients in float32 where there are any.

    Of what takes complex numbers all samples in complex64 too, the first in complex128.
    """
    good = [s for s in samples_of(op) if s.error is None]
    for i, sample in enumerate(good):
        for dtype in dtypes.FLOATS if i == 0 else (dtypes.float32,):
            yield from case_of(op, sample, dtype)
    if op.complex is not None:
        of_complex = [in_complex(s) for s in good if s.gradients is None and any(map(holds_floats, s.inputs))]
        for i, sample in enumerate(of_complex):
            for dtype in (dtypes.float32, dtypes.float64) if i == 0 else (dtypes.float32,):
                yield from case_of(op, sample, dtype)


def case_of(op: Op, sample: Sample, dtype: Any) -> Iterator[Case]:
    """A sample in a type (of the parts of complex numbers), with gradients if that is float32; none where the operator does not take it."""
    call = call_of(op, sample)
    arrays = [x for x in as_arrays(sample.inputs, dtype) if isinstance(x, NDArray)]
    try:
        with np.errstate(all="ignore"):
            results = call(*arrays)
    except HybridnetError:
        return
    if dtype != dtypes.float32 or op.grad is None or not sample.differentiable:
        yield Case(call, arrays, op.name)
    else:
        rng = np.random.default_rng(9)
        heads = [
            drawn(rng, y).astype(y.dtype) if y.dtype.kind == "c" else normal(*y.shape, seed=9).astype(y.dtype)
            for y in results
            if dtypes.is_inexact(y.dtype)
        ]
        yield Case(step_of(call, len(arrays)), [*arrays, *map(array, heads)], op.name)


@pytest.fixture(scope="module")
def cases() -> Iterator[tuple[Bulk, dict[str, list[Case]]]]:
    with emulated_gpu():
        bulk, found = Bulk(), {}
        for op in CHECKED:
            found[op.name] = list(cases_of(op))
            for case in found[op.name]:
                bulk.add_compiled(case.program)
        bulk.build()
        yield bulk, found


@pytest.mark.parametrize("name", [op.name for op in CHECKED])
def test_operators(name: str, cases: tuple[Bulk, dict[str, list[Case]]]) -> None:
    for case in cases[1][name]:
        case.check()


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(len(VERSIONS)), ids=VERSIONS)
def test_compiles_without_spills(turn: int, cases: tuple[Bulk, dict[str, list[Case]]]) -> None:
    """All of these kernels by each version, and for each of three architectures by one of them, in turn.

    One that divides doubles, or raises complex numbers to powers, may spill what its calls of functions clobber.
    """
    spilling: dict[str, int] = {}
    for i, architecture in enumerate(ARCHITECTURES):
        spilling |= nvrtc.spills(cases[0].units[(i + turn) % 3 :: 3], [architecture], VERSIONS[turn])
    assert not {
        text: spilled for text, spilled in spilling.items() if "double" not in text and "power" not in text.partition("hn_complex")[0]
    }


# -- random functions -------------------------------------------------------------------------------------


class RandomCase:
    """A random program with gradients and states, three steps of it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        xs, states = program.arrays(program.inputs, 1), program.arrays(program.states, 2)
        self.expected = []
        for _ in range(3):
            ys = program(xs, states)
            self.expected.append([y.asnumpy().copy() for y in (*ys, *states)])
        self.xs, self.states = (
            [x.to_device(gpu()) for x in arrays] for arrays in (program.arrays(program.inputs, 1), program.arrays(program.states, 2))
        )
        self.compiled = jit(lambda a: program(a, self.states))._inspect((self.xs,), {})

    def check(self) -> None:
        for expected in self.expected:
            found = [*self.compiled(self.xs), *self.states]
            for y, e in zip(found, expected, strict=True):
                np.testing.assert_allclose(y.asnumpy(), e, rtol=1e-7, atol=1e-7, err_msg=self.compiled.program.text)


@pytest.fixture(scope="module")
def random_cases() -> Iterator[list[RandomCase]]:
    with emulated_gpu():
        bulk, found = Bulk(), []

        @given(programs(max_steps=16))
        @settings(max_examples=80)
        def collect(program: Program) -> None:
            launched = 0 if len(found) % 2 else cuda_program.HOST_LAUNCH_BYTES  # every second as if its arrays were large
            with mock.patch.object(cuda_program, "HOST_LAUNCH_BYTES", launched):
                found.append(RandomCase(program))
            bulk.add_compiled(found[-1].compiled)

        collect()
        bulk.build()
        yield found


def test_random_programs(random_cases: list[RandomCase]) -> None:
    for case in random_cases:
        case.check()
