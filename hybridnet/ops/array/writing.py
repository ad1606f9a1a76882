"""Functions that write to their argument: its elements by mask, by place, on the diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.ops.array import gather, rearrange, selection, shape
from hybridnet.ops.common import tensor


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write the values of ``src``, broadcast and cast, into ``dst``, where ``where`` holds. DtypeError for what ``casting`` forbids."""
    given = src.dtype if hasattr(src, "dtype") else None
    if given is not None and dtypes.bfloat16 not in (given, dst.dtype) and not np.can_cast(given, dst.dtype, casting):  # type: ignore[arg-type]
        fail(DtypeError, "copyto", expected=f"what {casting!r} casts to {dst.dtype}", got=str(given))
    dst[...] = src if where is True else selection.where(where, tensor(src, dst).astype(dst.dtype, copy=False), dst)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write ``val``, a number or numbers in turn, to the main diagonal of ``a``, in place.

    As long as the shortest axis; of a tall matrix with ``wrap`` it begins anew below. ArgumentError for fewer than two dimensions, or
    more that differ in length.
    """
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        fail(ArgumentError, "fill_diagonal", expected="a matrix, or more axes, all of one length", got=f"shape {a.shape}")
    if a.ndim == 2:
        step = a.shape[1] + 1
        places = np.arange(0, a.size if wrap else a.shape[1] * a.shape[1], step)
        places = places[places < a.size]
        index = np.unravel_index(places, a.shape)
    else:
        index = (np.arange(a.shape[0]),) * a.ndim
    count = len(index[0])
    values = tensor(val, a).astype(a.dtype, copy=False)
    a[tuple(tensor(i, a) for i in index)] = rearrange.resize(values, (count,)) if values.ndim and count else values


def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write ``vals`` in turn to the elements of ``arr`` where ``mask``, of its shape, holds; ArgumentError for another size."""
    mask = _of_size("place", arr, mask)
    vals = shape.reshape(tensor(vals, arr), -1).astype(arr.dtype, copy=False)
    if not vals.size:
        if bool(mask.any()):
            fail(ArgumentError, "place", expected="a value or more", got="none")
        return
    order = call("cumsum", call("cast", mask, dtype=dtypes.int64), axis=0) - 1
    _write(arr, mask, gather.take(vals, call("mod", order, vals.shape[0])))


def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write ``values``, repeated to the size of ``a``, to its elements where ``mask``, of its shape, holds.

    ArgumentError for a mask of another size.
    """
    mask = _of_size("putmask", a, mask)
    values = shape.reshape(tensor(values, a), -1).astype(a.dtype, copy=False)
    if values.size:
        _write(a, mask, rearrange.resize(values, (a.size,)) if a.size else values)


def _of_size(op: str, a: Any, mask: Any) -> Any:
    mask = tensor(mask, a)
    if mask.size != a.size:
        fail(ArgumentError, op, expected=f"a mask of {a.size} elements", got=str(mask.size))
    return call("not_equal", shape.reshape(mask, -1), 0)


def _write(a: Any, mask: Any, values: Any) -> None:
    if a.size:
        a[...] = shape.reshape(selection.where(mask, values, shape.reshape(a, -1)), a.shape)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write ``v``, repeated to the number of places, to the places ``ind`` of ``a`` flattened; ``mode``: of places out of range."""
    ind = shape.reshape(tensor(ind, a), -1)
    flat = shape.reshape(a, -1).copy()
    places = gather.within("put", gather.as_indices("put", ind, a), flat.shape[0], mode)
    values = shape.reshape(tensor(v, a), -1).astype(a.dtype, copy=False)
    if places.shape[0]:
        flat[places] = rearrange.resize(values, places.shape)
        a[...] = shape.reshape(flat, a.shape)
