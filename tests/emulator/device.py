"""``with emulated_gpu():`` there is a GPU, ``gpu(0)``, that is run on the CPU. The fixture of that name is in ``tests/conftest.py``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

from hybridnet.config import config
from hybridnet.core import random
from hybridnet.runtime import cuda_timing, profile, timing

from . import cupy, emulator, libraries, memory, runtime, streams


@contextmanager
def emulated_gpu(
    memory_bytes: int = memory.DEFAULT_TOTAL,
    devices: int = 1,
    driver: int = 13000,
    runtime_version: int = 13000,
    asynchronous: int | None = None,
) -> Iterator[Any]:
    """CuPy, cuBLASLt, cuDNN and a GPU, emulated, for the body; gives the module that stands for CuPy.

    Profiles measure its limits, which mean nothing, by small arrays, and repeat little.
    ``asynchronous``: a seed of :func:`streams.asynchronous`; work is done at once without one.
    At the end everything is put back, and writes beside allocations or into freed memory fail.
    """
    outer = {name: sys.modules.get(name) for name in cupy.MODULES}
    before = runtime.Settings.devices, runtime.Settings.driver, runtime.Settings.runtime, memory.heap.total, config.cache_dir
    runtime.Settings.devices, runtime.Settings.driver, runtime.Settings.runtime = devices, driver, runtime_version
    memory.heap.total = memory_bytes
    config.cache_dir = str(emulator.CACHE / "cubins")
    sys.modules.update(cupy.MODULES)
    _forget()
    try:
        at_once = nullcontext() if asynchronous is None else streams.asynchronous(asynchronous)
        with libraries.installed(), _short_profiles(), at_once:
            yield cupy
            gc.collect()
            memory.heap.check()
    except BaseException:
        memory.heap.abandon()
        raise
    finally:
        _forget()
        for name, module in outer.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        runtime.Settings.devices, runtime.Settings.driver, runtime.Settings.runtime, memory.heap.total, config.cache_dir = before
        streams.current.stream, streams.current.device = None, 0
        streams.abandon()


@contextmanager
def _short_profiles() -> Iterator[None]:
    with (
        mock.patch.object(profile, "COPIED_BYTES", (1 << 12, 1 << 12)),
        mock.patch.object(profile, "ROWS", (16, 16)),
        mock.patch.object(timing, "REPEATS", 2),
        mock.patch.object(cuda_timing, "REPEATS", 2),
    ):
        yield


def _forget() -> None:
    """Empty the caches of what was found out of CuPy and the device, and forget the random state of GPUs."""
    for name, module in list(sys.modules.items()):
        if name.startswith("hybridnet."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and value.__module__.startswith(("hybridnet.device", "hybridnet.runtime")):
                    value.cache_clear()
    for device in [d for d in random._states if d.is_gpu]:
        del random._states[device]
