"""Arrays seen in other shapes, as NumPy's ``lib.stride_tricks`` has them; where NumPy gives a view, so may these, or a copy.

What can only be true of a view, being written through and reaching memory beyond the array, is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import asarray
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.numpy.functions import FUNCTIONS
from hybridnet.ops.array.creation import arange
from hybridnet.ops.array.gather import take
from hybridnet.ops.array.rearrange import moveaxis
from hybridnet.ops.array.shape import reshape
from hybridnet.ops.common import normalize_axis, tensor
from hybridnet.ops.vocabulary import NUMPY

broadcast_arrays, broadcast_to = FUNCTIONS["broadcast_arrays"], FUNCTIONS["broadcast_to"]


@NUMPY.wrap
def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = False) -> Any:
    """The elements of ``x`` in another shape, an axis going on by so many bytes a step (``strides``, also 0 or below it); a copy.

    Strides count in the memory of ``x`` in C order, from its first element. ShapeError for steps that leave the array, that are no whole
    elements, or not one an axis; ArgumentError if it is to be ``writeable`` (NumPy's default), or ``x`` is a view in another order.
    """
    x = tensor(x)
    if writeable:
        fail(ArgumentError, "as_strided", expected="no writing: what it gives is a copy", got="writeable=True")
    if not x._is_traced() and not x._data.flags.c_contiguous:
        fail(ArgumentError, "as_strided", expected="an array in C order", got=f"a view with strides {x._data.strides}", fix="x.copy()")
    size = x.dtype.itemsize
    shape = x.shape if shape is None else tuple(int(n) for n in np.atleast_1d(shape))
    own = tuple(size * int(np.prod(x.shape[i + 1 :])) for i in range(x.ndim))
    steps = own if strides is None else tuple(int(n) for n in np.atleast_1d(strides))
    if len(steps) != len(shape) or any(n % size for n in steps) or any(n < 0 for n in shape):
        fail(ShapeError, "as_strided", expected=f"a stride an axis of {shape}, multiples of {size} bytes", got=str(steps))
    places: Any = np.zeros((), np.int64)
    for n, step in zip(shape, steps, strict=True):
        places = places[..., None] + np.arange(n) * (step // size)
    if places.size and (places.min() < 0 or places.max() >= x.size):
        got = f"elements {places.min()} to {places.max()}"
        fail(ShapeError, "as_strided", expected=f"elements of the array, 0 to {x.size - 1}", got=got)
    return take(reshape(x, -1), asarray(places, device=x.device), 0)


@NUMPY.wrap
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, subok: bool = False, writeable: bool = False) -> Any:
    """All windows of ``x`` of ``window_shape`` along ``axis`` (an axis, several, all without), whose places come last; a copy.

    An axis of length n with windows of length m becomes n - m + 1 long. ShapeError for windows that do not fit, ArgumentError for
    another number of axes, or if it is to be ``writeable``.
    """
    x = tensor(x)
    if writeable:
        fail(ArgumentError, "sliding_window_view", expected="no writing: windows are copies", got="writeable=True")
    lengths = [int(n) for n in np.atleast_1d(window_shape)]
    axes = list(range(x.ndim)) if axis is None else [normalize_axis("sliding_window_view", int(a), x.ndim) for a in np.atleast_1d(axis)]
    if len(lengths) != len(axes):
        fail(ArgumentError, "sliding_window_view", expected=f"a window of {len(axes)} axes", got=str(window_shape))
    for length, along in zip(lengths, axes, strict=True):
        n = x.shape[along] - length + 1
        if length < 0 or n < 1:
            fail(ShapeError, "sliding_window_view", expected=f"a window of at most {x.shape[along]}", got=str(length))
        starts = reshape(arange(n, dtype=dtypes.int64, device=x.device), (n, 1))
        windows = take(x, starts + arange(length, dtype=dtypes.int64, device=x.device), along)
        x = moveaxis(windows, along + 1, -1)
    return x
