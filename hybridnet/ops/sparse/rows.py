"""Rows: those of an embedding and their gradient, and those that are kept of an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Sample, Spec, call, register
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import RowSparse
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.row_sums import add_rows
from hybridnet.ops.common import normal
from hybridnet.ops.nn.embedding import EMBEDDING
from hybridnet.ops.sparse.arithmetic import places_of


def _infer_sums(g: Spec, numbers: Spec, *, rows: int) -> Spec:
    if g.shape[:-1] != numbers.shape:
        fail(ShapeError, "row_sums", expected=f"a row for each number, {(*numbers.shape, 'width')}", got=str(g.shape))
    return Spec((rows, g.shape[-1]), g.dtype, "row_sparse")


def _row_sums(xp: Any, g: Any, numbers: Any, *, rows: int) -> RowSparse:
    indices, places = xp.unique(numbers.reshape(-1), return_inverse=True)
    return RowSparse(
        add_rows(xp, g.reshape(numbers.size, g.shape[-1]), places.reshape(-1), len(indices)), indices.astype(np.int64), (rows, g.shape[-1])
    )


#: The gradient of an embedding's table of so many rows: of the rows that were taken, the sums of what comes to each.
ROW_SUMS = register(
    Op(
        "row_sums",
        Kind.OPAQUE,
        _infer_sums,
        compute=_row_sums,
        grad=(lambda g, y, x, numbers, *, rows: call("embedding", numbers, g), None),
        saves=(1,),
        # No program has it, since its result is not dense: what it gives is tested with embeddings.
        sample=lambda: [Sample((normal(3, 2), np.array([1, 0])), {"rows": 4}, error=ValueError)],
    )
)


@on_storage(EMBEDDING, "default", "row_sparse", gives="default")
def _(xp: Any, numbers: Any, weight: RowSparse, **attrs: Any) -> Any:
    """Rows that are not stored are 0."""
    wanted = xp.clip(numbers, 0, max(weight.shape[0] - 1, 0)).astype(np.int64)
    place, there = places_of(xp, weight, wanted)
    result = xp.zeros((*numbers.shape, weight.shape[1]), weight.dtype)
    result[there] = weight.data[place[there]]
    return result


def _infer_retain(x: Spec, rows: Spec) -> Spec:
    if rows.ndim != 1 or not x.ndim:
        fail(
            ShapeError,
            "sparse_retain",
            expected="an array with rows, and their numbers in one dimension",
            got=f"{x.shape} and {rows.shape}",
        )
    return Spec(x.shape, x.dtype, "row_sparse")


def _chosen(xp: Any, rows: Any, n: int) -> Any:
    chosen = xp.unique(rows.astype(np.int64))
    if len(chosen) and not (int(chosen[0]) >= 0 and int(chosen[-1]) < n):
        fail(ShapeError, "sparse_retain", expected=f"rows from 0 to {n - 1}", got=f"rows from {chosen[0]} to {chosen[-1]}")
    return chosen


def _retain_dense(xp: Any, x: Any, rows: Any) -> RowSparse:
    _infer_retain(Spec(x.shape, x.dtype), Spec(rows.shape, rows.dtype))
    chosen = _chosen(xp, rows, x.shape[0])
    return RowSparse(x[chosen], chosen, x.shape)


#: Of an array only the rows that are named, the others being 0.
SPARSE_RETAIN = register(
    Op(
        "sparse_retain",
        Kind.OPAQUE,
        _infer_retain,
        compute=_retain_dense,
        grad=(lambda g, y, x, rows: call("sparse_retain", g, rows), None),
        saves=(1,),
        sample=lambda: [Sample((normal(3, 2), np.array([[1, 0]])), error=ValueError)],  # otherwise no program has it
    )
)


@on_storage(SPARSE_RETAIN, "row_sparse", "default", gives="row_sparse")
def _(xp: Any, x: RowSparse, rows: Any) -> RowSparse:
    chosen = _chosen(xp, rows, x.shape[0])
    place, there = places_of(xp, x, chosen)
    return RowSparse(x.data[place[there]], chosen[there], x.shape)
