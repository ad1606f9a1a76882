"""CUDA C++ to machine code by NVRTC, and the cache of it on disk.

A file of the cache is named by the hash of all that it follows from: source, headers, options, architecture,
compiler. It is written under another name and renamed, and begins with a digest of its contents, so
that processes side by side do no harm, and one that is killed in the middle leaves nothing that is taken for whole.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hybridnet.config import config
from hybridnet.device import cuda
from hybridnet.errors import HybridnetError, message

_OPTIONS = ("-std=c++17",)
_DIGEST = hashlib.sha256().digest_size


@cache
def kernels_folder() -> Path:
    """Where the CUDA C++ sources lie: beside the package in a checkout, within it once installed."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_kernels"
    return inside if inside.is_dir() else package.parent / "kernels"


@cache
def _headers() -> dict[str, str]:
    """The files of ``kernels/`` by name; sources include them by that."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(kernels_folder().glob("*.cu*"))}


def cubin(source: str, architecture: str) -> bytes:
    """The machine code of a translation unit for an architecture (``"sm_90"``), from the cache if it is there."""
    path = Path(config.cache_dir).expanduser() / f"{_key(source, architecture)}.cubin"
    found = _read(path)
    if found is None:
        found = _compile(source, architecture)
        _write(path, found)
    return found


def _key(source: str, architecture: str) -> str:
    parts = [source, architecture, str(cuda.nvrtc().getVersion()), *_OPTIONS]
    for name, text in _headers().items():
        parts += [name, text]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _read(path: Path) -> bytes | None:
    """The contents of a file of the cache; None if it is not there, or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, contents = data[:_DIGEST], data[_DIGEST:]
    return contents if hashlib.sha256(contents).digest() == digest else None


def _write(path: Path, contents: bytes) -> None:
    """Keep machine code. A cache that cannot be written costs time and nothing else."""
    made: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(contents).digest() + contents)
        os.replace(made, path)
    except OSError:
        if made is not None and os.path.exists(made):
            os.unlink(made)


def _compile(source: str, architecture: str) -> bytes:
    nvrtc = cuda.nvrtc()
    names, texts = zip(*_headers().items(), strict=True)
    program = nvrtc.createProgram(source, "hybridnet.cu", [t.encode() for t in texts], [n.encode() for n in names])
    try:
        nvrtc.compileProgram(program, [*_OPTIONS, f"--gpu-architecture={architecture}"])
        return bytes(nvrtc.getCUBIN(program))
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program)
        raise HybridnetError(
            message(
                "nvrtc",
                expected=f"kernels that compile for {architecture}",
                got=f"{error}\n{log}",
                fix="reporting this with the log above: generated code must always compile",
            )
        ) from error
    finally:
        nvrtc.destroyProgram(program)


class Module:
    """A translation unit on a device: its functions by name."""

    def __init__(self, source: str, device_id: int) -> None:
        module = cuda.cupy().cuda.Module()
        with cuda.cupy().cuda.Device(device_id):
            module.load(cubin(source, cuda.architecture(device_id)))
        self._module = module
        self._functions: dict[str, Any] = {}

    def function(self, name: str) -> Any:
        """Called as CuPy's are: ``(grid, block, arguments, shared_mem=bytes)``."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = self._module.get_function(name)
        return found
