"""CuPy, imported at the first use of a GPU and nowhere else.

Imports of the package must work, and be fast, where neither CuPy nor a driver is installed.
"""

from __future__ import annotations

import importlib
import os
import threading
from functools import cache
from types import ModuleType

from hybridnet.errors import DeviceError, fail

#: Held while a stream captures, and by what a capture of any thread would spoil, or would be spoilt by: planning library calls.
quiet = threading.RLock()


@cache
def cupy() -> ModuleType:
    """The cupy module, or an error that says how to get it."""
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        fail(
            DeviceError,
            "gpu",
            expected="CuPy, which runs arrays on a CUDA device",
            got=str(error),
            fix='pip install "hybridnet[cuda13]" (or cuda12), or cpu()',
        )


@cache
def device_count() -> int:
    """The CUDA devices that can be used; 0 without CuPy or without a driver."""
    try:
        module = importlib.import_module("cupy")
        return int(module.cuda.runtime.getDeviceCount())
    except Exception:  # no CuPy, no driver, no device: CuPy raises a different class for each
        return 0


_started = os.getpid()


def forked() -> bool:
    """Whether this process is a copy of the one in which the package was imported."""
    return os.getpid() != _started


if hasattr(os, "register_at_fork"):  # not on Windows
    # CUDA works in no copy of a process that has used it: such a one finds no device when it asks again.
    os.register_at_fork(after_in_child=device_count.cache_clear)


@cache
def multiprocessors(device_id: int) -> int:
    """How many multiprocessors a GPU has: what the shapes of kernels follow from. One that is not there is taken for an H200."""
    if device_id >= device_count():
        return 132
    return int(cupy().cuda.runtime.deviceGetAttribute(_MULTIPROCESSORS, device_id))


def make_current(device_id: int) -> None:
    """Make a GPU, which must be there, the one that this thread's arrays and kernels are made on."""
    if device_count() > 1 and current_id() != device_id:
        cupy().cuda.Device(device_id).use()


def memory_info(device_id: int) -> tuple[int, int]:
    """Free and total bytes of a GPU's memory."""
    with cupy().cuda.Device(device_id):
        free, total = cupy().cuda.runtime.memGetInfo()
    return int(free), int(total)


def current_id() -> int:
    """The GPU that is current in this thread: where what is put on a stream runs."""
    return int(cupy().cuda.runtime.getDevice())


def is_capturing(stream: int) -> bool:
    """Whether the stream of that handle captures. The null stream never does."""
    return bool(stream) and bool(cupy().cuda.runtime.streamIsCapturing(stream))


@cache
def architecture(device_id: int) -> str:
    """The architecture that kernels for a GPU are compiled for (``"sm_90"``)."""
    return f"sm_{cupy().cuda.Device(device_id).compute_capability}"


_MULTIPROCESSORS = 16  # cudaDevAttrMultiProcessorCount


def nvrtc() -> ModuleType:
    """The compiler, as CuPy has it."""
    module: ModuleType = cupy().cuda.nvrtc
    return module
