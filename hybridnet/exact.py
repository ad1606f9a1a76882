"""Values told apart by type and bits, where Python's ``==`` is too kind for a key.

To Python 0.0 equals -0.0, 1 equals True and 1.0, and NaN is not itself; to a program they are four numbers, and one.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

_PLAIN = (str, int, bool, type(None))


def exact(value: Any) -> Hashable:
    """A key that is equal for values of one type and the same bits, and for those alone; within tuples and the like too.

    Not hashable where the value is not.
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if isinstance(value, np.generic):
        return kind, value.dtype, value.tobytes()
    if isinstance(value, float):
        return kind, struct.pack("d", value)
    if isinstance(value, complex):
        return kind, struct.pack("dd", value.real, value.imag)
    if isinstance(value, (tuple, list)):
        return (kind, *map(exact, value))
    if isinstance(value, frozenset):
        return kind, frozenset(map(exact, value))
    if dataclasses.is_dataclass(value) and kind.__eq__ is not object.__eq__:
        return (kind, value, *(exact(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare))
    return kind, value


class Exact:
    """A value that equals another of the same type and bits alone."""

    __slots__ = ("_key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = exact(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return repr(self.value)


def exact_attrs(attrs: Mapping[str, Any]) -> Hashable:
    """A key of an operator's attributes, in whatever order they were given."""
    return tuple((name, exact(attrs[name])) for name in sorted(attrs))
