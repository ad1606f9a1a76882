"""Polynomials as NumPy's old functions have them: arrays of coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import arange, zeros_like
from hybridnet.ops.array.gather import flatnonzero
from hybridnet.ops.array.rearrange import diag
from hybridnet.ops.array.shape import concatenate, expand_dims, reshape, slice_axis, stack
from hybridnet.ops.common import tensor
from hybridnet.ops.linalg import numpy_linalg
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import reduction
from hybridnet.ops.math.signals import convolve
from hybridnet.ops.math.wide import in_wide


def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of ``x`` as columns, falling unless ``increasing``. Integers give int64. ShapeError for other than one dimension."""
    x = tensor(x)
    if x.ndim != 1:
        fail(ShapeError, "vander", expected="one dimension", got=str(x.shape))
    x = x if dtypes.is_floating(x.dtype) else x.astype(np.promote_types(x.dtype, np.int64), copy=False)
    powers = [call("power", x, n) for n in range(x.shape[0] if N is None else N)]
    if not powers:
        return reshape(slice_axis(x, 0, 0, 0), (x.shape[0], 0)) if not x.shape[0] else slice_axis(expand_dims(x, 1), 1, 0, 0)
    return stack(powers if increasing else powers[::-1], axis=1)


def polyval(p: ArrayLike, x: ArrayLike) -> Any:
    """The polynomial with coefficients ``p``, the highest power first, at ``x``.

    ``p`` is of one dimension, ``x`` of any shape, which the result has.
    """
    p = tensor(p)
    x = tensor(x)
    result = zeros_like(x)
    for i in range(p.shape[0]):
        result = result * x + p[i]
    return result


def _coefficients(*polynomials: Any) -> list[Any]:
    """Polynomials as vectors; ShapeError for more dimensions."""
    found = [tensor(p) for p in polynomials]
    for p in found:
        if p.ndim > 1:
            fail(ShapeError, "polynomial", expected="coefficients of one dimension", got=str(p.shape))
    return [reshape(p, (-1,)) for p in found]


def _as_long(a: Any, n: int) -> Any:
    missing = n - a.shape[0]
    return concatenate([call("slice_grad", slice_axis(a, 0, 0, 0), shape=(missing,), key=(("slice", 0, 0, None),)), a]) if missing else a


def polyadd(a1: ArrayLike, a2: ArrayLike) -> Any:
    """The sum of two polynomials: of the length of the longer."""
    a, b = _coefficients(a1, a2)
    n = max(a.shape[0], b.shape[0])
    return _as_long(a, n) + _as_long(b, n)


def polysub(a1: ArrayLike, a2: ArrayLike) -> Any:
    """The difference of two polynomials: of the length of the longer."""
    a, b = _coefficients(a1, a2)
    n = max(a.shape[0], b.shape[0])
    return _as_long(a, n) - _as_long(b, n)


def polymul(a1: ArrayLike, a2: ArrayLike) -> Any:
    """The product of two polynomials: of the sum of their lengths, less 1."""
    a, b = _coefficients(a1, a2)
    if not a.shape[0] or not b.shape[0]:
        a, b = (_as_long(p, max(p.shape[0], 1)) for p in (a, b))
    return convolve(a, b)


def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """The quotient and the remainder of two polynomials, the latter without its leading zeros; eager only for that.

    Both of one dimension; of lengths m - n + 1 and below n. ArgumentError if ``v`` is 0.
    """
    u, v = _coefficients(u, v)
    dtype = dtypes.floating(dtypes.promote(u.dtype, v.dtype))
    u, v = u.astype(dtype, copy=False), v.astype(dtype, copy=False)
    m, n = u.shape[0], v.shape[0]
    if not n or not m:
        fail(ShapeError, "polydiv", expected="coefficients", got="none")
    quotient, rest = [], u
    for k in range(m - n + 1):
        factor = slice_axis(rest, 0, k, k + 1) / slice_axis(v, 0, 0, 1)
        quotient.append(factor)
        rest = rest - concatenate([_zeros(rest, k), factor * v, _zeros(rest, m - n - k)])
    whole = concatenate(quotient) if quotient else _zeros(u, 1)
    rest_data = rest._concrete("polydiv")
    first = next((i for i, x in enumerate(np.isclose(rest_data, 0, rtol=1e-14).tolist()) if not x), m - 1)
    return whole, slice_axis(rest, 0, first, None)


def _zeros(like: Any, n: int) -> Any:
    return _as_long(slice_axis(like, 0, 0, 0), n)


