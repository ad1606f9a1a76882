"""``mx.operator``: operators that users write in Python, and what is known of those that there are.

``nd.Custom(data, op_type="…")`` calls a :class:`CustomOp` that :func:`register` entered; see :mod:`hybridnet.ndarray.custom` for how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridnet import absent
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.custom import CustomOp, CustomOpProp, register
from hybridnet.ndarray.register import OPERATORS

__all__ = ["CustomOp", "CustomOpProp", "OperatorArguments", "get_all_registered_operators", "get_operator_arguments", "register"]


@dataclass(frozen=True)
class OperatorArguments:
    """The parameters of an operator: how many, their names, and their types in words; inputs first."""

    narg: int
    names: list[str]
    types: list[str]


def get_all_registered_operators() -> list[str]:
    """The names of all operators of the classic vocabulary; those of ``Custom`` are its ``op_type``."""
    return sorted(OPERATORS)


def get_operator_arguments(op_name: str) -> OperatorArguments:
    """The parameters of a classic operator, by one of its names. ArgumentError for another name."""
    record = OPERATORS.get(op_name)
    if record is None:
        fail(ArgumentError, "get_operator_arguments", expected="the name of an operator", got=repr(op_name))
    described = [(name, "NDArray-or-Symbol") for name in record.inputs] or [("data", "NDArray-or-Symbol[]")] * bool(record.variadic)
    described += [(a.name, a.describe() + (", required" if a.required else f", default={a.default!r}")) for a in record.attributes.values()]
    return OperatorArguments(len(described), [name for name, _ in described], [kind for _, kind in described])


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
