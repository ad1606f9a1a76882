"""``np.linalg``: the public functions over :mod:`hybridnet.ops.linalg.decompositions`, and norms.

Leading axes are batches throughout. ``cholesky``, ``eigh`` and ``eigvalsh`` take a symmetric matrix and use the
mean of it and its transpose, so that their gradients are symmetric too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, apply, call
from hybridnet.errors import ArgumentError, AxisError, ShapeError, fail
from hybridnet.ops.array.creation import EYE
from hybridnet.ops.array.rearrange import moveaxis
from hybridnet.ops.array.shape import broadcast_to, expand_dims, reshape, squeeze, transpose
from hybridnet.ops.common import normalize_axes, normalize_axis, tensor
from hybridnet.ops.linalg import decompositions as lapack
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import reduction
from hybridnet.ops.math.norms import norm_over
from hybridnet.ops.math.wide import in_wide


class EigResult(NamedTuple):
    """Eigenvalues, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Eigenvalues, ascending, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """An orthonormal and an upper triangular factor."""

    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its size."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Left singular vectors, singular values, descending, and the conjugates of right singular vectors as rows."""

    U: Any
    S: Any
    Vh: Any


# -- inverses and equations -----------------------------------------------------------------------


def inv(a: ArrayLike) -> Any:
    """The inverse of a square matrix."""
    return apply(lapack.INV, (tensor(a),))


def pinv(a: ArrayLike, rcond: float | None = None, hermitian: bool = False, *, rtol: float | None = None) -> Any:
    """The Moore-Penrose inverse; singular values below ``rcond`` (or ``rtol``; 1e-15 without either) times the largest count as 0.

    ``hermitian`` is NumPy's hint that ``a`` is symmetric; results are the same. ArgumentError for both.
    """
    if rcond is not None and rtol is not None:
        fail(ArgumentError, "pinv", expected="one of rcond and rtol", got="both")
    cut = rtol if rcond is None else rcond
    return apply(lapack.PINV, (tensor(a),), {"rcond": 1e-15 if cut is None else float(cut)})


def solve(a: ArrayLike, b: ArrayLike) -> Any:
    """x with ``a @ x = b``; ``b`` a vector, or matrices of right-hand sides."""
    a = tensor(a)
    b = tensor(b, a)
    if b.ndim == 1:
        return squeeze(apply(lapack.SOLVE, (a, expand_dims(b, 1))), -1)
    return apply(lapack.SOLVE, (a, b))


def lstsq(a: ArrayLike, b: ArrayLike, rcond: Any = None) -> tuple[Any, Any, Any, Any]:
    """x that minimises |a x - b|², with the sums of squared residuals, the rank of ``a`` and its singular values.

    The residuals are empty unless ``a`` has full rank and more rows than columns, so this is eager only; x is
    differentiable. Singular values below ``rcond`` (machine precision times the larger dimension) times the
    largest count as 0.
    """
    a = tensor(a)
    b = tensor(b, a)
    m, n = _matrix_shape("lstsq", a)
    if rcond is None or rcond == "warn":
        rcond = _epsilon(a) * max(m, n)
    x = _least_squares(a, b, rcond)
    s = svd(a, compute_uv=False)
    rank = call("cast", reduction.sum(s > reduction.max(s) * rcond), dtype=dtypes.int32)
    if m > n and rank.item() == n:
        residuals = _squared_residuals(a, x, b)
        residuals = reshape(residuals, (1,)) if b.ndim == 1 else residuals
    else:
        residuals = call("slice", reshape(x, -1), key=(("slice", 0, 0, None),))
    return x, residuals, rank, s


@in_wide
def _least_squares(a: Any, b: Any, rcond: float) -> Any:
    return matmul(pinv(a, rcond), b)


@in_wide
def _squared_residuals(a: Any, x: Any, b: Any) -> Any:
    left = matmul(a, x) - b
    size = call("absolute", left) if dtypes.is_complex(left.dtype) else left
    return reduction.sum(size * size, axis=0)


def tensorinv(a: ArrayLike, ind: int = 2) -> Any:
    """The inverse under ``tensordot(a, x, ind)``: of ``a`` as a matrix whose rows are its first ``ind`` axes.

    ArgumentError unless ``ind`` is above 0.
    """
    a = tensor(a)
    if ind <= 0:
        fail(ArgumentError, "tensorinv", expected="ind above 0", got=str(ind))
    rows, columns = a.shape[:ind], a.shape[ind:]
    return reshape(inv(reshape(a, (math.prod(rows), math.prod(columns)))), (*columns, *rows))


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """x with ``tensordot(a, x, x.ndim) = b``; ``axes`` of ``a`` are moved to its end first.

    ShapeError unless the remaining axes of ``a`` have as many elements as ``b``.
    """
    a = tensor(a)
    b = tensor(b, a)
    if axes is not None:
        last = [normalize_axis("tensorsolve", i, a.ndim) for i in axes]
        a = transpose(a, [i for i in range(a.ndim) if i not in last] + last)
    shape = a.shape[b.ndim :]
    if math.prod(shape) != b.size:
        fail(ShapeError, "tensorsolve", expected=f"{b.size} elements in the axes of a after the first {b.ndim}", got=str(a.shape))
    return reshape(solve(reshape(a, (b.size, b.size)), reshape(b, -1)), shape)


