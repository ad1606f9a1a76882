"""Functions of ``sym.np`` that make symbols of numbers alone, on the device of MXNet's ``ctx``, by default the current one."""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.device import current_device
from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.symbol import Symbol, called_numpy


def place(ctx: Any) -> str:
    """The device's text in an attribute."""
    return str(current_device() if ctx is None else ctx)


def name_of(dtype: Any) -> str:
    """The dtype's text in an attribute; float32 where none is given."""
    return "float32" if dtype is None else str(dtypes.as_dtype(dtype))


def _in_c_order(op: str, order: str) -> None:
    if order != "C":
        fail(ArgumentError, op, expected="the order C", got=repr(order))


def zeros(shape: Any, dtype: Any = "float32", order: str = "C", ctx: Any = None) -> Symbol:
    """Zeros of a shape. ArgumentError for another order than C."""
    _in_c_order("zeros", order)
    return called_numpy("_npi_zeros", (), {"shape": shape, "ctx": place(ctx), "dtype": name_of(dtype)})


def ones(shape: Any, dtype: Any = "float32", order: str = "C", ctx: Any = None) -> Symbol:
    """Ones of a shape. ArgumentError for another order than C."""
    _in_c_order("ones", order)
    return called_numpy("_npi_ones", (), {"shape": shape, "ctx": place(ctx), "dtype": name_of(dtype)})


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", ctx: Any = None, out: Any = None) -> Symbol:
    """A number in every place of a shape. ArgumentError for another order than C."""
    _in_c_order("full", order)
    return called_numpy("_full", (), {"shape": shape, "value": fill_value, "ctx": place(ctx), "dtype": name_of(dtype)})


def full_like(a: Symbol, fill_value: Any, dtype: Any = None, order: str = "C", ctx: Any = None, out: Any = None) -> Symbol:
    """A number in every place, in the shape of a symbol, and in its dtype unless told."""
    given = {} if dtype is None else {"dtype": name_of(dtype)}
    return called_numpy("_npi_full_like", (a,), {"fill_value": fill_value, **given, "ctx": place(ctx)})


def zeros_like(a: Symbol, dtype: Any = None, order: str = "C", ctx: Any = None, out: Any = None) -> Symbol:
    """Zeros in the shape of a symbol, and in its dtype unless told."""
    return full_like(a, 0, dtype, order, ctx)


def ones_like(a: Symbol, dtype: Any = None, order: str = "C", ctx: Any = None, out: Any = None) -> Symbol:
    """Ones in the shape of a symbol, and in its dtype unless told."""
    return full_like(a, 1, dtype, order, ctx)


def empty_like(prototype: Symbol, dtype: Any = None, order: str = "C", subok: bool = False, shape: Any = None) -> Symbol:
    """An array in the shape of a symbol, whose values do not matter: zeros. ArgumentError for a ``shape``, as in MXNet."""
    if shape is not None or subok:
        fail(ArgumentError, "empty_like", expected="neither shape nor subok", got="one of them")
    return full_like(prototype, 0, dtype, order)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, ctx: Any = None) -> Symbol:
    """Evenly spaced numbers from ``start``, or 0, to below ``stop``. ArgumentError for a step of 0."""
    if step == 0:
        fail(ArgumentError, "arange", expected="a step other than 0", got="0")
    first, last = (0, start) if stop is None else (start, stop)
    given = {"start": first, "stop": last, "step": 1 if step is None else step}
    return called_numpy("_npi_arange", (), {**given, "dtype": name_of(dtype), "ctx": place(ctx)})


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    ctx: Any = None,
) -> Any:
    """``num`` evenly spaced numbers over an interval; with ``retstep`` a pair, of which the second is their distance."""
    _one_row("linspace", axis)
    given = {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "ctx": place(ctx)}
    found = called_numpy("_linspace", (), given if dtype is None else {**given, "dtype": name_of(dtype)})
    return (found, (stop - start) / (num - 1)) if retstep else found


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10.0, dtype: Any = None, axis: int = 0, ctx: Any = None
) -> Symbol:
    """Powers of ``base`` with evenly spaced exponents."""
    _one_row("logspace", axis)
    given = {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "base": base, "ctx": place(ctx)}
    return called_numpy("_npi_logspace", (), given if dtype is None else {**given, "dtype": name_of(dtype)})


def _one_row(op: str, axis: int) -> None:
    if axis != 0:
        fail(ArgumentError, op, expected="the axis 0", got=str(axis))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = "float32", **kwargs: Any) -> Symbol:
    """Ones on the ``k``-th diagonal of an N×M matrix."""
    return called_numpy("_npi_eye", (), {"N": N, "M": M, "k": k, "ctx": place(kwargs.get("ctx")), "dtype": name_of(dtype)})


def identity(n: int, dtype: Any = None, ctx: Any = None) -> Symbol:
    """Ones on the diagonal of a square matrix."""
    return called_numpy("_npi_identity", (), {"shape": (n, n), "ctx": place(ctx), "dtype": name_of(dtype)})


def indices(dimensions: Any, dtype: Any = "int32", ctx: Any = None) -> Symbol:
    """The indices of an array of a shape, one part an axis."""
    return called_numpy("_npi_indices", (), {"dimensions": dimensions, "dtype": name_of(dtype), "ctx": place(ctx)})


def hanning(M: int, dtype: Any = "float32", ctx: Any = None) -> Symbol:
    """Hann's window of ``M`` points."""
    return called_numpy("_npi_hanning", (), {"M": M, "dtype": name_of(dtype), "ctx": place(ctx)})


def hamming(M: int, dtype: Any = "float32", ctx: Any = None) -> Symbol:
    """Hamming's window of ``M`` points."""
    return called_numpy("_npi_hamming", (), {"M": M, "dtype": name_of(dtype), "ctx": place(ctx)})


def blackman(M: int, dtype: Any = "float32", ctx: Any = None) -> Symbol:
    """Blackman's window of ``M`` points."""
    return called_numpy("_npi_blackman", (), {"M": M, "dtype": name_of(dtype), "ctx": place(ctx)})
