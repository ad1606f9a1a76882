"""Sequences: convolution and correlation, slopes by differences, phases unwrapped, the Bessel function i0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import arange
from hybridnet.ops.array.rearrange import flip
from hybridnet.ops.array.shape import concatenate, expand_dims, reshape, slice_axis
from hybridnet.ops.common import normalize_axis, tensor
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import pointwise
from hybridnet.ops.math.scan import cumsum, diff
from hybridnet.ops.math.wide import in_wide

_math = pointwise.FUNCTIONS
_MODES = ("full", "same", "valid")


# -- convolution ----------------------------------------------------------------------------------


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The sums of products of one sequence with the other backwards, at each shift; of the length of the longer for ``same``.

    Of lengths n ≥ m: n + m - 1 for ``full``, n - m + 1 for ``valid``. ShapeError for an empty one or more dimensions.
    """
    a, v = _sequences("convolve", a, v, mode)
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return _cut(_full(a, v), a.shape[0], v.shape[0], mode)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The sums of products of two sequences at each shift of the second; lengths as of :func:`convolve`.

    ShapeError for an empty one or more dimensions.
    """
    a, v = _sequences("correlate", a, v, mode)
    if a.shape[0] < v.shape[0]:
        return flip(correlate(v, a, mode))
    return _cut(_full(a, flip(v)), a.shape[0], v.shape[0], mode)


def _sequences(op: str, a: Any, v: Any, mode: str) -> tuple[Any, Any]:
    if mode not in _MODES:
        fail(ArgumentError, op, expected=f"mode {', '.join(_MODES)}", got=repr(mode))
    a = tensor(a)
    v = tensor(v, a)
    a, v = (reshape(x, (1,)) if not x.ndim else x for x in (a, v))
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        fail(ShapeError, op, expected="two sequences of one dimension, not empty", got=f"{a.shape} and {v.shape}")
    dtype = dtypes.promote(a.dtype, v.dtype)
    return a.astype(dtype, copy=False), v.astype(dtype, copy=False)


@in_wide
def _full(a: Any, v: Any) -> Any:
    """Every shift: a product of the longer sequence's windows with the shorter backwards."""
    n, m = a.shape[0], v.shape[0]
    padded = call("slice_grad", a, shape=(n + 2 * m - 2,), key=(("slice", m - 1, m - 1 + n, None),))
    if m == 1:
        return a * v
    if a.dtype == dtypes.bool_:
        parts = [call("logical_and", slice_axis(padded, 0, i, i + n + m - 1), v[m - 1 - i]) for i in range(m)]
        found = parts[0]
        for part in parts[1:]:
            found = call("logical_or", found, part)
        return found
    places = expand_dims(arange(n + m - 1, dtype=dtypes.int64, device=a.device), 1) + arange(m, dtype=dtypes.int64, device=a.device)
    return matmul(padded[places], flip(v))


