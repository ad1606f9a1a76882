"""Mixed precision: which operators compute in a 16-bit type, and the casts of their operands.

Every record says in ``Op.precision`` what suits it. ``apply`` casts the operands of a call by that, through
the ``cast`` operator, before anything else is done with them. That is all: the tape then keeps what was cast, so
that the backward computes in the type that the forward did, and a cast's own gradient hands a float32 parameter a
float32 gradient; and a trace holds the casts as nodes, so that compiled code does what imperative code does.

A pass over the graph would come too late for both: imperative code has no graph, and a traced one holds its
backward already, whose types follow from those of the forward. The passes do what only a graph can: equal casts
become one, and casts there and back none.

``half`` operators gain from the type (products and convolutions), ``float32`` ones may leave its range or need its
digits (exponentials, logarithms, powers, sums, softmax, losses, decompositions), and the rest follow their operands.
Norms, pooling and the cross-entropy are among those, since they compute their sums in float32 whatever they are given.

Backwards and the insides of composites run without a policy: there the types are chosen already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hybridnet import dtypes
from hybridnet.core.array import Array
from hybridnet.core.op import Op


@dataclass(frozen=True)
class Precision:
    """A policy: the 16-bit type, and the operators that are to differ from what their records say.

    ``half``: float16 or bfloat16. ``halved`` operators compute in it, ``kept`` ones in float32.
    """

    half: dtypes.Dtype
    halved: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()

    def of(self, op: Op) -> str:
        """``half``, ``float32`` or ``follow``."""
        return "half" if op.name in self.halved else "float32" if op.name in self.kept else op.precision

    def operands(self, op: Op, arrays: Sequence[Any], cast: Callable[[Any, dtypes.Dtype], Any]) -> Sequence[Any]:
        """The operands of a call as the policy wants them; ``float64`` is a choice of the user's, and stays."""
        rule = self.of(op)
        if rule == "follow":
            return arrays
        found = [x._data.dtype for x in arrays if isinstance(x, Array)]
        if rule == "float32":
            target, changed = dtypes.float32, _HALVES
        elif dtypes.float64 in found:
            return arrays
        else:
            target, changed = self.half, _NARROWED
        if not any(d in changed and d != target for d in found):
            return arrays
        return [cast(x, target) if isinstance(x, Array) and x._data.dtype in changed and x._data.dtype != target else x for x in arrays]


_HALVES = frozenset({dtypes.float16, dtypes.bfloat16})
_NARROWED = _HALVES | {dtypes.float32}
