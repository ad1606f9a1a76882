"""Where ``np`` differs from NumPy on purpose: in which calls, and why. ``docs/differences.md`` has them for users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Applies = Callable[[Any, str], bool]


def _dtypes(call: Any) -> list[np.dtype[Any]]:
    from support.numpy_agreement import arrays_in

    return [x.dtype for x in arrays_in([*call.args, *call.kwargs.values()])]


def _of_integers(call: Any, how: str) -> bool:
    return all(d.kind in "iub" for d in _dtypes(call))


def _of_halves(call: Any, how: str) -> bool:
    return np.dtype(np.float16) in _dtypes(call)


def _of_numbers(call: Any, how: str) -> bool:
    return "dtype" not in call.kwargs and ": dtype int64, ours float32" in f": {how}"


def _as_integers(call: Any, how: str) -> bool:
    return call.kwargs.get("dtype") in ("int64", "int32", "uint8", "bool")


def _of_nothing(call: Any, how: str) -> bool:
    return not call.args[0].size


def _says(*words: str) -> Applies:
    return lambda call, how: any(w in how for w in words)


#: (functions, in which of their calls, why).
ON_PURPOSE: list[tuple[str, Applies, str]] = [
    ("arange full", _of_numbers, "new arrays of Python's numbers are float32, as MXNet's"),
    ("reciprocal", _of_integers, "1 / x of integers is float32, not cut to 0 or 1"),
    ("spacing", _of_halves, "NumPy's spacing of negative float16 has the wrong sign"),
    ("spacing", _of_integers, "of integers it is that of float32, which results are"),
    ("unwrap", _of_integers, "integers are made floating first; NumPy's differences of unsigned ones wrap around"),
    ("polymul", _says("shape"), "leading zeros of an operand stay, so that the shape does not depend on values"),
    ("var std mean nanvar nanstd nanmean", _as_integers, "with an integer dtype it is computed in floats, and cast at the end"),
    ("partition argpartition", _says("values"), "elements besides those at kth are in any order: sorted"),
    ("nanpercentile nanquantile", _of_nothing, "quantiles of nothing are NaN in the shape that others would have"),
    ("argsort", lambda call, how: call.kwargs.get("kind") in ("quicksort", "heapsort"), "sorting is stable, whatever kind is asked"),
    ("trapezoid", _says("expected x of length"), "x of another length is refused, not broadcast"),
    ("common_type", _says("float32"), "integers count as float32, the default type"),
    ("sort_complex", _says("ours complex64"), "complex numbers of all but float64 are complex64"),
    ("unique_values", _says("values"), "values are sorted, whatever sorted= is"),
    ("cov", _says("expected a floating dtype"), "an integer dtype is refused for nothing too"),
    ("cov", _says("ours float32", "ours float16"), "dtype is that of the result, whatever weights are of"),
    ("select", _says("refuses"), "a default that the choices' dtype does not hold is refused, not wrapped around"),
]


def reason(call: Any, how: str) -> str:
    """Why a call differs on purpose, or ""."""
    return next((why for names, applies, why in ON_PURPOSE if call.name in names.split() and applies(call, how)), "")
