"""Deformable convolution: windows whose elements are read at learnt offsets, between pixels by linear interpolation.

A composition: rows of pixels are taken at the four neighbours of each place and weighted, which gives the columns of a
product with the weight. Version 1 (Dai et al., arXiv 1703.06211) reads 0 at a place outside of the image and takes the
edge's pixel for a neighbour beyond it; version 2 (Zhu et al., arXiv 1811.11168) multiplies by a mask, and
neighbours beyond the edge are 0. That is what MXNet 1.9.1 does.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import ArrayLike, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import as_tuple, narrow, wide
from hybridnet.ops.nn.windows import output_size
from hybridnet.ops.vision.reading import between, read_between

Pair = tuple[int, int]


def deformable_convolution(
    data: ArrayLike,
    offset: ArrayLike,
    mask: ArrayLike | None,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    kernel: Any = 1,
    stride: Any = 1,
    dilate: Any = 1,
    pad: Any = 0,
    num_group: int = 1,
    num_deformable_group: int = 1,
) -> Any:
    """``data`` (batch, channels, height, width) under ``weight`` (filters, channels / num_group, *kernel), plus ``bias``.

    ``offset``: (batch, num_deformable_group · 2 · kernel's size, *size of the result), for each element of the window how far
    below and how far to the right of its place it is read, in pixels. ``mask``: (batch, num_deformable_group · kernel's size, *size
    of the result) for version 2, ``None`` for version 1. ShapeError for other shapes, ArgumentError for groups that do not divide
    the channels.
    """
    op = "DeformableConvolution" if mask is None else "ModulatedDeformableConvolution"
    x, offset, weight = tensor(data), tensor(offset), tensor(weight)
    mask = mask if mask is None else tensor(mask)
    sides: list[Any] = [
        as_tuple(op, n, v, 2, d) for n, v, d in (("kernel", kernel, 1), ("stride", stride, 1), ("dilate", dilate, 1), ("pad", pad, 0))
    ]
    window, steps, apart, edge = sides
    if x.ndim != 4:
        fail(ShapeError, op, expected="data (batch, channels, height, width)", got=str(x.shape))
    batch, channels, *size = x.shape
    out = tuple(output_size(n, k, s, p, d) for n, k, s, d, p in zip(size, *sides, strict=True))
    elements, filters, deformable = window[0] * window[1], weight.shape[0], num_deformable_group
    if channels % num_group or channels % deformable or filters % num_group:
        groups = f"{num_group} groups and {deformable} deformable groups"
        fail(ArgumentError, op, expected=f"channels that {groups} divide", got=f"{channels} -> {filters}")
    for array, parts, what in ((offset, 2, "offset"), (mask, 1, "mask")):
        expected = (batch, deformable * parts * elements, *out)
        if array is not None and array.shape != expected:
            fail(ShapeError, op, expected=f"{what} {expected}", got=str(array.shape))
    y, x_ = _places(wide(offset), (batch * deformable, elements, 2, *out), steps, apart, edge, window)
    # A row for each pixel of a group's image: its channels.
    share = channels // deformable
    pixels = call("transpose", call("reshape", wide(x), shape=(batch * deformable, share, size[0] * size[1])), axes=(0, 2, 1))
    rows = call("reshape", pixels, shape=(batch * deformable * size[0] * size[1], share))
    first = call("reshape", positions(rows, batch * deformable) * (size[0] * size[1]), shape=(batch * deformable, 1, 1, 1))
    inside = between(y, 0, size[0]) * between(x_, 0, size[1]) if mask is None else None
    read = read_between(rows, first, y, x_, (size[0], size[1]), inside)
    if mask is not None:
        read = read * call("reshape", wide(mask), shape=(*y.shape, 1))
    # (batch, groups, elements, places, channels) to the columns of a product for each group of filters.
    read = call("reshape", read, shape=(batch, deformable, elements, out[0] * out[1], share))
    inner = channels // num_group * elements
    columns = call("reshape", call("transpose", read, axes=(0, 1, 4, 2, 3)), shape=(batch, num_group, inner, out[0] * out[1]))
    matrix = call("reshape", wide(weight), shape=(1, num_group, filters // num_group, inner))
    y = call("reshape", call("matmul", matrix, columns), shape=(batch, filters, *out))
    if bias is not None:
        y = y + call("reshape", wide(tensor(bias)), shape=(filters, 1, 1))
    return narrow(y, x.dtype)


def _places(offset: Any, shape: tuple[int, ...], stride: Pair, dilate: Pair, pad: Pair, kernel: Pair) -> tuple[Any, Any]:
    """Where each element of each window is read, below and to the right of the first pixel: (groups, elements, *size) each."""
    moved = call("reshape", offset, shape=shape)
    found = []
    for axis in (0, 1):
        n = shape[3 + axis]
        windows = positions(offset, n, offset.dtype) * stride[axis] - pad[axis]
        inside = positions(offset, kernel[axis], offset.dtype) * dilate[axis]
        inside = call("reshape", inside, shape=(kernel[0], 1) if axis == 0 else (1, kernel[1]))
        inside = call("reshape", call("broadcast_to", inside, shape=kernel), shape=(kernel[0] * kernel[1], 1, 1))
        grid = inside + call("reshape", windows, shape=(n, 1) if axis == 0 else (1, n))
        part = call("slice", moved, key=(("slice", None, None, None), ("slice", None, None, None), ("int", axis)))
        found.append(part + grid)
    return found[0], found[1]
