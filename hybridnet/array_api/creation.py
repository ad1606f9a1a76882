"""Making arrays, with the standard's default types: of Python's integers int64, of its floats float32, of its complex numbers complex64."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.core import NDArray
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, fail
from hybridnet.numpy import ndarray
from hybridnet.numpy.creation import from_dlpack
from hybridnet.numpy.functions import FUNCTIONS as _np
from hybridnet.ops.array import creation


def _device(device: Any) -> Device | None:
    return None if device is None else Device(device)


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """An array of anything array-like, of its shape. ``copy``: true always copies, false never (else ArgumentError)."""
    if isinstance(obj, NDArray):
        found = core.asarray(obj, dtype, _device(device))
        if copy is False and found is not obj:
            fail(ArgumentError, "asarray", expected="an array of that dtype and device already", got=str(obj.dtype), fix="copy=None")
        return found.copy() if copy and found is obj else found
    if copy is False:
        if hasattr(obj, "__dlpack__"):
            return from_dlpack(obj)
        fail(ArgumentError, "asarray", expected="an array, which needs no copy", got=type(obj).__name__, fix="copy=None")
    return core.array(obj, dtype, _device(device), ndarray)


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Any:
    """Evenly spaced numbers from ``start`` up to ``stop``, of one dimension; int64 if all three are integers, else float32."""
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        dtype = dtypes.int64 if all(isinstance(x, (int, np.integer)) for x in (start, stop, step)) else dtypes.default_float()
    return creation.arange(start, stop, step, dtype, _device(device))


def full(shape: int | tuple[int, ...], fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of a shape, filled with a number, in the type that the number has by default."""
    return creation.full(
        shape, fill_value, dtypes.of_python(np.asarray(fill_value).dtype.kind) if dtype is None else dtype, _device(device)
    )


def empty(shape: int | tuple[int, ...], *, dtype: Any = None, device: Any = None) -> Any:
    """An array of a shape, whose values do not matter yet."""
    return creation.zeros(shape, dtype, _device(device))


def zeros(shape: int | tuple[int, ...], *, dtype: Any = None, device: Any = None) -> Any:
    """Zeros in a shape."""
    return creation.zeros(shape, dtype, _device(device))


def ones(shape: int | tuple[int, ...], *, dtype: Any = None, device: Any = None) -> Any:
    """Ones in a shape."""
    return creation.ones(shape, dtype, _device(device))


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of the shape, dtype and device of ``x``, filled with a number."""
    return _np["full_like"](x, fill_value, dtype, device=_device(device))


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of the shape, dtype and device of ``x``, whose values do not matter yet."""
    return full_like(x, 0, dtype=dtype, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Zeros of the shape, dtype and device of ``x``."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Ones of the shape, dtype and device of ``x``."""
    return full_like(x, 1, dtype=dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    """Ones on the ``k``-th diagonal of a matrix, zeros elsewhere."""
    return creation.eye(n_rows, n_cols, k, dtype, _device(device))


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True) -> Any:
    """``num`` evenly spaced numbers from ``start`` to ``stop``, of one dimension; on a line in the complex plane if one is complex."""
    target = _device(device)
    if not (isinstance(start, complex) or isinstance(stop, complex)):
        return creation.linspace(start, stop, num, endpoint, False, dtype, target)
    kind = dtypes.default_complex() if dtype is None else dtypes.as_dtype(dtype)
    real, imaginary = (
        creation.linspace(a, b, num, endpoint, False, dtypes.real_of(kind), target)
        for a, b in ((complex(start).real, complex(stop).real), (complex(start).imag, complex(stop).imag))
    )
    return real + imaginary * 1j


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """A grid of as many dimensions as there are arrays of one: the coordinate of each point along each. ``indexing``: xy or ij."""
    return list(_np["meshgrid"](*arrays, indexing=indexing))


def tril(x: Any, /, *, k: int = 0) -> Any:
    """The matrices of ``x`` with zeros above the ``k``-th diagonal."""
    return _np["tril"](x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """The matrices of ``x`` with zeros below the ``k``-th diagonal."""
    return _np["triu"](x, k)
