"""The element types, and how they combine.

NumPy's dtypes with ``bfloat16`` from ml_dtypes. Two rules differ from NumPy's, both as in MXNet:
the default floating type is float32, and an integer array with a floating array gives the
floating array's type (NumPy would widen int32 + float32 to float64). Complex numbers follow: their default
type is complex64, whose parts are float32, and an integer array with a complex one gives the complex one's type.
A thread may ask for NumPy's default types (:data:`defaults`); the second rule stays.
"""

from __future__ import annotations

import re
import threading
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
complex64: Dtype = np.dtype(np.complex64)
complex128: Dtype = np.dtype(np.complex128)

FLOATS = (float16, bfloat16, float32, float64)
COMPLEX = (complex64, complex128)
INTEGERS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
ALL = (*FLOATS, *COMPLEX, *INTEGERS, bool_)
_KNOWN = frozenset(ALL)
_NAME = re.compile(r"[<>=|]?[?A-Za-z_]\w*", re.ASCII)


class _Defaults(threading.local):
    """Whose types a thread's arrays have where nothing says one: MXNet's, or with ``numpy`` NumPy's."""

    numpy = False


defaults = _Defaults()


class defaulting_to:
    """Compute with NumPy's default types, or with MXNet's."""

    __slots__ = ("before", "numpy")

    def __init__(self, numpy: bool) -> None:
        self.numpy = numpy

    def __enter__(self) -> None:
        self.before, defaults.numpy = defaults.numpy, self.numpy

    def __exit__(self, *exc: object) -> None:
        defaults.numpy = self.before


def default_float() -> Dtype:
    """The type of new floating arrays and of integers divided, averaged, exponentiated: float32, or NumPy's float64."""
    return float64 if defaults.numpy else float32


def default_complex() -> Dtype:
    """The type of new complex arrays: complex64, or NumPy's complex128."""
    return complex128 if defaults.numpy else complex64


def default_whole() -> Dtype:
    """The type of new arrays of whole numbers, as of Python's integers or counts that are drawn: float32, or NumPy's int64."""
    return int64 if defaults.numpy else float32


def of_python(kind: str) -> Dtype | None:
    """The type of Python's numbers of a NumPy kind, as NumPy and the standard have it; None for what is no number."""
    if kind == "f":
        return default_float()
    return default_complex() if kind == "c" else {"b": bool_, "i": int64, "u": uint64}.get(kind)


def as_dtype(dtype: Any, default: Dtype | None = None) -> Dtype:
    """The dtype that a name, a NumPy type or a Python type means; ``None`` means ``default``, or the default floating type.

    DtypeError for a type that arrays do not have.
    """
    if dtype is None:
        return default if default is not None else default_float()
    if isinstance(dtype, str) and dtype == "bfloat16":
        return bfloat16
    try:
        if isinstance(dtype, str) and _NAME.fullmatch(dtype) is None:  # records and shapes, whose text NumPy has Python compile
            raise TypeError
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
    """Whether a dtype is one of real floating numbers."""
    return _kind(dtype) == "f" or dtype == bfloat16


def is_complex(dtype: Dtype) -> bool:
    """Whether a dtype is one of complex numbers."""
    return _kind(dtype) == "c"


def is_inexact(dtype: Dtype) -> bool:
    """Whether gradients can flow through arrays of this type: a floating or a complex one, which NumPy calls inexact."""
    return _kind(dtype) in "fc" or dtype == bfloat16


def real_of(dtype: Dtype) -> Dtype:
    """The type of the real and imaginary parts of complex numbers; of real ones the type itself."""
    return (float64 if dtype == complex128 else float32) if is_complex(dtype) else dtype


def complex_of(dtype: Dtype) -> Dtype:
    """The type of the complex numbers whose parts hold real ones of ``dtype``: complex128 for float64, else complex64.

    Of integers it is the default.
    """
    return dtype if is_complex(dtype) else complex128 if floating(dtype) == float64 else complex64


def is_integer(dtype: Dtype) -> bool:
    """Whether a dtype is one of integers, signed or not; bool is none."""
    return _kind(dtype) in "iu"


def _kind(dtype: Any) -> str:
    """The kind of a dtype, or of a NumPy type, which arrays of MXNet 1.x's rules give as theirs."""
    return np.dtype(dtype).kind if isinstance(dtype, type) else dtype.kind


def promote(a: Dtype, b: Dtype) -> Dtype:
    """The type of a result of operands of types ``a`` and ``b``."""
    found = _promoted(a, b)
    return default_float() if found is None else found


@lru_cache(maxsize=1024)
def _promoted(a: Dtype, b: Dtype) -> Dtype | None:
    """None for integers that no type of integers holds."""
    if a == b:
        return a
    if is_complex(a) or is_complex(b):
        return complex128 if {a, b} & {complex128, float64} else complex64
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
    return None if result.kind == "f" else result


def promote_scalar(dtype: Dtype, scalar_type: type) -> Dtype:
    """The type of a result of an array of ``dtype`` and a Python number, which is weak."""
    if issubclass(scalar_type, (complex, np.complexfloating)) and not issubclass(scalar_type, float):
        return complex_of(dtype)
    if scalar_type is bool or is_inexact(dtype):
        return dtype
    if issubclass(scalar_type, (float, np.floating)):
        return default_float()
    return int64 if dtype == bool_ else dtype


def floating(dtype: Dtype) -> Dtype:
    """``dtype`` itself if it is floating or complex, else the default floating type."""
    return dtype if is_inexact(dtype) else default_float()
