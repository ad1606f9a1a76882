"""Embedding: rows of a table by their numbers. Its gradient is ``index_add``, which adds up in a fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import DTypeLike, Kind, Op, Sample, Spec, apply, call, local, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import as_indices, take
from hybridnet.ops.common import NONE, normal, tensor

_ROWS = (("array",),)


def _infer(numbers: Spec, weight: Spec, *, sparse_grad: bool = False) -> Spec:
    if weight.ndim != 2 or not (weight.shape[0] or not all(numbers.shape)):
        fail(ShapeError, "embedding", expected="a weight of shape (input_dim, output_dim), with a row to take", got=str(weight.shape))
    return Spec((*numbers.shape, weight.shape[1]), weight.dtype)


def _clipped(numbers: Any, weight: Any) -> Any:
    return call("clip", as_indices("embedding", numbers, weight), a_min=0, a_max=max(weight.shape[0] - 1, 0))


def _rule(needs: tuple[bool, ...], g: Any, y: Any, numbers: Any, weight: Any, *, sparse_grad: bool = False) -> tuple[None, Any]:
    if sparse_grad and local.trace is None:  # in a program all is dense
        return None, call("row_sums", g, _clipped(numbers, weight), rows=weight.shape[0])
    return None, call("index_add", g, _clipped(numbers, weight), shape=weight.shape, key=_ROWS)


EMBEDDING = register(
    Op(
        "embedding",
        Kind.OPAQUE,
        _infer,
        decomposition=lambda numbers, weight, *, sparse_grad=False: take(weight, numbers, axis=0, mode="clip"),
        grad=_rule,
        saves=(0,),
        looks_up=(1,),
        gives_rows=lambda sparse_grad=False: sparse_grad,
        sample=lambda: [
            Sample((np.array([[2, 0, 7], [1, -1, 0]]), normal(4, 3))),
            Sample((np.array([1, 1, 3], np.int32), normal(4, 2))),
            Sample((np.array([1, 0]), normal(4)), error=ValueError),
        ],
    )
)


def embedding(
    data: Any,
    weight: Any,
    input_dim: int | None = None,
    output_dim: int | None = None,
    dtype: DTypeLike = None,
    sparse_grad: bool = False,
) -> Any:
    """``weight[data]``: a row of ``weight`` (input_dim, output_dim) for each element of ``data``.

    Numbers out of range count as the nearest row. With ``sparse_grad`` the gradient of ``weight`` is of row_sparse storage: the rows
    that were taken, and no others (not in a compiled program, which computes a dense one). Gives (*data.shape, output_dim).
    ShapeError if ``weight`` has other dimensions than are given.
    """
    given = input_dim, output_dim
    if weight.ndim != 2 or any(n is not None and n != m for n, m in zip(given, weight.shape, strict=True)):
        fail(ShapeError, "embedding", expected=f"a weight of shape (input_dim, output_dim), given as {given}", got=str(weight.shape))
    rows = apply(EMBEDDING, (tensor(data, weight), weight), {"sparse_grad": True} if sparse_grad else NONE)
    return rows if dtype is None else rows.astype(dtype, copy=False)
