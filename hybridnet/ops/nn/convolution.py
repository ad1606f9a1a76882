"""Convolution in 1 to 3 dimensions: one operator, and its two gradients, which are operators too.

Each of the three is linear in both of its inputs and has the other two for its gradients, so the
family is closed: any order of differentiation stays within it. Deconvolution is the gradient with
respect to the data.

The arithmetic is in :mod:`hybridnet.ops.nn.convolve`. On a CPU oneDNN may take its place; on a GPU it is a call of cuDNN,
or, where that has none, a product of columns.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Permuted, Sample, Spec, apply, call, on_cpu, on_cuda, permutes, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.nn import convolution_host, convolution_library
from hybridnet.ops.nn.columns import unrolled, unrolled_data_grad, unrolled_weight_grad
from hybridnet.ops.nn.common import along, as_part, as_tuple, wide_dtype
from hybridnet.ops.nn.convolve import data_grad, forward, weight_grad
from hybridnet.ops.nn.windows import Geometry, channels_of, is_last, output_size, spatial_of, with_channels

Attrs = dict[str, Any]


def _geometry(
    op: str, data: tuple[int, ...], weight: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool
) -> Geometry:
    """The sizes of a convolution of these shapes, or the error that says why there is none."""
    nd = len(stride)
    if len(data) != nd + 2 or len(weight) != nd + 2:
        fail(ShapeError, op, expected=f"data and weight of {nd + 2} dimensions", got=f"{data} and {weight}")
    channels, filters = channels_of(data, last), weight[0]
    size, kernel = spatial_of(data, last), spatial_of(weight, last)
    if groups < 1 or not channels or not filters or channels % groups or filters % groups:
        fail(ShapeError, op, expected=f"numbers of channels and filters that {groups} groups divide", got=f"{channels} and {filters}")
    if channels_of(weight, last) != channels // groups:
        expected = with_channels(filters, channels // groups, kernel, last)
        fail(ShapeError, op, expected=f"a weight of shape {expected} for data {data}, {groups} groups", got=str(weight))
    out = tuple(map(output_size, size, kernel, stride, pad, dilate))
    if min(out) < 1:
        fail(ShapeError, op, expected=f"data as large as the kernel {kernel} (dilated by {dilate}, with padding {pad})", got=str(data))
    return Geometry(data[0], groups, channels // groups, filters // groups, size, out, kernel, stride, pad, dilate, last)


# -- the operators --------------------------------------------------------------------------------


def _ready(xp: Any, *arrays: Any) -> list[Any]:
    """Operands in C order and in the dtype that sums are made in."""
    return [xp.ascontiguousarray(a, dtype=wide_dtype(a.dtype)) for a in arrays]


def _into(xp: Any, out: Any, shape: tuple[int, ...], dtype: Any, compute: Any) -> Any:
    """Run ``compute(buffer)`` into ``out`` where that has the dtype of the sums, else through a wide buffer."""
    wide = wide_dtype(dtype)
    if out is None and wide == dtype:
        return compute(xp.empty(shape, dtype))
    if wide == dtype and out.flags.c_contiguous:
        return compute(out)
    result = compute(xp.empty(shape, wide))
    if out is None:
        return result.astype(dtype)
    out[...] = result
    return out


def _infer_convolution(x: Spec, w: Spec, *, stride: Any, pad: Any, dilate: Any, groups: int, last: bool) -> Spec:
    g = _geometry("convolution", x.shape, w.shape, stride, pad, dilate, groups, last)
    return Spec(with_channels(g.batch, w.shape[0], g.out, last), x.dtype)


def _convolution(xp: Any, x: Any, w: Any, *, stride: Any, pad: Any, dilate: Any, groups: int, last: bool, out: Any = None) -> Any:
    g = _geometry("convolution", x.shape, w.shape, stride, pad, dilate, groups, last)
    data, weight = _ready(xp, x, w)
    return _into(xp, out, with_channels(g.batch, w.shape[0], g.out, last), x.dtype, lambda y: forward(xp, data, weight, g, y))


def _of_data(
    dy: Spec, w: Spec, size: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool
) -> tuple[tuple[int, ...], Geometry]:
    """The data shape that a gradient belongs to, and the convolution's sizes."""
    data = with_channels(dy.shape[0], channels_of(w.shape, last) * groups, size, last)
    g = _geometry("convolution_data_grad", data, w.shape, stride, pad, dilate, groups, last)
    expected = with_channels(g.batch, w.shape[0], g.out, last)
    if dy.shape != expected:
        fail(ShapeError, "convolution_data_grad", expected=f"a gradient of shape {expected}, for data {data}", got=str(dy.shape))
    return data, g


