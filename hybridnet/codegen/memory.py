"""Where the values of a program lie: offsets in one arena, from sizes and lifetimes.

Used by both programs; knows nothing of what the values are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALIGNMENT = 64


@dataclass
class Request:
    """``size`` bytes from step ``start`` to step ``stop``, both included; an ``offset`` that is given stays."""

    size: int
    start: int
    stop: int
    offset: int = -1


def place(requests: list[Request], alignment: int = ALIGNMENT) -> int:
    """Give each request an offset so that none that live at one time overlap; gives the arena's size.

    Largest first, each into the smallest gap between its living neighbours that holds it: within
    a few percent of the optimum on network graphs, and deterministic.
    """

    placed = _Table(sorted((r for r in requests if r.offset >= 0), key=lambda r: r.offset), alignment, len(requests))
    for request in sorted((r for r in requests if r.offset < 0), key=lambda r: (-r.size, r.start)):
        placed.add(request)
    return placed.total


class _Table:
    """The requests that have their places, in the order of their offsets, as columns: to ask all of them is a few calls of NumPy's."""

    def __init__(self, placed: list[Request], alignment: int, capacity: int) -> None:
        self.alignment = alignment
        self.count = len(placed)
        self.columns = np.zeros((4, capacity), np.int64)
        self.columns[:, : self.count] = np.array([self._row(r) for r in placed], np.int64).reshape(-1, 4).T
        self.total = int(self.columns[3].max(initial=0))

    def _row(self, r: Request) -> tuple[int, int, int, int]:
        return r.start, r.stop, r.offset, r.offset + -(-r.size // self.alignment) * self.alignment

    def add(self, request: Request) -> None:
        """Give a request its offset, and enter it."""
        starts, stops, offsets, ends = self.columns[:, : self.count]
        living = np.flatnonzero((starts <= request.stop) & (stops >= request.start))
        size = -(-request.size // self.alignment) * self.alignment
        cursors = np.zeros(len(living) + 1, np.int64)  # where the gap before each of the living begins, and the end of all
        np.maximum.accumulate(ends[living], out=cursors[1:])
        gaps = offsets[living] - cursors[:-1]
        wide = np.flatnonzero(gaps >= size)
        request.offset = int(cursors[wide[gaps[wide].argmin()] if len(wide) else -1])
        at = int(offsets.searchsorted(request.offset, side="right"))
        self.columns[:, at + 1 : self.count + 1] = self.columns[:, at : self.count].copy()
        self.columns[:, at] = row = self._row(request)
        self.count += 1
        self.total = max(self.total, row[3])
