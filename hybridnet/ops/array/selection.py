"""Choosing, clipping, casting and copying: pointwise operators with a compute of their own."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, Kind, NDArray, Op, Sample, Spec, apply, call, infer_pointwise, on_cuda, register, wrap
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.common import NONE, normal, operands, tensor
from hybridnet.ops.math.pointwise import FUNCTIONS


def _kept_where(g: Any, condition: Any) -> Any:
    return call("where", condition, g, 0)


def _infer_where(condition: Any, a: Any, b: Any) -> Spec:
    return infer_pointwise("where")(condition, *(x for x in (a, b) if isinstance(x, Spec)))


_BITS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


def _where(xp: Any, condition: Any, a: Any, b: Any, *, out: Any = None) -> Any:
    if out is None:
        dtype = a.dtype if hasattr(a, "dtype") else b.dtype
        shapes = {getattr(x, "shape", ()) for x in (condition, a, b)} - {()} or {()}
        out = xp.empty(shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes), dtype)
    if xp is not np or out.itemsize not in _BITS:
        out[...] = xp.where(condition, a, b)
        return out
    # numpy.where branches on each element, which costs 20 times as much on a mask without
    # pattern; choosing by bits is exact (NaN and infinity included) and runs at vector speed.
    bits = _BITS[out.itemsize]
    mask = np.negative(np.asarray(condition).view(np.int8), dtype=bits)
    a_bits, result = np.asarray(a, out.dtype).view(bits), out.view(bits)
    if type(b) in (int, float) and b == 0 and math.copysign(1, b) > 0:  # the gradient of a relu, above all; all bits of 0 are 0
        np.bitwise_and(a_bits, mask, out=result)
    else:
        b_bits = np.asarray(b, out.dtype).view(bits)
        np.bitwise_xor(np.bitwise_and(np.bitwise_xor(a_bits, b_bits), mask), b_bits, out=result)
    return out


_condition = np.array([[True, False, True], [False, False, True]])
WHERE = register(
    Op(
        "where",
        Kind.POINTWISE,
        _infer_where,
        compute=_where,
        out=True,
        complex="direct",
        grad=(None, lambda g, y, c, a, b: call("where", c, g, 0), lambda g, y, c, a, b: call("where", c, 0, g)),
        saves=(0,),
        promote="same",
        promote_from=1,
        sample=lambda: [
            Sample((_condition, normal(2, 3), normal(3, seed=1))),
            Sample((_condition, normal(2, 1), 0.5)),
            Sample((_condition, 0, normal(2, 3))),
        ],
    )
)
on_cuda(WHERE, functor="({0} ? {1} : {2})")


def where(condition: ArrayLike, x: ArrayLike | None = None, y: ArrayLike | None = None) -> Any:
    """``x`` where ``condition`` holds, else ``y``; with the condition alone, the indices of its true elements."""
    condition = tensor(condition)
    if x is None or y is None:
        return nonzero(condition)
    if condition.dtype != dtypes.bool_:
        condition = call("not_equal", condition, 0)
    x, y = operands(x, y)
    return apply(WHERE, (condition, x, y), NONE)


def nonzero(a: ArrayLike) -> Any:
    """The indices of the elements that are not zero, one int64 array an axis; eager only."""
    a = tensor(a)
    if not a.ndim:
        fail(ShapeError, "nonzero", expected="an array of one dimension or more", got="zero dimensions", fix="np.atleast_1d(x)")
    data = a._concrete("nonzero")
    return tuple(wrap(type(a), i, a.device) for i in data.nonzero())


def _infer_clip(x: Spec, *, a_min: float | None, a_max: float | None) -> Spec:
    if dtypes.is_integer(x.dtype) and any(bound is not None and bound != bound for bound in (a_min, a_max)):
        fail(DtypeError, "clip", expected=f"bounds that are numbers for {x.dtype}", got=f"{a_min} and {a_max}")
    return x


def _clip_rule(g: Any, y: Any, x: Any, *, a_min: float | None, a_max: float | None) -> Any:
    if a_min is not None:
        g = _kept_where(g, x >= a_min)
    return g if a_max is None else _kept_where(g, x <= a_max)


def _bound(dtype: dtypes.Dtype, value: float | None) -> Any:
    """A bound as a value of the array's own dtype, so that the result keeps it."""
    if value is None or not dtypes.is_integer(dtype):
        return value if value is None else dtype.type(value)
    limits = np.iinfo(dtype)
    return dtype.type(min(max(value, limits.min), limits.max))


