"""``CSRNDArray`` and ``RowSparseNDArray``: arrays of ``nd`` of which only what is not 0 is stored.

Operators find their way by the storage rules (:mod:`hybridnet.core.storage`); what is here is MXNet's interface to such arrays. An
array that is assigned to gets other data; the rows of a parameter alone are written in place.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from hybridnet import core
from hybridnet.core import call, wrap
from hybridnet.core.stored import Csr, RowSparse
from hybridnet.core.stored_arrays import PlainCsr, PlainRowSparse, StoredArray, is_whole
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.classic import NDArray

_DENSELY = "x.tostype('default')[key]"


class BaseSparseNDArray(StoredArray, NDArray):
    """What arrays of ``csr`` and ``row_sparse`` storage have in common."""

    __slots__ = ()
    _dense = NDArray
    _aux_types: ClassVar[list[Any]] = []

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.shape))
        return f"\n<{type(self).__name__} {shape} @{self._device}>"

    __str__ = __repr__
    __hash__ = object.__hash__

    @property
    def _num_aux(self) -> int:
        return len(self._aux_types)

    def asnumpy(self) -> np.ndarray[Any, Any]:
        """All elements as a dense NumPy array."""
        data = self._data.dense(self._device.xp)
        return data if isinstance(data, np.ndarray) else data.get()

    def todense(self) -> Any:
        """A dense array of the same elements."""
        return self.tostype("default")

    def check_format(self, full_check: bool = True) -> None:
        """ArgumentError unless the parts fit together; with ``full_check``, unless indices rise and are within the shape."""
        check(type(self).__name__, self._data, full_check)

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Refused, as in MXNet: the storage depends on the shape."""
        fail(
            ArgumentError,
            f"{type(self).__name__}.reshape",
            expected="a dense array",
            got=self.stype,
            fix="x.tostype('default').reshape(...)",
        )

    def _in_place(self, name: str, other: Any) -> Any:
        result = getattr(NDArray, name)(self, other)
        if result is not NotImplemented:
            self._assign(result)
            return self
        return result

    def __iadd__(self, other: Any) -> Any:
        return self._in_place("__add__", other)

    def __isub__(self, other: Any) -> Any:
        return self._in_place("__sub__", other)

    def __imul__(self, other: Any) -> Any:
        return self._in_place("__mul__", other)

    def __itruediv__(self, other: Any) -> Any:
        return self._in_place("__truediv__", other)


class CSRNDArray(BaseSparseNDArray):
    """A matrix by compressed rows: row i has the values ``data[indptr[i]:indptr[i + 1]]`` in the columns ``indices`` of those places."""

    __slots__ = ()
    stype = "csr"
    _aux_types: ClassVar[list[Any]] = [np.int64, np.int64]

    @property
    def indptr(self) -> Any:
        """A copy of where each row begins among the values, and the last ends: int64, of shape (rows + 1,)."""
        return self._part(self._data.indptr.astype(np.int64))

    def asscipy(self) -> Any:
        """A copy as ``scipy.sparse.csr_matrix``."""
        host = self._data.moved(lambda part: part.copy() if isinstance(part, np.ndarray) else part.get())
        return host.matrix(np)

    def __getitem__(self, key: Any) -> Any:
        """A row, as a matrix of one, or neighbouring rows."""
        if is_whole(key):
            return self
        if isinstance(key, (int, np.integer)):
            n = self.shape[0]
            if not -n <= key < n:
                raise IndexError(f"csr: expected a row from {-n} to {n - 1}, got {key}")
            key = slice(key % n, key % n + 1)
        if not isinstance(key, slice) or key.step not in (None, 1):
            fail(
                ArgumentError,
                "CSRNDArray[key]",
                expected="a row, or a slice of rows in steps of 1",
                got=repr(key),
                fix="x.tostype('default')[key]",
            )
        return call("slice", self, key=(("slice", key.start, key.stop, None),))

    def tostype(self, stype: str) -> Any:
        """The same elements in storage ``default``; ArgumentError for ``row_sparse``, as in MXNet."""
        if stype == "row_sparse":
            fail(
                ArgumentError,
                "CSRNDArray.tostype",
                expected="default or csr",
                got=repr(stype),
                fix="x.tostype('default').tostype('row_sparse')",
            )
        return super().tostype(stype)


