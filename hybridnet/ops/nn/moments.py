"""Mean and variance over axes, and the sums that gradients of a normalisation by them are made of.

``moments`` gives the mean and the mean squared distance from it (which cannot come out negative, as a
difference of sums could). On a GPU both operators read their operands once where a channel is what is left, as in
batch norm (``kernels/batch_norm.cu``); where only the last axes go, they are written out in their parts and fused.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any, NamedTuple

from hybridnet.core import Kind, Op, Permuted, Sample, Spec, broadcast_shapes, call, on_cuda, permutes, register
from hybridnet.core.kernel import HandKernels, Launch, stored_type
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, reduced_shape
from hybridnet.ops.kernels.places import pack_width
from hybridnet.ops.nn.common import wide, wide_dtype


def count(x: Any, axis: tuple[int, ...]) -> float:
    """How many elements one mean is made of; 1 where there are none, so that an empty batch gives zeros.

    That is the product of the lengths of ``axis``.
    """
    return float(max(math.prod(x.shape[a] for a in axis), 1))


def moments(x: Any, *, axis: tuple[int, ...]) -> tuple[Any, Any]:
    """Mean and variance of wide ``x`` over ``axis``, whose axes stay with length 1."""
    n = count(x, axis)
    mean = call("sum", x, axis=axis, keepdims=True) / n
    centred = x - mean
    return mean, call("sum", centred * centred, axis=axis, keepdims=True) / n


def moments_slope(x: Any, mean: Any, of_mean: Any, of_var: Any, n: float) -> Any:
    """The gradient of wide ``x``, from those of its moments over ``n`` elements: of_mean / n + (x - mean) · 2 of_var / n.

    What does not depend on x is joined. ``mean``, ``of_mean`` and ``of_var`` broadcast to ``x``, with length 1 on the axes that
    were reduced.
    """
    slope = of_var * (2 / n)
    return x * slope + (of_mean / n - mean * slope)


def root_of(var: Any, eps: float) -> Any:
    """1 / sqrt(var + eps)."""
    return 1 / call("sqrt", var + eps)


# -- kernels --------------------------------------------------------------------------------------


class _Channels(NamedTuple):
    """An array as ``outer`` times ``channels`` times ``inner`` elements; all but channels are summed over."""

    outer: int
    channels: int
    inner: int


def _channels_of(shape: tuple[int, ...], axis: tuple[int, ...]) -> _Channels | None:
    """None where it is not of that form, or nothing is summed over before the channels."""
    runs = groupby(((i in axis, n) for i, n in enumerate(shape) if n != 1), key=lambda run: run[0])
    found = [(reduced, math.prod(n for _, n in run)) for reduced, run in runs]
    if [reduced for reduced, _ in found] not in ([True, False], [True, False, True]):
        return None
    return _Channels(*(n for _, n in found), *(1,) * (3 - len(found)))


_THREADS = 256
_BLOCKS_PER_SM = 4  # that many are wanted, so that each multiprocessor always has work


class _Pass(NamedTuple):
    """The pass over memory."""

    form: str  # "rows" or "planes", in the kernels' names
    template: str
    arguments: tuple[str, ...]
    grid: tuple[int, int]
    threads: int
    channels: int  # that a thread has
    splits: int  # blocks that share a channel
    elements: int  # of a channel in each of those parts


def _pass(x: Spec, view: _Channels, batches: tuple[int, int], num_sms: int) -> _Pass | None:
    """``batches``: how many packs a thread loads at a time, channels being side by side, or each by itself."""
    by_rows = view.inner == 1
    width = pack_width(x.dtype, view.channels if by_rows else view.inner)
    batch = batches[not by_rows] * (1 if width * x.dtype.itemsize > 4 else 2)
    items = view.outer if by_rows else view.outer * view.inner // width  # that a block goes over: rows, packs
    if items >= 2**31:
        return None
    if by_rows:
        columns, threads = min(32, 1 << (view.channels // width - 1).bit_length()), _THREADS
        blocks = -(-view.channels // (columns * width))
    else:
        columns, threads = 1, min(_THREADS, max(32, 1 << (items // batch).bit_length()))
        blocks = view.channels
    most = items // (threads // columns * batch)
    chunk = -(-items // max(1, min(most, -(-_BLOCKS_PER_SM * num_sms // blocks))))
    splits = -(-items // chunk)
    form, team = ("rows", f"{columns}, {threads // columns}") if by_rows else ("planes", str(threads))
    extents = (items, view.channels, chunk) if by_rows else (items, view.channels, view.inner // width, chunk)
    own, elements = (width, chunk) if by_rows else (1, chunk * width)
    return _Pass(form, f"{width}, {team}, {batch}", tuple(map(str, extents)), (blocks, splits), threads, own, splits, elements)


def add_partials(arguments: tuple[str, ...], partial: Spec, result: Spec, sums: int, parts: int) -> Launch:
    """The launch that adds up the ``parts`` rows of one or two arrays of partial sums (``kernels/partials.cuh``)."""
    (length,) = partial.shape
    function = f"hn_add_partials<{stored_type(partial.dtype)}, {stored_type(result.dtype)}>"
    return Launch(function, (*arguments, str(parts), str(length)), (-(-length // 32), sums), 512, 512 * partial.dtype.itemsize)


def _moments_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: tuple[int, ...]) -> HandKernels | None:
    (x,) = inputs
    view = _channels_of(x.shape, axis)
    plan = None if view is None else _pass(x, view, (4, 4), num_sms)
    if view is None or plan is None:
        return None
    small = wide_dtype(x.dtype)
    split = plan.splits > 1
    sums = (2 * plan.channels + 1) * small.itemsize  # a thread's
    function = f"hn_moments_over_{plan.form}<{stored_type(x.dtype)}, {plan.template}, {str(split).lower()}>"
    into = ("t0", "t1") if split else ("y0", "y1")
    launch = Launch(function, ("x0", *into, *plan.arguments), plan.grid, plan.threads, plan.threads // 2 * sums)
    if not split:
        return HandKernels("batch_norm.cu", (launch,))
    numbers = (str(plan.splits), str(view.channels), f"{plan.elements}.", f"{view.outer * view.inner}.")
    join = Launch("hn_join_moments", ("t0", "t1", "y0", "y1", *numbers), (-(-view.channels // 32), 1), 512, 256 * 3 * small.itemsize)
    return HandKernels("batch_norm.cu", (launch, join), (Spec((plan.splits, view.channels), small),) * 2)


def _sums_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: tuple[int, ...]) -> HandKernels | None:
    g, x, mean = inputs
    view = _channels_of(x.shape, axis)
    plan = None if view is None else _pass(x, view, (2, 4), num_sms)
    if view is None or plan is None or g != x or mean.shape != outputs[0].shape:
        return None
    small, split = outputs[0].dtype, plan.splits > 1
    sums = 2 * plan.channels * small.itemsize  # a thread's
    function = f"hn_sums_over_{plan.form}<{stored_type(x.dtype)}, {plan.template}>"
    into = ("t0", "t1") if split else ("y0", "y1")
    launch = Launch(function, ("x0", "x1", "x2", *into, *plan.arguments), plan.grid, plan.threads, plan.threads // 2 * sums)
    if not split:
        return HandKernels("batch_norm.cu", (launch,))
    partial = Spec((plan.splits, view.channels), small)
    add = add_partials(("t0", "t1", "y0", "y1"), Spec((view.channels,), small), outputs[0], 2, plan.splits)
    return HandKernels("batch_norm.cu", (launch, add), (partial, partial))


# -- records --------------------------------------------------------------------------------------


def _permuted(order: tuple[int, ...], *specs: Spec, axis: tuple[int, ...]) -> Permuted:
    return Permuted({"axis": tuple(sorted(order.index(a) for a in axis))}, (True,) * len(specs), (True, True))


def _infer_moments(x: Spec, *, axis: tuple[int, ...]) -> tuple[Spec, Spec]:
    result = Spec(reduced_shape(x.shape, axis, True), wide_dtype(x.dtype))
    return result, result


def _moments_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    return moments_slope(wide(x), y[0], g[0], g[1], count(x, axis))


_CASES = (  # channels in the middle; the last axis alone; channels last; and split, with a pack that ends early
    ((3, 2, 4), (0, 2)),
    ((2, 5), (1,)),
    ((70, 1, 3), (0, 1)),
    ((1100, 8), (0,)),
    ((5, 2, 300), (0, 2)),
    ((700, 3, 3), (0, 2)),
)
MOMENTS = register(
    Op(
        "moments",
        Kind.OPAQUE,
        _infer_moments,
        decomposition=lambda x, *, axis: moments(wide(x), axis=axis),
        grad=(_moments_rule,),
        saves=(0, "y"),
        sample=lambda: [*(Sample((normal(*shape),), {"axis": axis}) for shape, axis in _CASES)],
    )
)
on_cuda(MOMENTS, kernels=_moments_kernels)
permutes(MOMENTS, _permuted)


def _infer_sums(g: Spec, x: Spec, mean: Spec, *, axis: tuple[int, ...]) -> tuple[Spec, Spec]:
    if g.shape != x.shape or mean.ndim != x.ndim or broadcast_shapes("centred_sums", x.shape, mean.shape) != x.shape:
        fail(ShapeError, "centred_sums", expected=f"a gradient and a mean for data {x.shape}", got=f"{g.shape} and {mean.shape}")
    result = Spec(reduced_shape(x.shape, axis, True), wide_dtype(g.dtype))
    return result, result


def _centred_sums(g: Any, x: Any, mean: Any, *, axis: tuple[int, ...]) -> tuple[Any, Any]:
    g = wide(g)
    product = g * (wide(x) - wide(mean))
    return call("sum", g, axis=axis, keepdims=True), call("sum", product, axis=axis, keepdims=True)


def _centred_sums_rule(needs: tuple[bool, ...], g: Any, y: Any, of: Any, x: Any, mean: Any, *, axis: tuple[int, ...]) -> tuple[Any, ...]:
    of_total, of_product = g
    along_x = of_product * wide(of) if needs[1] or needs[2] else None
    of_g = of_total + of_product * (wide(x) - wide(mean)) if needs[0] else None
    return of_g, along_x, None if along_x is None else -along_x


#: The sums over ``axis`` of g and of g · (x - mean).
CENTRED_SUMS = register(
    Op(
        "centred_sums",
        Kind.OPAQUE,
        _infer_sums,
        decomposition=_centred_sums,
        grad=_centred_sums_rule,
        saves=(0, 1, 2),
        sample=lambda: [
            *(
                Sample((normal(*shape, seed=1), normal(*shape), normal(*reduced_shape(shape, axis, True), seed=2)), {"axis": axis})
                for shape, axis in _CASES
            ),
            Sample((normal(2, 3), normal(2, 3), normal(2, 2)), {"axis": (0,)}, error=ValueError),
        ],
    )
)
on_cuda(CENTRED_SUMS, kernels=_sums_kernels)
permutes(CENTRED_SUMS, _permuted)
