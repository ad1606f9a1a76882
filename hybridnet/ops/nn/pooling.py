"""Pooling: the maximum, mean or sum of windows, in 1 to 3 dimensions.

A window's maximum and sum are taken one axis after the other, K + K steps in place of K · K, each a
whole-array operation on strided slices. Windows may reach beyond the data: out there is nothing, so
no padded copy is made. The gradient of a sum is its transpose, in the same way. The gradient of a
maximum goes to the first element in the window that has it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Permuted, Sample, Spec, apply, call, on_cpu, on_cuda, permutes, register
from hybridnet.core.kernel import HandKernels
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import normal, reduced_shape, tensor
from hybridnet.ops.kernels.places import index_type, once, pack_width
from hybridnet.ops.math.slopes import ROOT
from hybridnet.ops.nn import pooling_host
from hybridnet.ops.nn.common import as_tuple, narrow, one_of, wide, wide_dtype
from hybridnet.ops.nn.windows import is_last, scratch, spatial_of

Attrs = dict[str, Any]


class _Axis(NamedTuple):
    """Windows on one axis: ``windows`` of them, ``kernel`` long, every ``stride``, the first at ``-pad``."""

    axis: int
    size: int
    windows: int
    kernel: int
    stride: int
    pad: int

    def taps(self) -> Iterator[tuple[slice, slice]]:
        """For each place in the kernel: which windows have data there, and where that lies."""
        for k in range(self.kernel):
            first = max(0, -((k - self.pad) // self.stride))
            stop = min(self.windows, (self.size - 1 + self.pad - k) // self.stride + 1)
            if first < stop:
                start = first * self.stride + k - self.pad
                yield slice(first, stop), slice(start, start + (stop - first - 1) * self.stride + 1, self.stride)

    def at(self, part: slice) -> tuple[slice, ...]:
        """The key that takes ``part`` of this axis."""
        return (slice(None),) * self.axis + (part,)

    def divisors(self, include_pad: bool) -> np.ndarray[Any, Any]:
        """How many elements each window has, those of the padding counted or not; at least 1."""
        start = np.arange(self.windows) * self.stride - self.pad
        stop = np.minimum(start + self.kernel, self.size + (self.pad if include_pad else 0))
        return np.maximum(stop - (start if include_pad else np.maximum(start, 0)), 1)


def _axes(op: str, shape: tuple[int, ...], first: int, kernel: Any, stride: Any, pad: Any, count: Any) -> list[_Axis]:
    if len(shape) < first + len(kernel):
        fail(ShapeError, op, expected=f"data with {len(kernel)} spatial axes from axis {first} on", got=str(shape))
    return [_Axis(first + i, shape[first + i], count[i], kernel[i], stride[i], pad[i]) for i in range(len(kernel))]


def _pooled(shape: tuple[int, ...], first: int, count: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:first], *count, *shape[first + len(count) :])


def _permuted(order: tuple[int, ...], *specs: Spec, first: int, **attrs: Any) -> Permuted | None:
    """Windows on the same axes, which must still be side by side."""
    start = order.index(first)
    if order[start : start + len(attrs["kernel"])] != tuple(range(first, first + len(attrs["kernel"]))):
        return None
    return Permuted({"first": start, **attrs}, (True,) * len(specs), (True,))


def _reduce(xp: Any, x: Any, axes: list[_Axis], ufunc: Any, empty: float, out: Any) -> Any:
    """The windows of one axis after the other reduced by ``ufunc``, the last into ``out``; ``empty`` where a window has no data."""
    for axis in axes[:-1]:
        shape = (*x.shape[: axis.axis], axis.windows, *x.shape[axis.axis + 1 :])
        x = _reduce_axis(x, axis, ufunc, empty, scratch(xp, f"pooled along {axis.axis}", shape, x.dtype))
    return _reduce_axis(x, axes[-1], ufunc, empty, out)


def _reduce_axis(x: Any, axis: _Axis, ufunc: Any, empty: float, out: Any) -> Any:
    whole = slice(0, axis.windows)
    taps = sorted(axis.taps(), key=lambda tap: tap[0] != whole)  # those that all windows have first
    of_all = [x[axis.at(data)] for windows, data in taps[:2] if windows == whole]
    match of_all:
        case (one, other):
            ufunc(one, other, out=out)
        case (one,):
            out[...] = one
        case _:
            out[...] = empty
    for windows, data in taps[len(of_all) :]:
        target = out[axis.at(windows)]
        ufunc(target, x[axis.at(data)], out=target)
    return out


def _written(
    function: str,
    data: Spec,
    result: Spec,
    arguments: tuple[str, ...],
    more: str,
    *,
    first: int,
    kernel: Any,
    stride: Any,
    pad: Any,
    count: Any,
) -> HandKernels | None:
    """The launch of a function of ``pooling.cu`` that goes over ``result``; ``more``: template arguments besides the usual ones."""
    if len(kernel) > 3:
        return None
    inner = math.prod(data.shape[first + len(kernel) :])
    width = pack_width(data.dtype, inner)
    windows = [
        f"hn_windows<{n}, {c}, {k}, {s}, {p}>" for n, c, k, s, p in zip(data.shape[first:], count, kernel, stride, pad, strict=False)
    ]
    windows = ["hn_windows<1, 1, 1, 1, 0>"] * (3 - len(windows)) + windows
    pool = f"hn_pool<{index_type(data.size, result.size)}, {width}, {inner}, {', '.join(windows)}>"
    packs = result.size // width
    return HandKernels("pooling.cu", (once(f"{function}<{pool}, {packs}{more}>", arguments, packs),))


# -- the maximum ----------------------------------------------------------------------------------


def _infer_max(x: Spec, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any) -> Spec:
    _axes("max_pool", x.shape, first, kernel, stride, pad, count)
    return Spec(_pooled(x.shape, first, count), x.dtype)


def _max_pool(xp: Any, x: Any, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any, out: Any = None) -> Any:
    axes = _axes("max_pool", x.shape, first, kernel, stride, pad, count)
    out = xp.empty(_pooled(x.shape, first, count), x.dtype) if out is None else out
    return _reduce(xp, x, axes, xp.maximum, float(ml_dtypes.finfo(x.dtype).min), out)


def _winners(xp: Any, x: Any, y: Any, axes: list[_Axis]) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], Any]]:
    """For each place in the kernel: the windows, their data there, and in which of them it is the first maximum."""
    taken: Any = None
    lead = (slice(None),) * axes[0].axis
    for taps in itertools.product(*(axis.taps() for axis in axes)):
        windows, data = (*lead, *(t[0] for t in taps)), (*lead, *(t[1] for t in taps))
        won = x[data] == y[windows]
        if taken is None:
            taken = xp.zeros(y.shape, bool)
        else:
            won = won > taken[windows]  # and not taken
        taken[windows] |= won
        yield windows, data, won


def _infer_max_grad(g: Spec, x: Spec, y: Spec, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any) -> Spec:
    shape = _pooled(x.shape, first, count)
    if g.shape != shape or y.shape != shape:
        fail(ShapeError, "max_pool_grad", expected=f"a gradient and a result of shape {shape}", got=f"{g.shape} and {y.shape}")
    return Spec(x.shape, g.dtype)


def _max_pool_grad(xp: Any, g: Any, x: Any, y: Any, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any, out: Any = None) -> Any:
    wide_out = xp.empty(x.shape, wide_dtype(g.dtype)) if out is None or out.dtype != wide_dtype(g.dtype) else out
    wide_out.fill(0)
    apart = all(s >= k for s, k in zip(stride, kernel, strict=True))
    for windows, data, won in _winners(xp, x, y, _axes("max_pool_grad", x.shape, first, kernel, stride, pad, count)):
        if apart:
            xp.multiply(g[windows], won, out=wide_out[data])  # many times faster than choosing by a condition
        else:
            wide_out[data] += g[windows] * won
    return _narrowed(wide_out, g.dtype, out)


def _narrowed(made: Any, dtype: dtypes.Dtype, out: Any) -> Any:
    """What was computed in the dtype of sums, in the result's: in ``out``, if it is given."""
    if out is None:
        return made.astype(dtype, copy=False)
    if made is not out:
        out[...] = made
    return out


