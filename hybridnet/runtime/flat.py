"""State that lies in one flat buffer, so that an update of all parameters is a few calls.

Arrays are moved by giving their handles views of the buffer. That is done only to arrays that
nothing else refers to; arrays that already lie one after another are taken as they are, so that
several programs over the same parameters agree.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.device.heap import give_back

_MUCH = (
    8 << 20
)  # bytes that were moved, from which the memory that they had is given back: it would make the process as much larger for good
_OWN_REFERENCES = 3  # the handle's (or view's), the local variable's, getrefcount's argument


def is_movable(array: Any) -> bool:
    """Whether the handle alone refers to its buffer."""
    data = array._data
    if not isinstance(data, np.ndarray) or not data.flags.c_contiguous or sys.getrefcount(data) > _OWN_REFERENCES:
        return False
    base = data.base
    return base is None or (
        isinstance(base, np.ndarray) and base.base is None and base.size == data.size and sys.getrefcount(base) <= _OWN_REFERENCES
    )


def as_flat(arrays: Sequence[Any]) -> Any:
    """The one-dimensional array that ``arrays`` lie in one after another; None if they do not."""
    first = arrays[0]._data
    base = first.base
    if not isinstance(base, np.ndarray) or base.ndim != 1 or base.dtype != first.dtype:
        return None
    address = first.ctypes.data
    start = (address - base.ctypes.data) // base.itemsize
    size = 0
    for a in arrays:
        data = a._data
        if data.base is not base or not data.flags.c_contiguous or data.ctypes.data != address + size * base.itemsize:
            return None
        size += data.size
    return base[start : start + size]


def can_flatten(arrays: Sequence[Any]) -> bool:
    """Whether the arrays lie in one buffer or can be moved into one."""
    if len({a.dtype for a in arrays}) != 1 or len({id(a) for a in arrays}) != len(arrays) or not all(a.size for a in arrays):
        return False
    return as_flat(arrays) is not None or all(is_movable(a) for a in arrays)


class FlatState:
    """Arrays that a program needs in one buffer."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)
        self.views: list[Any] = []
        self.buffer: Any = None
        self._gather()

    def current(self) -> Any:
        """The buffer; arrays whose handle was given other data meanwhile are brought back into it."""
        for array, view in zip(self.arrays, self.views, strict=True):
            if array._data is not view:
                self._gather()
                break
        return self.buffer

    def _gather(self) -> None:
        buffer = as_flat(self.arrays)
        if buffer is None:
            buffer = np.empty(sum(a.size for a in self.arrays), self.arrays[0].dtype)
            start = 0
            for a in self.arrays:
                view = buffer[start : start + a.size].reshape(a.shape)
                view[...] = a._data
                a._data = view
                start += a.size
            if buffer.nbytes >= _MUCH:
                give_back()
        self.buffer = buffer
        self.views = [a._data for a in self.arrays]
