"""Sums over axes: of what is stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Spec
from hybridnet.core.storage import on_storage
from hybridnet.core.stored import Csr, RowSparse
from hybridnet.ops.math.norms import NORM
from hybridnet.ops.math.reduction import SUM

_compute: Any = SUM.compute


def _floating(x: Spec, *, axis: tuple[int, ...], keepdims: bool) -> bool:
    return dtypes.is_floating(x.dtype) and len(axis) > 0


def _of_order(x: Spec, *, ord: float, axis: tuple[int, ...], keepdims: bool) -> bool:
    return ord in (1, 2) and _floating(x, axis=axis, keepdims=keepdims)


@on_storage(SUM, "csr", gives="default", when=_floating)
def _csr_sum(xp: Any, x: Csr, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Over both axes the sum of the values; over one, of those of each column or row, in float64."""
    if len(axis) == 2:
        return xp.asarray(_compute(xp, x.data, axis=(0,), keepdims=False)).reshape((1, 1) if keepdims else ())
    groups, n = (x.indices, x.shape[1]) if axis == (0,) else (x.rows(xp), x.shape[0])
    sums = xp.bincount(groups, weights=x.data.astype(np.float64), minlength=n).astype(x.dtype)
    return sums.reshape(((1, n) if axis == (0,) else (n, 1)) if keepdims else (n,))


@on_storage(SUM, "row_sparse", gives="default", when=_floating)
def _row_sparse_sum(xp: Any, x: RowSparse, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    sums = _compute(xp, x.data, axis=axis, keepdims=keepdims)
    return sums if 0 in axis else RowSparse(sums, x.indices, (x.shape[0], *sums.shape[1:])).dense(xp)


@on_storage(NORM, "csr", gives="default", when=_of_order)
@on_storage(NORM, "row_sparse", gives="default", when=_of_order)
def _(xp: Any, x: Csr | RowSparse, *, ord: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Of order 1 or 2: from the sum of sizes or squares, in at least float32."""
    sizes = x.with_values(abs(x.data.astype(np.float32 if x.dtype.itemsize == 2 else x.dtype, copy=False)) ** ord)
    sums = (_csr_sum if isinstance(x, Csr) else _row_sparse_sum)(xp, sizes, axis=axis, keepdims=keepdims)
    return (xp.sqrt(sums) if ord == 2 else sums).astype(x.dtype)
