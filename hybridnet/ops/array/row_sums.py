"""Sums of rows by their numbers, in compute functions: a sparse matrix times rows, which is a loop of SciPy's (on a GPU of cuSPARSE).

Ten times faster than ``add.at``, and no weighted row is written before it is added. Sums are in the order of what is added, so that they
are the same in every run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core.kernel import is_half
from hybridnet.device.scipy_modules import scipy_module
from hybridnet.ops.math.sums import RUN, SHORT


def add_rows(xp: Any, g: Any, rows: Any, n: int) -> Any:
    """Sum the rows of ``g`` (m, k) that have the same number in ``rows`` (m,): an (n, k) array.

    Sums in the order of ``rows``; in at least float32.
    """
    wide = g.astype(dtypes.float32) if is_half(g.dtype) else g
    if g.shape[1] == 1 and dtypes.is_floating(g.dtype) and rows.size:
        return xp.bincount(rows, weights=wide[:, 0], minlength=n).astype(g.dtype).reshape(n, 1)
    if not rows.size or not g.shape[1]:
        return xp.zeros((n, g.shape[1]), g.dtype)
    m = rows.size
    return spread(xp, sparse_matrix(xp, xp.ones((m,), wide.dtype), rows, xp.arange(m + 1), n), wide).astype(g.dtype, copy=False)


def sparse_matrix(xp: Any, shares: Any, numbers: Any, starts: Any, n: int) -> Any:
    """The matrix whose row i has ``shares[starts[i]:starts[i + 1]]`` in the columns ``numbers[...]``, of which there are ``n``."""
    return scipy_module(xp, "sparse").csr_matrix((shares, numbers, starts), shape=(len(starts) - 1, n))


def mix(xp: Any, matrix: Any, rows: Any) -> Any:
    """A sparse matrix times ``rows`` (n, channels): of each of its rows the sum of those that it names, by their shares."""
    mixed = _in_runs(matrix, rows) if xp is np else matrix @ rows
    return xp.ascontiguousarray(mixed)


def spread(xp: Any, matrix: Any, rows: Any) -> Any:
    """The transposed matrix times ``rows`` (m, channels): each is added, by its shares, to the rows that its matrix row names."""
    return mix(xp, matrix.T.tocsr(), rows)


def _in_runs(matrix: Any, values: Any) -> Any:
    """A matrix times rows; where many are added to one, in runs, whose sums are added up in turn."""
    starts = matrix.indptr
    lengths = np.diff(starts)
    if lengths.max(initial=0) <= SHORT:
        return matrix @ values
    pieces = -(-lengths // RUN)
    first = np.concatenate([[0], np.cumsum(pieces)])
    count = int(first[-1])
    within = np.arange(count) - np.repeat(first[:-1], pieces)
    cuts = np.append(np.repeat(starts[:-1], pieces) + within * RUN, starts[-1])
    parts = sparse_matrix(np, matrix.data, matrix.indices, cuts, matrix.shape[1]) @ values
    return _in_runs(sparse_matrix(np, np.ones((count,), values.dtype), np.arange(count), first, count), parts)
