"""Handles to data of other storages than dense, under NumPy's rules: what operators and gradient rules are given of such an array.

A vocabulary has classes of its own for its users, over the same mixin; ``Array._stored_as`` says which.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from hybridnet.core.array import wrap
from hybridnet.core.ndarray import NDArray
from hybridnet.core.stored import Csr, RowSparse
from hybridnet.device import Device
from hybridnet.device.transfer import moved
from hybridnet.errors import ArgumentError, fail

_DENSELY = "x.tostype('default')[key]"


def is_whole(key: Any) -> bool:
    """Whether an index means all of an array."""
    return key is Ellipsis or (isinstance(key, slice) and key == slice(None))


class StoredArray(NDArray):
    """What a handle to stored data does in another way than one to a dense array."""

    __slots__ = ()
    _dense: ClassVar[type[NDArray]] = NDArray

    def _concrete(self, asked: str) -> Any:
        return self._data.dense(self._device.xp)

    def _part(self, data: Any) -> Any:
        """One of the arrays that it consists of, as an array of its own."""
        return wrap(self._dense, data, self._device)

    @property
    def data(self) -> Any:
        """A copy of the values that are stored."""
        return self._part(self._data.data.copy())

    @property
    def indices(self) -> Any:
        """A copy of their columns, or of the rows that are stored: int64."""
        return self._part(self._data.indices.astype(np.int64))

    def wait_to_read(self) -> None:
        """Return once the values are computed."""
        self.data.wait_to_read()

    def __getitem__(self, key: Any) -> Any:
        """The array itself, for ``[:]`` and ``[...]``."""
        if not is_whole(key):
            fail(ArgumentError, f"{type(self).__name__}[key]", expected="x[:]", got=repr(key), fix=_DENSELY)
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        if not is_whole(key):
            fail(ArgumentError, f"{type(self).__name__}[key] = value", expected="x[:] = value, all of it", got=f"key {key!r}")
        self._assign(value if isinstance(value, NDArray) else self._like(value))

    def _like(self, value: Any) -> Any:
        return self._part(self._device.xp.asarray(value, self._data.dtype))

    def _write(self, data: Any) -> None:
        storage = self._storage
        if storage is not None:
            storage.before_write()
        self._data = data
        if storage is not None:
            storage.after_write()

    def _copied_to(self, device: Device) -> Any:
        return self._data.moved(lambda part: moved(part, device))

    def __reduce__(self) -> tuple[Any, ...]:
        host = self._data.moved(lambda part: part if isinstance(part, np.ndarray) else part.get())
        return _rebuilt, (type(self), host, self._device)


class PlainCsr(StoredArray):
    """A handle to a matrix by compressed rows."""

    __slots__ = ()
    stype = "csr"


class PlainRowSparse(StoredArray):
    """A handle to an array of which few rows are stored."""

    __slots__ = ()
    stype = "row_sparse"


NDArray._stored_as = {Csr: PlainCsr, RowSparse: PlainRowSparse}
PlainCsr._kept, PlainRowSparse._kept = PlainCsr, PlainRowSparse


def _rebuilt(cls: type[StoredArray], host: Any, device: Device) -> Any:
    """What a pickled array becomes."""
    return wrap(cls, host.moved(lambda part: moved(part, device)), device)
