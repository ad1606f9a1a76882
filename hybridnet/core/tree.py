"""Nested arguments and results: tuples, lists and dicts with arrays at their leaves.

What is not an array is part of the structure, so that it is compared and not traced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import Array, asarray
from hybridnet.errors import ArgumentError, fail
from hybridnet.exact import Exact

LEAF = "*"  # stands for an array in a structure


def flatten(value: Any, leaves: list[Any]) -> Any:
    """Append the arrays in ``value`` to ``leaves``; gives its hashable structure. ArgumentError for what is none of these."""
    if isinstance(value, Array):
        leaves.append(value)
        return LEAF
    if isinstance(value, np.ndarray):
        leaves.append(asarray(value))
        return LEAF
    if isinstance(value, (tuple, list)):
        return (type(value), *[flatten(v, leaves) for v in value])
    if isinstance(value, dict):
        return (dict, tuple(map(Exact, value)), *[flatten(v, leaves) for v in value.values()])
    static = Exact(value)
    try:
        hash(static)
    except TypeError:
        fail(
            ArgumentError, "jit", expected="arrays, numbers and other hashable values, in tuples, lists and dicts", got=type(value).__name__
        )
    return static


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """The value of a structure, with ``leaves`` in the places of its arrays."""
    return _build(structure, iter(leaves))


def _build(structure: Any, leaves: Any) -> Any:
    if structure == LEAF:
        return next(leaves)
    if isinstance(structure, Exact):
        return structure.value
    kind = structure[0]
    if kind is dict:
        return {k.value: _build(s, leaves) for k, s in zip(structure[1], structure[2:], strict=True)}
    items = [_build(s, leaves) for s in structure[1:]]
    if hasattr(kind, "_fields"):
        return kind(*items)
    return kind(items)
