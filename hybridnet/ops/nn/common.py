"""What the neural network operators share: wide arithmetic for 16-bit types, shapes of parameters, choices of words.

Relies on the core and on :mod:`hybridnet.ops.common`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hybridnet import dtypes
from hybridnet.core import apply, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import FULL
from hybridnet.ops.math.wide import in_wide, narrow, wide, wide_dtype

__all__ = ["along", "as_part", "as_tuple", "fill_like", "in_wide", "narrow", "one_of", "sum_to", "wide", "wide_dtype"]


def as_part(bias: Any, y: Any) -> Any:
    """A float32 bias of 16-bit sums in their type, as a part of the product that they are. The shape stays."""
    return narrow(bias, y.dtype) if bias.dtype == wide_dtype(y.dtype) else bias


def along(x: Any, axis: int, ndim: int) -> Any:
    """A one-dimensional array as one that lies along ``axis`` of ``ndim`` dimensions."""
    return call("reshape", x, shape=tuple(x.shape[0] if i == axis else 1 for i in range(ndim)))


def fill_like(x: Any, shape: tuple[int, ...], value: float, dtype: dtypes.Dtype | None = None) -> Any:
    """A constant of the class, device and (unless given) dtype of ``x``. It has ``shape``, whatever that of ``x``."""
    return apply(FULL, (), {"shape": shape, "value": value, "dtype": dtype or x.dtype}, x.device, type(x))


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` summed over the axes that have length 1 in ``shape`` (of as many dimensions)."""
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return call("sum", x, axis=axes, keepdims=True) if axes else x


def one_of(op: str, name: str, value: Any, choices: Collection[Any]) -> Any:
    """``value`` if it is one of ``choices``, else an ArgumentError that lists them."""
    if value not in choices:
        fail(ArgumentError, op, expected=f"{name} " + ", ".join(map(str, choices)), got=repr(value))
    return value


def as_tuple(op: str, name: str, value: Any, n: int, default: int) -> tuple[int, ...]:
    """``value`` as ``n`` integers: a number stands for ``n`` of them, ``None`` and () for the default.

    ShapeError if there are not ``n``.
    """
    if value is None or value == ():
        return (default,) * n
    if isinstance(value, int):
        return (value,) * n
    found = tuple(int(v) for v in value)
    if len(found) != n:
        fail(ShapeError, op, expected=f"{n} numbers for {name}, one a spatial axis", got=str(found))
    return found
