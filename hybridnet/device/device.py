"""``Device``: where an array lives (MXNet 1.x calls it ``Context``), and the current one."""

from __future__ import annotations

import os
import threading
from types import ModuleType
from typing import Any

import numpy as np

from hybridnet.device import cuda, failures
from hybridnet.errors import DeviceError, fail


class Device:
    """A device by kind (``cpu``, ``gpu``, ``cpu_pinned``) and number.

    As a context manager it is the default for arrays created in its body. CPU devices of any
    number are the host's memory; the number only tells them apart, so that programs written
    for several devices can be tried on the CPU.
    """

    __slots__ = ("device_id", "device_type", "is_host")
    _interned: dict[tuple[str, int], Device] = {}

    device_type: str
    device_id: int
    is_host: bool  # its memory is the host's, and needs no care

    def __new__(cls, device_type: str | Device = "cpu", device_id: int = 0) -> Device:
        if isinstance(device_type, Device):
            return device_type
        if device_type not in ("cpu", "gpu", "cpu_pinned"):
            fail(DeviceError, "Device", expected="cpu, gpu or cpu_pinned", got=repr(device_type))
        key = (device_type, int(device_id))
        found = cls._interned.get(key)
        if found is None:
            found = super().__new__(cls)
            found.device_type, found.device_id = key
            found.is_host = device_type == "cpu"
            cls._interned[key] = found
        return found

    @property
    def is_gpu(self) -> bool:
        """Whether its arrays lie in a GPU's memory."""
        return self.device_type == "gpu"

    @property
    def xp(self) -> ModuleType:
        """The array module that computes on this device: numpy or cupy.

        With several GPUs, asking makes this one CUDA's current device, on which what CuPy then does takes place.
        """
        if self.device_type != "gpu":
            return np
        if not 0 <= self.device_id < cuda.device_count():
            failures.fail_absent(self.device_id)
        cuda.make_current(self.device_id)
        return cuda.cupy()

    @property
    def num_sms(self) -> int:
        """Of a GPU: how many of its units run blocks of threads."""
        return cuda.num_sms(self.device_id)

    def empty_cache(self) -> None:
        """Give a GPU's memory that no array holds back to the driver; of the host there is nothing to give."""
        if self.is_gpu:
            with cuda.cupy().cuda.Device(self.device_id):
                cuda.cupy().get_default_memory_pool().free_all_blocks()

    def __enter__(self) -> Device:
        _current.outer.append(_current.device)
        _current.device = self
        return self

    def __exit__(self, *exc: object) -> None:
        _current.device = _current.outer.pop()

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.device_type, self.device_id)

    def __deepcopy__(self, memo: Any) -> Device:
        return self


class _Current(threading.local):
    def __init__(self) -> None:
        self.device = Device("cpu", 0)
        self.outer: list[Device] = []


_current = _Current()


def current_device() -> Device:
    """The device on which new arrays are made: cpu(0) unless in a ``with device:``."""
    return _current.device


def set_current_device(device: Device) -> None:
    """Make a device the current one of this thread from now on, or to the end of the ``with device:`` that this stands in."""
    _current.device = device


def cpu(device_id: int = 0) -> Device:
    """The host."""
    return Device("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Device:
    """The host, in page-locked memory where a GPU is present."""
    return Device("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Device:
    """The CUDA device of that number. Creating it needs no GPU; using it does."""
    return Device("gpu", device_id)


def num_gpus() -> int:
    """How many CUDA devices can be used."""
    return cuda.device_count()


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """Free and total bytes of a GPU's memory."""
    if not 0 <= device_id < cuda.device_count():
        failures.fail_absent(device_id)
    return cuda.memory_info(device_id)


def total_memory(device: Device) -> int:
    """The bytes of a device's memory: a GPU's, or this machine's."""
    if device.is_gpu:
        return gpu_memory_info(device.device_id)[1]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cuda_capability(device_id: int = 0) -> int:
    """A GPU's compute capability: 90 for 9.0."""
    if not 0 <= device_id < cuda.device_count():
        failures.fail_absent(device_id)
    return int(cuda.architecture(device_id).removeprefix("sm_"))


def array_module(data: Any) -> ModuleType:
    """numpy for a NumPy array, cupy for a CuPy array."""
    return np if isinstance(data, (np.ndarray, np.generic)) else cuda.cupy()


def device_of(data: Any) -> Device:
    """The device that a NumPy or CuPy array lies on."""
    if isinstance(data, (np.ndarray, np.generic)):
        return Device("cpu", 0)
    return Device("gpu", data.device.id)
