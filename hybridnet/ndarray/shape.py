"""Classic operators on shapes: ``reshape`` with its codes, joining, cutting, reordering, padding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hybridnet import dtypes
from hybridnet.core import OPS, apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Bounds, Shape
from hybridnet.ndarray.record import Attributes, numbered
from hybridnet.ndarray.register import arrays_of, classic, helper
from hybridnet.ndarray.types import always, apart
from hybridnet.ops.array import creation, joining, rearrange
from hybridnet.ops.array import shape as core_shape
from hybridnet.ops.array.reshape_codes import CLASSIC, resolve_codes
from hybridnet.ops.common import as_shape, normalize_axis
from hybridnet.ops.nn import like


@classic("Reshape", "reshape", thin=True, shares=True)
def reshape(data: Array, shape: Shape = (), reverse: bool = False, target_shape: Shape = (), keep_highest: bool = False) -> Any:
    """The same elements in another shape.

    0 copies a dimension, -1 is what makes up the size, -2 copies all that remain, -3 joins two,
    -4 splits one into the two numbers that follow; with ``reverse`` matched from the right. ``target_shape``, where 0 is
    what makes up the size, and ``keep_highest``, which keeps the first dimension, are MXNet's older way to say it.
    """
    asked = shape if shape.__class__ is tuple else as_shape("reshape", shape)
    for n in asked or (0,):
        if n.__class__ is not int or n <= 0:  # no length that stands for itself
            break
    else:
        return apply(OPS["reshape"], (data,), {"shape": asked})
    asked = as_shape("reshape", shape)
    if target_shape and not asked:
        target = as_shape("reshape", target_shape)
        target = (data.shape[0], *target[1:]) if keep_highest else target
        return call("reshape", data, shape=resolve_codes(data.shape, tuple(n or -1 for n in target), CLASSIC, False))
    return call("reshape", data, shape=resolve_codes(data.shape, asked, CLASSIC, bool(reverse)))


@classic("reshape_like", types=apart("rhs"), shares=True)
def reshape_like(
    lhs: Array,
    rhs: Array,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
) -> Any:
    """``lhs`` with its axes from ``lhs_begin`` to before ``lhs_end`` replaced by those of ``rhs`` in its range.

    Without ranges, in the shape of ``rhs``.
    """
    return like.reshape_like(lhs, rhs, lhs_begin, lhs_end, rhs_begin, rhs_end)


@classic("Flatten", "flatten", shares=True)
def flatten(data: Array) -> Any:
    """Two dimensions: the first, and all others as one."""
    return call("reshape", data, shape=(data.shape[0], math.prod(data.shape[1:])))


@classic("expand_dims", shares=True)
def expand_dims(data: Array, axis: int) -> Any:
    """A new axis of length 1 at ``axis`` of the result."""
    return core_shape.expand_dims(data, axis)


@classic("squeeze", shares=True)
def squeeze(data: Array, axis: Shape | None = None) -> Any:
    """Without the axes of length 1, or without those in ``axis``."""
    return core_shape.squeeze(data, axis)


@classic("transpose", thin=True, shares=True)
def transpose(data: Array, axes: Shape = ()) -> Any:
    """The axes in another order; reversed if none is given."""
    return core_shape.transpose(data, axes or None)


@classic("SwapAxis", "swapaxes", shares=True)
def swapaxes(data: Array, dim1: int = 0, dim2: int = 0) -> Any:
    """Two axes exchanged."""
    return rearrange.swapaxes(data, dim1, dim2)


@helper("moveaxis", shares=True)
def moveaxis(tensor: Array, source: int | Shape, destination: int | Shape) -> Any:
    """Axes moved to other places, the others in their order."""
    return rearrange.moveaxis(tensor, source, destination)


@classic("reverse", "flip", shares=True)
def flip(data: Array, axis: Shape) -> Any:
    """The order of the elements along axes reversed."""
    return rearrange.flip(data, axis)


@classic("tile", shares=True)
def tile(data: Array, reps: Shape) -> Any:
    """Repeated as a whole ``reps`` times along each axis."""
    return rearrange.tile(data, reps)


@classic("repeat", shares=True)
def repeat(data: Array, repeats: int, axis: int | None = None) -> Any:
    """Every element repeated, along an axis or flattened."""
    return rearrange.repeat(data, repeats, axis)


@classic("broadcast_to", shares=True)
def broadcast_to(data: Array, shape: Shape = ()) -> Any:
    """Axes of length 1 repeated to ``shape``, in which 0 keeps a length."""
    target = as_shape("broadcast_to", shape)
    if len(target) == data.ndim:
        target = tuple(m if n == 0 else n for m, n in zip(data.shape, target, strict=True))
    return call("broadcast_to", data, shape=target)


@classic("broadcast_like", types=apart("rhs"), shares=True)
def broadcast_like(lhs: Array, rhs: Array, lhs_axes: Shape | None = None, rhs_axes: Shape | None = None) -> Any:
    """``lhs`` broadcast to the shape of ``rhs``, or its axes ``lhs_axes`` to the lengths of ``rhs``'s ``rhs_axes``."""
    return like.broadcast_like(lhs, rhs, lhs_axes, rhs_axes)


