"""Functions of each element that give 0 for 0: they are computed of what is stored, and keep the storage."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import OPS, Op, Spec
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import STORAGES
from hybridnet.ops.array import selection  # noqa: F401  (they register the operators)
from hybridnet.ops.math import pointwise, special  # noqa: F401
from hybridnet.ops.nn import activation, outputs  # noqa: F401

_NAMES = """
    absolute negative sign sin tan arcsin arctan sinh tanh arcsinh arctanh expm1 log1p sqrt cbrt square floor ceil trunc rint isnan isinf
    copy cast
"""
#: Those of one operand.
KEEPING = _NAMES.split()


def _of_values(op: Op) -> Any:
    compute: Any = op.compute
    return lambda xp, x, **attrs: x.with_values(compute(xp, x.data, **attrs))


for _name in KEEPING:
    for _storage in STORAGES:
        on_storage(OPS[_name], _storage, gives=_storage)(_of_values(OPS[_name]))


for _storage in STORAGES:
    on_storage(OPS["relu"], _storage, gives=_storage)(lambda xp, x: x.with_values(xp.maximum(x.data, 0)))
    on_storage(OPS["make_loss"], _storage, gives=_storage)(lambda xp, x, **attrs: x)


def _clips_zero_to_zero(x: Spec, *, a_min: float | None, a_max: float | None) -> bool:
    return (a_min is None or a_min <= 0) and (a_max is None or a_max >= 0)


for _storage in STORAGES:
    on_storage(OPS["clip"], _storage, gives=_storage, when=_clips_zero_to_zero)(_of_values(OPS["clip"]))


# -- with a number beside ---------------------------------------------------------------------------


def _gives_zero(op: Op, first: bool) -> Any:
    """Whether the operator gives 0 for 0 and the number. A product with a number and a quotient by one count as such, whatever it is."""
    compute: Any = op.compute

    def holds(*operands: Any) -> bool:
        x, number = operands if first else operands[::-1]
        if op.name in ("multiply", "true_divide"):
            return True
        zero = np.zeros((), x.dtype)
        return not compute(np, *((zero, number) if first else (number, zero)))

    return holds


def _with_number(name: str, first: bool) -> None:
    op = OPS[name]
    compute: Any = op.compute
    for storage in STORAGES:
        kinds = (storage, "number") if first else ("number", storage)

        @on_storage(op, *kinds, gives=storage, when=_gives_zero(op, first))
        def _(xp: Any, a: Any, b: Any) -> Any:
            x = a if first else b
            return x.with_values(compute(xp, *((x.data, b) if first else (a, x.data))))


for _name in ["multiply", "add", "maximum", "minimum", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]:
    _with_number(_name, True)
    _with_number(_name, False)
for _name in ["subtract", "true_divide"]:
    _with_number(_name, True)
