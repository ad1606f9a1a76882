"""Mean and variance over axes, and the sums that gradients of a normalisation by them are made of.

``moments`` gives the mean and the mean squared distance from it (which cannot come out negative, as a
difference of sums could). On a GPU both operators read their operands once where a channel is what is left, as in
batch norm (``kernels/batch_norm.cu``); where only the last axes go, they are written out in their parts and fused.

Where blocks share a channel, each operator is two launches: the pass over memory, which gives each block's part of the result, and one that
joins the parts. A program takes the pass alone (``moments_parts``, ``centred_parts``) and joins the parts by generated code, with all that
is computed of the result for each channel (:mod:`hybridnet.lowering.parts`).
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any, NamedTuple

from hybridnet import dtypes
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

#: Channels last, what blocks that share channels leave for one to join, in bytes, before fewer channels side by side are tried: one
#: multiprocessor reads so much in about a microsecond. A guess, as is the shortest run of memory that a row is then read in.
_JOINED_BYTES, _RUN_BYTES = 3 << 15, 64


class _Pass(NamedTuple):
    """The pass over memory."""

    form: str  # "rows" or "planes", in the kernels' names
    template: str
    batch: int  # packs that a thread loads at a time
    arguments: tuple[str, ...]
    grid: tuple[int, int]
    threads: int
    channels: int  # that a thread has
    columns: int  # channels that a block has
    splits: int  # blocks that share a channel
    elements: int  # of a channel in each of those parts


def _side_by_side(x: Spec, channels: int, width: int, num_sms: int) -> int:
    """How many packs of channels a block has, a power of two; ``width`` channels make a pack."""
    columns = min(32, 1 << (channels // width - 1).bit_length())
    of_each = 2 * wide_dtype(x.dtype).itemsize * _BLOCKS_PER_SM * num_sms  # bytes of parts that all blocks leave for a channel of theirs

    def joined() -> int:
        own = columns * width
        return of_each * own // -(-channels // own)

    while joined() > _JOINED_BYTES and columns * width * x.dtype.itemsize > _RUN_BYTES:
        columns //= 2
    return columns


def _pass(x: Spec, view: _Channels, batches: tuple[int, int], num_sms: int) -> _Pass | None:
    """``batches``: how many packs a thread loads at a time, channels being side by side, or each by itself."""
    by_rows = view.inner == 1
    width = pack_width(x.dtype, view.channels if by_rows else view.inner)
    batch = batches[not by_rows] * (1 if width * x.dtype.itemsize > 4 else 2)
    items = view.outer if by_rows else view.outer * view.inner // width  # that a block goes over: rows, packs
    if items >= 2**31:
        return None
    if by_rows:
        columns, threads = _side_by_side(x, view.channels, width, num_sms), _THREADS
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
    return _Pass(form, f"{width}, {team}", batch, tuple(map(str, extents)), (blocks, splits), threads, own, own * columns, splits, elements)


def add_partials(arguments: tuple[str, ...], partial: Spec, result: Spec, sums: int, parts: int) -> Launch:
    """The launch that adds up the ``parts`` rows of one or two arrays of partial sums (``kernels/partials.cuh``)."""
    (length,) = partial.shape
    function = f"hn_add_partials<{stored_type(partial.dtype)}, {stored_type(result.dtype)}>"
    return Launch(function, (*arguments, str(parts), str(length)), (-(-length // 32), sums), 512, 512 * partial.dtype.itemsize)


#: Packs that a thread loads at a time, channels being side by side, or each by itself.
_MOMENTS_BATCHES, _SUMS_BATCHES = (4, 4), (2, 4)


def _plan(x: Spec, axis: tuple[int, ...], batches: tuple[int, int], num_sms: int) -> tuple[_Channels, _Pass] | None:
    view = _channels_of(x.shape, axis)
    plan = None if view is None else _pass(x, view, batches, num_sms)
    return None if view is None or plan is None else (view, plan)


def _moments_pass(x: Spec, plan: _Pass, function: str, flags: tuple[str, ...], into: tuple[str, ...]) -> Launch:
    sums = (2 * plan.channels + 1) * wide_dtype(x.dtype).itemsize  # a thread's
    text = f"{function}_over_{plan.form}<{', '.join((stored_type(x.dtype), plan.template, str(plan.batch), *flags))}>"
    return _launch(text, ("x0", *into), plan, sums)


def _moments_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: tuple[int, ...]) -> HandKernels | None:
    (x,) = inputs
    found = _plan(x, axis, _MOMENTS_BATCHES, num_sms)
    if found is None:
        return None
    view, plan = found
    if plan.splits == 1:
        return HandKernels("batch_norm.cu", (_moments_pass(x, plan, "hn_moments", ("false",), ("y0", "y1")),))
    small = outputs[0].dtype
    launch = _moments_pass(x, plan, "hn_moments", ("true",), ("t0", "t1"))
    numbers = (str(plan.splits), str(view.channels), f"{plan.elements}.", f"{view.outer * view.inner}.")
    join = Launch("hn_join_moments", ("t0", "t1", "y0", "y1", *numbers), (-(-view.channels // 32), 1), 512, 256 * 3 * small.itemsize)
    return HandKernels("batch_norm.cu", (launch, join), (Spec((plan.splits, view.channels), small),) * 2)


def _sums_pass(x: Spec, small: Spec, plan: _Pass, into: tuple[str, ...], function: str = "hn_sums", operands: int = 3) -> Launch:
    sums = 2 * plan.channels * small.dtype.itemsize  # a thread's
    text = f"{function}_over_{plan.form}<{stored_type(x.dtype)}, {plan.template}, {plan.batch}>"
    return _launch(text, (*(f"x{i}" for i in range(operands)), *into), plan, sums)


def _launch(function: str, arrays: tuple[str, ...], plan: _Pass, sums: int) -> Launch:
    """``sums``: the bytes of what a thread accumulates."""
    return Launch(function, (*arrays, *plan.arguments), plan.grid, plan.threads, plan.threads // 2 * sums, columns=plan.columns)


def _sums_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: tuple[int, ...]) -> HandKernels | None:
    g, x, mean = inputs
    found = _plan(x, axis, _SUMS_BATCHES, num_sms)
    if found is None or g != x or mean.shape != outputs[0].shape:
        return None
    view, plan = found
    if plan.splits == 1:
        return HandKernels("batch_norm.cu", (_sums_pass(x, outputs[0], plan, ("y0", "y1")),))
    small = outputs[0].dtype
    partial = Spec((plan.splits, view.channels), small)
    add = add_partials(("t0", "t1", "y0", "y1"), Spec((view.channels,), small), outputs[0], 2, plan.splits)
    return HandKernels("batch_norm.cu", (_sums_pass(x, outputs[0], plan, ("t0", "t1")), add), (partial, partial))


# -- parts of channels ----------------------------------------------------------------------------


def parts_of(op: Op, num_sms: int, inputs: tuple[Spec, ...], *, axis: tuple[int, ...]) -> int:
    """In how many parts the kernels of ``moments`` or ``centred_sums`` compute each channel; 1 where they, or parts, are not."""
    batches = _MOMENTS_BATCHES if op is MOMENTS else _SUMS_BATCHES
    found = _plan(inputs[0], axis, batches, num_sms)
    return 1 if found is None else found[1].splits


def _part_shape(x: Spec, axis: tuple[int, ...], parts: int) -> tuple[int, ...]:
    """Parts lie along the first axis, of which a channel's result has one."""
    return (parts, *reduced_shape(x.shape, axis, True)[1:])


