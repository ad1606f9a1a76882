"""What compiled programs know an object by: its name, and how often it changed in a way that they depend on.

A trace reads more than the values of arrays: whether a gradient is delivered to a parameter, a block's
children, an optimizer's choice of formula. Such an object has an :class:`Identity`, which counts its
changes. A compiled program notes the identities that its trace read, each with the count of then, and is
compiled anew when one of those has moved on: no other change concerns it. Names are those under which graphs show arrays.
"""

from __future__ import annotations

from typing import Any


class Identity:
    """The name of an object and its changes; what that object is, it does not know."""

    __slots__ = ("changes", "count", "is_read", "name", "shared")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.count = 0
        self.changes: dict[str, int] = {}  # what changed: the count after its last change
        self.is_read = False  # whether a compiled program depends on it
        self.shared: Any = None  # among whom an array is divided, of which this one is a slice

    def change(self, what: str) -> None:
        """Count a change of ``what`` (an attribute's name)."""
        self.count += 1
        self.changes[what] = self.count
        if self.is_read:
            changes.count += 1

    def since(self, count: int) -> list[str]:
        """What changed since the count was that."""
        return [f"{self.name or 'an array'}.{what}" for what, last in self.changes.items() if last > count]


class Changes:
    """How many changes there were of objects that any compiled program depends on: while this stays, all programs are valid."""

    count = 0


changes = Changes()


def identity(thing: Any, name: str = "") -> Identity:
    """The identity of an object, made at the first request; a ``name`` is given to one that has none."""
    found: Identity | None = getattr(thing, "_identity", None)
    if found is None:
        found = thing._identity = Identity(name)
    elif name and not found.name:
        found.name = name
    return found


def named(thing: Any, text: str) -> Any:
    """Give an object the name under which graphs and the reasons of retraces show it; gives the object."""
    identity(thing).name = text
    return thing


def name_of(thing: Any) -> str:
    """The name that an object was given; empty without one."""
    found: Identity | None = getattr(thing, "_identity", None)
    return "" if found is None else found.name


def shared_among(thing: Any) -> Any:
    """Among whom an array is divided, of which this one is a slice; None for a whole."""
    found: Identity | None = getattr(thing, "_identity", None)
    return None if found is None else found.shared


def changed(thing: Any, what: str) -> None:
    """Something of an object besides arrays' values changed, on which programs that read it depend."""
    found: Identity | None = getattr(thing, "_identity", None)
    if found is not None:
        found.change(what)


class Read:
    """The identities that a program's trace read, with their counts of then."""

    __slots__ = ("checked", "counts")

    def __init__(self, identities: Any) -> None:
        self.counts: tuple[tuple[Identity, int], ...] = tuple((one, one.count) for one in identities)
        self.checked = changes.count  # when it was last found to be current
        for one, _ in self.counts:
            one.is_read = True

    def is_current(self) -> bool:
        """Whether nothing of what was read has changed; surely so if ``checked`` is ``changes.count``."""
        now = changes.count
        if any(one.count != count for one, count in self.counts):
            return False
        self.checked = now
        return True

    def changed(self) -> list[str]:
        """What of it has changed, in words."""
        return list(dict.fromkeys(f"{what} changed" for one, count in self.counts for what in one.since(count)))
