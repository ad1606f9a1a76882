"""CuPy, imported at the first use of a GPU and nowhere else.

Imports of the package must work, and be fast, where neither CuPy nor a driver is installed.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from functools import cache
from types import ModuleType
from typing import NoReturn

from hybridnet.device.hardware import NUM_SMS
from hybridnet.errors import DeviceError, fail

#: Held while a stream captures, and by what a capture of any thread would spoil, or would be spoilt by: planning library calls.
quiet = threading.RLock()


@cache
def _imported() -> ModuleType | Exception:
    """CuPy, or why it cannot be imported: of the first attempt, since a later one would find another reason."""
    try:
        return importlib.import_module("cupy")
    except Exception as error:
        if not _is_missing(error):
            _tell(f"CuPy is installed and cannot be imported: {type(error).__name__}: {error}")
        return error.with_traceback(None)


def _is_missing(error: Exception) -> bool:
    """Whether CuPy is not installed; where something that it needs is missing, it is."""
    return isinstance(error, ModuleNotFoundError) and error.name == "cupy"


def _tell(reason: str) -> None:
    logging.getLogger("hybridnet").warning("no GPU can be used: %s", reason)


@cache
def cupy() -> ModuleType:
    """The cupy module, or an error that says how to get it."""
    found = _imported()
    if isinstance(found, Exception):
        _fail_import(found)
    return found


def _fail_import(error: Exception) -> NoReturn:
    if _is_missing(error):
        got, fix = str(error), 'pip install "hybridnet[cuda13]" (or cuda12), or cpu()'
    else:
        got = f"a failed import of the one that is installed: {type(error).__name__}: {error}"
        fix = 'python -c "import cupy" to see where it fails, installing CuPy anew, or cpu()'
    fail(DeviceError, "gpu", expected="CuPy, which runs arrays on a CUDA device", got=got, fix=fix)


@cache
def devices() -> int | Exception:
    """How many devices CUDA finds, or its error. What is neither a machine without a GPU nor one without a driver is told."""
    runtime = cupy().cuda.runtime
    try:
        return int(runtime.getDeviceCount())
    except Exception as error:
        status = getattr(error, "status", None)
        if status == TOO_OLD and runtime.driverGetVersion():
            _tell(f"the driver is too old for CuPy: {error}")
        elif status not in (TOO_OLD, NO_DEVICE) and not (status == NO_START and forked()):
            _tell(f"CUDA does not start: {type(error).__name__}: {error}")
        return error.with_traceback(None)


@cache
def device_count() -> int:
    """The CUDA devices that can be used; 0 without CuPy or without a driver. If the reason is another one, that is logged once."""
    if isinstance(_imported(), Exception):
        return 0
    found = devices()
    return found if isinstance(found, int) else 0


TOO_OLD = 35  # cudaErrorInsufficientDriver, which a machine without a driver gives as well
NO_START = 3  # cudaErrorInitializationError: as a rule, CUDA was in use already when the process was forked
NO_DEVICE = 100  # cudaErrorNoDevice

_started = os.getpid()


def forked() -> bool:
    """Whether this process is a copy of the one in which the package was imported."""
    return os.getpid() != _started


if hasattr(os, "register_at_fork"):  # not on Windows
    # CUDA works in no copy of a process that has used it: such a one finds no device when it asks again.
    os.register_at_fork(after_in_child=devices.cache_clear)
    os.register_at_fork(after_in_child=device_count.cache_clear)


@cache
def num_sms(device_id: int) -> int:
    """How many multiprocessors a GPU has: what the shapes of kernels follow from. One that is not there has :data:`NUM_SMS`."""
    if device_id >= device_count():
        return NUM_SMS
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


@cache
def device_name(device_id: int) -> str:
    """What NVIDIA calls a GPU."""
    return str(cupy().cuda.runtime.getDeviceProperties(device_id)["name"].decode())


_MULTIPROCESSORS = 16  # cudaDevAttrMultiProcessorCount


def nvrtc() -> ModuleType:
    """The compiler, as CuPy has it."""
    module: ModuleType = cupy().cuda.nvrtc
    return module
