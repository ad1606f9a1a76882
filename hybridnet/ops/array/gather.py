"""Taking and putting by indices: take, pick, gather_nd, one_hot, boolean_mask and their kin.

Most are ``index`` and ``index_set`` (:mod:`hybridnet.ops.array.indexing`) with indices made ready. Indices
may be of any dtype (MXNet programs pass float32) and are cut to int64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, Kind, Op, Sample, Spec, apply, call, on_cuda, register, wrap
from hybridnet.core.kernel import HandKernels
from hybridnet.errors import ArgumentError, AxisError, DtypeError, ShapeError, fail
from hybridnet.ops.array.creation import ARANGE, FULL
from hybridnet.ops.array.indexing import INDEX, INDEX_SET, wrapped
from hybridnet.ops.array.row_sums import add_rows
from hybridnet.ops.array.selection import nonzero
from hybridnet.ops.array.shape import broadcast_to, expand_dims, reshape, squeeze, stack
from hybridnet.ops.common import as_shape, normal, normalize_axis, tensor
from hybridnet.ops.kernels.lookups import along_axis, gather, put_one, sum_rows

_FULL = ("slice", None, None, None)
_MODES = ("raise", "wrap", "clip")


def positions(like: Any, n: int, dtype: Any = dtypes.int64) -> Any:
    """0, 1, … n - 1, of the class and on the device of ``like``."""
    return apply(ARANGE, (), {"start": 0, "step": 1, "length": n, "dtype": dtype}, like.device, type(like))


def as_indices(op: str, x: ArrayLike, like: Any) -> Any:
    """Indices as an array of int64 (or of int32, if they are).

    The shape stays. DtypeError if they are bools; only numbers are indices here.
    """
    x = tensor(x, like)
    if x.dtype == dtypes.bool_:
        fail(DtypeError, op, expected="indices of integers", got="bool", fix="npx.boolean_mask")
    return x if x.dtype in (dtypes.int32, dtypes.int64) else call("cast", x, dtype=dtypes.int64)


def within(op: str, indices: Any, n: int, mode: str) -> Any:
    """Bring indices into range as ``mode`` says; ``raise`` leaves them to be checked where they are used.

    The shape stays. ArgumentError for another mode, AxisError if there is nothing to take from.
    """
    if mode not in _MODES:
        fail(ArgumentError, op, expected="mode " + ", ".join(_MODES), got=repr(mode))
    if not n and indices.size:
        fail(AxisError, op, expected="something to take from", got="an axis of length 0")
    if mode == "wrap":
        return call("mod", indices, n) if n else indices
    return call("clip", indices, a_min=0, a_max=max(n - 1, 0)) if mode == "clip" else indices


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """The elements (or slices along ``axis``) of ``a`` at ``indices``, whose shape takes the axis's place.

    ``mode``: an index out of range is an error (``raise``; on a CUDA device it wraps), is brought to the
    nearest end (``clip``), or counts around (``wrap``). Without ``axis``, of ``a`` flattened.
    """
    a = tensor(a)
    if axis is None:
        a, axis = reshape(a, -1), 0
    axis = normalize_axis("take", axis, a.ndim)
    indices = within("take", as_indices("take", indices, a), a.shape[axis], mode)
    return apply(INDEX, (a, indices), {"key": (_FULL,) * axis + (("array",),)})


def compress(condition: ArrayLike, a: ArrayLike, axis: int | None = None) -> Any:
    """The slices of ``a`` along ``axis`` where the one-dimensional ``condition`` holds; eager only."""
    a = tensor(a)
    found = nonzero(tensor(condition, a))
    if len(found) != 1:
        fail(ShapeError, "compress", expected="a condition of one dimension", got=f"{len(found)} dimensions")
    return take(a, found[0], axis)


def extract(condition: ArrayLike, arr: ArrayLike) -> Any:
    """The elements of ``arr`` where ``condition`` (of the same size) holds, in one dimension; eager only."""
    arr = tensor(arr)
    return compress(reshape(tensor(condition, arr), -1), reshape(arr, -1), 0)


def choose(a: ArrayLike, choices: Any, mode: str = "raise") -> Any:
    """From each position, the element of ``choices[a]`` there."""
    a = tensor(a)
    stacked = stack([broadcast_to(tensor(c, a), a.shape) for c in choices])
    which = within("choose", as_indices("choose", a, a), len(choices), mode)
    return squeeze(take_along_axis(stacked, expand_dims(which, 0), 0), 0)


# -- along an axis --------------------------------------------------------------------------------


def _grid(xp: Any, indices: Any, shape: tuple[int, ...], axis: int) -> tuple[Any, ...]:
    """The key that takes ``indices`` along ``axis`` and each position of the other axes once."""
    ndim = len(shape)
    return tuple(indices if i == axis else xp.arange(n).reshape((-1,) + (1,) * (ndim - i - 1)) for i, n in enumerate(shape))


def _infer_along(x: Spec, indices: Spec, *, axis: int) -> Spec:
    if not dtypes.is_integer(indices.dtype):
        fail(DtypeError, "take_along_axis", expected="indices of integers", got=str(indices.dtype))
    if indices.ndim != x.ndim or any(m != n for i, (m, n) in enumerate(zip(indices.shape, x.shape, strict=True)) if i != axis):
        fail(ShapeError, "take_along_axis", expected=f"indices shaped as {x.shape} except on axis {axis}", got=str(indices.shape))
    return Spec(indices.shape, x.dtype)


def _repeated_from(indices: Any, axis: int) -> int:
    """The axis behind ``axis`` from which on indices are the same all along, as they are where they were broadcast."""
    stop = indices.ndim
    while indices.size and stop > axis + 1 and (indices.strides[stop - 1] == 0 or indices.shape[stop - 1] == 1):
        stop -= 1
    return stop


def _row_numbers(xp: Any, op: str, indices: Any, shape: tuple[int, ...], axis: int) -> Any:
    """The numbers of the rows that ``indices`` name among all of ``shape``, whose last axes may be left out of both."""
    flat: Any = 0
    for index, n in zip(_grid(xp, wrapped(xp, op, indices, shape[axis]).astype(np.int64, copy=False), shape, axis), shape, strict=True):
        flat = flat * n + index
    return xp.broadcast_to(flat, indices.shape)


def _take_along(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    stop = _repeated_from(indices, axis)
    if stop < x.ndim and x.flags.c_contiguous and x.shape[stop:] == indices.shape[stop:]:
        numbers = _row_numbers(xp, "take_along_axis", indices[(..., *[0] * (x.ndim - stop))], x.shape[:stop], axis)
        return x.reshape(-1, *x.shape[stop:]).take(numbers, 0)
    try:
        return x[_grid(xp, indices, x.shape, axis)]
    except IndexError:
        wrapped(xp, "take_along_axis", indices, x.shape[axis])  # says which index is out of range
        raise


def _take_along_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int) -> HandKernels:
    return gather(along_axis(inputs[0].shape, inputs[1].shape, axis), inputs[0], outputs[0], num_sms)


_along = np.array([[0, 2, 2], [1, -1, 0]])

TAKE_ALONG = register(
    Op(
        "take_along_axis",
        Kind.OPAQUE,
        _infer_along,
        complex="direct",
        compute=_take_along,
        looks_up=(0,),
        grad=(lambda g, y, x, indices, *, axis: call("add_along_axis", g, indices, axis=axis, length=x.shape[axis]), None),
        saves=(1,),
        sample=lambda: [
            Sample((normal(2, 3), _along), {"axis": 1}),
            Sample((normal(2, 3), _along % 2), {"axis": 0}),
            Sample((normal(2, 5), _along[:, :1]), {"axis": 1}),
            Sample((normal(2, 3, 2), _along[:, 1:, None].repeat(2, 2)), {"axis": 1}),
            Sample((normal(2, 3), np.zeros((3, 3), np.int64)), {"axis": 1}, error=ValueError),
        ],
    )
)
on_cuda(TAKE_ALONG, kernels=_take_along_kernels)


def _add_along(xp: Any, g: Any, indices: Any, *, axis: int, length: int) -> Any:
    shape = (*g.shape[:axis], length, *g.shape[axis + 1 :])
    if g.shape[axis] == 1:  # nothing meets in one place
        out = xp.zeros(shape, g.dtype)
        out[_grid(xp, wrapped(xp, "add_along_axis", indices, length), g.shape, axis)] = g
        return out
    stop = _repeated_from(indices, axis)
    numbers = _row_numbers(xp, "add_along_axis", indices[(..., *[0] * (g.ndim - stop))], shape[:stop], axis)
    rows = g.reshape(numbers.size, math.prod(shape[stop:]))
    return add_rows(xp, rows, numbers.reshape(-1), math.prod(shape[:stop])).reshape(shape)


def _add_along_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, length: int) -> HandKernels | None:
    g, y = inputs[0], outputs[0]
    if g.shape[axis] == 1:
        return put_one(y.shape, axis, y.dtype, num_sms)
    return sum_rows(along_axis(y.shape, g.shape, axis), g, y, num_sms)


def _infer_add_along(g: Spec, indices: Spec, *, axis: int, length: int) -> Spec:
    if g.shape != indices.shape:
        fail(ShapeError, "add_along_axis", expected=f"indices of shape {g.shape}", got=str(indices.shape))
    return Spec((*g.shape[:axis], length, *g.shape[axis + 1 :]), g.dtype)


ADD_ALONG = register(
    Op(
        "add_along_axis",
        Kind.OPAQUE,
        _infer_add_along,
        complex="direct",
        compute=_add_along,
        grad=(lambda g, y, x, indices, *, axis, length: call("take_along_axis", g, indices, axis=axis), None),
        saves=(1,),
        sample=lambda: [
            Sample((normal(2, 3), _along), {"axis": 1, "length": 4}),
            Sample((normal(2, 3), _along % 2), {"axis": 0, "length": 2}),
            Sample((normal(2, 1), _along[:, :1]), {"axis": 1, "length": 3}),
        ],
    )
)
on_cuda(ADD_ALONG, kernels=_add_along_kernels)


def _aligned(op: str, arr: Any, indices: Any, axis: int) -> tuple[Any, Any]:
    """Broadcast array and indices against each other on all axes but one."""
    if indices.ndim != arr.ndim:
        fail(ShapeError, op, expected=f"indices of {arr.ndim} dimensions for an array of shape {arr.shape}", got=str(indices.shape))
    pairs = list(zip(arr.shape, indices.shape, strict=True))
    if any(i != axis and m != n and 1 not in (m, n) for i, (m, n) in enumerate(pairs)):
        fail(ShapeError, op, expected=f"indices that broadcast with {arr.shape} except on axis {axis}", got=str(indices.shape))
    common = [n if m == 1 else m for m, n in pairs]
    wanted = [tuple(s[axis] if i == axis else n for i, n in enumerate(common)) for s in (arr.shape, indices.shape)]
    aligned = [x if x.shape == shape else broadcast_to(x, shape) for x, shape in zip((arr, indices), wanted, strict=True)]
    return aligned[0], aligned[1]


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """From each one-dimensional slice along ``axis``, the elements at the indices in the matching slice of ``indices``."""
    arr = tensor(arr)
    if axis is None:
        arr, axis = reshape(arr, -1), 0
    axis = normalize_axis("take_along_axis", axis, arr.ndim)
    arr, indices = _aligned("take_along_axis", arr, as_indices("take_along_axis", indices, arr), axis)
    return apply(TAKE_ALONG, (arr, indices), {"axis": axis})


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    """Write ``values`` into ``arr`` where :func:`take_along_axis` would read; in place.

    ``values`` broadcasts to ``indices``, which must have as many dimensions as ``arr`` (else ShapeError).
    """
    axis = normalize_axis("put_along_axis", axis, arr.ndim)
    indices = as_indices("put_along_axis", indices, arr)
    if indices.ndim != arr.ndim:
        fail(ShapeError, "put_along_axis", expected=f"indices of {arr.ndim} dimensions", got=str(indices.shape))
    key = tuple(indices if i == axis else reshape(positions(arr, n), (-1,) + (1,) * (arr.ndim - i - 1)) for i, n in enumerate(arr.shape))
    arr[key] = values


def pick(data: Any, index: Any, axis: int | None = -1, keepdims: bool = False, mode: str = "clip") -> Any:
    """From each slice of ``data`` along ``axis``, the one element that ``index`` names.

    ``index`` has the shape of ``data`` without ``axis`` (or with it at length 1). ``mode``: an index out
    of range is brought to the nearest end (``clip``), counts around (``wrap``), or is an error (``raise``).
    """
    data = tensor(data)
    if axis is None:
        data, axis = reshape(data, -1), 0
    axis = normalize_axis("pick", axis, data.ndim)
    index = within("pick", as_indices("pick", index, data), data.shape[axis], mode)
    kept = (*data.shape[:axis], 1, *data.shape[axis + 1 :])
    if index.shape != kept:
        if index.size != math.prod(kept):
            fail(
                ShapeError,
                "pick",
                expected=f"an index of shape {data.shape[:axis] + data.shape[axis + 1 :]} for data {data.shape}",
                got=str(index.shape),
            )
        index = reshape(index, kept)
    picked = apply(TAKE_ALONG, (data, index), {"axis": axis})
    return picked if keepdims else squeeze(picked, axis)


# -- several axes at once -------------------------------------------------------------------------


def _rows_of(op: str, indices: Any, most: int) -> tuple[Any, ...]:
    """The arrays ``indices[0]``, ``indices[1]`` … of an index array of shape (m, …)."""
    if not indices.ndim or not 1 <= indices.shape[0] <= most:
        fail(ShapeError, op, expected=f"indices of shape (m, ...) with m from 1 to {most}", got=str(indices.shape))
    return tuple(call("slice", indices, key=(("int", i),)) for i in range(indices.shape[0]))


def gather_nd(data: ArrayLike, indices: ArrayLike) -> Any:
    """The slices ``data[indices[0], indices[1], …]``: ``indices`` has shape (m, …), a row for each of m axes."""
    data = tensor(data)
    rows = _rows_of("gather_nd", as_indices("gather_nd", indices, data), data.ndim)
    return apply(INDEX, (data, *rows), {"key": (("array",),) * len(rows)})


def scatter_nd(data: ArrayLike, indices: ArrayLike, shape: Any) -> Any:
    """Zeros of ``shape`` with ``data`` written where :func:`gather_nd` would read; the last of equal indices holds."""
    data = tensor(data)
    shape = as_shape("scatter_nd", shape)
    rows = _rows_of("scatter_nd", as_indices("scatter_nd", indices, data), len(shape))
    zeros = apply(FULL, (), {"shape": shape, "value": 0, "dtype": data.dtype}, data.device, type(data))
    return apply(INDEX_SET, (zeros, data, *rows), {"key": (("array",),) * len(rows)})


def one_hot(indices: Any, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: DTypeLike = None) -> Any:
    """``on_value`` at each index along a new last axis of length ``depth``, ``off_value`` elsewhere.

    An index out of range gives a row of ``off_value``. float32 unless ``dtype`` is given.
    """
    indices = tensor(indices)
    indices = as_indices("one_hot", indices, indices)
    hot = call("equal", expand_dims(indices, -1), positions(indices, int(depth), indices.dtype))
    hot = call("cast", hot, dtype=dtypes.as_dtype(dtype))
    if (on_value, off_value) == (1, 0):
        return hot
    return call("cast", hot * (on_value - off_value) + off_value, dtype=hot.dtype)


# -- where the shape depends on values ------------------------------------------------------------


def boolean_mask(data: ArrayLike, index: ArrayLike, axis: int = 0) -> Any:
    """The slices of ``data`` along ``axis`` where ``index`` (one-dimensional) is not zero.

    Eager only, since the result's shape depends on values: hybridized code uses ``np.where``.
    """
    data = tensor(data)
    index = tensor(index, data)
    axis = normalize_axis("boolean_mask", axis, data.ndim)
    if index.shape != (data.shape[axis],):
        fail(ShapeError, "boolean_mask", expected=f"an index of shape {(data.shape[axis],)}", got=str(index.shape))
    return take(data, nonzero(index)[0], axis)


def flatnonzero(a: ArrayLike) -> Any:
    """The indices, in the flattened array, of the elements that are not zero; eager only."""
    return nonzero(reshape(a, -1))[0]


def argwhere(a: ArrayLike) -> Any:
    """The indices of the elements that are not zero, one a row; eager only."""
    a = tensor(a)
    data = a._concrete("argwhere")
    return wrap(type(a), a.device.xp.argwhere(data), a.device)


def unravel_index(indices: ArrayLike, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Flat indices into an array of ``shape`` as one index array for each of its axes; ``order`` F: the first axis runs fastest.

    ArgumentError for another order.
    """
    indices = tensor(indices)
    flat = as_indices("unravel_index", indices, indices)
    lengths = _in_order("unravel_index", as_shape("unravel_index", shape), order)
    found: list[Any] = []
    for n in reversed(lengths):
        found.append(call("mod", flat, n))
        flat = call("floor_divide", flat, n)
    return tuple(_in_order("unravel_index", tuple(reversed(found)), order))


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """One flat index for each tuple of indices into an array of shape ``dims``; ``order`` F: the first axis runs fastest.

    ``mode``: what becomes of indices out of range, or a mode for each axis. ShapeError unless there are as many index arrays as
    ``dims``; these broadcast.
    """
    dims = as_shape("ravel_multi_index", dims)
    if len(multi_index) != len(dims):
        fail(ShapeError, "ravel_multi_index", expected=f"{len(dims)} index arrays", got=str(len(multi_index)))
    modes = (mode,) * len(dims) if isinstance(mode, str) else tuple(mode)
    flat: Any = None
    for index, n, how in _in_order("ravel_multi_index", tuple(zip(multi_index, dims, modes, strict=True)), order):
        index = tensor(index)
        index = within("ravel_multi_index", as_indices("ravel_multi_index", index, index), n, how)
        flat = index if flat is None else flat * n + index
    return flat


def _in_order(op: str, axes: tuple[Any, ...], order: str) -> tuple[Any, ...]:
    if order not in ("C", "F"):
        fail(ArgumentError, op, expected="order C or F", got=repr(order))
    return axes if order == "C" else axes[::-1]
