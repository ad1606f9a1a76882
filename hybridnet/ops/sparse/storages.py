"""From storage to storage: ``cast_storage``."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, Spec, register
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import STORAGES, Csr, RowSparse, csr_of, row_sparse_of
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import normal


def _infer(x: Spec, *, stype: str) -> Spec:
    if stype not in ("default", *STORAGES):
        fail(ArgumentError, "cast_storage", expected="stype default, csr or row_sparse", got=repr(stype))
    if stype == "csr" and x.ndim != 2:
        fail(ShapeError, "cast_storage", expected="a matrix for csr storage", got=f"shape {x.shape}")
    if stype == "row_sparse" and not x.ndim:
        fail(ShapeError, "cast_storage", expected="an array with rows for row_sparse storage", got="no dimensions")
    return Spec(x.shape, x.dtype, stype)


def _from_dense(xp: Any, x: Any, *, stype: str) -> Any:
    _infer(Spec(x.shape, x.dtype), stype=stype)
    return x.copy() if stype == "default" else csr_of(x, xp) if stype == "csr" else row_sparse_of(x, xp)


#: ``cast_storage(x, stype=...)``: the same elements in another storage.
CAST_STORAGE = register(
    Op(
        "cast_storage",
        Kind.OPAQUE,
        _infer,
        compute=_from_dense,
        grad=(lambda g, y, x, *, stype: g,),
        sample=lambda: [
            Sample((normal(3, 2),), {"stype": "default"}),
            Sample((normal(3),), {"stype": "csr"}, error=ValueError),
            Sample((normal(3, 2),), {"stype": "coo"}, error=ValueError),
        ],
    )
)


def _enter(source: str, target: str, compute: Any) -> None:
    on_storage(CAST_STORAGE, source, gives=target, when=lambda x, *, stype: stype == target)(lambda xp, x, *, stype: compute(xp, x))


def _rows_of(xp: Any, x: Csr) -> RowSparse:
    """A matrix by the rows in which something is stored."""
    (rows,) = xp.nonzero(xp.diff(x.indptr))
    position = xp.zeros((x.shape[0],), np.int64)
    position[rows] = xp.arange(len(rows))
    data = xp.zeros((len(rows), x.shape[1]), x.dtype)
    data[position[x.rows(xp)], x.indices] = x.data
    return RowSparse(data, rows.astype(np.int64), x.shape)


for _storage in STORAGES:
    _enter(_storage, "default", lambda xp, x: x.dense(xp))
    _enter(_storage, _storage, lambda xp, x: x)
_enter("csr", "row_sparse", _rows_of)
_enter("row_sparse", "csr", lambda xp, x: csr_of(x.dense(xp), xp))
