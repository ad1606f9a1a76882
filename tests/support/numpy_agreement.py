"""One random call of a function of NumPy's, answered by NumPy and by ``np``, imperatively and compiled; whether the answers agree."""

from __future__ import annotations

import functools
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from support.numpy_arguments import ARGUMENTS, KEYWORDS, LEFT, OWN
from support.numpy_draws import Draws, keywords_of

import hybridnet as hn
from hybridnet import dtypes
from hybridnet.errors import TraceError


class Call(NamedTuple):
    """A function's name below ``np``, and its arguments in NumPy's arrays."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        parts = [_shown(x) for x in self.args] + [f"{key}={_shown(x)}" for key, x in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})"


def _shown(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]" + (f"={x.tolist()}" if x.size < 7 else "")
    if isinstance(x, (list, tuple)):
        return "[" + ", ".join(map(_shown, x)) + "]"
    return getattr(x, "__name__", repr(x))


def function_of(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def names() -> list[str]:
    """The functions that are compared: those that both have."""
    return sorted(n for n in ARGUMENTS if function_of(np, n) is not None and function_of(hn.np, n) is not None)


def call_of(name: str, number: int) -> Call:
    """The ``number``-th random call of a function; each keyword comes in a part of them."""
    d = Draws(zlib.crc32(name.encode()) + 7919 * number)
    args, kwargs = ARGUMENTS[name](d), {}
    for key in keywords_of(function_of(np, name)):
        value = OWN.get(f"{name}.{key}", KEYWORDS.get(key))
        if value is not None and not {key, f"{name}.{key}"} & LEFT and d.chance(0.25):
            kwargs[key] = value(d)
    if name == "clip" and {"min", "max"} & set(kwargs):  # which are given by one pair of names
        args, kwargs = args[:1], {key: x for key, x in kwargs.items() if key not in ("a_min", "a_max")}
    elif name == "clip" and {"a_min", "a_max"} & set(kwargs):
        args, kwargs = args[:1], kwargs | {"a_min": -1.5, "a_max": 2.5}
    return Call(name, args, kwargs)


# -- answers --------------------------------------------------------------------------------------


def arrays_in(x: Any) -> Iterator[Any]:
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, (list, tuple)):
        for item in x:
            yield from arrays_in(item)


def _replaced(x: Any, by: Iterator[Any]) -> Any:
    if isinstance(x, np.ndarray):
        return next(by)
    return type(x)(_replaced(item, by) for item in x) if isinstance(x, (list, tuple)) else x


def plain(result: Any) -> Any:
    """A result in NumPy's arrays, several as a list."""
    return [plain(r) for r in result] if isinstance(result, (list, tuple)) else np.asarray(result)


def _answer(compute: Callable[[], Any]) -> Any:
    """What is computed, in NumPy's arrays, or the error."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(compute())
        except Exception as error:
            return error


def answers(call: Call, compiled: bool = True) -> tuple[Any, Any, Any]:
    """NumPy's answer, ours, and ours ``compiled`` (or once more)."""
    every = [*call.args, *call.kwargs.values()]
    given = [hn.np.array(x) for x in arrays_in(every)]
    function = function_of(hn.np, call.name)

    def run(*arrays: Any) -> Any:
        values = _replaced(every, iter(arrays))
        return function(*values[: len(call.args)], **dict(zip(call.kwargs, values[len(call.args) :], strict=True)))

    theirs = _answer(lambda: function_of(np, call.name)(*call.args, **call.kwargs))
    ours = _answer(lambda: run(*given))
    found = theirs, ours, _answer(lambda: hn.jit(run)(*given)) if compiled else ours
    mask = call.kwargs.get("where")
    if mask is None or not isinstance(function_of(np, call.name), np.ufunc):
        return found
    return tuple(_masked(x, mask) for x in found)  # type: ignore[return-value]


def _masked(answer: Any, mask: Any) -> Any:
    """Results of a ufunc with 0 where nothing was computed, which NumPy leaves as the memory is."""
    if isinstance(answer, list):
        return [_masked(x, mask) for x in answer]
    return answer if isinstance(answer, Exception) else np.asarray(np.where(mask, answer, answer.dtype.type(0)))


