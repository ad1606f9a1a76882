"""Sums of floating arrays in NumPy that keep their digits, whatever axes they go over.

``numpy.add.reduce`` sums pairwise along the axis that is innermost in memory, and one by one over the others: a million
rows added up in float32 are 1 % off. Here no more than :data:`RUN` numbers are added one by one: longer axes are cut
into blocks, and the blocks' sums are summed in the same way. A block's sums stay in the cache while its rows go by,
so that what is read from memory is as much as before; what is written besides is 1 / ``RUN`` of it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RUN = 64
SHORT = 256  # so few are not worth being cut
_ROW = 1024  # numbers that are added side by side: enough to keep vector units busy, few enough for a cache
_add: Any = np.add.reduce

Data = np.ndarray[Any, Any]


def add_up(x: Data, axis: tuple[int, ...], keepdims: bool = False, out: Data | None = None) -> Any:
    """``numpy.sum`` over sorted non-negative axes."""
    # Where all that is added lies in one go NumPy adds pairwise; few numbers it may add one by one.
    in_one_go = axis and axis[0] == x.ndim - len(axis) and x.flags.c_contiguous
    if in_one_go or x.size <= SHORT or x.dtype.kind not in "fc" or math.prod([x.shape[a] for a in axis]) <= SHORT:
        return _add(x, axis, None, out, keepdims)
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    kept = [i for i in order if i not in axis]
    total = _blocked(*_merged(x.transpose(order), [i in axis for i in order])).reshape([x.shape[i] for i in kept])
    total = total.transpose([kept.index(i) for i in sorted(kept)])
    if keepdims:
        total = total.reshape([1 if i in axis else n for i, n in enumerate(x.shape)])
    if out is None:
        return total
    out[...] = total
    return out


def _merged(x: Data, reduced: list[bool]) -> tuple[Data, list[bool]]:
    """The same with neighbouring axes as one where they lie in one go and both are summed over, or neither: so that blocks are long."""
    shape, strides, marks = [x.shape[0]], [x.strides[0]], [reduced[0]]
    for n, stride, mark in zip(x.shape[1:], x.strides[1:], reduced[1:], strict=True):
        if mark == marks[-1] and strides[-1] == n * stride:
            shape[-1], strides[-1] = shape[-1] * n, stride
        else:
            shape.append(n)
            strides.append(stride)
            marks.append(mark)
    return x.reshape(shape), marks


def _blocked(x: Data, reduced: list[bool]) -> Data:
    """The sum over the axes that are marked; axes are in the order of memory, the outermost first."""
    while True:
        inner = _pairwise(x, reduced)
        outer = [i for i, r in enumerate(reduced) if r and i < inner]
        over = tuple(range(inner, x.ndim))
        if math.prod([x.shape[i] for i in outer]) <= SHORT:
            return _add(x, (*outer, *over))
        axis = outer[-1]  # the nearest in memory, so that a block is one stretch of it
        x = _partial(x, axis, over)
        reduced = reduced[:inner]
        if x.shape[axis] == 1:
            x = x.reshape(x.shape[:axis] + x.shape[axis + 1 :])
            del reduced[axis]


def _pairwise(x: Data, reduced: list[bool]) -> int:
    """From which axis on all are summed over and lie in one go, as NumPy's innermost loop."""
    inner = x.ndim
    while inner and reduced[inner - 1] and (inner == x.ndim or x.strides[inner - 1] == x.strides[inner] * x.shape[inner]):
        inner -= 1
    return inner


def _partial(x: Data, axis: int, over: tuple[int, ...]) -> Data:
    """``x`` summed over the axes ``over`` and, ``RUN`` elements or fewer at a time, over ``axis``, which then has those sums."""
    n = x.shape[axis]
    inner = over[0] if over else x.ndim
    block = min(RUN, n)
    side = max(1, min(_ROW // max(math.prod(x.shape[axis + 1 : inner]), 1), n // block))  # rows side by side, where they are narrow
    whole = n // (block * side) * side
    rest, last = divmod(n - whole * block, block)
    sums = np.empty((*x.shape[:axis], whole + rest + (last > 0), *x.shape[axis + 1 : inner]), x.dtype)
    # Where the sums go, and of how many elements each is, side by side. What no longer fills a row comes behind the others.
    parts = ((0, whole, block, side), (whole, whole + rest, block, 1), (whole + rest, sums.shape[axis], last, 1))
    at = (slice(None),) * axis
    start = 0
    for first, stop, length, beside in parts:
        if first == stop:
            continue
        elements = x[(*at, slice(start, start + (stop - first) * length))]
        start += (stop - first) * length
        groups = (stop - first) // beside
        _add(
            elements.reshape(*x.shape[:axis], groups, length, beside, *x.shape[axis + 1 :]),
            (axis + 1, *(a + 2 for a in over)),
            None,
            sums[(*at, slice(first, stop))].reshape(*x.shape[:axis], groups, beside, *sums.shape[axis + 1 :]),
        )
    return sums
