"""How arrays of ``csr`` and ``row_sparse`` storage are made: of their parts, of dense arrays, of SciPy's matrices, of nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import call, wrap
from hybridnet.core.stored import STORAGES, Csr, RowSparse, index_dtype, nothing
from hybridnet.device import Device, current_device
from hybridnet.device.transfer import placed
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ndarray.classic import NDArray
from hybridnet.ndarray.creation import array as dense_array
from hybridnet.ndarray.creation import zeros as dense_zeros
from hybridnet.ndarray.sparse.arrays import BaseSparseNDArray, CSRNDArray, RowSparseNDArray, check


def csr_matrix(arg1: Any, shape: Any = None, ctx: Any = None, dtype: Any = None) -> CSRNDArray:
    """A matrix of csr storage.

    ``arg1``: ``(data, indices, indptr)``; ``(data, (row, column))``, in any order, equal places being added; a shape
    ``(m, n)``, for zeros; a csr array, a matrix of ``scipy.sparse``, a dense array or nested lists. ``shape`` is found from the
    parts where it is not given. The dtype is float32 unless ``arg1`` has one. ArgumentError for indices out of range or twice in
    a row, ShapeError for parts that do not fit.
    """
    device = _device(arg1, ctx)
    if isinstance(arg1, tuple) and len(arg1) == 2 and not _are_numbers(arg1):
        data, (rows, columns) = arg1
        return _of_places(data, rows, columns, shape, device, dtype)
    if isinstance(arg1, tuple) and len(arg1) == 3:
        return _of_parts(*arg1, shape, device, dtype)
    if isinstance(arg1, tuple):
        return _checked_shape("csr_matrix", zeros("csr", arg1, device, dtype), shape)
    if _is_scipy(arg1):
        matrix = arg1.tocsr().copy()
        matrix.sum_duplicates()
        return _of_parts(matrix.data, matrix.indices, matrix.indptr, matrix.shape, device, dtype)
    return _of_dense("csr", arg1, shape, device, dtype)


def row_sparse_array(arg1: Any, shape: Any = None, ctx: Any = None, dtype: Any = None) -> RowSparseNDArray:
    """An array of row_sparse storage.

    ``arg1``: ``(data, indices)``, rows and their numbers, which must rise; a shape, for zeros; a row_sparse or dense array or nested lists.
    ``shape`` is found from the parts where it is not given. The dtype is float32 unless ``arg1`` has one. ArgumentError for rows out of
    range, unsorted or doubled.
    """
    device = _device(arg1, ctx)
    if isinstance(arg1, tuple) and _are_numbers(arg1):
        return _checked_shape("row_sparse_array", zeros("row_sparse", arg1, device, dtype), shape)
    if isinstance(arg1, tuple):
        if len(arg1) != 2:
            fail(ArgumentError, "row_sparse_array", expected="(data, indices), or a shape", got=f"a tuple of {len(arg1)}")
        values, rows = _values(arg1[0], dtype), _indices("row_sparse_array", arg1[1])
        if not values.ndim:
            fail(ShapeError, "row_sparse_array", expected="data with an axis of rows", got="no dimensions")
        whole = (int(rows.max(initial=-1)) + 1, *values.shape[1:]) if shape is None else _shape("row_sparse_array", shape)
        made = RowSparse(values, rows, whole)
        check("row_sparse_array", made)
        return _handle(made, device)
    return _of_dense("row_sparse", arg1, shape, device, dtype)


def array(source_array: Any, ctx: Any = None, dtype: Any = None) -> Any:
    """A copy of a csr or row_sparse array, or of a matrix of ``scipy.sparse``; ArgumentError for anything dense, as in MXNet."""
    if not isinstance(source_array, BaseSparseNDArray) and not _is_scipy(source_array):
        got = type(source_array).__name__
        fail(ArgumentError, "sparse.array", expected="a csr or row_sparse array, or a matrix of scipy.sparse", got=got, fix="nd.array")
    if _is_scipy(source_array):
        return csr_matrix(source_array, ctx=ctx, dtype=dtype if dtype is not None else source_array.dtype)
    return _of_dense(source_array.stype, source_array, None, _device(source_array, ctx), dtype)


def zeros(stype: str, shape: Any, ctx: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """Zeros of storage ``default``, ``csr`` or ``row_sparse``: nothing is stored in the last two. float32 without ``dtype``.

    ArgumentError for another storage, ShapeError for csr of other than two dimensions.
    """
    if stype == "default":
        return dense_zeros(shape, ctx, dtype)
    if stype not in STORAGES:
        fail(ArgumentError, "sparse.zeros", expected="stype default, csr or row_sparse", got=repr(stype))
    shape = _shape("sparse.zeros", shape)
    if stype == "csr" and len(shape) != 2:
        fail(ShapeError, "sparse.zeros", expected="two dimensions of a csr matrix", got=str(shape))
    device = current_device() if ctx is None else Device(ctx)
    return _handle(nothing(stype, shape, dtypes.as_dtype(dtype or "float32"), np), device)


def empty(stype: str, shape: Any, ctx: Any = None, dtype: Any = None) -> Any:
    """As :func:`zeros`: what holds nothing is zeros. ArgumentError for another storage than csr and row_sparse."""
    if stype not in STORAGES:
        fail(ArgumentError, "sparse.empty", expected="stype csr or row_sparse", got=repr(stype), fix="nd.empty")
    return zeros(stype, shape, ctx, dtype)


# -- the forms of the argument ----------------------------------------------------------------------


def _of_parts(data: Any, indices: Any, indptr: Any, shape: Any, device: Device, dtype: Any) -> Any:
    values, columns, starts = _values(data, dtype), _indices("csr_matrix", indices), _indices("csr_matrix", indptr)
    if not len(starts):
        fail(ShapeError, "csr_matrix", expected="an indptr of rows + 1 numbers", got="none")
    whole = (len(starts) - 1, int(columns.max(initial=-1)) + 1) if shape is None else _shape("csr_matrix", shape)
    if len(whole) != 2:
        fail(ShapeError, "csr_matrix", expected="a shape of two dimensions", got=str(whole))
    made = Csr(values, columns, starts, whole)
    check("csr_matrix", made, full=_rises(made))
    kind = index_dtype(whole, len(values))
    made = Csr(values, columns.astype(kind), starts.astype(kind), whole)
    if not _rises(made):  # an order that is not that of columns is kept, as in MXNet
        order = np.lexsort((columns, made.rows(np)))
        check("csr_matrix", Csr(values[order], columns[order], starts, whole))
    return _handle(made, device)


def _rises(x: Csr) -> bool:
    return bool((np.diff(x.indices) > 0).all()) if len(x.indices) < 2 else _in_order(x)


def _in_order(x: Csr) -> bool:
    """Whether the columns rise in each row, as far as ``indptr`` says which those are."""
    starts = x.indptr[(x.indptr > 0) & (x.indptr < len(x.indices))]
    follows = np.diff(x.indices) > 0
    follows[starts - 1] = True
    return bool(follows.all())


def _of_places(data: Any, rows: Any, columns: Any, shape: Any, device: Device, dtype: Any) -> Any:
    values, rows, columns = _values(data, dtype), _indices("csr_matrix", rows), _indices("csr_matrix", columns)
    if not values.shape == rows.shape == columns.shape or values.ndim != 1:
        fail(ShapeError, "csr_matrix", expected="as many rows and columns as values", got=f"{values.shape}, {rows.shape}, {columns.shape}")
    whole = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1) if shape is None else _shape("csr_matrix", shape)
    for what, places, n in (("row", rows, whole[0]), ("column", columns, whole[1])):
        if len(places) and not (places.min() >= 0 and places.max() < n):
            fail(ArgumentError, "csr_matrix", expected=f"{what} indices from 0 to {n - 1}", got=f"from {places.min()} to {places.max()}")
    places, group = np.unique(rows * whole[1] + columns, return_inverse=True)
    sums = np.zeros((len(places),), values.dtype)
    np.add.at(sums, group.reshape(-1), values)
    starts = np.searchsorted(places, np.arange(whole[0] + 1) * whole[1])
    return _of_parts(sums, places % max(whole[1], 1), starts, whole, device, None)


def _of_dense(stype: str, source: Any, shape: Any, device: Device, dtype: Any) -> Any:
    """Another array, of any storage, in this one; by way of a dense array where that is needed."""
    if isinstance(source, BaseSparseNDArray) and source.stype != stype:
        fail(ArgumentError, f"sparse {stype}", expected=f"a dense or {stype} array", got=source.stype, fix="x.tostype('default')")
    if not isinstance(source, core.NDArray):
        kept = dtype if dtype is not None or not isinstance(source, np.ndarray) else source.dtype
        source = dense_array(source, device, kept)
    result = call("cast_storage", source.detach().to_device(device), stype=stype)
    if dtype is not None and dtypes.as_dtype(dtype) != result._data.dtype:
        result = result.astype(dtype)
    return _checked_shape(f"sparse {stype}", result, shape)


# -- helpers ------------------------------------------------------------------------------------------


def _handle(data: Any, device: Device) -> Any:
    return wrap(NDArray._stored_as[type(data)], data.moved(lambda part: placed(part, device)), device)


def _device(source: Any, ctx: Any) -> Device:
    if ctx is not None:
        return Device(ctx)
    return source.device if isinstance(source, core.NDArray) else current_device()


def _is_scipy(x: Any) -> bool:
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


def _are_numbers(x: tuple[Any, ...]) -> bool:
    return all(isinstance(n, (int, np.integer)) for n in x)


def _host(x: Any) -> Any:
    return x.asnumpy() if isinstance(x, NDArray | core.NDArray) else np.asarray(x)


def _values(x: Any, dtype: Any) -> Any:
    """Values as a NumPy array of our own: of their dtype, if they have one, else of float32."""
    values = _host(x)
    has_dtype = isinstance(x, (np.ndarray, core.NDArray))
    kind = dtypes.as_dtype(dtype if dtype is not None else values.dtype if has_dtype else "float32")
    return np.array(values, kind)


def _indices(op: str, x: Any) -> Any:
    """Indices as int64, in one dimension. DtypeError for what are no whole numbers."""
    values = _host(x).reshape(-1)
    if values.dtype.kind not in "iu" and not (values.dtype.kind == "f" and bool((values == np.floor(values)).all())):
        fail(DtypeError, op, expected="indices of whole numbers", got=str(values.dtype))
    return values.astype(np.int64)


def _shape(op: str, shape: Any) -> tuple[int, ...]:
    found = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if any(n < 0 for n in found) or math.prod(found) > np.iinfo(np.int64).max:
        fail(ShapeError, op, expected="lengths of 0 or more, and fewer than 2**63 elements", got=str(found))
    return found


def _checked_shape(op: str, x: Any, shape: Any) -> Any:
    if shape is not None and _shape(op, shape) != x.shape:
        fail(ShapeError, op, expected=f"shape {_shape(op, shape)}", got=str(x.shape))
    return x
