"""Functions of single elements: ``np``'s under the standard's names, and those whose keywords or types differ."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.numpy.functions import FUNCTIONS as _np

_NAMES = """
    abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    conj copysign cos cosh divide equal exp expm1 floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal
    log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal pow
    real reciprocal remainder sign signbit sin sinh sqrt square subtract tan tanh
"""
#: The functions that are ``np``'s.
ELEMENTWISE: dict[str, Callable[..., Any]] = {name: _np[name] for name in _NAMES.split()}


def positive(x: Any, /) -> Any:
    """+x, a copy of an array of any shape."""
    return x.copy()


def ceil(x: Any, /) -> Any:
    """Each element rounded up; integers are whole, and copied."""
    return _np["ceil"](x)


def floor(x: Any, /) -> Any:
    """Each element rounded down; integers are whole, and copied."""
    return _np["floor"](x)


def trunc(x: Any, /) -> Any:
    """Each element rounded towards 0; integers are whole, and copied."""
    return _np["trunc"](x)


def round(x: Any, /) -> Any:
    """Each element rounded to the nearest whole number, halves to even; of complex numbers both parts."""
    return _np["around"](x)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Each element brought between two bounds, numbers or arrays that broadcast, in the type of ``x``."""
    if min is None and max is None:
        return x.copy()
    found = x
    for bound, name in ((min, "maximum"), (max, "minimum")):
        if bound is not None:
            found = _np[name](found, float(bound) if isinstance(bound, numbers.Real) and dtypes.is_floating(x.dtype) else bound)
    return found.astype(x.dtype, copy=False)
