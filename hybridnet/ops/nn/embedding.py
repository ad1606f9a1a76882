"""Embedding: rows of a table by their numbers. Its gradient is ``index_add``, which adds up in a fixed order."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import take


def embedding(
    data: Any, weight: Any, input_dim: int | None = None, output_dim: int | None = None, dtype: Any = None, sparse_grad: bool = False
) -> Any:
    """``weight[data]``: a row of ``weight`` (input_dim, output_dim) for each element of ``data``.

    Numbers out of range count as the nearest row. ``sparse_grad`` is MXNet's; gradients are dense.
    """
    given = input_dim, output_dim
    if weight.ndim != 2 or any(n is not None and n != m for n, m in zip(given, weight.shape, strict=True)):
        fail(ShapeError, "embedding", expected=f"a weight of shape (input_dim, output_dim), given as {given}", got=str(weight.shape))
    rows = take(weight, data, axis=0, mode="clip")
    return rows if dtype is None else rows.astype(dtype, copy=False)