# -- determinants, powers, rank -------------------------------------------------------------------


def det(a: ArrayLike) -> Any:
    """The determinant."""
    return apply(lapack.DET, (tensor(a),))


def slogdet(a: ArrayLike) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its absolute value."""
    return SlogdetResult(*apply(lapack.SLOGDET, (tensor(a),)))


def matrix_power(a: ArrayLike, n: int) -> Any:
    """``a`` multiplied by itself, ``n`` factors in all; the inverse's power for negative ``n``.

    ShapeError unless the matrices (..., n, n) are square.
    """
    a = tensor(a)
    rows, columns = _matrix_shape("matrix_power", a)
    if rows != columns:
        fail(ShapeError, "matrix_power", expected="a square matrix", got=str(a.shape))
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        identity = apply(EYE, (), {"rows": rows, "columns": rows, "k": 0, "dtype": a.dtype}, a.device, type(a))
        return broadcast_to(identity, a.shape)
    return _power(a, n)


@in_wide
def _power(a: Any, n: int) -> Any:
    result, square = None, a
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        square = matmul(square, square) if n else square
    return result


def matrix_rank(A: Any, tol: Any | None = None, hermitian: bool = False, *, rtol: Any | None = None) -> Any:
    """How many singular values lie above ``tol``, or above ``rtol`` times the largest (machine precision times the larger dimension).

    ``hermitian`` is NumPy's hint that ``A`` is symmetric. ArgumentError for both tolerances.
    """
    M = tensor(A)
    if tol is not None and rtol is not None:
        fail(ArgumentError, "matrix_rank", expected="one of tol and rtol", got="both")
    if M.ndim < 2:
        return call("cast", call("any", call("not_equal", M, 0), axis=tuple(range(M.ndim)), keepdims=False), dtype=dtypes.int64)
    s = svd(M, compute_uv=False)
    if tol is None:
        relative = _epsilon(M) * max(M.shape[-2:]) if rtol is None else expand_dims(tensor(rtol, M), -1) if np.ndim(rtol) else rtol
        tol = reduction.max(s, axis=-1, keepdims=True) * relative
    elif np.ndim(tol):
        tol = expand_dims(tensor(tol, M), -1)
    return reduction.sum(call("greater", s, tol), axis=-1)


def cond(x: ArrayLike, p: ArrayLike | None = None) -> Any:
    """The condition number: the norm of ``x`` times that of its inverse; of singular values by default."""
    return _cond(tensor(x), p)


@in_wide
def _cond(x: Any, p: Any) -> Any:
    if p in (None, 2, -2):
        s = svd(x, compute_uv=False)
        largest, smallest = reduction.max(s, axis=-1), reduction.min(s, axis=-1)
        return smallest / largest if p == -2 else largest / smallest
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


def _matrix_shape(op: str, a: Any) -> tuple[int, int]:
    if a.ndim < 2:
        fail(ShapeError, op, expected="a matrix, or a batch of them", got=str(a.shape))
    return a.shape[-2], a.shape[-1]


def _epsilon(a: Any) -> float:
    dtype = dtypes.floating(a.dtype)
    return float(np.finfo(dtypes.float32 if dtype.itemsize == 2 else dtype).eps)


# -- factorisations -------------------------------------------------------------------------------


def _symmetric(op: str, a: Any) -> Any:
    a = tensor(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        fail(ShapeError, op, expected="a square matrix, or a batch of them", got=str(a.shape))
    return (a + lapack.adjoint(a)) * 0.5


def cholesky(a: ArrayLike, upper: bool = False) -> Any:
    """The lower triangular L with ``L @ L.T = a``, for a symmetric positive definite ``a``; with ``upper`` its transpose.

    Of complex matrices, here and in ``eigh``, Hermitian ones are meant, and conjugates of transposes.
    """
    found = apply(lapack.CHOLESKY, (_symmetric("cholesky", a),))
    return lapack.adjoint(found) if upper else found


def qr(a: ArrayLike, mode: str = "reduced") -> Any:
    """The orthonormal Q and upper triangular R with ``Q @ R = a``.

    ``mode``: ``reduced``, ``complete`` (Q square) or ``r`` (R alone). ``a``: (..., n, m); with k = min(n, m) reduced gives (...,
    n, k) and (..., k, m). ArgumentError for another mode.
    """
    if mode not in ("reduced", "complete", "r"):
        fail(ArgumentError, "qr", expected="mode reduced, complete or r", got=repr(mode))
    q, r = apply(lapack.QR, (tensor(a),), {"mode": "complete" if mode == "complete" else "reduced"})
    return r if mode == "r" else QRResult(q, r)


def svd(a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U, the singular values s (descending) and Vᵀ, with ``(U * s) @ Vᵀ = a``; s alone without ``compute_uv``.

    ``full_matrices`` gives square U and Vᵀ; their gradient wants ``full_matrices=False``.
    """
    a = tensor(a)
    u, s, vh = apply(lapack.SVD, (a,), {"full_matrices": bool(full_matrices and compute_uv)})
    return SVDResult(u, s, vh) if compute_uv else s