def _infer_max_gather(h: Spec, x: Spec, y: Spec, **attrs: Any) -> Spec:
    _infer_max_grad(y, x, y, **attrs)
    if h.shape != x.shape:
        fail(ShapeError, "max_pool_gather", expected=f"values of shape {x.shape}", got=str(h.shape))
    return Spec(y.shape, h.dtype)


def _max_pool_gather(xp: Any, h: Any, x: Any, y: Any, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any) -> Any:
    """The elements of ``h`` where the windows of ``x`` have their maxima: the transpose of the gradient."""
    out = xp.zeros(y.shape, h.dtype)
    for windows, data, won in _winners(xp, x, y, _axes("max_pool_gather", x.shape, first, kernel, stride, pad, count)):
        out[windows] += h[data] * won
    return out


def _max_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> HandKernels | None:
    empty = repr(float(ml_dtypes.finfo(outputs[0].dtype).min))
    return _written("hn_max_pool", inputs[0], outputs[0], ("y0", "x0", empty), "", **attrs)


def _max_grad_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> HandKernels | None:
    return _written("hn_max_pool_grad", inputs[1], outputs[0], ("y0", "x0", "x1", "x2"), "", **attrs)


def _max_gather_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> HandKernels | None:
    return _written("hn_max_pool_gather", inputs[1], outputs[0], ("y0", "x0", "x1", "x2"), "", **attrs)