def _infer_data_grad(dy: Spec, w: Spec, *, size: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool) -> Spec:
    return Spec(_of_data(dy, w, size, stride, pad, dilate, groups, last)[0], dy.dtype)


def _convolution_data_grad(
    xp: Any, dy: Any, w: Any, *, size: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool, out: Any = None
) -> Any:
    shape, g = _of_data(dy, w, size, stride, pad, dilate, groups, last)
    gradient, weight = _ready(xp, dy, w)
    return _into(xp, out, shape, dy.dtype, lambda dx: data_grad(xp, gradient, weight, g, dx))


def _of_weight(
    x: Spec, dy: Spec, kernel: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool
) -> tuple[tuple[int, ...], Geometry]:
    """The weight shape that a gradient belongs to, and the convolution's sizes."""
    weight = with_channels(channels_of(dy.shape, last), channels_of(x.shape, last) // max(groups, 1), kernel, last)
    g = _geometry("convolution_weight_grad", x.shape, weight, stride, pad, dilate, groups, last)
    expected = with_channels(g.batch, weight[0], g.out, last)
    if dy.shape != expected:
        fail(ShapeError, "convolution_weight_grad", expected=f"a gradient of shape {expected}, for weight {weight}", got=str(dy.shape))
    return weight, g


def _infer_weight_grad(x: Spec, dy: Spec, *, kernel: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool) -> Spec:
    return Spec(_of_weight(x, dy, kernel, stride, pad, dilate, groups, last)[0], x.dtype)


def _convolution_weight_grad(
    xp: Any, x: Any, dy: Any, *, kernel: tuple[int, ...], stride: Any, pad: Any, dilate: Any, groups: int, last: bool
) -> Any:
    shape, g = _of_weight(x, dy, kernel, stride, pad, dilate, groups, last)
    data, gradient = _ready(xp, x, dy)
    return weight_grad(xp, data, gradient, g, shape).astype(x.dtype, copy=False)


def _permuted(order: tuple[int, ...], *specs: Spec, last: bool, **attrs: Any) -> Permuted | None:
    """Channels last, from channels first."""
    if last or order != (0, *range(2, len(order)), 1):
        return None
    return Permuted({**attrs, "last": True}, (True, True), (True,))


def flops_of_window(window: Spec, sums: Spec) -> int:
    """Of as many sums of products as ``sums`` has elements, over a filter of a weight of that shape."""
    return 2 * sums.size * math.prod(window.shape[1:])


def _spatial(x: Any, last: bool) -> tuple[int, ...]:
    return spatial_of(x.shape, last)


_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], Attrs], ...] = (
    ((2, 2, 5), (3, 2, 3), {"stride": (1,), "pad": (1,), "dilate": (1,), "groups": 1, "last": False}),
    ((2, 4, 5, 4), (4, 2, 2, 3), {"stride": (2, 1), "pad": (1, 0), "dilate": (1, 1), "groups": 2, "last": False}),
    ((1, 3, 6, 5), (2, 3, 3, 2), {"stride": (1, 1), "pad": (2, 1), "dilate": (2, 1), "groups": 1, "last": False}),
    ((1, 3, 6, 5), (2, 3, 2, 2), {"stride": (3, 2), "pad": (0, 1), "dilate": (1, 2), "groups": 1, "last": False}),
    ((2, 3, 3, 2), (4, 3, 1, 1), {"stride": (1, 1), "pad": (0, 0), "dilate": (1, 1), "groups": 1, "last": False}),
    ((2, 2, 4, 4), (4, 1, 3, 3), {"stride": (1, 1), "pad": (1, 1), "dilate": (1, 1), "groups": 2, "last": False}),
    ((1, 2, 3, 3, 3), (2, 2, 2, 2, 2), {"stride": (1, 1, 1), "pad": (0, 1, 0), "dilate": (1, 1, 1), "groups": 1, "last": False}),
    ((2, 5, 2), (3, 3, 2), {"stride": (2,), "pad": (1,), "dilate": (1,), "groups": 1, "last": True}),
    ((2, 4, 5, 4), (2, 2, 3, 2), {"stride": (1, 1), "pad": (1, 1), "dilate": (1, 1), "groups": 2, "last": True}),
    ((2, 3, 2, 3), (4, 1, 1, 3), {"stride": (1, 1), "pad": (0, 0), "dilate": (1, 1), "groups": 1, "last": True}),
    ((1, 4, 4, 2), (4, 2, 2, 1), {"stride": (2, 1), "pad": (1, 0), "dilate": (1, 2), "groups": 2, "last": True}),
)


