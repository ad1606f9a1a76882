"""Matrix products with a matrix by rows or an array of few rows: MXNet's combinations, and its results' storages."""

from __future__ import annotations

from typing import Any

from hybridnet.core import Spec
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import Csr, RowSparse, csr_of, owners
from hybridnet.ops.linalg.matmul import MATMUL
from hybridnet.ops.sparse.arithmetic import places_of


def _turned(x: Any, on: bool) -> Any:
    return x.T if on else x


def _times(xp: Any, matrix: Any, dense: Any, like: Csr) -> Any:
    """A matrix that was made of ``like`` times a dense one, in rows one after the other: CuPy's product lies by columns."""
    return xp.ascontiguousarray((matrix @ dense.astype(like.wide(xp), copy=False)).astype(like.dtype, copy=False))


def _as_written(a: Spec, b: Spec, *, transpose_a: bool = False, transpose_b: bool = False) -> bool:
    return not transpose_a and not transpose_b


def _to_rows(a: Spec, b: Spec, *, transpose_a: bool = False, transpose_b: bool = False) -> bool:
    return transpose_a and not transpose_b and b.ndim == 2


def _to_dense(a: Spec, b: Spec, *, transpose_a: bool = False, transpose_b: bool = False) -> bool:
    return (not transpose_a or transpose_b) and b.ndim == 2


@on_storage(MATMUL, "csr", "default", gives="default", when=_to_dense)
def _(xp: Any, a: Csr, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return _times(xp, _turned(a.matrix(xp), transpose_a), _turned(b, transpose_b), a)


@on_storage(MATMUL, "csr", "default", gives="row_sparse", when=_to_rows)
def _(xp: Any, a: Csr, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> RowSparse:
    """aᵀ · b has a row for each column of ``a`` in which something is stored."""
    return _by_columns(xp, a, b)


def _by_columns(xp: Any, a: Csr, b: Any) -> RowSparse:
    """aᵀ · b, of which no more is made than is stored."""
    columns, matrix = a.turned(xp)
    return RowSparse(_times(xp, matrix, b, a), columns, (a.shape[1], b.shape[1]))


@on_storage(MATMUL, "csr", "row_sparse", gives="default", when=_as_written)
def _(xp: Any, a: Csr, b: RowSparse, **flags: bool) -> Any:
    return _met(xp, a, b)


def _met(xp: Any, a: Csr, b: RowSparse) -> Any:
    """a · b: of ``a`` only the values in columns that ``b`` has as rows."""
    place, there = places_of(xp, b, a.indices)
    counts = xp.concatenate([xp.zeros((1,), a.indptr.dtype), xp.cumsum(there, dtype=a.indptr.dtype)])
    met = Csr(a.data[there], place[there].astype(a.indices.dtype), counts[a.indptr], (a.shape[0], len(b.indices)))
    return _times(xp, met.matrix(xp), b.data, a)


@on_storage(MATMUL, "csr", "row_sparse", gives="row_sparse", when=_to_rows)
def _(xp: Any, a: Csr, b: RowSparse, **flags: bool) -> RowSparse:
    """aᵀ · b: of ``a`` only the rows that ``b`` has."""
    lengths = xp.diff(a.indptr)[b.indices]
    starts = xp.concatenate([xp.zeros((1,), a.indptr.dtype), xp.cumsum(lengths, dtype=a.indptr.dtype)])
    count = int(starts[-1])
    row = owners(xp, starts, count)
    source = (a.indptr[b.indices] - starts[:-1])[row] + xp.arange(count, dtype=starts.dtype)
    few = Csr(a.data[source], a.indices[source], starts, (len(b.indices), a.shape[1]))
    return _by_columns(xp, few, b.data)


def _dense_by_csr(xp: Any, a: Any, b: Csr, transpose_a: bool, transpose_b: bool) -> Any:
    product = _turned(b.matrix(xp), not transpose_b) @ _turned(a, not transpose_a).astype(b.wide(xp), copy=False)
    return product.T.astype(a.dtype, copy=False)


@on_storage(MATMUL, "default", "csr", gives="csr", when=lambda a, b, transpose_a=False, transpose_b=False: not transpose_a and a.ndim == 2)
def _(xp: Any, a: Any, b: Csr, *, transpose_a: bool = False, transpose_b: bool = False) -> Csr:
    return csr_of(_dense_by_csr(xp, a, b, transpose_a, transpose_b), xp)


@on_storage(MATMUL, "default", "csr", gives="default", when=lambda a, b, transpose_a=False, transpose_b=False: transpose_a and a.ndim == 2)
def _(xp: Any, a: Any, b: Csr, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return xp.ascontiguousarray(_dense_by_csr(xp, a, b, transpose_a, transpose_b))


@on_storage(MATMUL, "csr", "csr", gives="default")
def _(xp: Any, a: Csr, b: Csr, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    product = _turned(a.matrix(xp), transpose_a) @ _turned(b.matrix(xp), transpose_b)
    return product.toarray().astype(a.dtype, copy=False)