_CASES: tuple[tuple[tuple[int, ...], Attrs], ...] = (
    ((2, 2, 4, 6), {"first": 2, "kernel": (2, 2), "stride": (2, 2), "pad": (0, 0), "count": (2, 3)}),
    ((1, 2, 5, 4), {"first": 2, "kernel": (3, 2), "stride": (2, 1), "pad": (1, 1), "count": (3, 5)}),
    ((2, 5, 3), {"first": 1, "kernel": (2,), "stride": (2,), "pad": (0,), "count": (3,)}),
    ((1, 1, 3, 3, 3), {"first": 2, "kernel": (2, 3, 1), "stride": (1, 1, 2), "pad": (0, 1, 0), "count": (2, 3, 2)}),
)
_WRONG = {"first": 2, "kernel": (2, 2), "stride": (2, 2), "pad": (0, 0), "count": (2, 3)}


def _sample_max(x: tuple[int, ...], attrs: Attrs) -> tuple[Any, Any, Any]:
    data = normal(*x)
    return normal(*_pooled(x, attrs["first"], attrs["count"]), seed=1), data, _max_pool(np, data, **attrs)


MAX_POOL = register(
    Op(
        "max_pool",
        Kind.OPAQUE,
        _infer_max,
        compute=_max_pool,
        out=True,
        grad=(lambda g, y, x, **attrs: call("max_pool_grad", g, x, y, **attrs),),
        saves=(0, "y"),
        promote="float",
        sample=lambda: [*[Sample((normal(*x),), attrs) for x, attrs in _CASES], Sample((normal(3, 4),), _WRONG, error=ValueError)],
    )
)
on_cuda(MAX_POOL, kernels=_max_kernels)
permutes(MAX_POOL, _permuted)
# Where the maxima lie does not change with an infinitesimal step: gradients flow through the first operand alone.
# Samples are marked as not differentiable because taking a step off x without y would move them.
MAX_POOL_GRAD = register(
    Op(
        "max_pool_grad",
        Kind.OPAQUE,
        _infer_max_grad,
        compute=_max_pool_grad,
        out=True,
        grad=(lambda g, y, dy, x, m, **attrs: call("max_pool_gather", g, x, m, **attrs), None, None),
        saves=(1, 2),
        promote="float",
        sample=lambda: [
            *[Sample(_sample_max(x, attrs), attrs, differentiable=False) for x, attrs in _CASES],
            Sample((normal(1, 1, 2, 2), normal(1, 1, 4, 6), normal(1, 1, 2, 3)), _WRONG, error=ValueError),
        ],
    )
)
on_cuda(MAX_POOL_GRAD, kernels=_max_grad_kernels)
on_cpu(MAX_POOL_GRAD, pooling_host.max_grad)
permutes(MAX_POOL_GRAD, _permuted)
MAX_POOL_GATHER = register(
    Op(
        "max_pool_gather",
        Kind.OPAQUE,
        _infer_max_gather,
        compute=_max_pool_gather,
        grad=(lambda g, y, h, x, m, **attrs: call("max_pool_grad", g, x, m, **attrs), None, None),
        saves=(1, 2),
        promote="float",
        sample=lambda: [*[Sample((normal(*x, seed=3), *_sample_max(x, attrs)[1:]), attrs, differentiable=False) for x, attrs in _CASES]],
    )
)
on_cuda(MAX_POOL_GATHER, kernels=_max_gather_kernels)
permutes(MAX_POOL_GATHER, _permuted)


