"""What timing the steps of programs takes and gives, on any device.

Programs are run on the caller's arrays where they only read them, and on copies of those that they write: whatever happens,
the caller's stay as they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from hybridnet.graph.ir import Node
from hybridnet.runtime.program import Program

#: How often everything is repeated; no further repeat begins after so many seconds.
REPEATS = 20
LONGEST_SECONDS = 10.0


class Link(NamedTuple):
    """A program in a chain of those that run one after another in one arena: a forward, then perhaps its backward.

    ``inputs`` gives the arrays of its inputs from the results of the program before.
    """

    program: Program
    inputs: Callable[[Sequence[Any]], Sequence[Any]]


class TimedStep(NamedTuple):
    """A step of a program: ``kind`` and ``name`` say what computes it, ``grid`` with how many blocks and threads.

    ``seconds`` is 0 as long as it has not been timed.
    """

    kind: str
    name: str
    node: Node | None
    operator: str
    seconds: float
    bytes: int
    flops: int
    grid: str = ""


class TimedProgram(NamedTuple):
    """A program's steps, and the seconds that the whole of it takes in one go."""

    steps: list[TimedStep]
    seconds: float


class Copies:
    """Arrays for what a program writes, which begin every run as the caller's arrays are."""

    def __init__(self, written: Sequence[int]) -> None:
        self.written = written
        self.arrays: dict[int, Any] = {}

    def of(self, inputs: Sequence[Any]) -> list[Any]:
        """The inputs, with copies in place of those that are written."""
        mine = list(inputs)
        for i in self.written:
            if i not in self.arrays:
                self.arrays[i] = inputs[i].copy()
            else:
                self.arrays[i][...] = inputs[i]
            mine[i] = self.arrays[i]
        return mine


def repeats() -> Iterator[int]:
    """``REPEATS`` numbers, or fewer if they take too long, at least one."""
    begin = time.perf_counter()
    for i in range(REPEATS):
        if i and time.perf_counter() - begin > LONGEST_SECONDS:
            return
        yield i


def median(samples: Sequence[float]) -> float:
    """The middle one: what was interrupted does not count."""
    middle = sorted(samples)[(len(samples) - 1) // 2 : len(samples) // 2 + 1]
    return sum(middle) / len(middle)
