"""Reductions over axes: sum, prod, max, min and what is built from them.

The operators take ``axis`` as a sorted tuple and ``keepdims``; the public functions take what
NumPy's take.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import OPS, ArrayLike, Kind, NDArray, Op, Sample, Spec, apply, call, on_cuda, on_numpy, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.creation import FULL
from hybridnet.ops.common import normal, normalize_axes, reduced_axes, reduced_shape, tensor
from hybridnet.ops.math import scan
from hybridnet.ops.math.slopes import ROOT
from hybridnet.ops.math.sums import add_up
from hybridnet.ops.math.wide import in_wide, narrow, wide, wide_dtype


def _decomposed(g: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Bring a reduced array back to the rank it was reduced from."""
    if keepdims or not axis:
        return g
    shape = list(g.shape)
    for a in axis:
        shape.insert(a, 1)
    return call("reshape", g, shape=tuple(shape))


def _check_not_empty(name: str, x: Spec, axis: tuple[int, ...]) -> None:
    if 0 in [x.shape[a] for a in axis]:
        fail(ShapeError, name, expected="something to choose from", got=f"an empty axis in shape {x.shape}")


def _infer(name: str, accumulate: bool) -> Callable[..., Spec]:
    def infer(x: Spec, *, axis: tuple[int, ...], keepdims: bool) -> Spec:
        if name in ("max", "min"):
            _check_not_empty(name, x, axis)
        dtype = x.dtype
        if accumulate and (dtype == dtypes.bool_ or (dtypes.is_integer(dtype) and dtype.itemsize < 8)):
            dtype = dtypes.uint64 if dtype.kind == "u" else dtypes.int64
        if name in ("any", "all"):
            dtype = dtypes.bool_
        return Spec(reduced_shape(x.shape, axis, keepdims), dtype)

    return infer


def _reduction(
    name: str,
    rule: Any,
    saves: tuple[int | str, ...],
    cuda: str,
    accumulate: bool = False,
    precision: str = "follow",
    complex: str | None = None,
    more: tuple[Sample, ...] = (),
) -> Op:
    def reduce(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool, out: Any = None) -> Any:
        if name == "sum" and xp is np:
            return add_up(x, axis, keepdims, out)
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, out=out)

    def compute(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, out: Any = None) -> Any:
        if wide_dtype(x.dtype) != x.dtype and name in ("sum", "prod"):
            result = reduce(xp, x.astype(dtypes.float32), axis, keepdims).astype(x.dtype)
            if out is None:
                return result
            out[...] = result
            return out
        return reduce(xp, x, axis, keepdims, out)

    x = normal(2, 3, 4)
    op = register(
        Op(
            name,
            Kind.REDUCTION,
            _infer(name, accumulate),
            compute=compute,
            out=True,
            complex=complex,
            grad=(rule,) if rule else None,
            saves=saves,
            precision=precision,
            sample=lambda: [
                Sample((x,), {"axis": (1,), "keepdims": False}),
                Sample((x,), {"axis": (0, 2), "keepdims": True}),
                Sample((x,), {"axis": (0, 1, 2), "keepdims": False}),
                Sample((normal(5),), {"axis": (0,), "keepdims": True}),
                Sample((np.asarray(1.5),), {"axis": (), "keepdims": False}),
                *more,
            ],
        )
    )
    if (ufunc := _UFUNCS.get(name)) is not None:
        on_numpy(op, _sum_on_host(compute) if name == "sum" else _on_host(compute, ufunc.reduce, widens=name == "prod"))
    return on_cuda(op, functor=cuda)


_UFUNCS: dict[str, Any] = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def _on_host(compute: Callable[..., Any], reduce: Any, widens: bool) -> Callable[..., Any]:
    """``numpy.max`` and its like come to ``ufunc.reduce`` in the end."""

    def function(x: Any, *, axis: tuple[int, ...], keepdims: bool, out: Any = None) -> Any:
        if widens and x.itemsize == 2:
            return compute(np, x, axis=axis, keepdims=keepdims, out=out)
        return reduce(x, axis, None, out, keepdims)

    return function


def _sum_on_host(compute: Callable[..., Any]) -> Callable[..., Any]:
    def function(x: Any, *, axis: tuple[int, ...], keepdims: bool, out: Any = None) -> Any:
        return compute(np, x, axis=axis, keepdims=keepdims, out=out) if x.itemsize == 2 else add_up(x, axis, keepdims, out)

    return function


def _sum_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return call("broadcast_to", _decomposed(g, axis, keepdims), shape=x.shape)


def _prod_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return _decomposed(wide(g), axis, keepdims) * _of_others(wide(x), axis)