# -- verdicts -------------------------------------------------------------------------------------

#: By the kind of floats that a call is of: relative tolerance.
_NEAR = {"float16": 1e-2, "float32": 2e-4, "float64": 2e-4}


def _expected(theirs: np.dtype[Any], given: list[np.dtype[Any]], asked: bool) -> set[np.dtype[Any]]:
    """NumPy's dtype, and of floating results: float32 where integers or Python's numbers went in, the floats' where floats did."""
    floats = [d for d in given if d.kind == "f"]
    if theirs.kind != "f" or asked:
        return {theirs}
    rule = functools.reduce(dtypes.promote, floats) if floats else np.dtype(np.float32)
    return {theirs, rule, *floats} if floats and len(floats) == len(given) else {theirs, rule, *floats, np.dtype(np.float32)}


def differing(theirs: Any, ours: Any, call: Call, where: str = "") -> str:
    """How two answers differ, or ""."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        if isinstance(theirs, Exception) and isinstance(ours, Exception):
            return ""
        odd = ours if isinstance(ours, Exception) else theirs
        text = " ".join(str(odd).split())[:160]
        return f"{'refuses' if odd is ours else 'NumPy refuses'}: {type(odd).__name__}: {text}"
    if isinstance(theirs, list) or isinstance(ours, list):
        if not (isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours)):
            return f"{where}another number of results"
        return next((how for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if (how := differing(a, b, call, f"result {i}: "))), "")
    if theirs.shape != ours.shape:
        return f"{where}shape {theirs.shape}, ours {ours.shape}"
    given = [x.dtype for x in arrays_in([*call.args, *call.kwargs.values()])]
    if ours.dtype not in _expected(theirs.dtype, given, "dtype" in call.kwargs and where in ("", "result 0: ")):
        return f"{where}dtype {theirs.dtype}, ours {ours.dtype}"
    if call.name in VALUELESS:
        return ""
    parts = [
        str(d).replace("complex64", "float32").replace("complex128", "float64")
        for d in (*given, ours.dtype, theirs.dtype)
        if d.kind in "fc"
    ]
    rough = min(parts or ["float64"], key=list(_NEAR).index)
    if theirs.dtype.kind not in "fc":
        return "" if np.array_equal(theirs, ours) else f"{where}values {_shown(theirs)}, ours {_shown(ours)}"
    wide = np.complex128 if "c" in theirs.dtype.kind + ours.dtype.kind else np.float64
    near, a, b = _NEAR[rough], theirs.astype(wide), ours.astype(wide)
    size = float(np.abs(a[np.isfinite(a)]).max(initial=0.1))
    return "" if np.allclose(b, a, rtol=near, atol=near * size, equal_nan=True) else f"{where}values {_shown(theirs)}, ours {_shown(ours)}"


#: Functions whose values do not matter.
VALUELESS = {"empty", "empty_like"}

#: Functions whose results' shape or Python value depends on values: no program can be compiled of them.
_BY_VALUE = """
    nonzero argwhere flatnonzero unique unique_all unique_counts unique_inverse unique_values real_if_close
    union1d intersect1d setdiff1d setxor1d compress extract bincount trim_zeros ix_ histogram
    histogram_bin_edges histogram2d histogramdd allclose array_equal array_equiv may_share_memory shares_memory poly roots polydiv
    linalg.lstsq
"""
BY_VALUE = {*_BY_VALUE.split()}


def verdict(call: Call) -> tuple[str, str]:
    """``agrees``, ``more`` (NumPy refuses what we answer), ``differs`` or ``compiled`` (only when compiled); and how."""
    theirs, ours, compiled = answers(call)
    how = differing(theirs, ours, call)
    if how:
        return ("more" if how.startswith("NumPy refuses") else "differs"), how
    if isinstance(ours, Exception) or (isinstance(compiled, TraceError) and call.name in BY_VALUE):
        return "agrees", ""
    how = differing(theirs, compiled, call)
    return ("compiled", how) if how else ("agrees", "")
