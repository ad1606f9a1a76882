"""``cupy.RawModule`` on the CPU: CUDA C++ compiled by g++ behind ``cuemu.h``, kernels called with NumPy arrays.

Only what launching needs: ``RawModule(code, options).get_function(name)(grid, block, args, shared_mem=)``.
Compiled modules are kept in the temporary folder under the hash of all that they are made from.
Within ``sanitize.py`` kernels are compiled with AddressSanitizer, and a launch that it has words for is an error.
"""

import ctypes
import getpass
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from . import sanitize

HEADER = Path(__file__).with_name("cuemu.h")
KERNELS = HEADER.parent.parent.parent / "kernels"
CACHE = Path(tempfile.gettempdir()) / f"hybridnet-emulator-{getpass.getuser()}"
# Integers wrap around and packs of elements are read as words, as in CUDA; no contraction, so that results do not depend on the CPU.
FLAGS = ("-std=c++17", "-Og", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off", "-fPIC")
WARNINGS = (
    "-Wall",
    "-Werror",
    "-Wno-tautological-compare",
    "-Wno-unknown-pragmas",
    "-Wno-int-in-bool-context",
    "-Wno-bool-operation",
    "-Wno-unused-function",
    "-Wno-sign-compare",
    "-Wno-maybe-uninitialized",  # a load and its use under the same condition, in two loops
)
if sanitize.ON:
    FLAGS += sanitize.FLAGS
COMPILER = shutil.which("g++")
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(")


class LaunchError(RuntimeError):
    """What CUDA would not survive: a deadlock, a launch of an impossible shape, an access beside an array."""


class Kernel:
    """One kernel; called as CuPy's are."""

    def __init__(self, name: str, function: Any) -> None:
        self.name = name
        self.function = function
        function.restype = ctypes.c_char_p

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], shared_mem: int = 0) -> None:
        self.run(grid, block, [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else number(a) for a in args], shared_mem)

    def run(self, grid: Sequence[int], block: Sequence[int], values: Sequence[Any], shared_mem: int) -> None:
        """Launch with arguments as ctypes has them."""
        shape = (ctypes.c_uint * 6)(*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3])
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        error = self.function(shape, ctypes.c_size_t(shared_mem), pointers)
        report = sanitize.report()
        if error is not None or report:
            raise LaunchError(f"{self.name}: {report if error is None else error.decode()}")


def number(a: Any) -> Any:
    """A NumPy scalar as its bytes."""
    return (ctypes.c_char * a.itemsize)(*a.tobytes())


class RawModule:
    """A translation unit of CUDA C++."""

    def __init__(self, code: str, options: Sequence[str] = ()) -> None:
        self.library = ctypes.CDLL(str(compiled(code, tuple(options), kernel_sources())))

    def get_function(self, name: str) -> Kernel:
        return Kernel(name, getattr(self.library, f"cuemu_launch_{name}"))

    def set_order(self, order: int) -> None:
        """In which order threads and blocks run: 0 forward, 1 backward, above: shuffled."""
        self.library.cuemu_set_order(ctypes.c_uint(order))


def modules(codes: Sequence[str]) -> list[RawModule]:
    """Several modules, compiled side by side."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(RawModule, codes))


def kernel_sources() -> dict[str, str]:
    """The files of ``kernels/`` by name."""
    return {p.name: p.read_text() for p in sorted(KERNELS.glob("*.cu*"))}


def compiled(code: str, options: tuple[str, ...], headers: dict[str, str]) -> Path:
    """The shared library of a source; written under another name and renamed, so that runs side by side do no harm."""
    exports = "".join(f"CUEMU_EXPORT({name})\n" for name in _KERNEL.findall(code))
    command = [*compiler(), *options]
    sources = [HEADER.read_text(), *headers, *headers.values(), code]
    path = CACHE / (digest(*command, *sources) + ".so")
    if not path.exists():
        header = precompiled()
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            source, made = Path(folder, "kernels.cu"), Path(folder, "kernels.so")
            source.write_text(code + "\n" + exports)
            for name, text in headers.items():
                Path(folder, name).write_text(text)
            _run([*command, "-shared", "-I", folder, "-include", str(header), "-x", "c++", str(source), "-o", str(made)])
            made.rename(path)
    return path


def compiler() -> list[str]:
    """The command that all sources are compiled with."""
    return [COMPILER or "g++", *FLAGS, *WARNINGS]


def precompiled() -> Path:
    """A header that includes ``cuemu.h``, beside what g++ has made of it: to parse that takes half as long as a small source in all."""
    command = [*compiler(), "-x", "c++-header"]
    kept = CACHE / digest(*command, str(HEADER), HEADER.read_text())
    if not kept.exists():
        CACHE.mkdir(exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder, "made")
            made.mkdir()
            header = made / "first.h"
            header.write_text(f'#include "{HEADER}"\n')
            _run([*command, str(header), "-o", f"{header}.gch"])
            with suppress(OSError):  # another run was first
                made.rename(kept)
    return kept / "first.h"


def digest(*texts: str) -> str:
    """A name for what is made from these texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=sanitize.without(os.environ))
    if done.returncode:
        raise RuntimeError(done.stderr)
