"""Names given to what is made without one: ``dense0``, ``dense1`` …

MXNet's ``NameManager`` and ``Prefix``: the active manager names Gluon's outermost blocks. Relies on
nothing else of the package.
"""

from __future__ import annotations

import threading


class NameManager:
    """Numbers names by their hint. In a ``with`` block it is the one that names."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def get(self, name: str | None, hint: str) -> str:
        """``name`` if there is one, else the next name of that hint."""
        return name or self.next(hint)

    def next(self, hint: str) -> str:
        """The next name of a hint: ``dense0``, then ``dense1``."""
        count = self._counts.get(hint, 0)
        self._counts[hint] = count + 1
        return f"{hint}{count}"

    def __enter__(self) -> NameManager:
        _active.managers.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _active.managers.pop()


class Prefix(NameManager):
    """A manager that puts a prefix before every name."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        return self._prefix + super().get(name, hint)


class _Active(threading.local):
    def __init__(self) -> None:
        self.managers = [NameManager()]


_active = _Active()


def current() -> NameManager:
    """The manager that names in this thread now."""
    return _active.managers[-1]
