"""Suppression of the lesser of overlapping boxes, on NumPy arrays.

Boxes are taken in chunks, best first. What was kept of chunks before strikes out of a chunk what it overlaps; then the chunk is gone
through in blocks: within a block by a table of who overlaps whom, then those that stay strike out of the rest of the chunk. What is struck
out is never looked at again, and no chunk is looked at when enough are kept. Boxes of several ids, of which there are not many each, are
taken all at once, a table for each id.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

#: Boxes in a block and in a chunk, and numbers in a table: three of them stay in the cache.
_BLOCK, _CHUNK = 128, 2048
_TABLE = _BLOCK * _CHUNK


def best_first(scores: Any, most: int = 0) -> Any:
    """The places of scores (n,) from the highest on, equal ones in their order; ``most`` above 0: only so many. NaN is the lowest."""
    scores = np.where(np.isnan(scores), scores.dtype.type(-np.inf), scores)
    places = np.arange(len(scores))
    if 0 < most < len(scores):
        least = np.partition(scores, len(scores) - most)[len(scores) - most]
        places = np.flatnonzero(scores >= least)
        scores = scores[places]
    if scores.dtype != np.float32:
        return places[np.argsort(-scores, kind="stable")][: most if most > 0 else None]
    # One number each, the score above the place, which NumPy sorts many times as fast: the bits of a float, but for its sign, are in order.
    bits = (0.0 - scores).view(np.uint32)  # no -0
    keys = np.where(bits >> 31, ~bits, bits | 0x80000000).astype(np.uint64) << 32
    keys |= np.arange(len(scores), dtype=np.uint64)
    keys.sort()
    return places[(keys & 0xFFFFFFFF).astype(np.int64)[: most if most > 0 else None]]


def _shared(a: Any, b: Any, pixel: float, work: Any) -> Any:
    """The areas that boxes share over those they cover together; ``a`` and ``b``: four sides each, which broadcast; ``work``: (3, …)."""
    shared, other, part = work
    for side, (near, far) in ((shared, (0, 2)), (other, (1, 3))):
        np.minimum(a[far], b[far], out=side)
        side -= np.maximum(a[near], b[near], out=part)
        if pixel:
            side += pixel
        np.maximum(side, 0, out=side)
    shared *= other
    union = np.add(_areas(a, pixel), _areas(b, pixel), out=part)
    union -= shared
    np.maximum(union, np.finfo(shared.dtype).tiny, out=union)
    return np.divide(shared, union, out=shared)


def _areas(sides: Any, pixel: float) -> Any:
    return (sides[2] - sides[0] + pixel) * (sides[3] - sides[1] + pixel)


def overlaps(a: Any, b: Any) -> Any:
    """The areas that boxes (m, 4) and (n, 4) by corners share, over those that they cover together: (m, n); 0 of boxes without area."""
    a, b = (np.ascontiguousarray(x.T) for x in (a, b))
    return _shared(a[:, :, None], b[:, None], 0, np.empty((3, a.shape[1], b.shape[1]), a.dtype))


class _Rule:
    """When a box strikes out another, and memory to find out in."""

    def __init__(self, sides: Any, threshold: float, inclusive: bool, pixel: float) -> None:
        self._exceeds = np.greater_equal if inclusive else np.greater
        self._threshold, self._pixel = sides.dtype.type(threshold), sides.dtype.type(pixel)
        self._sides, self._quick = sides, threshold > 0
        # shared / (a + b - shared) > t where shared > (a + b) t / (1 + t): a part less, since neither is exact.
        part = _areas(sides, self._pixel) * sides.dtype.type(threshold / (1 + threshold) * (1 - 1e-4) if self._quick else 0)
        self._known = np.concatenate([sides[:2], sides[2:] + self._pixel, part[None]])
        self._work = np.empty(3 * _TABLE, sides.dtype)
        self._near, self._zeros = np.empty(_TABLE, bool), np.zeros(_CHUNK, sides.dtype)

    def __call__(self, a: Any, b: Any) -> Any:
        """Which boxes of ``a``, places (…, m), strike out which of ``b``, (…, n): (…, m, n), until the next call."""
        shape = (*a.shape, b.shape[-1])
        size = math.prod(shape)
        shared, other, part = self._work[: 3 * size].reshape(3, *shape)
        found = self._near[:size].reshape(shape)
        of_a, of_b = self._known.take(a, 1)[..., None], self._known.take(b, 1)[..., None, :]
        if not self._quick:
            return self._exceeds(
                _shared(self._sides.take(a, 1)[..., None], self._sides.take(b, 1)[..., None, :], self._pixel, (shared, other, part)),
                self._threshold,
                out=found,
            )
        for side, axis in ((shared, 0), (other, 1)):
            # Of a row and a number NumPy's minimum takes many times as long as of two rows.
            np.copyto(side, of_a[axis + 2])
            np.copyto(part, of_a[axis])
            np.minimum(side, of_b[axis + 2], out=side)
            side -= np.maximum(part, of_b[axis], out=part)
        np.maximum(shared, self._zeros[: shape[-1]], out=shared)
        shared *= other
        np.copyto(part, of_a[4])
        part += of_b[4]
        np.greater_equal(shared, part, out=found)
        at = np.flatnonzero(found)
        if len(at):  # what is nearly so is looked at again
            row, column = np.divmod(at, shape[-1])
            first, second = a.ravel()[row], b.ravel()[row // shape[-2] * shape[-1] + column]
            again = _shared(self._sides.take(first, 1), self._sides.take(second, 1), self._pixel, np.empty((3, len(at)), self._sides.dtype))
            found.ravel()[at] = self._exceeds(again, self._threshold)
        return found


def _staying(table: Any) -> Any:
    """Those of boxes, best first, that no better one that stays strikes out; ``table`` (…, n, n): who strikes out whom, if it stays."""
    n = table.shape[-1]
    table &= np.arange(n)[:, None] < np.arange(n)
    stays = ~table.any(-2)
    # The first of the boxes is right, and with every turn one more at least: those whose better ones are. What no longer changes is right.
    while True:
        before, stays = stays, ~(table & stays[..., None]).any(-2)
        if (before == stays).all():
            return stays


def survivors(boxes: Any, threshold: float, ids: Any = None, inclusive: bool = False, pixel: float = 0.0, most: int | None = None) -> Any:
    """Which of the boxes (n, 4), best first, are overlapped by more than ``threshold`` by no better one that survives: (n,) of bool.

    ``ids``: only boxes of the same id strike out one another. ``inclusive``: also at the threshold itself. ``pixel``: 1 where a box holds
    the pixel of its far corner too. ``most``: the first so many are enough, of each id.
    """
    alive = np.zeros(len(boxes), bool)
    rule = _Rule(np.ascontiguousarray(boxes.T), threshold, inclusive, pixel)
    if ids is None:
        alive[_of_one(rule, np.arange(len(boxes)), most)] = True
        return alive
    order = np.argsort(ids, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if len(order) else []
    groups.sort(key=len, reverse=True)
    for several in _together(groups):
        if len(several) == 1:
            alive[_of_one(rule, several[0], most)] = True
            continue
        places = np.full((len(several), len(several[0])), -1)
        for row, group in zip(places, several, strict=True):
            row[: len(group)] = group
        stays = _staying(rule(places, places)) & (places >= 0)  # what fills up comes last, so that it strikes out nothing
        alive[places[stays]] = True
    return alive


def _together(groups: list[Any]) -> Iterator[list[Any]]:
    """Groups, the longest first, in lists of those whose tables are made at once."""
    at = 0
    while at < len(groups):
        size = len(groups[at]) ** 2
        count = max(1, _TABLE // size)
        yield groups[at : at + count]
        at += count


def _of_one(rule: _Rule, places: Any, most: int | None) -> Any:
    """The survivors among ``places``, whose boxes all strike out one another."""
    kept, count = np.empty_like(places), 0
    chunk = _CHUNK if most is None else 2 * _BLOCK  # little is looked at of what comes behind the last that is wanted
    for start in range(0, len(places), chunk):
        if most is not None and count >= most:
            break
        rest = places[start : start + chunk]
        for first in range(0, count, _BLOCK):
            rest = rest[~rule(kept[first : min(first + _BLOCK, count)], rest).any(0)]
        while len(rest):
            block, rest = rest[:_BLOCK], rest[_BLOCK:]
            block = block[_staying(rule(block, block))]
            kept[count : count + len(block)] = block
            count += len(block)
            rest = rest[~rule(block, rest).any(0)]
    return kept[:count]
