"""NumPy's ``out=`` and ``where=``, given to a function of arrays by one decorator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hybridnet.core import NDArray
from hybridnet.errors import DtypeError, fail
from hybridnet.ops.pointwise import where as choose


def with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, also taking ``out=``: an array that receives the result and is returned.

    A function of several results takes a tuple of arrays, or of ``None`` for those to leave.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else _deliver(function.__name__, result, out)

    return wrapper


def with_where(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, also taking ``out=`` and ``where=``, a mask of the elements to compute.

    The others keep what ``out`` holds; without ``out`` they are 0.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, out: Any = None, where: Any = True, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if where is not True:
            kept = out[0] if isinstance(out, tuple) else out
            result = choose(where, result, 0 if kept is None else kept)
        return result if out is None else _deliver(function.__name__, result, out)

    return wrapper


def _deliver(op: str, result: Any, out: Any) -> Any:
    if isinstance(out, (tuple, list)):
        results = result if isinstance(result, (tuple, list)) else (result,)
        return tuple(r if o is None else _deliver(op, r, o) for r, o in zip(results, out, strict=True))
    if not isinstance(out, NDArray):
        fail(DtypeError, op, expected="out to be one of our arrays", got=type(out).__name__, fix="np.array(out)")
    out._assign(result)
    return out
