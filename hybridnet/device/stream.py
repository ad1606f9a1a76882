"""Streams, CUDA graphs and raw memory: the little of CuPy that running programs needs."""

from __future__ import annotations

from typing import Any

from hybridnet.device import cuda
from hybridnet.device.device import Device
from hybridnet.device.failures import fail_memory


def current_stream() -> Any:
    """The stream on which work is put now: CuPy's current one."""
    return cuda.cupy().cuda.get_current_stream()


def device_bytes(device: Device, size: int) -> Any:
    """``size`` bytes of a GPU's memory, as CuPy's ``MemoryPointer``; an OutOfMemoryError says what there is."""
    cupy = device.xp
    try:
        return cupy.cuda.alloc(max(size, 1))
    except cupy.cuda.memory.OutOfMemoryError:  # CuPy has by then given back what it keeps for arrays to come
        fail_memory("gpu", size, device.device_id)


def copy_bytes(target: int, source: int, size: int, stream: int) -> None:
    """Copy between two places of a GPU's memory, in the order of a stream."""
    runtime = cuda.cupy().cuda.runtime
    runtime.memcpyAsync(target, source, size, runtime.memcpyDeviceToDevice, stream)


class Capture:
    """``with Capture(device) as capture:`` keeps the work of its body as a CUDA graph, ``capture.graph``, in place of doing it.

    The body finds its stream as the current one.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.graph: Any = None

    def __enter__(self) -> Capture:
        cupy = self.device.xp
        self._current = cupy.cuda.Device(self.device.device_id)
        self._current.__enter__()
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.stream.__enter__()
        self.stream.begin_capture()
        return self

    def __exit__(self, kind: Any, *exc: Any) -> None:
        try:
            self.graph = self.stream.end_capture()
        except Exception:
            if kind is None:  # else the error of the body says more than that of the capture that it broke
                raise
        finally:
            self.stream.__exit__(None, None, None)
            self._current.__exit__(None, None, None)
