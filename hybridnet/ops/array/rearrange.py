"""Elements in other places: flip, roll, tile, repeat, pad, diagonals, triangles, grids.

Nothing here computes on its own: all is slices, reshapes, broadcasts and joins (:mod:`hybridnet.ops.array.shape`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, apply, broadcast_shapes, call
from hybridnet.errors import ArgumentError, AxisError, ShapeError, fail
from hybridnet.ops.array.creation import FULL, arange, zeros
from hybridnet.ops.array.gather import positions, take
from hybridnet.ops.array.shape import broadcast_to, concatenate, expand_dims, reshape, slice_axis, transpose
from hybridnet.ops.array.sorting import sort
from hybridnet.ops.common import normalize_axes, normalize_axis, reduced_axis, tensor
from hybridnet.ops.math import reduction
from hybridnet.ops.math.scan import reversed_along

_FULL = ("slice", None, None, None)

# -- the order of axes ----------------------------------------------------------------------------


def swapaxes(a: ArrayLike, axis1: int, axis2: int) -> Any:
    """``a`` with two of its axes exchanged, as a view."""
    a = tensor(a)
    order = list(range(a.ndim))
    i, j = normalize_axis("swapaxes", axis1, a.ndim), normalize_axis("swapaxes", axis2, a.ndim)
    order[i], order[j] = j, i
    return transpose(a, order)


def moveaxis(a: ArrayLike, source: Any, destination: Any) -> Any:
    """``a`` with the axes ``source`` moved to the places ``destination``, as a view.

    AxisError unless there are as many different destinations as sources.
    """
    a = tensor(a)
    sources = [normalize_axis("moveaxis", x, a.ndim) for x in _listed(source)]
    targets = [normalize_axis("moveaxis", x, a.ndim) for x in _listed(destination)]
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        fail(AxisError, "moveaxis", expected="as many different destinations as sources", got=f"{source} and {destination}")
    order = [i for i in range(a.ndim) if i not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return transpose(a, order)


def rollaxis(a: ArrayLike, axis: int, start: int = 0) -> Any:
    """``a`` with ``axis`` moved to before ``start``, as a view.

    AxisError if ``start`` is not from -ndim to ndim.
    """
    a = tensor(a)
    axis = normalize_axis("rollaxis", axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        fail(AxisError, "rollaxis", expected=f"a start from {-a.ndim} to {a.ndim}", got=str(start))
    start += a.ndim if start < 0 else 0
    return moveaxis(a, axis, start - 1 if start > axis else start)


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def ravel(a: ArrayLike, order: str = "C") -> Any:
    """The elements in one dimension; ``order`` ``F`` takes the first axis fastest, ``A`` and ``K`` are ``C`` here."""
    return reshape(a, -1, "C" if order in ("K", "k") else order)


# -- flipping and turning -------------------------------------------------------------------------


def flip(m: ArrayLike, axis: int | tuple[int, ...] | None = None) -> Any:
    """``m`` backwards along the given axes (all without ``axis``), as a view."""
    m = tensor(m)
    axes = normalize_axes("flip", axis, m.ndim)
    key = tuple(("slice", None, None, -1) if i in axes else _FULL for i in range(m.ndim))
    return call("slice", m, key=key)


def fliplr(m: ArrayLike) -> Any:
    """``m`` backwards along its second axis."""
    return flip(m, 1)


def flipud(m: ArrayLike) -> Any:
    """``m`` backwards along its first axis."""
    return flip(m, 0)


def rot90(m: ArrayLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """``m`` turned by ``k`` times 90 degrees, from the first of ``axes`` towards the second. AxisError if the axes are one."""
    m = tensor(m)
    first, second = (normalize_axis("rot90", x, m.ndim) for x in axes)
    if first == second:
        fail(AxisError, "rot90", expected="two axes that differ", got=str(tuple(axes)))
    turns = k % 4
    if turns == 2:
        return flip(m, (first, second))
    if turns == 1:
        return swapaxes(reversed_along(m, second), first, second)
    return reversed_along(swapaxes(m, first, second), second) if turns else m


def roll(a: Any, shift: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """``a`` with its elements moved on by ``shift`` along ``axis``; what leaves at the end enters at the start.

    Without ``axis``, along the flattened array. Several shifts go with several axes. ArgumentError if shifts and axes are neither
    one nor equally many.
    """
    a = tensor(a)
    if axis is None:
        return reshape(roll(reshape(a, -1), shift, 0), a.shape)
    shifts, axes = _listed(shift), _listed(axis)
    if len(shifts) != len(axes):
        if 1 not in (len(shifts), len(axes)):
            fail(ArgumentError, "roll", expected="as many shifts as axes", got=f"{shift} and {axis}")
        shifts, axes = shifts * (len(axes) if len(shifts) == 1 else 1), axes * (len(shifts) if len(axes) == 1 else 1)
    for by, along in zip(shifts, axes, strict=True):
        along = normalize_axis("roll", along, a.ndim)
        n = a.shape[along]
        by = int(by) % n if n else 0
        if by:
            a = concatenate([slice_axis(a, along, n - by, None), slice_axis(a, along, 0, n - by)], along)
    return a


# -- repeating ------------------------------------------------------------------------------------


def tile(A: ArrayLike, reps: Any) -> Any:
    """``A`` laid side by side ``reps`` times along each axis (the last axes, if fewer are given).

    ArgumentError for a negative repetition.
    """
    A = tensor(A)
    counts = [int(r) for r in (reps if isinstance(reps, (list, tuple)) else np.atleast_1d(reps))]
    if any(r < 0 for r in counts):
        fail(ArgumentError, "tile", expected="repetitions of 0 or more", got=str(reps))
    ndim = max(A.ndim, len(counts))
    counts = [1] * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + A.shape
    if all(r == 1 for r in counts):
        return reshape(A, shape)
    apart = [size for n in shape for size in (1, n)]
    wide = [size for r, n in zip(counts, shape, strict=True) for size in (r, n)]
    return reshape(broadcast_to(reshape(A, apart), wide), tuple(r * n for r, n in zip(counts, shape, strict=True)))


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element of ``a`` repeated along ``axis`` (of the flattened array if it is ``None``).

    ``repeats``: how often, or (eager only, if it is an array of ours) one number for each element.
    """
    a = tensor(a)
    if axis is None:
        a, axis = reshape(a, -1), 0
    axis = reduced_axis("repeat", axis, a.ndim)
    a = a if a.ndim else reshape(a, -1)
    n = a.shape[axis]
    counts = [int(r) for r in np.atleast_1d(np.asarray(repeats))]
    if any(r < 0 for r in counts) or len(counts) not in (1, n):
        fail(ArgumentError, "repeat", expected=f"one number of repeats, or {n} of them, none negative", got=str(repeats))
    if len(counts) != 1:  # none of an axis that has none
        return take(a, np.repeat(np.arange(n), counts), axis)
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    spread = broadcast_to(reshape(a, (*before, n, 1, *after)), (*before, n, counts[0], *after))
    return reshape(spread, (*before, n * counts[0], *after))


