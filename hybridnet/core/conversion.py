"""Arrays of anything: of NumPy's arrays, numbers and nested sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core.apply import call
from hybridnet.core.array import Array, ArrayLike, DTypeLike, from_objects, wrap
from hybridnet.core.ndarray import NDArray
from hybridnet.core.state import suspended_trace
from hybridnet.core.stored import KINDS
from hybridnet.device import Device, current_device
from hybridnet.device.transfer import placed
from hybridnet.errors import ShapeError, fail


def from_data(data: Any, device: Device | None = None, cls: type[NDArray] = NDArray) -> NDArray:
    """A handle to data that is a NumPy or CuPy array already; no copy."""
    return wrap(cls, data, device or Device("cpu", 0))


def on_host(value: Any) -> np.ndarray[Any, Any]:
    """What NumPy makes of a value, which may be nested sequences with arrays of ours in them; ShapeError where their lengths differ."""
    try:
        return np.array(_as_numpys(value))
    except ValueError as error:
        fail(ShapeError, "array", expected="nested sequences of equal lengths", got=str(error))


def _as_numpys(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_numpys(x) for x in value]
    return value.asnumpy() if isinstance(value, Array) else value  # type: ignore[attr-defined]


def asarray(value: Any, dtype: Any = None, device: Device | None = None, cls: type[NDArray] = NDArray) -> Any:
    """An array of anything: an array unchanged, NumPy arrays, numbers and nested lists copied.

    Without ``dtype``, floating values that are not a NumPy array become float32, complex ones complex64.
    """
    if isinstance(value, Array):
        if dtype is not None and dtypes.as_dtype(dtype) != value._data.dtype:
            value = call("cast", value, dtype=dtypes.as_dtype(dtype))
        return value if device is None else value.to_device(device)  # type: ignore[attr-defined]
    with suspended_trace():
        return array(value, dtype, device, cls)


def array(value: ArrayLike, dtype: DTypeLike = None, device: Device | None = None, cls: type[NDArray] = NDArray) -> Any:
    """A new array with the values of a NumPy array, number, array, stored data or nested list (ShapeError if parts differ in length)."""
    if isinstance(value, Array):
        result = asarray(value, dtype, device)
        return result.copy() if result is value else result  # type: ignore[attr-defined]
    if isinstance(value, KINDS):
        place = current_device() if device is None else Device(device)
        handle: Any = wrap(cls._stored_as[type(value)], value.moved(lambda part: placed(part, place)), place)
        return handle if dtype is None else handle.astype(dtype, copy=False)
    data = on_host(value)
    if dtype is None:
        of_python = data.dtype.kind in "fc" and not isinstance(value, (np.ndarray, np.generic))
        dtype = dtypes.of_python(data.dtype.kind) if of_python else data.dtype
    target = dtypes.as_dtype(dtype)
    if data.dtype == object:  # as a table of mixed columns is
        data = from_objects(data, target)
    dtypes.as_dtype(data.dtype)  # refuses strings, which a cast might still parse
    device = current_device() if device is None else Device(device)
    data = np.ascontiguousarray(data.astype(target, copy=False)).reshape(data.shape)
    return wrap(cls, placed(data, device), device)
