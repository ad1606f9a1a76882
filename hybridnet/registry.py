"""Names for classes: how ``"adam"``, ``"xavier"`` or ``"acc"`` become an object.

One :class:`Registry` a family (optimizers, initializers, metrics). Relies on ``errors`` alone.
"""

from __future__ import annotations

import difflib
import json
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


_families: dict[type, Registry[Any]] = {}


def _family(base_class: type, nickname: str) -> Registry[Any]:
    return _families.setdefault(base_class, Registry(nickname))


def get_registry(base_class: type) -> dict[str, type]:
    """A copy of the classes that were entered for a base class by the functions below, by lower-case name."""
    return dict(_families[base_class].classes) if base_class in _families else {}


def get_register_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """A function ``register(klass, name=None)`` that enters subclasses of ``base_class``, under their own name if none is given.

    It raises ArgumentError for other classes.
    """
    family = _family(base_class, nickname)

    def register(klass: Any, name: str | None = None) -> Any:
        if not (isinstance(klass, type) and issubclass(klass, base_class)):
            fail(ArgumentError, nickname, expected=f"a subclass of {base_class.__name__}", got=repr(klass))
        family.classes[(name or klass.__name__).lower()] = klass
        return klass

    register.__doc__ = f"Register {nickname} to the {nickname} factory."
    return register


def get_alias_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """A decorator ``alias(*names)`` that enters a class under each of the names."""
    register = get_register_func(base_class, nickname)

    def alias(*aliases: str) -> Callable[[Any], Any]:
        def enter(klass: Any) -> Any:
            for name in aliases:
                register(klass, name)
            return klass

        return enter

    return alias


def get_create_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """A function that makes an object of a registered class.

    It takes the name and the constructor's arguments, JSON of ``[name, {arguments}]`` or of a dict with the name under the nickname, or an
    object, which it gives back. ArgumentError for a name that is not registered.
    """
    family = _family(base_class, nickname)

    def create(*args: Any, **kwargs: Any) -> Any:
        name, rest = (args[0], args[1:]) if args else (kwargs.pop(nickname, None), ())
        if isinstance(name, base_class):
            if rest or kwargs:
                fail(ArgumentError, nickname, expected=f"no arguments beside an object of {base_class.__name__}", got=repr((rest, kwargs)))
            return name
        if isinstance(name, dict):
            return create(**name)
        if not isinstance(name, str):
            fail(ArgumentError, nickname, expected="a name", got=repr(name))
        if name.startswith("["):
            name, given = json.loads(name)
            return create(name, *rest, **{**given, **kwargs})
        if name.startswith("{"):
            return create(**json.loads(name))
        return family.create(name, *rest, **kwargs)

    create.__doc__ = f"Create a {nickname} of its name, its arguments or their JSON."
    return create
