"""Reductions over axes: sum, prod, max, min and what is built from them.

The operators take ``axis`` as a sorted tuple and ``keepdims``; the public functions take what
NumPy's take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, normalize_axes, reduced_shape, samples, tensor


def _expand(g: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
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


def _reduction(name: str, rule: Any, saves: tuple[int | str, ...], cuda: str, accumulate: bool = False, precision: str = "follow") -> Op:
    def compute(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, out: Any = None) -> Any:
        if x.dtype.itemsize == 2 and x.dtype.kind != "i" and x.dtype.kind != "u" and name in ("sum", "prod"):
            wide = getattr(xp, name)(x.astype(dtypes.float32), axis=axis, keepdims=keepdims).astype(x.dtype)
            if out is None:
                return wide
            out[...] = wide
            return out
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, out=out)

    x = normal(2, 3, 4)
    return register(
        Op(
            name,
            Kind.REDUCTION,
            _infer(name, accumulate),
            compute=compute,
            out=True,
            grad=(rule,) if rule else None,
            saves=saves,
            cuda=cuda,
            precision=precision,
            sample=samples(
                Sample((x,), {"axis": (1,), "keepdims": False}),
                Sample((x,), {"axis": (0, 2), "keepdims": True}),
                Sample((x,), {"axis": (0, 1, 2), "keepdims": False}),
                Sample((normal(5),), {"axis": (0,), "keepdims": True}),
            ),
        )
    )


def _sum_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return call("broadcast_to", _expand(g, axis, keepdims), shape=x.shape)


def _prod_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return _expand(g * y, axis, keepdims) / x


def _extremum_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Equal extrema share the gradient."""
    chosen = call("cast", call("equal", x, _expand(y, axis, keepdims)), dtype=x.dtype)
    return chosen * (_expand(g, axis, keepdims) / call("sum", chosen, axis=axis, keepdims=True))


SUM = _reduction("sum", _sum_rule, (), "add", accumulate=True, precision="float32")
PROD = _reduction("prod", _prod_rule, (0, "y"), "multiply", accumulate=True, precision="float32")
MAX = _reduction("max", _extremum_rule, (0, "y"), "max")
MIN = _reduction("min", _extremum_rule, (0, "y"), "min")
ANY = _reduction("any", None, (), "or")
ALL = _reduction("all", None, (), "and")


def _public(op: Op, doc: str) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        a = tensor(a)
        axes = normalize_axes(op.name, axis, a.ndim)
        if dtype is not None:
            a = a.astype(dtype, copy=False)
        result = apply(op, (a,), {"axis": axes, "keepdims": bool(keepdims)})
        return result if dtype is None else result.astype(dtype, copy=False)

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
    a = a.astype(dtype if dtype is not None else dtypes.floating(a.dtype), copy=False)
    axes = normalize_axes("mean", axis, a.ndim)
    return call("sum", a, axis=axes, keepdims=bool(keepdims)) / float(count(a.shape, axes))


def var(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over axes: the mean squared distance from the mean, over n - ``ddof``."""
    a = tensor(a)
    a = a.astype(dtype if dtype is not None else dtypes.floating(a.dtype), copy=False)
    axes = normalize_axes("var", axis, a.ndim)
    centred = a - mean(a, axes, keepdims=True)
    return call("sum", centred * centred, axis=axes, keepdims=bool(keepdims)) / float(count(a.shape, axes) - ddof)


def std(a: Any, axis: Any = None, dtype: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over axes: the square root of :func:`var`."""
    return call("sqrt", var(a, axis, dtype, ddof, keepdims))


def _logsumexp(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    largest = call("max", x, axis=axis, keepdims=True)
    # An infinite maximum would give inf - inf; it is then the answer itself.
    shift = call("where", call("isfinite", largest), largest, 0.0)
    total = call("log", call("sum", call("exp", x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else call("reshape", total, shape=reduced_shape(x.shape, axis, False))


def _infer_logsumexp(x: Spec, *, axis: tuple[int, ...], keepdims: bool) -> Spec:
    _check_not_empty("logsumexp", x, axis)
    return Spec(reduced_shape(x.shape, axis, keepdims), x.dtype)


def _logsumexp_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return _expand(g, axis, keepdims) * call("exp", x - _expand(y, axis, keepdims))


LOGSUMEXP = register(
    Op(
        "logsumexp",
        Kind.OPAQUE,
        _infer_logsumexp,
        expand=_logsumexp,
        grad=(_logsumexp_rule,),
        saves=(0, "y"),
        promote="float",
        precision="float32",
        sample=samples(
            Sample((normal(2, 3),), {"axis": (1,), "keepdims": False}), Sample((normal(2, 3),), {"axis": (0, 1), "keepdims": True})
        ),
    )
)


def logsumexp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(a))) over axes, without overflow."""
    a = tensor(a)
    return apply(LOGSUMEXP, (a,), {"axis": normalize_axes("logsumexp", axis, a.ndim), "keepdims": bool(keepdims)})
