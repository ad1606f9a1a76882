"""What is a ufunc in NumPy, as a function of ``np``: with the keywords that all ufuncs take.

NumPy itself is asked, with arrays of one element or with types alone, which loop a call means and whether it may cast to it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from hybridnet import dtypes
from hybridnet.core import NDArray, asarray
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.ops.array.rearrange import moveaxis
from hybridnet.ops.array.selection import where as choose
from hybridnet.ops.array.shape import expand_dims
from hybridnet.ops.vocabulary import NUMPY, Parameter, Signed, check_order, deliver, keyword

#: What a ufunc takes besides its operands and ``out``, by default; all arrays are in C order and of one class, whatever is asked.
_OF_UFUNCS: dict[str, Any] = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True, "signature": None}


def _ufunc_parameters(ufunc: np.ufunc) -> Iterator[Parameter]:
    yield Parameter("out", Parameter.POSITIONAL_OR_KEYWORD, default=None)
    yield from (keyword(name, default) for name, default in _OF_UFUNCS.items() if name != "where" or ufunc.signature is None)
    if ufunc.signature is not None:
        yield keyword("axes")
        if cores(ufunc).reduces:
            yield keyword("keepdims", False)


def elementwise(function: Callable[..., Any], ufunc: np.ufunc) -> Callable[..., Any]:
    """What is ``ufunc`` in NumPy, as a function of ``np``: with the keywords that all of those take.

    ``where``: a mask of the elements to compute; the others keep what ``out`` holds, and are 0 without it. ``dtype``: what is computed in,
    ``signature`` those of all operands and results ("dd->d", or a tuple), and ``casting`` what operands may become for it. ``out`` may
    follow the operands. A function of matrices takes ``axes``, a list of those that the matrices of each operand, and of the result, lie
    along; one that sums over an axis ``keepdims``; and no ``where``. ArgumentError for what does not go together.
    """
    compute, operands = NUMPY.wrap(function), ufunc.nin

    @functools.wraps(function)
    def wrapper(
        *args: Any,
        out: Any = None,
        where: Any = True,
        dtype: Any = None,
        casting: str = "same_kind",
        order: Any = None,
        subok: bool = True,
        signature: Any = None,
        axes: Any = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Any:
        if len(args) > operands and out is None:
            args, out = args[:operands], args[operands:] if len(args) > operands + 1 else args[operands]
        if order is not None:
            check_order(function.__name__, order)
        run = compute
        if axes is not None or keepdims:
            run = _along(ufunc, compute, axes, keepdims, kwargs.get("axis"))
        if signature is not None:
            if dtype is not None:
                fail(ArgumentError, function.__name__, expected="dtype or signature", got="both")
            result = _by_signature(run, ufunc, args, kwargs, signature, casting)
        elif dtype is None and casting == "same_kind":
            result = run(*args, **kwargs)
        else:
            result = _in_dtype(run, ufunc, args, kwargs, None if dtype is None else dtypes.as_dtype(dtype), casting)
        if where is not True:
            if ufunc.signature is not None:
                fail(ArgumentError, function.__name__, expected="no where: its results are not of single elements", got="one")
            result = _where(where, result, out)
        return result if out is None else deliver(function.__name__, result, out)

    wrapper.__wrapped__ = Signed(function, lambda: _ufunc_parameters(ufunc))
    return wrapper


def _where(where: Any, result: Any, out: Any) -> Any:
    """``result`` at the places of a mask, elsewhere what ``out`` holds, or 0."""
    if isinstance(result, tuple):
        return tuple(_where(where, r, o) for r, o in zip(result, out or (None,) * len(result), strict=True))
    kept = out[0] if isinstance(out, tuple) else out
    return choose(where, result, result.dtype.type(0).item() if kept is None else kept)


def _in_dtype(
    compute: Callable[..., Any], ufunc: np.ufunc, args: tuple[Any, ...], kwargs: dict[str, Any], dtype: dtypes.Dtype | None, casting: str
) -> Any:
    """What is computed by the loop of ``ufunc`` whose results are of ``dtype``, to which the operands are cast as ``casting`` allows."""
    arrays = [x if isinstance(x, (NDArray, int, float)) else asarray(x) for x in args]
    results = _results(ufunc, arrays, dtype, casting)
    if dtype is None:
        return compute(*arrays, **kwargs)
    if not _asks_truth(ufunc):  # then it is the result's alone
        own = arrays[1:] if ufunc is np.ldexp else []  # whose exponent is an integer whatever the result is
        arrays = [x.astype(dtype, copy=False) if isinstance(x, NDArray) else x for x in arrays[: len(arrays) - len(own)]] + own
    result = compute(*arrays, **kwargs)
    if isinstance(result, tuple):
        return tuple(y.astype(d, copy=False) for y, d in zip(result, results, strict=True))
    return result.astype(results[0], copy=False)


@functools.cache
def _asks_truth(ufunc: np.ufunc) -> bool:
    """Whether a ufunc gives truth values for numbers, as comparisons do."""
    return any(inputs.strip("?") and results == "?" for inputs, results in (loop.split("->") for loop in ufunc.types))


def _results(ufunc: np.ufunc, arrays: list[Any], dtype: dtypes.Dtype | None, casting: str) -> list[dtypes.Dtype]:
    """The dtypes of a ufunc's results, asked for by ``dtype``; DtypeError if it has no such loop, or ``casting`` forbids what it takes.

    NumPy is asked, with arrays of one element.
    """
    given = [np.ones((1, 1), x.dtype) if isinstance(x, NDArray) else x for x in arrays]
    if len(given) != ufunc.nin or dtypes.bfloat16 in (dtype, *(x.dtype for x in arrays if isinstance(x, NDArray))):
        return [dtype or dtypes.default_float()] * ufunc.nout
    try:
        with np.errstate(all="ignore"):
            found = ufunc(*given, dtype=dtype, casting=casting)
    except (TypeError, ValueError) as error:
        fail(DtypeError, ufunc.__name__, expected=f"operands for dtype {dtype} and casting {casting!r}", got=" ".join(str(error).split()))
    return [y.dtype for y in (found if isinstance(found, tuple) else (found,))]


def _by_signature(
    compute: Callable[..., Any], ufunc: np.ufunc, args: tuple[Any, ...], kwargs: dict[str, Any], signature: Any, casting: str
) -> Any:
    """What is computed by the loop of ``ufunc`` of these types; DtypeError if there is none, or ``casting`` forbids its operands."""
    arrays = [x if isinstance(x, (NDArray, int, float, complex)) else asarray(x) for x in args]
    given = [x.dtype if isinstance(x, NDArray) else type(x) for x in arrays]
    try:
        loop = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout), signature=signature, casting=casting)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        expected = f"operands for the signature {signature!r} and casting {casting!r}"
        fail(DtypeError, ufunc.__name__, expected=expected, got=" ".join(str(error).split()))
    types = [dtypes.as_dtype(d) for d in loop]
    result = compute(*[asarray(x).astype(d, copy=False) for x, d in zip(arrays, types, strict=False)], **kwargs)
    if isinstance(result, tuple):
        return tuple(y.astype(d, copy=False) for y, d in zip(result, types[ufunc.nin :], strict=True))
    return result.astype(types[ufunc.nin], copy=False)


# -- functions of matrices and vectors -----------------------------------------------------------------


class Cores(NamedTuple):
    """The axes that a generalized ufunc computes over, by name, of its operands and of its result; a "?" may be missing."""

    operands: list[list[str]]
    result: list[str]

    @property
    def reduces(self) -> bool:
        """Whether it sums over axes that all operands have as many of, so that the result has none."""
        return not self.result and len({len(names) for names in self.operands}) == 1

    def of(self, dims: Sequence[int]) -> Cores:
        """Those of operands with so many dimensions: a vector has not what may be missing."""
        found = [
            [n for n in names if not n.endswith("?")] if ndim < len(names) else names
            for names, ndim in zip(self.operands, dims, strict=True)
        ]
        gone = {n for names, kept in zip(self.operands, found, strict=True) for n in names if n not in kept}
        return Cores(found, [n for n in self.result if n not in gone])


@functools.cache
def cores(ufunc: np.ufunc) -> Cores:
    """The axes that a generalized ufunc computes over."""
    operands, result = (re.findall(r"\(([^)]*)\)", side) for side in str(ufunc.signature).split("->"))
    return Cores([x.split(",") if x else [] for x in operands], result[0].split(",") if result[0] else [])


def _along(ufunc: np.ufunc, compute: Callable[..., Any], axes: Any, keepdims: bool, axis: Any) -> Callable[..., Any]:
    """A function of matrices, computed where they lie along other axes than the last."""
    name = ufunc.__name__
    if ufunc.signature is None or (keepdims and not cores(ufunc).reduces):
        given = "axes" if axes is not None else "keepdims"
        fail(ArgumentError, name, expected=f"no {given}, which is for what computes over axes", got=f"{given}={axes or keepdims}")
    if axes is not None and axis is not None:
        fail(ArgumentError, name, expected="axis or axes", got="both")

    def run(*args: Any, **kwargs: Any) -> Any:
        operands = [x if isinstance(x, NDArray) else asarray(x) for x in args]
        known = cores(ufunc).of([x.ndim for x in operands])
        counts = [*map(len, known.operands), len(known.result) or int(keepdims)]
        told = axes
        if axes is None:
            told = () if axis is None else [axis] * (len(counts) if keepdims else len(operands))
        at = _places(name, told, counts, not cores(ufunc).result)
        moved = [moveaxis(x, places, tuple(range(-len(places), 0))) for x, places in zip(operands, at, strict=False)]
        kwargs.pop("axis", None)
        result = compute(*moved, **kwargs)
        if keepdims:
            result = expand_dims(result, -1)
        return moveaxis(result, tuple(range(-counts[-1], 0)), at[-1]) if counts[-1] else result

    return run


def _places(name: str, axes: Any, counts: Sequence[int], optional: bool) -> list[tuple[int, ...]]:
    """Along which axes each operand, and the result, is computed: the last ones where it is not said.

    ``optional``: whether it need not be said of the result.
    """
    told = [(x,) if isinstance(x, int) else tuple(x) for x in axes]
    found = told + [tuple(range(-n, 0)) for n in counts[len(told) :]]
    if told and (len(told) < len(counts) - optional or [*map(len, found)] != [*counts]):
        expected = f"axes, a list of {', '.join(map(str, counts))} axes of the operands and the result"
        fail(ArgumentError, name, expected=expected, got=repr(axes))
    return found
