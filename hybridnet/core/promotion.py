"""The one dtype that an operator's operands are brought to, as its record says (``Op.promote``): NumPy's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core.array import Array, Spec
from hybridnet.core.op import OPS, Op
from hybridnet.errors import DtypeError, fail

#: ``core.apply.apply``, through which operands are cast, so that it is recorded and traced; it asks this module what to cast.
Apply = Callable[..., Any]


def promote(op: Op, arrays: Sequence[Any], apply: Apply) -> Sequence[Any]:
    """Bring the operands to one dtype, through the ``cast`` operator so that gradients follow."""
    start = op.promote_from
    common: Any = None
    settled = op.promote != "float"
    for x in arrays[start:] if start else arrays:
        if isinstance(x, Array):
            dtype = x._data.dtype
            if common is None:
                common = dtype
            elif dtype is not common:
                settled = False
        elif type(x) is complex:
            settled = settled and common is not None and common.kind == "c"
        elif type(x) is not int and type(x) is not bool:
            settled = settled and common is not None and common.kind in "fc"
    if settled and common is not None and common.kind in "fciu" and (common.kind in "fc" or _hold(arrays[start:], common)):
        return arrays
    return _promoted(op, arrays, start, apply)


def _promoted(op: Op, arrays: Sequence[Any], start: int, apply: Apply) -> Sequence[Any]:
    common: Any = None
    for x in arrays[start:]:
        if isinstance(x, Array):
            common = x._data.dtype if common is None else dtypes.promote(common, x._data.dtype)
    if common is None:
        fail(DtypeError, op.name, expected="at least one array", got=", ".join(type(x).__name__ for x in arrays))
    for x in arrays[start:]:
        if not isinstance(x, Array):
            if not isinstance(x, (int, float, complex, bool, np.generic)):
                fail(DtypeError, op.name, expected="arrays and numbers", got=type(x).__name__)
            common = dtypes.promote_scalar(common, type(x))  # type: ignore[arg-type]
    if op.promote == "float":
        common = dtypes.floating(common)
    elif op.promote == "number" and common == dtypes.bool_:
        common = dtypes.int8
    if not _hold(arrays[start:], common):
        common = _holding(op, arrays[start:], common)
    head = list(arrays[:start])
    for x in arrays[start:]:
        if isinstance(x, Array):
            head.append(apply(OPS["cast"], (x,), {"dtype": common}) if x._data.dtype != common else x)
        elif common == dtypes.bfloat16:
            # To NumPy a number is float64 to a type that is not its own: give it the type.
            like = next(a for a in arrays if isinstance(a, Array))
            head.append(apply(OPS["full"], (), {"shape": (), "value": x, "dtype": common}, like._device, type(like)))
        else:
            head.append(x)
    return head


def _hold(operands: Sequence[Any], dtype: dtypes.Dtype) -> bool:
    """Whether a dtype, if it is one of integers, holds the Python integers among operands."""
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return all(limits.min <= x <= limits.max for x in operands if type(x) is int)


def _holding(op: Op, operands: Sequence[Any], common: dtypes.Dtype) -> dtypes.Dtype:
    """A type for a comparison of integers with a number beyond their type's range; of other operators an error."""
    numbers = [x for x in operands if type(x) is int]
    result = op.infer(*[Spec((), common) for _ in range(op.promote_from + len(operands))])
    if not isinstance(result, Spec) or result.dtype != dtypes.bool_:
        limits = np.iinfo(common)
        fail(DtypeError, op.name, expected=f"numbers from {limits.min} to {limits.max} beside {common}", got=", ".join(map(str, numbers)))
    return next((t for t in (dtypes.int64, dtypes.uint64) if np.can_cast(common, t) and _hold(numbers, t)), dtypes.float64)
