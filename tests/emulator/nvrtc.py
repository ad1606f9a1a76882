"""NVRTC without a GPU or a driver: compile CUDA C++ as a device would have it, and read what registers and spills it came to.

Every version runs in processes of its own, so that no two of them meet. A warning is an error here: of ours, NVRTC has no
reason to warn, and among warnings that mean nothing nobody would see the one that does. What compiled is kept beside what g++ has made
for the emulator: most changes leave most kernels as they are.
"""

import ctypes
import importlib.util
import itertools
import multiprocessing
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from hybridnet.device import compiler

from . import compilers, emulator
from .compilers import REPORTED

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


def need(version: str = REPORTED) -> None:
    """Skip the test where this version is not installed; in CI that is a failure."""
    if not compilers.folder(version).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs NVRTC {version}: {compilers.COMMAND}")


def _cupy_compiles() -> bool:
    return importlib.util.find_spec("cupy") is not None and bool(compilers.installed())


#: For tests of what compiles by CuPy's NVRTC: skipped where that is lacking, unless in CI.
needs_cupy = pytest.mark.skipif(not os.environ.get("CI") and not _cupy_compiles(), reason='needs pip install -e ".[nvrtc]"')


def _compiled(version: str, architecture: str, code: str, part: str) -> str:
    """A part of what NVRTC gives for ``code``, its "ProgramLog" or the "PTX"; a RuntimeError with the log if it warns or fails."""
    nvrtc, program = compilers.load(version), ctypes.c_void_p()

    def text(part: str) -> str:
        size = ctypes.c_size_t()
        getattr(nvrtc, f"nvrtcGet{part}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{part}")(program, buffer)
        return buffer.value.decode()

    names, texts = (_strings(words) for words in zip(*compiler.headers().items(), strict=True))
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", len(names), texts, names) == 0
    options = _strings([*compiler.options(architecture), "--ptxas-options=-v"])
    try:
        failed, log = nvrtc.nvrtcCompileProgram(program, len(options), options), text("ProgramLog")
        if failed or "warning" in log:
            raise RuntimeError(f"NVRTC {version} for {architecture}:\n{log}")
        return text(part)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _strings(words: Sequence[str]) -> Any:
    return (ctypes.c_char_p * len(words))(*(w.encode() for w in words))


def _usages(log: str) -> dict[str, Usage]:
    pattern = r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores.*?Used (\d+) registers"
    return {name: Usage(int(registers), int(stack), int(spilled)) for name, stack, spilled, registers in re.findall(pattern, log, re.S)}


def _kept(version: str, architecture: str, code: str, part: str) -> Path:
    """Where the part is once it has been compiled: under the hash of all that it is made from, this file and that of versions included."""
    ours = (Path(module.__file__).read_text() for module in (sys.modules[__name__], compilers) if module.__file__)
    made_from = (version, part, code, *compiler.options(architecture), *itertools.chain(*compiler.headers().items()), *ours)
    return emulator.CACHE / "nvrtc" / emulator.digest(*made_from)


def _parts(calls: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """What ``_compiled`` gives for calls that are all about one version, in as many processes as there are cores; kept on disk."""
    kept = [_kept(*call) for call in calls]
    lacking = {path: call for path, call in zip(kept, calls, strict=True) if not path.exists()}
    if lacking:
        kept[0].parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
            for path, text in zip(lacking, pool.map(_compiled, *zip(*lacking.values(), strict=True)), strict=True):
                unfinished = path.with_suffix(f".{os.getpid()}")
                unfinished.write_text(text)
                unfinished.replace(path)
    return [path.read_text() for path in kept]


def compile_all(
    codes: Sequence[str], architectures: Sequence[str] = ARCHITECTURES, version: str = REPORTED
) -> list[dict[str, dict[str, Usage]]]:
    """What each kernel of several translation units uses, by architecture."""
    need(version)
    distinct = list(dict.fromkeys(codes))
    jobs = [(code, a) for code in distinct for a in architectures]
    usages = dict(zip(jobs, map(_usages, _parts([(version, a, code, "ProgramLog") for code, a in jobs])), strict=True))
    return [{name: {a: usages[code, a][name] for a in architectures} for name in usages[code, architectures[0]]} for code in codes]


def ptx_of(code: str, architecture: str = "compute_90") -> dict[str, str]:
    """The PTX of each kernel of ``code``."""
    need()
    (text,) = _parts([(REPORTED, architecture, code, "PTX")])
    functions = re.split(r"(?=\.visible \.entry|\.func)", text)
    return {found[1]: f for f in functions if (found := re.match(r"\.visible \.entry (\w+)", f))}


def spills(units: Sequence[Unit], architectures: Sequence[str] = ARCHITECTURES, version: str = REPORTED) -> dict[str, int]:
    """Of the kernels that spill, by their text: the most bytes that they do."""
    found = zip(units, compile_all([u.text for u in units], architectures, version), strict=True)
    most = {u.texts[name]: max(usage.spilled for usage in by.values()) for u, kernels in found for name, by in kernels.items()}
    return {text: spilled for text, spilled in most.items() if spilled}