# -- sums and means -------------------------------------------------------------------------------


def _divided(xp: Any, x: Any, axes: list[_Axis], divide: str) -> Any:
    """Windows divided by how many elements they have: ``all`` counts the padding, ``data`` does not, ``no`` leaves sums."""
    if divide == "no":
        return x
    scale = 1.0
    for axis in axes:
        n = axis.divisors(divide == "all")
        if n.size and n.min() == n.max():
            scale /= float(n[0])
        else:
            x = x * xp.asarray(1 / n, x.dtype).reshape((-1,) + (1,) * (x.ndim - axis.axis - 1))
    return x if scale == 1 else x * xp.asarray(scale, x.dtype)


def _infer_sum(x: Spec, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any, divide: str) -> Spec:
    _axes("sum_pool", x.shape, first, kernel, stride, pad, count)
    return Spec(_pooled(x.shape, first, count), x.dtype)


def _sum_pool(xp: Any, x: Any, *, first: int, kernel: Any, stride: Any, pad: Any, count: Any, divide: str) -> Any:
    axes = _axes("sum_pool", x.shape, first, kernel, stride, pad, count)
    total = x.astype(wide_dtype(x.dtype), copy=False)
    total = _reduce(xp, total, axes, xp.add, 0, xp.empty(_pooled(x.shape, first, count), total.dtype))
    return _divided(xp, total, axes, divide).astype(x.dtype, copy=False)


def _infer_sum_grad(g: Spec, *, size: tuple[int, ...], first: int, kernel: Any, stride: Any, pad: Any, count: Any, divide: str) -> Spec:
    if g.shape[first : first + len(count)] != count:
        fail(ShapeError, "sum_pool_grad", expected=f"a gradient with {count} windows on the axes from {first} on", got=str(g.shape))
    return Spec(_pooled(g.shape, first, size), g.dtype)


def _sum_pool_grad(
    xp: Any, g: Any, *, size: tuple[int, ...], first: int, kernel: Any, stride: Any, pad: Any, count: Any, divide: str
) -> Any:
    """Each window's gradient added to each of its elements."""
    axes = _axes("sum_pool_grad", _pooled(g.shape, first, size), first, kernel, stride, pad, count)
    spread = _divided(xp, g.astype(wide_dtype(g.dtype), copy=False), axes, divide)
    for axis in axes:
        out = xp.zeros((*spread.shape[: axis.axis], axis.size, *spread.shape[axis.axis + 1 :]), spread.dtype)
        for windows, data in axis.taps():
            out[axis.at(data)] += spread[axis.at(windows)]
        spread = out
    return spread.astype(g.dtype, copy=False)


def _sum_rule(g: Any, y: Any, x: Any, **attrs: Any) -> Any:
    first = attrs["first"]
    return call("sum_pool_grad", g, size=x.shape[first : first + len(attrs["kernel"])], **attrs)


