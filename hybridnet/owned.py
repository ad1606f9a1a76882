"""Methods that what they belong to owns: a block holds the function that is compiled from its ``forward``, and is not held by it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from hybridnet.errors import HybridnetError, fail


class OwnedMethod:
    """A bound method that does not keep its object alive.

    An object that keeps ``jit(self.method)`` would be kept by it in turn, and both, with all their arrays, would stay until
    Python's collector of cycles runs. With this they go when the last reference to the object goes.
    """

    __slots__ = ("__name__", "_ref")

    def __init__(self, method: Callable[..., Any]) -> None:
        self._ref = weakref.WeakMethod(method)
        self.__name__ = getattr(method, "__name__", type(method).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.method(*args, **kwargs)

    @property
    def method(self) -> Callable[..., Any]:
        """The method itself, which keeps its object alive for as long as it is held."""
        method = self._ref()
        if method is None:
            fail(
                HybridnetError,
                self.__name__,
                expected="a block that is still there",
                got="one that was dropped",
                fix="keeping a reference to it",
            )
        return method


def held(fn: Callable[..., Any]) -> Any:
    """What must be held for ``fn`` to stay callable: itself, or the method of one that is owned."""
    return fn.method if isinstance(fn, OwnedMethod) else fn