def _of_others(x: Any, axis: tuple[int, ...]) -> Any:
    """At each place the product over ``axis`` of all other elements: of those before it and those behind it, so that zeros do no harm."""
    if not axis:
        return x * 0 + 1
    order = (*(i for i in range(x.ndim) if i not in axis), *axis)
    moved = call("transpose", x, axes=order)
    rows = call("reshape", moved, shape=(*moved.shape[: -len(axis)], count(x.shape, axis)))
    last = rows.ndim - 1
    behind = scan.reversed_along(scan.products_before(scan.reversed_along(rows, last), last), last)
    found = call("reshape", scan.products_before(rows, last) * behind, shape=moved.shape)
    return call("transpose", found, axes=tuple(order.index(i) for i in range(x.ndim)))


def _extremum_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Equal extrema share the gradient."""
    chosen = call("cast", call("equal", x, _decomposed(y, axis, keepdims)), dtype=wide_dtype(x.dtype))
    # Nothing equals NaN.
    share = _decomposed(wide(g), axis, keepdims) / call("maximum", call("sum", chosen, axis=axis, keepdims=True), 1)
    return chosen * share


_rows = {"axis": (1,), "keepdims": False}
_zeros = np.array([[4.0, 0, 2], [0, 0, 3], [2, 3, 5], [0, 0, 0]])
_ties = np.array([[2.0, 1, 2], [-1, -1, -1]])
_nothing = Sample((normal(2, 0),), _rows)
SUM = _reduction("sum", _sum_rule, (), "add", accumulate=True, precision="float32", complex="direct", more=(_nothing,))
PROD = _reduction(
    "prod",
    _prod_rule,
    (0,),
    "multiply",
    accumulate=True,
    precision="float32",
    complex="holomorphic",
    more=(_nothing, Sample((_zeros,), _rows), Sample((_zeros.reshape(2, 2, 3),), {"axis": (0, 2), "keepdims": True})),
)
_half, _third = np.array([0.5, 0, 0.5]), np.full(3, 1 / 3)
MAX = _reduction("max", _extremum_rule, (0, "y"), "max", more=(Sample((_ties,), _rows, gradients=(np.stack([_half, _third]),)),))
MIN = _reduction("min", _extremum_rule, (0, "y"), "min", more=(Sample((-_ties,), _rows, gradients=(np.stack([_half, _third]),)),))
ANY = _reduction("any", None, (), "or", complex="direct")
ALL = _reduction("all", None, (), "and", complex="direct")


def _public(op: Op, doc: str) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if not isinstance(a, NDArray):
            a = tensor(a)
        attrs = {"axis": reduced_axes(op.name, axis, len(a._data.shape)), "keepdims": bool(keepdims)}
        if dtype is None:
            return apply(op, (a,), attrs)
        return apply(op, (a.astype(dtype, copy=False),), attrs).astype(dtype, copy=False)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = doc + "\n\n``axis``: an axis, several, or ``None`` for all; ``dtype``: of the computation and the result."
    return function


sum = _public(SUM, "The sum over axes. Integers are summed as int64.")
prod = _public(PROD, "The product over axes. Integers are multiplied as int64.")
max = _public(MAX, "The largest value over axes; equal ones share the gradient.")
min = _public(MIN, "The smallest value over axes; equal ones share the gradient.")
any = _public(ANY, "Whether any element over axes is true.")
all = _public(ALL, "Whether all elements over axes are true.")


def count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements are reduced to one."""
    n = 1
    for a in axes:
        n *= shape[a]
    return n


def mean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The average over axes; integers give float32."""
    a = tensor(a)
    if dtype is not None or a._data.dtype.kind not in "fc":
        a = a.astype(dtype if dtype is not None else dtypes.floating(a.dtype), copy=False)
    shape, dtype = a._data.shape, a._data.dtype
    axes = normalize_axes("mean", axis, len(shape))
    total = apply(SUM, (wide(a),), {"axis": axes, "keepdims": bool(keepdims)})
    return narrow(apply(OPS["true_divide"], (total, float(count(shape, axes)))), dtype)


def var(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over axes: the mean squared distance from the mean, over n - ``ddof``; real of complex numbers."""
    a, axes = _spread_over("var", a, axis, dtype)
    if dtypes.is_complex(a.dtype):
        return _complex_var(a, axes, ddof, keepdims)
    return narrow(_var(wide(a), axes, ddof, keepdims), a.dtype)


