"""``nd``'s classic operators of vision: spatial transformers, correlation, columns of windows."""

from __future__ import annotations

import math
from typing import Any, Literal

from hybridnet.core import call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.register import classic
from hybridnet.ops.nn.common import as_tuple
from hybridnet.ops.nn.windows import output_size as windows_of
from hybridnet.ops.vision import correlation, sampler


@classic("BilinearSampler")
def BilinearSampler(data: Array, grid: Array, cudnn_off: bool | None = None) -> Any:
    """``data`` (batch, channels, height, width) at the places of ``grid`` (batch, 2, *size), x before y, from -1 to 1; 0 beyond the edges.

    ``cudnn_off`` means nothing here.
    """
    return sampler.bilinear_sampler(data, grid)


@classic("GridGenerator", required=("transform_type",))
def GridGenerator(data: Array, transform_type: Literal["affine", "warp"] = "affine", target_shape: Shape = (0, 0)) -> Any:
    """Where to read: the grid that affine maps (batch, 6) make of ``target_shape``, or that a flow (batch, 2, height, width) makes."""
    return sampler.grid_generator(data, transform_type, target_shape)


@classic("SpatialTransformer", required=("transform_type", "sampler_type"))
def SpatialTransformer(
    data: Array,
    loc: Array,
    target_shape: Shape = (0, 0),
    transform_type: Literal["affine"] = "affine",
    sampler_type: Literal["bilinear"] = "bilinear",
    cudnn_off: bool | None = None,
) -> Any:
    """``data`` (batch, channels, height, width) under the affine maps ``loc`` (batch, 6), as (batch, channels, *target_shape).

    ArgumentError for another ``transform_type`` or ``sampler_type`` than these. ``cudnn_off`` means nothing here.
    """
    if (transform_type, sampler_type) != ("affine", "bilinear"):
        expected = "transform_type affine and sampler_type bilinear"
        fail(ArgumentError, "SpatialTransformer", expected=expected, got=f"{transform_type} and {sampler_type}")
    return sampler.spatial_transformer(data, loc, target_shape)


@classic("Correlation")
def Correlation(
    data1: Array,
    data2: Array,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
) -> Any:
    """How alike windows of ``data1`` are to displaced ones of ``data2``, both (batch, channels, height, width), a channel a displacement.

    The means over windows and channels of products, or without ``is_multiply`` of absolute differences.
    """
    return correlation.correlation(data1, data2, kernel_size, max_displacement, stride1, stride2, pad_size, is_multiply)


def _sides(op: str, kernel: Shape, stride: Shape, dilate: Shape, pad: Shape) -> dict[str, Any]:
    n = len(kernel)
    sides = (("stride", stride, 1), ("dilate", dilate, 1), ("pad", pad, 0))
    return {"kernel": tuple(kernel), **{name: as_tuple(op, name, value, n, default) for name, value, default in sides}}


@classic("im2col", required=("kernel",))
def im2col(data: Array, kernel: Shape = (), stride: Shape = (), dilate: Shape = (), pad: Shape = ()) -> Any:
    """The windows of ``data`` (batch, channels, *size) as columns: (batch, channels · kernel's size, windows).

    ShapeError for data of other dimensions.
    """
    sides = _sides("im2col", kernel, stride, dilate, pad)
    if data.ndim != len(kernel) + 2:
        fail(ShapeError, "im2col", expected=f"data of {len(kernel) + 2} dimensions", got=str(data.shape))
    columns = call("im2col", data, **sides, groups=1, last=False)
    depth = data.shape[1] * math.prod(kernel)
    split = call("reshape", columns, shape=(depth, data.shape[0], columns.shape[2] // max(data.shape[0], 1)))
    return call("transpose", split, axes=(1, 0, 2))


@classic("col2im", required=("output_size", "kernel"))
def col2im(data: Array, output_size: Shape = (), kernel: Shape = (), stride: Shape = (), dilate: Shape = (), pad: Shape = ()) -> Any:
    """Columns (batch, channels · kernel's size, windows) added up to (batch, channels, *output_size): the transpose of :func:`im2col`.

    ShapeError for other columns.
    """
    sides = _sides("col2im", kernel, stride, dilate, pad)
    along = zip(output_size, *(sides[name] for name in ("kernel", "stride", "pad", "dilate")), strict=True)
    windows = math.prod(windows_of(*axis) for axis in along)
    area = math.prod(kernel)
    if data.ndim != 3 or data.shape[1] % area or data.shape[2] != windows:
        fail(ShapeError, "col2im", expected=f"columns (batch, channels · {area}, {windows})", got=str(data.shape))
    batch, depth, _ = data.shape
    columns = call("reshape", call("transpose", data, axes=(1, 0, 2)), shape=(1, depth, batch * windows))
    return call("col2im", columns, shape=(batch, depth // area, *output_size), **sides, groups=1, last=False)
