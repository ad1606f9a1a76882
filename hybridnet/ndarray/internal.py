"""Operators of ``nd._internal`` that MXNet's own Python code called: for writes to parts of an array, and of no name in ``nd``."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.core.indexing import encode
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Bounds, Context, Shape
from hybridnet.ndarray.classic import combine
from hybridnet.ndarray.record import all_one, numbered
from hybridnet.ndarray.register import FUNCTIONS, classic
from hybridnet.ndarray.shapes import alike
from hybridnet.ndarray.types import always
from hybridnet.ops.array import creation, gather, sorting
from hybridnet.ops.random import distributions as draws


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


@classic("_copyto")
def copyto(data: Array) -> Any:
    """The values of ``data``, for ``out=``, an array of any dtype and device."""
    return call("copy", data)


@classic("_sample_unique_zipfian", outputs=numbered(2), types=always(dtypes.int64))
def sample_unique_zipfian(range_max: int, shape: Shape | None = None) -> Any:
    """Rows of different classes below ``range_max``, drawn by about Zipf's law, and how many draws each row took to find them.

    Class c comes with the probability log((c + 1.5) / (c + 0.5)) / log(range_max), what is below 1 and above ``range_max`` left out of the
    two, as MXNet draws it, and is drawn again if it is in the row already.
    ``shape``: (rows, classes); gives int64 of it and of (rows,). ShapeError for another number of axes, ArgumentError for more classes
    than there are.
    """
    if shape is None or len(shape) != 2:
        fail(ShapeError, "_sample_unique_zipfian", expected="a shape (rows, classes)", got=str(shape))
    if not 1 <= shape[1] <= range_max:
        fail(ArgumentError, "_sample_unique_zipfian", expected=f"1 to {range_max} different classes", got=str(shape[1]))
    # Draws at random times, by a rate for each class: the order of first times is that of first draws, and how often a class came
    # between its first time and the last of these is Poisson's. No draw is thrown away, so there is no loop.
    classes = creation.arange(range_max, dtype=dtypes.float64)
    upper, lower = call("minimum", classes + 1.5, max(range_max, 1.5)), call("maximum", classes + 0.5, 1.0)
    rates = call("log", upper / lower)
    times = draws.exponential(size=(shape[0], range_max), dtype=dtypes.float64) / rates
    found = sorting.argsort(times, axis=1)[:, : shape[1]]
    first = gather.take_along_axis(times, found, 1)
    again = draws.poisson(gather.take(rates, found) * (first[:, -1:] - first), dtype=dtypes.float64)
    return [call("cast", found, dtype=dtypes.int64), call("cast", call("sum", again + 1, axis=(1,), keepdims=False), dtype=dtypes.int64)]
