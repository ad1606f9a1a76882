"""An optimizer's hyper-parameters as inputs of a compiled update: arrays of no dimensions, which the host writes when a value changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hybridnet.core import array, named, suspended_trace
from hybridnet.device import Device


class derived:
    """A number that follows from others: as an attribute it is ``fn(optimizer)``, calculated by the host in Python's floats.

    ``1 - beta`` is one: in float32 it would lose the digits that a beta near 1 leaves of it.
    """

    def __init__(self, fn: Callable[[Any], float]) -> None:
        self.fn = fn

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.fn(instance)


class Numbers:
    """Named numbers on a device, each in the types that were asked for; ``prefix`` begins their names in graphs."""

    def __init__(self, device: Device, prefix: str) -> None:
        self.device = device
        self.prefix = prefix
        self.values: dict[str, float] = {}
        self._arrays: dict[str, dict[Any, Any]] = {}  # by name and dtype

    def write(self, values: Mapping[str, float]) -> None:
        """Set numbers from the host, those that changed."""
        for name, value in values.items():
            if self.values.get(name) != value:
                self.values[name] = value
                for one in self._arrays.get(name, {}).values():
                    with suspended_trace():
                        one[...] = value

    def array(self, name: str, dtype: Any) -> Any:
        """The array of a number, made at the first request; it follows the number."""
        arrays = self._arrays.setdefault(name, {})
        if dtype not in arrays:
            with suspended_trace():
                arrays[dtype] = named(array(self.values[name], dtype, self.device), self.prefix + name)
        return arrays[dtype]