_DIVIDE = {"no": "HN_SUM", "all": "HN_MEAN_WITH_PADDING", "data": "HN_MEAN_OF_DATA"}


def _sum_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, divide: str, **attrs: Any) -> HandKernels | None:
    return _written("hn_sum_pool", inputs[0], outputs[0], ("y0", "x0"), f", {_DIVIDE[divide]}", **attrs)


def _sum_grad_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, size: Any, divide: str, **attrs: Any
) -> HandKernels | None:
    return _written("hn_sum_pool_grad", outputs[0], outputs[0], ("y0", "x0"), f", {_DIVIDE[divide]}", **attrs)


def _sum_samples(size: bool) -> Any:
    made = []
    for case, divide in ((0, "no"), (1, "all"), (1, "data"), (2, "data"), (3, "all")):
        x, attrs = _CASES[case]
        first, kernel = attrs["first"], attrs["kernel"]
        shape = _pooled(x, first, attrs["count"]) if size else x
        more = {"size": x[first : first + len(kernel)]} if size else {}
        made.append(Sample((normal(*shape),), {**attrs, "divide": divide, **more}))
    return lambda: [*made, Sample((normal(3, 4),), {**_WRONG, "divide": "no", **({"size": (2, 2)} if size else {})}, error=ValueError)]


SUM_POOL = register(
    Op(
        "sum_pool",
        Kind.OPAQUE,
        _infer_sum,
        compute=_sum_pool,
        grad=(_sum_rule,),
        promote="float",
        sample=_sum_samples(False),
    )
)
on_cuda(SUM_POOL, kernels=_sum_kernels)
permutes(SUM_POOL, _permuted)
SUM_POOL_GRAD = register(
    Op(
        "sum_pool_grad",
        Kind.OPAQUE,
        _infer_sum_grad,
        compute=_sum_pool_grad,
        grad=(lambda g, y, dy, *, size, **attrs: call("sum_pool", g, **attrs),),
        promote="float",
        sample=_sum_samples(True),
    )
)
on_cuda(SUM_POOL_GRAD, kernels=_sum_grad_kernels)
permutes(SUM_POOL_GRAD, _permuted)


def _infer_global_avg(x: Spec, *, axis: tuple[int, ...]) -> Spec:
    return Spec(reduced_shape(x.shape, axis, True), x.dtype)


def _share(x: Any, axis: tuple[int, ...]) -> float:
    """What one element counts in the mean."""
    return 1 / math.prod(x.shape[a] for a in axis)


GLOBAL_AVG_POOL = register(
    Op(
        "global_avg_pool",
        Kind.OPAQUE,
        _infer_global_avg,
        # A reduction fuses with what is before it.
        decomposition=lambda x, *, axis: narrow(call("sum", wide(x), axis=axis, keepdims=True) * _share(x, axis), x.dtype),
        grad=(lambda g, y, x, *, axis: call("broadcast_to", wide(g) * _share(x, axis), shape=x.shape),),
        promote="float",
        sample=lambda: [Sample((normal(2, 3, 4),), {"axis": (2,)}), Sample((normal(2, 3, 2, 2),), {"axis": (1, 2)})],
    )
)


# -- the public function --------------------------------------------------------------------------