def resize(a: ArrayLike, new_shape: Any) -> Any:
    """``a`` in ``new_shape``, its elements repeated from the start, or left out, to fill it.

    Zeros if there is no element to repeat. ShapeError for a negative dimension.
    """
    a = tensor(a)
    shape = tuple(int(n) for n in (new_shape if isinstance(new_shape, (list, tuple)) else (new_shape,)))
    size = int(np.prod(shape, dtype=np.int64))
    flat = reshape(a, -1)
    if any(n < 0 for n in shape):
        fail(ShapeError, "resize", expected="no negative dimensions", got=str(shape))
    if size > a.size:
        if not a.size:
            return apply(FULL, (), {"shape": shape, "value": 0, "dtype": a.dtype}, a.device, type(a))
        flat = tile(flat, -(-size // a.size))
    return reshape(slice_axis(flat, 0, 0, size), shape)


# -- padding --------------------------------------------------------------------------------------


#: The modes of ``pad``, and the keyword that each takes.
_PADDINGS = {
    "constant": "constant_values", "edge": None, "reflect": "reflect_type", "symmetric": "reflect_type", "wrap": None,
    "maximum": "stat_length", "minimum": "stat_length", "mean": "stat_length", "median": "stat_length", "linear_ramp": "end_values",
    "empty": None,
}  # fmt: skip


def pad(array: Any, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """``array`` with ``pad_width`` elements more at the ends of its axes.

    ``pad_width``: one number, a pair (before, after), or a pair for each axis, also in a dict by axis. ``mode``: ``constant`` (filled with
    ``constant_values``, 0 without), ``edge``, ``reflect``, ``symmetric`` (both with ``reflect_type``), ``wrap``, ``maximum``,
    ``minimum``, ``mean``, ``median`` (of each row, or of ``stat_length`` elements at its end), ``linear_ramp`` (to ``end_values``, 0
    without) or ``empty``. Those values too are one, a pair, or a pair for each axis. ShapeError for widths that are negative or not of
    this form, ArgumentError for another mode or a keyword that it does not have.
    """
    array = tensor(array)
    if isinstance(pad_width, dict):
        pad_width = [pad_width.get(i, pad_width.get(i - array.ndim, 0)) for i in range(array.ndim)]
        pad_width = [(w, w) if isinstance(w, int) else w for w in pad_width]
    widths = _pairs(pad_width, array.ndim, np.int64)
    if any(w < 0 for pair in widths for w in pair):
        fail(ShapeError, "pad", expected="widths of 0 or more", got=repr(pad_width))
    if mode not in _PADDINGS:
        fail(ArgumentError, "pad", expected=f"mode {', '.join(_PADDINGS)}", got=repr(mode))
    for key in kwargs:
        if key != _PADDINGS[mode]:
            fail(ArgumentError, "pad", expected=f"of mode {mode} {_PADDINGS[mode] or 'no'} keyword", got=key)
    if mode in ("constant", "empty"):
        values = _pairs(kwargs.get("constant_values", 0), array.ndim)
        if len({v for pair in values for v in pair}) < 2:
            return _pad_constant(array, widths, values[0][0] if values else 0)
        return _pad_made(array, widths, mode, constant_values=values)
    if mode in ("maximum", "minimum", "mean", "median", "linear_ramp"):
        return _pad_made(array, widths, mode, **kwargs)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if not array.shape[axis]:
                fail(ShapeError, "pad", expected=f"elements on axis {axis} to repeat", got=f"shape {array.shape}")
            places = np.pad(np.arange(array.shape[axis]), (before, after), mode, **kwargs)  # type: ignore[call-overload]
            array = taken_in_runs(array, axis, places.tolist())
    return array


def _pad_constant(array: Any, widths: list[list[int]], value: Any) -> Any:
    shape = tuple(n + before + after for n, (before, after) in zip(array.shape, widths, strict=True))
    if shape == array.shape:
        return array
    key = tuple(("slice", before, before + n, None) for n, (before, _) in zip(array.shape, widths, strict=True))
    if value == 0:
        return call("slice_grad", array, shape=shape, key=key)
    filled = apply(FULL, (), {"shape": shape, "value": value, "dtype": array.dtype}, array.device, type(array))
    return call("index_set", filled, array, key=key)


def _pairs(values: Any, ndim: int, dtype: Any = None) -> list[list[Any]]:
    """A number, a pair, or a pair for each axis as pairs (before, after)."""
    try:
        return np.broadcast_to(np.asarray(values, dtype=dtype), (ndim, 2)).tolist()  # type: ignore[no-any-return]
    except (ValueError, TypeError):
        fail(ShapeError, "pad", expected=f"a number, a pair, or {ndim} pairs", got=repr(values))


def _pad_made(
    array: Any, widths: list[list[int]], mode: str, stat_length: Any = None, end_values: Any = 0, constant_values: Any = 0
) -> Any:
    """Widened one axis after the other by a statistic of each row (of ``stat_length`` elements at that end), a ramp or numbers."""
    values = _pairs(constant_values if mode == "constant" else end_values if mode == "linear_ramp" else stat_length, array.ndim)
    for axis, (before, after) in enumerate(widths):
        n = array.shape[axis]
        if not n and (before or after) and mode != "constant":
            fail(ShapeError, "pad", expected=f"elements on axis {axis}", got=f"shape {array.shape}")
        parts = [array]
        if before:
            parts.insert(0, _end(array, axis, before, mode, values[axis][0], True))
        if after:
            parts.append(_end(array, axis, after, mode, values[axis][1], False))
        array = concatenate(parts, axis) if len(parts) > 1 else array
    return array


def _end(array: Any, axis: int, count: int, mode: str, value: Any, first: bool) -> Any:
    """What is put before (or, unless it is the first, behind) an array along an axis, ``count`` long."""
    n = array.shape[axis]
    if mode == "constant":
        shape = tuple(count if i == axis else m for i, m in enumerate(array.shape))
        return apply(FULL, (), {"shape": shape, "value": value, "dtype": array.dtype}, array.device, type(array))
    length = 1 if mode == "linear_ramp" else n if value is None else min(int(value), n)
    if not length:
        fail(ArgumentError, "pad", expected="a stat_length above 0", got=str(value))
    rows = slice_axis(array, axis, 0, length) if first else slice_axis(array, axis, n - length, n)
    return _ramp(rows, axis, count, value, 0 if first else 1) if mode == "linear_ramp" else _spread(rows, axis, count, mode)


def _spread(rows: Any, axis: int, count: int, mode: str) -> Any:
    """A statistic of ``rows`` along an axis, ``count`` times."""
    if mode in ("mean", "median"):
        wide, n = rows.astype(dtypes.floating(rows.dtype), copy=False), rows.shape[axis]
        if mode == "median":
            ordered = sort(wide, axis)
            wide, n = slice_axis(ordered, axis, (n - 1) // 2, n // 2 + 1), n // 2 + 1 - (n - 1) // 2
        found = call("sum", wide, axis=(axis,), keepdims=True) / float(n)
        found = found if dtypes.is_inexact(rows.dtype) else call("cast", call("rint", found), dtype=rows.dtype)
    else:
        found = call(mode.removesuffix("imum"), rows, axis=(axis,), keepdims=True)
    return broadcast_to(found, tuple(count if i == axis else m for i, m in enumerate(rows.shape)))


def _ramp(edge: Any, axis: int, count: int, end: float, first: int) -> Any:
    """From ``end`` to ``edge`` (the other way round where ``first`` is 1), without the edge itself."""
    dtype = dtypes.floating(edge.dtype)
    steps = arange(count - 1, -1, -1, dtype, edge.device) if first else arange(0, count, 1, dtype, edge.device)
    share = reshape(steps / float(count), tuple(-1 if i == axis else 1 for i in range(edge.ndim)))
    found = (edge - end) * share + end
    return found.astype(edge.dtype, copy=False)


def taken_in_runs(x: Any, axis: int, places: list[int]) -> Any:
    """``x`` at constant ``places`` along an axis: as slices joined, which need no index array."""
    if not places:
        return slice_axis(x, axis, 0, 0)
    parts = [_run(x, axis, *run) for run in _runs(places)]
    return parts[0] if len(parts) == 1 else concatenate(parts, axis)


def _runs(places: list[int]) -> list[tuple[int, int, int]]:
    """A list of indices as (first, step, length) runs of step 1, -1 or 0, each as long as can be."""
    runs: list[tuple[int, int, int]] = []
    for place in places:
        if runs:
            first, step, length = runs[-1]
            last = first + step * (length - 1)
            if abs(place - last) <= 1 and (length == 1 or place - last == step):
                runs[-1] = (first, place - last, length + 1)
                continue
        runs.append((place, 1, 1))
    return runs


def _run(x: Any, axis: int, first: int, step: int, length: int) -> Any:
    if step == 0:
        one = slice_axis(x, axis, first, first + 1)
        return broadcast_to(one, (*x.shape[:axis], length, *x.shape[axis + 1 :]))
    stop = first + step * length
    return call("slice", x, key=(_FULL,) * axis + (("slice", first, None if stop < 0 else stop, step),))


# -- diagonals and triangles ----------------------------------------------------------------------


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of the matrices that two axes make up, ``offset`` above the main one; it becomes the last axis.

    AxisError if the axes are one.
    """
    a = tensor(a)
    first, second = normalize_axis("diagonal", axis1, a.ndim), normalize_axis("diagonal", axis2, a.ndim)
    if first == second:
        fail(AxisError, "diagonal", expected="two axes that differ", got=f"{axis1} and {axis2}")
    a = moveaxis(a, (first, second), (-2, -1))
    key = (_FULL,) * (a.ndim - 2) + (_diagonal(a.shape[-2], a.shape[-1], offset),)
    return call("slice", reshape(a, (*a.shape[:-2], a.shape[-2] * a.shape[-1])), key=key)


def _diagonal(rows: int, columns: int, offset: int) -> tuple[Any, ...]:
    """The slice of a flattened matrix that is its diagonal."""
    start = offset if offset >= 0 else -offset * columns
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    return ("slice", start, start + (length - 1) * (columns + 1) + 1, columns + 1) if length else ("slice", 0, 0, 1)


def diag(v: ArrayLike, k: int = 0) -> Any:
    """The ``k``-th diagonal of a matrix, or the matrix that has the vector ``v`` there and zeros elsewhere.

    ShapeError for other than one or two dimensions.
    """
    v = tensor(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        fail(ShapeError, "diag", expected="one or two dimensions", got=str(v.shape), fix="np.diagonal")
    n = v.shape[0] + abs(k)
    return reshape(call("slice_grad", v, shape=(n * n,), key=(_diagonal(n, n, k),)), (n, n))


def diagflat(v: ArrayLike, k: int = 0) -> Any:
    """The matrix with the flattened ``v`` on its ``k``-th diagonal."""
    return diag(ravel(v), k)


def trace(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike = None) -> Any:
    """The sum of a diagonal, in ``dtype``."""
    return reduction.sum(diagonal(a, offset, axis1, axis2), -1, dtype)


def _not_above(like: Any, rows: int, columns: int, k: int) -> Any:
    """A mask of the places of a matrix on and below its ``k``-th diagonal."""
    return call("greater_equal", reshape(positions(like, rows), (rows, 1)) + k, positions(like, columns))


def tril(m: Any, k: int = 0) -> Any:
    """``m`` with zeros above the ``k``-th diagonal of its last two axes."""
    m = _matrices("tril", m)
    return call("where", _not_above(m, m.shape[-2], m.shape[-1], k), m, m.dtype.type(0).item())


def triu(m: Any, k: int = 0) -> Any:
    """``m`` with zeros below the ``k``-th diagonal of its last two axes."""
    m = _matrices("triu", m)
    return call("where", _not_above(m, m.shape[-2], m.shape[-1], k - 1), m.dtype.type(0).item(), m)


def _matrices(op: str, m: Any) -> Any:
    m = tensor(m)
    if not m.ndim:
        fail(ShapeError, op, expected="one dimension or more", got="zero dimensions")
    return broadcast_to(m, m.shape * 2) if m.ndim == 1 else m


def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Ones on and below the ``k``-th diagonal of an N×M matrix of zeros."""
    like = arange(0, dtype=dtypes.int64, device=device, ctx=ctx)
    return call("cast", _not_above(like, int(N), int(N if M is None else M), k), dtype=dtypes.as_dtype(dtype))


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """The indices, rows and columns, of the places on and below a diagonal of an n×m matrix."""
    return tuple(tensor(i) for i in np.tril_indices(n, k, m))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, ...]:
    """The indices, rows and columns, of the places on and above a diagonal of an n×m matrix."""
    return tuple(tensor(i) for i in np.triu_indices(n, k, m))


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array whose axes are all of one length. ShapeError unless they are, and two or more."""
    if len(set(arr.shape)) != 1 or arr.ndim < 2:
        fail(ShapeError, "diag_indices_from", expected="two or more axes of one length", got=str(arr.shape))
    return (positions(arr, arr.shape[0]),) * arr.ndim


# -- grids and broadcasting -----------------------------------------------------------------------


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Any]:
    """Coordinate arrays of the grid that vectors span; with ``xy`` the first two axes are exchanged.

    ``sparse`` leaves the other axes at length 1. ``copy`` is NumPy's; results are views either way. ArgumentError for another
    ``indexing`` than xy and ij.
    """
    if indexing not in ("xy", "ij"):
        fail(ArgumentError, "meshgrid", expected="indexing xy or ij", got=repr(indexing))
    found = [reshape(x, -1) for x in xi]
    places = list(range(len(found)))
    if indexing == "xy" and len(found) > 1:
        places[0], places[1] = 1, 0
    grid = [reshape(x, tuple(-1 if i == at else 1 for i in range(len(found)))) for x, at in zip(found, places, strict=True)]
    return grid if sparse else broadcast_arrays(*grid)


def broadcast_arrays(*args: Any, subok: bool = False) -> list[Any]:
    """The arrays, each broadcast to the shape of all. ``subok`` is NumPy's: results have the class of the arrays."""
    arrays = [tensor(x) for x in args]
    shape = broadcast_shapes("broadcast_arrays", *[x.shape for x in arrays])
    return [x if x.shape == shape else broadcast_to(x, shape) for x in arrays]


def indices(
    dimensions: Sequence[int], dtype: DTypeLike = dtypes.int64, sparse: bool = False, device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """The index of each place along each axis of an array of shape ``dimensions``: shape (n, \\*dimensions).

    With ``sparse`` a tuple of n arrays, each of length 1 along all axes but its own.
    """
    if sparse:
        return tuple(meshgrid(*[arange(n, dtype=dtype, device=device, ctx=ctx) for n in dimensions], indexing="ij", sparse=True))
    if not len(dimensions):
        return zeros((0,), dtype, device, ctx)
    grids = meshgrid(*[arange(n, dtype=dtype, device=device, ctx=ctx) for n in dimensions], indexing="ij")
    return concatenate([expand_dims(g, 0) for g in grids], 0)
