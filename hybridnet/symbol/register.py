"""``sym.X`` for every classic operator: each is made from the operator's record, whoever entered it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol.symbol import NAMESPACES, Symbol, called


def function_of(op: str, name: str) -> Callable[..., Symbol]:
    """The function of symbols for the operator that ``nd`` has under the name ``op``; ``name``: its own."""

    def function(*args: Any, **kwargs: Any) -> Symbol:
        return called(op, args, kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = OPERATORS[op].documentation
    return function


def functions(namespace: str) -> dict[str, Callable[..., Symbol]]:
    """The operators of a namespace, ``contrib`` say, by the names that they have there."""
    start = NAMESPACES[namespace]
    return {op.removeprefix(start): function_of(op, op.removeprefix(start)) for op in OPERATORS if op.startswith(start)}


def named(names: Iterable[str]) -> dict[str, Callable[..., Symbol]]:
    """The operators of these names that there are."""
    return {name: function_of(name, name) for name in names if name in OPERATORS}


def public() -> dict[str, Callable[..., Symbol]]:
    """The operators of ``sym`` itself."""
    return named(name for name in OPERATORS if not name.startswith("_"))


def internal() -> dict[str, Callable[..., Symbol]]:
    """All operators by all of their names: ``sym._internal``."""
    return named(OPERATORS)