def _cut(found: Any, n: int, m: int, mode: str) -> Any:
    """What ``mode`` asks of all shifts of sequences of lengths n ≥ m."""
    if mode == "full":
        return found
    return slice_axis(found, 0, m - 1, n) if mode == "valid" else slice_axis(found, 0, (m - 1) // 2, (m - 1) // 2 + n)


# -- differences ----------------------------------------------------------------------------------


def gradient(f: ArrayLike, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """The slopes of sampled values along each axis (or ``axis``): by central differences inside, one-sided ones at the ends.

    ``varargs``: the distance of neighbours, for all axes or one for each, or the coordinates along each axis. One array for one axis,
    else a tuple. ``edge_order``: of the differences at the ends, 1 or 2. ShapeError for axes that are too short.
    """
    f = tensor(f)
    named = tuple(range(f.ndim)) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = [normalize_axis("gradient", a, f.ndim) for a in named]
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if len(steps) != len(axes):
        fail(ArgumentError, "gradient", expected=f"one spacing, or {len(axes)}", got=str(len(varargs)))
    if edge_order not in (1, 2):
        fail(ArgumentError, "gradient", expected="edge_order 1 or 2", got=repr(edge_order))
    f = f.astype(dtypes.floating(f.dtype), copy=False)
    spacings = [step if isinstance(step, (int, float)) else tensor(step, f) for step in steps]
    found = [_slopes(f, a, spacing, edge_order) for a, spacing in zip(axes, spacings, strict=True)]
    return found[0] if len(axes) == 1 else tuple(found)


@in_wide
def _slopes(f: Any, axis: int, step: Any, edge_order: int) -> Any:
    n = f.shape[axis]
    if n < edge_order + 1:
        fail(ShapeError, "gradient", expected=f"{edge_order + 1} values or more along each axis", got=f"{n} along axis {axis}")

    def at(begin: int, end: int | None) -> Any:
        return slice_axis(f, axis, begin, end)

    if not isinstance(step, (int, float)) and step.ndim == 0:
        step = step.astype(f.dtype, copy=False)
    if isinstance(step, (int, float)) or step.ndim == 0:
        inside = (at(2, n) - at(0, n - 2)) / (step * 2)
        first, last = (at(1, 2) - at(0, 1)) / step, (at(n - 1, n) - at(n - 2, n - 1)) / step
        if edge_order == 2:
            first = (at(0, 1) * -1.5 + at(1, 2) * 2 - at(2, 3) * 0.5) / step
            last = (at(n - 3, n - 2) * 0.5 - at(n - 2, n - 1) * 2 + at(n - 1, n) * 1.5) / step
        return concatenate([first, inside, last], axis)
    if step.shape != (n,):
        fail(ShapeError, "gradient", expected=f"{n} coordinates along axis {axis}", got=str(step.shape))
    width = reshape(diff(step.astype(f.dtype, copy=False)), (-1,) + (1,) * (f.ndim - axis - 1))

    def wide(begin: int, end: int) -> Any:
        return slice_axis(width, 0, begin, end)

    low, high = wide(0, n - 2), wide(1, n - 1)
    inside = at(0, n - 2) * (-high / (low * (low + high))) + at(1, n - 1) * ((high - low) / (low * high))
    inside = inside + at(2, n) * (low / (high * (low + high)))
    first, last = (at(1, 2) - at(0, 1)) / wide(0, 1), (at(n - 1, n) - at(n - 2, n - 1)) / wide(n - 2, n - 1)
    if edge_order == 2:
        a, b = wide(0, 1), wide(1, 2)
        first = at(0, 1) * (-(a * 2 + b) / (a * (a + b))) + at(1, 2) * ((a + b) / (a * b)) - at(2, 3) * (a / (b * (a + b)))
        a, b = wide(n - 3, n - 2), wide(n - 2, n - 1)
        last = at(n - 3, n - 2) * (b / (a * (a + b))) - at(n - 2, n - 1) * ((a + b) / (a * b))
        last = last + at(n - 1, n) * ((b * 2 + a) / (b * (a + b)))
    return concatenate([first, inside, last], axis)


def unwrap(p: ArrayLike, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """``p`` with multiples of ``period`` added along ``axis``, so that neighbours differ by half a period at most.

    Jumps below ``discont`` are left, if it is more than half a period.
    """
    p = tensor(p)
    axis = normalize_axis("unwrap", axis, p.ndim)
    whole = not dtypes.is_floating(p.dtype) and isinstance(period, int)
    p = p if whole else p.astype(dtypes.floating(p.dtype), copy=False)
    return _unwrap(p, period / 2 if discont is None else discont, axis, period)


@in_wide
def _unwrap(p: Any, discont: float, axis: int, period: float) -> Any:
    steps = diff(p, axis=axis)
    half = period / 2 if dtypes.is_floating(p.dtype) else period // 2
    ambiguous = dtypes.is_floating(p.dtype) or period % 2 == 0
    folded = call("mod", steps + half, period) - half
    if ambiguous:
        folded = call("where", call("logical_and", call("equal", folded, -half), call("greater", steps, 0)), half, folded)
    correction = call("where", call("less", call("absolute", steps), discont), 0, folded - steps)
    return concatenate([slice_axis(p, axis, 0, 1), slice_axis(p, axis, 1, None) + cumsum(correction, axis, p.dtype)], axis)


# -- i0 -------------------------------------------------------------------------------------------


def _chebyshev(function: Any, degree: int, low: float, high: float) -> list[float]:
    """The coefficients, the lowest first, of the series of Chebyshev's polynomials through a function on an interval."""
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    values = function((nodes + 1) * (high - low) / 2 + low)
    angles = np.outer(np.arange(degree + 1), np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    coefficients = 2 / (degree + 1) * (np.cos(angles) @ values)
    coefficients[0] /= 2
    return coefficients.tolist()  # type: ignore[no-any-return]


def _series(x: Any, coefficients: list[float]) -> Any:
    """The sum of a series of Chebyshev's polynomials at ``x`` from -1 to 1 (Clenshaw)."""
    following, after = x * 0, x * 0
    for c in coefficients[:0:-1]:
        following, after = x * following * 2 - after + c, following
    return x * following - after + coefficients[0]


def i0(x: ArrayLike) -> Any:
    """The modified Bessel function of the first kind, order 0, element by element; integers give float32."""
    x = tensor(x)
    return _i0(x.astype(dtypes.floating(x.dtype), copy=False))


@in_wide
def _i0(x: Any) -> Any:
    size = call("absolute", x)
    near = call("minimum", size, 8.0)
    far = call("maximum", size, 8.0)
    small = _series(near / 4.0 - 1, _chebyshev(lambda t: np.i0(t) * np.exp(-t), 30, 0.0, 8.0))
    large = _series(16.0 / far - 1, _chebyshev(_scaled_i0_of_inverse, 25, 0.0, 2.0)) / call("sqrt", far)
    return call("exp", size) * call("where", call("less_equal", size, 8.0), small, large)


def _scaled_i0_of_inverse(t: Any) -> Any:
    """i0(x) · exp(-x) · sqrt(x) at x = 16 / t, t from 0 (infinity) to 2."""
    x = 16 / np.maximum(t, 0.03)
    return np.i0(x) * np.exp(-x) * np.sqrt(x)
