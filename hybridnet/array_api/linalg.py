"""The standard's linear algebra: ``np.linalg``, with the keywords of the standard where NumPy's are others."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import NDArray
from hybridnet.numpy import linalg as _linalg
from hybridnet.numpy.functions import FUNCTIONS as _np
from hybridnet.numpy.linalg import cross, diagonal, matmul, matrix_transpose, outer, tensordot, trace, vecdot
from hybridnet.ops.linalg.numpy_linalg import EighResult, QRResult, SlogdetResult, SVDResult

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
    "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip


def matrix_power(x: Any, n: int, /) -> Any:
    """Square matrices to a whole power."""
    return _linalg.matrix_power(x, n)


# -- decompositions -------------------------------------------------------------------------------------


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The lower (or upper) triangular factor of positive definite matrices."""
    found = _linalg.cholesky(x)
    if not upper:
        return found
    turned = _np["matrix_transpose"](found)
    return turned.conj() if dtypes.is_complex(x.dtype) else turned


def eigh(x: Any, /) -> EighResult:
    """The eigenvalues and eigenvectors of symmetric or Hermitian matrices."""
    found: EighResult = _linalg.eigh(x)
    return found


def eigvalsh(x: Any, /) -> Any:
    """The eigenvalues of symmetric or Hermitian matrices, ascending."""
    return _linalg.eigvalsh(x)


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Q and R of matrices; ``mode``: reduced or complete."""
    found: QRResult = _linalg.qr(x, mode)
    return found


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decomposition of matrices."""
    found: SVDResult = _linalg.svd(x, full_matrices)
    return found


def svdvals(x: Any, /) -> Any:
    """The singular values of matrices, descending."""
    return _linalg.svdvals(x)


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign and the logarithm of the size of the determinants of square matrices."""
    found: SlogdetResult = _linalg.slogdet(x)
    return found


def det(x: Any, /) -> Any:
    """The determinants of square matrices."""
    return _linalg.det(x)


def inv(x: Any, /) -> Any:
    """The inverses of square matrices."""
    return _linalg.inv(x)


def solve(x1: Any, x2: Any, /) -> Any:
    """X with ``x1 @ X = x2``; ``x2`` a vector, or matrices."""
    return _linalg.solve(x1, x2)


def _kept(values: Any, x: Any, rtol: Any) -> Any:
    """Which singular values are above a share of the largest: a number, one a matrix, or what rounding makes of the larger length."""
    if rtol is None:
        rtol = float(max(x.shape[-2:]) * np.finfo(dtypes.real_of(x.dtype)).eps)
    elif isinstance(rtol, NDArray) and rtol.ndim:
        rtol = _np["expand_dims"](rtol, -1)
    return values > (_np["max"](values, -1, keepdims=True) * rtol if values.shape[-1] else values)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The Moore-Penrose inverses of matrices; singular values below ``rtol`` times the largest, a number or one a matrix, count as 0."""
    if not isinstance(rtol, NDArray):
        return _linalg.pinv(x, float(max(x.shape[-2:]) * np.finfo(dtypes.real_of(x.dtype)).eps) if rtol is None else rtol)
    u, s, vh = (y.conj() if dtypes.is_complex(y.dtype) else y for y in _linalg.svd(x, False))
    kept = _kept(s, x, rtol)
    inverses = _np["where"](kept, 1 / _np["where"](kept, s, 1), 0)
    return (vh.mT * _np["expand_dims"](inverses, -2)) @ u.mT


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values of matrices are above ``rtol`` times the largest."""
    return _np["sum"](_kept(_linalg.svdvals(x), x, rtol).astype(dtypes.int64), -1)


# -- norms ----------------------------------------------------------------------------------------------


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of matrices, the last two axes."""
    return _linalg.matrix_norm(x, ord, (-2, -1), keepdims)


def vector_norm(x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: float = 2) -> Any:
    """The norms of vectors along an axis, of what several hold, or of all elements."""
    return _linalg.vector_norm(x, ord, axis, keepdims)
