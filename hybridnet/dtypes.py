"""The element types, and how they combine.

NumPy's dtypes with ``bfloat16`` from ml_dtypes. Two rules differ from NumPy's, both as in MXNet:
the default floating type is float32, and an integer array with a floating array gives the
floating array's type (NumPy would widen int32 + float32 to float64).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from hybridnet.errors import DtypeError, fail

Dtype = np.dtype[Any]

float16: Dtype = np.dtype(np.float16)
float32: Dtype = np.dtype(np.float32)
float64: Dtype = np.dtype(np.float64)
bfloat16: Dtype = np.dtype(ml_dtypes.bfloat16)
int8: Dtype = np.dtype(np.int8)
int16: Dtype = np.dtype(np.int16)
int32: Dtype = np.dtype(np.int32)
int64: Dtype = np.dtype(np.int64)
uint8: Dtype = np.dtype(np.uint8)
uint16: Dtype = np.dtype(np.uint16)
uint32: Dtype = np.dtype(np.uint32)
uint64: Dtype = np.dtype(np.uint64)
bool_: Dtype = np.dtype(np.bool_)

FLOATS = (float16, bfloat16, float32, float64)
INTEGERS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
ALL = (*FLOATS, *INTEGERS, bool_)
_KNOWN = frozenset(ALL)

#: The type of new floating arrays and of integers divided, averaged, exponentiated.
default_float = float32


def as_dtype(dtype: Any, default: Dtype | None = None) -> Dtype:
    """The dtype that a name, a NumPy type or a Python type means; ``None`` means ``default``.

    DtypeError for a type that arrays do not have.
    """
    if dtype is None:
        return default if default is not None else default_float
    if isinstance(dtype, str) and dtype == "bfloat16":
        return bfloat16
    try:
        result = np.dtype(dtype)
    except TypeError:
        fail(DtypeError, "dtype", expected="one of " + ", ".join(map(str, ALL)), got=repr(dtype))
    if result not in _KNOWN:
        fail(DtypeError, "dtype", expected="one of " + ", ".join(map(str, ALL)), got=str(result))
    return result


def is_known(dtype: Dtype) -> bool:
    """Whether arrays can have this type."""
    return dtype in _KNOWN


def is_floating(dtype: Dtype) -> bool:
    """Whether gradients can flow through arrays of this type."""
    return _kind(dtype) == "f" or dtype == bfloat16


def is_integer(dtype: Dtype) -> bool:
    """Whether a dtype is one of integers, signed or not; bool is none."""
    return _kind(dtype) in "iu"


def _kind(dtype: Any) -> str:
    """The kind of a dtype, or of a NumPy type, which arrays of MXNet 1.x's rules give as theirs."""
    return np.dtype(dtype).kind if isinstance(dtype, type) else dtype.kind


@lru_cache(maxsize=1024)
def promote(a: Dtype, b: Dtype) -> Dtype:
    """The type of a result of operands of types ``a`` and ``b``."""
    if a == b:
        return a
    a_floats, b_floats = is_floating(a), is_floating(b)
    if a_floats and b_floats:
        if {a, b} == {float16, bfloat16}:
            return float32
        return a if FLOATS.index(a) > FLOATS.index(b) else b
    if a_floats:
        return a
    if b_floats:
        return b
    result = np.promote_types(a, b)
    return default_float if result.kind == "f" else result


@lru_cache(maxsize=1024)
def promote_scalar(dtype: Dtype, scalar_type: type) -> Dtype:
    """The type of a result of an array of ``dtype`` and a Python number, which is weak."""
    if scalar_type is bool or is_floating(dtype):
        return dtype
    if issubclass(scalar_type, (float, np.floating)):
        return default_float
    return int64 if dtype == bool_ else dtype


def floating(dtype: Dtype) -> Dtype:
    """``dtype`` itself if it is floating, else the default floating type."""
    return dtype if is_floating(dtype) else default_float