@classic("broadcast_axis", "broadcast_axes", shares=True)
def broadcast_axis(data: Array, axis: Shape = (), size: Shape = ()) -> Any:
    """Axes of length 1 repeated to the given lengths."""
    shape = list(data.shape)
    for a, n in zip(as_shape("broadcast_axis", axis), as_shape("broadcast_axis", size), strict=True):
        shape[normalize_axis("broadcast_axis", a, data.ndim)] = n
    return call("broadcast_to", data, shape=tuple(shape))


# -- joining and cutting --------------------------------------------------------------------------


@classic("_rnn_param_concat")
def rnn_param_concat(*data: Array, num_args: int | None = None, dim: int = 1) -> Any:
    """Weights and biases of a recurrent network, flattened, joined to the one vector that ``RNN`` takes."""
    return core_shape.concatenate(arrays_of(data), dim)


def _joined(known: Mapping[str, Shape], a: Attributes) -> Mapping[str, Shape]:
    """Arrays to be joined: of one shape but along the axis, where nothing (0) follows."""
    shape = next((known[name] for name in known), None)
    if shape is None:
        return {}
    axis = a["dim"] % len(shape)
    return {f"arg{i}": (*shape[:axis], 0, *shape[axis + 1 :]) for i in range(a["num_args"])}


@classic("Concat", "concat", shapes=_joined)
def concat(*data: Array, num_args: int | None = None, dim: int = 1) -> Any:
    """Arrays joined along an existing axis, by default the second."""
    return core_shape.concatenate(arrays_of(data), dim)


@helper("concatenate", shares=True)
def concatenate(arrays: Sequence[Array], axis: int = 0, always_copy: bool = True) -> Any:
    """A list of arrays joined along an existing axis, by default the first."""
    return core_shape.concatenate(arrays, axis)


@classic("stack")
def stack(*data: Array, axis: int = 0, num_args: int | None = None) -> Any:
    """Arrays of one shape joined along a new axis."""
    return core_shape.stack(arrays_of(data), axis)


