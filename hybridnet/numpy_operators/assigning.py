"""Operators that assignments to ``x[mask]`` are: an array with other values where a mask holds, to be written to ``out=x``."""

from __future__ import annotations

from typing import Any

from hybridnet.core import call
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Array
from hybridnet.numpy_operators.register import numpy_operator
from hybridnet.ops.array import creation


def _placed(op: str, data: Any, mask: Any, start: int) -> Any:
    """The mask with as many axes as ``data``, of whose axes from ``start`` on it has the lengths. ShapeError if not."""
    end = start + mask.ndim
    if not 0 <= start <= end <= data.ndim or data.shape[start:end] != mask.shape:
        fail(ShapeError, op, expected=f"a mask of axes {start} and on of {data.shape}", got=str(mask.shape))
    shape = (1,) * start + mask.shape + (1,) * (data.ndim - end)
    return call("reshape", call("not_equal", mask, 0), shape=shape)


@numpy_operator("_npi_boolean_mask_assign_scalar")
def boolean_mask_assign_scalar(data: Array, mask: Array, value: float = 0.0, start_axis: int = 0) -> Any:
    """``data`` with a number where the mask holds, which is of the axes from ``start_axis`` on."""
    return call(
        "where", _placed("_npi_boolean_mask_assign_scalar", data, mask, start_axis), creation.full((), value, data.dtype, data.device), data
    )


@numpy_operator("_npi_boolean_mask_assign_tensor")
def boolean_mask_assign_tensor(data: Array, mask: Array, value: Array, start_axis: int = 0) -> Any:
    """``data`` with values where the mask holds, which is of the axes from ``start_axis`` on.

    ``value``: one number for all; one for each place where the mask holds, in order, if it is of all axes; else a row that is put there,
    or behind the first ``start_axis`` axes one number for each of them. ShapeError for another length.
    """
    op = "_npi_boolean_mask_assign_tensor"
    held = _placed(op, data, mask, start_axis)
    if value.ndim > 1:
        fail(ShapeError, op, expected="a value of at most one axis", got=str(value.shape))
    if value.size != 1 and mask.ndim == data.ndim:
        result = call("copy", data)
        result[call("not_equal", mask, 0)] = value
        return result
    if value.ndim and start_axis:
        value = call("reshape", value, shape=(value.size, *(1,) * (data.ndim - 1)))
    return call("where", held, call("cast", value, dtype=data.dtype), data)
