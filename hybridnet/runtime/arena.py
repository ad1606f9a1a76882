"""Arenas: the memory in which programs keep what they do not return, lent from run to run.

An arena belongs to no program. Each run takes one of its device that is free, so that the update of the
parameters runs in the memory that the backward has just given back. A program binds its arrays to
an arena once and finds them there again; an arena lives as long as a program is bound to it. On a GPU it is
free once the work is on the stream, which does what is put on it next after that; work on another stream, and the return
of its memory to CuPy's pool, wait for it (its ``trail``).
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from hybridnet.codegen.memory import ALIGNMENT
from hybridnet.device import Device, Trail, cpu, device_bytes

#: How many times larger than asked for a lent arena may be, and the size up to which that does not matter.
GENEROUS = 8
SMALL = 1 << 20


class Arena:
    """A block of memory on a device; ``taken`` is held while a run needs it."""

    __slots__ = ("__weakref__", "_data", "_start", "device", "size", "taken", "trail")

    def __init__(self, size: int, device: Device) -> None:
        self.device = device
        self.size = size
        self.taken = threading.Lock()
        self.trail = Trail(device)  # of the streams of a GPU
        if device.is_gpu:
            self._data: Any = device_bytes(device, size)
            self.trail.hold(self, self._data)
            self._start = 0
        else:
            self._data = np.empty(size + ALIGNMENT, np.uint8)
            self._start = -self._data.ctypes.data % ALIGNMENT

    def view(self, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array in this memory."""
        if self.device.is_gpu:
            return self.device.xp.ndarray(shape, dtype, self._data + offset)
        return np.ndarray(shape, dtype, self._data, self._start + offset)

    @property
    def address(self) -> int:
        """Of the first byte, on a GPU."""
        return int(self._data.ptr)


_lock = threading.Lock()
_arenas: weakref.WeakSet[Arena] = weakref.WeakSet()


def take(size: int, device: Device | None = None) -> Arena:
    """A free arena of at least ``size`` bytes, the smallest there is, or a new one; held for the caller."""
    device = cpu() if device is None else device
    with _lock:
        for arena in sorted(_arenas, key=lambda a: a.size):
            fits = arena.device is device and size <= arena.size <= max(GENEROUS * size, SMALL)
            if fits and arena.taken.acquire(blocking=False):
                return arena
        arena = Arena(size, device)
        arena.taken.acquire()
        _arenas.add(arena)
        return arena
