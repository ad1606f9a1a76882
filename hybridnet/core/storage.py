"""Which storages an operator computes with, and what is done with all others: the one way back to dense arrays.

An operator's record says nothing of storage, and its ``compute`` sees dense arrays alone. Beside the record stand its storage rules
(:func:`on_storage`), one for each combination of inputs' storages that it has more to say of than that: what the result's storage is, and
who computes it. A combination without a rule is computed with dense arrays, which is told once for each operator.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hybridnet.core.array import Array, Spec
from hybridnet.core.op import OPS, Op
from hybridnet.errors import user_site

#: The storages of an operator's inputs: ``default``, ``csr``, ``row_sparse``, or ``number`` for a Python number.
Storages: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class StorageRule:
    """How an operator computes with inputs of some storages.

    compute: ``compute(xp, *data, **attrs)`` on NumPy, CuPy and stored data. It gives data of the storage ``gives``. It
        may take operands of the ``infer``red shapes and dtypes alone: they have been promoted.
    gives: the result's storage.
    when: ``when(*operands, **attrs)`` (specs and numbers) says whether the rule holds for a call; without, always.
    """

    compute: Callable[..., Any]
    gives: str
    when: Callable[..., bool] | None = None

    def holds(self, operands: Sequence[Any], attrs: dict[str, Any]) -> bool:
        """Whether it computes a call."""
        return self.when is None or self.when(*operands, **attrs)


#: An operator's rules, by the storages of its inputs; of several the first that holds.
RULES: dict[Op, dict[Storages, list[StorageRule]]] = {}


class StorageFallbackWarning(UserWarning):
    """Said once for each operator that computes with dense copies of arrays, since it has no rule for their storages."""


def on_storage(op: Op, *inputs: str, gives: str, when: Callable[..., bool] | None = None) -> Callable[[Callable[..., Any]], Any]:
    """The decorated function computes ``op`` with inputs of these storages (see :class:`StorageRule`)."""

    def enter(compute: Callable[..., Any]) -> Callable[..., Any]:
        RULES.setdefault(op, {}).setdefault(inputs, []).append(StorageRule(compute, gives, when))
        return compute

    return enter


def rule_of(op: Op, operands: Sequence[Any], attrs: dict[str, Any]) -> StorageRule | None:
    """The rule by which an operator computes with these operands (specs and numbers), ``None`` where there is none."""
    rules = RULES.get(op)
    if rules is None:
        return None
    storages = tuple([x.storage if isinstance(x, Spec) else "number" for x in operands])
    if (found := rules.get(storages)) is None and storages and len(set(storages)) == 1:
        found = rules.get((storages[0], "..."))  # any number of inputs of one storage
    return next((rule for rule in found or () if rule.holds(operands, attrs)), None)


#: The operators that have said that they compute with dense copies.
told: set[Op] = set()


def dense_forms(op: Op, arrays: Sequence[Any], apply: Callable[..., Any]) -> list[Any]:
    """The operands as dense arrays, by an operator, so that gradients find their way back."""
    if op not in told:
        told.add(op)
        storages = ", ".join(x.stype if isinstance(x, Array) else repr(x) for x in arrays)
        warnings.warn(
            f"{op.name} at {user_site()} has no way to compute with ({storages}) and makes dense arrays of them: the result is right, but "
            "takes the memory and time of dense arrays. Said once for each operator; warnings.filterwarnings('ignore', "
            "category=hybridnet.core.storage.StorageFallbackWarning) says nothing.",
            StorageFallbackWarning,
            stacklevel=2,
        )
    return [apply(OPS["cast_storage"], (x,), {"stype": "default"}) if isinstance(x, Array) and x.stype != "default" else x for x in arrays]
