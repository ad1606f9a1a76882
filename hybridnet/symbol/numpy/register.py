"""Functions of ``sym.np`` that are an operator each, made from its record."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from hybridnet import absent
from hybridnet.numpy_operators import OPERATORS
from hybridnet.numpy_operators.namespaces import named
from hybridnet.symbol.symbol import OPERATORS as CLASSIC
from hybridnet.symbol.symbol import Symbol, called_numpy


def function_of(op: str, name: str) -> Callable[..., Symbol]:
    """The function of symbols for an operator of ``np``, or one of ``nd`` that is in ``np`` too; ``name``: its own."""

    def function(*args: Any, **kwargs: Any) -> Symbol:
        return called_numpy(op, args, kwargs, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (OPERATORS.get(op) or CLASSIC[op]).documentation
    return function


_NAMES = """
    all amax amin any copy cumsum diag diagflat diagonal dot max min moveaxis prod product reshape roll
    sometrue squeeze sum trace transpose
"""

FUNCTIONS: dict[str, Callable[..., Any]] = {name: function_of(f"_np_{name}", name) for name in _NAMES.split()}
FUNCTIONS["repeat"] = function_of("repeat", "repeat")


def namespace(module: str, prefix: str) -> ModuleType:
    """The operators whose names begin with ``prefix``, by what follows, as a module of that name."""
    return absent.namespace(module, f"The operators ``{prefix}…`` by what follows, of symbols.", named(prefix, function_of))
