"""Marks of a program's own in a profile: tasks, frames, events, counters, markers, and domains that gather them."""

from __future__ import annotations

import threading
from typing import Any

from hybridnet.profiler.session import Moment, Reading, Session, Span, now

session = Session()  # the profile of this process


class Domain:
    """A group of marks, by name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """A :class:`Task` of this group."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """A :class:`Frame` of this group."""
        return Frame(self, name)

    def new_counter(self, name: str, value: float | None = None) -> Counter:
        """A :class:`Counter` of this group."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """A :class:`Marker` of this group."""
        return Marker(self, name)


class _Timed:
    """Something that starts and stops; also a ``with`` block."""

    _nests = False  # two of them may overlap

    def __init__(self, category: str, name: str) -> None:
        self.name = name
        self._category = category
        self._begin: int | None = None

    def start(self) -> None:
        """It begins."""
        self._begin = now()

    def stop(self) -> None:
        """It ends. Nothing happens if it has not begun."""
        if self._begin is not None:
            session.add(Span(self._category, self.name, self._begin, now(), threading.get_ident(), nests=self._nests))
            self._begin = None

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return self.name


class Task(_Timed):
    """A piece of work of a program's own."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(domain.name, name)
        self.domain = domain


class Frame(_Timed):
    """A piece of work that comes again and again, such as a batch."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(f"{domain.name},frame", name)
        self.domain = domain


class Event(_Timed):
    """A piece of work of one thread."""

    def __init__(self, name: str) -> None:
        super().__init__("event", name)


class scope(_Timed):
    """``with scope("encoder"): ...``: what is done in the body, under a name. A scope within another is named after both, as MXNet 2's.

    With ``append_mode=False`` after itself alone.
    """

    _nests = True
    _open = threading.local()

    def __init__(self, name: str = "<unk>", append_mode: bool = True) -> None:
        super().__init__("scope", name.rstrip(":"))
        self._append = append_mode

    def __enter__(self) -> scope:
        self._before = getattr(self._open, "name", "")
        self._given = self.name
        if self._append and self._before:
            self.name = f"{self._before}:{self.name}"
        self._open.name = self.name
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._open.name, self.name = self._before, self._given


class Counter:
    """A number that changes, as a curve in the trace."""

    def __init__(self, domain: Domain, name: str, value: float | None = None) -> None:
        self.name = name
        self.domain = domain
        self._value = 0.0
        if value is not None:
            self.set_value(value)

    def set_value(self, value: float) -> None:
        """Its value from now on."""
        self._value = value
        session.add(Reading(self.domain.name, self.name, now(), value))

    def increment(self, delta: float = 1) -> None:
        """Add to it."""
        self.set_value(self._value + delta)

    def decrement(self, delta: float = 1) -> None:
        """Take from it."""
        self.set_value(self._value - delta)

    def __iadd__(self, delta: float) -> Counter:
        self.increment(delta)
        return self

    def __isub__(self, delta: float) -> Counter:
        self.decrement(delta)
        return self

    def __str__(self) -> str:
        return self.name


class Marker:
    """A moment in the trace."""

    def __init__(self, domain: Domain, name: str) -> None:
        self.name = name
        self.domain = domain

    def mark(self, scope: str = "process") -> None:
        """Now. ``scope``: ``global``, ``process``, ``thread``, ``task`` or ``marker``, which says how wide the trace shows it."""
        wide = {"global": "g", "process": "p"}.get(scope, "t")
        session.add(Moment(f"{self.domain.name},instant_marker", self.name, now(), threading.get_ident(), wide))
