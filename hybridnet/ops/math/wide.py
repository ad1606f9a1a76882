"""Wide arithmetic for the 16-bit floating types: what is made of several operators is computed in float32 and rounded once.

A sum, a square or a product of values that fit in 16 bits need not fit itself, though the mean, the root or the
quotient made of it does. So a composite widens its operands, computes, and narrows its results.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from hybridnet import dtypes
from hybridnet.core import NDArray, call

Function = TypeVar("Function", bound=Callable[..., Any])


def wide_dtype(dtype: dtypes.Dtype) -> dtypes.Dtype:
    """The dtype that sums are made in: float32 for the 16-bit floating types, else ``dtype``."""
    return dtypes.float32 if dtype.itemsize == 2 and dtypes.is_floating(dtype) else dtype


def wide(x: Any) -> Any:
    """``x`` in the dtype that sums are made in."""
    given = x._data.dtype
    dtype = wide_dtype(given)
    return x if dtype is given or dtype == given else call("cast", x, dtype=dtype)


def narrow(x: Any, dtype: dtypes.Dtype) -> Any:
    """A wide result back in the dtype of the operator's input."""
    given = x._data.dtype
    return x if dtype is given or dtype == given else call("cast", x, dtype=dtype)


def in_wide(function: Function) -> Function:
    """``function`` with its 16-bit operands widened, and its floating results in the type that the operands promote to."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found = [x.dtype for x in (*args, *kwargs.values()) if isinstance(x, NDArray) and dtypes.is_floating(x.dtype)]
        if not any(d.itemsize == 2 for d in found):
            return function(*args, **kwargs)
        result = function(*map(_widened, args), **{key: _widened(x) for key, x in kwargs.items()})
        dtype = functools.reduce(dtypes.promote, found)
        if isinstance(result, (tuple, list)):
            return type(result)(_narrowed(y, dtype) for y in result)
        return _narrowed(result, dtype)

    return wrapper  # type: ignore[return-value]


def _widened(x: Any) -> Any:
    return wide(x) if isinstance(x, NDArray) else x


def _narrowed(y: Any, dtype: dtypes.Dtype) -> Any:
    return narrow(y, dtype) if isinstance(y, NDArray) and dtypes.is_floating(y.dtype) else y
