"""Samplers that MXNet keeps in ``gluon.contrib``."""

from __future__ import annotations

from collections.abc import Iterator

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.data.sampler import Sampler


class IntervalSampler(Sampler):
    """Every ``interval``-th number below ``length``; with ``rollover`` again from 1, from 2 …, until all have come."""

    def __init__(self, length: int, interval: int, rollover: bool = True) -> None:
        if not 1 <= interval <= length:
            fail(ArgumentError, "IntervalSampler", expected=f"an interval from 1 to the length, {length}", got=str(interval))
        self._length, self._interval, self._rollover = length, interval, rollover

    def __iter__(self) -> Iterator[int]:
        for start in range(self._interval if self._rollover else 1):
            yield from range(start, self._length, self._interval)

    def __len__(self) -> int:
        return self._length if self._rollover else len(range(0, self._length, self._interval))
