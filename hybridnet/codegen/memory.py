"""Where the values of a program lie: offsets in one arena, from sizes and lifetimes.

Used by both programs; knows nothing of what the values are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

ALIGNMENT = 64


@dataclass
class Request:
    """``size`` bytes from step ``start`` to step ``stop``, both included; an ``offset`` that is given stays."""

    size: int
    start: int
    stop: int
    offset: int = -1


#: An arena of up to so many bytes costs nothing to speak of: it may grow to keep requests apart.
FREE_BYTES = 1 << 20


def place(requests: list[Request], alignment: int = ALIGNMENT, apart: Any = None) -> int:
    """Give each request an offset so that none that live at one time overlap; gives the arena's size.

    Largest first, each into the smallest gap between its living neighbours that holds it: within
    a few percent of the optimum on network graphs, and deterministic.

    ``apart``: for each two requests whether they should not overlap either. Those that do are then moved, the smallest first, where there
    is a place for them and the arena does not grow for it above ``FREE_BYTES``.
    """
    movable = [i for i, r in enumerate(requests) if r.offset < 0]
    total = _placed(requests, alignment)
    if apart is None or not apart.any():
        return total
    return _spread(requests, sorted(movable, key=lambda i: (requests[i].size, i)), alignment, apart, max(total, FREE_BYTES))


def _placed(requests: list[Request], alignment: int) -> int:
    """Give offsets to those that have none; gives the arena's size."""
    placed = _Table(sorted((r for r in requests if r.offset >= 0), key=lambda r: r.offset), alignment, len(requests))
    for request in sorted((r for r in requests if r.offset < 0), key=lambda r: (-r.size, r.start)):
        placed.add(request)
    return placed.total


def _spread(requests: list[Request], movable: list[int], alignment: int, apart: Any, limit: int) -> int:
    """Move requests off those that they should be apart from, below ``limit``; gives the arena's size."""
    starts, stops, offsets = (np.array(column, np.int64) for column in zip(*((r.start, r.stop, r.offset) for r in requests), strict=True))
    sizes = np.array([_rounded(r.size, alignment) for r in requests], np.int64)
    for i in movable:
        end = offsets[i] + sizes[i]
        if not (apart[i] & (offsets < end) & (offsets + sizes > offsets[i])).any():
            continue
        avoided = apart[i] | ((starts <= stops[i]) & (stops >= starts[i]))
        avoided[i] = False
        others = np.flatnonzero(avoided)
        others = others[offsets[others].argsort(kind="stable")]
        found = _gap(offsets[others], (offsets + sizes)[others], int(sizes[i]))
        if found + sizes[i] <= limit:
            offsets[i] = requests[i].offset = found
    return int((offsets + sizes).max())


def _gap(offsets: Any, ends: Any, size: int) -> int:
    """Where the smallest gap begins that holds so many bytes, between neighbours in the order of their offsets; or the end of all."""
    cursors = np.zeros(len(offsets) + 1, np.int64)  # where the gap before each of them begins, and the end of all
    np.maximum.accumulate(ends, out=cursors[1:])
    gaps = offsets - cursors[:-1]
    wide = np.flatnonzero(gaps >= size)
    return int(cursors[wide[gaps[wide].argmin()] if len(wide) else -1])


def _rounded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


class _Table:
    """The requests that have their places, in the order of their offsets, as columns: to ask all of them is a few calls of NumPy's."""

    def __init__(self, placed: list[Request], alignment: int, capacity: int) -> None:
        self.alignment = alignment
        self.count = len(placed)
        self.columns = np.zeros((4, capacity), np.int64)
        self.columns[:, : self.count] = np.array([self._row(r) for r in placed], np.int64).reshape(-1, 4).T
        self.total = int(self.columns[3].max(initial=0))

    def _row(self, r: Request) -> tuple[int, int, int, int]:
        return r.start, r.stop, r.offset, r.offset + _rounded(r.size, self.alignment)

    def add(self, request: Request) -> None:
        """Give a request its offset, and enter it."""
        starts, stops, offsets, ends = self.columns[:, : self.count]
        living = np.flatnonzero((starts <= request.stop) & (stops >= request.start))
        request.offset = _gap(offsets[living], ends[living], _rounded(request.size, self.alignment))
        at = int(offsets.searchsorted(request.offset, side="right"))
        self.columns[:, at + 1 : self.count + 1] = self.columns[:, at : self.count].copy()
        self.columns[:, at] = row = self._row(request)
        self.count += 1
        self.total = max(self.total, row[3])
