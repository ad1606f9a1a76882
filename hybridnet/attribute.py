"""``mx.attribute``: attributes that all symbols made in a ``with`` block get."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import ClassVar

from hybridnet.errors import ArgumentError, fail


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.scopes: list[AttrScope] = []


class AttrScope:
    """Attributes for the symbols made in its ``with`` block, kept as ``__name__``; inner scopes add to outer ones.

    Values are strings; anything else is an ArgumentError.
    """

    _active: ClassVar[_Scopes] = _Scopes()

    def __init__(self, **kwargs: str) -> None:
        for key, value in kwargs.items():
            check(key, value)
        self._attr = {_kept(key): value for key, value in kwargs.items()}

    def get(self, attr: Mapping[str, str] | None) -> dict[str, str]:
        """The attributes of this scope and those given, which win."""
        return {**self._attr, **(attr or {})}

    def __enter__(self) -> AttrScope:
        scopes = self._active.scopes
        if scopes:
            self._attr = {**scopes[-1]._attr, **self._attr}
        scopes.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._active.scopes.pop()


def _kept(key: str) -> str:
    return key if key.startswith("__") and key.endswith("__") else f"__{key}__"


def check(key: str, value: object) -> None:
    """ArgumentError for a value that is no string."""
    if not isinstance(value, str):
        fail(ArgumentError, "AttrScope", expected=f"a string as the attribute {key}", got=type(value).__name__, fix=f"str({value!r})")


_OUTSIDE = AttrScope()


def current() -> AttrScope:
    """The scope of this thread now."""
    scopes = AttrScope._active.scopes
    return scopes[-1] if scopes else _OUTSIDE
