"""Products beyond ``matmul``: dot, inner, outer, tensordot, kron, cross, chains and powers of matrices.

All reach the one ``matmul`` operator through transposes and reshapes, or are broadcast multiplications.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, NDArray, apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.rearrange import moveaxis
from hybridnet.ops.array.shape import concatenate, expand_dims, reshape, slice_axis, squeeze, transpose
from hybridnet.ops.common import normalize_axis, operands, tensor
from hybridnet.ops.linalg.matmul import MATMUL, matmul
from hybridnet.ops.math.wide import in_wide


def dot(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of ``a`` and the last but one of ``b`` (its last, if it has one only).

    A number times an array if either has no dimensions.
    """
    if isinstance(a, NDArray) and isinstance(b, NDArray) and a.ndim == b.ndim == 2:
        return apply(MATMUL, (a, b))
    a, b = operands(a, b)
    if not getattr(a, "ndim", 0) or not getattr(b, "ndim", 0):
        return call("multiply", a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def vdot(a: ArrayLike, b: ArrayLike) -> Any:
    """The sum of products of all elements, in order, of the conjugates of ``a``.

    Both are flattened and must be of one size; the result has no dimensions.
    """
    return dot(_conjugate(reshape(a, -1)), reshape(b, -1))


def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axes of both."""
    a, b = operands(a, b)
    if not getattr(a, "ndim", 0) or not getattr(b, "ndim", 0):
        return call("multiply", a, b)
    return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


def vecdot(x1: ArrayLike, x2: ArrayLike, axis: int = -1) -> Any:
    """The sum of products along an axis, of the conjugates of ``x1``; the other axes broadcast. ShapeError for other lengths."""
    x1 = tensor(x1, x2 if isinstance(x2, NDArray) else None)
    x2 = tensor(x2, x1)
    left, right = (moveaxis(x, normalize_axis("vecdot", axis, x.ndim), -1) for x in (x1, x2))
    if left.shape[-1] != right.shape[-1]:
        fail(ShapeError, "vecdot", expected="one length along the axis", got=f"{x1.shape} and {x2.shape}, axis {axis}")
    products = call("multiply", _conjugate(left), right)
    return call("sum", products, axis=(products.ndim - 1,), keepdims=False).astype(products.dtype, copy=False)


def matvec(x1: ArrayLike, x2: ArrayLike) -> Any:
    """Matrices, the last two axes of ``x1``, times vectors, the last axis of ``x2``; the other axes broadcast."""
    return squeeze(matmul(x1, expand_dims(x2, -1)), -1)


def vecmat(x1: ArrayLike, x2: ArrayLike) -> Any:
    """The conjugates of vectors, the last axis of ``x1``, times matrices, the last two axes of ``x2``; the other axes broadcast."""
    return squeeze(matmul(expand_dims(_conjugate(tensor(x1, x2 if isinstance(x2, NDArray) else None)), -2), x2), -2)


def _conjugate(x: Any) -> Any:
    return call("conjugate", x) if dtypes.is_complex(x.dtype) else x


def outer(a: ArrayLike, b: ArrayLike) -> Any:
    """The products of each element of ``a`` with each of ``b``, both flattened."""
    return call("multiply", reshape(a, (-1, 1)), reshape(b, (1, -1)))


def tensordot(a: ArrayLike, b: ArrayLike, axes: Any = 2) -> Any:
    """The sum of products over several axes of both.

    ``axes``: how many, the last of ``a`` and the first of ``b``; or the axes of ``a`` and those of ``b``. ShapeError unless these
    are of equal lengths.
    """
    a = tensor(a)
    b = tensor(b)
    left, right = _contracted(a, b, axes)
    if [a.shape[i] for i in left] != [b.shape[j] for j in right]:
        fail(ShapeError, "tensordot", expected="axes of equal lengths", got=f"{a.shape} over {left} and {b.shape} over {right}")
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [j for j in range(b.ndim) if j not in right]
    k = math.prod(a.shape[i] for i in left)
    rows, columns = [a.shape[i] for i in free_a], [b.shape[j] for j in free_b]
    product = apply(
        MATMUL,
        (
            reshape(_ordered(a, (*free_a, *left)), (math.prod(rows), k)),
            reshape(_ordered(b, (*right, *free_b)), (k, math.prod(columns))),
        ),
    )
    return reshape(product, (*rows, *columns))


def _ordered(x: Any, axes: tuple[int, ...]) -> Any:
    return x if axes == tuple(range(x.ndim)) else transpose(x, axes)


def _contracted(a: Any, b: Any, axes: Any) -> tuple[list[int], list[int]]:
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            fail(ShapeError, "tensordot", expected=f"0 to {min(a.ndim, b.ndim)} axes", got=str(axes))
        return list(range(a.ndim - int(axes), a.ndim)), list(range(int(axes)))
    pair: list[list[Any]] = [[x] if isinstance(x, (int, np.integer)) else list(x) for x in axes]
    if len(pair) != 2 or len(pair[0]) != len(pair[1]):
        fail(ArgumentError, "tensordot", expected="a number, or as many axes of a as of b", got=repr(axes))
    return [normalize_axis("tensordot", x, a.ndim) for x in pair[0]], [normalize_axis("tensordot", x, b.ndim) for x in pair[1]]


def kron(a: ArrayLike, b: ArrayLike) -> Any:
    """The Kronecker product: ``b`` times each element of ``a``, put together in the layout of ``a``.

    Each axis is as long as the product of both's; fewer dimensions count as leading ones of length 1.
    """
    a = tensor(a)
    b = tensor(b)
    ndim = max(a.ndim, b.ndim)
    m, n = (1,) * (ndim - a.ndim) + a.shape, (1,) * (ndim - b.ndim) + b.shape
    wide = call("multiply", reshape(a, [size for i in m for size in (i, 1)]), reshape(b, [size for j in n for size in (1, j)]))
    return reshape(wide, tuple(i * j for i, j in zip(m, n, strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of 3 (or 2) components along the given axes.

    Two vectors of 2 components give the third component alone. ShapeError for vectors of other lengths.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a = tensor(a)
    b = tensor(b)
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    sizes = (a.shape[-1], b.shape[-1])
    if not set(sizes) <= {2, 3}:
        fail(ShapeError, "cross", expected="vectors of 2 or 3 components", got=f"{a.shape} and {b.shape}")
    x, y = ([slice_axis(v, -1, i, i + 1) for i in range(v.shape[-1])] for v in (a, b))

    def minor(i: int, j: int) -> Any:
        """x_i y_j - x_j y_i, where a missing component is 0."""
        first: Any = x[i] * y[j] if i < len(x) and j < len(y) else None
        second: Any = x[j] * y[i] if j < len(x) and i < len(y) else None
        if first is None:
            return -second
        return first if second is None else first - second

    if sizes == (2, 2):
        return squeeze(minor(0, 1), -1)
    return moveaxis(concatenate([minor(1, 2), minor(2, 0), minor(0, 1)], -1), -1, axisc)


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of a chain of matrices, in the order that takes the fewest multiplications; the ends may be vectors.

    ArgumentError for fewer than two arrays, ShapeError for other dimensions.
    """
    found = [tensor(x) for x in arrays]
    if len(found) < 2:
        fail(ArgumentError, "multi_dot", expected="two arrays or more", got=str(len(found)))
    row, column = found[0].ndim == 1, found[-1].ndim == 1
    if row:
        found[0] = expand_dims(found[0], 0)
    if column:
        found[-1] = expand_dims(found[-1], 1)
    if any(x.ndim != 2 for x in found):
        fail(ShapeError, "multi_dot", expected="matrices, with vectors at the ends only", got=" and ".join(str(x.shape) for x in found))
    splits = _best_splits([*(x.shape[0] for x in found), found[-1].shape[1]])
    product = in_wide(lambda *chain: _chain(chain, splits, 0, len(chain) - 1))(*found)
    shape = product.shape[1 if row else 0 : -1 if column else None]
    return product if shape == product.shape else reshape(product, shape)


def _best_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each part (i, j) of a chain of matrices; ``sizes[i]`` × ``sizes[i + 1]`` is matrix i."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = {k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)}
            split[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[split[i, j]]
    return split


def _chain(found: Sequence[Any], splits: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return found[i]
    k = splits[i, j]
    return matmul(_chain(found, splits, i, k), _chain(found, splits, k + 1, j))
