"""Functions of ``sym.np`` that reduce, sort, choose and multiply, with MXNet's parameters."""

from __future__ import annotations

from numbers import Number
from typing import Any

from hybridnet import dtypes
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.symbol import Symbol, called_numpy


def _typed(dtype: Any) -> dict[str, Any]:
    """The attribute ``dtype``, which is left out where nothing is asked for."""
    return {} if dtype is None else {"dtype": str(dtypes.as_dtype(dtype))}


def mean(a: Symbol, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Symbol:
    """The mean over axes, by default all; of integers float32."""
    return called_numpy("_npi_mean", (a,), {"axis": axis, **_typed(dtype), "keepdims": keepdims})


def std(a: Symbol, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Symbol:
    """The standard deviation over axes, by default all."""
    return called_numpy("_npi_std", (a,), {"axis": axis, **_typed(dtype), "ddof": ddof, "keepdims": keepdims})


def var(a: Symbol, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Symbol:
    """The variance over axes, by default all."""
    return called_numpy("_npi_var", (a,), {"axis": axis, **_typed(dtype), "ddof": ddof, "keepdims": keepdims})


def average(a: Symbol, axis: Any = None, weights: Symbol | None = None, returned: bool = False, out: Any = None) -> Any:
    """The mean by weights over axes, and with ``returned`` the sums of weights, as the outputs of one symbol."""
    given = {"axis": axis, "returned": returned}
    if weights is None:
        return called_numpy("_npi_average", (a,), {**given, "weighted": False})
    return called_numpy("_npi_average", (a, weights), given)


def argmax(a: Symbol, axis: int | None = None, out: Any = None) -> Symbol:
    """Where the largest element is, along an axis or of all in a row."""
    return called_numpy("_npi_argmax", (a,), {"axis": axis, "keepdims": False})


def argmin(a: Symbol, axis: int | None = None, out: Any = None) -> Symbol:
    """Where the smallest element is, along an axis or of all in a row."""
    return called_numpy("_npi_argmin", (a,), {"axis": axis, "keepdims": False})


def sort(a: Symbol, axis: int | None = -1, kind: Any = None, order: Any = None) -> Symbol:
    """In ascending order along an axis, or of all in a row. ArgumentError for an ``order``."""
    _unordered("sort", order)
    return called_numpy("sort", (a,), {"axis": axis, "is_ascend": True})


def argsort(a: Symbol, axis: int | None = -1, kind: Any = None, order: Any = None) -> Symbol:
    """The indices that put elements in ascending order, int64. ArgumentError for an ``order``."""
    _unordered("argsort", order)
    return called_numpy("argsort", (a,), {"axis": axis, "is_ascend": True, "dtype": "int64"})


def _unordered(op: str, order: Any) -> None:
    if order is not None:
        fail(ArgumentError, op, expected="no order, which is for records", got=repr(order))


def diff(a: Symbol, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Symbol:
    """The differences of neighbours along an axis, ``n`` times. ArgumentError for ``prepend`` and ``append``, as in MXNet."""
    if prepend is not None or append is not None:
        fail(ArgumentError, "diff", expected="no prepend and no append", got="one of them", fix="np.concatenate before")
    return called_numpy("_npi_diff", (a,), {"n": n, "axis": axis})


def ediff1d(ary: Symbol, to_end: Any = None, to_begin: Any = None) -> Symbol:
    """The differences of neighbours, all in a row, between what comes first and last: symbols, numbers or nothing."""
    begin, end = isinstance(to_begin, Symbol), isinstance(to_end, Symbol)
    symbols = [x for x, is_one in ((to_begin, begin), (to_end, end)) if is_one]
    given = {
        "to_begin_arr_given": begin,
        "to_end_arr_given": end,
        "to_begin_scalar": None if begin else to_begin,
        "to_end_scalar": None if end else to_end,
    }
    return called_numpy("_npi_ediff1d", (ary, *symbols), given)


def percentile(
    a: Symbol, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = None, interpolation: str = "linear", keepdims: bool = False
) -> Symbol:
    """Values below which q % of the elements are, over axes, by default all; ``q`` is a number or a symbol."""
    given = {"axis": axis, "interpolation": interpolation, "keepdims": keepdims}
    if isinstance(q, Number):
        return called_numpy("_npi_percentile", (a,), {**given, "q_scalar": q})
    return called_numpy("_npi_percentile", (a, q), {**given, "q_scalar": None})


def quantile(
    a: Symbol, q: Any, axis: Any = None, out: Any = None, overwrite_input: Any = None, interpolation: str = "linear", keepdims: bool = False
) -> Symbol:
    """As :func:`percentile`, of parts of 1."""
    return percentile(a, q * 100, axis, out, overwrite_input, interpolation, keepdims)


def bincount(x: Symbol, weights: Symbol | None = None, minlength: int = 0) -> Symbol:
    """How often each integer is there, or the sum of its weights; its length depends on values, so only ``eval`` and the like know it."""
    if weights is None:
        return called_numpy("_npi_bincount", (x,), {"minlength": minlength, "has_weights": False})
    return called_numpy("_npi_bincount", (x, weights), {"minlength": minlength, "has_weights": True})


def histogram(a: Symbol, bins: Any = 10, range: Any = None, normed: Any = None, weights: Any = None, density: Any = None) -> Symbol:
    """How many elements are in each bin, and the bins' bounds; ``bins``: their number, with a ``range``, or a symbol of bounds.

    ArgumentError for a number without a range, and for what MXNet has not.
    """
    if normed or weights is not None or density:
        fail(ArgumentError, "histogram", expected="neither normed, weights nor density", got="one of them")
    if isinstance(bins, Symbol):
        return called_numpy("_histogram", (a, bins), {}, "histogram")
    if range is None:
        fail(ArgumentError, "histogram", expected="a range, where bins is a number", got="none")
    return called_numpy("_histogram", (a,), {"bin_cnt": bins, "range": range}, "histogram")


def clip(a: Symbol, a_min: float | None, a_max: float | None, out: Any = None) -> Symbol:
    """No less than ``a_min`` and no more than ``a_max``. ArgumentError without both."""
    if a_min is None and a_max is None:
        fail(ArgumentError, "clip", expected="a_min or a_max", got="neither")
    low, high = (float("-inf") if a_min is None else a_min), (float("inf") if a_max is None else a_max)
    return called_numpy("clip", (a,), {"a_min": low, "a_max": high})


def around(x: Any, decimals: int = 0, out: Any = None, **kwargs: Any) -> Symbol:
    """Rounded to ``decimals`` places behind the point."""
    return called_numpy("_npi_around", (x,), {"decimals": decimals, **kwargs})


round = round_ = around


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None, **kwargs: Any
) -> Symbol:
    """Numbers in place of what is none, and of infinities; without one the largest, and the least, that there are."""
    return called_numpy("_npi_nan_to_num", (x,), {"copy": copy, "nan": nan, "posinf": posinf, "neginf": neginf})


def where(condition: Symbol, x: Any, y: Any) -> Symbol:
    """Elements of ``x`` where the condition holds, of ``y`` where not; symbols that broadcast, or numbers."""
    if isinstance(x, Symbol) and isinstance(y, Symbol):
        return called_numpy("_npi_where", (condition, x, y), {})
    if isinstance(x, Symbol):
        return called_numpy("_npi_where_rscalar", (condition, x), {"scalar": float(y)})
    if isinstance(y, Symbol):
        return called_numpy("_npi_where_lscalar", (condition, y), {"scalar": float(x)})
    return called_numpy("_npi_where_scalar2", (condition,), {"x": float(x), "y": float(y)})


def polyval(p: Symbol, x: Symbol) -> Symbol:
    """The polynomial with coefficients ``p``, the highest power first, at ``x``."""
    return called_numpy("_npi_polyval", (p, x), {})


# -- products -------------------------------------------------------------------------------------


def matmul(a: Symbol, b: Symbol, out: Any = None, **kwargs: Any) -> Symbol:
    """Products of matrices over the last two axes; the others broadcast."""
    return called_numpy("_npi_matmul", (a, b), kwargs)


def tensordot(a: Symbol, b: Symbol, axes: Any = 2) -> Symbol:
    """Sums of products over so many axes, or over pairs of axes."""
    if isinstance(axes, Number):
        return called_numpy("_npi_tensordot_int_axes", (a, b), {"axes": axes})
    own, other = [(x,) if isinstance(x, int) else tuple(x) for x in axes]
    return called_numpy("_npi_tensordot", (a, b), {"a_axes_summed": own, "b_axes_summed": other})


def inner(a: Symbol, b: Symbol) -> Symbol:
    """Sums of products over the last axes."""
    return tensordot(a, b, [-1, -1])


def _in_a_row(a: Symbol) -> Symbol:
    return called_numpy("_np_reshape", (a,), {"newshape": (-1,), "order": "C"})


def outer(a: Symbol, b: Symbol) -> Symbol:
    """All products of an element of one and one of the other."""
    return tensordot(_in_a_row(a), _in_a_row(b), 0)


def vdot(a: Symbol, b: Symbol) -> Symbol:
    """The sum of products of all elements, in a row."""
    return tensordot(_in_a_row(a), _in_a_row(b), 1)


def einsum(*operands: Any, **kwargs: Any) -> Symbol:
    """Sums of products that letters for axes describe: the letters first, then symbols. ArgumentError without the letters."""
    subscripts, *symbols = operands
    if not isinstance(subscripts, str):
        fail(ArgumentError, "einsum", expected="the subscripts as a string", got=type(subscripts).__name__)
    optimize = int(kwargs.pop("optimize", False))
    return called_numpy("_npi_einsum", tuple(symbols), {"subscripts": subscripts, "optimize": optimize})