def _sample_dy(x: tuple[int, ...], w: tuple[int, ...], attrs: Attrs) -> Any:
    shape = _infer_convolution(Spec(x, dtypes.float64), Spec(w, dtypes.float64), **attrs).shape
    return normal(*shape, seed=2)


_PLAIN = {"stride": (1, 1), "pad": (0, 0), "dilate": (1, 1), "groups": 1, "last": False}

CONVOLUTION = register(
    Op(
        "convolution",
        Kind.CONTRACTION,
        _infer_convolution,
        compute=_convolution,
        flops=lambda inputs, outputs, **attrs: flops_of_window(inputs[1], outputs[0]),
        out=True,
        grad=(
            lambda g, y, x, w, **attrs: call("convolution_data_grad", g, w, size=_spatial(x, attrs["last"]), **attrs),
            lambda g, y, x, w, **attrs: call("convolution_weight_grad", x, g, kernel=_spatial(w, attrs["last"]), **attrs),
        ),
        saves=(0, 1),
        promote="float",
        precision="half",
        sample=lambda: [
            *[Sample((normal(*x), normal(*w, seed=1)), attrs) for x, w, attrs in _CASES],
            Sample((normal(1, 3, 4, 4), normal(2, 2, 3, 3)), _PLAIN, error=ValueError),
            Sample((normal(1, 2, 2, 4), normal(2, 2, 3, 3)), _PLAIN, error=ValueError),
        ],
    )
)
on_cuda(CONVOLUTION, decomposition=unrolled, library=convolution_library.convolution)
on_cpu(CONVOLUTION, convolution_host.convolution)
permutes(CONVOLUTION, _permuted)

DATA_GRAD = register(
    Op(
        "convolution_data_grad",
        Kind.CONTRACTION,
        _infer_data_grad,
        compute=_convolution_data_grad,
        flops=lambda inputs, outputs, **attrs: flops_of_window(inputs[1], inputs[0]),
        out=True,
        grad=(
            lambda g, y, dy, w, *, size, **attrs: call("convolution", g, w, **attrs),
            lambda g, y, dy, w, *, size, **attrs: call("convolution_weight_grad", g, dy, kernel=_spatial(w, attrs["last"]), **attrs),
        ),
        saves=(0, 1),
        promote="float",
        precision="half",
        sample=lambda: [
            *[
                Sample((_sample_dy(*case), normal(*case[1], seed=1)), {"size": spatial_of(case[0], case[2]["last"]), **case[2]})
                for case in _CASES
            ],
            Sample((normal(1, 2, 4, 4), normal(2, 3, 3, 3)), {"size": (5, 5), **_PLAIN}, error=ValueError),
        ],
    )
)
on_cuda(DATA_GRAD, decomposition=unrolled_data_grad, library=convolution_library.data_grad)
on_cpu(DATA_GRAD, convolution_host.data_grad)
permutes(DATA_GRAD, _permuted)

