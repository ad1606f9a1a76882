"""Random programs on special values: compiled, in whatever way, they give every bit that they give eagerly.

Shorter runs of the same programs on the emulated device are in test_exact_programs_on_a_gpu.
"""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.exact_programs import ExactProgram, drawn, exact_programs
from support.special_values import same_bits

from hybridnet import autograd
from hybridnet.codegen import numpy_program
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import NDArray, array
from hybridnet.errors import HybridnetError
from hybridnet.lowering import NAMES
from hybridnet.numpy import logical_and, logical_or, logical_xor

PER_TEST = 1000  # programs of the campaign
BLOCKS = (1, 64, 1 << 17)


def outcome(fn: Callable[[list[Any]], list[Any]], program: ExactProgram) -> Any:
    """The results' data, or the error's type."""
    with np.errstate(all="ignore"):
        try:
            found = [y._data for y in fn(program.arrays(1))]
        except HybridnetError as error:
            return type(error)
    assert all(type(y) is np.ndarray for y in found), "a number in place of an array"
    return [y.copy() for y in found]


def compare(found: Any, expected: Any, program: ExactProgram) -> None:
    if isinstance(found, type) or isinstance(expected, type):
        assert found is expected, program
        return
    assert len(found) == len(expected)
    for y, e in zip(found, expected, strict=True):
        same_bits(y, e, str(program))


def separate(program: ExactProgram, forward: Callable[[list[Any]], list[Any]]) -> Callable[[list[Any]], list[Any]]:
    """A forward, compiled or not, with its backward outside."""

    def run(xs: list[NDArray]) -> list[NDArray]:
        variables = [x for x in xs if x.dtype.kind in "fV"]
        for x in variables:
            x.attach_grad()
        with autograd.record():
            ys = forward(xs)
        heads = [y for y in ys if y.dtype.kind in "fV" and y._tape is not None]
        if heads:
            autograd.backward(heads)
        return [*ys, *(x.grad for x in variables)]

    return run


def check(program: ExactProgram, block_bytes: int, without: frozenset[str] = frozenset()) -> None:
    expected = outcome(program, program)
    with (
        mock.patch.object(config, "block_bytes", block_bytes),
        mock.patch.object(numpy_program, "PARALLEL_WORK", 1),
        mock.patch.object(config, "disabled_passes", without),
    ):
        compiled = jit(lambda xs: program(xs))
        compare(outcome(compiled, program), expected, program)
        compare(outcome(compiled, program), expected, program)  # the arena is used again
        if program.backward:
            forward = jit(lambda xs: program.forward(xs))
            plain = separate(program, program.forward)
            compare(outcome(separate(program, forward), program), outcome(plain, program), program)


@given(exact_programs(), st.sampled_from(BLOCKS))
@settings(max_examples=300)
def test_compiled_is_eager_to_the_bit(program: ExactProgram, block_bytes: int) -> None:
    check(program, block_bytes)


@pytest.mark.parametrize("without", sorted(NAMES))
@given(exact_programs())
@settings(max_examples=15)
def test_without_one_pass(without: str, program: ExactProgram) -> None:
    check(program, 64, frozenset({without}))


@given(exact_programs())
def test_without_any_pass(program: ExactProgram) -> None:
    check(program, 64, NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_programs(part: int) -> None:
    for seed in range(part * PER_TEST, (part + 1) * PER_TEST):
        check(drawn(seed), BLOCKS[seed % 3])


def test_arrays_of_no_elements_beside_others() -> None:
    """A region goes over its domain; what is of length 1 beside nothing is computed all the same."""

    def f(x: Any, nothing: Any) -> Any:
        y = x * 2 + 1
        return y, y + nothing, y.exp() * nothing

    x, nothing = array([3.0]), array(np.zeros((0, 1)))
    with mock.patch.object(config, "block_bytes", 1):
        for y, e in zip(jit(f)(x, nothing), f(x, nothing), strict=True):
            same_bits(y._data, e._data)


def test_truth_is_not_rounded() -> None:
    x = array([1.0, 0.0], "float16")
    for f in (lambda x: logical_and(x, 1e-20), lambda x: logical_or(1e-20, x), lambda x: logical_xor(x, -0.0)):
        same_bits(jit(f)(x)._data, f(x)._data)
