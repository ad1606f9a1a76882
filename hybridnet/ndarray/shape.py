"""Classic operators on shapes: ``reshape`` with its codes, joining, cutting, reordering, padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.register import arrays_of, operator
from hybridnet.ops.array import creation, rearrange
from hybridnet.ops.array import shape as core_shape
from hybridnet.ops.array.reshape_codes import CLASSIC, resolve_codes
from hybridnet.ops.common import as_shape, normalize_axis
from hybridnet.ops.nn import like


@operator("reshape", "Reshape")
def reshape(data: Any, *codes: Any, shape: Any = None, reverse: bool = False, **kwargs: Any) -> Any:
    """The same elements in another shape, given as integers or as one sequence.

    0 copies a dimension, -1 is what makes up the size, -2 copies all that remain, -3 joins two,
    -4 splits one into the two numbers that follow; with ``reverse`` matched from the right.
    """
    asked = shape if shape is not None else codes[0] if len(codes) == 1 else codes
    return call("reshape", data, shape=resolve_codes(data.shape, as_shape("reshape", asked), CLASSIC, bool(reverse)))


operator("reshape_like")(like.reshape_like)


@operator("flatten", "Flatten")
def flatten(data: Any) -> Any:
    """Two dimensions: the first, and all others as one."""
    return call("reshape", data, shape=(data.shape[0], math.prod(data.shape[1:])))


@operator("expand_dims")
def expand_dims(data: Any, axis: int) -> Any:
    """A new axis of length 1 at ``axis`` of the result."""
    return core_shape.expand_dims(data, axis)


@operator("squeeze")
def squeeze(data: Any, axis: Any = None) -> Any:
    """Without the axes of length 1, or without those in ``axis``."""
    return core_shape.squeeze(data, axis)


@operator("transpose")
def transpose(data: Any, *order: Any, axes: Any = None) -> Any:
    """The axes in another order; reversed if none is given."""
    asked = axes if axes is not None else order[0] if len(order) == 1 and not isinstance(order[0], int) else order
    return core_shape.transpose(data, asked if asked else None)


@operator("swapaxes", "SwapAxis")
def swapaxes(data: Any, dim1: int = 0, dim2: int = 0) -> Any:
    """Two axes exchanged."""
    return rearrange.swapaxes(data, dim1, dim2)


@operator("moveaxis")
def moveaxis(tensor: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other places, the others in their order."""
    return rearrange.moveaxis(tensor, source, destination)


@operator("flip", "reverse")
def flip(data: Any, axis: Any) -> Any:
    """The order of the elements along axes reversed."""
    return rearrange.flip(data, axis)


@operator("tile")
def tile(data: Any, reps: Any) -> Any:
    """Repeated as a whole ``reps`` times along each axis."""
    return rearrange.tile(data, reps)


@operator("repeat")
def repeat(data: Any, repeats: int, axis: int | None = None) -> Any:
    """Every element repeated, along an axis or flattened."""
    return rearrange.repeat(data, repeats, axis)


@operator("broadcast_to")
def broadcast_to(data: Any, *dimensions: Any, shape: Any = None) -> Any:
    """Axes of length 1 repeated to ``shape``, in which 0 keeps a length."""
    target = as_shape("broadcast_to", shape if shape is not None else dimensions[0] if len(dimensions) == 1 else dimensions)
    if len(target) == data.ndim:
        target = tuple(m if n == 0 else n for m, n in zip(data.shape, target, strict=True))
    return call("broadcast_to", data, shape=target)


operator("broadcast_like")(like.broadcast_like)


@operator("broadcast_axis", "broadcast_axes")
def broadcast_axis(data: Any, axis: Any = (), size: Any = ()) -> Any:
    """Axes of length 1 repeated to the given lengths."""
    shape = list(data.shape)
    for a, n in zip(as_shape("broadcast_axis", axis), as_shape("broadcast_axis", size), strict=True):
        shape[normalize_axis("broadcast_axis", a, data.ndim)] = n
    return call("broadcast_to", data, shape=tuple(shape))


# -- joining and cutting --------------------------------------------------------------------------


@operator("concat", "Concat")
def concat(*data: Any, dim: int = 1, num_args: int | None = None) -> Any:
    """Arrays joined along an existing axis, by default the second."""
    return core_shape.concatenate(arrays_of(data), dim)


@operator("concatenate")
def concatenate(arrays: Any, axis: int = 0, always_copy: bool = True) -> Any:
    """A list of arrays joined along an existing axis, by default the first."""
    return core_shape.concatenate(arrays, axis)


@operator("stack")
def stack(*data: Any, axis: int = 0, num_args: int | None = None) -> Any:
    """Arrays of one shape joined along a new axis."""
    return core_shape.stack(arrays_of(data), axis)


