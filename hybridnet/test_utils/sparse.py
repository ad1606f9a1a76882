"""Random arrays of csr and row_sparse storage, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from scipy import sparse as scipy_sparse

from hybridnet.core import NDArray
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray import sparse

Values = numpy.ndarray[Any, Any]


def rand_sparse_ndarray(
    shape: Sequence[int],
    stype: str,
    density: float | None = None,
    dtype: Any = None,
    distribution: str | None = None,
    data_init: float | None = None,
    rsp_indices: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    shuffle_csr_indices: bool = False,
    ctx: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """A random array of storage ``csr`` or ``row_sparse``, with its values and indices, or for csr its indptr, indices and data.

    ``shape``: two dimensions for csr. ``density``: the share of elements, or the chance of a row, from 0 to 1, drawn if not
    given. ``rsp_indices``: the rows themselves. Values are uniform in [0, 1), or all ``data_init``; ``modifier_func`` is done to each.
    ``distribution``: ``uniform``, or for csr ``powerlaw``: each row has twice as many elements as the one before, as far as
    they go. ``shuffle_csr_indices``: the columns of a row in any order. ArgumentError for another storage, density or distribution;
    ShapeError for a csr that is no matrix.
    """
    density = numpy.random.rand() if density is None else density
    if not 0 <= density <= 1:
        fail(ArgumentError, "rand_sparse_ndarray", expected="a density from 0 to 1", got=str(density))
    device = None if ctx is None else Device(ctx)
    dtype = numpy.dtype(numpy.float32 if dtype is None else dtype)
    if stype == "row_sparse":
        if distribution not in (None, "uniform"):
            fail(ArgumentError, "rand_sparse_ndarray", expected="distribution uniform for row_sparse", got=repr(distribution))
        return _rows(tuple(shape), density, dtype, data_init, rsp_indices, modifier_func, device)
    if stype != "csr":
        fail(ArgumentError, "rand_sparse_ndarray", expected="stype csr or row_sparse", got=repr(stype))
    if len(shape) != 2:
        fail(ShapeError, "rand_sparse_ndarray", expected="two dimensions for csr", got=str(tuple(shape)))
    if distribution not in (None, "uniform", "powerlaw"):
        fail(ArgumentError, "rand_sparse_ndarray", expected="distribution uniform or powerlaw", got=repr(distribution))
    matrix = _powerlaw(shape[0], shape[1], density) if distribution == "powerlaw" else scipy_sparse.random(*shape, density, "csr")
    matrix.data = _modified(matrix.data if data_init is None else numpy.full(matrix.nnz, data_init), modifier_func).astype(dtype)
    if shuffle_csr_indices:
        shuffle_csr_column_indices(matrix)
    result = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=tuple(shape), dtype=dtype, ctx=device)
    return result, (result.indptr, result.indices, result.data)


def _rows(
    shape: tuple[int, ...], density: float, dtype: Any, data_init: float | None, indices: Any, modify: Any, device: Device | None
) -> tuple[Any, tuple[Values, Values]]:
    if indices is None:
        indices = numpy.flatnonzero(numpy.random.rand(shape[0]) < density)
    indices = numpy.asarray(indices, numpy.int64)
    values = numpy.random.rand(len(indices), *shape[1:]) if data_init is None else numpy.full((len(indices), *shape[1:]), data_init)
    values = _modified(values, modify).astype(dtype)
    return sparse.row_sparse_array((values, indices), shape=shape, dtype=dtype, ctx=device), (values, indices)


def _modified(values: Values, modify: Callable[[Any], Any] | None) -> Values:
    return values if modify is None else numpy.asarray(numpy.vectorize(modify, otypes=[float])(values) if values.size else values)


def _powerlaw(rows: int, columns: int, density: float) -> Any:
    """One element in each row, and more in rows of 2, 4, 8 …, from the first on, until there are as many as the density asks for."""
    left = int(rows * columns * density) - rows
    counts = numpy.ones(rows, numpy.int64)
    for i in range(rows):
        more = max(0, min(left, columns - 1, 2 ** min(i + 1, 60) - 1))
        counts[i] += more
        left -= more
    if left:
        got = f"{density} for {(rows, columns)}"
        fail(ArgumentError, "rand_sparse_ndarray", expected="a density for which rows of 2, 4, 8 … elements have room", got=got)
    indices = numpy.concatenate([numpy.arange(n) for n in counts])
    values = 1 + numpy.random.uniform(0.001, 2, len(indices))
    return scipy_sparse.csr_matrix((values, indices, numpy.concatenate([[0], numpy.cumsum(counts)])), shape=(rows, columns))


def shuffle_csr_column_indices(csr: Any) -> None:
    """Turn the columns of each row of a SciPy matrix (rows, columns) round at random, in place; their values stay where they are."""
    for begin, end in zip(csr.indptr[:-1], csr.indptr[1:], strict=True):
        numpy.random.shuffle(csr.indices[begin:end])


def create_sparse_array(
    shape: Sequence[int],
    stype: str,
    data_init: float | None = None,
    rsp_indices: Any = None,
    dtype: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    density: float = 0.5,
    shuffle_csr_indices: bool = False,
) -> NDArray:
    """The array alone of :func:`rand_sparse_ndarray`, with ``rsp_indices`` in order; ArgumentError for more of them than rows."""
    if stype == "row_sparse" and rsp_indices is not None:
        rsp_indices = numpy.sort(numpy.asarray(rsp_indices, numpy.int64))
        if len(rsp_indices) > shape[0]:
            fail(ArgumentError, "create_sparse_array", expected=f"at most {shape[0]} rsp_indices", got=str(len(rsp_indices)))
    found: NDArray = rand_sparse_ndarray(
        shape, stype, density, dtype, None, data_init, rsp_indices, modifier_func, shuffle_csr_indices if stype == "csr" else False
    )[0]
    return found


def create_sparse_array_zd(
    shape: Sequence[int],
    stype: str,
    density: float,
    data_init: float | None = None,
    rsp_indices: Any = None,
    dtype: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    shuffle_csr_indices: bool = False,
) -> NDArray:
    """:func:`create_sparse_array`, of ``row_sparse`` storage with the rows ``rsp_indices`` whatever the density, and none without."""
    if stype == "row_sparse":
        rsp_indices = [] if rsp_indices is None else rsp_indices
    return create_sparse_array(shape, stype, data_init, rsp_indices, dtype, modifier_func, density, shuffle_csr_indices)
