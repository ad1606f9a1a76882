"""Convolution as a matrix product of columns: what a GPU does where cuDNN is missing or refuses.

``im2col`` lays the windows of all samples out as a matrix for each group, ``col2im`` adds such columns up to data; each is the
other's gradient. The three operators of convolution are written with them and ``matmul`` (``CudaRule.decomposition``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hybridnet.core import Kind, Op, Sample, Spec, call, on_cuda, register
from hybridnet.core.kernel import HandKernels, stored_type
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, samples
from hybridnet.ops.kernels.places import each, index_type, once, pack_width
from hybridnet.ops.nn.common import wide_dtype
from hybridnet.ops.nn.windows import Geometry, channels_of, inner, output_size, padded, positions, spatial_of, windows, with_channels


def geometry(
    shape: tuple[int, ...],
    *,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    dilate: tuple[int, ...],
    groups: int,
    last: bool,
) -> Geometry:
    """The sizes of a convolution over data of that shape; its filters do not matter here."""
    size = spatial_of(shape, last)
    out = tuple(map(output_size, size, kernel, stride, pad, dilate))
    return Geometry(shape[0], groups, channels_of(shape, last) // groups, 1, size, out, kernel, stride, pad, dilate, last)


def _columns_shape(g: Geometry) -> tuple[int, int, int]:
    depth, windows_ = g.channels * math.prod(g.kernel), g.batch * math.prod(g.out)
    return (g.groups, windows_, depth) if g.last else (g.groups, depth, windows_)


def _order(g: Geometry) -> tuple[int, ...]:
    """The axes of the view of all windows (see ``windows``) in the order that columns have them."""
    nd = len(g.kernel)
    if g.last:  # (batch, *out, groups, *kernel, channels)
        return (nd + 1, 0, *range(1, nd + 1), *range(nd + 2, 2 * nd + 3))
    return (1, 2, *range(3, nd + 3), 0, *range(nd + 3, 2 * nd + 3))  # (batch, groups, channels, *kernel, *out)


def _im2col(xp: Any, x: Any, **attrs: Any) -> Any:
    g = geometry(x.shape, **attrs)
    view = windows(xp, padded(xp, xp.ascontiguousarray(x), g), g).transpose(_order(g))
    return xp.array(view, order="C").reshape(_columns_shape(g))


def _col2im(xp: Any, columns: Any, *, shape: tuple[int, ...], **attrs: Any) -> Any:
    g = geometry(shape, **attrs)
    wide = tuple(s + 2 * p for s, p in zip(g.size, g.pad, strict=True))
    target = xp.zeros((g.batch, *g.spatial(wide)), wide_dtype(columns.dtype))
    nd = len(g.kernel)
    if g.last:
        parts = columns.reshape(g.groups, g.batch, *g.out, *g.kernel, g.channels)
        lead, order = (slice(None),) * (nd + 2), (*range(1, nd + 2), 0, nd + 2)
    else:
        parts = columns.reshape(g.groups, g.channels, *g.kernel, g.batch, *g.out)
        lead, order = (slice(None),) * 2, (2, 0, 1, *range(3, nd + 3))
    for place, key in positions(g):
        target[key] += parts[(*lead, *place)].transpose(order).reshape(target[key].shape)
    return xp.ascontiguousarray(target[inner(g)], dtype=columns.dtype)


def _infer_col2im(x: Spec, *, shape: tuple[int, ...], **attrs: Any) -> Spec:
    expected = _columns_shape(geometry(shape, **attrs))
    if x.shape != expected:
        fail(ShapeError, "col2im", expected=f"columns of shape {expected} for data {shape}", got=str(x.shape))
    return Spec(shape, x.dtype)


def _types(g: Geometry, *sizes: int) -> tuple[str, list[str]]:
    """The C++ type of the columns of a convolution, and those of its three axes."""
    missing = [1] * (3 - len(g.kernel))
    each_axis = zip(
        *([*missing, *x] for x in (g.size, g.out, g.kernel, g.stride)), [0] * len(missing) + [*g.pad], [*missing, *g.dilate], strict=True
    )
    axes = [f"hn_reach<{', '.join(map(str, axis))}>" for axis in each_axis]
    last = "true" if g.last else "false"
    return f"hn_columns<{index_type(*sizes)}, {last}, {g.batch}, {g.groups}, {g.channels}, {', '.join(axes)}>", axes


def _im2col_kernels(num_sms: int, inputs: Sequence[Spec], outputs: Sequence[Spec], **attrs: Any) -> HandKernels:
    (x,), (y,) = inputs, outputs
    g = geometry(x.shape, **attrs)
    columns, _ = _types(g, x.size, y.size)
    width = pack_width(y.dtype, y.size)
    load = width if g.last and g.channels % width == 0 else 1
    function = f"hn_im2col<{columns}, {y.size // width}, {width}, {load}, {stored_type(x.dtype)}>"
    return HandKernels("im2col.cu", (each(function, ("y0", "x0"), y.size // width, num_sms),))


def _col2im_kernels(num_sms: int, inputs: Sequence[Spec], outputs: Sequence[Spec], *, shape: tuple[int, ...], **attrs: Any) -> HandKernels:
    (x,), (y,) = inputs, outputs
    g = geometry(shape, **attrs)
    columns, axes = _types(g, x.size, y.size)
    width = pack_width(y.dtype, y.size)
    load = width if g.last and g.channels % width == 0 else 1
    function = f"hn_col2im<{columns}, {y.size // width}, {width}, {load}, {', '.join(axes)}, {stored_type(x.dtype)}>"
    return HandKernels("im2col.cu", (once(function, ("y0", "x0"), y.size // width),))


_CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 3, 5), {"kernel": (3,), "stride": (2,), "pad": (1,), "dilate": (1,), "groups": 1, "last": False}),
    ((2, 4, 5, 4), {"kernel": (2, 3), "stride": (1, 2), "pad": (1, 0), "dilate": (2, 1), "groups": 2, "last": False}),
    ((1, 2, 4, 3, 3), {"kernel": (2, 2, 1), "stride": (1, 2, 1), "pad": (0, 1, 0), "dilate": (1, 1, 1), "groups": 1, "last": False}),
    ((2, 5, 3), {"kernel": (3,), "stride": (1,), "pad": (1,), "dilate": (2,), "groups": 1, "last": True}),
    ((2, 4, 5, 16), {"kernel": (2, 2), "stride": (2, 1), "pad": (1, 1), "dilate": (1, 1), "groups": 2, "last": True}),
    ((1, 3, 3, 3, 2), {"kernel": (1, 2, 2), "stride": (1, 1, 2), "pad": (0, 1, 1), "dilate": (1, 1, 1), "groups": 2, "last": True}),
)

IM2COL = register(
    Op(
        "im2col",
        Kind.OPAQUE,
        lambda x, **attrs: Spec(_columns_shape(geometry(x.shape, **attrs)), x.dtype),
        compute=_im2col,
        grad=(lambda g, y, x, **attrs: call("col2im", g, shape=x.shape, **attrs),),
        sample=samples(*[Sample((normal(*shape),), attrs) for shape, attrs in _CASES]),
    )
)
on_cuda(IM2COL, kernels=_im2col_kernels)

COL2IM = register(
    Op(
        "col2im",
        Kind.OPAQUE,
        _infer_col2im,
        compute=_col2im,
        grad=(lambda g, y, x, *, shape, **attrs: call("im2col", g, **attrs),),
        sample=samples(
            *[Sample((normal(*_columns_shape(geometry(s, **attrs))),), {"shape": s, **attrs}) for s, attrs in _CASES],
            Sample((normal(1, 2, 2),), {"shape": _CASES[0][0], **_CASES[0][1]}, error=ValueError),
        ),
    )
)
on_cuda(COL2IM, kernels=_col2im_kernels)


# -- the operators of convolution in terms of columns ----------------------------------------------------


def _matrices(y: Any, g: Geometry) -> Any:
    """A result, or its gradient, as a matrix for each group: (G, O, N·L), or (G, N·L, O) with channels last."""
    length = math.prod(g.out)
    if g.last:
        rows = call("reshape", y, shape=(g.batch * length, g.groups, y.shape[-1] // g.groups))
        return call("transpose", rows, axes=(1, 0, 2))
    split = call("transpose", call("reshape", y, shape=(g.batch, g.groups, y.shape[1] // g.groups, length)), axes=(1, 2, 0, 3))
    return call("reshape", split, shape=(g.groups, y.shape[1] // g.groups, g.batch * length))


def _filters(w: Any, g: Geometry) -> Any:
    """The weight as a matrix for each group: (G, O, C·K), or (G, O, K·C) with channels last."""
    return call("reshape", w, shape=(g.groups, w.shape[0] // g.groups, g.channels * math.prod(g.kernel)))


def unrolled(x: Any, w: Any, *, last: bool, **attrs: Any) -> Any:
    """The convolution.

    ``x``: (N, C, *size), or (N, *size, C) with ``last``; ``w``: (filters, C / groups, *kernel), or channels last too.
    """
    attrs = {"kernel": spatial_of(w.shape, last), "last": last, **attrs}
    g = geometry(x.shape, **attrs)
    columns, filters, number = call("im2col", x, **attrs), _filters(w, g), w.shape[0]
    shape = with_channels(g.batch, number, g.out, last)
    if last:
        return call("reshape", call("transpose", call("matmul", columns, filters, transpose_b=True), axes=(1, 0, 2)), shape=shape)
    y = call("reshape", call("matmul", filters, columns), shape=(g.groups, number // g.groups, g.batch, math.prod(g.out)))
    return call("reshape", call("transpose", y, axes=(2, 0, 1, 3)), shape=shape)


def unrolled_data_grad(dy: Any, w: Any, *, size: tuple[int, ...], groups: int, last: bool, **attrs: Any) -> Any:
    """The gradient with respect to the data.

    ``dy`` is of the result's shape, ``size`` the data's spatial shape.
    """
    shape = with_channels(dy.shape[0], channels_of(w.shape, last) * groups, size, last)
    attrs = {"kernel": spatial_of(w.shape, last), "groups": groups, "last": last, **attrs}
    g = geometry(shape, **attrs)
    rows, filters = _matrices(dy, g), _filters(w, g)
    columns = call("matmul", rows, filters) if last else call("matmul", filters, rows, transpose_a=True)
    return call("col2im", columns, shape=shape, **attrs)


def unrolled_weight_grad(x: Any, dy: Any, **attrs: Any) -> Any:
    """The gradient with respect to the weight.

    ``x`` is of the data's shape, ``dy`` of the result's.
    """
    g = geometry(x.shape, **attrs)
    rows, columns = _matrices(dy, g), call("im2col", x, **attrs)
    dw = call("matmul", rows, columns, transpose_a=True) if g.last else call("matmul", rows, columns, transpose_b=True)
    return call("reshape", dw, shape=with_channels(channels_of(dy.shape, g.last), g.channels, g.kernel, g.last))
