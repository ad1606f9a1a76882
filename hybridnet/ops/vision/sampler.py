"""Spatial transformers (Jaderberg et al., arXiv 1506.02025): a grid of places, and an image read at them.

A grid is (batch, 2, height, width), x before y, from -1, the centre of the first pixel of an axis, to 1, that of the last.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import ArrayLike, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.array.shape import slice_axis, stack
from hybridnet.ops.common import as_shape, tensor
from hybridnet.ops.nn.common import narrow, wide
from hybridnet.ops.vision.reading import as_rows, read_between


def bilinear_sampler(data: ArrayLike, grid: ArrayLike) -> Any:
    """``data`` (batch, channels, height, width) at the places of ``grid`` (batch, 2, *size), 0 beyond the edges.

    Gives (batch, channels, *size); gradients go to both. ShapeError for other shapes.
    """
    data, grid = tensor(data), tensor(grid)
    if data.ndim != 4 or 0 in data.shape[2:]:
        fail(ShapeError, "BilinearSampler", expected="data (batch, channels, height, width)", got=str(data.shape))
    batch, channels, height, width = data.shape
    if grid.ndim != 4 or grid.shape[:2] != (batch, 2):
        fail(ShapeError, "BilinearSampler", expected=f"a grid ({batch}, 2, height, width)", got=str(grid.shape))
    y, x = (
        (call("reshape", slice_axis(wide(grid), 1, i, i + 1), shape=(batch, *grid.shape[2:])) + 1) * ((n - 1) / 2)
        for i, n in ((1, height), (0, width))
    )
    first = call("reshape", positions(data, batch) * (height * width), shape=(batch, 1, 1))
    found = read_between(as_rows(wide(data)), first, y, x, (height, width))
    return narrow(call("transpose", found, axes=(0, 3, 1, 2)), data.dtype)


def _across(like: Any, n: int) -> Any:
    """The numbers from -1 to 1, ``n`` of them."""
    return positions(like, n, like.dtype) * (2 / (n - 1) if n > 1 else 0.0) - 1


def grid_generator(data: ArrayLike, transform_type: str, target_shape: Any = (0, 0)) -> Any:
    """The grid that an affine map makes of ``target_shape`` (height, width), or that a flow makes of its own.

    ``affine``: ``data`` (batch, 6), rows of the matrix that maps (x, y, 1) to where to read; ``warp``: ``data`` (batch, 2, height, width),
    how many pixels to the right and below each pixel is read. ShapeError for other shapes, ArgumentError for another type.
    """
    data, op = tensor(data), "GridGenerator"
    if transform_type == "affine":
        height, width = (*as_shape(op, target_shape), 0, 0)[:2]
        if data.ndim != 2 or data.shape[1] != 6 or min(height, width) < 1:
            fail(ShapeError, op, expected="data (batch, 6) and a target_shape of two numbers", got=f"{data.shape} and {target_shape}")
        like = wide(data)
        shape = (height, width)
        x = call("broadcast_to", call("reshape", _across(like, width), shape=(1, width)), shape=shape)
        y = call("broadcast_to", call("reshape", _across(like, height), shape=(height, 1)), shape=shape)
        places = call("reshape", stack([x, y, x * 0 + 1], 0), shape=(3, height * width))
        found = call("matmul", call("reshape", like, shape=(data.shape[0] * 2, 3)), places)
        return narrow(call("reshape", found, shape=(data.shape[0], 2, height, width)), data.dtype)
    if transform_type != "warp":
        fail(ArgumentError, op, expected="transform_type affine or warp", got=repr(transform_type))
    if data.ndim != 4 or data.shape[1] != 2:
        fail(ShapeError, op, expected="a flow (batch, 2, height, width)", got=str(data.shape))
    height, width = data.shape[2:]
    flow, grids = wide(data), []
    axes: tuple[tuple[int, tuple[int, ...]], ...] = ((width, (1, 1, width)), (height, (1, height, 1)))
    for i, (n, along) in enumerate(axes):
        part = call("reshape", slice_axis(flow, 1, i, i + 1), shape=(data.shape[0], height, width))
        grids.append((part + call("reshape", positions(flow, n, flow.dtype), shape=along)) / (max(n - 1, 1) / 2) - 1)
    return narrow(stack(grids, 1), data.dtype)


def spatial_transformer(data: ArrayLike, loc: ArrayLike, target_shape: Any = (0, 0)) -> Any:
    """``data`` (batch, channels, height, width) read at the grid that the affine maps ``loc`` (batch, 6) make of ``target_shape``."""
    return bilinear_sampler(data, grid_generator(loc, "affine", target_shape))
