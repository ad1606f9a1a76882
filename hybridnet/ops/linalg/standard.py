"""What the array API standard, and NumPy from 2.0 on, have in ``linalg`` besides decompositions: of matrices in the last two axes."""

from __future__ import annotations

from typing import Any

from hybridnet.core import ArrayLike, DTypeLike
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array import rearrange
from hybridnet.ops.common import operands, tensor
from hybridnet.ops.linalg import products
from hybridnet.ops.math import reduction


def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices, the last two axes."""
    return rearrange.diagonal(x, offset, -2, -1)


def trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike = None) -> Any:
    """The sums of the diagonals of matrices, the last two axes; of integers in 64 bits."""
    return reduction.sum(diagonal(x, offset=offset), -1, dtype)


def outer(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """The products of each element of a vector with each of another. ShapeError for what is no vector."""
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        fail(ShapeError, "outer", expected="two arrays of one dimension", got=f"{x1.shape} and {x2.shape}", fix="np.outer, which flattens")
    return products.outer(x1, x2)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross products of vectors of three elements along an axis. ShapeError for other lengths."""
    x1, x2 = operands(x1, x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        fail(ShapeError, "cross", expected="three elements along the axis", got=f"{x1.shape} and {x2.shape}")
    return products.cross(x1, x2, axis=axis)


def tensordot(x1: ArrayLike, x2: ArrayLike, /, *, axes: Any = 2) -> Any:
    """The sum of products over several axes of both, as :func:`hybridnet.ops.linalg.products.tensordot` says."""
    return products.tensordot(x1, x2, axes)


def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Any:
    """The sum of products along an axis, of the conjugates of ``x1``; the other axes broadcast. ShapeError for other lengths."""
    return products.vecdot(x1, x2, axis)


def matrix_transpose(x: ArrayLike, /) -> Any:
    """The last two axes exchanged."""
    return rearrange.swapaxes(x, -1, -2)