def _count(size: int, kernel: int, stride: int, pad: int, convention: str) -> int:
    if convention == "same":
        return -(-size // stride)
    room = size + 2 * pad - kernel
    return (-(-room // stride) if convention == "full" else room // stride) + 1


def pooling(
    data: ArrayLike,
    kernel: Any = None,
    stride: Any = None,
    pad: Any = None,
    pool_type: str = "max",
    pooling_convention: str = "valid",
    global_pool: bool = False,
    p_value: int | None = None,
    count_include_pad: bool = True,
    layout: str | None = None,
) -> Any:
    """The ``max``, ``avg``, ``sum`` or ``lp`` (the p-th root of the sum of p-th powers) of each window.

    ``data``: (N, C, *size), or (N, *size, C) by ``layout`` NWC, NHWC or NDHWC. ``pooling_convention``:
    ``valid`` has floor((size + 2 pad - kernel) / stride) + 1 windows on an axis, ``full`` takes the
    ceiling, ``same`` has ceil(size / stride) and takes no ``pad``. ``global_pool``: one window of all
    data, on axes kept with length 1. ``count_include_pad``: whether a mean counts the padding's zeros. ArgumentError without a
    kernel (or ``global_pool``), or for a padding that is not below it; ShapeError if the data are smaller than the kernel.
    """
    data = tensor(data)
    nd = data.ndim - 2
    last = is_last("pooling", layout, nd)
    one_of("pooling", "pool_type", pool_type, ("max", "avg", "sum", "lp"))
    one_of("pooling", "pooling_convention", pooling_convention, ("valid", "full", "same"))
    first, size = (1 if last else 2), spatial_of(data.shape, last)
    if global_pool:
        kernel, stride, pads, count = size, (1,) * nd, (0,) * nd, (1,) * nd
    else:
        if kernel is None or kernel == ():
            fail(ArgumentError, "pooling", expected="kernel, unless global_pool", got="none")
        kernel, stride, pads = (
            as_tuple("pooling", "kernel", kernel, nd, 1),
            as_tuple("pooling", "stride", stride, nd, 1),
            as_tuple("pooling", "pad", pad, nd, 0),
        )
        if min(kernel) < 1 or min(stride) < 1 or any(not 0 <= p < k for p, k in zip(pads, kernel, strict=True)):
            got = f"kernel {kernel}, stride {stride}, pad {pads}"
            fail(ArgumentError, "pooling", expected="positive kernel and stride, and padding below the kernel", got=got)
        count = tuple(_count(n, k, s, p, pooling_convention) for n, k, s, p in zip(size, kernel, stride, pads, strict=True))
        if pooling_convention == "same":
            if any(pads):
                fail(ArgumentError, "pooling", expected="no pad with pooling_convention same", got=str(pads))
            pads = tuple(max((c - 1) * s + k - n, 0) // 2 for n, k, s, c in zip(size, kernel, stride, count, strict=True))
    if min(count) < 1 or min(size) < 1:
        fail(ShapeError, "pooling", expected=f"data as large as the kernel {kernel} (with padding {pads})", got=str(data.shape))
    attrs = {"first": first, "kernel": kernel, "stride": stride, "pad": pads, "count": count}
    return _pool(data, pool_type, p_value, count_include_pad and pooling_convention != "same", global_pool, attrs)


def _pool(data: Any, pool_type: str, p_value: int | None, include_pad: bool, whole: bool, attrs: Attrs) -> Any:
    if pool_type == "max":
        return apply(MAX_POOL, (data,), attrs)
    if whole and pool_type != "lp":
        axes = tuple(range(attrs["first"], attrs["first"] + len(attrs["kernel"])))
        if pool_type == "sum":
            return call("sum", data.astype(dtypes.floating(data.dtype), copy=False), axis=axes, keepdims=True)
        return apply(GLOBAL_AVG_POOL, (data,), {"axis": axes})
    if pool_type != "lp":
        divide = "no" if pool_type == "sum" else "all" if include_pad else "data"
        return apply(SUM_POOL, (data,), {**attrs, "divide": divide})
    p = 2 if p_value is None else p_value
    one_of("pooling", "p_value", p, (1, 2, 3))
    powers = call("absolute", wide(data))
    if p > 1:
        powers = call("power", powers, p)
    total = apply(SUM_POOL, (powers,), {**attrs, "divide": "no"})
    if p == 3:  # the cube root's slope at 0 is infinite; a window of zeros has the gradient 0
        empty = call("equal", total, 0)
        total = call("where", empty, 0, call("cbrt", call("where", empty, 1, total)))
    return narrow(apply(ROOT, (total,)) if p == 2 else total, data.dtype)
