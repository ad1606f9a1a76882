"""Streams, CUDA graphs and raw memory: the little of CuPy that running programs needs."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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


#: Streams on which a capture did not begin or end as it should. They capture no more, and are kept for as long as the process
#: runs, so that no new stream gets the address of one, which a library's handle may remember as that of its stream.
_failed: list[Any] = []


@contextmanager
def _nothing_collected() -> Iterator[None]:
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class Capture:
    """``with Capture(device) as capture:`` keeps the work of its body as a CUDA graph, ``capture.graph``, in place of doing it.

    The body finds its stream as the current one. No other thread captures or plans a library's call meanwhile, and
    nothing is collected: what goes then (a module, a graph) may wait for the whole device, which a capture forbids.

    On one stream each piece of work waits for the one before. With ``on`` work is put on lanes, which are streams of the same
    capture, and waits for what it is told to; the graph has no more dependencies than that. Lane ``main`` is the stream that the capture
    begins on, which is the same from capture to capture: a library's handle that captures stays on it.
    """

    def __init__(self, device: Device, main: int = 0) -> None:
        self.device = device
        self._main = main
        self.graph: Any = None
        self._lanes: dict[int, Any] = {}
        self._begin: Any = None  # an event before all work

    def __enter__(self) -> Capture:
        with ExitStack() as entered:  # which is left again if a later part of it fails
            entered.enter_context(cuda.quiet)
            entered.enter_context(_nothing_collected())
            self.stream = self._begun()
            entered.push(self._end)
            entered.enter_context(self.stream)
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.__exit__(*error)

    @contextmanager
    def on(self, lane: int, after: Sequence[Any]) -> Iterator[Any]:
        """The stream of a lane as the current one. What the body puts there waits for the lane's work before, and for events ``after``."""
        if self._begin is None:
            self._lanes[self._main], self._begin = self.stream, self.mark(self.stream)
        stream = self._lanes.get(lane)
        if stream is None:
            stream = self._lanes[lane] = self._stream()
            if not after:  # a stream takes part in a capture once it waits for something of it
                stream.wait_event(self._begin)
        for event in after:
            stream.wait_event(event)
        with stream:
            yield stream

    def mark(self, stream: Any) -> Any:
        """An event behind what is on the stream of a lane now."""
        event = self.device.xp.cuda.Event(disable_timing=True)
        event.record(stream)
        return event

    def join(self) -> None:
        """What is put on the stream of the capture from here on waits for the work of all lanes."""
        for stream in self._lanes.values():
            if stream is not self.stream:
                self.stream.wait_event(self.mark(stream))

    def _stream(self) -> Any:
        idle = _idle(self.device.device_id)
        return idle.pop() if idle else self.device.xp.cuda.Stream(non_blocking=True)

    def _begun(self) -> Any:
        stream = self._stream()
        try:
            stream.begin_capture()
        except BaseException:
            _failed.append(stream)
            raise
        return stream

    def _end(self, kind: Any, *error: Any) -> None:
        ended = False
        others = [s for s in self._lanes.values() if s is not self.stream]
        try:
            if kind is None:
                self.join()
            self.graph = self.stream.end_capture()
            ended = True
        except Exception:
            if kind is None:  # else the error of the body says more than that of the capture that it broke
                raise
        finally:
            (_idle(self.device.device_id) if ended else _failed).extend([*others, self.stream])  # which the next one begins on


@contextmanager
def named_range(name: str) -> Iterator[None]:
    """A range of that name (NVTX) around what this thread does, for NVIDIA's tools."""
    nvtx = cuda.cupy().cuda.nvtx
    nvtx.RangePush(name)
    try:
        yield
    finally:
        nvtx.RangePop()


def mark(device: Device) -> Any:
    """An event that a GPU reaches when it has done what was put on its current stream until now."""
    return current_stream(device).record(device.xp.cuda.Event())


def seconds_between(first: Any, last: Any) -> float:
    """Seconds, by the GPU's clock, from one :func:`mark` to a later one, for which this waits."""
    last.synchronize()
    return float(cuda.cupy().cuda.get_elapsed_time(first, last)) / 1e3
