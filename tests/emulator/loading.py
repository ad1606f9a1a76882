"""``cupy.cuda.nvrtc`` and ``cupy.cuda.Module`` of the emulated device: what g++ makes of CUDA C++ stands for the machine code."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import re
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import emulator, memory, streams
from .arrays import ndarray

nvrtc = ModuleType("cupy.cuda.nvrtc")
MAGIC = b"EMULATED\0"
GRID, BLOCK = ((1 << 31) - 1, 65535, 65535), (1024, 1024, 64)  # the most along each axis; CuPy would take 0 for 1


class NVRTCError(RuntimeError):
    """``cupy.cuda.nvrtc.NVRTCError``."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"{'NVRTC_ERROR_INVALID_OPTION' if status == 5 else 'NVRTC_ERROR_COMPILATION'} ({status})")


class _Program:
    def __init__(self, src: str, name: str, headers: Any, include_names: Any) -> None:
        self.source, self.name, self.log, self.made, self.target = src, name, "", b"", ""
        self.headers = {bytes(n).decode(): bytes(h).decode() for n, h in zip(include_names, headers, strict=True)}


_programs: dict[int, _Program] = {}
_numbers = itertools.count(1)


def createProgram(src: str, name: str, headers: Any, include_names: Any) -> int:
    number = next(_numbers)
    _programs[number] = _Program(src, name, headers, include_names)
    return number


def compileProgram(prog: int, options: Any) -> None:
    program = _programs[prog]
    for option in options:
        if not isinstance(option, str):
            raise TypeError("options are strings")
    program.target = next(o for o in options if o.startswith("--gpu-architecture=")).partition("=")[2]
    if program.target not in {f"{kind}_{a}" for kind in ("sm", "compute") for a in getSupportedArchs()}:
        program.log = "nvrtc: error: invalid value for --gpu-architecture (-arch)"
        raise NVRTCError(5)
    definitions = tuple(o.replace("--define-macro=", "-D") for o in options if o.startswith(("-D", "--define-macro=")))
    try:
        path = emulator.compiled(program.source, definitions, program.headers)
    except RuntimeError as error:
        program.log = re.sub(r"\S*/kernels\.cu:(\d+):\d+:", rf"{program.name}(\1):", str(error))  # as NVRTC names places
        raise NVRTCError(6) from None
    program.made = MAGIC + path.read_bytes()


def getCUBIN(prog: int) -> bytes:
    if not _programs[prog].target.startswith("sm_"):
        raise RuntimeError("cubin is requested, but the real arch (sm_XX) is not provided")
    return _programs[prog].made


def getPTX(prog: int) -> bytes:
    return _programs[prog].made


def getSupportedArchs() -> tuple[int, ...]:
    """Those of NVRTC 13.0."""
    return 75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121


def getProgramLog(prog: int) -> str:
    return _programs[prog].log


def destroyProgram(prog: int) -> None:
    del _programs[prog]


def getVersion() -> tuple[int, int]:
    """Another number for every state of the emulator, since machine code is cached by the compiler's version."""
    return 13, zlib.crc32(emulator.HEADER.read_bytes() + repr(emulator.FLAGS).encode())


for _f in (createProgram, compileProgram, getCUBIN, getPTX, getProgramLog, destroyProgram, getVersion, getSupportedArchs):
    setattr(nvrtc, _f.__name__, _f)
nvrtc.NVRTCError = NVRTCError  # type: ignore[attr-defined]


class CUDADriverError(RuntimeError):
    """``cupy.cuda.driver.CUDADriverError``."""

    STATUS = {"CUDA_ERROR_INVALID_VALUE": 1, "CUDA_ERROR_INVALID_IMAGE": 200, "CUDA_ERROR_NO_BINARY_FOR_GPU": 209}
    STATUS |= {"CUDA_ERROR_INVALID_PTX": 218, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION": 222}
    STATUS |= {"CUDA_ERROR_INVALID_HANDLE": 400, "CUDA_ERROR_NOT_FOUND": 500}

    def __init__(self, text: str) -> None:
        self.status = self.STATUS[text.partition(":")[0]]
        super().__init__(text)


def _argument(x: Any) -> Any:
    """An argument of a kernel as CuPy takes it: arrays and places in memory by address, scalars by value."""
    if x is None or isinstance(x, memory.MemoryPointer):
        return ctypes.c_void_p(0 if x is None else x.ptr)
    if isinstance(x, ndarray):
        return ctypes.c_void_p(x.data.ptr)
    if isinstance(x, np.ndarray) and x.size != 1:
        raise TypeError(f"You are trying to pass a numpy.ndarray of shape {x.shape} as a kernel parameter")
    if isinstance(x, (bool, int, float)):
        x = np.asarray(x)[()]
    if not isinstance(x, (np.generic, np.ndarray)):
        raise TypeError(f"Unsupported type {type(x)}")
    return emulator.number(x)


class Function:
    """``cupy.cuda.Function``: a kernel of a module."""

    def __init__(self, module: Module, name: str) -> None:
        try:
            self.kernel = emulator.Kernel(name, getattr(module.library, f"cuemu_launch_{name}"))
        except AttributeError:
            raise CUDADriverError("CUDA_ERROR_NOT_FOUND: named symbol not found") from None
        self.module, self.name = module, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any], shared_mem: int = 0, stream: Any = None) -> None:
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError("grid and block must be tuples")
        limits = (*zip(grid, GRID, strict=False), *zip(block, BLOCK, strict=False))
        if any(not 0 < n <= most for n, most in limits) or np.prod(block) > 1024 or shared_mem > 48 << 10:
            raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
        if streams.current.device != self.module.device_id:
            raise CUDADriverError("CUDA_ERROR_INVALID_HANDLE: invalid resource handle")
        values = [_argument(a) for a in args]
        order = streams.order_of_threads()

        def run() -> None:
            self.module.library.cuemu_set_order(ctypes.c_uint(order))
            self.kernel.run(grid, block, values, shared_mem)

        streams.enqueue(streams.handle(stream), run)


class Module:
    """``cupy.cuda.Module``."""

    def __init__(self) -> None:
        self.library: Any = None
        self.device_id = -1  # of the context that it is loaded in

    def load(self, cubin: bytes) -> None:
        if not isinstance(cubin, bytes) or not cubin.startswith(MAGIC):
            raise CUDADriverError("CUDA_ERROR_INVALID_IMAGE: device kernel image is invalid")
        self.library, self.device_id = ctypes.CDLL(str(_library(cubin[len(MAGIC) :]))), streams.current.device

    def load_file(self, filename: str | bytes) -> None:
        self.load(Path(filename.decode() if isinstance(filename, bytes) else filename).read_bytes())

    def get_function(self, name: str) -> Function:
        return Function(self, name)


def _library(contents: bytes) -> Path:
    """A shared library as a file that the loader can open."""
    path = emulator.CACHE / f"loaded-{hashlib.sha256(contents).hexdigest()[:32]}.so"
    if not path.exists():
        emulator.CACHE.mkdir(exist_ok=True, mode=0o700)
        descriptor, made = tempfile.mkstemp(dir=emulator.CACHE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(contents)
        os.replace(made, path)
    return path