def svdvals(x: ArrayLike) -> Any:
    """The singular values, descending."""
    return svd(x, compute_uv=False)


def eigh(a: ArrayLike, UPLO: str = "L") -> EighResult:
    """The eigenvalues (ascending) and eigenvectors (columns) of a symmetric matrix.

    ``a``: (..., n, n), of which only the triangle ``UPLO`` (L or U, else ArgumentError) is read; gives (..., n) and (..., n, n).
    """
    if UPLO not in ("L", "U"):
        fail(ArgumentError, "eigh", expected="UPLO L or U", got=repr(UPLO))
    return EighResult(*apply(lapack.EIGH, (_symmetric("eigh", a),), {"upper": UPLO == "U"}))


def eigvalsh(a: ArrayLike, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix, ascending."""
    return eigh(a, UPLO)[0]


def eig(a: ArrayLike) -> EigResult:
    """The eigenvalues and eigenvectors of a square matrix; of a real one they must be real. No gradient."""
    return EigResult(*apply(lapack.EIG, (tensor(a),)))


def eigvals(a: ArrayLike) -> Any:
    """The eigenvalues of a square matrix; of a real one they must be real. No gradient."""
    return eig(a)[0]


# -- norms ----------------------------------------------------------------------------------------


def norm(x: Any, ord: Any = None, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The norm of vectors (one axis) or matrices (two axes); without ``ord`` the root of the sum of squares.

    ``ord`` of vectors: any number, inf, -inf, 0; of matrices: 1, -1, 2, -2, inf, -inf, ``"fro"``, ``"nuc"``.
    Without ``axis`` and ``ord``, of the flattened array. The gradient at 0 is 0. AxisError for more than two axes; ShapeError for
    an ``ord`` without ``axis`` of other than one or two dimensions.
    """
    x = tensor(x)
    x = x.astype(dtypes.floating(x.dtype), copy=False)
    if axis is None:
        if ord is not None and x.ndim not in (1, 2):
            fail(ShapeError, "norm", expected="one or two dimensions for an ord, or an axis", got=str(x.shape))
        axes = tuple(range(x.ndim))
    elif isinstance(axis, (tuple, list)):
        axes = tuple(normalize_axis("norm", a, x.ndim) for a in axis)
    else:
        axes = normalize_axes("norm", axis, x.ndim)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return norm_over(x, 2, axes, keepdims)
    if len(axes) not in (1, 2):
        fail(AxisError, "norm", expected="one or two axes", got=str(axis))
    return vector_norm(x, ord, axes[0], keepdims) if len(axes) == 1 else matrix_norm(x, ord, axes, keepdims)


def vector_norm(x: ArrayLike, ord: Any = 2, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The norm of vectors along an axis, of what several axes hold, or of all elements without ``axis``.

    ArgumentError if ``ord`` is no number.
    """
    x = tensor(x)
    if not isinstance(ord, (int, float)):
        fail(ArgumentError, "norm", expected="a number, inf or -inf as ord of vectors", got=repr(ord))
    return norm_over(x, ord, normalize_axes("norm", axis, x.ndim), keepdims)


def matrix_norm(x: Any, ord: Any = "fro", axis: Sequence[int] = (-2, -1), keepdims: bool = False) -> Any:
    """The norm of matrices over two axes, rows first.

    ArgumentError for an ``ord`` that matrices do not have.
    """
    x = moveaxis(tensor(x), axis, (-2, -1))
    x = x.astype(dtypes.floating(x.dtype), copy=False)
    if ord not in ("fro", None, 1, -1, 2, -2, math.inf, -math.inf, "nuc"):
        fail(ArgumentError, "norm", expected='1, -1, 2, -2, inf, -inf, "fro" or "nuc" as ord of matrices', got=repr(ord))
    if not x.shape[-1] or not x.shape[-2]:
        ord = "fro" if ord in (1, 2, math.inf, "nuc") else ord  # all of which are 0 then
    found = norm_over(x, 2, (-2, -1)) if ord in ("fro", None) else _matrix_norm(x, ord)
    return expand_dims(found, normalize_axes("norm", axis, x.ndim)) if keepdims else found


@in_wide
def _matrix_norm(x: Any, ord: Any) -> Any:
    extreme = reduction.min if ord in (-1, -2, -math.inf) else reduction.max
    if ord in (1, -1):
        return extreme(reduction.sum(call("absolute", x), -2), -1)
    if ord in (math.inf, -math.inf):
        return extreme(reduction.sum(call("absolute", x), -1), -1)
    return extreme(svdvals(x), -1) if ord in (2, -2) else reduction.sum(svdvals(x), -1)
