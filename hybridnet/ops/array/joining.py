"""Joining and cutting by NumPy's many names, and inserting and deleting: all of ``concatenate`` and ``slice``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import ArrayLike
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.rearrange import taken_in_runs
from hybridnet.ops.array.shape import broadcast_to, concatenate, expand_dims, reshape, slice_axis, split
from hybridnet.ops.common import beside, normalize_axis, tensor


def _at_least(arrays: tuple[Any, ...], ndim: int, shaped: Any) -> Any:
    found = [x if x.ndim >= ndim else reshape(x, shaped(x)) for x in map(tensor, arrays)]
    return found[0] if len(found) == 1 else found


def atleast_1d(*arys: Any) -> Any:
    """Arrays of zero dimensions get one."""
    return _at_least(arys, 1, lambda x: (1,))


def atleast_2d(*arys: Any) -> Any:
    """Arrays of fewer than two dimensions get new first ones."""
    return _at_least(arys, 2, lambda x: (1, x.size))


def atleast_3d(*arys: Any) -> Any:
    """Arrays of fewer than three dimensions get them: vectors become (1, n, 1), matrices (m, n, 1)."""
    return _at_least(arys, 3, lambda x: (*x.shape, 1) if x.ndim == 2 else (1, x.size, 1))


def _each(arrays: Any, shaped: Any) -> list[Any]:
    return [shaped(x) for x in ([arrays] if hasattr(arrays, "ndim") and arrays.ndim == 0 else arrays)]


def vstack(tup: Sequence[Any]) -> Any:
    """The arrays joined as rows: along the first axis of arrays of two dimensions or more."""
    return concatenate(_each(tup, atleast_2d), 0)


row_stack = vstack


def hstack(tup: Sequence[Any]) -> Any:
    """The arrays joined side by side: along the second axis, or the only one."""
    found = _each(tup, atleast_1d)
    return concatenate(found, 0 if found and found[0].ndim == 1 else 1)


def dstack(tup: Sequence[Any]) -> Any:
    """The arrays joined in depth: along the third axis."""
    return concatenate(_each(tup, atleast_3d), 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """The arrays joined as columns; vectors become columns."""
    return concatenate(_each(tup, lambda x: expand_dims(atleast_1d(x), 1) if tensor(x).ndim < 2 else tensor(x)), 1)


def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Any:
    """``values`` joined to the end of ``arr`` along ``axis`` (both flattened if it is ``None``)."""
    arr = tensor(arr)
    return concatenate([arr, beside(values, arr)], axis)


def array_split(ary: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As ``split``, but the parts need not be equal: the first ones are longer by 1.

    ArgumentError if there is not at least one part. Cut at given indices like ``split`` along ``axis``.
    """
    ary = tensor(ary)
    axis = normalize_axis("array_split", axis, ary.ndim)
    if not isinstance(indices_or_sections, (int, np.integer)):
        return split(ary, indices_or_sections, axis)
    if indices_or_sections < 1:
        fail(ArgumentError, "array_split", expected="1 part or more", got=str(indices_or_sections))
    each, longer = divmod(ary.shape[axis], int(indices_or_sections))
    cuts = [i * each + min(i, longer) for i in range(1, int(indices_or_sections))]
    return split(ary, cuts, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``split`` along the second axis, or the only one."""
    ary = _with_dimensions("hsplit", ary, 1)
    return split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


def vsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    """``split`` along the first axis of an array of two dimensions or more."""
    return split(_with_dimensions("vsplit", ary, 2), indices_or_sections, 0)


def dsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Any]:
    """``split`` along the third axis."""
    return split(_with_dimensions("dsplit", ary, 3), indices_or_sections, 2)


def _with_dimensions(op: str, ary: Any, ndim: int) -> Any:
    ary = tensor(ary)
    if ary.ndim < ndim:
        fail(ShapeError, op, expected=f"{ndim} dimensions or more", got=str(ary.shape))
    return ary


def _chosen(op: str, obj: Any, n: int) -> np.ndarray[Any, Any]:
    """The places that an integer, slice, sequence or (eager only) array names on an axis of length ``n``."""
    found = np.arange(n)[obj] if isinstance(obj, slice) else np.atleast_1d(np.asarray(obj))
    if found.dtype == np.bool_:
        found = found.nonzero()[0]
    if found.size and not (-n <= found.min() and found.max() <= n):
        fail(ShapeError, op, expected=f"places from {-n} to {n}", got=str(obj))
    return np.where(found < 0, found + n, found).astype(np.int64)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """``arr`` without the elements (or slices along ``axis``) at ``obj``: an integer, a slice or several integers.

    ShapeError for a place that is not on the axis.
    """
    arr = tensor(arr)
    if axis is None:
        arr, axis = reshape(arr, -1), 0
    axis = normalize_axis("delete", axis, arr.ndim)
    n = arr.shape[axis]
    gone = _chosen("delete", obj, n)
    if gone.size and gone.max() >= n:
        fail(ShapeError, "delete", expected=f"places below {n}", got=str(obj))
    return taken_in_runs(arr, axis, np.delete(np.arange(n), gone).tolist())


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """``arr`` with ``values`` put in before the places ``obj`` along ``axis`` (flattened if it is ``None``)."""
    arr = tensor(arr)
    if axis is None:
        arr, axis = reshape(arr, -1), 0
    axis = normalize_axis("insert", axis, arr.ndim)
    places = _chosen("insert", obj, arr.shape[axis])
    values = tensor(values, arr).astype(arr.dtype, copy=False)
    if places.size == 1 and not isinstance(obj, slice) and np.ndim(obj) == 0 and values.ndim == arr.ndim - 1 and values.ndim:
        values = expand_dims(values, axis)  # NumPy: one place takes a value without the axis
    count = values.shape[axis] if places.size == 1 and values.ndim == arr.ndim else places.size
    values = broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    order = np.argsort(places, kind="stable")
    parts, done = [], 0
    for number, place in zip(order.tolist(), places[order].tolist(), strict=True):
        parts.append(slice_axis(arr, axis, done, place))
        parts.append(values if places.size == 1 else slice_axis(values, axis, number, number + 1))
        done = place
    return concatenate([*parts, slice_axis(arr, axis, done, None)], axis)


def unstack(x: ArrayLike, axis: int = 0) -> tuple[Any, ...]:
    """The slices of ``x`` along an axis, without it: what ``stack`` joins."""
    x = tensor(x)
    axis = normalize_axis("unstack", axis, x.ndim)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return tuple(reshape(slice_axis(x, axis, i, i + 1), shape) for i in range(x.shape[axis]))
