"""Functions that call functions: along axes, by condition, element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet import core
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import creation, rearrange, selection, shape
from hybridnet.ops.common import normalize_axis, tensor


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``func1d`` of every slice along ``axis``, the results in the slices' places.

    ShapeError if there is no slice.
    """
    arr = tensor(arr)
    axis = normalize_axis("apply_along_axis", axis, arr.ndim)
    moved = rearrange.moveaxis(arr, axis, -1)
    if not np.prod(moved.shape[:-1]):
        fail(ShapeError, "apply_along_axis", expected="one slice or more", got=f"shape {arr.shape} along axis {axis}")
    rows = shape.reshape(moved, (-1, moved.shape[-1])) if arr.size else shape.reshape(moved, (int(np.prod(moved.shape[:-1])), 0))
    results = shape.stack([tensor(func1d(rows[i], *args, **kwargs)) for i in range(rows.shape[0])])
    placed = shape.reshape(results, moved.shape[:-1] + results.shape[1:])
    if results.ndim == 1:
        return placed
    own = list(range(axis, axis + results.ndim - 1))
    return rearrange.moveaxis(placed, list(range(moved.ndim - 1, placed.ndim)), own)


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """``func(a, axis)`` for one of ``axes`` after the other; an axis that it leaves out is kept as 1.

    ShapeError if it gives another number of dimensions.
    """
    result, ndim = tensor(a), tensor(a).ndim
    for axis in axes if isinstance(axes, (list, tuple)) else (axes,):
        axis = normalize_axis("apply_over_axes", axis, ndim)
        found = tensor(func(result, axis))
        result = found if found.ndim == ndim else shape.expand_dims(found, axis)
        if result.ndim != ndim:
            fail(ShapeError, "apply_over_axes", expected=f"{ndim} dimensions, or one fewer, of the function", got=str(found.shape))
    return result


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """From the first condition that holds its choice, else ``default``.

    ShapeError unless there are as many conditions as choices, and at least one; all broadcast.
    """
    if len(condlist) != len(choicelist) or not condlist:
        fail(ShapeError, "select", expected="as many conditions as choices", got=f"{len(condlist)} and {len(choicelist)}")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = selection.where(condition, choice, result)
    return result


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """For each element the value of the function, or the number, of the last condition that holds; 0 where none does.

    One function more than conditions is for all other elements. Functions are called with all of ``x``, in whose shape and dtype
    results are taken. ArgumentError for another number of functions.
    """
    x = tensor(x)
    first = condlist[0] if isinstance(condlist, (list, tuple)) and len(condlist) else condlist
    several = isinstance(condlist, (list, tuple)) and (np.ndim(first) > 0 or (x.ndim == 0 and len(condlist) > 0))
    conditions = [tensor(c, x) for c in (condlist if several else [condlist])]
    functions = list(funclist)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        fail(ArgumentError, "piecewise", expected=f"{len(conditions)} functions, or one more", got=str(len(functions)))
    values = [tensor(f(x, *args, **kw) if callable(f) else f, x).astype(x.dtype, copy=False) for f in functions]
    result = creation.zeros_like(x)
    if len(values) > len(conditions):
        result = values[-1] if values[-1].shape == x.shape else shape.broadcast_to(values[-1], x.shape)
    for condition, value in zip(conditions, values, strict=False):
        result = selection.where(condition, value, result)
    return result


class vectorize:
    """A function of numbers as one of arrays, which broadcast: called for each element, in a loop of Python's. Eager only.

    Takes what ``numpy.vectorize`` takes; floating results are float32 unless ``otypes`` says else.
    """

    def __init__(self, pyfunc: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._over = np.vectorize(pyfunc, *args, **kwargs)
        self._typed = bool(args) or kwargs.get("otypes") is not None
        functools.update_wrapper(self, pyfunc)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = self._over(*map(_on_host, args), **{key: _on_host(x) for key, x in kwargs.items()})
        return tuple(map(self._as_array, found)) if isinstance(found, tuple) else self._as_array(found)

    def _as_array(self, found: Any) -> Any:
        return core.array(found, None if self._typed or found.dtype != np.float64 else np.float32)


def _on_host(x: Any) -> Any:
    return x.asnumpy() if isinstance(x, core.NDArray) else x
