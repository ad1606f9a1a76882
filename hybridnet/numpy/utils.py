"""Constants and element types of ``np``, by NumPy's names; what it takes from NumPy as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as _numpy
import numpy.typing

from hybridnet.dtypes import bfloat16

newaxis = None
pi, e, euler_gamma, inf, nan = _numpy.pi, _numpy.e, _numpy.euler_gamma, _numpy.inf, _numpy.nan
NaN = NAN = nan
Inf = Infinity = PINF = inf
NINF, PZERO, NZERO = -inf, 0.0, -0.0

float16, float32, float64 = _numpy.float16, _numpy.float32, _numpy.float64
complex64, complex128 = _numpy.complex64, _numpy.complex128
int8, int16, int32, int64 = _numpy.int8, _numpy.int16, _numpy.int32, _numpy.int64
uint8, uint16, uint32, uint64 = _numpy.uint8, _numpy.uint16, _numpy.uint32, _numpy.uint64
bool_ = bool = _numpy.bool_
dtype, finfo, iinfo = _numpy.dtype, _numpy.finfo, _numpy.iinfo

#: Types, text and iteration, which ask arrays for nothing but what ours have too.
_TAKEN = """
    complexfloating csingle cdouble
    integer floating number generic inexact signedinteger unsignedinteger half single double short intc int_ long longlong intp byte
    ubyte ushort uintc uint ulong ulonglong uintp
    result_type promote_types min_scalar_type issubdtype isscalar iterable typename mintypecode ScalarType typecodes
    set_printoptions get_printoptions printoptions array2string array_repr array_str base_repr binary_repr format_float_positional
    format_float_scientific errstate geterr seterr geterrcall seterrcall ndindex ndenumerate broadcast_shapes einsum_path True_ False_
    little_endian show_config get_include show_runtime dtypes exceptions typing
"""
globals().update({name: getattr(_numpy, name) for name in _TAKEN.split()})

__all__ = [
    "newaxis", "pi", "e", "euler_gamma", "inf", "nan", "NaN", "NAN", "Inf", "Infinity", "PINF", "NINF", "PZERO", "NZERO",
    "bfloat16", "float16", "float32", "float64", "complex64", "complex128",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool_",
    "bool", "dtype", "finfo", "iinfo", *_TAKEN.split(),
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
