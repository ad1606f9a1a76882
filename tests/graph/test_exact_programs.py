"""Random programs on special values: compiled, in whatever way, they give every bit that they give eagerly.

Shorter runs of the same programs on the emulated device are in test_exact_programs_on_a_gpu.
"""

import json
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import program_campaign
from support.exact_programs import ExactProgram, exact_programs
from support.paths import DATA
from support.program_campaign import BLOCKS, campaign, check
from support.special_values import same_bits

from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import array
from hybridnet.lowering import NAMES
from hybridnet.numpy import logical_and, logical_or, logical_xor


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
def test_ten_thousand_programs() -> None:
    """Other ones than those of the recorded campaign, ``python -m support.program_campaign 10000``."""
    found = campaign(10_000, first=10_000)
    assert not found["faults"], "\n".join(found["faults"])


def test_the_recorded_campaign() -> None:
    record = json.loads((DATA / "programs.json").read_text(encoding="utf-8"))
    assert record["programs"] == 10_000 and record["first"] == 0 and not record["faults"]
    assert record["with a backward"] > 2000 and record["without a pass"] == 5000


def test_a_campaign_notices_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs, were it that of a zero."""
    monkeypatch.setattr(program_campaign, "jit", lambda function: lambda xs: [-y for y in function(xs)])
    assert len(campaign(10)["faults"]) > 5


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
