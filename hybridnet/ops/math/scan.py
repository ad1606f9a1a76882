"""Running sums and products along an axis, and differences, which undo them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, Kind, Op, Sample, Spec, apply, call, on_cuda, register
from hybridnet.core.kernel import HandKernels
from hybridnet.errors import ArgumentError, AxisError, ShapeError, fail
from hybridnet.ops.array.creation import FULL, full
from hybridnet.ops.array.shape import broadcast_to, concatenate, reshape, slice_axis
from hybridnet.ops.common import beside, normal, normalize_axis, reduced_axis, tensor, uniform
from hybridnet.ops.kernels.places import index_type, once, parted
from hybridnet.ops.math.wide import in_wide, wide, wide_dtype


def reversed_along(x: Any, axis: int) -> Any:
    """``x`` backwards along one axis, as a view."""
    return call("slice", x, key=(("slice", None, None, None),) * axis + (("slice", None, None, -1),))


def _accumulated(dtype: dtypes.Dtype) -> dtypes.Dtype:
    if dtype == dtypes.bool_ or (dtypes.is_integer(dtype) and dtype.itemsize < 8):
        return dtypes.uint64 if dtype.kind == "u" else dtypes.int64
    return dtype


def _scan_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, combine: str) -> HandKernels:
    x = inputs[0]
    outer, length, inner = parted(x.shape, axis)
    rows = outer * inner
    types = f"{combine}, {index_type(x.size, 32 * rows)}, {rows}, {length}"
    function, threads = (f"hn_scan_rows<{types}>", 32 * rows) if inner == 1 else (f"hn_scan_columns<{types}, {inner}>", rows)
    return HandKernels("scan.cu", (once(function, ("y0", "x0"), threads),))


def _scan(name: str, rule: Any, saves: tuple[int | str, ...], sample: Any, complex: str) -> Op:
    def compute(xp: Any, x: Any, *, axis: int, out: Any = None) -> Any:
        if out is not None and out.dtype.itemsize > 2:
            return getattr(xp, name)(x, axis=axis, out=out)
        wide = dtypes.float32 if dtypes.is_floating(x.dtype) and x.dtype.itemsize == 2 else None
        result = getattr(xp, name)(x, axis=axis, dtype=wide)
        if out is None:
            return result if wide is None else result.astype(x.dtype)
        out[...] = result
        return out

    op = register(
        Op(
            name,
            Kind.OPAQUE,
            lambda x, *, axis: Spec(x.shape, _accumulated(x.dtype)),
            compute=compute,
            out=True,
            complex=complex,
            grad=(rule,),
            saves=saves,
            precision="float32",
            sample=lambda: [Sample((sample(2, 3),), {"axis": 1}), Sample((sample(4, 2),), {"axis": 0}), Sample((sample(3),), {"axis": 0})],
        )
    )
    return on_cuda(op, kernels=functools.partial(_scan_kernels, combine="hn_reduce_add" if name == "cumsum" else "hn_reduce_multiply"))


def _reversed_sum(x: Any, axis: int) -> Any:
    """At each place the sum from there to the end."""
    return reversed_along(call("cumsum", reversed_along(x, axis), axis=axis), axis)


CUMSUM = _scan("cumsum", lambda g, y, x, *, axis: _reversed_sum(g, axis), (), normal, "direct")


def _behind(first: float, x: Any, axis: int) -> Any:
    """``x`` moved on by one place along ``axis``, behind a number."""
    shape = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
    start = apply(FULL, (), {"shape": shape, "value": first, "dtype": x.dtype}, x.device, type(x))
    return concatenate([start, slice_axis(x, axis, 0, -1)], axis)


def products_before(x: Any, axis: int) -> Any:
    """At each place along ``axis`` the product of all elements before it: 1 at the first."""
    return call("cumprod", _behind(1, x, axis), axis=axis) if x.shape[axis] else x


def _carried_back(g: Any, x: Any, axis: int) -> Any:
    """s_k = g_k + x_(k+1) s_(k+1): what reaches place k of everything behind it, each step on the way a factor."""
    factors = _behind(0, reversed_along(x, axis), axis)
    return reversed_along(call("linear_recurrence", factors, reversed_along(g, axis), axis=axis), axis)


def _cumprod_rule(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """The product of what is before a place times what comes back from behind it: right where elements are 0, too."""
    x = wide(x)
    return products_before(x, axis) * _carried_back(wide(g), x, axis) if x.shape[axis] else g


CUMPROD = _scan(
    "cumprod",
    _cumprod_rule,
    (0,),
    lambda *shape: uniform(0.5, 1.5, *shape) * (np.arange(math.prod(shape)).reshape(shape) % 4 != 1),
    "holomorphic",
)


def _recurrence(xp: Any, a: Any, b: Any, *, axis: int) -> Any:
    """By doubling: after each round a place knows what twice as many before it add to it, and the product of its factors."""
    factors, sums = (xp.moveaxis(x.astype(wide_dtype(x.dtype)), axis, 0) for x in (a, b))
    distance = 1
    while distance < len(sums):
        sums[distance:] += factors[distance:] * sums[:-distance]
        factors[distance:] = factors[distance:] * factors[:-distance]
        distance *= 2
    return xp.ascontiguousarray(xp.moveaxis(sums, 0, axis)).astype(b.dtype, copy=False)


def _recurrence_rule(needs: tuple[bool, ...], g: Any, y: Any, a: Any, b: Any, *, axis: int) -> tuple[Any, Any]:
    if not y.shape[axis]:
        return g, g
    back = _carried_back(wide(g), wide(a), axis)
    return back * _behind(0, wide(y), axis) if needs[0] else None, back


def _infer_recurrence(a: Spec, b: Spec, *, axis: int) -> Spec:
    if a.shape != b.shape:
        fail(ShapeError, "linear_recurrence", expected="arrays of one shape", got=f"{a.shape} and {b.shape}")
    return b


#: y_k = a_k y_(k-1) + b_k along an axis, from 0.
LINEAR_RECURRENCE = register(
    Op(
        "linear_recurrence",
        Kind.OPAQUE,
        _infer_recurrence,
        complex="holomorphic",
        compute=_recurrence,
        grad=_recurrence_rule,
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((normal(2, 5), normal(2, 5, seed=1)), {"axis": 1}),
            Sample((normal(4, 2) * np.array([[1, 0], [0, 1], [1, 1], [0, 0]]), normal(4, 2, seed=1)), {"axis": 0}),
            Sample((normal(2, 0), normal(2, 0)), {"axis": 1}),
            Sample((normal(2, 3), normal(2, 2)), {"axis": 1}, error=ValueError),
        ],
    )
)


def _public(op: Op, doc: str) -> Callable[..., Any]:
    def function(a: Any, axis: int | None = None, dtype: DTypeLike = None) -> Any:
        a = tensor(a)
        if axis is None:
            a, axis = reshape(a, -1), 0
        axis = reduced_axis(op.name, axis, a.ndim)
        a = a if a.ndim else reshape(a, -1)
        if dtype is not None:
            a = a.astype(dtype, copy=False)
        result = apply(op, (a,), {"axis": axis})
        return result if dtype is None else result.astype(dtype, copy=False)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = doc + "\n\n``axis``: of the flattened array if it is ``None``; ``dtype``: of the computation and the result."
    return function


cumsum = _public(CUMSUM, "The running sum along an axis. Integers are summed as int64.")
cumprod = _public(CUMPROD, "The running product along an axis. Integers are multiplied as int64.")


def _cumulative(scan: Callable[..., Any], first: int, x: Any, axis: int | None, dtype: DTypeLike, include_initial: bool) -> Any:
    x = tensor(x)
    x = x if x.ndim else reshape(x, -1)
    if axis is None:
        if x.ndim > 1:
            fail(AxisError, f"cumulative_{scan.__name__.removeprefix('cum')}", expected="an axis of several", got=f"none of {x.ndim}")
        axis = 0
    found = scan(x, axis, dtype)
    if not include_initial:
        return found
    lead = tuple(1 if i == axis % found.ndim else n for i, n in enumerate(found.shape))
    return concatenate([full(lead, first, found.dtype, found.device), found], axis)


def cumulative_sum(x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike = None, include_initial: bool = False) -> Any:
    """The running sums along an axis, behind a 0 with ``include_initial``; AxisError without the axis of several dimensions."""
    return _cumulative(cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike = None, include_initial: bool = False) -> Any:
    """The running products along an axis, behind a 1 with ``include_initial``; AxisError without the axis of several dimensions."""
    return _cumulative(cumprod, 1, x, axis, dtype, include_initial)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along ``axis``, ``n`` times over.

    ``prepend`` and ``append``, numbers or arrays, are joined to the ends first. Each time the axis is one shorter. ArgumentError
    for a negative ``n``.
    """
    a = tensor(a)
    if n < 0:
        fail(ArgumentError, "diff", expected="n of 0 or more", got=str(n))
    if not n:
        return a
    axis = normalize_axis("diff", axis, a.ndim)
    ends = [None if end is None else _end(a, end, axis) for end in (prepend, append)]
    if any(end is not None for end in ends):
        a = concatenate([part for part in (ends[0], a, ends[1]) if part is not None], axis)
    unequal = "not_equal" if a.dtype == dtypes.bool_ else "subtract"
    for _ in range(n):
        a = call(unequal, slice_axis(a, axis, 1, None), slice_axis(a, axis, 0, -1))
    return a


