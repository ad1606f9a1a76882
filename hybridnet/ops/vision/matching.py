"""Matching of rows with columns by how well they go together, greedily: the best pair first, then the best of what is left."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import tensor, uniform
from hybridnet.ops.vision.host import on_host


def greedy_pairs(scores: Any, threshold: float, ascending: bool = False) -> Any:
    """The rows and the columns of the pairs of ``scores`` (n, m) in the order in which they are found, none below ``threshold``.

    ``ascending``: the least is the best, and none is above ``threshold``. Of equal pairs that with the lower row, then column, is first.
    """
    flat = scores.ravel()
    order = np.flatnonzero(~(flat > threshold) if ascending else ~(flat < threshold))
    order = order[np.argsort(flat[order] if ascending else -flat[order], kind="stable")]
    rows, columns = np.divmod(order, max(scores.shape[1], 1))
    places, found = np.arange(len(order)), []
    first_row, first_column = np.empty(scores.shape[0], int), np.empty(scores.shape[1], int)
    while len(places):
        # A pair that comes first in its row and in its column is taken, whatever else is.
        first_row[rows[::-1]], first_column[columns[::-1]] = places[::-1], places[::-1]
        taken = (first_row[rows] == places) & (first_column[columns] == places)
        found.append(places[taken])
        free_row, free_column = np.ones(len(first_row), bool), np.ones(len(first_column), bool)
        free_row[rows[taken]], free_column[columns[taken]] = False, False
        left = free_row[rows] & free_column[columns]
        places, rows, columns = places[left], rows[left], columns[left]
    pairs = order[np.sort(np.concatenate(found))] if found else order
    return np.divmod(pairs, max(scores.shape[1], 1))


def _infer(scores: Spec, *, threshold: float, ascending: bool, topk: int) -> tuple[Spec, Spec]:
    if scores.ndim != 3:
        fail(ShapeError, "bipartite_matching", expected="scores (batch, rows, columns)", got=str(scores.shape))
    return Spec(scores.shape[:2], scores.dtype), Spec((scores.shape[0], scores.shape[2]), scores.dtype)


@on_host(_infer)
def _match(scores: Any, *, threshold: float, ascending: bool, topk: int) -> Any:
    batch, n, m = scores.shape
    of_rows, of_columns = np.full((batch, n), -1, scores.dtype), np.full((batch, m), -1, scores.dtype)
    for i in range(batch):
        rows, columns = greedy_pairs(scores[i], threshold, ascending)
        if topk > 0:
            rows, columns = rows[: topk + 1], columns[: topk + 1]  # MXNet stops when there are more
        of_rows[i, rows], of_columns[i, columns] = columns, rows
    return of_rows, of_columns


_attrs = {"threshold": 0.3, "ascending": False, "topk": -1}
BIPARTITE_MATCHING = register(
    Op(
        "bipartite_matching",
        Kind.OPAQUE,
        _infer,
        compute=_match,
        promote="float",
        sample=lambda: [
            Sample((uniform(0, 1, 2, 3, 4),), _attrs, differentiable=False),
            Sample((uniform(0, 1, 2, 4, 2),), {"threshold": 0.8, "ascending": True, "topk": 1}, differentiable=False),
            Sample((uniform(0, 1, 3, 4),), _attrs, error=ValueError, differentiable=False),
        ],
    )
)


def bipartite_matching(data: ArrayLike, threshold: float, is_ascend: bool = False, topk: int = -1) -> Any:
    """For each row of ``data`` (..., rows, columns) the column that it is matched with, and for each column the row; -1 for none.

    Pairs are taken best first: the largest, none below ``threshold``, or with ``is_ascend`` the least, none above it; of each row and
    column one. With ``topk`` above 0 there are at most ``topk`` + 1. ShapeError for fewer than two dimensions.
    """
    data = tensor(data)
    if data.ndim < 2:
        fail(ShapeError, "bipartite_matching", expected="scores (..., rows, columns)", got=str(data.shape))
    *lead, n, m = data.shape
    batch = int(np.prod(lead, dtype=int))
    attrs = {"threshold": float(threshold), "ascending": bool(is_ascend), "topk": int(topk)}
    rows, columns = apply(BIPARTITE_MATCHING, (call("reshape", data, shape=(batch, n, m)),), attrs)
    return call("reshape", rows, shape=(*lead, n)), call("reshape", columns, shape=(*lead, m))