@classic("SliceChannel", "split", outputs=lambda a: numbered(a["num_outputs"]), shares=True)
def split(data: Array, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> Any:
    """Equal parts along an axis (without that axis, if ``squeeze_axis`` and it is of length 1); one part comes alone."""
    parts = core_shape.split(data, int(num_outputs), axis)
    if squeeze_axis:
        parts = [core_shape.squeeze(p, axis) for p in parts]
    return parts if len(parts) > 1 else parts[0]


@classic("_split_v2", outputs=lambda a: numbered(a["sections"] or len(a["indices"])), shares=True)
def split_at(data: Array, indices: Shape, axis: int = 1, squeeze_axis: bool = False, sections: int = 0) -> Any:
    """Parts along an axis: ``sections`` (the first longer by one where they cannot be equal), or one from each of ``indices`` to the next.

    The first of ``indices`` is 0. With ``squeeze_axis`` without that axis, which must be of length 1 then; one part comes alone.
    """
    parts = joining.array_split(data, sections or tuple(indices)[1:], axis)
    if squeeze_axis:
        parts = [core_shape.squeeze(p, axis) for p in parts]
    return parts if len(parts) > 1 else parts[0]


@helper("split_v2", shares=True)
def split_v2(ary: Array, indices_or_sections: int | Shape, axis: int = 0, squeeze_axis: bool = False) -> Any:
    """Equal parts, or parts cut at indices, along an axis; one part comes alone."""
    if isinstance(indices_or_sections, int):
        equal = core_shape.split(ary, indices_or_sections, axis)  # which is all that is wanted of it, where they cannot be
        return split_at(ary, (), axis, squeeze_axis, len(equal))
    return split_at(ary, (0, *indices_or_sections), axis, squeeze_axis)


@classic("slice", "crop", shares=True)
def slice_(data: Array, begin: Bounds, end: Bounds, step: Bounds = ()) -> Any:
    """``data[begin[0]:end[0]:step[0], ...]``; ``None`` stands for a whole bound.

    ArgumentError unless there are as many begins as ends, and no more than axes.
    """
    begin, end, step = (x if isinstance(x, (tuple, list)) else (x,) for x in (begin, end, step))
    if not len(begin) == len(end) <= data.ndim:
        fail(ArgumentError, "slice", expected=f"as many begins as ends, at most {data.ndim}", got=f"{begin} and {end}")
    steps = (*step, *(None,) * (len(begin) - len(step)))
    key = tuple(("slice", b, e, s if s else None) for b, e, s in zip(begin, end, steps, strict=True))
    return call("slice", data, key=key)


@classic("slice_axis", required=("end",), shares=True)
def slice_axis(data: Array, axis: int, begin: int, end: int | None = None) -> Any:
    """``data[begin:end]`` along one axis."""
    return core_shape.slice_axis(data, axis, begin, end)


@classic("slice_like", types=apart("shape_like"), shares=True)
def slice_like(data: Array, shape_like: Array, axes: Shape = ()) -> Any:
    """The first elements of ``data``, as many as ``shape_like`` has, on ``axes`` (all without)."""
    return like.slice_like(data, shape_like, axes)


@classic("Crop", shares=True)
def crop(*data: Array, num_args: int | None = None, offset: Shape = (0, 0), h_w: Shape = (0, 0), center_crop: bool = False) -> Any:
    """The last two axes cut to ``h_w``, or to the size of a second array, at an offset or in the middle.

    ShapeError if the window is not inside the image.
    """
    image = data[0]
    height, width = data[1].shape[2:] if len(data) > 1 else h_w
    top, left = ((image.shape[2] - height) // 2, (image.shape[3] - width) // 2) if center_crop else offset
    if not (0 <= top <= top + height <= image.shape[2] and 0 <= left <= left + width <= image.shape[3]):
        fail(ShapeError, "Crop", expected=f"a window inside {image.shape[2:]}", got=f"{(height, width)} at {(top, left)}")
    whole = ("slice", None, None, None)
    return call("slice", image, key=(whole, whole, ("slice", top, top + height, None), ("slice", left, left + width, None)))


@classic("Pad", "pad", required=("mode", "pad_width"))
def pad(data: Array, mode: Literal["constant", "edge", "reflect"] = "constant", pad_width: Shape = (), constant_value: float = 0.0) -> Any:
    """Widened along each axis; ``pad_width`` holds (before, after) of every axis in one flat tuple.

    ArgumentError for another ``mode`` than constant, edge and reflect, or unless there are two widths an axis.
    """
    widths = tuple(zip(pad_width[::2], pad_width[1::2], strict=True))
    if len(widths) != data.ndim or mode not in ("constant", "edge", "reflect"):
        fail(
            ArgumentError,
            "pad",
            expected=f"mode constant, edge or reflect and {2 * data.ndim} widths",
            got=f"{mode!r} and {len(pad_width)} widths",
        )
    return rearrange.pad(data, widths, mode, constant_values=constant_value) if mode == "constant" else rearrange.pad(data, widths, mode)


@classic("depth_to_space", shares=True)
def depth_to_space(data: Array, block_size: int) -> Any:
    """(n, c·b², h, w) to (n, c, h·b, w·b): channels become blocks of b×b pixels."""
    n, c, h, w = data.shape
    b = block_size
    split = call("reshape", data, shape=(n, b, b, c // (b * b), h, w))
    return call("reshape", call("transpose", split, axes=(0, 3, 4, 1, 5, 2)), shape=(n, c // (b * b), h * b, w * b))


@classic("space_to_depth", shares=True)
def space_to_depth(data: Array, block_size: int) -> Any:
    """(n, c, h·b, w·b) to (n, c·b², h, w): blocks of b×b pixels become channels."""
    n, c, h, w = data.shape
    b = block_size
    split = call("reshape", data, shape=(n, c, h // b, b, w // b, b))
    return call("reshape", call("transpose", split, axes=(0, 3, 5, 1, 2, 4)), shape=(n, c * b * b, h // b, w // b))


# -- shapes as values -----------------------------------------------------------------------------


@classic("shape_array", types=always(dtypes.int64))
def shape_array(data: Array) -> Any:
    """The shape, as an int64 array."""
    return _numbers(data.shape, data)


@classic("size_array", types=always(dtypes.int64))
def size_array(data: Array) -> Any:
    """The number of elements, as an int64 array of one element."""
    return _numbers((data.size,), data)


def _numbers(values: Sequence[int], like: Any) -> Any:
    """Constants made by operators, so that a graph holds them as such."""
    if not values:
        return creation.zeros((0,), dtypes.int64, like.device)
    return core_shape.concatenate([creation.full((1,), n, dtypes.int64, like.device) for n in values])
