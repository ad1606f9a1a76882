"""Sorting, searching, statistics, and the shapes of arrays, with the standard's keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.numpy.functions import FUNCTIONS as _np

Axes = int | tuple[int, ...] | None


# -- sorting and searching --------------------------------------------------------------------------


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The positions along an axis that sort it; equal elements keep their order, asked for or not."""
    return _np["argsort"](x, axis, descending=descending)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The elements sorted along an axis."""
    return _np["sort"](x, axis, descending=descending)


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the largest element along an axis, or in the flattened array."""
    return _np["argmax"](x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """The position of the smallest element along an axis, or in the flattened array."""
    return _np["argmin"](x, axis, keepdims)


def count_nonzero(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """How many elements are not 0, over all axes or those that are given."""
    return _np["count_nonzero"](x, axis, keepdims)


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """The indices of the elements that are not 0, an array an axis."""
    return tuple(_np["nonzero"](x))


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where elements of ``x2``, of any shape, are to be put into ``x1``, which is sorted and of one dimension."""
    return _np["searchsorted"](x1, x2, side, sorter)


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """``x1`` where a condition holds, else ``x2``; the three broadcast."""
    return _np["where"](condition, x1, x2)


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """Elements along an axis, by an array of indices of one dimension; without the axis, ``x`` is of one dimension."""
    return _np["take"](x, indices, 0 if axis is None else axis)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Elements along an axis, by indices for each place of the other axes."""
    return _np["take_along_axis"](x, indices, axis)


# -- statistics ---------------------------------------------------------------------------------------


def sum(x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes; integers of less than 64 bits are summed in 64."""
    return _np["sum"](x, axis, dtype, keepdims)


def prod(x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product over axes; integers of less than 64 bits are multiplied in 64."""
    return _np["prod"](x, axis, dtype, keepdims)


def max(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """The largest element over axes."""
    return _np["max"](x, axis, keepdims)


def min(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """The smallest element over axes."""
    return _np["min"](x, axis, keepdims)


def mean(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """The average over axes."""
    return _np["mean"](x, axis, None, keepdims)


def std(x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The standard deviation over axes, divided by n - ``correction``."""
    return _np["std"](x, axis, keepdims=keepdims, correction=correction)


def var(x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The variance over axes, divided by n - ``correction``."""
    return _np["var"](x, axis, keepdims=keepdims, correction=correction)


def all(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """Whether all elements over axes are true."""
    return _np["all"](x, axis, keepdims=keepdims)


def any(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """Whether an element over axes is true."""
    return _np["any"](x, axis, keepdims=keepdims)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along an axis, ``n`` times over; ``prepend`` and ``append`` are joined to the ends first."""
    return _np["diff"](x, n, axis, prepend, append)


# -- shapes -------------------------------------------------------------------------------------------


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """Arrays joined along an axis, in the type that all give together; flattened first without an axis."""
    return _np["concatenate"](list(arrays), axis)


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return _np["stack"](list(arrays), axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The parts of ``x`` along an axis, without it."""
    return tuple(_np["unstack"](x, axis))


def expand_dims(x: Any, /, axis: int) -> Any:
    """``x`` with an axis of length 1 at a place."""
    return _np["expand_dims"](x, axis)


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    """``x`` without axes of length 1."""
    return _np["squeeze"](x, axis)


def flip(x: Any, /, *, axis: Axes = None) -> Any:
    """``x`` read backwards along axes, all of them without ``axis``."""
    return _np["flip"](x, axis)


def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """``x`` with axes moved to other places."""
    return _np["moveaxis"](x, source, destination)


def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    """``x`` with its axes in another order."""
    return _np["transpose"](x, axes)


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element along an axis, or of the flattened array, so many times."""
    return _np["repeat"](x, repeats, axis)


def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    """The elements in another shape; a view unless ``copy`` is true."""
    found = _np["reshape"](x, shape)
    return found.copy() if copy else found


def roll(x: Any, /, shift: Any, *, axis: Axes = None) -> Any:
    """``x`` with its elements moved on along axes; what leaves at the end enters at the start."""
    return _np["roll"](x, shift, axis)


def tile(x: Any, repetitions: tuple[int, ...], /) -> Any:
    """``x`` laid side by side so often along each axis."""
    return _np["tile"](x, repetitions)
