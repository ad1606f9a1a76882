"""Operators of ``np`` that make arrays of numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.ndarray.attributes import Context, Dtype, Shape
from hybridnet.numpy.functions import FUNCTIONS as NUMPY
from hybridnet.numpy_operators.register import numpy_operator


def _filled(op: str, name: str) -> None:
    function: Callable[..., Any] = NUMPY[name]

    def operator(shape: Shape = (), ctx: Context | None = None, dtype: Dtype | None = "float32") -> Any:
        return function(shape, dtype=dtype, ctx=ctx)

    operator.__doc__ = function.__doc__
    numpy_operator(op)(operator)


_filled("_npi_zeros", "zeros")
_filled("_npi_ones", "ones")


@numpy_operator("_npi_identity")
def identity(shape: Shape = (), ctx: Context | None = None, dtype: Dtype | None = "float32") -> Any:
    """Ones on the diagonal of a square matrix."""
    return NUMPY["identity"](shape[0], dtype=dtype, ctx=ctx)


@numpy_operator("_npi_eye")
def eye(N: int, M: int | None = None, k: int = 0, ctx: Context | None = None, dtype: Dtype | None = "float32") -> Any:
    """Ones on the ``k``-th diagonal of an N×M matrix."""
    return NUMPY["eye"](N, M, k, dtype=dtype, ctx=ctx)


@numpy_operator("_npi_arange")
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    ctx: Context | None = None,
    dtype: Dtype | None = "float32",
) -> Any:
    """Evenly spaced numbers from ``start``, or 0, to below ``stop``."""
    return NUMPY["arange"](start, stop, step, dtype=dtype, ctx=ctx)


@numpy_operator("_npi_logspace")
def logspace(
    start: float,
    stop: float,
    num: int,
    endpoint: bool = True,
    base: float = 10.0,
    ctx: Context | None = None,
    dtype: Dtype | None = "float32",
) -> Any:
    """Powers of ``base`` with evenly spaced exponents."""
    return NUMPY["logspace"](start, stop, num, endpoint, base, dtype=dtype, ctx=ctx)


@numpy_operator("_npi_indices")
def indices(dimensions: Shape, dtype: Dtype | None = "int32", ctx: Context | None = None) -> Any:
    """The indices of an array of a shape, one part an axis."""
    return NUMPY["indices"](dimensions, dtype=dtype, ctx=ctx)


def _window(name: str) -> None:
    function: Callable[..., Any] = NUMPY[name]

    def operator(M: int, ctx: Context | None = None, dtype: Dtype | None = "float32") -> Any:
        return function(M, dtype=dtype, ctx=ctx)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}")(operator)


for _name in ("hanning", "hamming", "blackman"):
    _window(_name)
