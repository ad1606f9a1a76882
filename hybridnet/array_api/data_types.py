"""Element types: their kinds, casts, what two of them give together."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.numpy.functions import FUNCTIONS as _np

iinfo = np.iinfo


class FloatInfo(NamedTuple):
    """What a floating type, or the parts of a complex one, can hold, as Python's numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: dtypes.Dtype


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating type, of that of complex numbers' parts, or of an array's. DtypeError for another type."""
    dtype = dtypes.real_of(_dtype_of(type))
    if not dtypes.is_floating(dtype):
        fail(DtypeError, "finfo", expected="a floating or complex dtype", got=str(dtype))
    found = ml_dtypes.finfo(dtype)
    eps, largest, lowest, smallest = (float(x) for x in (found.eps, found.max, found.min, found.smallest_normal))
    return FloatInfo(found.bits, eps, largest, lowest, smallest, dtype)


def astype(x: NDArray, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The values of ``x``, of any shape, cast to ``dtype``. DtypeError for complex numbers as real ones, which the standard forbids."""
    dtype = dtypes.as_dtype(dtype)
    if dtypes.is_complex(x.dtype) and not dtypes.is_complex(dtype):
        fail(DtypeError, "astype", expected="a complex dtype for complex numbers", got=str(dtype), fix="real(x)")
    found = x.astype(dtype, copy=copy)
    return found if device is None else found.to_device(device)


def _dtype_of(x: Any) -> dtypes.Dtype:
    return x.dtype if isinstance(x, NDArray) else dtypes.as_dtype(x)


def result_type(*arrays_and_dtypes: Any) -> dtypes.Dtype:
    """The element type that arrays, dtypes and Python's numbers, which are weak, give together. ArgumentError for numbers alone."""
    strong = [_dtype_of(x) for x in arrays_and_dtypes if type(x) not in (bool, int, float, complex)]
    if not strong:
        fail(ArgumentError, "result_type", expected="an array or a dtype, at least one", got=str(arrays_and_dtypes))
    found = functools.reduce(dtypes.promote, strong)
    for x in arrays_and_dtypes:
        if type(x) in (bool, int, float, complex):
            found = dtypes.promote_scalar(found, type(x))  # type: ignore[arg-type]
    return found


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, all in the shape that they broadcast to."""
    return list(_np["broadcast_arrays"](*arrays))


def broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    """``x`` in a shape that it broadcasts to, as a view."""
    return _np["broadcast_to"](x, shape)
