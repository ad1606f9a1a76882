"""Arenas: the memory in which programs keep what they do not return, lent from run to run.

An arena belongs to no program. Each run takes one of its device that is free, so that the update of the
parameters runs in the memory that the backward has just given back. A program binds its arrays to
an arena once and finds them there again; an arena lives as long as a program is bound to it. On a GPU it is
free once the work is on the stream, which does what is put on it next after that; work on another stream waits for it.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from hybridnet.device import Device, cpu, device_bytes
from hybridnet.graph.memory import ALIGNMENT

#: How many times larger than asked for a lent arena may be, and the size up to which that does not matter.
GENEROUS = 8
SMALL = 1 << 20


class Arena:
    """A block of memory on a device; ``taken`` is held while a run needs it."""

    __slots__ = ("__weakref__", "_data", "_start", "_stream", "device", "size", "taken")

    def __init__(self, size: int, device: Device) -> None:
        self.device = device
        self.size = size
        self.taken = threading.Lock()
        self._stream: Any = None  # on which it was worked in last
        if device.is_gpu:
            self._data: Any = device_bytes(device, size)
            self._start = 0
        else:
            self._data = np.empty(size + ALIGNMENT, np.uint8)
            self._start = -self._data.ctypes.data % ALIGNMENT

    def view(self, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array in this memory."""
        if self.device.is_gpu:
            return self.device.xp.ndarray(shape, dtype, self._data + offset)
        return np.ndarray(shape, dtype, self._data, self._start + offset)

    def follow(self, stream: Any) -> None:
        """Put work in this memory on a GPU's stream from here on: behind what another stream still does there."""
        if stream is not self._stream:
            if self._stream is not None:
                stream.wait_event(self._stream.record())
            self._stream = stream

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
