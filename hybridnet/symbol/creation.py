"""Variables, and the functions of ``sym`` that MXNet writes in Python over its operators."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

from hybridnet import attribute, dtypes
from hybridnet.errors import ArgumentError, SignatureError, fail
from hybridnet.symbol.node import Entry, Node, is_extra
from hybridnet.symbol.probe import DTYPES
from hybridnet.symbol.symbol import Symbol, called

#: MXNet's numbers of ways to store arrays.
_STORAGE = {"default": 0, "row_sparse": 1, "csr": 2}


def var(
    name: str,
    attr: Mapping[str, str] | None = None,
    shape: Any = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    profiler_scope: str | None = None,
    **kwargs: str,
) -> Symbol:
    """A variable: an input of the graph, to be given an array of this name.

    What is said of it is kept as attributes: its ``shape`` (0 for a length not known yet), ``dtype``, the multipliers of the learning
    rate and the weight decay, its initializer (a string or an ``Initializer``), how it is stored, and others that begin and end
    with ``__``. ArgumentError for a name that is no string, SignatureError for another attribute.
    """
    if not isinstance(name, str):
        fail(ArgumentError, "var", expected="a string as the variable's name", got=type(name).__name__)
    for key, value in (attr or {}).items():
        attribute.check(key, value)
    attrs = attribute.current().get(attr)
    given = {"shape": shape, "lr_mult": lr_mult, "wd_mult": wd_mult, "profiler_scope": profiler_scope}
    attrs.update({f"__{key}__": str(value) for key, value in given.items() if value is not None})
    if shape is not None:
        attrs["__shape__"] = str(tuple(shape) if isinstance(shape, list) else shape)
    if dtype is not None:
        attrs["__dtype__"] = str(DTYPES.index(str(dtypes.as_dtype(dtype))))
    if init is not None:
        attrs["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        attrs["__storage_type__"] = str(_STORAGE[stype])
    for key, value in kwargs.items():
        if not is_extra(key):
            fail(SignatureError, "var", expected="other attributes between double underscores", got=key, fix=f"__{key}__=")
        attrs[key] = str(value)
    return Symbol([Entry(Node(name, attrs=attrs))])


Variable = var


def _dtype_name(dtype: Any) -> str:
    return "float32" if dtype is None else str(dtypes.as_dtype(dtype))


def zeros(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Zeros of a shape."""
    return called("_zeros", (), {"shape": shape, "dtype": _dtype_name(dtype), **kwargs})


def ones(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Ones of a shape."""
    return called("_ones", (), {"shape": shape, "dtype": _dtype_name(dtype), **kwargs})


def full(shape: Any, val: float, dtype: Any = None, **kwargs: Any) -> Symbol:
    """A number in every place of a shape."""
    return called("_full", (), {"shape": shape, "dtype": _dtype_name(dtype), "value": float(val), **kwargs})


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    name: str | None = None,
    dtype: Any = None,
) -> Symbol:
    """Evenly spaced numbers, each ``repeat`` times."""
    given = {"start": start, "stop": stop, "step": step, "repeat": repeat, "infer_range": infer_range}
    return called("_arange", (), {**given, "name": name, "dtype": _dtype_name(dtype)})


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Ones on the ``k``-th diagonal of an N×M matrix (N×N for M = 0)."""
    return called("_eye", (), {"N": N, "M": M, "k": k, "dtype": _dtype_name(dtype), **kwargs})


def linspace(start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None, dtype: Any = None) -> Symbol:
    """``num`` evenly spaced numbers over an interval."""
    given = {"start": start, "stop": stop, "num": num, "endpoint": endpoint}
    return called("_linspace", (), {**given, "name": name, "dtype": _dtype_name(dtype)})


def _chosen(name: str, left: Any, right: Any, both: str, scalar: str, reflected: str) -> Symbol:
    """An operator by what its operands are: two symbols, a symbol and a number, or two numbers."""
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return called(both, (left, right), {})
    if isinstance(left, Symbol) and isinstance(right, Number):
        return called(scalar, (left,), {"scalar": right})
    if not (isinstance(left, Number) and isinstance(right, Symbol)):
        fail(SignatureError, name, expected="symbols and numbers", got=f"{type(left).__name__} and {type(right).__name__}")
    return called(reflected, (right,), {"scalar": left})


def maximum(left: Any, right: Any) -> Any:
    """The greater of two symbols of one shape, or of a symbol and a number."""
    numbers = isinstance(left, Number) and isinstance(right, Number)
    return max(left, right) if numbers else _chosen("maximum", left, right, "_Maximum", "_MaximumScalar", "_MaximumScalar")


def minimum(left: Any, right: Any) -> Any:
    """The lesser of two symbols of one shape, or of a symbol and a number."""
    numbers = isinstance(left, Number) and isinstance(right, Number)
    return min(left, right) if numbers else _chosen("minimum", left, right, "_Minimum", "_MinimumScalar", "_MinimumScalar")


def power(base: Any, exp: Any) -> Any:
    """``base`` to the power of ``exp``, of two symbols of one shape or a symbol and a number."""
    numbers = isinstance(base, Number) and isinstance(exp, Number)
    return base**exp if numbers else _chosen("power", base, exp, "_Power", "_PowerScalar", "_RPowerScalar")


pow = power


def hypot(left: Any, right: Any) -> Any:
    """The hypotenuse over two symbols of one shape, or a symbol and a number."""
    numbers = isinstance(left, Number) and isinstance(right, Number)
    return (left**2 + right**2) ** 0.5 if numbers else _chosen("hypot", left, right, "_Hypot", "_HypotScalar", "_HypotScalar")


def histogram(a: Symbol, bins: Any = 10, range: tuple[float, float] | None = None, **kwargs: Any) -> Symbol:
    """How many elements are in each bin, and the bins' bounds; ``bins``: their number, with a ``range``, or a symbol of bounds.

    ArgumentError for a number without a range.
    """
    if isinstance(bins, Symbol):
        return called("_histogram", (a, bins), kwargs)
    if range is None:
        fail(ArgumentError, "histogram", expected="a range, where bins is a number", got="none")
    return called("_histogram", (a,), {"bin_cnt": bins, "range": range, **kwargs})


def split_v2(ary: Symbol, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Symbol:
    """Parts along an axis: so many equal ones, or those between indices."""
    given: dict[str, Any] = {"axis": axis, "squeeze_axis": squeeze_axis}
    if isinstance(indices_or_sections, int):
        return called("_split_v2", (ary,), {"indices": (), **given, "sections": indices_or_sections})
    return called("_split_v2", (ary,), {"indices": (0, *indices_or_sections), **given})
