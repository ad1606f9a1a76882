"""Operators of ``nd._internal`` that MXNet's own Python code called: for writes to parts of an array, and of no name in ``nd``."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.core.indexing import encode
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Array, Bounds, Context, Shape
from hybridnet.ndarray.classic import combine
from hybridnet.ndarray.record import all_one
from hybridnet.ndarray.register import FUNCTIONS, classic
from hybridnet.ndarray.shapes import alike
from hybridnet.ops.array import creation, gather


def _part(data: Any, begin: Any, end: Any, step: Any) -> Any:
    """The key of ``data[begin[0]:end[0]:step[0], …]``; ShapeError unless there are as many begins as ends, and no more than axes."""
    begin, end, step = (x if isinstance(x, (tuple, list)) else (x,) for x in (begin, end, step))
    if not len(begin) == len(end) <= data.ndim:
        fail(ShapeError, "slice_assign", expected=f"as many begins as ends, at most {data.ndim}", got=f"{begin} and {end}")
    steps = (*step, *(None,) * (len(begin) - len(step)))
    return encode(tuple(slice(b, e, s or None) for b, e, s in zip(begin, end, steps, strict=True)), data.shape)[0]


@classic("_slice_assign", "_crop_assign")
def slice_assign(lhs: Array, rhs: Array, begin: Bounds, end: Bounds, step: Bounds = ()) -> Any:
    """``lhs`` with ``rhs`` at ``[begin[0]:end[0]:step[0], …]``, a new array. ``rhs`` has the shape of that part."""
    return call("index_set", lhs, rhs, key=_part(lhs, begin, end, step))


@classic("_slice_assign_scalar", "_crop_assign_scalar")
def slice_assign_scalar(data: Array, scalar: float = 0.0, *, begin: Bounds, end: Bounds, step: Bounds = ()) -> Any:
    """``data`` with a number at ``[begin[0]:end[0]:step[0], …]``, a new array."""
    value = creation.full((), scalar, data._data.dtype, data.device)
    return call("index_set", data, value, key=_part(data, begin, end, step))


@classic("_scatter_set_nd")
def scatter_set_nd(lhs: Array, rhs: Array, indices: Array, shape: Shape) -> Any:
    """``lhs``, of ``shape``, with ``rhs`` at ``[indices[0], indices[1], …]``: a new array.

    ``indices``: (axes, *rest); ``rhs``: (*rest, *shape[axes:]). The last of equal indices holds.
    """
    rows = [gather.as_indices("_scatter_set_nd", row, lhs) for row in indices]
    return call("index_set", lhs, rhs, *rows, key=(("array",),) * len(rows))


@classic("_onehot_encode")
def _onehot_encode(lhs: Array, rhs: Array) -> Any:
    """Rows of zeros with a 1 at the index that ``lhs`` (n,) gives, in the shape (n, classes) and the dtype of ``rhs``."""
    return gather.one_hot(lhs, rhs.shape[1], dtype=rhs._data.dtype)


def onehot_encode(indices: Array, out: Array) -> Any:
    """Writes rows of zeros with a 1 at the index of each to ``out`` (n, classes), and gives it; ``one_hot`` makes a new array."""
    return _onehot_encode(indices, out, out=out)


FUNCTIONS["onehot_encode"] = onehot_encode  # without a wrapper, to which ``out`` would be its own


@classic("_set_value")
def set_value(src: float = 0.0) -> Any:
    """A number, for every element of ``out=``."""
    return creation.full((1,), src, dtypes.float32, None)


@classic("_zeros_without_dtype", types=all_one)
def zeros_without_dtype(shape: Shape | None = None, ctx: Context | None = None, dtype: int = -1) -> Any:
    """Zeros of float32."""
    return creation.zeros(() if shape is None else shape, dtypes.float32, ctx)


@classic("_grad_add", shapes=alike("lhs", "rhs"), thin=True)
def grad_add(lhs: Array, rhs: Array) -> Any:
    """The sum of two arrays of one shape, which gradients are added up by."""
    return combine("add", lhs, rhs)


@classic("_identity_with_attr_like_rhs", shapes=alike("lhs", "rhs"))
def identity_with_attr_like_rhs(lhs: Array, rhs: Array) -> Any:
    """``lhs``, of the shape of ``rhs``."""
    return call("copy", lhs)


@classic("_scatter_elemwise_div", shapes=alike("lhs", "rhs"), thin=True)
def scatter_elemwise_div(lhs: Array, rhs: Array) -> Any:
    """The quotient of two arrays of one shape."""
    return combine("true_divide", lhs, rhs)


@classic("_scatter_plus_scalar", thin=True)
def scatter_plus_scalar(data: Array, scalar: float = 1.0, is_int: bool = True) -> Any:
    """The sum of an array and the number ``scalar``."""
    return combine("add", data, scalar)


@classic("_scatter_minus_scalar", thin=True)
def scatter_minus_scalar(data: Array, scalar: float = 1.0, is_int: bool = True) -> Any:
    """The difference of an array and the number ``scalar``."""
    return combine("subtract", data, scalar)