class RowSparseNDArray(BaseSparseNDArray):
    """An array of which only some rows are stored: row ``indices[i]`` is ``data[i]``, the others are 0."""

    __slots__ = ()
    stype = "row_sparse"
    _aux_types: ClassVar[list[Any]] = [np.int64]

    def retain(self, indices: Any) -> Any:
        """The array with those of its rows that are named, the others being 0."""
        return call("sparse_retain", self, indices if isinstance(indices, core.NDArray) else self._part(self._device.xp.asarray(indices)))

    @classmethod
    def of_all_rows(cls, x: Any) -> RowSparseNDArray:
        """A copy of a dense array, in which every row is stored, zeros too: what a parameter is, so that its rows can be written."""
        rows = x._device.xp.arange(x.shape[0], dtype=np.int64)
        return wrap(cls, RowSparse(x._data.copy(), rows, x.shape), x._device)

    def set_rows(self, rows: Any, values: Any) -> None:
        """Make ``values`` (dense, one for each of ``rows``, which are stored) those of these rows, in place."""
        storage = self._storage
        if storage is not None:
            storage.before_write()
        self._data.data[self._device.xp.searchsorted(self._data.indices, rows._data)] = values._data
        if storage is not None:
            storage.after_write()

    def tostype(self, stype: str) -> Any:
        """The same elements in storage ``default``; ArgumentError for ``csr``, as in MXNet."""
        if stype == "csr":
            fail(
                ArgumentError,
                "RowSparseNDArray.tostype",
                expected="default or row_sparse",
                got=repr(stype),
                fix="x.tostype('default').tostype('csr')",
            )
        return super().tostype(stype)


NDArray._stored_as = {Csr: CSRNDArray, RowSparse: RowSparseNDArray}
CSRNDArray._kept, RowSparseNDArray._kept = PlainCsr, PlainRowSparse


def check(op: str, x: Any, full: bool = True) -> None:
    """ArgumentError unless the parts of stored data fit together; ``full``: unless indices rise and are within the shape."""
    if isinstance(x, RowSparse):
        if x.data.shape != (len(x.indices), *x.shape[1:]):
            fail(ShapeError, op, expected=f"data of shape {(len(x.indices), *x.shape[1:])}", got=str(x.data.shape))
        if full:
            _check_indices(op, "row", x.indices, x.shape[0], x.indices[1:] > x.indices[:-1])
        return
    rows, count = x.shape[0], len(x.indices)
    if x.indptr.shape != (rows + 1,) or x.data.shape != (count,):
        got = f"{x.indptr.shape}, {x.indices.shape} and {x.data.shape}"
        fail(ShapeError, op, expected=f"indptr of shape {(rows + 1,)}, as many indices as values", got=got)
    if int(x.indptr[0]) != 0 or int(x.indptr[-1]) != count or (full and bool((x.indptr[1:] < x.indptr[:-1]).any())):
        fail(ArgumentError, op, expected=f"indptr that rises from 0 to {count}", got=f"from {int(x.indptr[0])} to {int(x.indptr[-1])}")
    if full and count:
        follows = x.indices[1:] > x.indices[:-1]
        starts = x.indptr[1:-1]
        follows[starts[(starts > 0) & (starts < count)] - 1] = True  # where a row begins, columns begin anew
        _check_indices(op, "column", x.indices, x.shape[1], follows)


def _check_indices(op: str, what: str, indices: Any, n: int, follows: Any) -> None:
    if not len(indices):
        return
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= n:
        fail(ArgumentError, op, expected=f"{what} indices from 0 to {n - 1}", got=f"from {low} to {high}")
    if not bool(follows.all()):
        at = int((~follows).argmax())
        fail(
            ArgumentError,
            op,
            expected=f"{what} indices that rise, none twice",
            got=f"{int(indices[at + 1])} behind {int(indices[at])}",
            fix="sorting them, as scipy.sparse's sum_duplicates() does",
        )
