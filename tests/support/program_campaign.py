"""Random programs on special values, each compiled and run beside what it gives eagerly: the same to the bit, or there is a fault.

``python -m support.program_campaign 10000``, from ``tests/``, is the long campaign, which ``data/programs.json`` records; the slow test
is a short one of other programs. A program follows from its number alone: ``--first NUMBER`` begins there.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from support.exact_programs import ExactProgram, drawn
from support.special_values import same_bits
from tqdm import tqdm

from hybridnet import autograd
from hybridnet.codegen import numpy_program
from hybridnet.compile import jit
from hybridnet.config import config
from hybridnet.core import NDArray
from hybridnet.errors import HybridnetError
from hybridnet.lowering import NAMES

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
        same_bits(y, e, program)


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


def campaign(programs: int, first: int = 0) -> dict[str, Any]:
    """Check so many programs, from a number on: with one of three sizes of blocks, every other with a pass left out or with none at all."""
    faults, ways, gradients, names = [], 0, 0, [*sorted(NAMES), ""]
    for number in tqdm(range(first, first + programs), desc="programs", disable=None):
        program, left_out = drawn(number), names[number // 2 % len(names)]
        without = frozenset() if number % 2 == 0 else frozenset({left_out}) if left_out else NAMES
        try:
            check(program, BLOCKS[number % 3], without)
        except Exception as error:
            faults.append(f"{number} without {sorted(without)}: {repr(error)[:500]}")
        ways += bool(without)
        gradients += program.backward
    counts = {"with a backward": gradients, "without a pass": ways}
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    return {"programs": programs, "first": first, "faults": faults, **counts, **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="?", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--record", type=Path, help="a file for what happened")
    arguments = parser.parse_args()
    found = campaign(arguments.programs, arguments.first)
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.record:
        arguments.record.write_text(text + "\n", encoding="utf-8")
    sys.exit(bool(found["faults"]))


if __name__ == "__main__":
    main()
