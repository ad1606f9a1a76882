"""The array API standard, version 2024.12: what ``x.__array_namespace__()`` gives, for libraries that are written for it.

``np`` is NumPy's interface with MXNet's default types; the standard fixes some names, keywords and defaults otherwise. Arrays and functions
are the same: where the standard says what ``np`` says the function is ``np``'s, and the rest is a thin layer in this package.
``docs/array_api.md`` has the differences, and what of the standard's test suite fails, with the reasons.
"""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as _numpy

from hybridnet.array_api import fft, linalg
from hybridnet.array_api.creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from hybridnet.array_api.data_types import astype, broadcast_arrays, broadcast_to, finfo, iinfo, result_type
from hybridnet.array_api.elementwise import (
    ELEMENTWISE,
    ceil,
    clip,
    floor,
    positive,
    round,
    trunc,
)
from hybridnet.array_api.functions import (
    all,
    any,
    argmax,
    argmin,
    argsort,
    concat,
    count_nonzero,
    diff,
    expand_dims,
    flip,
    max,
    mean,
    min,
    moveaxis,
    nonzero,
    permute_dims,
    prod,
    repeat,
    reshape,
    roll,
    searchsorted,
    sort,
    squeeze,
    stack,
    std,
    sum,
    take,
    take_along_axis,
    tile,
    unstack,
    var,
    where,
)
from hybridnet.array_api.info import VERSION, Info
from hybridnet.array_api.linalg import matmul, matrix_transpose, tensordot, vecdot
from hybridnet.errors import ArgumentError, fail
from hybridnet.numpy.functions import FUNCTIONS as _np
from hybridnet.numpy.kinds import can_cast, isdtype

__array_api_version__ = VERSION

e, inf, nan, newaxis, pi = _numpy.e, _numpy.inf, _numpy.nan, None, _numpy.pi
bool = _numpy.bool_
int8, int16, int32, int64 = _numpy.int8, _numpy.int16, _numpy.int32, _numpy.int64
uint8, uint16, uint32, uint64 = _numpy.uint8, _numpy.uint16, _numpy.uint32, _numpy.uint64
float32, float64, complex64, complex128 = _numpy.float32, _numpy.float64, _numpy.complex64, _numpy.complex128

#: What else is ``np``'s as it stands.
_SHARED = ["cumulative_prod", "cumulative_sum", "unique_all", "unique_counts", "unique_inverse", "unique_values"]
globals().update(ELEMENTWISE | {name: _np[name] for name in _SHARED})

__all__ = [
    *ELEMENTWISE, *_SHARED, "fft", "linalg", "e", "inf", "nan", "newaxis", "pi",
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64", "complex128",
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid", "ones", "ones_like",
    "tril", "triu", "zeros", "zeros_like",
    "astype", "broadcast_arrays", "broadcast_to", "can_cast", "finfo", "iinfo", "isdtype", "result_type",
    "ceil", "clip", "floor", "positive", "round", "trunc",
    "all", "any", "argmax", "argmin", "argsort", "concat", "count_nonzero", "diff", "expand_dims",
    "flip", "max", "mean", "min", "moveaxis", "nonzero", "permute_dims", "prod", "repeat", "reshape", "roll", "searchsorted", "sort",
    "squeeze", "stack", "std", "sum", "take", "take_along_axis", "tile",
    "unstack", "var", "where", "matmul", "matrix_transpose", "tensordot", "vecdot",
]  # fmt: skip


def __array_namespace_info__() -> Info:
    """What this namespace can do, its devices, its element types and which are the defaults."""
    return Info()


def of_version(api_version: str | None) -> ModuleType:
    """This namespace, which is of all versions of the standard up to 2024.12; ArgumentError for another one."""
    if api_version is not None and api_version not in ("2021.12", "2022.12", "2023.12", VERSION):
        fail(ArgumentError, "__array_namespace__", expected=f"a version of the array API standard up to {VERSION}", got=repr(api_version))
    return sys.modules[__name__]