def _clip(xp: Any, x: Any, *, a_min: float | None, a_max: float | None, out: Any = None) -> Any:
    low, high = _bound(x.dtype, a_min), _bound(x.dtype, a_max)
    # Several times faster than clip, of which neither NumPy nor CuPy has a loop for bfloat16.
    bounded = xp.maximum(x, x if low is None else low, out=out)
    return bounded if high is None else xp.minimum(bounded, high, out=out)


CLIP = register(
    Op(
        "clip",
        Kind.POINTWISE,
        _infer_clip,
        compute=_clip,
        out=True,
        grad=(_clip_rule,),
        saves=(0,),
        sample=lambda: [
            Sample((normal(2, 3),), {"a_min": -0.55, "a_max": 0.55}),
            Sample((normal(4),), {"a_min": None, "a_max": 0.1}),
            Sample((np.array([-0.5, 0.5]),), {"a_min": -0.5, "a_max": 0.5}, gradients=(np.array([1.0, 1.0]),)),
            Sample((np.arange(6, dtype=np.int8),), {"a_min": 1.5, "a_max": 300}, differentiable=False),
        ],
    )
)
on_cuda(CLIP, functor="hn_clip({0}, {a_min}, {a_max})")


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """``a`` with values below ``a_min`` and above ``a_max`` (numbers or arrays; also ``min`` and ``max``) brought to them.

    Next to a bound that is a float, integers become float32.
    """
    a, a_min, a_max = tensor(a), min if a_min is None else a_min, max if a_max is None else a_max
    for bound in (a_min, a_max):
        if isinstance(bound, (int, float, np.generic)):
            kind: Any = float if isinstance(bound, (float, np.floating)) else int
            a = a.astype(dtypes.promote_scalar(a._data.dtype, kind), copy=False)
    if isinstance(a_min, NDArray) or isinstance(a_max, NDArray):
        a, a_min, a_max = (_within(x, a, a_min, a_max) for x in (a, a_min, a_max))
        a = a if a_min is None else FUNCTIONS["maximum"](a, a_min)
        return a if a_max is None else FUNCTIONS["minimum"](a, a_max)
    return apply(CLIP, (a,), {"a_min": a_min, "a_max": a_max})


def _within(x: Any, *others: Any) -> Any:
    """An operand of ``clip`` in the dtype of all arrays among them; a Python integer as near as that dtype comes to it."""
    dtype = functools.reduce(dtypes.promote, [o.dtype for o in others if isinstance(o, NDArray)])
    if isinstance(x, NDArray):
        return x.astype(dtype, copy=False)
    if type(x) is not int or not dtypes.is_integer(dtype):
        return x
    limits = np.iinfo(dtype)
    return min(max(x, int(limits.min)), int(limits.max))


def _cast(xp: Any, x: Any, *, dtype: Any, out: Any = None) -> Any:
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        x = x.real  # as NumPy has it, without its warning: astype has given that
    if out is None:
        return x.astype(dtype)
    xp.copyto(out, x, casting="unsafe")
    return out


CAST = register(
    Op(
        "cast",
        Kind.POINTWISE,
        lambda x, *, dtype: Spec(x.shape, dtype),
        compute=_cast,
        out=True,
        complex="direct",
        grad=(lambda g, y, x, *, dtype: g,),
        sample=lambda: [
            Sample((normal(2, 3),), {"dtype": dtypes.float32}),
            Sample((normal(3),), {"dtype": dtypes.int32}, differentiable=False),
        ],
    )
)
on_cuda(CAST, functor="hn_cast<{dtype}>({0})")


def cast(data: ArrayLike, dtype: DTypeLike) -> Any:
    """``data`` with its values converted to ``dtype``."""
    return tensor(data).astype(dtype)


def _copy(xp: Any, x: Any, *, out: Any = None) -> Any:
    if out is None:
        return x.copy()
    xp.copyto(out, x)
    return out


COPY = register(
    Op(
        "copy",
        Kind.POINTWISE,
        lambda x: x,
        compute=_copy,
        out=True,
        complex="direct",
        grad=(lambda g, y, x: g,),
        sample=lambda: [Sample((normal(2, 3),))],
    )
)
on_cuda(COPY, functor="{0}")


def check_floating(op: str, x: Any) -> None:
    """Raise unless ``x`` has a floating dtype."""
    if not dtypes.is_floating(x.dtype):
        fail(DtypeError, op, expected="a floating dtype", got=str(x.dtype), fix="x.astype('float32')")
