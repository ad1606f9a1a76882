"""Operators that are computed on the host: what comes next depends on values that have been found before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Spec


def on_host(infer: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The ``compute`` of an operator from a function of NumPy arrays, which sees only what ``infer`` lets pass.

    The function is handed 16-bit floats as float32; its floating results get the dtype of the first floating input. Of a device's arrays
    it gets copies, and what it gives is brought back.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def compute(xp: Any, *data: Any, **attrs: Any) -> Any:
            infer(*(Spec(x.shape, x.dtype) for x in data), **attrs)
            floating = next((x.dtype for x in data if dtypes.is_floating(x.dtype)), None)
            found = function(*map(_wide, data), **attrs)
            if isinstance(found, tuple):
                return tuple(_back(xp, y, floating) for y in found)
            return _back(xp, found, floating)

        return compute

    return enter


def _wide(x: Any) -> Any:
    host = x if isinstance(x, np.ndarray) else x.get()
    return host.astype(np.float32) if dtypes.is_floating(host.dtype) and host.dtype.itemsize == 2 else host


def _back(xp: Any, y: Any, floating: Any) -> Any:
    return xp.asarray(y.astype(floating, copy=False) if floating is not None and dtypes.is_floating(y.dtype) else y)
