"""Copies from the host to a GPU beside what that computes, on a stream of their own.

The memory that a copy goes to is allocated on the stream that computes, to whose pool it goes back: so the copy waits for what
that stream had to do when it was allocated, and that stream for the copy before it reads. Page-locked memory is kept until it
has been read.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import cache
from typing import Any

import numpy as np

from hybridnet.device.device import Device
from hybridnet.device.failures import raise_if_out_of_memory
from hybridnet.device.stream import current_stream
from hybridnet.device.transfer import page_locked

_lock = threading.Lock()
_reading: deque[tuple[Any, list[Any]]] = deque()  # the end of copies, and the host's memory that they read


@cache
def _stream(device: Device) -> Any:
    """The stream of a GPU's copies, which is never destroyed."""
    return device.xp.cuda.Stream(non_blocking=True)


class Copies:
    """Copies of NumPy arrays to a GPU, begun when this is made."""

    def __init__(self, hosts: list[Any], device: Device) -> None:
        computing, copying, xp = current_stream(device), _stream(device), device.xp
        hosts = [page_locked(np.ascontiguousarray(host)) for host in hosts]
        try:
            self._data = [xp.empty(host.shape, host.dtype) for host in hosts]
        except Exception as error:
            raise_if_out_of_memory("DataLoader", error, device.device_id)
            raise
        free = xp.cuda.Event(disable_timing=True)
        free.record(computing)
        copying.wait_event(free)
        for target, host in zip(self._data, hosts, strict=True):
            target.set(host, stream=copying)
        self._device = device
        self._end = xp.cuda.Event(disable_timing=True)
        self._end.record(copying)
        with _lock:
            while _reading and _reading[0][0].done:
                _reading.popleft()
            _reading.append((self._end, hosts))

    def arrived(self) -> list[Any]:
        """The arrays on the GPU, for the current stream, which waits for them; this process does not."""
        current_stream(self._device).wait_event(self._end)
        return self._data
