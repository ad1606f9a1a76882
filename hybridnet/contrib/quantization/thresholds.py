"""The range that loses least of a distribution when it is written in a few steps (Migacz, "8-bit inference with TensorRT", 2017).

Numbers beyond the range are cut to its ends. Of all symmetric ranges that a histogram tells apart that one is taken for which the
divergence of Kullback and Leibler, of the histogram cut to the range from the same in so many steps, is least.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.errors import ArgumentError, fail

Host = np.ndarray[Any, Any]
#: What an empty bin is given, and the others lose: a divergence has no value where one has nothing and the other something.
_LEAST = 1e-4


def optimal_threshold(histogram: Any, edges: Any, bins: int = 255) -> tuple[float, float]:
    """The end of the best range and its divergence, as MXNet's ``calibrate_entropy`` finds them.

    ``histogram``: counts (n,), n odd, of bins alike on both sides of 0, between ``edges`` (n + 1,); ``bins``: the steps, an odd number,
    n at most. ArgumentError for other numbers.
    """
    counts, ends = np.asarray(histogram, np.float64), np.asarray(edges, np.float64)
    n = len(counts)
    if counts.ndim != 1 or n % 2 == 0 or ends.shape != (n + 1,) or bins % 2 == 0 or not 1 <= bins <= n:
        got = f"{counts.shape}, {ends.shape} and {bins}"
        fail(ArgumentError, "optimal_threshold", expected="an odd number of counts, one edge more, and an odd number of bins", got=got)
    middle = n // 2
    best = ends[-1], np.inf
    for half in range(bins // 2, middle + 1):
        first, last = middle - half, middle + half + 1
        divergence = _divergence(counts, first, last, bins)
        if divergence < best[1]:
            best = ends[last], divergence
    return float(best[0]), float(best[1])


def _divergence(counts: Host, first: int, last: int, bins: int) -> float:
    """What the counts from ``first`` to before ``last`` lose in so many steps, those outside counted at the ends."""
    inside = counts[first:last].copy()
    inside[0] += counts[:first].sum()
    cut = inside.copy()
    cut[-1] += counts[last:].sum()  # the steps have those below the range, and not those above it, as in MXNet
    filled = counts[first:last] != 0
    # Of each step the sum; what is left over belongs to the last one.
    starts = np.arange(bins) * (len(inside) // bins)
    sums, numbers = np.add.reduceat(inside, starts), np.add.reduceat(filled.astype(np.float64), starts)
    widths = np.diff(np.append(starts, len(inside)))
    spread = np.repeat(np.divide(sums, numbers, out=np.zeros(bins), where=numbers > 0), widths) * filled
    p, q = _smoothed(cut), _smoothed(spread)
    if p is None or q is None:
        return float(np.inf)
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def _smoothed(counts: Host) -> Host | None:
    """The counts with a little in each bin; ``None`` where there is nothing to take it from."""
    empty = counts == 0
    zeros = int(empty.sum())
    if zeros == len(counts):
        return None
    taken = _LEAST * zeros / (len(counts) - zeros)
    return None if taken >= 1 else np.where(empty, _LEAST, counts - taken)
