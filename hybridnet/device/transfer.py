"""Data from device to device, and page-locked host memory.

A copy from the host to a GPU goes on the current stream and waits for nothing: from page-locked memory directly,
from other memory through a page-locked buffer of CuPy's. So what lies in page-locked memory must not change before it is
read: :func:`before_write` waits for that. CuPy keeps it as long.
"""

from __future__ import annotations

import importlib
import threading
from collections import deque
from typing import Any

import numpy as np

from hybridnet.device import cuda
from hybridnet.device.device import Device
from hybridnet.device.failures import raise_if_out_of_memory

_lock = threading.Lock()
_reading: deque[Any] = deque()  # the events behind copies from page-locked memory


def placed(value: Any, device: Device, dtype: Any = None) -> Any:
    """Data of ``device`` with the values of an array of any device or a number; an array that lies there already is given as it is."""
    if device.is_gpu:
        return _on_gpu(value, device, dtype)
    if not isinstance(value, np.ndarray) and hasattr(value, "get"):
        value = value.get()
    data = np.asarray(value, dtype)
    return page_locked(data) if device.device_type == "cpu_pinned" else data


def moved(data: Any, device: Device) -> Any:
    """A copy of an array on ``device``."""
    made = placed(data, device)
    return made.copy() if made is data else made


def _on_gpu(value: Any, device: Device, dtype: Any) -> Any:
    xp = device.xp
    try:
        data = xp.asarray(value, dtype=dtype)
    except Exception as error:
        raise_if_out_of_memory("array", error, device.device_id)
        raise
    if isinstance(value, np.ndarray) and _is_page_locked(value):
        event = xp.cuda.Event(disable_timing=True)
        event.record()
        with _lock:
            while _reading and _reading[0].done:
                _reading.popleft()
            _reading.append(event)
    return data


def page_locked(data: Any) -> Any:
    """The values of a NumPy array in page-locked memory, if there is a GPU."""
    if not data.size or not cuda.device_count() or _is_page_locked(data):
        return data
    made = empty_page_locked(data.nbytes).view(data.dtype).reshape(data.shape)
    made[...] = data
    return made


def empty_page_locked(size: int) -> Any:
    """So many bytes of page-locked memory, if there is a GPU, as a NumPy array; else of other memory."""
    if not size or not cuda.device_count():
        return np.empty(size, np.uint8)
    return importlib.import_module("cupyx").empty_pinned(size, np.uint8)


def _is_page_locked(data: Any) -> bool:
    """Whether :func:`page_locked` made an array, or what it is a view of: then CuPy's pointer is at the bottom of it."""
    while isinstance(data, np.ndarray):
        data = data.base
    return isinstance(data, cuda.cupy().cuda.PinnedMemoryPointer)


def before_write(device: Device) -> None:
    """To be called before an array on a GPU, or on ``cpu_pinned``, is written.

    Makes that GPU the current one, or waits for the copies that still read page-locked memory.
    """
    if device.is_gpu:
        cuda.make_current(device.device_id)
    elif _reading:
        with _lock:  # which another thread that is about to write waits for as well
            for event in _reading:
                event.synchronize()
            _reading.clear()
