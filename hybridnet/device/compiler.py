"""CUDA C++ to machine code by NVRTC, kept on disk by the hash of all that it follows from: source, headers, options, compiler."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hybridnet.device import cuda, kernel_cache
from hybridnet.device.failures import raise_if_not_loadable
from hybridnet.errors import DeviceError, KernelError, Site, fail, message

_FILE = "hybridnet.cu"  # what NVRTC calls the source in its messages
_SHOWN = 8  # operators of a kernel that an error names


class Origin(NamedTuple):
    """What a kernel of a source comes from: for the error if it does not compile."""

    kernel: str
    text: str
    operators: Sequence[tuple[str, Site | None]]  # by name, and where the user calls each


def options(target: str) -> tuple[str, ...]:
    """NVRTC's options, for ``"sm_90"`` (machine code) or ``"compute_90"`` (PTX).

    ``-default-device``: NVRTC of CUDA 12 and 13.0 takes a generic lambda, ``[&](auto x) { … }``, for a function of the
    host and refuses it. All that we compile is for the device, so that it may as well be told; kernels without
    generic lambdas would be a rule for everybody who writes one, and functors in place of them are longer to read.
    """
    return ("-std=c++17", "-default-device", f"--gpu-architecture={target}")


@cache
def kernels_folder() -> Path:
    """Where the CUDA C++ sources lie: beside the package in a checkout, within it once installed."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_kernels"
    return inside if inside.is_dir() else package.parent / "kernels"


@cache
def headers() -> dict[str, str]:
    """The files of ``kernels/`` by name; sources include them by that."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(kernels_folder().glob("*.cu*"))}


@cache
def target(architecture: str) -> str:
    """What to compile for, so that a GPU of an architecture (``"sm_90"``) can load it.

    That is PTX where NVRTC is older than the GPU: of the newest architecture that it knows, which the driver takes from there.
    DeviceError for a GPU older than all that this NVRTC compiles for.
    """
    known = [int(a) for a in cuda.nvrtc().getSupportedArchs()]
    number = int(architecture.removeprefix("sm_"))
    if number in known:
        return architecture
    before = [a for a in known if a < number]
    if not before:
        fail(
            DeviceError,
            "nvrtc",
            expected=f"a GPU that NVRTC {_version()} compiles for, sm_{min(known)} or newer",
            got=architecture,
            fix='pip install "hybridnet[cuda12]" in a fresh environment, or cpu()',
        )
    found = f"compute_{max(before)}"
    logging.getLogger("hybridnet").warning(
        "NVRTC %s does not know %s: kernels are compiled to PTX for %s, which the driver has to translate when it loads them, "
        "and which may run slower; a newer NVRTC knows more architectures",
        _version(),
        architecture,
        found,
    )
    return found


def cubin(source: str, architecture: str, origins: Sequence[Origin] = ()) -> bytes:
    """What a GPU of an architecture (``"sm_90"``) can load of a translation unit: from the cache if it is there."""
    wanted = target(architecture)
    name = f"{_key(source, wanted)}.cubin"
    found = kernel_cache.read(name)
    if found is None:
        found = _compile(source, wanted, origins)
        kernel_cache.write(name, found)
    return found


def _version() -> str:
    return ".".join(map(str, cuda.nvrtc().getVersion()))


def _key(source: str, target: str) -> str:
    parts = [source, _version(), *options(target)]
    for name, text in headers().items():
        parts += [name, text]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _compile(source: str, target: str, origins: Sequence[Origin]) -> bytes:
    nvrtc = cuda.nvrtc()
    names, texts = zip(*headers().items(), strict=True)
    program = nvrtc.createProgram(source, _FILE, [t.encode() for t in texts], [n.encode() for n in names])
    try:
        nvrtc.compileProgram(program, options(target))
        return bytes(nvrtc.getCUBIN(program) if target.startswith("sm_") else nvrtc.getPTX(program))
    except nvrtc.NVRTCError as error:
        raise _refused(source, target, origins, f"{error}", nvrtc.getProgramLog(program)) from error
    finally:
        nvrtc.destroyProgram(program)


def _refused(source: str, target: str, origins: Sequence[Origin], error: str, log: str) -> KernelError:
    """The error of a source that does not compile: which kernels, of which lines of the user's, and where to read their text."""
    concerned = _concerned(source, origins, log)
    operators = list(dict.fromkeys(f"{name} at {site}" if site else name for o in concerned for name, site in o.operators))
    more = f" and {len(operators) - _SHOWN} more" if len(operators) > _SHOWN else ""
    kernels = f" in {', '.join(o.kernel for o in concerned)} (of {', '.join(operators[:_SHOWN])}{more})" if concerned else ""
    words = message(
        "nvrtc",
        expected=f"kernels that NVRTC {_version()} compiles for {target}",
        got=f"{error}{kernels}\n{log.strip()}\n",
        fix=f"reporting this with the source, {_left(source, target)}: generated code must always compile",
        site=next((site for o in concerned for _, site in o.operators if site), None),
    )
    return KernelError(words)


def _concerned(source: str, origins: Sequence[Origin], log: str) -> list[Origin]:
    """The kernels that a log of NVRTC's is about: that have a line that it names, or are named themselves."""
    lines = {int(before or after) for before, after in re.findall(rf"{_FILE}\((\d+)\)|at line (\d+) of {_FILE}", log)}
    found = []
    for origin in origins:
        begin = 1 + source[: source.find(origin.text)].count("\n")
        inside = range(begin, begin + origin.text.count("\n") + 1)
        if any(line in inside for line in lines) or re.search(rf"\b{origin.kernel}\b", log):
            found.append(origin)
    return found


def _left(source: str, target: str) -> str:
    """Where a source that does not compile was left to be read."""
    told = f"\n// nvrtc {' '.join(options(target))} -I{kernels_folder()}\n"
    try:
        return f"which is in {kernel_cache.leave(f'failed_{_key(source, target)}.cu', source + told)}"
    except OSError as error:
        return f"which could not be saved ({error})"


class Module:
    """A translation unit on a device: its functions by name."""

    def __init__(self, source: str, device_id: int, origins: Sequence[Origin] = ()) -> None:
        module = cuda.cupy().cuda.Module()
        code = cubin(source, cuda.architecture(device_id), origins)
        with cuda.cupy().cuda.Device(device_id):
            try:
                module.load(code)
            except Exception as error:
                raise_if_not_loadable(error, cuda.nvrtc().getVersion())
                raise
        self._module = module
        self._functions: dict[str, Any] = {}

    def function(self, name: str) -> Any:
        """Called as CuPy's are: ``(grid, block, arguments, shared_mem=bytes)``."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions[name] = self._module.get_function(name)
        return found