def polyder(p: Any, m: int = 1) -> Any:
    """The ``m``-th derivative of a polynomial: of a length shorter by ``m``, 0 or more. ArgumentError for a negative ``m``."""
    (p,) = _coefficients(p)
    if m < 0:
        fail(ArgumentError, "polyder", expected="m of 0 or more", got=str(m))
    for _ in range(m):
        n = p.shape[0]
        p = slice_axis(p, 0, 0, max(n - 1, 0)) * arange(max(n - 1, 0), 0, -1, dtypes.int64, p.device)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The ``m``-th integral of a polynomial, with the constants ``k``, one number or ``m``, 0 without it; longer by ``m``.

    ArgumentError for a negative ``m``, or another number of constants.
    """
    (p,) = _coefficients(p)
    if m < 0:
        fail(ArgumentError, "polyint", expected="m of 0 or more", got=str(m))
    constants = [0.0] * m if k is None else list(np.atleast_1d(np.asarray(k, np.float64)).tolist())
    constants = constants * m if len(constants) == 1 and m > 1 else constants
    if len(constants) < m:
        fail(ArgumentError, "polyint", expected=f"one constant or {m}", got=str(len(constants)))
    for i in range(m):
        p = p.astype(dtypes.floating(p.dtype), copy=False)
        raised = p / arange(p.shape[0], 0, -1, p.dtype, p.device)
        p = concatenate([raised, tensor(np.array([constants[i]], p.dtype), p)])
    return p


def poly(seq_of_zeros: ArrayLike) -> Any:
    """The polynomial that has these zeros, or the characteristic polynomial of a square matrix with real eigenvalues.

    ShapeError for other than a vector or a square matrix.
    """
    zeros = tensor(seq_of_zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.shape[0]:
        zeros = numpy_linalg.eigvals(zeros)
    if zeros.ndim != 1:
        fail(ShapeError, "poly", expected="a vector or a square matrix", got=str(zeros.shape))
    zeros = zeros.astype(dtypes.floating(zeros.dtype), copy=False)
    if not zeros.shape[0]:
        return tensor(np.ones((), zeros.dtype), zeros)
    found = tensor(np.ones(1, zeros.dtype), zeros)
    for i in range(zeros.shape[0]):
        found = concatenate([found, _zeros(found, 1)]) - concatenate([_zeros(found, 1), found]) * zeros[i]
    return found


def roots(p: Any) -> Any:
    """The zeros of a polynomial, if they are real: eigenvalues of its companion matrix. Eager only: leading and last zeros are left out.

    ShapeError for other than one dimension.
    """
    p = tensor(p)
    if p.ndim != 1:
        fail(ShapeError, "roots", expected="coefficients of one dimension", got=str(p.shape))
    p = p.astype(dtypes.floating(p.dtype), copy=False)
    places = flatnonzero(p).tolist()
    if not places:
        return slice_axis(p, 0, 0, 0)
    trailing, inner = p.shape[0] - places[-1] - 1, slice_axis(p, 0, places[0], places[-1] + 1)
    n = inner.shape[0] - 1
    found = slice_axis(p, 0, 0, 0)
    if n:
        below = diag(tensor(np.ones(n - 1, p.dtype), p), -1)
        top = -slice_axis(inner, 0, 1, None) / inner[0]
        found = numpy_linalg.eigvals(concatenate([expand_dims(top, 0), slice_axis(below, 0, 1, None)]))
    return concatenate([found, _zeros(p, trailing)]) if trailing else found


def polyfit(x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """The polynomial of degree ``deg`` that fits the points best: (deg + 1,), or (deg + 1, k) for ``y`` of shape (n, k).

    ``w``: weights of the points. ``full``: also residuals, rank, singular values and ``rcond``; ``cov``: also the covariance of the
    coefficients, scaled unless it is ``"unscaled"``. ArgumentError for a negative degree, ShapeError for points that do not match.
    """
    x, y = tensor(x), tensor(y)
    if deg < 0:
        fail(ArgumentError, "polyfit", expected="a degree of 0 or more", got=str(deg))
    if x.ndim != 1 or not x.size or y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        fail(ShapeError, "polyfit", expected="x (n,) and y (n,) or (n, k), n above 0", got=f"{x.shape} and {y.shape}")
    dtype = dtypes.floating(dtypes.promote(x.dtype, y.dtype))
    x, y = x.astype(dtype, copy=False), y.astype(dtype, copy=False)
    rcond = x.shape[0] * float(np.finfo(np.float32 if dtype.itemsize == 2 else dtype).eps) if rcond is None else rcond
    left, right = vander(x, deg + 1), y
    if w is not None:
        w = tensor(w, x).astype(dtype, copy=False)
        if w.shape != x.shape:
            fail(ShapeError, "polyfit", expected=f"weights of shape {x.shape}", got=str(w.shape))
        left, right = left * expand_dims(w, 1), right * (expand_dims(w, 1) if y.ndim == 2 else w)
    scale = call("sqrt", reduction.sum(left * left, 0))
    left = left / scale
    fitted = _fit(left, right, rcond) / (expand_dims(scale, 1) if y.ndim == 2 else scale)
    if full:
        _, residuals, rank, singular = numpy_linalg.lstsq(left, right, rcond)
        return fitted, residuals, rank, singular, rcond
    return (fitted, _covariance(left, right, scale, x.shape[0] - deg - 1, cov)) if cov else fitted


@in_wide
def _fit(left: Any, right: Any, rcond: float) -> Any:
    return matmul(numpy_linalg.pinv(left, rcond), right)


def _covariance(left: Any, right: Any, scale: Any, free: int, cov: Any) -> Any:
    """The covariance of the coefficients of a fit: (deg + 1, deg + 1), for each column of ``y`` behind them."""
    base = numpy_linalg.inv(matmul(call("transpose", left, axes=(1, 0)), left)) / (expand_dims(scale, 1) * expand_dims(scale, 0))
    if cov == "unscaled":
        return base
    if free <= 0:
        fail(ShapeError, "polyfit", expected="more points than coefficients, for their covariance", got=f"{left.shape[0]} points")
    error = right - matmul(left, _fit(left, right, 1e-15))
    factor = reduction.sum(error * error, 0) / float(free)
    return base * factor if right.ndim == 1 else expand_dims(base, 2) * factor
