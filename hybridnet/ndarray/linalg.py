"""``nd.linalg``: matrix operators under LAPACK's names, on the last two axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import array, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.record import Attributes, numbered
from hybridnet.ndarray.register import arrays_of, classic
from hybridnet.ops.array import rearrange
from hybridnet.ops.linalg import numpy_linalg as linalg
from hybridnet.ops.linalg.matmul import matmul
from hybridnet.ops.math import pointwise, reduction

__all__ = [
    "det", "extractdiag", "extracttrian", "gelqf", "gemm", "gemm2", "inverse", "makediag", "maketrian", "potrf", "potri",
    "slogdet", "sumlogdiag", "syevd", "syrk", "trmm", "trsm",
]  # fmt: skip


def _product(a: Any, b: Any, transpose_a: bool, transpose_b: bool, alpha: float) -> Any:
    product = call("matmul", a, b, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))
    return product if alpha == 1 else product * float(alpha)


def _transposed(x: Any) -> Any:
    return rearrange.swapaxes(x, -1, -2)


@classic("_linalg_gemm2", "linalg_gemm2")
def gemm2(A: Array, B: Array, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0, axis: int = -2) -> Any:
    """alpha · A·B, either transposed on request.

    ``A``: (..., n, k) and ``B``: (..., k, m) give (..., n, m); ``axis``: where the rows are, the columns being last.
    """
    if axis == -2:
        return _product(A, B, transpose_a, transpose_b, alpha)
    a, b = (rearrange.moveaxis(x, axis, -2) for x in (A, B))
    return rearrange.moveaxis(_product(a, b, transpose_a, transpose_b, alpha), -2, axis)


def _summand(known: Mapping[str, Shape], a: Attributes) -> Mapping[str, Shape]:
    if not {"A", "B"} <= known.keys():
        return {}
    rows, columns = a["axis"], -1
    shape = list(known["A"])
    shape[rows] = known["A"][columns if a["transpose_a"] else rows]
    shape[columns] = known["B"][rows if a["transpose_b"] else columns]
    return {"C": tuple(shape)}


@classic("_linalg_gemm", "linalg_gemm", shapes=_summand)
def gemm(
    A: Array,
    B: Array,
    C: Array,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    axis: int = -2,
) -> Any:
    """alpha · A·B + beta · C.

    ``A``: (..., n, k), ``B``: (..., k, m), ``C``: (..., n, m); ``axis``: where the rows are, the columns being last.
    """
    return gemm2(A, B, transpose_a, transpose_b, alpha, axis) + C * float(beta)


@classic("_linalg_syrk", "linalg_syrk")
def syrk(A: Array, transpose: bool = False, alpha: float = 1.0) -> Any:
    """alpha · A·Aᵀ, or alpha · Aᵀ·A with ``transpose``."""
    return _product(A, A, transpose, not transpose, alpha)


@classic("_linalg_potrf", "linalg_potrf")
def potrf(A: Array, lower: bool = True) -> Any:
    """The triangular L with A = L·Lᵀ (or U with A = Uᵀ·U), of positive definite matrices."""
    return linalg.cholesky(A, upper=not lower)


@classic("_linalg_potri", "linalg_potri")
def potri(A: Array, lower: bool = True) -> Any:
    """The inverse of the matrix that has the Cholesky factor ``A``."""
    factor = linalg.inv(_triangle(A, lower))
    return matmul(_transposed(factor), factor) if lower else matmul(factor, _transposed(factor))


def _triangle(A: Any, lower: bool) -> Any:
    return rearrange.tril(A) if lower else rearrange.triu(A)


@classic("_linalg_trmm", "linalg_trmm")
def trmm(A: Array, B: Array, transpose: bool = False, rightside: bool = False, lower: bool = True, alpha: float = 1.0) -> Any:
    """alpha · A·B for a triangular A (alpha · B·A with ``rightside``), A transposed on request.

    ``A``: (..., n, n), ``B``: (..., n, m), or (..., m, n) with ``rightside``. Only the triangle that ``lower`` says is read.
    """
    A = _triangle(A, lower)
    return _product(B, A, False, transpose, alpha) if rightside else _product(A, B, transpose, False, alpha)


@classic("_linalg_trsm", "linalg_trsm")
def trsm(A: Array, B: Array, transpose: bool = False, rightside: bool = False, lower: bool = True, alpha: float = 1.0) -> Any:
    """X with A·X = alpha · B for a triangular A (X·A = alpha · B with ``rightside``), A transposed on request.

    ``A``: (..., n, n), ``B``: (..., n, m), or (..., m, n) with ``rightside``. Only the triangle that ``lower`` says is read.
    """
    A, B = _triangle(A, lower), B * float(alpha)
    A = _transposed(A) if transpose else A
    return _transposed(linalg.solve(_transposed(A), _transposed(B))) if rightside else linalg.solve(A, B)


@classic("_linalg_sumlogdiag", "linalg_sumlogdiag")
def sumlogdiag(A: Array) -> Any:
    """The sum of the logarithms of the diagonal."""
    return reduction.sum(pointwise.FUNCTIONS["log"](rearrange.diagonal(A, 0, -2, -1)), axis=-1)


@classic("_linalg_syevd", "linalg_syevd", outputs=numbered(2))
def syevd(A: Array) -> Any:
    """The eigenvectors U, as rows, and eigenvalues L of symmetric matrices: A = Uᵀ·diag(L)·U."""
    values, vectors = linalg.eigh(A)
    return [_transposed(vectors), values]


@classic("_linalg_gelqf", "linalg_gelqf", outputs=numbered(2))
def gelqf(A: Array) -> Any:
    """Q with orthonormal rows and the lower triangular L with A = L·Q.

    ShapeError if a matrix (..., n, m) has more rows than columns.
    """
    if A.shape[-2] > A.shape[-1]:
        fail(ShapeError, "linalg_gelqf", expected="at most as many rows as columns", got=str(A.shape))
    q, r = linalg.qr(_transposed(A))
    return [_transposed(q), _transposed(r)]


@classic("_linalg_det", "linalg_det", "det", outputs=numbered(1))
def det(A: Array) -> Any:
    """The determinants."""
    return linalg.det(A)


@classic("_linalg_slogdet", "linalg_slogdet", "slogdet", outputs=numbered(2))
def slogdet(A: Array) -> Any:
    """The signs of the determinants, and the logarithms of their absolute values."""
    return list(linalg.slogdet(A))


@classic("_linalg_inverse", "linalg_inverse", "inverse")
def inverse(A: Array) -> Any:
    """The inverse matrices."""
    return linalg.inv(A)


# -- diagonals and triangles as vectors -----------------------------------------------------------


@classic("_linalg_extractdiag", "linalg_extractdiag", shares=True)
def extractdiag(A: Array, offset: int = 0) -> Any:
    """A diagonal of square matrices, as vectors."""
    return rearrange.diagonal(A, offset, -2, -1)


@classic("_linalg_makediag", "linalg_makediag")
def makediag(A: Array, offset: int = 0) -> Any:
    """Matrices of zeros with vectors on a diagonal."""
    n = A.shape[-1] + abs(offset)
    rows = np.arange(A.shape[-1]) + max(-offset, 0)
    return _placed(A, rows, rows + offset, n)


@classic("_linalg_extracttrian", "linalg_extracttrian")
def extracttrian(A: Array, offset: int = 0, lower: bool = True) -> Any:
    """A triangle of square matrices as vectors: a lower one row by row, an upper one column by column, as it stands transposed.

    An ``offset`` above or below the diagonal chooses which. ShapeError unless they are square, (..., n, n).
    """
    n = A.shape[-1]
    if A.shape[-2] != n:
        fail(ShapeError, "linalg_extracttrian", expected="square matrices", got=str(A.shape))
    rows, columns = _places(n, offset, lower)
    flat = call("reshape", A, shape=(*A.shape[:-2], n * n))
    return flat[..., rows * n + columns]


@classic("_linalg_maketrian", "linalg_maketrian")
def maketrian(A: Array, offset: int = 0, lower: bool = True) -> Any:
    """Matrices of zeros with vectors as a triangle: the opposite of :func:`extracttrian`.

    ArgumentError unless they are as long as a triangle: 1, 3, 6, 10 …
    """
    side = int((8 * A.shape[-1] + 1) ** 0.5 - 1) // 2
    if side * (side + 1) // 2 != A.shape[-1]:
        fail(ArgumentError, "linalg_maketrian", expected="as many elements as a triangle has (1, 3, 6, 10 ...)", got=str(A.shape[-1]))
    n = side + abs(offset)
    return _placed(A, *_places(n, offset, lower), n)


def _places(n: int, offset: int, lower: bool) -> tuple[Any, Any]:
    rows, columns = np.tril_indices(n, -abs(offset))
    return (rows, columns) if offset < 0 or (offset == 0 and lower) else (columns, rows)


def _placed(A: Any, rows: Any, columns: Any, n: int) -> Any:
    """Zeros (n × n) with the last axis of ``A`` at the given places: a take from the vector with a 0 appended."""
    which = np.full(n * n, A.shape[-1])
    which[rows * n + columns] = np.arange(A.shape[-1])
    longer = rearrange.pad(A, ((0, 0),) * (A.ndim - 1) + ((0, 1),))
    taken = longer[..., array(which, dtypes.int64, A.device)]
    return call("reshape", taken, shape=(*A.shape[:-1], n, n))


@classic("khatri_rao")
def khatri_rao(*args: Array, num_args: int | None = None) -> Any:
    """The Kronecker products of the matrices' columns, column by column."""
    product, *rest = arrays_of(args)
    for x in rest:
        pairs = call("reshape", product, shape=(product.shape[0], 1, product.shape[1])) * call("reshape", x, shape=(1, *x.shape))
        product = call("reshape", pairs, shape=(product.shape[0] * x.shape[0], x.shape[1]))
    return product
