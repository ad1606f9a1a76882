"""Reductions over the elements that a mask selects, from an initial value: NumPy's ``where=`` and ``initial=``.

The reductions themselves are in :mod:`~hybridnet.ops.math.reduction` and :mod:`~hybridnet.ops.math.statistics`; what is
not selected is replaced by what does not count there before they see it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, call
from hybridnet.core.op import broadcast_shapes
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import full
from hybridnet.ops.array.shape import broadcast_to
from hybridnet.ops.common import normalize_axes, reduced_shape, tensor
from hybridnet.ops.math import pointwise, reduction, statistics

_math = pointwise.FUNCTIONS


def _mask(op: str, a: Any, where: Any) -> Any:
    """``where`` as a mask of the shape of ``a``."""
    mask = tensor(where, a)
    if broadcast_shapes(op, a.shape, mask.shape) != a.shape:
        fail(ShapeError, op, expected=f"where to broadcast to the shape of the array, {a.shape}", got=str(mask.shape))
    return broadcast_to(mask.astype(dtypes.bool_, copy=False), a.shape)


def _selecting(name: str, neutral: Any) -> Callable[..., Any]:
    reduce = getattr(reduction, name)

    def function(
        a: ArrayLike, axis: int | tuple[int, ...] | None = None, dtype: DTypeLike = None, keepdims: bool = False, where: Any = True
    ) -> Any:
        a = tensor(a)
        return reduce(a if where is True else call("where", _mask(name, a, where), a, neutral), axis, dtype, keepdims)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{reduce.__doc__} ``where``: a mask of the elements that count, all without it."
    return function


def _starting(select: Callable[..., Any], join: str) -> Callable[..., Any]:
    reduce = getattr(reduction, select.__name__)

    def function(
        a: ArrayLike,
        axis: int | tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        if initial is None and where is True:
            return reduce(a, axis, dtype, keepdims)
        found = select(a, axis, dtype, keepdims, where)
        return found if initial is None else _math[join](found, initial)

    function.__name__ = function.__qualname__ = select.__name__
    function.__doc__ = f"{select.__doc__} ``initial``: what the result starts from."
    return function


sum = _starting(_selecting("sum", 0), "add")
prod = _starting(_selecting("prod", 1), "multiply")
any = _selecting("any", False)
all = _selecting("all", True)


def _extremum(name: str, join: str) -> Callable[..., Any]:
    reduce = getattr(reduction, name)

    def function(a: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
        a = tensor(a)
        if initial is None:
            if where is not True:
                fail(
                    ArgumentError,
                    name,
                    expected="initial, for what where selects nothing of",
                    got="where alone",
                    fix=f"np.{name}(..., initial=0)",
                )
            return reduce(a, axis, keepdims=keepdims)
        if where is not True:
            a = call("where", _mask(name, a, where), a, initial)
        axes = normalize_axes(name, axis, a.ndim)
        if not reduction.count(a.shape, axes):
            return full(reduced_shape(a.shape, axes, keepdims), initial, a.dtype, a.device)
        return _math[join](reduce(a, axes, keepdims=keepdims), initial)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{reduce.__doc__.splitlines()[0]}\n\n``axis``: an axis, several, or ``None`` for all; ``initial``: what the elements are compared"
        " with too; ``where``: a mask of the elements that count, which needs ``initial``."
    )
    return function


max = _extremum("max", "maximum")
min = _extremum("min", "minimum")


def mean(a: Any, axis: int | tuple[int, ...] | None = None, dtype: DTypeLike = None, keepdims: bool = False, where: Any = True) -> Any:
    """The average over axes of the elements that ``where`` selects; integers give float32, no elements NaN."""
    if where is True:
        return reduction.mean(a, axis, dtype, keepdims)
    a = tensor(a)
    mask = _mask("mean", a, where)
    a = a.astype(dtype if dtype is not None else dtypes.floating(a.dtype), copy=False)
    wide = a.astype(dtypes.float32) if a.dtype.itemsize == 2 else a
    total = reduction.sum(call("where", mask, wide, 0), axis, keepdims=keepdims)
    return (total / reduction.sum(mask, axis, keepdims=keepdims).astype(wide.dtype)).astype(a.dtype, copy=False)


def var(
    a: Any,
    axis: int | tuple[int, ...] | None = None,
    dtype: DTypeLike = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any | None = None,
    correction: float | None = None,
) -> Any:
    """The variance over axes of the elements that ``where`` selects: the mean squared distance from the mean, over n - ``ddof``.

    ``mean``: the mean, with the axes kept as 1, if it is known; ``correction``: the array standard's name of ``ddof``.
    """
    a, ddof = tensor(a), ddof if correction is None else correction
    if where is True and mean is None:
        return reduction.var(a, axis, dtype, ddof, keepdims)  # type: ignore[arg-type]
    mask = _mask("var", a, where)
    a = a.astype(dtype if dtype is not None else dtypes.floating(a.dtype), copy=False)
    centred = call("where", mask, a - (_average(a, axis, mask) if mean is None else tensor(mean, a)), 0)
    count = reduction.sum(mask, axis, keepdims=keepdims).astype(a.dtype)
    return reduction.sum(centred * centred, axis, keepdims=keepdims) / _math["maximum"](count - ddof, 0)


def _average(a: Any, axis: Any, mask: Any) -> Any:
    return mean(a, axis, keepdims=True, where=mask)


def std(
    a: ArrayLike,
    axis: int | tuple[int, ...] | None = None,
    dtype: DTypeLike = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Any:
    """The standard deviation over axes: the square root of :func:`var`."""
    if where is True and mean is None:
        return reduction.std(a, axis, dtype, ddof if correction is None else correction, keepdims)  # type: ignore[arg-type]
    return call("sqrt", var(a, axis, dtype, ddof, keepdims, where, mean, correction))


def _passing_over(name: str) -> Callable[..., Any]:
    """A reduction that passes over NaN, with ``where=`` and ``dtype=``: what is not selected becomes NaN."""
    reduce = getattr(statistics, name)

    def function(
        a: Any,
        axis: int | tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        keepdims: bool = False,
        where: Any = True,
        **kwargs: Any,
    ) -> Any:
        a = tensor(a)
        if where is not True:
            a = call("where", _mask(name, a, where), a.astype(dtypes.floating(a.dtype), copy=False), np.nan)
        return reduce(a if dtype is None else a.astype(dtype, copy=False), axis, keepdims=keepdims, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{reduce.__doc__} ``where``: a mask of the elements that count; ``dtype``: of the computation."
    return function


def _nan_starting(name: str, join: str) -> Callable[..., Any]:
    reduce = _passing_over(name)

    def function(
        a: ArrayLike,
        axis: int | tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        found = reduce(a, axis, dtype, keepdims, where)
        if initial is None:
            return found
        nothing = join in ("maximum", "minimum") and dtypes.is_floating(found.dtype)
        return _math[join](call("where", call("isnan", found), initial, found) if nothing else found, initial)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{reduce.__doc__} ``initial``: what the result starts from."
    return function


nansum, nanprod = _nan_starting("nansum", "add"), _nan_starting("nanprod", "multiply")
nanmax, nanmin = _nan_starting("nanmax", "maximum"), _nan_starting("nanmin", "minimum")
nanmean = _passing_over("nanmean")


def _nan_spread(name: str) -> Callable[..., Any]:
    reduce = _passing_over(name)

    def function(
        a: ArrayLike,
        axis: int | tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        ddof: float = 0,
        keepdims: bool = False,
        where: Any = True,
        correction: float | None = None,
    ) -> Any:
        return reduce(a, axis, dtype, keepdims, where, ddof=ddof if correction is None else correction)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{reduce.__doc__} Over n - ``ddof`` (the array standard's ``correction``)."
    return function


nanvar, nanstd = _nan_spread("nanvar"), _nan_spread("nanstd")
