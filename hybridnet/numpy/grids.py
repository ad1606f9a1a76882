"""Grids and joins by indexing: ``mgrid[0:3]``, ``r_[x, 0:3]``; blocks; open meshes."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import core, dtypes
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import gather, joining, rearrange, shape
from hybridnet.ops.common import tensor


def _single(made: Any) -> Any:
    """An array of NumPy's as one of ours; floating numbers, which come of Python's, get the default type."""
    return core.array(made, dtypes.default_float() if made.dtype.kind == "f" else made.dtype)


class _Grid:
    """``mgrid`` (dense) or ``ogrid`` (open): coordinates by slices ``start:stop:step``, or ``start:stop:count * 1j``."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __getitem__(self, key: Any) -> Any:
        made = self._source[key]
        return tuple(map(_single, made)) if isinstance(made, (tuple, list)) else _single(made)


mgrid, ogrid = _Grid(np.mgrid), _Grid(np.ogrid)


class _Joined:
    """``r_`` or ``c_``: arrays, numbers and ranges joined along the first axis, or as columns."""

    def __init__(self, name: str, columns: bool) -> None:
        self._name, self._columns = name, columns

    def __getitem__(self, key: Any) -> Any:
        parts = []
        for item in key if isinstance(key, tuple) else (key,):
            if isinstance(item, str):
                fail(ArgumentError, self._name, expected="arrays, numbers and slices", got=repr(item), fix="np.concatenate or np.stack")
            parts.append(_single(np.r_[item]) if isinstance(item, slice) else joining.atleast_1d(item))
        if not self._columns:
            return shape.concatenate(parts, 0)
        return shape.concatenate([shape.expand_dims(p, 1) if p.ndim == 1 else p for p in parts], -1)


r_, c_ = _Joined("r_", False), _Joined("c_", True)
s_, index_exp = np.s_, np.index_exp


def ix_(*args: Any) -> tuple[Any, ...]:
    """Sequences as indices that broadcast to their open mesh; masks become the indices of what is true, which is eager only.

    ShapeError for other than one dimension.
    """
    found = []
    for i, sequence in enumerate(args):
        index = tensor(sequence)
        if index.ndim != 1:
            fail(ShapeError, "ix_", expected="sequences of one dimension", got=str(index.shape))
        if index.dtype == dtypes.bool_:
            index = gather.flatnonzero(index)
        elif not index.size and not hasattr(sequence, "dtype"):
            index = index.astype(dtypes.int64)
        found.append(shape.reshape(index, tuple(index.shape[0] if j == i else 1 for j in range(len(args)))))
    return tuple(found)


def block(arrays: Any) -> Any:
    """Nested lists of arrays joined: the innermost along the last axis, those around them along the axis before, and so on.

    ShapeError if lists are nested to different depths, or empty.
    """
    depth = _depth(arrays)
    ndim = max(depth, *(tensor(x).ndim for x in _leaves(arrays)))
    return _block(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(x) for x in arrays}
    if len(depths) != 1:
        fail(ShapeError, "block", expected="lists of one depth, none empty", got="empty ones" if not depths else f"depths {sorted(depths)}")
    return depths.pop() + 1


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for x in arrays for leaf in _leaves(x)] if isinstance(arrays, list) else [arrays]


def _block(arrays: Any, depth: int, ndim: int) -> Any:
    if not isinstance(arrays, list):
        x = tensor(arrays)
        return shape.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return shape.concatenate([_block(x, depth - 1, ndim) for x in arrays], -depth)


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the places of a matrix on and below its ``k``-th diagonal. ShapeError for other than two dimensions."""
    return rearrange.tril_indices(_matrix("tril_indices_from", arr)[0], k, arr.shape[1])


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """The indices of the places of a matrix on and above its ``k``-th diagonal. ShapeError for other than two dimensions."""
    return rearrange.triu_indices(_matrix("triu_indices_from", arr)[0], k, arr.shape[1])


def _matrix(op: str, arr: Any) -> tuple[int, ...]:
    if np.ndim(arr) != 2:
        fail(ShapeError, op, expected="two dimensions", got=str(arr.shape))
    return tuple(arr.shape)


def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Without the zeros at the front (``f`` in ``trim``) and the back (``b``) of each axis, or of ``axis``. Eager only.

    ArgumentError for other letters.
    """
    x = tensor(filt)
    if not set(trim.lower()) <= {"f", "b"}:
        fail(ArgumentError, "trim_zeros", expected="trim of letters f and b", got=repr(trim))
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    places = gather.argwhere(x).asnumpy()
    for a in axes:
        kept = places[:, a]
        low = int(kept.min()) if len(kept) and "f" in trim.lower() else 0
        high = int(kept.max()) + 1 if len(kept) and "b" in trim.lower() else x.shape[a]
        x = shape.slice_axis(x, a, low, high if len(kept) else low)
    return x
