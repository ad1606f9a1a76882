"""Questions about element types, by NumPy's names."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, fail

_SIGNED = tuple(t for t in dtypes.INTEGERS if t.kind == "i")
_UNSIGNED = tuple(t for t in dtypes.INTEGERS if t.kind == "u")
#: The standard's kinds of element types.
KINDS: dict[str, tuple[dtypes.Dtype, ...]] = {
    "bool": (dtypes.bool_,),
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": dtypes.INTEGERS,
    "real floating": dtypes.FLOATS,
    "complex floating": dtypes.COMPLEX,
    "numeric": (*dtypes.INTEGERS, *dtypes.FLOATS, *dtypes.COMPLEX),
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is another one, of a kind (``"integral"``, ``"real floating"`` …), or one of a tuple of these.

    ArgumentError for a kind that the standard does not know.
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            fail(ArgumentError, "isdtype", expected="one of " + ", ".join(KINDS), got=repr(kind))
        return dtypes.as_dtype(dtype) in KINDS[kind]
    return dtypes.as_dtype(dtype) == dtypes.as_dtype(kind)


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether an array of any shape, or a dtype, can be cast to another; by default by the rules of promotion, so that no value is lost.

    ``casting``: no, equiv, safe, same_kind or unsafe.
    """
    given, target = from_.dtype if isinstance(from_, NDArray) else dtypes.as_dtype(from_), dtypes.as_dtype(to)
    return bool(np.can_cast(given, target, casting))  # type: ignore[arg-type]


def common_type(*arrays: Any) -> type[Any]:
    """The floating or complex type, as NumPy's class, that arrays of any shapes have together; integers count as the default one.

    DtypeError for booleans.
    """
    found = [dtypes.as_dtype(x.dtype) for x in arrays]
    if dtypes.bool_ in found:
        fail(DtypeError, "common_type", expected="arrays of numbers", got="bool")
    return functools.reduce(dtypes.promote, map(dtypes.floating, found), dtypes.float16).type
