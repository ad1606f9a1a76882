"""``cupy.cuda`` of the emulated device: devices, streams, events, graphs, and the runtime's functions."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType
from typing import Any

import numpy as np

from . import memory, streams

COMPUTE_CAPABILITY = "90"
MULTIPROCESSORS = 132
ATTRIBUTES = {16: MULTIPROCESSORS, 1: 1024, 8: 48 << 10, 10: 32, 39: 2048, 75: 9, 76: 0, 81: 228 << 10, 97: 227 << 10}


class CUDARuntimeError(RuntimeError):
    """``cupy.cuda.runtime.CUDARuntimeError``."""

    def __init__(self, status: int, words: str = "") -> None:
        self.status = status
        super().__init__(words or f"cudaError {status}")


class Settings:
    """What tests change: how many devices there are, and the versions of driver and runtime."""

    devices = 1
    driver = 13000
    runtime = 13000


class Device:
    """``cupy.cuda.Device``."""

    def __init__(self, device: int | Device | None = None) -> None:
        self.id = streams.current.device if device is None else int(device)
        self._outer: list[int] = []

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def __enter__(self) -> Device:
        self._outer.append(streams.current.device)
        self.use()
        return self

    def __exit__(self, *exc: object) -> None:
        streams.current.device = self._outer.pop()

    def use(self) -> None:
        if not 0 <= self.id < _device_count():
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
        streams.current.device = self.id

    def synchronize(self) -> None:
        deviceSynchronize()

    @property
    def compute_capability(self) -> str:
        return COMPUTE_CAPABILITY

    @property
    def attributes(self) -> dict[str, int]:
        return {"MultiProcessorCount": MULTIPROCESSORS}

    @property
    def mem_info(self) -> tuple[int, int]:
        return _memory_info()


class Graph:
    """``cupy.cuda.Graph``: captured work, done again at each launch, each time in another order."""

    def __init__(self, captured: streams.Captured) -> None:
        self.work, self.after, self.device = captured.work, captured.after, streams.current.device
        self.launches = 0

    def launch(self, stream: Any = None) -> None:
        if streams.current.device != self.device:  # CUDA may take it, but the null stream that it then goes on is another device's
            raise CUDARuntimeError(400, "cudaErrorInvalidResourceHandle: invalid resource handle")
        order = [self.work[i] for i in streams.in_some_order(self.after, self.launches)]
        self.launches += 1

        def run() -> None:
            for step in order:
                step()

        streams.enqueue(streams.handle(stream), run)

    def upload(self, stream: Any = None) -> None:
        pass


class Event:
    """``cupy.cuda.Event``: a place in the order of a stream, once it is recorded."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self.ptr = id(self)
        self._device, self._timed = streams.current.device, not disable_timing
        self._time: float | None = None
        self._item: streams.Item | None = None
        self._captured: tuple[streams.Captured, int, int, frozenset[int]] | None = None  # its capture, stream, and what was there

    def record(self, stream: Any = None) -> None:
        of = streams.handle(stream)
        if getattr(streams.here() if stream is None else stream, "device_id", -1) not in (-1, self._device):
            raise CUDARuntimeError(400, "cudaErrorInvalidResourceHandle: invalid resource handle")
        capture = streams.capture_of(of)
        if capture is not None:
            self._captured = capture, of, len(capture.work), capture.tips.get(of, frozenset())
            return
        self._captured = self._time = None
        self._item = streams.enqueue(of, self._arrive)

    def _arrive(self) -> None:
        self._time = streams.clock()

    def _wait_on(self, stream: int) -> None:
        """``cudaStreamWaitEvent``: for the last record, if there is one."""
        if self._captured is not None:
            capture, other, recorded, tips = self._captured
            if not streams.goes_on(capture):
                self._refuse_captured()
            streams.join(stream, capture, other, recorded, tips)
        elif streams.capturing(stream):
            streams.isolate(stream)
        elif self._item is not None and not self._item.done:
            streams.enqueue(stream, lambda: None, self._item)

    def _refuse_captured(self) -> None:
        if self._captured is not None:
            self._captured[0].spoilt = True
            raise CUDARuntimeError(907, "cudaErrorCapturedEvent: operation not permitted on an event last recorded in a capturing stream")

    def synchronize(self) -> None:
        self._refuse_captured()
        streams.wait_for(self._item)

    @property
    def done(self) -> bool:
        self._refuse_captured()
        return streams.is_done(self._item)


