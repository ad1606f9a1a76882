"""Reductions over the elements that a mask selects, from an initial value: NumPy's ``where=`` and ``initial=``.

The reductions themselves are in :mod:`~hybridnet.ops.math.reduction` and :mod:`~hybridnet.ops.math.statistics`; what is
not selected is replaced by what does not count there before they see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, NDArray, call
from hybridnet.core.op import broadcast_shapes
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.array.creation import full
from hybridnet.ops.array.shape import broadcast_to
from hybridnet.ops.common import reduced_axes, reduced_shape, tensor
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
        return found if initial is None else _math[join](found, _initial(select.__name__, initial, found.dtype))

    function.__name__ = function.__qualname__ = select.__name__
    function.__doc__ = f"{select.__doc__} ``initial``: what the result starts from."
    return function


sum = _starting(_selecting("sum", 0), "add")
prod = _starting(_selecting("prod", 1), "multiply")
any = _selecting("any", False)
all = _selecting("all", True)


def _initial(op: str, initial: Any, dtype: dtypes.Dtype) -> Any:
    """What a reduction starts from, as a number of the result's dtype, which it does not change. DtypeError if that does not hold it."""
    if isinstance(initial, (NDArray, np.ndarray)):
        return tensor(initial).astype(dtype, copy=False)
    if dtypes.is_floating(dtype):
        return initial
    if isinstance(initial, (float, int)) and dtype.kind in "iu" and math.isfinite(initial):
        limits = np.iinfo(dtype)
        if not limits.min <= int(initial) <= limits.max:
            fail(DtypeError, op, expected=f"an initial value from {limits.min} to {limits.max} for {dtype}", got=str(initial))
        return int(initial)
    return bool(initial) if dtype == dtypes.bool_ else int(initial)


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
        initial = _initial(name, initial, a.dtype)
        if where is not True:
            a = call("where", _mask(name, a, where), a, initial)
        axes = reduced_axes(name, axis, a.ndim)
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
    a, ddof = tensor(a), _freedom("var", ddof, correction)
    if where is True and mean is None:
        return reduction.var(a, axis, dtype, ddof, keepdims)  # type: ignore[arg-type]
    kind = dtypes.floating(a.dtype) if dtype is None or not dtypes.is_floating(dtypes.as_dtype(dtype)) else dtypes.as_dtype(dtype)
    mask = _mask("var", a, where)
    a = a.astype(kind, copy=False)
    middle = _average(a, axis, mask) if mean is None else tensor(mean, a).astype(kind, copy=False)
    centred = call("where", mask, a - middle, 0)
    count = reduction.sum(mask, axis, keepdims=keepdims).astype(kind)
    found = reduction.sum(centred * centred, axis, keepdims=keepdims) / _math["maximum"](count - ddof, 0)
    return found if dtype is None else found.astype(dtype, copy=False)


def _freedom(op: str, ddof: float, correction: float | None) -> float:
    """What is taken off the number of elements, by either of its names; ArgumentError for both."""
    if correction is not None and ddof:
        fail(ArgumentError, op, expected="one of ddof and correction", got="both")
    return ddof if correction is None else correction


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
    ddof = _freedom("std", ddof, correction)
    if where is True and mean is None:
        return reduction.std(a, axis, dtype, ddof, keepdims)  # type: ignore[arg-type]
    asked = None if dtype is None else dtypes.as_dtype(dtype)
    found = call("sqrt", var(a, axis, asked if asked is not None and dtypes.is_floating(asked) else None, ddof, keepdims, where, mean))
    return found if asked is None else found.astype(asked, copy=False)


# -- passing over NaN -----------------------------------------------------------------------------


def _nan_starting(name: str, nothing: float) -> Callable[..., Any]:
    """A sum or product that passes over NaN: they count as what changes nothing."""
    reduce: Callable[..., Any] = globals()[name.removeprefix("nan")]

    def function(
        a: ArrayLike,
        axis: int | tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        return reduce(statistics.without_nan(a, nothing), axis, dtype, keepdims, initial, where)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``{name.removeprefix('nan')}`` over axes, with NaN counted as {nothing:g}; takes the same arguments."
    return function


def _nan_extremum(name: str, nothing: float) -> Callable[..., Any]:
    """A largest or smallest element that is not NaN."""
    reduce: Callable[..., Any] = globals()[name.removeprefix("nan")]

    def function(
        a: ArrayLike, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Any:
        a = tensor(a)
        found = reduce(statistics.without_nan(a, nothing), axis, keepdims, initial, where)
        if initial is not None or not dtypes.is_floating(a.dtype):
            return found
        return call("where", reduction.all(call("isnan", a), axis, keepdims=keepdims), np.nan, found)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As ``{name.removeprefix('nan')}`` over axes, passing over NaN; NaN where there is nothing else."
    return function


nansum, nanprod = _nan_starting("nansum", 0.0), _nan_starting("nanprod", 1.0)
nanmax, nanmin = _nan_extremum("nanmax", -np.inf), _nan_extremum("nanmin", np.inf)


def _selected(op: str, a: Any, dtype: Any, where: Any) -> Any:
    """The elements that count in the floating dtype to compute in, and NaN for all others."""
    a = tensor(a)
    asked = None if dtype is None else dtypes.as_dtype(dtype)
    if asked is not None and dtypes.is_floating(a.dtype) and not dtypes.is_floating(asked):
        fail(DtypeError, op, expected=f"a floating dtype for {a.dtype}", got=str(asked))
    a = a.astype(asked if asked is not None and dtypes.is_floating(asked) else dtypes.floating(a.dtype), copy=False)
    return a if where is True else call("where", _mask(op, a, where), a, np.nan)


def nanmean(a: Any, axis: int | tuple[int, ...] | None = None, dtype: DTypeLike = None, keepdims: bool = False, where: Any = True) -> Any:
    """The mean over axes of the elements that ``where`` selects and are not NaN; NaN where there are none. ``dtype``: of the result."""
    found = statistics.nanmean(_selected("nanmean", a, dtype, where), axis, keepdims)
    return found if dtype is None else found.astype(dtype, copy=False)


def _nan_spread(name: str) -> Callable[..., Any]:
    reduce = getattr(statistics, name)

    def function(
        a: Any,
        axis: int | tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        ddof: float = 0,
        keepdims: bool = False,
        where: Any = True,
        mean: Any = None,
        correction: float | None = None,
    ) -> Any:
        a = _selected(name, a, dtype, where)
        found = reduce(a, axis, _freedom(name, ddof, correction), keepdims, None if mean is None else tensor(mean, a).astype(a.dtype))
        return found if dtype is None else found.astype(dtype, copy=False)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{reduce.__doc__} Over n - ``ddof`` (the array standard's ``correction``). ``mean``: the mean, if it is known."
    return function


nanvar, nanstd = _nan_spread("nanvar"), _nan_spread("nanstd")
