"""Images (N, C, H, W) in other sizes: repeated, interpolated, averaged.

Interpolation and adaptive averaging are linear and separate by axis: a product with a small matrix
on each, which is made by operators from the sizes alone.
"""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import ARANGE
from hybridnet.ops.array.shape import concatenate
from hybridnet.ops.common import normal, samples, tensor
from hybridnet.ops.nn.common import as_tuple, narrow, one_of, wide
from hybridnet.ops.nn.deconvolution import deconvolution


def _image(op: str, data: Any) -> Any:
    data = tensor(data)
    if data.ndim != 4 or 0 in data.shape[2:]:
        fail(ShapeError, op, expected="images (N, C, H, W)", got=str(data.shape))
    return data


def _repeated(x: Any, *, scale: int) -> Any:
    n, c, h, w = x.shape
    spread = call("broadcast_to", call("reshape", x, shape=(n, c, h, 1, w, 1)), shape=(n, c, h, scale, w, scale))
    return call("reshape", spread, shape=(n, c, h * scale, w * scale))


def _repeated_rule(g: Any, y: Any, x: Any, *, scale: int) -> Any:
    n, c, h, w = x.shape
    return call("reshape", call("sum", call("reshape", g, shape=(n, c, h, scale, w, scale)), axis=(3, 5), keepdims=True), shape=x.shape)


def _infer_repeated(x: Spec, *, scale: int) -> Spec:
    n, c, h, w = x.shape
    return Spec((n, c, h * scale, w * scale), x.dtype)


UPSAMPLING_NEAREST = register(
    Op(
        "upsampling_nearest",
        Kind.OPAQUE,
        _infer_repeated,
        decomposition=_repeated,
        grad=(_repeated_rule,),
        sample=samples(Sample((normal(2, 1, 2, 3),), {"scale": 2}), Sample((normal(1, 2, 1, 2),), {"scale": 3})),
    )
)


def upsampling(
    *data: Any,
    scale: int,
    sample_type: str = "nearest",
    num_filter: int = 0,
    multi_input_mode: str = "concat",
    num_args: int | None = None,
    workspace: int | None = None,
) -> Any:
    """Images ``scale`` times as large.

    ``nearest`` repeats elements; several images are brought to the size of the first one's result and
    joined along the channels (``concat``) or added (``sum``). ``bilinear`` takes one image and a weight
    (num_filter, 1, 2 scale - scale % 2, the same) and is the deconvolution with it. ``num_args`` and
    ``workspace`` are MXNet's and are not needed. ArgumentError for a scale below 1 or no image, ShapeError for heights that do
    not divide the first's. Images are (N, C, height, width).
    """
    if scale < 1:
        fail(ArgumentError, "upsampling", expected="a scale of 1 or more", got=str(scale))
    if one_of("upsampling", "sample_type", sample_type, ("nearest", "bilinear")) == "bilinear":
        if len(data) != 2:
            fail(ArgumentError, "upsampling", expected="an image and a weight", got=f"{len(data)} arrays")
        image = _image("upsampling", data[0])
        edge = scale // 2  # ceil((scale - 1) / 2)
        return deconvolution(
            image,
            data[1],
            kernel=(2 * scale - scale % 2,) * 2,
            stride=(scale, scale),
            pad=(edge, edge),
            num_filter=num_filter or image.shape[1],
            num_group=image.shape[1],
        )
    one_of("upsampling", "multi_input_mode", multi_input_mode, ("concat", "sum"))
    images = [_image("upsampling", x) for x in data]
    if not images:
        fail(ArgumentError, "upsampling", expected="at least one image", got="none")
    height = images[0].shape[2] * scale
    if any(height % x.shape[2] for x in images):
        fail(ShapeError, "upsampling", expected=f"images whose height divides {height}", got=" and ".join(str(x.shape) for x in images))
    large = [apply(UPSAMPLING_NEAREST, (x,), {"scale": height // x.shape[2]}) for x in images]
    if multi_input_mode == "concat":
        return large[0] if len(large) == 1 else concatenate(large, 1)
    total = large[0]
    for x in large[1:]:
        total = total + x
    return total


def _range(like: Any, n: int, shape: tuple[int, ...], step: float = 1.0, start: float = 0.0, dtype: Any = None) -> Any:
    values = apply(ARANGE, (), {"start": start, "step": step, "length": n, "dtype": dtype or like.dtype}, like.device, type(like))
    return call("reshape", values, shape=shape)


def _tent(like: Any, size: int, out: int, align_corners: bool) -> Any:
    """The (out, size) matrix of linear interpolation: each output's distance to each input, cut to weights."""
    if align_corners:
        source = _range(like, out, (out, 1), (size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        step = size / out
        source = call("clip", _range(like, out, (out, 1), step, step / 2 - 0.5), a_min=0.0, a_max=float(size - 1))
    return call("maximum", 1 - call("absolute", source - _range(like, size, (1, size))), 0)


def _shares(like: Any, size: int, out: int) -> Any:
    """The (out, size) matrix of means over floor(i · size / out) … ceil((i + 1) · size / out)."""
    first = _range(like, out, (out, 1), size, 0, dtypes.int64) // out
    stop = _range(like, out, (out, 1), size, size + out - 1, dtypes.int64) // out
    place = _range(like, size, (1, size), 1, 0, dtypes.int64)
    inside = call("logical_and", place >= first, place < stop)
    return call("cast", inside, dtype=like.dtype) / call("cast", stop - first, dtype=like.dtype)


def _separable(data: Any, rows: Any, columns: Any) -> Any:
    x = wide(data)
    return narrow(call("matmul", rows, call("matmul", x, columns, transpose_b=True)), data.dtype)


def bilinear_resize2d(
    data: Any,
    height: int | None = None,
    width: int | None = None,
    scale_height: float | None = None,
    scale_width: float | None = None,
    align_corners: bool = True,
) -> Any:
    """Images of another size (or size times a scale, rounded down), interpolated linearly on both axes.

    ``align_corners``: the corner elements' centres stay corners; else the image's edges do. Images are (N, C, height, width);
    ShapeError if the size is not positive.
    """
    data = _image("bilinear_resize2d", data)
    size = [
        given if given is not None else int(n * scale) if scale is not None else n
        for n, given, scale in zip(data.shape[2:], (height, width), (scale_height, scale_width), strict=True)
    ]
    if min(size) < 1:
        fail(ShapeError, "bilinear_resize2d", expected="a positive size", got=str(tuple(size)))
    like = wide(data)
    return _separable(data, _tent(like, data.shape[2], size[0], align_corners), _tent(like, data.shape[3], size[1], align_corners))


def adaptive_avg_pooling2d(data: Any, output_size: Any = 1) -> Any:
    """Images of ``output_size``, each element the mean of its share of the image.

    Images are (N, C, height, width); ShapeError if the size is not positive.
    """
    data = _image("adaptive_avg_pooling2d", data)
    size = as_tuple("adaptive_avg_pooling2d", "output_size", output_size, 2, 1)
    if min(size) < 1:
        fail(ShapeError, "adaptive_avg_pooling2d", expected="a positive size", got=str(size))
    like = wide(data)
    return _separable(data, _shares(like, data.shape[2], size[0]), _shares(like, data.shape[3], size[1]))
