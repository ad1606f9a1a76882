"""When a compiled function is compiled anew: the key of a compilation, and what became different in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hybridnet.config import config
from hybridnet.core import Precision, Spec, local
from hybridnet.core.tree import LEAF
from hybridnet.device import Device, current_device
from hybridnet.dtypes import Dtype, defaults
from hybridnet.exact import Exact


class Given(NamedTuple):
    """What a compilation depends on of an array that a function is called with."""

    shape: tuple[int, ...]
    dtype: Dtype
    device: Device
    kind: type[Any]
    variable: bool  # whether gradients flow into it

    def difference(self, before: Given) -> str:
        """What of it is other than before."""
        parts = []
        if (self.shape, self.dtype) != (before.shape, before.dtype):
            parts.append(f"{Spec(before.shape, before.dtype)} became {Spec(self.shape, self.dtype)}")
        if self.device != before.device:
            parts.append(f"on {before.device} became on {self.device}")
        if self.kind is not before.kind:
            parts.append(f"{before.kind.__module__}.{before.kind.__name__} became {self.kind.__module__}.{self.kind.__name__}")
        if self.variable != before.variable:
            parts.append("it has a gradient now" if self.variable else "it has no gradient now")
        return ", ".join(parts)


class Key(NamedTuple):
    """All that a compilation depends on and a call shows; calls with an equal key share a program.

    And while nothing has changed of the objects that its trace read: see :class:`hybridnet.core.identity.Read`.
    """

    structure: Any  # of the arguments, values that are no arrays included
    arrays: tuple[Given, ...]
    device: Device  # the current one, on which arrays are made
    recording: bool
    training: bool
    precision: Precision | None
    numpy_types: bool  # whether NumPy's default element types are asked for
    disabled_passes: frozenset[str]
    disabled_libraries: frozenset[str]
    tf32: bool
    winograd: bool
    deterministic: bool
    fast_math: bool
    score_bytes: int

    def differences(self, before: Key) -> list[str]:
        """What is other than in an earlier key, in words: of the arguments, then of the modes."""
        found = _argument_differences(self, before)
        for name in Key._fields[2:]:
            mine, theirs = getattr(self, name), getattr(before, name)
            if mine != theirs:
                found.append(f"{name}: {theirs} became {mine}")
        return found


def key_of(structure: Any, leaves: Sequence[Any]) -> tuple[Any, ...]:
    """The key of a call with these arguments in the modes of now: equal to a :class:`Key`, but a plain tuple: every call makes one."""
    recording = local.recording
    return (
        structure,
        tuple([(x._data.shape, x._data.dtype, x._device, type(x), recording and x._tape is not None) for x in leaves]),
        current_device(),
        recording,
        local.training,
        local.precision,
        defaults.numpy,
        config.disabled_passes,
        config.disabled_libraries,
        config.tf32,
        config.winograd,
        config.deterministic,
        config.fast_math,
        config.score_bytes,
    )


def _argument_differences(key: Key, before: Key) -> list[str]:
    mine, theirs = _arguments(key), _arguments(before)
    found = []
    for path in {**theirs, **mine}:
        new, old = mine.get(path), theirs.get(path)
        if new == old:
            continue
        if isinstance(new, Given) and isinstance(old, Given):
            found.append(f"{path}: {new.difference(old)}")
        else:
            found.append(f"{path}: {_shown(old)} became {_shown(new)}")
    if not found and key.structure != before.structure:
        found.append("arguments: other tuples, lists or dicts hold the same values")
    return found


def _shown(argument: Given | Exact | None) -> str:
    if argument is None:
        return "nothing"
    return str(Spec(argument.shape, argument.dtype)) if isinstance(argument, Given) else repr(argument.value)


def _arguments(key: Key) -> dict[str, Given | Exact]:
    """The arrays and other values of a call by where they stand: ``argument 0``, ``argument 1[2]``, ``argument mask``."""
    arrays = iter(key.arrays)
    _, (_, *args), (_, names, *kwargs) = key.structure
    found: dict[str, Given | Exact] = {}
    for name, structure in [*enumerate(args), *((name.value, s) for name, s in zip(names, kwargs, strict=True))]:
        for path, leaf in _leaves(structure, f"argument {name}"):
            found[path] = Given(*next(arrays)) if leaf == LEAF else leaf
    return found


def _leaves(structure: Any, path: str) -> Iterator[tuple[str, Any]]:
    if structure == LEAF or isinstance(structure, Exact):
        yield path, structure
        return
    kind, *items = structure
    names: Sequence[Any] = range(len(items))
    if kind is dict:
        names, items = [name.value for name in items[0]], items[1:]
    for name, item in zip(names, items, strict=True):
        yield from _leaves(item, f"{path}[{name!r}]")
