"""Arenas: the memory in which programs keep what they do not return, lent from run to run.

An arena belongs to no program. Each run takes one that is free, so that the update of the
parameters runs in the memory that the backward has just given back. A program binds its arrays to
an arena once and finds them there again; an arena lives as long as a program is bound to it.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from hybridnet.graph.memory import ALIGNMENT

#: How many times larger than asked for a lent arena may be, and the size up to which that does not matter.
GENEROUS = 8
SMALL = 1 << 20


class Arena:
    """A block of memory; ``taken`` is held while a run needs it."""

    __slots__ = ("__weakref__", "_data", "_start", "size", "taken")

    def __init__(self, size: int) -> None:
        self._data = np.empty(size + ALIGNMENT, np.uint8)
        self._start = -self._data.ctypes.data % ALIGNMENT
        self.size = size
        self.taken = threading.Lock()

    def view(self, offset: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
        """An array in this memory."""
        return np.ndarray(shape, dtype, self._data, self._start + offset)


_lock = threading.Lock()
_arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


def take(size: int) -> Arena:
    """A free arena of at least ``size`` bytes, the smallest there is, or a new one; held for the caller."""
    with _lock:
        for arena in sorted(_arenas, key=lambda a: a.size):
            if size <= arena.size <= max(GENEROUS * size, SMALL) and arena.taken.acquire(blocking=False):
                return arena
        arena = Arena(size)
        arena.taken.acquire()
        _arenas.add(arena)
        return arena
