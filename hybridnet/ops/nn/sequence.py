"""Batches of sequences of different lengths: mask, last element, reversal.

Data is (time, batch, ...), or (batch, time, ...) with ``axis=1``; lengths are one number a sequence, of any dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.array.indexing import INDEX
from hybridnet.ops.array.selection import where
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import along

_FULL = ("slice", None, None, None)


def _lengths(op: str, data: Any, lengths: Any, axis: int) -> Any:
    """The lengths as int64, after a look at the shapes."""
    if axis not in (0, 1) or data.ndim < 2:
        fail(ArgumentError, op, expected="data of 2 dimensions or more with time on axis 0 or 1", got=f"{data.shape}, axis={axis}")
    if lengths is None:
        fail(ArgumentError, op, expected="sequence_length, since use_sequence_length is set", got="none")
    lengths = tensor(lengths, data)
    if lengths.shape != (data.shape[1 - axis],):
        fail(ShapeError, op, expected=f"a length for each of {data.shape[1 - axis]} sequences", got=str(lengths.shape))
    return lengths.astype(dtypes.int64, copy=False)


def within_length(like: Any, lengths: Any, time: int, axis: int = 0) -> Any:
    """Whether each step of each sequence is below its length: bool (time, batch), or (batch, time) with ``axis=1``."""
    return along(positions(like, time), axis, 2) < along(lengths, 1 - axis, 2)


def sequence_mask(
    data: ArrayLike, sequence_length: ArrayLike | None = None, use_sequence_length: bool = False, value: float = 0.0, axis: int = 0
) -> Any:
    """``data`` with the steps at and after each sequence's length set to ``value``."""
    data = tensor(data)
    if not use_sequence_length:
        return data
    lengths = _lengths("sequence_mask", data, sequence_length, axis)
    mask = within_length(data, lengths, data.shape[axis], axis)
    number = value if dtypes.is_inexact(data.dtype) else np.asarray(value).astype(data.dtype).item()  # integers stay integers
    return where(call("reshape", mask, shape=mask.shape + (1,) * (data.ndim - 2)), data, number)


def sequence_last(data: ArrayLike, sequence_length: ArrayLike | None = None, use_sequence_length: bool = False, axis: int = 0) -> Any:
    """The last step of each sequence: (batch, ...)."""
    data = tensor(data)
    if not use_sequence_length:
        return call("slice", data, key=(_FULL,) * axis + (("int", -1),))
    lengths = _lengths("sequence_last", data, sequence_length, axis)
    last = call("clip", lengths - 1, a_min=0, a_max=data.shape[axis] - 1)
    each = positions(data, data.shape[1 - axis])
    return apply(INDEX, (data, last, each) if axis == 0 else (data, each, last), {"key": (("array",), ("array",))})


def sequence_reverse(data: ArrayLike, sequence_length: ArrayLike | None = None, use_sequence_length: bool = False, axis: int = 0) -> Any:
    """Each sequence backwards, its steps at and after its length left where they are."""
    data = tensor(data)
    if not use_sequence_length:
        return call("slice", data, key=(_FULL,) * axis + (("slice", None, None, -1),))
    lengths = _lengths("sequence_reverse", data, sequence_length, axis)
    time = data.shape[axis]
    step = along(positions(data, time), axis, 2)
    mirrored = along(lengths, 1 - axis, 2) - 1 - step
    source = where(mirrored >= 0, mirrored, step)
    each = along(positions(data, data.shape[1 - axis]), 1 - axis, 2)
    return apply(INDEX, (data, source, each) if axis == 0 else (data, each, source), {"key": (("array",), ("array",))})