def _infer_moments_parts(x: Spec, *, axis: tuple[int, ...], parts: int) -> tuple[Spec, Spec, Spec]:
    small = wide_dtype(x.dtype)
    part = Spec(_part_shape(x, axis, parts), small)
    return part, part, Spec((parts, *(1,) * (len(x.shape) - 1)), small)


def _infer_centred_parts(g: Spec, x: Spec, mean: Spec, *gate: Spec, axis: tuple[int, ...], parts: int) -> tuple[Spec, Spec]:
    part = Spec(_part_shape(x, axis, parts), wide_dtype(g.dtype))
    return part, part


def _moments_parts_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: tuple[int, ...], parts: int
) -> HandKernels | None:
    (x,) = inputs
    found = _plan(x, axis, _MOMENTS_BATCHES, num_sms)
    if found is None or found[1].splits != parts:
        return None
    return HandKernels("batch_norm.cu", (_moments_pass(x, found[1], "hn_moments_parts", (), ("y0", "y1", "y2")),))


def _centred_parts_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: tuple[int, ...], parts: int
) -> HandKernels | None:
    found = _plan(inputs[1], axis, _SUMS_BATCHES, num_sms)
    if found is None or found[1].splits != parts:
        return None
    function, plan = "hn_sums", found[1]
    if len(inputs) == 5:  # a channel has two more numbers in registers, which are those of a pack less
        function, plan = "hn_gated_sums", plan._replace(batch=max(1, plan.batch // 2) if plan.channels > 1 else plan.batch)
    return HandKernels("batch_norm.cu", (_sums_pass(inputs[1], outputs[0], plan, ("y0", "y1"), function, len(inputs)),))


def _in_parts(x: Any, axis: tuple[int, ...], parts: int, stored: dtypes.Dtype) -> list[Any]:
    """The elements of each part, in float64: rows of all channels, as the kernels' blocks have them of arrays that are ``stored`` so."""
    view = _channels_of(x.shape, axis)
    assert view is not None, "has parts, and so channels"
    rows = x.reshape(view).transpose(0, 2, 1).reshape(-1, view.channels).astype("float64")
    width = 1 if view.inner == 1 else pack_width(stored, view.inner)
    chunk = -(-len(rows) // width // parts) * width
    return [rows[i : i + chunk] for i in range(0, len(rows), chunk)]


def _compute_moments_parts(xp: Any, x: Any, *, axis: tuple[int, ...], parts: int) -> tuple[Any, ...]:
    found = _in_parts(x, axis, parts, x.dtype)
    means = [part.mean(0) for part in found]
    squares = [((part - mean) ** 2).sum(0) for part, mean in zip(found, means, strict=True)]
    values = means, squares, [len(part) for part in found]
    specs = _infer_moments_parts(Spec(x.shape, x.dtype), axis=axis, parts=parts)
    return tuple(xp.asarray(v, dtype=spec.dtype).reshape(spec.shape) for v, spec in zip(values, specs, strict=True))


def _compute_centred_parts(xp: Any, g: Any, x: Any, mean: Any, *gate: Any, axis: tuple[int, ...], parts: int) -> tuple[Any, ...]:
    if gate:
        scale, shift = gate
        g = xp.where((x.astype(mean.dtype) * scale + shift).astype(x.dtype) > 0, g, xp.zeros_like(g))
    products = g.astype("float64") * (x.astype("float64") - mean)
    spec, _ = _infer_centred_parts(*(Spec(v.shape, v.dtype) for v in (g, x, mean)), axis=axis, parts=parts)
    sums = ([part.sum(0) for part in _in_parts(values, axis, parts, x.dtype)] for values in (g, products))
    return tuple(xp.asarray(found, dtype=spec.dtype).reshape(spec.shape) for found in sums)


def join_moments(mean: Any, squares: Any, size: Any, *, n: float) -> tuple[Any, Any]:
    """Mean and variance of ``n`` elements, from the parts' means, their summed squared distances from these, and their sizes.

    Parts lie along the first axis, which stays with length 1. No difference of large sums is taken (Chan, Golub and LeVeque, 1983).
    """
    whole = call("sum", mean * size, axis=(0,), keepdims=True) / n
    away = mean - whole
    return whole, call("sum", squares + away * away * size, axis=(0,), keepdims=True) / n


def join_sums(total: Any, product: Any, *, n: float) -> tuple[Any, Any]:
    """The two sums, from the parts', which lie along the first axis."""
    return call("sum", total, axis=(0,), keepdims=True), call("sum", product, axis=(0,), keepdims=True)


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

#: Made by lowering alone, so they are in no registry: of each part of a channel, the mean, the summed squared distances from it and the
#: number of elements; and the two sums. With a scale and a shift for each channel, ``centred_parts`` takes the gradient as 0 where
#: x · scale + shift is not above 0.
MOMENTS_PARTS = on_cuda(
    Op("moments_parts", Kind.OPAQUE, _infer_moments_parts, compute=_compute_moments_parts), kernels=_moments_parts_kernels
)
CENTRED_PARTS = on_cuda(
    Op("centred_parts", Kind.OPAQUE, _infer_centred_parts, compute=_compute_centred_parts), kernels=_centred_parts_kernels
)
