"""Arrays seen in other shapes, as NumPy's ``lib.stride_tricks`` has them; where NumPy gives a view, so may these, or a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
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
