"""The classic operators: one table by MXNet's names, filled by one decorator.

``nd.X``, ``F.X`` in a hybridized block and ``sym.X`` all find their function here, so that each is
written once. Every function takes arrays first and then MXNet's parameters under MXNet's names.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet import core
from hybridnet.errors import check_call
from hybridnet.ndarray.classic import NDArray, finish

#: Every classic function by each of its names.
OPERATORS: dict[str, Callable[..., Any]] = {}


_NONE: Mapping[str, str] = {}


def operator(*names: str, writes: bool = False, also: Mapping[str, str] = _NONE) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function under its names, with what all classic operators have.

    ``out=``: an array (or several) that receives the result and is returned. ``name=`` is for
    symbols and is ignored. ``also`` maps further names of arguments to those of the function. The
    function sees plain arrays, under NumPy's rules (or, since it ``writes`` to some of them, the
    arrays themselves). Results are of the class of the inputs: if any is an ``nd.NDArray``, or
    there are none, ``nd.NDArray`` without zero dimensions.
    """

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def classic(*args: Any, out: Any = None, name: str | None = None, **kwargs: Any) -> Any:
            cls = _class_of(args, kwargs)
            if cls is NDArray and not writes:
                args, kwargs = _plain(args), {key: _plain(value) for key, value in kwargs.items()}
            for theirs in also.keys() & kwargs.keys():
                kwargs[also[theirs]] = kwargs.pop(theirs)
            try:
                result = finish(function(*args, **kwargs), cls)
            except TypeError:
                check_call(names[0], function, args, kwargs)
                raise
            return result if out is None else _deliver(result, out)

        classic.__name__ = classic.__qualname__ = names[0]
        classic.also = also  # type: ignore[attr-defined]
        for name in names:
            if name in OPERATORS:
                raise ValueError(f"classic operator {name!r} is registered twice")
            OPERATORS[name] = classic
        return classic

    return enter


def _class_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> type[core.NDArray]:
    found = False
    for x in (*args, *kwargs.values()):
        for item in x if isinstance(x, (list, tuple)) else (x,):
            if isinstance(item, NDArray):
                return NDArray
            found = found or isinstance(item, core.NDArray)
    return core.NDArray if found else NDArray


def _plain(x: Any) -> Any:
    """Arrays under NumPy's rules, which the functions are written for, whatever holds them."""
    return type(x)(map(_plain, x)) if type(x) in (tuple, list) else core.plain(x)


def _deliver(result: Any, out: Any) -> Any:
    if isinstance(result, list):
        for target, value in zip(out if isinstance(out, (list, tuple)) else [out], result, strict=False):
            target._assign(value)
    else:
        out._assign(result)
    return out


def keep_dtype(result: Any, like: Any) -> Any:
    """Classic results have the dtype of their input, where NumPy's would be wider or floating."""
    return result.astype(like._data.dtype, copy=False)


def arrays_of(args: tuple[Any, ...]) -> list[Any]:
    """What ``concat(a, b)`` and ``concat([a, b])`` both mean."""
    return list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else list(args)