def std(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over axes: the square root of :func:`var`. Its gradient where all elements are equal is 0."""
    a, axes = _spread_over("std", a, axis, dtype)
    if dtypes.is_complex(a.dtype):
        return apply(ROOT, (_complex_var(a, axes, ddof, keepdims),))
    return narrow(apply(ROOT, (_var(wide(a), axes, ddof, keepdims),)), a.dtype)


def _spread_over(op: str, a: Any, axis: Any, dtype: Any) -> tuple[Any, tuple[int, ...]]:
    a = tensor(a)
    a = a.astype(dtype if dtype is not None else dtypes.floating(a.dtype), copy=False)
    return a, normalize_axes(op, axis, a.ndim)


def _var(a: Any, axes: tuple[int, ...], ddof: int, keepdims: bool) -> Any:
    n = count(a.shape, axes)
    total = apply(SQUARED_DISTANCES, (a,), {"axis": axes, "keepdims": bool(keepdims)})
    # Of too few elements 0 / 0 or more / 0, as NumPy has it.
    return total / float(n - ddof if n > ddof else 0)


def _complex_var(a: Any, axes: tuple[int, ...], ddof: int, keepdims: bool) -> Any:
    return _var(call("real", a), axes, ddof, keepdims) + _var(call("imag", a), axes, ddof, keepdims)


def _centred(x: Any, axis: tuple[int, ...]) -> Any:
    """``x`` less its mean over ``axis``, by way of the first element, so that a constant gives 0 whatever the mean is rounded to."""
    first = tuple(("slice", 0, 1, None) if i in axis else ("slice", None, None, None) for i in range(x.ndim))
    shifted = x - call("slice", x, key=first)
    return shifted - call("sum", shifted, axis=axis, keepdims=True) / float(count(x.shape, axis))


def _squared_distances(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if not count(x.shape, axis):
        return call("sum", x, axis=axis, keepdims=keepdims)
    centred = _centred(x, axis)
    return call("sum", centred * centred, axis=axis, keepdims=keepdims)


def _squared_distances_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return _decomposed(g, axis, keepdims) * (_centred(x, axis) * 2) if count(x.shape, axis) else x


#: The sum over axes of the squared distances from the mean. Its gradient knows that what the mean adds to it is 0.
SQUARED_DISTANCES = register(
    Op(
        "squared_distances",
        Kind.OPAQUE,
        lambda x, *, axis, keepdims: Spec(reduced_shape(x.shape, axis, keepdims), x.dtype),
        decomposition=_squared_distances,
        grad=(_squared_distances_rule,),
        saves=(0,),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((normal(2, 3, 4),), {"axis": (1,), "keepdims": False}),
            Sample((normal(2, 3, 4),), {"axis": (0, 2), "keepdims": True}),
            Sample((np.full((3, 2), 7.0),), {"axis": (0,), "keepdims": False}),
            Sample((normal(0, 2),), {"axis": (0,), "keepdims": False}),
        ],
    )
)


@in_wide
def _logsumexp(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    shape = reduced_shape(x.shape, axis, keepdims)
    if not count(x.shape, axis):
        return apply(FULL, (), {"shape": shape, "value": -math.inf, "dtype": x.dtype}, x.device, type(x))
    largest = call("max", x, axis=axis, keepdims=True)
    # An infinite maximum would give inf - inf; it is then the answer itself.
    shift = call("where", call("isfinite", largest), largest, 0.0)
    total, none = call("sum", call("exp", x - shift), axis=axis, keepdims=True), call("equal", largest, -math.inf)
    total = call("log", call("where", none, 1, total)) + call("where", none, -math.inf, shift)
    return total if keepdims else call("reshape", total, shape=shape)


def _logsumexp_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if wide_dtype(x.dtype) != x.dtype:  # the exponential of a difference of rounded numbers would be far off
        g, x = wide(g), wide(x)
        y = apply(LOGSUMEXP, (x,), {"axis": axis, "keepdims": keepdims})
    # Of nothing but logarithms of 0 each has the share 0.
    return _decomposed(g, axis, keepdims) * call("exp", x - _decomposed(call("where", call("equal", y, -math.inf), 0, y), axis, keepdims))


LOGSUMEXP = register(
    Op(
        "logsumexp",
        Kind.OPAQUE,
        lambda x, *, axis, keepdims: Spec(reduced_shape(x.shape, axis, keepdims), x.dtype),
        decomposition=_logsumexp,
        grad=(_logsumexp_rule,),
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=lambda: [
            Sample((normal(2, 3),), {"axis": (1,), "keepdims": False}),
            Sample((normal(2, 3),), {"axis": (0, 1), "keepdims": True}),
            Sample((normal(2, 0),), {"axis": (1,), "keepdims": False}),
            Sample(
                (np.array([[-np.inf, -np.inf], [-np.inf, 1.0]]),),
                {"axis": (1,), "keepdims": False},
                gradients=(np.array([[0.0, 0.0], [0.0, 1.0]]),),
            ),
        ],
    )
)


def logsumexp(a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """log(sum(exp(a))) over axes, without overflow; minus infinity over nothing."""
    a = tensor(a)
    return apply(LOGSUMEXP, (a,), {"axis": normalize_axes("logsumexp", axis, a.ndim), "keepdims": bool(keepdims)})
