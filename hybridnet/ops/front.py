"""What a front end puts around the functions of this package: ``out=``, ``where=``, ``dtype=``, the array class.

Functions of arrays are written for NumPy's rules. Handed arrays of another vocabulary's class,
they compute on plain handles to the same data, and their results get that class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.core import NDArray, as_class, asarray, plain
from hybridnet.errors import DtypeError, check_call, fail
from hybridnet.ops.array.selection import where as choose


def front(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` for arrays of any class, also taking ``out=``.

    ``out``: an array that receives the result and is returned; for several results a tuple of
    arrays, or of ``None`` for those to leave.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        cls = _class_beside_plain(args) or (_class_beside_plain(kwargs.values()) if kwargs else None)
        try:
            if cls is None:
                result = function(*args, **kwargs)
            else:
                result = _as_class(function(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()}), cls)
        except TypeError:
            check_call(function.__name__, function, args, kwargs)
            raise
        return result if out is None else _deliver(function.__name__, result, out)

    return wrapper


def elementwise(function: Callable[..., Any], operands: int) -> Callable[..., Any]:
    """:func:`front` of what is a ufunc of so many ``operands`` in NumPy: also with ``where=`` and ``dtype=``.

    ``where``: a mask of the elements to compute; the others keep what ``out`` holds, and are 0 without it. ``dtype``: what
    is computed in. ``out`` may follow the operands.
    """
    compute = front(function)

    @functools.wraps(function)
    def wrapper(*args: Any, out: Any = None, where: Any = True, dtype: Any = None, **kwargs: Any) -> Any:
        if len(args) > operands and out is None:
            args, out = args[:operands], args[operands:] if len(args) > operands + 1 else args[operands]
        if dtype is None:
            result = compute(*args, **kwargs)
        else:
            result = _in_dtype(compute, args, kwargs, dtypes.as_dtype(dtype))
        if where is not True:
            kept = out[0] if isinstance(out, tuple) else out
            result = choose(where, result, 0 if kept is None else kept)
        return result if out is None else _deliver(function.__name__, result, out)

    return wrapper


def _in_dtype(compute: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], dtype: dtypes.Dtype) -> Any:
    """What is computed of the operands cast to ``dtype``, in which the result is too."""
    name, boolean = compute.__name__, dtype == dtypes.bool_
    arrays = [x if isinstance(x, (NDArray, int, float)) else asarray(x) for x in args]
    for x in arrays:
        if isinstance(x, NDArray) and dtypes.is_floating(x.dtype) and not (boolean or dtypes.is_floating(dtype)):
            fail(DtypeError, name, expected="a floating dtype for floating operands", got=str(dtype), fix=".astype of the result")
    if not boolean:  # of truth values it is the result's alone
        arrays = [x.astype(dtype, copy=False) if isinstance(x, NDArray) else x for x in arrays]
    result = compute(*arrays, **kwargs)
    for y in result if isinstance(result, tuple) else (result,):
        if (y.dtype == dtypes.bool_) != boolean:
            fail(DtypeError, name, expected=f"a dtype that its results can have, as {y.dtype}", got=str(dtype))
    return tuple(y.astype(dtype, copy=False) for y in result) if isinstance(result, tuple) else result.astype(dtype, copy=False)


def _class_beside_plain(args: Any) -> type[NDArray] | None:
    """The class of the first array that is not a plain one."""
    for x in args:
        kind = type(x)
        if kind is list or kind is tuple:
            if (found := _class_beside_plain(x)) is not None:
                return found
        elif kind is not NDArray and issubclass(kind, NDArray):
            return kind
    return None


def _plain(x: Any) -> Any:
    return type(x)(map(_plain, x)) if type(x) in (list, tuple) else plain(x)


def _as_class(result: Any, cls: type[NDArray]) -> Any:
    if isinstance(result, NDArray):
        return as_class(result, cls)
    return type(result)(_as_class(r, cls) for r in result) if type(result) in (list, tuple) else result


def _deliver(op: str, result: Any, out: Any) -> Any:
    if isinstance(out, (tuple, list)):
        results = result if isinstance(result, (tuple, list)) else (result,)
        return tuple(r if o is None else _deliver(op, r, o) for r, o in zip(results, out, strict=True))
    if not isinstance(out, NDArray):
        fail(DtypeError, op, expected="out to be one of our arrays", got=type(out).__name__, fix="np.array(out)")
    out._assign(result)
    return out
