"""Streams, CUDA graphs and raw memory: the little of CuPy that running programs needs."""

from __future__ import annotations

import gc
from functools import cache
from typing import Any

from hybridnet.device import cuda
from hybridnet.device.device import Device
from hybridnet.device.failures import fail_memory

_DEVICE_TO_DEVICE = 3  # cudaMemcpyDeviceToDevice


def current_stream(device: Device) -> Any:
    """The stream on which a GPU's work is put now: CuPy's current one. That GPU becomes the current one."""
    cuda.make_current(device.device_id)
    return cuda.cupy().cuda.get_current_stream()


def wait_for_all() -> None:
    """Return once every GPU has done what was put on its streams."""
    for i in range(cuda.device_count()):
        with cuda.quiet:
            cuda.cupy().cuda.Device(i).synchronize()


def device_bytes(device: Device, size: int) -> Any:
    """``size`` bytes of a GPU's memory, as CuPy's ``MemoryPointer``; an OutOfMemoryError says what there is."""
    cupy = device.xp
    try:
        return cupy.cuda.alloc(max(size, 1))
    except cupy.cuda.memory.OutOfMemoryError:  # CuPy has by then collected, and given back what it keeps for arrays to come
        fail_memory("gpu", size, device.device_id)


def copy_bytes(target: int, source: int, size: int, stream: int) -> None:
    """Copy between two places of a GPU's memory, in the order of a stream."""
    if size:
        cuda.cupy().cuda.runtime.memcpyAsync(target, source, size, _DEVICE_TO_DEVICE, stream)


@cache
def _idle(device_id: int) -> list[Any]:
    """Streams of a GPU that have captured before.

    They are never destroyed: a library that was told to work on one still refers to it when it is told of the next.
    """
    return []


class Capture:
    """``with Capture(device) as capture:`` keeps the work of its body as a CUDA graph, ``capture.graph``, in place of doing it.

    The body finds its stream as the current one. No other thread captures or plans a library's call meanwhile, and
    nothing is collected: what goes then (a module, a graph) may wait for the whole device, which a capture forbids.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.graph: Any = None

    def __enter__(self) -> Capture:
        cupy = self.device.xp
        idle = _idle(self.device.device_id)
        cuda.quiet.acquire()
        try:
            self.stream = idle.pop() if idle else cupy.cuda.Stream(non_blocking=True)
            self.stream.begin_capture()
        except BaseException:
            cuda.quiet.release()
            raise
        self._collects = gc.isenabled()
        gc.disable()
        self.stream.__enter__()
        return self

    def __exit__(self, kind: Any, *exc: Any) -> None:
        try:
            self.graph = self.stream.end_capture()
            _idle(self.device.device_id).append(self.stream)
        except Exception:
            if kind is None:  # else the error of the body says more than that of the capture that it broke
                raise
        finally:
            self.stream.__exit__(None, None, None)
            if self._collects:
                gc.enable()
            cuda.quiet.release()


def mark(device: Device) -> Any:
    """An event that a GPU reaches when it has done what was put on its current stream until now."""
    return current_stream(device).record(device.xp.cuda.Event())


def seconds_between(first: Any, last: Any) -> float:
    """Seconds, by the GPU's clock, from one :func:`mark` to a later one, for which this waits."""
    last.synchronize()
    return float(cuda.cupy().cuda.get_elapsed_time(first, last)) / 1e3
