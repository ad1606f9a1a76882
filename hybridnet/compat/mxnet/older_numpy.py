"""Names that NumPy had when MXNet 1.x's programs were written, and has no longer.

MXNet 1.9.1 needs a NumPy below 1.24, so its programs may say ``numpy.float`` or ``numpy.Inf``. The alias gives NumPy those names back,
where it lacks them, with what they were.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np


def _names() -> dict[str, Any]:
    """What the names were."""
    types = {name: getattr(builtins, name) for name in ("int", "float", "complex", "object", "str")}
    types |= {"float_": np.float64, "complex_": np.complex128, "string_": np.bytes_, "unicode_": np.str_, "unicode": str}
    numbers = {**dict.fromkeys(("Inf", "Infinity", "infty", "PINF"), np.inf), **dict.fromkeys(("NaN", "NAN"), np.nan)}
    numbers |= {"NINF": -np.inf, "PZERO": 0.0, "NZERO": -0.0}
    functions: dict[str, Any] = {
        "alltrue": np.all,
        "sometrue": np.any,
        "product": np.prod,
        "cumproduct": np.cumprod,
        "round_": np.round,
        "row_stack": np.vstack,
        "trapz": getattr(np, "trapezoid", None),
        "asscalar": lambda a: np.asarray(a).item(),
        "asfarray": lambda a, dtype=np.float64: np.asarray(a, dtype),
        "in1d": lambda ar1, ar2, assume_unique=False, invert=False: np.isin(ar1, ar2, assume_unique, invert).ravel(),
        "msort": lambda a: np.sort(a, axis=0),
    }
    return types | numbers | functions


def restore() -> None:
    """Enter them, where NumPy has not these names. It is as if the program did so: nothing of NumPy's own changes."""
    present = vars(np)
    for name, value in _names().items():
        if name not in present and value is not None:
            setattr(np, name, value)
