"""Suppression of the lesser of overlapping boxes, on NumPy arrays.

Boxes are taken in blocks, best first: a block is compared with all that were kept before, and what they strike out is never looked at again;
then it is compared with itself, by a table of who overlaps whom. No block is looked at when enough are kept. Boxes of several ids, of
which there are no more than a block each, are taken all at once, a table for each id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

#: Boxes in a block, those kept that are compared with a block at a time, and numbers in the tables of all ids: what stays in a cache.
_BLOCK, _KEPT, _TABLES = 256, 64, 1 << 16


def best_first(scores: Any, most: int = 0) -> Any:
    """The places of scores (n,) from the highest on, equal ones in their order; with ``most`` above 0 only of so many. NaN is the lowest."""
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
    """The areas that boxes share over those that they cover together; ``a`` and ``b``: four sides each, which broadcast to ``work`` (3, …)."""
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

    def __init__(self, dtype: Any, threshold: float, inclusive: bool, pixel: float) -> None:
        self._exceeds = np.greater_equal if inclusive else np.greater
        self._threshold, self._pixel = dtype.type(threshold), dtype.type(pixel)
        self._work = np.empty(3 * max(_BLOCK * _BLOCK, _TABLES), dtype)

    def __call__(self, a: Any, b: Any) -> Any:
        """Which boxes of ``a``, sides (4, …, m), strike out which of ``b``, (4, …, n): (…, m, n)."""
        shape = (3, *a.shape[1:], b.shape[-1])
        work = self._work[: int(np.prod(shape))].reshape(shape)
        return self._exceeds(_shared(a[..., None], b[..., None, :], self._pixel, work), self._threshold)


def _staying(table: Any) -> Any:
    """Those of boxes, best first, that no better one that stays strikes out; ``table`` (…, n, n): who would strike out whom, if it stays."""
    n = table.shape[-1]
    table &= np.arange(n)[:, None] < np.arange(n)
    stays = ~table.any(-2)
    # The first of the boxes is right, and with every turn one more at least: those whose better ones are. What no longer changes is right.
    while True:
        before, stays = stays, ~(table & stays[..., None]).any(-2)
        if (before == stays).all():
            return stays


def survivors(
    boxes: Any, threshold: float, ids: Any = None, inclusive: bool = False, pixel: float = 0.0, most: int | None = None
) -> Any:
    """Which of the boxes (n, 4), best first, are overlapped by more than ``threshold`` by no better one that survives: (n,) of bool.

    ``ids``: only boxes of the same id strike out one another. ``inclusive``: also at the threshold itself. ``pixel``: 1 where a box holds
    the pixel of its far corner too. ``most``: the first so many are enough, of each id.
    """
    alive = np.zeros(len(boxes), bool)
    sides, rule = np.ascontiguousarray(boxes.T), _Rule(boxes.dtype, threshold, inclusive, pixel)
    if ids is None:
        alive[_of_one(rule, sides, np.arange(len(boxes)), most)] = True
        return alive
    order = np.argsort(ids, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if len(order) else []
    groups.sort(key=len, reverse=True)
    for several in _together(groups):
        if len(several) == 1:
            alive[_of_one(rule, sides, several[0], most)] = True
            continue
        places = np.full((len(several), len(several[0])), -1)
        for row, group in zip(places, several, strict=True):
            row[: len(group)] = group
        of_each = sides[:, places]  # what fills up is the last box once more: it comes last, and strikes out nothing before it
        stays = _staying(rule(of_each, of_each)) & (places >= 0)
        alive[places[stays]] = True
    return alive


def _together(groups: list[Any]) -> Iterator[list[Any]]:
    """Groups, the longest first, in lists of those whose tables are made at once."""
    at = 0
    while at < len(groups):
        size = len(groups[at]) ** 2
        count = max(1, _TABLES // size) if len(groups[at]) <= _BLOCK else 1
        yield groups[at : at + count]
        at += count


def _of_one(rule: _Rule, sides: Any, places: Any, most: int | None) -> Any:
    """The survivors among ``places``, whose boxes all strike out one another."""
    kept, count = np.empty_like(places), 0
    for start in range(0, len(places), _BLOCK):
        if most is not None and count >= most:
            break
        block = places[start : start + _BLOCK]
        for first in range(0, count, _KEPT):
            block = block[~rule(sides[:, kept[first : min(first + _KEPT, count)]], sides[:, block]).any(0)]
        here = sides[:, block]
        block = block[_staying(rule(here, here))]
        kept[count : count + len(block)] = block
        count += len(block)
    return kept[:count]