def _end(a: Any, end: Any, axis: int) -> Any:
    end = beside(end, a)
    return broadcast_to(end, (*a.shape[:axis], 1, *a.shape[axis + 1 :])) if end.ndim == 0 else end


def ediff1d(ary: ArrayLike, to_end: ArrayLike | None = None, to_begin: ArrayLike | None = None) -> Any:
    """The differences of neighbours in the flattened array, between ``to_begin`` and ``to_end``."""
    ary = tensor(ary)
    parts = [diff(reshape(ary, -1))]
    if to_begin is not None:
        parts.insert(0, reshape(tensor(to_begin, ary), -1))
    if to_end is not None:
        parts.append(reshape(tensor(to_end, ary), -1))
    return concatenate(parts) if len(parts) > 1 else parts[0]


def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral of ``y`` over ``axis`` by the trapezoidal rule, at the points ``x`` or ``dx`` apart."""
    y = tensor(y)
    return _trapezoid(y, None if x is None else tensor(x, y), dx, normalize_axis("trapezoid", axis, y.ndim))


@in_wide
def _trapezoid(y: Any, x: Any, dx: float, axis: int) -> Any:
    width: Any = dx
    if x is not None:
        if x.ndim == 1:
            if x.shape[0] != y.shape[axis]:
                fail(ShapeError, "trapezoid", expected=f"x of length {y.shape[axis]}", got=str(x.shape))
            x = reshape(x, (-1,) + (1,) * (y.ndim - axis - 1))
            width = diff(x, axis=0)
        else:
            width = diff(x, axis=axis)
    height = slice_axis(y, axis, 1, None) + slice_axis(y, axis, 0, -1)
    return call("sum", height * width * 0.5, axis=(axis,), keepdims=False)
