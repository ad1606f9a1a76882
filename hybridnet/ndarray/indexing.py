"""Classic operators that choose, order and place elements."""

from __future__ import annotations

from typing import Any, Literal

from hybridnet import dtypes
from hybridnet.ndarray.attributes import Array, Dtype, Shape
from hybridnet.ndarray.record import numbered
from hybridnet.ndarray.reduce import counted
from hybridnet.ndarray.register import classic, keep_dtype
from hybridnet.ndarray.types import apart, chosen
from hybridnet.ops.array import gather, rearrange, selection, sorting
from hybridnet.ops.array import shape as core_shape
from hybridnet.ops.common import as_shape
from hybridnet.ops.math import scan


@classic("take", types=apart("indices"))
def take(a: Array, indices: Array, axis: int = 0, mode: Literal["clip", "raise", "wrap"] = "clip") -> Any:
    """The slices of ``a`` along an axis at ``indices``; ``mode`` clip, wrap or raise for those out of range."""
    return gather.take(a, indices, axis, mode)


@classic("batch_take", types=apart("indices"))
def batch_take(a: Array, indices: Array) -> Any:
    """From each row the element that ``indices`` names."""
    return gather.pick(a, indices)


@classic("pick", "choose_element_0index", types=apart("index"))
def pick(data: Array, index: Array, axis: int | None = -1, keepdims: bool = False, mode: Literal["clip", "wrap"] = "clip") -> Any:
    """From each slice along ``axis`` the one element that ``index`` names."""
    return gather.pick(data, index, axis, keepdims, mode)


@classic("fill_element_0index")
def fill_element_0index(lhs: Array, mhs: Array, rhs: Array) -> Any:
    """``lhs`` with ``mhs[i]`` at column ``rhs[i]`` of row i."""
    chosen = gather.one_hot(rhs, lhs.shape[1], dtype=dtypes.bool_)
    return selection.where(chosen, core_shape.expand_dims(mhs, 1), lhs)


@classic("one_hot")
def one_hot(indices: Array, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: Dtype = "float32") -> Any:
    """``on_value`` at each index along a new last axis, ``off_value`` elsewhere; float32 by default."""
    return gather.one_hot(indices, int(depth), on_value, off_value, dtype)


@classic("gather_nd", types=apart("indices"))
def gather_nd(data: Array, indices: Array) -> Any:
    """``data[indices[0], indices[1], ...]``.

    ``indices``: (axes, *rest), the first ``axes`` axes of ``data`` indexed; gives shape (*rest, *data.shape[axes:]).
    """
    return gather.gather_nd(data, indices)


@classic("scatter_nd", types=apart("indices"))
def scatter_nd(data: Array, indices: Array, shape: Shape) -> Any:
    """Zeros with ``data`` at ``[indices[0], indices[1], ...]``.

    ``indices``: (axes, *rest); ``data``: (*rest, *shape[axes:]). The last of equal indices holds.
    """
    return gather.scatter_nd(data, indices, shape)


@classic("_unravel_index", "unravel_index", by_class=True)
def unravel_index(data: Array, shape: Shape | None = None) -> Any:
    """Flat indices as one row of indices for each axis of ``shape``."""
    return keep_dtype(core_shape.stack(gather.unravel_index(data, as_shape("unravel_index", shape))), data)


@classic("_ravel_multi_index", "ravel_multi_index", by_class=True)
def ravel_multi_index(data: Array, shape: Shape | None = None) -> Any:
    """Rows of indices, one for each axis of ``shape``, as flat indices."""
    return keep_dtype(gather.ravel_multi_index(list(data), as_shape("ravel_multi_index", shape)), data)


@classic("diag", shares=True)
def diag(data: Array, k: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The ``k``-th diagonal over two axes; from one dimension, the matrix with that diagonal."""
    return rearrange.diag(data, k) if data.ndim == 1 else rearrange.diagonal(data, k, axis1, axis2)


# -- order ----------------------------------------------------------------------------------------


@classic("argmax", by_class=True)
def argmax(data: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest value along an axis (flattened without it), in the dtype of ``data``."""
    return keep_dtype(sorting.argmax(data, axis, keepdims), counted(data))


@classic("argmin", by_class=True)
def argmin(data: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest value along an axis (flattened without it), in the dtype of ``data``."""
    return keep_dtype(sorting.argmin(data, axis, keepdims), counted(data))


@classic("argmax_channel", by_class=True)
def argmax_channel(data: Array) -> Any:
    """The index of the largest value along the second axis, in the dtype of ``data``."""
    return keep_dtype(sorting.argmax(data, 1), counted(data))


@classic("sort", outputs=numbered(1))
def sort(data: Array, axis: int | None = -1, is_ascend: bool = True) -> Any:
    """Sorted along an axis (flattened for ``None``)."""
    return sorting.sort(data, axis, descending=not is_ascend)


@classic("argsort")
def argsort(data: Array, axis: int | None = -1, is_ascend: bool = True, dtype: Dtype = "float32") -> Any:
    """The indices that sort along an axis (flattened for ``None``)."""
    return sorting.argsort(data, axis, descending=not is_ascend).astype(dtype)


@classic("topk", outputs=lambda a: numbered(2) if a["ret_typ"] == "both" else ("output",), types=chosen)
def topk(
    data: Array,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: Literal["both", "indices", "mask", "value"] = "indices",
    is_ascend: bool = False,
    dtype: Dtype = "float32",
) -> Any:
    """The ``k`` largest (or smallest) along an axis, all for a ``k`` below 1: their indices, values, both, or a mask of them."""
    return sorting.topk(data, axis, max(k, 0), ret_typ, is_ascend, dtype)


@classic("_np_cumsum", "cumsum", by_class=True)
def cumsum(a: Array, axis: int | None = None, dtype: Dtype | None = None) -> Any:
    """The running sum along an axis (flattened without it)."""
    return keep_dtype(scan.cumsum(a, axis), a) if dtype is None else scan.cumsum(a, axis, dtype)
