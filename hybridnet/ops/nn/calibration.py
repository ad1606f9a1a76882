"""Where int8 numbers should end: the threshold of a histogram beyond which values are cut, by the divergence that this costs.

Relies on :mod:`hybridnet.ops.vision.host`: the search looks at every threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import tensor
from hybridnet.ops.vision.host import on_host

Values = np.ndarray[Any, Any]


def _infer(hist: Spec, edges: Spec, *, bins: int) -> Spec:
    n = hist.shape[0] if hist.ndim == 1 else 0
    if n % 2 == 0 or n <= bins or edges.shape != (n + 1,):
        got = f"{hist.shape} and {edges.shape}"
        expected = f"a histogram of an odd number of bins, more than {bins}, and their edges, one more"
        fail(ShapeError, "calibrate_entropy", expected=expected, got=got)
    if bins < 1:
        fail(ArgumentError, "calibrate_entropy", expected="num_quantized_bins of 1 or more", got=str(bins))
    return Spec((2,), hist.dtype)


def _smoothed(x: Values) -> Values | None:
    """A distribution without zeros: each takes a little from the others; ``None`` where they have not so much."""
    empty = x == 0
    zeros = int(empty.sum())
    taken = 1e-4 * zeros / (x.size - zeros) if zeros < x.size else 1.0
    return None if taken >= 1 else np.where(empty, 1e-4, x - taken)


def _divergence(p: Values, q: Values) -> float:
    smooth_p, smooth_q = _smoothed(p), _smoothed(q)
    if smooth_p is None or smooth_q is None:
        return np.inf
    smooth_p, smooth_q = smooth_p / smooth_p.sum(), smooth_q / smooth_q.sum()
    return float((smooth_p * np.log(smooth_p / smooth_q)).sum())


def _quantized(hist: Values, start: int, stop: int, bins: int) -> tuple[Values, Values]:
    """The bins from ``start`` to ``stop`` with all that lies outside at the ends, and what is left of them in fewer bins, spread again.

    As in MXNet, the first one counts with what lies outside: it has no share in the fewer bins.
    """
    kept = hist[start:stop].copy()
    whole = kept.copy()
    whole[0] += hist[:start].sum()
    whole[-1] += hist[stop:].sum()
    kept[0] = 0
    starts = np.arange(bins) * (kept.size // bins)  # what is left over belongs to the last
    shares = np.add.reduceat(kept != 0, starts, dtype=np.int64)
    levels = np.add.reduceat(kept, starts) / np.maximum(shares, 1)
    spread = np.repeat(levels, np.diff(np.append(starts, kept.size)))
    return whole, np.where(whole == 0, 0, spread)


@on_host(_infer)
def _compute(hist: Values, edges: Values, *, bins: int) -> Values:
    wide, middle = hist.astype(np.float64), hist.size // 2
    best = np.inf, 0.0
    for half in range(max(bins // 2, 1), middle + 1):
        stop = middle + half + 1
        found = _divergence(*_quantized(wide, middle - half, stop, min(bins, 2 * half + 1)))
        if half == max(bins // 2, 1) or found < best[0]:
            best = found, float(edges[stop])
    return np.array([best[1], best[0]], np.float32)


_hist = np.array([1, 2, 3, 4, 5, 4, 3, 2, 1], np.float32)
_edges = np.linspace(-4.5, 4.5, 10, dtype=np.float32)

CALIBRATE = register(
    Op(
        "calibrate_entropy",
        Kind.OPAQUE,
        _infer,
        compute=_compute,
        promote="float",
        sample=lambda: [
            Sample((_hist, _edges), {"bins": 3}, differentiable=False),
            Sample((_hist * (_hist != 3), _edges), {"bins": 3}, differentiable=False),
            Sample((_hist, _hist), {"bins": 3}, error=ValueError, differentiable=False),
            Sample((_hist[1:], _hist), {"bins": 3}, error=ValueError, differentiable=False),
        ],
    )
)


def calibrate_entropy(hist: ArrayLike, hist_edges: ArrayLike, num_quantized_bins: int = 255) -> Any:
    """The threshold at which a histogram (n,), n odd, of values around 0, between edges (n + 1,), loses least in so many bins: (2,).

    The second number is the divergence of Kullback and Leibler that it costs. ShapeError for other shapes.
    """
    return apply(CALIBRATE, (tensor(hist), tensor(hist_edges)), {"bins": int(num_quantized_bins)})
