"""``sym.np.linalg``: decompositions, solutions, norms."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.symbol import Symbol, called_numpy


def norm(x: Symbol, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Symbol:
    """A norm of all elements, of vectors along one axis, or of matrices over two; orders are NumPy's.

    ArgumentError for an order that is none.
    """
    if axis is None and ord is None:
        return called_numpy("_npi_norm", (x,), {"ord": 2, "axis": None, "keepdims": keepdims, "flag": -2})
    axes = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
    flag, order = -1, ord
    if ord in (None, "fro"):
        flag, order = 1, 2
    elif ord == "nuc":
        flag, order = 2, 2
    elif isinstance(ord, str) and ord not in ("inf", "-inf"):
        fail(ArgumentError, "norm", expected="an order of NumPy's", got=repr(ord))
    return called_numpy("_npi_norm", (x,), {"ord": order, "axis": axes, "keepdims": keepdims, "flag": flag})


def cholesky(a: Symbol) -> Symbol:
    """The lower triangle whose product with its transpose a matrix is."""
    return called_numpy("_npi_cholesky", (a,), {})


def det(a: Symbol) -> Symbol:
    """The determinant."""
    return called_numpy("_linalg_det", (a,), {}, "det")


def slogdet(a: Symbol) -> Symbol:
    """The sign of the determinant and the logarithm of its absolute value, two outputs."""
    return called_numpy("_linalg_slogdet", (a,), {}, "slogdet")


def inv(a: Symbol) -> Symbol:
    """The inverse."""
    return called_numpy("_linalg_inverse", (a,), {}, "inv")


def pinv(a: Symbol, rcond: Any = 1e-15, hermitian: bool = False) -> Symbol:
    """The pseudo-inverse; singular values below ``rcond``, a number or a symbol, times the largest count as 0."""
    if isinstance(rcond, Symbol):
        return called_numpy("_npi_pinv", (a, rcond), {"hermitian": hermitian})
    return called_numpy("_npi_pinv_scalar_rcond", (a,), {"rcond": rcond, "hermitian": hermitian})


def solve(a: Symbol, b: Symbol) -> Symbol:
    """The x of a x = b."""
    return called_numpy("_npi_solve", (a, b), {})


def svd(a: Symbol) -> Symbol:
    """Singular values between two orthogonal matrices, three outputs."""
    return called_numpy("_npi_svd", (a,), {})


def eig(a: Symbol) -> Symbol:
    """Eigenvalues and vectors, two outputs."""
    return called_numpy("_npi_eig", (a,), {})


def eigvals(a: Symbol) -> Symbol:
    """Eigenvalues."""
    return called_numpy("_npi_eigvals", (a,), {})


def eigh(a: Symbol, UPLO: str = "L") -> Symbol:
    """Eigenvalues and vectors of a symmetric matrix, two outputs."""
    return called_numpy("_npi_eigh", (a,), {"UPLO": UPLO})


def eigvalsh(a: Symbol, UPLO: str = "L") -> Symbol:
    """Eigenvalues of a symmetric matrix."""
    return called_numpy("_npi_eigvalsh", (a,), {"UPLO": UPLO})


def tensorinv(a: Symbol, ind: int = 2) -> Symbol:
    """The inverse for ``tensordot`` over ``ind`` axes."""
    return called_numpy("_npi_tensorinv", (a,), {"ind": ind})


def tensorsolve(a: Symbol, b: Symbol, axes: Any = None) -> Symbol:
    """The x of ``tensordot(a, x, x.ndim) = b``, with ``axes`` moved to the end first."""
    return called_numpy("_npi_tensorsolve", (a, b), {"a_axes": axes})