WEIGHT_GRAD = register(
    Op(
        "convolution_weight_grad",
        Kind.CONTRACTION,
        _infer_weight_grad,
        compute=_convolution_weight_grad,
        flops=lambda inputs, outputs, **attrs: flops_of_window(outputs[0], inputs[1]),
        grad=(
            lambda g, y, x, dy, *, kernel, **attrs: call("convolution_data_grad", dy, g, size=_spatial(x, attrs["last"]), **attrs),
            lambda g, y, x, dy, *, kernel, **attrs: call("convolution", x, g, **attrs),
        ),
        saves=(0, 1),
        promote="float",
        precision="half",
        sample=lambda: [
            *[Sample((normal(*x), _sample_dy(x, w, attrs)), {"kernel": spatial_of(w, attrs["last"]), **attrs}) for x, w, attrs in _CASES],
            Sample((normal(1, 3, 5, 5), normal(1, 2, 4, 4)), {"kernel": (3, 3), **_PLAIN}, error=ValueError),
        ],
    )
)
on_cuda(WEIGHT_GRAD, decomposition=unrolled_weight_grad, library=convolution_library.weight_grad)
on_cpu(WEIGHT_GRAD, convolution_host.weight_grad)
permutes(WEIGHT_GRAD, _permuted)


def convolution(
    data: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    kernel: Any = None,
    stride: Any = None,
    dilate: Any = None,
    pad: Any = None,
    num_filter: int | None = None,
    num_group: int = 1,
    no_bias: bool = False,
    layout: str | None = None,
) -> Any:
    """The sums of products of ``weight`` with each window of ``data``, plus ``bias`` a filter.

    ``data``: (N, C, *size) or, by ``layout`` NWC, NHWC or NDHWC, (N, *size, C); ``weight``: (num_filter,
    C / num_group, *kernel) or (num_filter, *kernel, C / num_group); ``stride``, ``dilate`` and ``pad`` (on
    both sides, with zeros) one number an axis. The result has ``num_filter`` channels and
    floor((size + 2 pad - dilate (kernel - 1) - 1) / stride) + 1 elements on an axis. ShapeError if ``data``, ``weight``,
    ``bias``, ``kernel`` and ``num_filter`` do not fit together.
    """
    data = tensor(data)
    weight = tensor(weight)
    nd = weight.ndim - 2
    last = is_last("convolution", layout, nd)
    if kernel is not None and as_tuple("convolution", "kernel", kernel, nd, 1) != spatial_of(weight.shape, last):
        fail(ShapeError, "convolution", expected=f"a weight with kernel {kernel}", got=str(weight.shape))
    if num_filter is not None and num_filter != weight.shape[0]:
        fail(ShapeError, "convolution", expected=f"a weight of {num_filter} filters", got=str(weight.shape))
    y = apply(CONVOLUTION, (data, weight), convolution_attrs("convolution", nd, stride, pad, dilate, num_group, last))
    return with_bias("convolution", y, None if no_bias else bias, last)


def convolution_attrs(op: str, nd: int, stride: Any, pad: Any, dilate: Any, groups: int, last: bool) -> Attrs:
    """The attributes that the operators take, from the arguments of a public function; ``nd`` is the number of spatial axes.

    ArgumentError unless strides and dilations are positive and no padding is negative.
    """
    attrs: Attrs = {
        "stride": as_tuple(op, "stride", stride, nd, 1),
        "pad": as_tuple(op, "pad", pad, nd, 0),
        "dilate": as_tuple(op, "dilate", dilate, nd, 1),
        "groups": int(groups),
        "last": last,
    }
    if min(attrs["stride"]) < 1 or min(attrs["dilate"]) < 1 or min(attrs["pad"]) < 0:
        got = f"stride {stride}, dilate {dilate}, pad {pad}"
        fail(ArgumentError, op, expected="positive strides and dilations and no negative padding", got=got)
    return attrs


def with_bias(op: str, y: Any, bias: Any, last: bool) -> Any:
    """``y`` plus ``bias``, of shape (channels,), on the channel axis; ShapeError if it is of another shape."""
    if bias is None:
        return y
    axis = y.ndim - 1 if last else 1
    if bias.shape != (y.shape[axis],):
        fail(ShapeError, op, expected=f"a bias of shape ({y.shape[axis]},)", got=str(bias.shape))
    return y + along(as_part(bias, y), axis, y.ndim)
