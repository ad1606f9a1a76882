"""The kernels of many CUDA programs in a few translation units: g++ takes a second for one kernel, and little more for a hundred."""

import re
from typing import Any

from hybridnet.compile import Compiled
from hybridnet.runtime.cuda_program import CudaProgram

from . import loading
from .emulator import modules

_GLOBAL = re.compile(r'^extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(', re.MULTILINE)
_INCLUDE = re.compile(r"^#include .*$", re.MULTILINE)
KERNELS_A_UNIT = 100


class _Renamed:
    """``hybridnet.device.compiler.Module`` for one program: its kernels under the names that they have in a common unit."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.library: Any = None  # of the emulator's module, once that is compiled

    def function(self, name: str) -> Any:
        module = loading.Module()
        module.library = self.library
        return module.get_function(self.prefix + name)


class Bulk:
    """Programs that are compiled together."""

    def __init__(self) -> None:
        self.units: list[tuple[dict[str, None], list[str], list[_Renamed]]] = []
        self.count = KERNELS_A_UNIT
        self.programs = 0

    def add(self, program: CudaProgram) -> None:
        text = program.source.text
        names = _GLOBAL.findall(text)
        if self.count + len(names) > KERNELS_A_UNIT:
            self.units.append(({}, [], []))
            self.count = 0
        includes, bodies, made = self.units[-1]
        prefix = f"p{self.programs}_"
        includes.update(dict.fromkeys(_INCLUDE.findall(text)))
        body = _INCLUDE.sub("", text)
        for name in names:  # and the functions that are named after it
            body = re.sub(rf"\b{name}(?=\(|_)", prefix + name, body)
        bodies.append(body)
        made.append(_Renamed(prefix))
        program._module = made[-1]  # type: ignore[assignment]
        self.count += len(names)
        self.programs += 1

    def add_compiled(self, compiled: Compiled) -> None:
        """All programs of a compiled function."""
        self.add(compiled.program)  # type: ignore[arg-type]
        if compiled.halves is not None:
            self.add(compiled.backward)  # type: ignore[arg-type]

    def build(self) -> None:
        for (_, _, made), module in zip(self.units, modules(["\n".join([*i, *b]) for i, b, _ in self.units]), strict=True):
            for renamed in made:
                renamed.library = module.library
