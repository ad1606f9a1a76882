"""Operators of ``np`` and ``np.linalg`` that multiply, factor and solve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.numpy import linalg
from hybridnet.numpy.functions import FUNCTIONS as NUMPY
from hybridnet.numpy_operators import types
from hybridnet.numpy_operators.register import numpy_operator

Triangle = Literal["L", "U"]


@numpy_operator("_np_dot", types=types.promoted)
def dot(a: Array, b: Array) -> Any:
    """The product of NumPy's ``dot``: over the last axis of ``a`` and the last but one of ``b``."""
    return NUMPY["dot"](a, b)


@numpy_operator("_npi_matmul", outputs=("out",), types=types.promoted)
def matmul(a: Array, b: Array) -> Any:
    """Products of matrices over the last two axes; the others broadcast."""
    return NUMPY["matmul"](a, b)


@numpy_operator("_npi_tensordot", types=types.promoted)
def tensordot(a: Array, b: Array, a_axes_summed: Shape, b_axes_summed: Shape) -> Any:
    """Sums of products over pairs of axes."""
    return NUMPY["tensordot"](a, b, (a_axes_summed, b_axes_summed))


@numpy_operator("_npi_tensordot_int_axes", types=types.promoted)
def tensordot_int_axes(a: Array, b: Array, axes: int) -> Any:
    """Sums of products over the last ``axes`` axes of ``a`` and the first of ``b``."""
    return NUMPY["tensordot"](a, b, axes)


@numpy_operator("_npi_einsum", types=types.promoted)
def einsum(*data: Array, num_args: int, subscripts: str = "", optimize: int = 0) -> Any:
    """Sums of products that letters for axes describe."""
    return NUMPY["einsum"](subscripts, *data)


@numpy_operator("_npi_norm", outputs=("output0",), types=types.floating)
def norm(data: Array, ord: float = 2.0, axis: Shape | None = None, keepdims: bool = False, flag: int = -1) -> Any:
    """A norm of all elements, of vectors along one axis, or of matrices over two.

    ``flag``, as MXNet's front end gives it: -2 the 2-norm of all elements, -1 and 0 the order of ``ord``, 1 Frobenius's, 2 the nuclear one.
    """
    if axis is None and (flag == -2 or data.ndim > 2):
        return linalg.vector_norm(data, 2, keepdims=keepdims)
    order: Any = {1: "fro", 2: "nuc"}.get(flag, ord)
    axes = tuple(range(data.ndim)) if axis is None else axis
    if len(axes) == 1:
        return linalg.norm(data, 2 if order == "fro" else order, axes[0], keepdims)
    return linalg.norm(data, order, axes, keepdims)


def _of_matrix(name: str, outputs: tuple[str, ...] = ("output",)) -> None:
    function: Callable[..., Any] = getattr(linalg, name)

    def operator(A: Array) -> Any:
        found = function(A)
        return list(found) if len(outputs) > 1 else found

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", outputs=outputs, types=types.floating)(operator)


_of_matrix("eigvals")
_of_matrix("eig", ("output0", "output1"))


@numpy_operator("_npi_cholesky", types=types.floating)
def cholesky(A: Array) -> Any:
    """The lower triangle whose product with its transpose a matrix is."""
    return linalg.cholesky(A)


@numpy_operator("_npi_svd", outputs=("output0", "output1", "output2"), types=types.floating)
def svd(A: Array) -> Any:
    """Singular values between two orthogonal matrices, of which only what belongs to these is there."""
    return list(linalg.svd(A, full_matrices=False))


@numpy_operator("_npi_eigh", outputs=("output0", "output1"), types=types.floating)
def eigh(A: Array, UPLO: Triangle = "L") -> Any:
    """Eigenvalues and vectors of a symmetric matrix, of which one triangle is read."""
    return list(linalg.eigh(A, UPLO))


@numpy_operator("_npi_eigvalsh", types=types.floating)
def eigvalsh(A: Array, UPLO: Triangle = "L") -> Any:
    """Eigenvalues of a symmetric matrix, of which one triangle is read."""
    return linalg.eigvalsh(A, UPLO)


@numpy_operator("_npi_solve", types=types.floating)
def solve(A: Array, B: Array) -> Any:
    """The X of A X = B."""
    return linalg.solve(A, B)


@numpy_operator("_npi_pinv", types=types.floating)
def pinv(A: Array, rcond: Array, hermitian: bool = False) -> Any:
    """The pseudo-inverse; singular values below ``rcond`` times the largest count as 0."""
    return linalg.pinv(A, rcond, hermitian)


@numpy_operator("_npi_pinv_scalar_rcond", types=types.floating)
def pinv_scalar_rcond(A: Array, rcond: float = 1e-15, hermitian: bool = False) -> Any:
    """The pseudo-inverse, with a number for where singular values count as 0."""
    return linalg.pinv(A, rcond, hermitian)


@numpy_operator("_npi_tensorinv", types=types.floating)
def tensorinv(a: Array, ind: int = 2) -> Any:
    """The inverse for ``tensordot`` over ``ind`` axes."""
    return linalg.tensorinv(a, ind)


@numpy_operator("_npi_tensorsolve", types=types.floating)
def tensorsolve(a: Array, b: Array, a_axes: Shape | None = None) -> Any:
    """The x of ``tensordot(a, x, x.ndim) = b``, with ``a_axes`` moved to the end first."""
    return linalg.tensorsolve(a, b, a_axes or None)
