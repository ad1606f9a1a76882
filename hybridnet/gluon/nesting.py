"""Nested lists of arrays as one list and back, which libraries on Gluon take from ``gluon.block``."""

from __future__ import annotations

from typing import Any

from hybridnet.core import Array
from hybridnet.errors import DtypeError, fail


def _flatten(args: Any, inout_str: str) -> tuple[list[Any], Any]:
    """The arrays of a nested list, and its structure: 0 for an array, -1 for ``None``, a list of such."""
    if isinstance(args, Array):
        return [args], 0
    if args is None:
        return [None], -1
    if not isinstance(args, (list, tuple)):
        fail(DtypeError, "HybridBlock", expected=f"{inout_str} of arrays, or nested lists of them", got=f"a {type(args).__name__}")
    flat, structure = [], []
    for arg in args:
        arrays, own = _flatten(arg, inout_str)
        flat += arrays
        structure.append(own)
    return flat, structure


def _regroup(args: list[Any], fmt: Any) -> tuple[Any, list[Any]]:
    """The nested list of that structure, of the first of a list; and what is left of it."""
    if fmt in (0, -1):
        return args[0], args[1:]
    if isinstance(fmt, int):
        return args[:fmt], args[fmt:]
    result = []
    for own in fmt:
        one, args = _regroup(args, own)
        result.append(one)
    return result, args
