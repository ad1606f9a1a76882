"""What operator families share: operands from anything, axes, sample makers.

Relies on the core alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Array, ArrayLike, NDArray, Op, apply, asarray, call, local, tape
from hybridnet.errors import ArgumentError, AxisError, ShapeError, fail

NONE: dict[str, Any] = {}
_rng_seed = 20


def operand(x: Any, like: Any = None) -> Any:
    """An array or Python number as it is; NumPy values and sequences as an array (on ``like``'s device)."""
    if isinstance(x, (NDArray, int, float, complex)):
        return x
    if isinstance(x, np.generic):
        return x.item()
    return asarray(x, device=None if like is None else like.device)


def tensor(x: ArrayLike, like: Any = None) -> NDArray:
    """``x`` as an array, numbers included."""
    return x if isinstance(x, NDArray) else asarray(x, device=None if like is None else like.device)


def real_part(x: Any) -> Any:
    """The real part of an array or a number; a real one as it is."""
    if not isinstance(x, Array):
        return x.real
    return call("real", x) if x._data.dtype.kind == "c" else x


def operands(*xs: Any) -> tuple[Any, ...]:
    """Operands of one operator call; if all are numbers the first becomes an array.

    Their shapes are looked at by the operator, not here.
    """
    like = next((x for x in xs if isinstance(x, NDArray)), None)
    found = tuple(operand(x, like) for x in xs)
    if not any(isinstance(x, NDArray) for x in found):
        return (asarray(found[0]), *found[1:])
    return found


def in_floats(*xs: Any) -> tuple[Any, ...]:
    """Operands in the floating dtype that they promote to, float32 if none is floating; Python's numbers as they are.

    Their shapes stay.
    """
    like = next((x for x in xs if isinstance(x, NDArray)), None)
    found = [x if isinstance(x, (int, float)) else tensor(x, like) for x in xs]
    if not any(isinstance(x, NDArray) for x in found):
        found[0] = asarray(found[0])
    dtype = dtypes.floating(functools.reduce(dtypes.promote, [x.dtype for x in found if isinstance(x, NDArray)]))
    return tuple(x.astype(dtype, copy=False) if isinstance(x, NDArray) else x for x in found)


def beside(value: Any, like: Any) -> Any:
    """What is joined to an array: one itself, or a Python number in the dtype that the array has with it, integers at least int64."""
    if isinstance(value, NDArray) or not isinstance(value, (int, float)):
        return tensor(value, like)
    floating = dtypes.is_floating(like.dtype)
    dtype = like.dtype if floating or isinstance(value, bool) else dtypes.default_float() if isinstance(value, float) else dtypes.int64
    return asarray(np.asarray(value, dtype), device=like.device)


def normalize_axis(op: str, axis: int, ndim: int) -> int:
    """A non-negative axis, or an AxisError that names the operator."""
    try:
        index = axis.__index__()
    except AttributeError:
        fail(ArgumentError, op, expected="an integer axis", got=repr(axis))
    if not -ndim <= index < ndim:
        fail(AxisError, op, expected=f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis for zero dimensions", got=str(index))
    return index % ndim


#: All axes of an array of so many dimensions, of which NumPy has 64 at most.
_ALL_AXES = tuple([tuple(range(n)) for n in range(65)])


def normalize_axes(op: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Sorted non-negative axes; ``None`` means all. Repeated axes are an error."""
    if axis is None:
        return _ALL_AXES[ndim]
    if axis.__class__ is int and 0 <= axis < ndim:
        return (axis,)
    if axis.__class__ is tuple:
        last = -1
        for a in axis:
            if a.__class__ is not int or not last < a < ndim:
                break
            last = a
        else:
            return axis  # type: ignore[no-any-return]
    items = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(sorted(normalize_axis(op, a, ndim) for a in items))
    if len(set(axes)) != len(axes):
        fail(AxisError, op, expected="axes that differ", got=str(axis))
    return axes


def reduced_axes(op: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """As :func:`normalize_axes`; a number without dimensions counts as one along axis 0, as in NumPy's reductions."""
    return normalize_axes(op, axis, ndim) if ndim or not _is_only(axis) else ()


def reduced_axis(op: str, axis: Any, ndim: int) -> int:
    """As :func:`normalize_axis`, 0 of a number without dimensions, which is to be taken as an array of one element."""
    return 0 if ndim == 0 and _is_only(axis) else normalize_axis(op, axis, ndim)


def _is_only(axis: Any) -> bool:
    return not isinstance(axis, (tuple, list)) and axis in (0, -1)


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape after reducing ``axes``."""
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def as_shape(op: str, shape: Any) -> tuple[int, ...]:
    """A shape from an integer or a sequence of integers, which may be floats. ShapeError for anything else."""
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    try:
        given = tuple(shape)
        sizes = tuple(map(int, given))
    except (TypeError, ValueError, OverflowError):
        fail(ShapeError, op, expected="a shape: an integer or a sequence of integers", got=repr(shape))
    if sizes != given:
        fail(ShapeError, op, expected="a shape of whole numbers", got=repr(shape), fix="n // 2 in place of n / 2")
    return sizes


def rng(seed: int = 0) -> np.random.Generator:
    """The generator that samples draw from; fixed seeds."""
    return np.random.default_rng(_rng_seed + seed)


_DRAWN = 1024


@functools.lru_cache
def _normals(seed: int) -> np.ndarray[Any, Any]:
    return rng(seed).normal(size=_DRAWN)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """A float64 sample away from nothing in particular; the contract test casts it to each dtype."""
    n = math.prod(shape)  # samples begin alike, and most are small: a generator takes longer to make than they do
    return (_normals(seed)[:n].reshape(shape) if n <= _DRAWN else rng(seed).normal(size=shape)) * scale


def uniform(low: float, high: float, *shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """A float64 sample from an interval."""
    return rng(seed).uniform(low, high, size=shape)


def by_parts(decomposition: Callable[..., Any]) -> Callable[..., Any]:
    """``Op.grad`` of a composite that has no shorter one: its parts are run again, recorded, and differentiated.

    For gradients of gradients, say, that have a kernel of their own. ``Op.saves`` must name every input.
    """

    def rule(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, **attrs: Any) -> list[Any]:
        since = next(tape._sequence)
        before = local.set(recording=True)
        try:
            # Copies, so that an array that is two of the operands is told apart.
            own = [call("copy", x) if need else x for x, need in zip(xs, needs, strict=True)]
            result = decomposition(*own, **attrs)
        finally:
            local.set(recording=before[0])
        heads = result if isinstance(result, tuple) else (result,)
        reached = [(h, s) for h, s in zip(heads, g if isinstance(g, tuple) else (g,), strict=True) if h._tape is not None]
        refs = [x._tape if need and isinstance(x, Array) else None for x, need in zip(own, needs, strict=True)]
        found = tape.propagate(*map(list, zip(*reached, strict=True)), targets=[r for r in refs if r], since=since, retain_graph=before[0])
        return [None if r is None else found.get(r) for r in refs]

    return rule


def public(op: Op, doc: str, arity: int) -> Callable[..., Any]:
    """The public function of a pointwise operator of one or two operands."""
    if arity == 1:

        def function(x: ArrayLike) -> Any:
            return apply(op, (x,) if isinstance(x, NDArray) else (tensor(x),), NONE)

    else:

        def function(x1: ArrayLike, x2: ArrayLike) -> Any:  # type: ignore[misc]
            if isinstance(x1, NDArray) and isinstance(x2, NDArray):
                return apply(op, (x1, x2), NONE)
            return apply(op, operands(x1, x2), NONE)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = doc
    return function
