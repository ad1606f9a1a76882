"""Operators that take a shape from another array, and ``stop_gradient``."""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import ArrayLike, DeviceLike, apply, call, local, tape
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import ARANGE
from hybridnet.ops.common import normalize_axis, tensor


def stop_gradient(data: ArrayLike) -> Any:
    """``data`` through which no gradient flows: as a head of ``backward`` it gives zeros."""
    data = tensor(data)
    return behind(data, data.detach())


def behind(data: Any, result: Any) -> Any:
    """``result``, made of the shape of ``data`` alone: as a head of ``backward`` it gives zeros. Its own shape is what it is."""
    if local.recording:
        tape.note_behind((data,), (result,))
    return result


def arange_like(
    data: ArrayLike, start: float = 0.0, step: float = 1.0, repeat: int = 1, ctx: DeviceLike = None, axis: int | None = None
) -> Any:
    """``start``, ``start + step``, …, each ``repeat`` times, in the shape of ``data``, or of one dimension as long as ``axis``.

    Of the dtype and (``ctx`` being MXNet's way to say the same) on the device of ``data``. ArgumentError if ``repeat`` is below
    1.
    """
    data = tensor(data)
    if repeat < 1:
        fail(ArgumentError, "arange_like", expected="a repeat of 1 or more", got=str(repeat))
    shape = data.shape if axis is None else (data.shape[normalize_axis("arange_like", axis, data.ndim)],)
    n = math.prod(shape)
    attrs = {"start": start, "step": step, "length": -(-n // repeat), "dtype": data.dtype}
    values = apply(ARANGE, (), attrs, data.device, type(data))
    if repeat > 1:
        count = values.shape[0]
        repeated = call("broadcast_to", call("reshape", values, shape=(count, 1)), shape=(count, repeat))
        values = call("slice", call("reshape", repeated, shape=(count * repeat,)), key=(("slice", 0, n, None),))
    return behind(data, values if values.shape == shape else call("reshape", values, shape=shape))


def _span(op: str, begin: int | None, end: int | None, ndim: int) -> tuple[int, int]:
    first = 0 if begin is None else normalize_axis(op, begin, ndim + 1) if begin >= 0 else begin + ndim
    stop = ndim if end is None else end if end >= 0 else end + ndim
    if not 0 <= first <= stop <= ndim:
        fail(ArgumentError, op, expected=f"a range of the {ndim} axes", got=f"{begin} to {end}")
    return first, stop


def reshape_like(
    lhs: ArrayLike,
    rhs: ArrayLike,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
) -> Any:
    """``lhs`` with its axes from ``lhs_begin`` to before ``lhs_end`` replaced by those of ``rhs`` in its range.

    Without ranges, in the shape of ``rhs``. ShapeError if the sizes differ.
    """
    lhs = tensor(lhs)
    rhs = tensor(rhs)
    a, b = _span("reshape_like", lhs_begin, lhs_end, lhs.ndim)
    c, d = _span("reshape_like", rhs_begin, rhs_end, rhs.ndim)
    shape = (*lhs.shape[:a], *rhs.shape[c:d], *lhs.shape[b:])
    if math.prod(shape) != lhs.size:
        fail(ShapeError, "reshape_like", expected=f"a shape of {lhs.size} elements", got=f"{shape} from {lhs.shape} and {rhs.shape}")
    return call("reshape", lhs, shape=shape)


def broadcast_like(lhs: ArrayLike, rhs: ArrayLike, lhs_axes: Any = None, rhs_axes: Any = None) -> Any:
    """``lhs`` broadcast to the shape of ``rhs``, or its axes ``lhs_axes`` to the lengths of ``rhs``'s ``rhs_axes``.

    ArgumentError unless there are as many of both; ShapeError if the axes do not broadcast.
    """
    lhs = tensor(lhs)
    rhs = tensor(rhs)
    lhs_axes, rhs_axes = _listed(lhs_axes), _listed(rhs_axes)
    if (lhs_axes is None) != (rhs_axes is None) or (lhs_axes is not None and len(lhs_axes) != len(rhs_axes)):
        fail(ArgumentError, "broadcast_like", expected="as many lhs_axes as rhs_axes", got=f"{lhs_axes} and {rhs_axes}")
    shape = list(rhs.shape if lhs_axes is None else lhs.shape)
    for left, right in zip(lhs_axes or (), rhs_axes or (), strict=True):
        shape[normalize_axis("broadcast_like", left, lhs.ndim)] = rhs.shape[normalize_axis("broadcast_like", right, rhs.ndim)]
    return call("broadcast_to", lhs, shape=tuple(shape))


def _listed(axes: Any) -> Any:
    """One axis as a tuple of it; several, or ``None``, as they are."""
    return (axes,) if isinstance(axes, int) else axes


def slice_like(data: ArrayLike, shape_like: ArrayLike, axes: Any = None) -> Any:
    """The first elements of ``data``, as many as ``shape_like`` has, on ``axes`` (all without).

    ShapeError if ``shape_like`` is longer on one of them or has other dimensions.
    """
    data = tensor(data)
    shape_like = tensor(shape_like)
    axes = _listed(axes)
    if not axes and data.ndim != shape_like.ndim:
        fail(ShapeError, "slice_like", expected=f"{data.ndim} dimensions, or axes", got=str(shape_like.shape))
    chosen = [normalize_axis("slice_like", a, data.ndim) for a in (axes or range(data.ndim))]
    if any(a >= shape_like.ndim or shape_like.shape[a] > data.shape[a] for a in chosen):
        fail(ShapeError, "slice_like", expected=f"a shape within {data.shape} on axes {tuple(chosen)}", got=str(shape_like.shape))
    return call("slice", data, key=tuple(("slice", 0, shape_like.shape[a] if a in chosen else None, None) for a in range(data.ndim)))
