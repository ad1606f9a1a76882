"""Suppression of the lesser of overlapping boxes, on NumPy arrays.

Boxes are taken in blocks, best first: within a block one after another, by a table of who overlaps whom; then those that were kept
strike out whatever they overlap of the rest, all at once. What is struck out is never looked at again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Boxes in a block, and of the rest that are compared with a block at a time: three tables of that size stay in the cache.
_BLOCK, _REST = 64, 1024


def areas(boxes: Any, pixel: float = 0.0) -> Any:
    """The areas of boxes (n, 4) by corners; ``pixel``: 1 where a box holds the pixel of its far corner too."""
    return (boxes[:, 2] - boxes[:, 0] + pixel) * (boxes[:, 3] - boxes[:, 1] + pixel)


def overlaps(a: Any, b: Any, pixel: float = 0.0, work: Any = None) -> Any:
    """The areas that boxes (m, 4) and (n, 4) by corners share, over those that they cover together: (m, n); 0 of boxes without area.

    ``work``: (3, m, n) or more, in which to compute, and of which the result is a part.
    """
    pixel = a.dtype.type(pixel)
    shared, other, part = (np.empty((3, len(a), len(b)), a.dtype) if work is None else work)[:, : len(a), : len(b)]
    for side, (near, far) in ((shared, (0, 2)), (other, (1, 3))):
        np.minimum(a[:, far, None], b[:, far], out=side)
        side -= np.maximum(a[:, near, None], b[:, near], out=part)
        if pixel:
            side += pixel
        np.maximum(side, 0, out=side)
    shared *= other
    union = np.add(areas(a, pixel)[:, None], areas(b, pixel), out=part)
    union -= shared
    np.maximum(union, np.finfo(a.dtype).tiny, out=union)
    return np.divide(shared, union, out=shared)


def survivors(boxes: Any, threshold: float, ids: Any = None, inclusive: bool = False, pixel: float = 0.0) -> Any:
    """Which of the boxes (n, 4), best first, are overlapped by more than ``threshold`` by no better one that survives: (n,) of bool.

    ``ids``: only boxes of the same id strike out one another. ``inclusive``: also at the threshold itself.
    """
    alive = np.zeros(len(boxes), bool)
    groups = [np.arange(len(boxes))] if ids is None else [np.flatnonzero(ids == i) for i in np.unique(ids)]
    work = np.empty((3, _BLOCK, _REST), boxes.dtype)
    for places in groups:
        alive[places[_survivors(np.ascontiguousarray(boxes[places].T), threshold, inclusive, pixel, work)]] = True
    return alive


def _survivors(sides: Any, threshold: float, inclusive: bool, pixel: float, work: Any) -> Any:
    """The places of those of one group, whose ``sides`` are given as (4, n)."""
    exceeds = np.greater_equal if inclusive else np.greater
    threshold = sides.dtype.type(threshold)
    rest, kept = np.arange(sides.shape[1]), []
    while len(rest):
        block, rest = rest[:_BLOCK], rest[_BLOCK:]
        best = sides[:, block]
        table = np.triu(exceeds(overlaps(best.T, best.T, pixel, work), threshold), 1)
        stays = np.ones(len(block), bool)
        for i in np.flatnonzero(table.any(1)):
            if stays[i]:
                stays &= ~table[i]
        kept.append(block[stays])
        best, left = best[:, stays], []
        for start in range(0, len(rest), _REST):
            others = rest[start : start + _REST]
            left.append(others[~exceeds(overlaps(best.T, sides[:, others].T, pixel, work), threshold).any(0)])
        rest = np.concatenate(left) if left else rest
    return np.concatenate(kept) if kept else rest
