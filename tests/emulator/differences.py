"""Where CuPy computes otherwise than NumPy: functions that stand before NumPy's of the same names.

Found in the source of CuPy 14.2. Sums of 16 bits are accumulated in float32; products of matrices have the dtype of their operands;
what CuPy has no kernels for (sorting bfloat16, adding at indices in most dtypes, products of batches in bfloat16) is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALF = (np.dtype(np.float16), BFLOAT16)
#: What ``add.at`` and the other ``at`` take.
AT = {
    "add": "ilqeILQfd",
    "subtract": "iI",
    "maximum": "ilqILQfd",
    "minimum": "ilqILQfd",
    "bitwise_and": "ilqILQ",
    "bitwise_or": "ilqILQ",
    "bitwise_xor": "ilqILQ",
}


def _wide(name: str) -> Callable[..., Any]:
    """A reduction that accumulates 16-bit floats in float32."""
    numpy = getattr(np, name)

    def reduce(a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
        if a.dtype not in HALF:
            return numpy(a, axis=axis, dtype=dtype, keepdims=keepdims)
        return np.asarray(numpy(a.astype(np.float32), axis=axis, keepdims=keepdims)).astype(a.dtype if dtype is None else dtype)

    return reduce


sum, prod, mean = map(_wide, ("sum", "prod", "mean"))


def _moment(name: str) -> Callable[..., Any]:
    numpy = getattr(np, name)

    def reduce(a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False) -> Any:
        if a.dtype not in HALF:
            return numpy(a, axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims)
        return np.asarray(numpy(a.astype(np.float32), axis=axis, ddof=ddof, keepdims=keepdims)).astype(a.dtype)

    return reduce


var, std = map(_moment, ("var", "std"))


def matmul(x1: Any, x2: Any, out: Any = None, **options: Any) -> Any:
    dtype = np.result_type(x1, x2)
    if dtype == BFLOAT16 and max(x1.ndim, x2.ndim) > 2:
        raise TypeError("matmul of batches in bfloat16")
    if dtype in HALF:
        return np.matmul(x1.astype(np.float32), x2.astype(np.float32)).astype(dtype)
    return np.matmul(x1, x2)


def _sortable(a: Any, kind: Any) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    if a.dtype == BFLOAT16:
        raise NotImplementedError(f"Sorting arrays with dtype '{a.dtype}' is not supported")


def argsort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    _sortable(a, kind)
    return np.argsort(a, axis, kind="stable")


def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    _sortable(a, kind)
    return np.sort(a, axis, kind="stable")


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    if not isinstance(repeats, (int, np.integer, list, tuple)):
        raise ValueError("'repeats' should be int or sequence")
    return np.repeat(a, repeats, axis)


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "wrap") -> Any:
    """Indices out of range count around."""
    return np.take(a, indices, axis, mode="wrap")
