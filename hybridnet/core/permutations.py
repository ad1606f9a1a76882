"""How calls of operators whose axes have roles are written for operands whose axes are in another order: a table beside the records.

It is neither CUDA's nor NumPy's: either may gain from channels that come last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hybridnet.core.op import Op


class Permuted(NamedTuple):
    """An operator call on operands whose axes are in another order."""

    attrs: Mapping[str, Any]
    inputs: tuple[bool, ...]  # which operands are then in that order; the others are as they were
    outputs: tuple[bool, ...]


Permutation = Callable[..., Permuted | None]

_PERMUTATIONS: dict[Op, Permutation] = {}


def permutes(op: Op, permute: Permutation) -> Op:
    """Say how an operator takes operands in another order, once. Gives the operator.

    ``permute(order, *specs, **attrs)`` gives the same call with the axes of its operands in ``order`` (as ``transpose`` takes it;
    operands of fewer axes get leading ones of length 1 first), or None where there is none. Pointwise operators and reductions need none.
    """
    if op in _PERMUTATIONS:
        raise ValueError(f"operator {op.name!r} has a permutation already")
    _PERMUTATIONS[op] = permute
    return op


def permutation_of(op: Op) -> Permutation | None:
    """How an operator takes operands in another order; None where nothing has been said."""
    return _PERMUTATIONS.get(op)
