"""NVRTC without a GPU or a driver: compile CUDA C++ for an architecture, and read what registers and spills it came to.

From the package nvidia-cuda-nvrtc, where it is installed.
"""

import ctypes
import importlib.util
import multiprocessing
import os
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .emulator import KERNELS

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


class Unit(Protocol):
    """A translation unit whose kernels are known."""

    text: str
    texts: dict[str, str]  # of the kernels, by name


class Usage(NamedTuple):
    """What a thread of a kernel takes: registers of 32 bits, bytes of stack, bytes spilled to memory."""

    registers: int
    stack: int
    spilled: int


@cache
def library() -> Any:
    """libnvrtc, or None."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(p) for p in spec.submodule_search_locations or ()] if spec is not None else []
    builtins = [p for f in folders for p in sorted(f.glob("*/lib/libnvrtc-builtins.so.*"))]
    found = [p for f in folders for p in sorted(f.glob("*/lib/libnvrtc.so.*")) if "alt" not in p.name]
    if not builtins or not found:
        return None
    ctypes.CDLL(str(builtins[0]), ctypes.RTLD_GLOBAL)  # libnvrtc would not find it by itself
    return ctypes.CDLL(str(found[0]))


def version() -> str:
    """The compiler's, on which registers depend."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def _compiled(architecture: str, code: str, part: str) -> str:
    """A part of what NVRTC gives for ``code``: its "ProgramLog" or the "PTX"; a RuntimeError with the log if it does not compile."""
    nvrtc, program = library(), ctypes.c_void_p()

    def text(part: str) -> str:
        size = ctypes.c_size_t()
        getattr(nvrtc, f"nvrtcGet{part}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{part}")(program, buffer)
        return buffer.value.decode()

    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None) == 0
    options = [f"--gpu-architecture={architecture}", "-std=c++17", "--ptxas-options=-v", f"-I{KERNELS}"]
    try:
        if nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*(o.encode() for o in options))):
            raise RuntimeError(text("ProgramLog"))
        return text(part)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def ptx_of(code: str, architecture: str = "compute_90") -> dict[str, str]:
    """The PTX of each kernel of ``code``."""
    functions = re.split(r"(?=\.visible \.entry|\.func)", _compiled(architecture, code, "PTX"))
    return {found[1]: f for f in functions if (found := re.match(r"\.visible \.entry (\w+)", f))}


def compile_for(architecture: str, code: str) -> dict[str, Usage]:
    """What each kernel of ``code`` uses on ``architecture`` ("sm_90"); a RuntimeError with the compiler's words if it does not compile."""
    log = _compiled(architecture, code, "ProgramLog")
    pattern = r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores.*?Used (\d+) registers"
    return {name: Usage(int(registers), int(stack), int(spilled)) for name, stack, spilled, registers in re.findall(pattern, log, re.S)}


def compile_all(codes: Sequence[str], architectures: Sequence[str] = ARCHITECTURES) -> list[dict[str, dict[str, Usage]]]:
    """What each kernel of several translation units uses, by architecture; in as many processes as there are cores."""
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        jobs = [[pool.submit(compile_for, a, code) for a in architectures] for code in codes]
        found = [dict(zip(architectures, [j.result() for j in of_code], strict=True)) for of_code in jobs]
    return [{name: {a: by[a][name] for a in architectures} for name in by[architectures[0]]} for by in found]


def spills(units: Sequence[Unit], architectures: Sequence[str] = ARCHITECTURES) -> dict[str, int]:
    """Of the kernels that spill, by their text: the most bytes that they do."""
    found = zip(units, compile_all([u.text for u in units], architectures), strict=True)
    most = {u.texts[name]: max(usage.spilled for usage in by.values()) for u, kernels in found for name, by in kernels.items()}
    return {text: spilled for text, spilled in most.items() if spilled}