@operator("split", "SliceChannel")
def split(data: Any, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> Any:
    """Equal parts along an axis (without that axis, if ``squeeze_axis`` and it is of length 1); one part comes alone."""
    parts = core_shape.split(data, int(num_outputs), axis)
    if squeeze_axis:
        parts = [core_shape.squeeze(p, axis) for p in parts]
    return parts if len(parts) > 1 else parts[0]


@operator("split_v2")
def split_v2(ary: Any, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Any:
    """Equal parts, or parts cut at indices, along an axis."""
    sections = indices_or_sections if isinstance(indices_or_sections, int) else tuple(indices_or_sections)
    parts = core_shape.split(ary, sections, axis)
    return [core_shape.squeeze(p, axis) for p in parts] if squeeze_axis else parts


@operator("slice", "crop")
def slice_(data: Any, begin: Any, end: Any, step: Any = None) -> Any:
    """``data[begin[0]:end[0]:step[0], ...]``; ``None`` stands for a whole bound."""
    begin, end = (x if isinstance(x, (tuple, list)) else (x,) for x in (begin, end))
    steps = (None,) * len(begin) if step is None else step if isinstance(step, (tuple, list)) else (step,)
    if not len(begin) == len(end) <= data.ndim:
        fail(ArgumentError, "slice", expected=f"as many begins as ends, at most {data.ndim}", got=f"{begin} and {end}")
    steps = (*steps, *(None,) * (len(begin) - len(steps)))
    key = tuple(("slice", b, e, s if s else None) for b, e, s in zip(begin, end, steps, strict=True))
    return call("slice", data, key=key)


@operator("slice_axis")
def slice_axis(data: Any, axis: int, begin: int, end: int | None = None) -> Any:
    """``data[begin:end]`` along one axis."""
    return core_shape.slice_axis(data, axis, begin, end)


operator("slice_like")(like.slice_like)


@operator("Crop")
def crop(*data: Any, num_args: int = 1, offset: Any = (0, 0), h_w: Any = (0, 0), center_crop: bool = False) -> Any:
    """The last two axes cut to ``h_w``, or to the size of a second array, at an offset or in the middle."""
    image = data[0]
    height, width = data[1].shape[2:] if len(data) > 1 else h_w
    top, left = ((image.shape[2] - height) // 2, (image.shape[3] - width) // 2) if center_crop else offset
    if not (0 <= top <= top + height <= image.shape[2] and 0 <= left <= left + width <= image.shape[3]):
        fail(ShapeError, "Crop", expected=f"a window inside {image.shape[2:]}", got=f"{(height, width)} at {(top, left)}")
    whole = ("slice", None, None, None)
    return call("slice", image, key=(whole, whole, ("slice", top, top + height, None), ("slice", left, left + width, None)))


@operator("pad", "Pad")
def pad(data: Any, mode: str = "constant", pad_width: Any = (), constant_value: float = 0.0) -> Any:
    """Widened along each axis; ``pad_width`` holds (before, after) of every axis in one flat tuple."""
    widths = tuple(zip(pad_width[::2], pad_width[1::2], strict=True))
    if len(widths) != data.ndim or mode not in ("constant", "edge", "reflect"):
        fail(
            ArgumentError,
            "pad",
            expected=f"mode constant, edge or reflect and {2 * data.ndim} widths",
            got=f"{mode!r} and {len(pad_width)} widths",
        )
    return rearrange.pad(data, widths, mode, constant_values=constant_value) if mode == "constant" else rearrange.pad(data, widths, mode)


@operator("depth_to_space")
def depth_to_space(data: Any, block_size: int) -> Any:
    """(n, c·b², h, w) to (n, c, h·b, w·b): channels become blocks of b×b pixels."""
    n, c, h, w = data.shape
    b = block_size
    split = call("reshape", data, shape=(n, b, b, c // (b * b), h, w))
    return call("reshape", call("transpose", split, axes=(0, 3, 4, 1, 5, 2)), shape=(n, c // (b * b), h * b, w * b))


@operator("space_to_depth")
def space_to_depth(data: Any, block_size: int) -> Any:
    """(n, c, h·b, w·b) to (n, c·b², h, w): blocks of b×b pixels become channels."""
    n, c, h, w = data.shape
    b = block_size
    split = call("reshape", data, shape=(n, c, h // b, b, w // b, b))
    return call("reshape", call("transpose", split, axes=(0, 3, 5, 1, 2, 4)), shape=(n, c * b * b, h // b, w // b))


# -- shapes as values -----------------------------------------------------------------------------


@operator("shape_array")
def shape_array(data: Any) -> Any:
    """The shape, as an int64 array."""
    return _numbers(data.shape, data)


@operator("size_array")
def size_array(data: Any) -> Any:
    """The number of elements, as an int64 array of one element."""
    return _numbers((data.size,), data)


def _numbers(values: Sequence[int], like: Any) -> Any:
    """Constants made by operators, so that a graph holds them as such."""
    if not values:
        return creation.zeros((0,), dtypes.int64, like.device)
    return core_shape.concatenate([creation.full((1,), n, dtypes.int64, like.device) for n in values])
