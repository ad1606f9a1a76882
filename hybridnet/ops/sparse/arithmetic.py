"""Sums, differences, products and quotients of two arrays, one of them not dense or both."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import OPS, Spec
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import Csr, RowSparse, index_dtype

_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE = OPS["add"], OPS["subtract"], OPS["multiply"], OPS["true_divide"]


def of_matrix(matrix: Any, dtype: Any) -> Csr:
    """What SciPy's (or CuPy's) matrix by rows holds. Its integers are made those that it may have."""
    kind = index_dtype(matrix.shape, len(matrix.data))
    return Csr(matrix.data.astype(dtype, copy=False), matrix.indices.astype(kind, copy=False), matrix.indptr.astype(kind), matrix.shape)


def _alike(a: Spec, b: Spec) -> bool:
    return a.shape == b.shape


def _fits(x: Spec, beside: Spec) -> bool:
    """Whether an array broadcasts to the shape of the other."""
    return beside.ndim <= x.ndim and all(n in (1, m) for n, m in zip(beside.shape[::-1], x.shape[::-1], strict=False))


# -- both of one storage ----------------------------------------------------------------------------


@on_storage(_ADD, "csr", "csr", gives="csr", when=_alike)
def _(xp: Any, a: Csr, b: Csr) -> Csr:
    return of_matrix(a.matrix(xp) + b.matrix(xp), a.dtype)


@on_storage(_SUBTRACT, "csr", "csr", gives="csr", when=_alike)
def _(xp: Any, a: Csr, b: Csr) -> Csr:
    return of_matrix(a.matrix(xp) - b.matrix(xp), a.dtype)


@on_storage(_MULTIPLY, "csr", "csr", gives="csr", when=_alike)
def _(xp: Any, a: Csr, b: Csr) -> Csr:
    return of_matrix(a.matrix(xp).multiply(b.matrix(xp)).tocsr(), a.dtype)


def _joined(xp: Any, a: RowSparse, b: RowSparse, write: Any) -> RowSparse:
    """The rows of both: those of ``a``, into which ``write`` brings those of ``b``."""
    rows = xp.unique(xp.concatenate([a.indices, b.indices]))
    data = xp.zeros((len(rows), *a.shape[1:]), a.dtype)
    data[xp.searchsorted(rows, a.indices)] = a.data
    write(data, xp.searchsorted(rows, b.indices), b.data)
    return RowSparse(data, rows, a.shape)


def _add_at(data: Any, places: Any, values: Any) -> None:
    data[places] += values


def _subtract_at(data: Any, places: Any, values: Any) -> None:
    data[places] -= values


@on_storage(_ADD, "row_sparse", "row_sparse", gives="row_sparse", when=_alike)
def _(xp: Any, a: RowSparse, b: RowSparse) -> RowSparse:
    return _joined(xp, a, b, _add_at)


@on_storage(_SUBTRACT, "row_sparse", "row_sparse", gives="row_sparse", when=_alike)
def _(xp: Any, a: RowSparse, b: RowSparse) -> RowSparse:
    return _joined(xp, a, b, _subtract_at)


@on_storage(_MULTIPLY, "row_sparse", "row_sparse", gives="row_sparse", when=_alike)
def _(xp: Any, a: RowSparse, b: RowSparse) -> RowSparse:
    place, there = places_of(xp, b, a.indices)
    return RowSparse(a.data[there] * b.data[place[there]], a.indices[there], a.shape)


def places_of(xp: Any, x: RowSparse, rows: Any) -> tuple[Any, Any]:
    """For each of ``rows``, where it is among those that ``x`` stores, and whether it is there at all."""
    if not len(x.indices):
        return xp.zeros(rows.shape, np.int64), xp.zeros(rows.shape, bool)
    place = xp.minimum(xp.searchsorted(x.indices, rows), len(x.indices) - 1)
    return place, x.indices[place] == rows


# -- beside a dense array ---------------------------------------------------------------------------


def _places(xp: Any, x: Csr | RowSparse) -> Any:
    return (x.rows(xp), x.indices) if isinstance(x, Csr) else x.indices


def _added(write: Any) -> Any:
    def compute(xp: Any, a: Any, x: Any) -> Any:
        result = a.copy()
        write(result, _places(xp, x), x.data)
        return result

    return compute


def _stored_first(xp: Any, x: Any, a: Any) -> Any:
    return _added(_add_at)(xp, a, x)


def _stored_less(xp: Any, x: Any, a: Any) -> Any:
    return _added(_add_at)(xp, -a, x)


for _storage in ("csr", "row_sparse"):
    on_storage(_ADD, "default", _storage, gives="default", when=_alike)(_added(_add_at))
    on_storage(_ADD, _storage, "default", gives="default", when=_alike)(_stored_first)
    on_storage(_SUBTRACT, "default", _storage, gives="default", when=_alike)(_added(_subtract_at))
    on_storage(_SUBTRACT, _storage, "default", gives="default", when=_alike)(_stored_less)


@on_storage(_MULTIPLY, "csr", "default", gives="csr", when=_fits)
@on_storage(_MULTIPLY, "row_sparse", "default", gives="row_sparse", when=_alike)
def _(xp: Any, x: Any, a: Any) -> Any:
    return x.with_values(x.data * xp.broadcast_to(a, x.shape)[_places(xp, x)])


@on_storage(_MULTIPLY, "default", "csr", gives="default", when=_alike)
@on_storage(_MULTIPLY, "default", "row_sparse", gives="default", when=_alike)
def _(xp: Any, a: Any, x: Any) -> Any:
    """A dense array, as MXNet's ``a * x`` is; the elements that are not stored in ``x`` are 0."""
    return x.with_values(a[_places(xp, x)] * x.data).dense(xp)


@on_storage(_DIVIDE, "csr", "default", gives="csr", when=_fits)
def _(xp: Any, x: Csr, a: Any) -> Csr:
    return x.with_values(x.data / xp.broadcast_to(a, x.shape)[_places(xp, x)])  # type: ignore[no-any-return]
