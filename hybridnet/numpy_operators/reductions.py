"""Operators of ``np`` that reduce, sort and count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from hybridnet import dtypes
from hybridnet.ndarray.attributes import Array, Dtype, Shape
from hybridnet.ndarray.types import always
from hybridnet.numpy.functions import FUNCTIONS as NUMPY
from hybridnet.numpy_operators import types
from hybridnet.numpy_operators.register import numpy_operator

Interpolation = Literal["linear", "lower", "higher", "midpoint", "nearest"]


def _in_dtype(x: Any, dtype: Any) -> Any:
    """In the dtype asked for, or as MXNet has it without: sums of integers stay as wide as these are."""
    return x if dtype is None else x.astype(dtype, copy=False)


@numpy_operator("_np_sum", types=types.of_dtype)
def sum(a: Array, axis: Shape | None = None, dtype: Dtype | None = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The sum over axes, by default all."""
    result = NUMPY["sum"](a, axis=axis, dtype=dtype or a.dtype, keepdims=keepdims)
    return result if initial is None else result + initial


@numpy_operator("_np_prod", "_np_product", types=types.of_dtype)
def prod(a: Array, axis: Shape | None = None, dtype: Dtype | None = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The product over axes, by default all."""
    result = NUMPY["prod"](a, axis=axis, dtype=dtype or a.dtype, keepdims=keepdims)
    return result if initial is None else result * initial


@numpy_operator("_npi_mean", types=types.floating)
def mean(a: Array, axis: Shape | None = None, dtype: Dtype | None = None, keepdims: bool = False, initial: float | None = None) -> Any:
    """The mean over axes, by default all; of integers float32."""
    return NUMPY["mean"](a, axis=axis, dtype=dtype, keepdims=keepdims)


def _extreme(name: str) -> None:
    function: Callable[..., Any] = NUMPY[name]
    bound: Callable[..., Any] = NUMPY["maximum" if name == "max" else "minimum"]

    def operator(a: Array, axis: Shape | None = None, keepdims: bool = False, initial: float | None = None) -> Any:
        result = function(a, axis=axis, keepdims=keepdims)
        return result if initial is None else bound(result, initial)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_np_{name}", f"_np_a{name}")(operator)


_extreme("max")
_extreme("min")


def _moment(name: str) -> None:
    function: Callable[..., Any] = NUMPY[name]

    def operator(a: Array, axis: Shape | None = None, dtype: Dtype | None = None, ddof: int = 0, keepdims: bool = False) -> Any:
        return function(a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", outputs=(name,), types=types.floating)(operator)


_moment("std")
_moment("var")


def _test(op: str, *also: str) -> None:
    function: Callable[..., Any] = NUMPY[op.removeprefix("_np_")]

    def operator(data: Array, axis: Shape | None = None, keepdims: bool = False) -> Any:
        return function(data, axis=axis, keepdims=keepdims)

    operator.__doc__ = function.__doc__
    numpy_operator(op, *also, types=types.truth)(operator)


_test("_np_all")
_test("_np_any", "_np_sometrue")


def _place(name: str) -> None:
    function: Callable[..., Any] = NUMPY[name]

    def operator(data: Array, axis: int | None = None, keepdims: bool = False) -> Any:
        found = function(data, axis=axis)
        if keepdims:
            found = found.reshape((1,) * data.ndim) if axis is None else NUMPY["expand_dims"](found, axis)
        return found.astype("int64", copy=False)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", types=always(dtypes.int64))(operator)


_place("argmax")
_place("argmin")


@numpy_operator("_np_cumsum", types=types.of_dtype)
def cumsum(a: Array, axis: int | None = None, dtype: Dtype | None = None) -> Any:
    """Sums of all elements up to each, along an axis; without one of all in a row."""
    return NUMPY["cumsum"](a, axis=axis, dtype=dtype or a.dtype)


@numpy_operator("_npi_diff")
def diff(a: Array, n: int = 1, axis: int = -1) -> Any:
    """The differences of neighbours along an axis, ``n`` times."""
    return NUMPY["diff"](a, n, axis)


@numpy_operator(
    "_npi_ediff1d",
    asked={
        "input2": lambda a: a["to_begin_arr_given"] or a["to_end_arr_given"],
        "input3": lambda a: a["to_begin_arr_given"] and a["to_end_arr_given"],
    },
)
def ediff1d(
    input1: Array,
    input2: Array | None = None,
    input3: Array | None = None,
    to_begin_arr_given: bool = False,
    to_end_arr_given: bool = False,
    to_begin_scalar: float | None = None,
    to_end_scalar: float | None = None,
) -> Any:
    """The differences of neighbours, all in a row, between what comes first and last: arrays, numbers or nothing."""
    begin: Any = input2 if to_begin_arr_given else to_begin_scalar
    end: Any = (input3 if to_begin_arr_given else input2) if to_end_arr_given else to_end_scalar
    return NUMPY["ediff1d"](input1, end, begin)


@numpy_operator(
    "_npi_average",
    asked={"weights": lambda a: a["weighted"]},
    outputs=lambda a: ("output0", "output1")[: 1 + a["returned"]],
    types=types.floating,
)
def average(a: Array, weights: Array | None = None, axis: Shape | None = None, returned: bool = False, weighted: bool = True) -> Any:
    """The mean by weights over axes, and with ``returned`` the sums of weights."""
    one = axis[0] if axis is not None and len(axis) == 1 else axis
    found = NUMPY["average"](a, one, weights, returned)
    return list(found) if returned else found


@numpy_operator("_npi_percentile", asked={"q": lambda a: a["q_scalar"] is None}, types=types.floating)
def percentile(
    a: Array,
    q: Array | None = None,
    axis: Shape | None = None,
    interpolation: Interpolation = "linear",
    keepdims: bool = False,
    q_scalar: float | None = None,
) -> Any:
    """Values below which q % of the elements are, over axes, by default all."""
    if q is not None:
        return _percentiles(a, q, axis, interpolation, keepdims)
    return NUMPY["percentile"](a, q_scalar, axis=axis, method=interpolation, keepdims=keepdims)


def _percentiles(a: Any, q: Any, axis: Shape | None, interpolation: str, keepdims: bool) -> Any:
    """As ``np.percentile``, whose places must be numbers, with places that are computed."""
    axes = tuple(range(a.ndim)) if axis is None else tuple([i % a.ndim for i in axis])
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    rows = NUMPY["transpose"](a, (*axes, *rest)).reshape((-1, *[a.shape[i] for i in rest]))
    ordered = NUMPY["sort"](rows, axis=0)
    place = q.reshape((-1,)).astype("float64") * ((ordered.shape[0] - 1) / 100)
    if interpolation == "nearest":
        place = NUMPY["rint"](place)
    low, high = (NUMPY["take"](ordered, NUMPY[f](place).astype("int64"), axis=0, mode="clip") for f in ("floor", "ceil"))
    part = (place - NUMPY["floor"](place)).reshape((-1, *[1] * len(rest)))
    weight = {"linear": part, "lower": 0, "higher": 1, "nearest": 0, "midpoint": 0.5}[interpolation]
    found = low + ((high - low) * weight).astype(low.dtype, copy=False)
    kept = [1 if i in axes else n for i, n in enumerate(a.shape)] if keepdims else [a.shape[i] for i in rest]
    return found.reshape((*q.shape, *kept))


@numpy_operator("_npi_bincount", asked={"weights": lambda a: a["has_weights"]}, types=types.weighed)
def bincount(data: Array, weights: Array | None = None, minlength: int = 0, has_weights: bool = False) -> Any:
    """How often each integer is there, or the sum of its weights."""
    return NUMPY["bincount"](data, weights, minlength)


@numpy_operator("_npi_polyval", types=types.promoted)
def polyval(p: Array, x: Array) -> Any:
    """The polynomial with coefficients ``p``, the highest power first, at ``x``."""
    return NUMPY["polyval"](p, x)
