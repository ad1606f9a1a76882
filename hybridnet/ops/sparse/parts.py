"""Parts of arrays and arrays of parts: slices of rows and columns, rows by number, matrices one below the other, choices by a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import OPS, Spec
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import Csr, RowSparse
from hybridnet.ops.sparse.arithmetic import of_matrix

_compute_where: Any = OPS["where"].compute


def _in_steps_of_one(x: Spec, *, key: Any) -> bool:
    return len(key) <= 2 and all(item[0] == "slice" and item[3] in (None, 1) for item in key)


@on_storage(OPS["slice"], "csr", gives="csr", when=_in_steps_of_one)
def _(xp: Any, x: Csr, *, key: Any) -> Csr:
    """Neighbouring rows, and of those neighbouring columns."""
    slices = [slice(*item[1:]).indices(n)[:2] for item, n in zip(key, x.shape, strict=False)]
    start, stop = slices[0]
    stop = max(start, stop)
    first, last = int(x.indptr[start]), int(x.indptr[stop])
    rows = Csr(x.data[first:last], x.indices[first:last], x.indptr[start : stop + 1] - first, (stop - start, x.shape[1]))
    return rows if len(slices) == 1 else _columns(xp, rows, *slices[1])


def _columns(xp: Any, x: Csr, start: int, stop: int) -> Csr:
    inside = (x.indices >= start) & (x.indices < stop)
    counts = xp.concatenate([xp.zeros((1,), x.indptr.dtype), xp.cumsum(inside, dtype=x.indptr.dtype)])
    return Csr(x.data[inside], x.indices[inside] - start, counts[x.indptr], (x.shape[0], max(0, stop - start)))


@on_storage(OPS["index"], "csr", "default", gives="csr", when=lambda x, rows, *, key: key == (("array",),) and rows.ndim == 1)
def _(xp: Any, x: Csr, rows: Any, *, key: Any) -> Csr:
    return of_matrix(x.matrix(xp)[rows], x.dtype)


@on_storage(OPS["concatenate"], "csr", "...", gives="csr", when=lambda *xs, axis: axis in (0, -2))
def _(xp: Any, *xs: Csr, axis: int) -> Csr:
    """One below the other."""
    data, indices = (xp.concatenate([getattr(x, name) for x in xs]) for name in ("data", "indices"))
    counts = xp.concatenate([xp.diff(x.indptr) for x in xs])
    starts = xp.concatenate([xp.zeros((1,), np.int64), xp.cumsum(counts, dtype=np.int64)])
    kind = np.int64 if any(x.indices.dtype == np.int64 for x in xs) or len(data) > np.iinfo(np.int32).max else np.int32
    return Csr(data, indices.astype(kind, copy=False), starts.astype(kind), (sum(x.shape[0] for x in xs), xs[0].shape[1]))


@on_storage(OPS["reshape"], "row_sparse", gives="row_sparse", when=lambda x, *, shape: bool(shape) and shape[0] == x.shape[0])
def _(xp: Any, x: RowSparse, *, shape: tuple[int, ...]) -> RowSparse:
    """Rows in another shape."""
    return RowSparse(x.data.reshape(len(x.indices), *shape[1:]), x.indices, tuple(shape))


@on_storage(OPS["where"], "csr", "default", "default", gives="default")
def _(xp: Any, condition: Csr, a: Any, b: Any) -> Any:
    return _compute_where(xp, condition.dense(xp) != 0, a, b)
