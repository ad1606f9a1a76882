"""Names for classes: how ``"adam"``, ``"xavier"`` or ``"acc"`` become an object.

One :class:`Registry` a family (optimizers, initializers, metrics). Relies on ``errors`` alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hybridnet.errors import ArgumentError, check_call, fail

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """The classes of one family by lower-case name."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.classes: dict[str, type[T]] = {}

    def register(self, klass: C) -> C:
        """Enter a class under its own name; usable as a decorator. A later one replaces it."""
        self.classes[klass.__name__.lower()] = klass
        return klass

    def alias(self, *names: str) -> Callable[[C], C]:
        """A decorator that enters a class under further names."""

        def enter(cls: C) -> C:
            self.register(cls)
            for name in names:
                self.classes[name.lower()] = cls
            return cls

        return enter

    def find(self, name: str) -> type[T]:
        """The class of that name, or an error that lists near ones."""
        found = self.classes.get(str(name).lower())
        if found is None:
            near = difflib.get_close_matches(str(name).lower(), self.classes, 3)
            fail(ArgumentError, self.family, expected="one of " + ", ".join(sorted(self.classes)), got=repr(name), fix=" or ".join(near))
        return found

    def create(self, name: Any, *args: Any, **kwargs: Any) -> T:
        """A new object of the class of that name."""
        cls = self.find(name)
        try:
            return cls(*args, **kwargs)
        except TypeError:
            check_call(cls.__name__, cls, args, kwargs)
            raise
