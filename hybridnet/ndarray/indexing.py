"""Classic operators that choose, order and place elements."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.ndarray.reduce import counted
from hybridnet.ndarray.register import keep_dtype, operator
from hybridnet.ops.array import gather, rearrange, selection, sorting
from hybridnet.ops.array import shape as core_shape
from hybridnet.ops.common import as_shape
from hybridnet.ops.math import scan


@operator("take")
def take(a: Any, indices: Any, axis: int = 0, mode: str = "clip") -> Any:
    """The slices of ``a`` along an axis at ``indices``; ``mode`` clip, wrap or raise for those out of range."""
    return gather.take(a, indices, axis, mode)


@operator("batch_take")
def batch_take(a: Any, indices: Any) -> Any:
    """From each row the element that ``indices`` names."""
    return gather.pick(a, indices)


@operator("pick", "choose_element_0index")
def pick(data: Any, index: Any, axis: int | None = -1, keepdims: bool = False, mode: str = "clip") -> Any:
    """From each slice along ``axis`` the one element that ``index`` names."""
    return gather.pick(data, index, axis, keepdims, mode)


@operator("fill_element_0index")
def fill_element_0index(lhs: Any, mhs: Any, rhs: Any) -> Any:
    """``lhs`` with ``mhs[i]`` at column ``rhs[i]`` of row i."""
    chosen = gather.one_hot(rhs, lhs.shape[1], dtype=dtypes.bool_)
    return selection.where(chosen, core_shape.expand_dims(mhs, 1), lhs)


@operator("one_hot")
def one_hot(indices: Any, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: Any = None) -> Any:
    """``on_value`` at each index along a new last axis, ``off_value`` elsewhere; float32 by default."""
    return gather.one_hot(indices, int(depth), on_value, off_value, dtype)


@operator("gather_nd")
def gather_nd(data: Any, indices: Any) -> Any:
    """``data[indices[0], indices[1], ...]``."""
    return gather.gather_nd(data, indices)


@operator("scatter_nd")
def scatter_nd(data: Any, indices: Any, shape: Any) -> Any:
    """Zeros with ``data`` at ``[indices[0], indices[1], ...]``."""
    return gather.scatter_nd(data, indices, shape)


@operator("unravel_index", "_unravel_index")
def unravel_index(data: Any, shape: Any) -> Any:
    """Flat indices as one row of indices for each axis of ``shape``."""
    return keep_dtype(core_shape.stack(gather.unravel_index(data, as_shape("unravel_index", shape))), data)


@operator("ravel_multi_index", "_ravel_multi_index")
def ravel_multi_index(data: Any, shape: Any) -> Any:
    """Rows of indices, one for each axis of ``shape``, as flat indices."""
    return keep_dtype(gather.ravel_multi_index(list(data), as_shape("ravel_multi_index", shape)), data)


@operator("diag")
def diag(data: Any, k: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The ``k``-th diagonal over two axes; from one dimension, the matrix with that diagonal."""
    return rearrange.diag(data, k) if data.ndim == 1 else rearrange.diagonal(data, k, axis1, axis2)


# -- order ----------------------------------------------------------------------------------------


@operator("argmax")
def argmax(data: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest value along an axis (flattened without it), in the dtype of ``data``."""
    return keep_dtype(sorting.argmax(data, axis, keepdims), counted(data))


@operator("argmin")
def argmin(data: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest value along an axis (flattened without it), in the dtype of ``data``."""
    return keep_dtype(sorting.argmin(data, axis, keepdims), counted(data))


@operator("argmax_channel")
def argmax_channel(data: Any) -> Any:
    """The index of the largest value along the second axis, in the dtype of ``data``."""
    return keep_dtype(sorting.argmax(data, 1), counted(data))


@operator("sort")
def sort(data: Any, axis: int | None = -1, is_ascend: bool = True) -> Any:
    """Sorted along an axis (flattened for ``None``)."""
    return sorting.sort(data, axis, descending=not is_ascend)


@operator("argsort")
def argsort(data: Any, axis: int | None = -1, is_ascend: bool = True, dtype: Any = "float32") -> Any:
    """The indices that sort along an axis (flattened for ``None``)."""
    return sorting.argsort(data, axis, descending=not is_ascend).astype(dtype)


@operator("topk")
def topk(data: Any, axis: int | None = -1, k: int = 1, ret_typ: str = "indices", is_ascend: bool = False, dtype: Any = "float32") -> Any:
    """The ``k`` largest (or smallest) along an axis: their indices, values, both, or a mask of them."""
    return sorting.topk(data, axis, k, ret_typ, is_ascend, dtype)


@operator("cumsum", "_np_cumsum")
def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running sum along an axis (flattened without it)."""
    return keep_dtype(scan.cumsum(a, axis), a) if dtype is None else scan.cumsum(a, axis, dtype)
