"""Arrays as sets: the distinct elements, what several have in common. The shape depends on values, so most is eager only."""

from __future__ import annotations

from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.core import ArrayLike, NDArray, call, wrap
from hybridnet.errors import ArgumentError, fail
from hybridnet.ops.array.gather import take
from hybridnet.ops.array.shape import concatenate, reshape
from hybridnet.ops.common import normalize_axis, tensor


def unique(
    ar: ArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The distinct elements (or slices along ``axis``), sorted whatever ``sorted`` is; eager only.

    With the flags also where each first stood, which of them each element is, and how often each came. NaN are one element unless
    ``equal_nan`` is false.
    """
    ar = tensor(ar)
    if axis is not None:
        axis = normalize_axis("unique", axis, ar.ndim)
    flags = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    found = ar.device.xp.unique(ar._concrete("unique"), **flags, axis=axis, equal_nan=equal_nan)
    return tuple(wrap(type(ar), f, ar.device) for f in found) if isinstance(found, tuple) else wrap(type(ar), found, ar.device)


class UniqueAllResult(NamedTuple):
    """The distinct values, where each first stood, which of them each element is, and how often each came."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    """The distinct values, and how often each came."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """The distinct values, and which of them each element is."""

    values: Any
    inverse_indices: Any


def unique_all(x: ArrayLike) -> UniqueAllResult:
    """The distinct elements of the flattened array, sorted, with all that can be said of them; the inverse has the shape of ``x``.

    Each NaN is distinct, here and in the three that follow, as the array API standard has it. Eager only.
    """
    x = tensor(x)
    values, indices, inverse, counts = unique(x, True, True, True, equal_nan=False)
    return UniqueAllResult(values, indices, reshape(inverse, x.shape), counts)


def unique_counts(x: ArrayLike) -> UniqueCountsResult:
    """The distinct elements of the flattened array, sorted, and how often each came; eager only."""
    return UniqueCountsResult(*unique(x, return_counts=True, equal_nan=False))


def unique_inverse(x: ArrayLike) -> UniqueInverseResult:
    """The distinct elements of the flattened array, sorted, and in the shape of ``x`` which of them each is; eager only."""
    x = tensor(x)
    values, inverse = unique(x, return_inverse=True, equal_nan=False)
    return UniqueInverseResult(values, reshape(inverse, x.shape))


def unique_values(x: ArrayLike, *, sorted: bool = True) -> Any:
    """The distinct elements of the flattened array in one dimension, sorted whatever ``sorted`` is; eager only."""
    return unique(x, equal_nan=False)


def _flat_pair(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Both arrays flattened, in the dtype that they promote to."""
    x1 = tensor(x1, x2 if isinstance(x2, NDArray) else None)
    x2 = tensor(x2, x1)
    dtype = dtypes.promote(x1.dtype, x2.dtype)
    return reshape(x1.astype(dtype, copy=False), -1), reshape(x2.astype(dtype, copy=False), -1)


def isin(element: ArrayLike, test_elements: ArrayLike, assume_unique: bool = False, invert: bool = False, kind: str | None = None) -> Any:
    """Whether each of ``element`` is among ``test_elements``.

    Bools of the shape of ``element``; ``test_elements`` is of any shape. ``assume_unique`` and ``kind`` (``sort``, ``table`` or None,
    else ArgumentError) change nothing: all pairs are compared.
    """
    if kind not in (None, "sort", "table"):
        fail(ArgumentError, "isin", expected="kind sort, table or None", got=repr(kind))
    element = tensor(element)
    tested = reshape(tensor(test_elements, element), -1)
    same = call("equal", reshape(element, (*element.shape, 1)), tested)
    among = call("any", same, axis=(element.ndim,), keepdims=False)
    return call("logical_not", among) if invert else among


def in1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each of ``ar1``, flattened, is among ``ar2``: NumPy 1's name of :func:`isin`."""
    return isin(reshape(tensor(ar1), -1), ar2, assume_unique, invert)


def union1d(ar1: ArrayLike, ar2: ArrayLike) -> Any:
    """The distinct elements of both arrays, sorted; eager only.

    Arrays of any shapes are flattened; gives one dimension, of a length that depends on the values.
    """
    return unique(concatenate(_flat_pair(ar1, ar2)))


def intersect1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The distinct elements that both arrays hold, sorted; eager only.

    Arrays of any shapes are flattened; gives one dimension, of a length that depends on the values. With ``return_indices`` also
    where each first stands in both.
    """
    a, b = _flat_pair(ar1, ar2)
    if not return_indices:
        return unique(a[isin(a, b)])
    (a, in_a), (b, in_b) = unique(a, return_index=True), unique(b, return_index=True)
    return a[isin(a, b)], take(in_a, _places(isin(a, b))), take(in_b, _places(isin(b, a)))


def _places(mask: Any) -> Any:
    return wrap(type(mask), mask._concrete("intersect1d").nonzero()[0], mask.device)


def setdiff1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Any:
    """The distinct elements of ``ar1`` that ``ar2`` does not hold, sorted; with ``assume_unique`` in their order. Eager only.

    Arrays of any shapes are flattened; gives one dimension, of a length that depends on the values, in the dtype of ``ar1``.
    """
    a = reshape(tensor(ar1, ar2 if isinstance(ar2, NDArray) else None), -1)
    left = a[isin(a, ar2, invert=True)]
    return left if assume_unique else unique(left)


def setxor1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Any:
    """The distinct elements that one array holds and the other does not, sorted; eager only.

    Arrays of any shapes are flattened; gives one dimension, of a length that depends on the values.
    """
    a, b = _flat_pair(ar1, ar2)
    return unique(concatenate([a[isin(a, b, invert=True)], b[isin(b, a, invert=True)]]))
