"""Straight lines of NumPy in place of an operator's parts: what the runtime wrote for arrays of one kind, kept on the operator's record.

The parts of a composite, each called through ``apply``, pay for a handle and for the checks of a call; so do those of a gradient.
Called for the eighth time with operands of the same shapes, dtypes and attributes they are traced, and run as one function from then
on, which gives the same to the bit (``tests/ops/test_lines.py``). What the parts are stands in the record alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

from hybridnet.exact import exact

#: A line is written at this call: tracing takes as long as some hundred calls of parts, and most shapes that come once do not come again.
CALLS = 8
#: Of each operator so many lines are kept, and as many other calls are counted.
KEPT = 256


class Line(NamedTuple):
    """``run(*data)`` gives a tuple of data.

    calls: how many calls of operators it is. single: whether its one result is given by itself. shared: of each of the tuple
    the number of the input that it is, or is a view of; -1 of what has its own memory. places: of gradients, where in the tuple
    that of each input is, None of one that has none.
    """

    run: Callable[..., tuple[Any, ...]]
    calls: int
    single: bool
    shared: tuple[int, ...]
    places: tuple[int | None, ...] = ()


_lock = threading.Lock()  # never waited for: who does not get it calls the parts


class Lines:
    """The lines of one operator, by what they were written for; None where there is none to write."""

    __slots__ = ("calls", "found", "short")

    def __init__(self) -> None:
        self.found: dict[Hashable, Line | None] = {}
        self.calls: dict[Hashable, int] = {}
        self.short: set[tuple[bool, ...]] = set()  # inputs whose gradients are a call at most, which no line makes shorter

    def counted(self, key: Hashable, write: Callable[[], Line | None]) -> Line | None:
        """Count a call that has no line yet; at the eighth ``write`` it."""
        if not _lock.acquire(blocking=False):
            return None
        try:
            count = self.calls.pop(key, 0) + 1
            if count < CALLS:
                if len(self.calls) >= KEPT:
                    self.calls.clear()
                self.calls[key] = count
                return None
            line = write()
            if len(self.found) >= KEPT:
                del self.found[next(iter(self.found))]
            self.found[key] = line
            return line
        finally:
            _lock.release()


_AS_THEY_ARE = frozenset({int, bool, str, type(None)})
_AXES = {int}


def attrs_key(attrs: Mapping[str, Any]) -> tuple[Hashable, ...]:
    """A key of attributes in the order in which they were given, by type and bits."""
    key: list[Hashable] = []
    for name, value in attrs.items():
        kind = value.__class__
        if kind in _AS_THEY_ARE or (kind is tuple and {*map(type, value)} == _AXES):
            key.append((name, kind, value))
        else:
            key.append((name, exact(value)))
    return tuple(key)
