"""Data of the storages beside dense arrays: a matrix by compressed rows, and an array of which few rows are there.

They are what ``Array._data`` holds in place of a NumPy or CuPy array, and are made of such. An array that is assigned to gets other
data; only the update of a parameter's rows (``RowSparseNDArray.set_rows``) writes values in place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

import numpy as np

from hybridnet.device.scipy_modules import scipy_module
from hybridnet.dtypes import Dtype


class _Stored:
    """What both have in common."""

    __slots__ = ()
    storage: ClassVar[str]
    data: Any
    shape: tuple[int, ...]

    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""
        dtype: Dtype = self.data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements, those that are not stored included."""
        return math.prod(self.shape)

    def copy(self) -> Any:
        """The same with values of its own."""
        return self.with_values(self.data.copy())

    def with_values(self, values: Any) -> Any:
        """Other values in the same places."""
        return replace(self, data=values)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True, eq=False)
class Csr(_Stored):
    """A matrix by compressed rows: row i has ``data[indptr[i]:indptr[i + 1]]`` in the columns that ``indices`` names there.

    ``indices`` and ``indptr`` are of one integer type: int32 where that holds them, since products are faster then. ``known`` keeps what
    was found out about the places (and the matrix of the last values), for all that have the same: neither changes.
    """

    storage: ClassVar[str] = "csr"
    data: Any
    indices: Any
    indptr: Any
    shape: tuple[int, ...]
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    def wide(self, xp: ModuleType) -> Dtype:
        """The type in which matrices are computed with: float32 for halves, which SciPy and CuPy do not know here.

        And float64 for integers on a GPU, whose library has none: it holds sums below 2**53.
        """
        dtype = self.dtype
        if dtype.kind in "iu":
            return dtype if xp is np else np.dtype(np.float64)
        return np.dtype(np.float32) if dtype.itemsize == 2 else dtype

    def matrix(self, xp: ModuleType) -> Any:
        """SciPy's (or CuPy's) matrix over the same memory, in the type :meth:`wide`."""
        values, matrix = self.known.get("matrix", (None, None))
        if values is not self.data:
            data = self.data.astype(self.wide(xp), copy=False)
            matrix = scipy_module(xp, "sparse").csr_matrix((data, self.indices, self.indptr), shape=self.shape)
            self.known["matrix"] = self.data, matrix
        return matrix

    def turned(self, xp: ModuleType) -> tuple[Any, Any]:
        """The columns in which something is stored, and a matrix that has these as its rows: all of the transpose that is not 0."""
        values, columns, matrix = self.known.get("turned", (None, None, None))
        if values is not self.data:
            if "columns" not in self.known:
                self.known["columns"] = self._columns(xp)
            columns, places = self.known["columns"]
            narrow = self if places is None else Csr(self.data, places, self.indptr, (self.shape[0], len(columns)))
            matrix = narrow.matrix(xp).T
            self.known["turned"] = self.data, columns, matrix
        return columns, matrix

    def _columns(self, xp: ModuleType) -> tuple[Any, Any]:
        """Those columns, and for each value which of them it is in; ``None`` where they are all."""
        width = self.shape[1]
        if width > 16 * len(self.indices):  # sorting the columns costs less than looking at each
            columns, places = xp.unique(self.indices, return_inverse=True)
            return columns.astype(np.int64), places.astype(self.indices.dtype, copy=False)
        used = xp.bincount(self.indices, minlength=width) > 0
        (columns,) = xp.nonzero(used)
        if len(columns) == width:
            return columns, None
        return columns, (xp.cumsum(used, dtype=self.indices.dtype) - 1)[self.indices]

    def rows(self, xp: ModuleType) -> Any:
        """The row of each value."""
        return owners(xp, self.indptr, len(self.indices)).astype(self.indices.dtype, copy=False)

    def dense(self, xp: ModuleType) -> Any:
        """The dense array of the same elements."""
        result = xp.zeros(self.shape, self.data.dtype)
        result[self.rows(xp), self.indices] = self.data
        return result

    def moved(self, move: Any) -> Csr:
        """The same on another device: each part through ``move``."""
        return Csr(move(self.data), move(self.indices), move(self.indptr), self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class RowSparse(_Stored):
    """An array whose row ``indices[i]`` is ``data[i]``, and whose other rows are 0. ``indices`` rise and are int64."""

    storage: ClassVar[str] = "row_sparse"
    data: Any
    indices: Any
    shape: tuple[int, ...]

    def dense(self, xp: ModuleType) -> Any:
        """The dense array of the same elements."""
        result = xp.zeros(self.shape, self.data.dtype)
        result[self.indices] = self.data
        return result

    def moved(self, move: Any) -> RowSparse:
        """The same on another device: each part through ``move``."""
        return RowSparse(move(self.data), move(self.indices), self.shape)


Stored: TypeAlias = Csr | RowSparse

#: Both, for ``isinstance``.
KINDS = (Csr, RowSparse)

#: Each kind of data by its storage's name.
STORAGES: dict[str, type[Any]] = {kind.storage: kind for kind in KINDS}


def owners(xp: ModuleType, starts: Any, count: int) -> Any:
    """For each of ``count`` places, which of the runs that begin at ``starts`` it lies in (CuPy repeats by no array)."""
    return xp.searchsorted(starts, xp.arange(count, dtype=starts.dtype), side="right") - 1


def index_dtype(shape: tuple[int, ...], count: int) -> Dtype:
    """The integer type that holds columns of a matrix of that shape and places among so many values."""
    return np.dtype(np.int32 if max(*shape, count) <= np.iinfo(np.int32).max else np.int64)


def nothing(storage: str, shape: tuple[int, ...], dtype: Dtype, xp: ModuleType) -> Stored:
    """Zeros of that storage: nothing is stored."""
    if storage == "csr":
        kind = index_dtype(shape, 0)
        return Csr(xp.zeros((0,), dtype), xp.zeros((0,), kind), xp.zeros((shape[0] + 1,), kind), shape)
    return RowSparse(xp.zeros((0, *shape[1:]), dtype), xp.zeros((0,), np.int64), shape)


def csr_of(x: Any, xp: ModuleType) -> Csr:
    """What is not 0 of a dense matrix."""
    rows, columns = xp.nonzero(x)
    kind = index_dtype(x.shape, len(rows))
    starts = xp.concatenate([xp.zeros((1,), kind), xp.cumsum(xp.bincount(rows, minlength=x.shape[0])).astype(kind)])
    return Csr(x[rows, columns], columns.astype(kind), starts, x.shape)


def row_sparse_of(x: Any, xp: ModuleType) -> RowSparse:
    """The rows of a dense array that are not all 0."""
    (rows,) = xp.nonzero((x != 0).reshape(x.shape[0], -1).any(axis=1))
    return RowSparse(x[rows], rows.astype(np.int64), x.shape)
