"""Functions of ``sym.np`` that work element by element: of symbols a node, of numbers alone a number, as in MXNet."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from hybridnet.errors import SignatureError, fail
from hybridnet.numpy_operators import OPERATORS
from hybridnet.symbol.symbol import Symbol, called_numpy


def _unary(name: str, op: str) -> Callable[..., Any]:
    def function(x: Any, out: Any = None, **kwargs: Any) -> Any:
        return getattr(np, name)(x) if isinstance(x, Number) else called_numpy(op, (x,), kwargs)

    return _named(function, name, op)


def _named(function: Callable[..., Any], name: str, op: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = OPERATORS[op].function.__doc__ if op in OPERATORS else f"NumPy's ``{name}``, element by element."
    return function


_OWN = """
    absolute cbrt ceil cos cosh degrees exp expm1 fix floor isfinite isinf isnan isneginf isposinf logical_not negative radians rint sign
    sin sinh square tan tanh trunc log log10 log1p log2 reciprocal sqrt arcsin arccos arctan arcsinh arccosh arctanh bitwise_not
"""
_OTHERS = {"abs": "_npi_abs", "fabs": "_npi_abs", "deg2rad": "_npi_radians", "rad2deg": "_npi_degrees", "invert": "_npi_bitwise_not"}

FUNCTIONS: dict[str, Callable[..., Any]] = {name: _unary(name, f"_npi_{name}") for name in _OWN.split()}
FUNCTIONS |= {name: _unary(name, op) for name, op in _OTHERS.items()}


_HINTS = {"broadcast_maximum": "maximum", "broadcast_minimum": "minimum"}


def with_number(op: str, x: Symbol, number: Any, is_int: bool) -> Any:
    """An operator of a symbol and a number; ``is_int`` as MXNet writes it."""
    return called_numpy(op, (x,), {"scalar": float(number), "is_int": is_int})


def combined(name: str, both: str, scalar: str, reflected: str, x1: Any, x2: Any) -> Any:
    """The operator by what its operands are: two symbols, a symbol and a number, or two numbers; SignatureError for anything else."""
    if isinstance(x1, Symbol) and isinstance(x2, Symbol):
        return called_numpy(both, (x1, x2), {}, _HINTS.get(both, ""))
    if isinstance(x1, Symbol) and isinstance(x2, Number):
        return with_number(scalar, x1, x2, isinstance(x2, (int, np.integer)))
    if isinstance(x1, Number) and isinstance(x2, Symbol):
        return with_number(reflected, x2, x1, is_int=False)
    if not (isinstance(x1, Number) and isinstance(x2, Number)):
        fail(SignatureError, name, expected="symbols and numbers", got=f"{type(x1).__name__} and {type(x2).__name__}")
    return getattr(np, name)(x1, x2)


def _binary(name: str, both: str, scalar: str, reflected: str) -> Callable[..., Any]:
    def function(x1: Any, x2: Any, out: Any = None, **kwargs: Any) -> Any:
        return combined(name, both, scalar, reflected, x1, x2)

    return _named(function, name, both)


#: By name: the operator of two symbols, that of a symbol and a number, and that of a number and a symbol.
BINARY: dict[str, tuple[str, str, str]] = {
    **{name: (f"_npi_{name}", f"_npi_{name}_scalar", f"_npi_{name}_scalar") for name in ["add", "multiply", "equal", "not_equal", "lcm"]},
    **{name: (f"_npi_{name}", f"_npi_{name}_scalar", f"_npi_{name}_scalar") for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]},
    **{name: (f"_npi_{name}", f"_npi_{name}_scalar", f"_npi_r{name}_scalar") for name in ["subtract", "mod", "power", "true_divide"]},
    **{name: (f"_npi_{name}", f"_npi_{name}_scalar", f"_npi_r{name}_scalar") for name in ["arctan2", "copysign", "ldexp"]},
    "greater": ("_npi_greater", "_npi_greater_scalar", "_npi_less_scalar"),
    "greater_equal": ("_npi_greater_equal", "_npi_greater_equal_scalar", "_npi_less_equal_scalar"),
    "less": ("_npi_less", "_npi_less_scalar", "_npi_greater_scalar"),
    "less_equal": ("_npi_less_equal", "_npi_less_equal_scalar", "_npi_greater_equal_scalar"),
    "maximum": ("broadcast_maximum", "_maximum_scalar", "_maximum_scalar"),
    "minimum": ("broadcast_minimum", "_minimum_scalar", "_minimum_scalar"),
    "hypot": ("_npi_hypot", "_hypot_scalar", "_hypot_scalar"),
}
BINARY |= {"divide": BINARY["true_divide"], "remainder": BINARY["mod"]}
FUNCTIONS |= {name: _binary(name, *ops) for name, ops in BINARY.items()}


def operator(name: str) -> Callable[[Any, Any], Any]:
    """The method of a symbol for one of Python's operators: ``NotImplemented`` for what it does not know."""
    ops = BINARY[name]

    @functools.wraps(FUNCTIONS[name])
    def method(self: Any, other: Any) -> Any:
        return combined(name, *ops, self, other) if isinstance(other, (Symbol, Number)) else NotImplemented

    return method


def reflection(name: str) -> Callable[[Any, Any], Any]:
    """The same with the symbol as the second operand; of a sum MXNet exchanges the two."""
    ops, exchanged = BINARY[name], name == "add"

    @functools.wraps(FUNCTIONS[name])
    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, (Symbol, Number)):
            return NotImplemented
        return combined(name, *ops, self, other) if exchanged else combined(name, *ops, other, self)

    return method
