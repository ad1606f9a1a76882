"""Entering an operator of ``np``: as ``@classic`` does, under NumPy's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet import core
from hybridnet.ndarray.record import Attributes, ClassicOperator, TypeRule, record_of
from hybridnet.ndarray.register import FUNCTIONS as CLASSIC_FUNCTIONS
from hybridnet.ndarray.register import OPERATORS as CLASSIC
from hybridnet.ndarray.register import reader
from hybridnet.ops.vocabulary import NUMPY, Vocabulary

#: Every operator of ``np`` by each of its names in files.
OPERATORS: dict[str, ClassicOperator] = {}
#: What each computes, by the same names: of arrays of any class, as plain ones.
FUNCTIONS: dict[str, Callable[..., Any]] = {}

_PLAIN = Vocabulary(lambda args, kwargs: core.NDArray, lambda result, cls: result)
_PLAIN_OF_CLASSIC = Vocabulary(lambda args, kwargs: core.NDArray, NUMPY.finish)
_NONE: Mapping[str, Any] = {}


def numpy_operator(
    *names: str,
    asked: Mapping[str, Callable[[Attributes], bool]] = _NONE,
    outputs: Sequence[str] | Callable[[Attributes], Sequence[str]] = ("output",),
    inputs: Callable[[Attributes], Sequence[str]] | None = None,
    types: TypeRule | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a typed function as the operator of these ``names``, MXNet's in files; the arguments are those of ``@classic``."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        record = record_of(function, names, (), asked, (), inputs, outputs, None, types, numpy=True)
        for name in names:
            if name in OPERATORS:
                raise ValueError(f"operator {name!r} is registered twice")
            OPERATORS[name] = record
            FUNCTIONS[name] = _PLAIN.wrap(function, name, prepare=reader(name, record), arrays=record.leading)
        return function

    return enter


def numpy_alias(name: str, classic: str) -> None:
    """Enter a classic operator by the name that MXNet has it under for ``np`` too: its arrays are plain ones, whichever are given."""
    OPERATORS[name] = CLASSIC[classic]
    FUNCTIONS[name] = _PLAIN_OF_CLASSIC.wrap(CLASSIC_FUNCTIONS[classic], name, writes=True)
