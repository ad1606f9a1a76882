"""``np``: NumPy's interface over arrays on any device, recorded and traced.

Functions, constants and dtypes have NumPy's names. Some rules differ, as in MXNet: arrays of
Python's numbers and floating results of integers are float32, integers with floats give the floats' dtype, and
NumPy's scalars count as Python's numbers (``docs/differences.md``). ``out=`` is taken by every function of arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as _numpy

from hybridnet import absent
from hybridnet.core import NDArray as ndarray
from hybridnet.dtypes import bfloat16
from hybridnet.numpy import fft, linalg, random
from hybridnet.numpy.functions import FUNCTIONS
from hybridnet.ops import methods as _methods  # noqa: F401  it attaches the methods of arrays

newaxis = None
pi, e, euler_gamma, inf, nan = _numpy.pi, _numpy.e, _numpy.euler_gamma, _numpy.inf, _numpy.nan
NaN = NAN = nan
Inf = Infinity = PINF = inf
NINF, PZERO, NZERO = -inf, 0.0, -0.0

float16, float32, float64 = _numpy.float16, _numpy.float32, _numpy.float64
int8, int16, int32, int64 = _numpy.int8, _numpy.int16, _numpy.int32, _numpy.int64
complex64, complex128 = _numpy.complex64, _numpy.complex128
uint8, uint16, uint32, uint64 = _numpy.uint8, _numpy.uint16, _numpy.uint32, _numpy.uint64
bool_ = bool = _numpy.bool_
dtype, finfo, iinfo = _numpy.dtype, _numpy.finfo, _numpy.iinfo
integer, floating, number, generic, complexfloating, inexact = (
    _numpy.integer,
    _numpy.floating,
    _numpy.number,
    _numpy.generic,
    _numpy.complexfloating,
    _numpy.inexact,
)
result_type, set_printoptions = _numpy.result_type, _numpy.set_printoptions

globals().update(FUNCTIONS)

__all__ = [
    *FUNCTIONS, "fft", "linalg", "random", "ndarray", "newaxis", "pi", "e", "euler_gamma", "inf", "nan",
    "bfloat16", "float16", "float32", "float64", "complex64", "complex128",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool_", "dtype", "finfo", "iinfo",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
