"""The kernels of many CUDA programs in a few translation units: g++ takes a second for one kernel, and little more for a hundred."""

import re
from typing import Any, NamedTuple

from hybridnet.compiled import CompiledCall
from hybridnet.runtime.cuda_program import CudaProgram

from . import loading
from .emulator import RawModule, modules

_INCLUDE = re.compile(r"^#include .*$", re.MULTILINE)
KERNELS_A_UNIT = 100


class Unit:
    """A translation unit in the making: include lines, texts of kernels by name; once compiled, the module."""

    def __init__(self) -> None:
        self.includes: dict[str, None] = {}
        self.texts: dict[str, str] = {}
        self.module: RawModule | None = None

    @property
    def text(self) -> str:
        return "\n".join([*self.includes, "", *self.texts.values()])


class _Place(NamedTuple):
    """Where a kernel is, and under which name."""

    unit: Unit
    name: str


class _Module:
    """``hybridnet.device.compiler.Module`` for one program: its kernels by the names that it has for them."""

    def __init__(self, places: dict[str, _Place], device_id: int) -> None:
        self.places = places
        self.device_id = device_id

    def function(self, name: str) -> Any:
        unit, name = self.places[name]
        assert unit.module is not None, "Bulk.build comes first"
        module = loading.Module()
        module.library, module.device_id = unit.module.library, self.device_id
        return module.get_function(name)


class Bulk:
    """Programs that are compiled together; kernels of the same text are one."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.places: dict[str, _Place] = {}  # by text, the name left out

    def add(self, program: CudaProgram) -> None:
        includes = _INCLUDE.findall(program.source.text)
        places = {name: self._place(name, kernel.text, includes) for name, kernel in program.source.kernels.items()}
        program._module = _Module(places, program.device.device_id)  # type: ignore[assignment]

    def _place(self, name: str, text: str, includes: list[str]) -> _Place:
        neutral = re.sub(rf"\b{name}(?=\(|_)", "@", text)  # the kernel, and the functions that are named after it
        found = self.places.get(neutral)
        if found is None:
            if not self.units or len(self.units[-1].texts) == KERNELS_A_UNIT:
                self.units.append(Unit())
            found = self.places[neutral] = _Place(self.units[-1], f"k{len(self.places)}_{name}")
            found.unit.includes.update(dict.fromkeys(includes))
            found.unit.texts[found.name] = neutral.replace("@", found.name)
        return found

    def add_compiled(self, compiled: CompiledCall) -> None:
        """All programs of a compiled function."""
        for program in compiled.programs:
            self.add(program)  # type: ignore[arg-type]

    def build(self) -> None:
        for unit, module in zip(self.units, modules([u.text for u in self.units]), strict=True):
            unit.module = module