class Ranges:
    """NVTX: named ranges of the host's time, which only NVIDIA's tools see; here ``seen`` keeps each that has ended, and what it lay in."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.seen: list[tuple[str, ...]] = []

    def push(self, message: str, id_color: int = -1) -> None:
        """A range begins."""
        self.open.append(message)

    def pop(self) -> None:
        """The last one ends."""
        self.seen.append(tuple(self.open))
        self.open.pop()


ranges = Ranges()


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    times = []
    for event in (start_event, end_event):
        event._refuse_captured()
        if not event._timed or (event._time is None and event._item is None):
            raise CUDARuntimeError(400, "cudaErrorInvalidResourceHandle: invalid resource handle")
        if event._time is None:
            raise CUDARuntimeError(600, "cudaErrorNotReady: device not ready")
        times.append(event._time)
    return (times[1] - times[0]) * 1e3


class Stream:
    """``cupy.cuda.Stream``."""

    null: Stream

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None) -> None:
        self.ptr = 0
        self.device_id = -1 if null else streams.current.device
        if not null:
            self.ptr = streams.create(self.device_id, waits_for_null=not non_blocking)
        self._outer: list[Any] = []

    def __del__(self, is_finalizing: Any = sys.is_finalizing) -> None:  # a default, since the module may be gone by then
        if self.ptr and not is_finalizing():
            streams.destroy(self.ptr)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return hash(self.ptr)

    def __enter__(self) -> Stream:
        outer = streams.current.stream
        self.use()
        self._outer.append(outer)
        return self

    def __exit__(self, *exc: object) -> None:
        streams.current.stream = self._outer.pop()

    def use(self) -> Stream:
        if self.device_id not in (-1, streams.current.device):
            raise RuntimeError(f"The stream's device ({self.device_id}) does not match with the current device ({streams.current.device})")
        streams.current.stream = self
        return self

    def begin_capture(self, mode: int | None = None) -> None:
        if not self.ptr:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        streams.begin(self.ptr)

    def end_capture(self) -> Graph:
        return Graph(streams.end(self.ptr))

    def is_capturing(self) -> bool:
        return streams.capturing(self.ptr)

    def synchronize(self) -> None:
        streams.wait("Stream.synchronize", self, spoils=True)

    @property
    def done(self) -> bool:
        streams.refuse("Stream.done", self, spoils=True)
        return streams.is_idle(self.ptr)

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        event._wait_on(self.ptr)

    def launch_host_func(self, callback: Any, arg: Any) -> None:
        streams.enqueue(self.ptr, lambda: callback(arg))


Stream.null = Stream(null=True)


def get_current_stream(device_id: int = -1) -> Stream:
    return streams.here() or Stream.null


# -- cupy.cuda.runtime ------------------------------------------------------------------------------

runtime = ModuleType("cupy.cuda.runtime")


def _define(function: Any) -> Any:
    setattr(runtime, function.__name__.lstrip("_"), function)
    return function


for _name, _value in {
    "memcpyHostToHost": 0,
    "memcpyHostToDevice": 1,
    "memcpyDeviceToHost": 2,
    "memcpyDeviceToDevice": 3,
    "memcpyDefault": 4,
    "streamCaptureModeGlobal": 0,
    "streamCaptureModeThreadLocal": 1,
    "streamCaptureModeRelaxed": 2,
    "cudaDevAttrMultiProcessorCount": 16,
    "CUDARuntimeError": CUDARuntimeError,
    "is_hip": False,
}.items():
    setattr(runtime, _name, _value)


def _device_count() -> int:
    if Settings.driver == 0:
        raise CUDARuntimeError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
    if Settings.driver < Settings.runtime // 1000 * 1000:
        raise CUDARuntimeError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
    if not Settings.devices:
        raise CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
    return Settings.devices


def _memory_info() -> tuple[int, int]:
    return (memory.heap.limit or memory.heap.total) - memory.heap.used, memory.heap.total


runtime.getDeviceCount = _device_count  # type: ignore[attr-defined]
runtime.memGetInfo = _memory_info  # type: ignore[attr-defined]


@_define
def getDevice() -> int:
    return streams.current.device


@_define
def setDevice(device: int) -> None:
    Device(device).use()


@_define
def deviceSynchronize() -> None:
    streams.refuse_everywhere("Device.synchronize")
    streams.synchronize_all()


@_define
def streamSynchronize(stream: int) -> None:
    streams.wait("streamSynchronize", stream, spoils=True)


@_define
def streamIsCapturing(stream: int) -> bool:
    return streams.capturing(stream)


@_define
def driverGetVersion() -> int:
    return Settings.driver


@_define
def runtimeGetVersion() -> int:
    return Settings.runtime


@_define
def deviceGetAttribute(attrib: int, device: int) -> int:
    return ATTRIBUTES[attrib]


@_define
def getDeviceProperties(device: int) -> dict[str, Any]:
    return {"name": b"Emulated", "multiProcessorCount": MULTIPROCESSORS, "major": 9, "minor": 0, "totalGlobalMem": memory.heap.total}


@_define
def memcpyAsync(dst: int, src: int, size: int, kind: int, stream: int) -> None:
    if not (dst and src and size):  # CUDA may take it, but a graph's node of no bytes is an error
        raise CUDARuntimeError(1, "cudaErrorInvalidValue: invalid argument")
    memory.copy_async(dst, src, size, stream, kind)


@_define
def memcpy(dst: int, src: int, size: int, kind: int) -> None:
    memory.copy_now("memcpy", dst, src, size, spoils=True)


@_define
def memcpy2DAsync(dst: int, dpitch: int, src: int, spitch: int, width: int, height: int, kind: int, stream: int) -> None:
    if width > min(dpitch, spitch):
        raise CUDARuntimeError(12, "cudaErrorInvalidPitchValue: invalid pitch argument")
    for row in range(height):
        memory.copy_async(dst + row * dpitch, src + row * spitch, width, stream, kind)


@_define
def memsetAsync(ptr: int, value: int, size: int, stream: int) -> None:
    streams.enqueue(streams.handle(stream), lambda: ctypes.memset(ptr, value, size))


@_define
def memset(ptr: int, value: int, size: int) -> None:
    streams.refuse("memset", spoils=True)
    streams.enqueue(0, lambda: ctypes.memset(ptr, value, size))


def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray[Any, Any]:
    """``cupyx.empty_pinned``."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    count = int(np.prod(shape, dtype=np.int64))
    mem = memory.alloc_pinned_memory(count * np.dtype(dtype).itemsize)
    return np.frombuffer(mem, dtype, count).reshape(shape, order=order)  # type: ignore[arg-type]
