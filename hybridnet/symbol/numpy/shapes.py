"""Functions of ``sym.np`` that move, join and part elements, with MXNet's parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Number
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.symbol import Symbol, called_numpy


def ravel(x: Symbol, order: str = "C") -> Symbol:
    """All elements in a row."""
    return called_numpy("_npx_reshape", (x,), {"newshape": -1})


def expand_dims(a: Symbol, axis: int) -> Symbol:
    """With a new axis of length 1."""
    return called_numpy("expand_dims", (a,), {"axis": axis})


def swapaxes(a: Symbol, axis1: int, axis2: int) -> Symbol:
    """Two axes exchanged."""
    return called_numpy("SwapAxis", (a,), {"dim1": axis1, "dim2": axis2}, "swapaxes")


def broadcast_to(array: Symbol, shape: Any) -> Symbol:
    """Repeated to a shape that it broadcasts to."""
    return called_numpy("_npi_broadcast_to", (array,), {"shape": shape})


def flip(m: Symbol, axis: Any = None, out: Any = None) -> Symbol:
    """Reversed along axes, by default all."""
    return called_numpy("_npi_flip", (m,), {"axis": axis})


def flipud(m: Symbol) -> Symbol:
    """Reversed along the first axis."""
    return flip(m, 0)


def fliplr(m: Symbol) -> Symbol:
    """Reversed along the second axis."""
    return flip(m, 1)


def rot90(m: Symbol, k: int = 1, axes: Sequence[int] = (0, 1)) -> Symbol:
    """Turned by 90° ``k`` times, from the first of two axes towards the second."""
    return called_numpy("_npi_rot90", (m,), {"k": k, "axes": axes})


def tile(A: Symbol, reps: Any) -> Symbol:
    """Repeated as a whole along axes, as often as ``reps`` says."""
    return called_numpy("tile", (A,), {"reps": reps})


def resize(a: Symbol, new_shape: Any) -> Symbol:
    """The elements, in a row and again from the first on, in a shape, whose size may be another."""
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    places = called_numpy("_npi_arange", (), {"start": 0, "stop": math.prod(shape), "step": 1, "dtype": "int64"})
    found = called_numpy("take", (ravel(a), places), {"axis": 0, "mode": "wrap"})
    return called_numpy("_np_reshape", (found,), {"newshape": shape})


def pad(x: Symbol, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Symbol:
    """Elements added before and after along each axis, as ``pad_width`` says in pairs, by NumPy's modes.

    ``constant_values``: the number that is added; ``reflect_type``. ArgumentError for modes that MXNet has not, and for other arguments.
    """
    allowed = {"constant": {"constant_values"}, "reflect": {"reflect_type"}, "symmetric": {"reflect_type"}}
    if mode not in ("constant", "edge", "reflect", "symmetric", "maximum", "minimum"):
        fail(ArgumentError, "pad", expected="a mode of constant, edge, reflect, symmetric, maximum, minimum", got=repr(mode))
    for key in kwargs.keys() - allowed.get(mode, set()):
        fail(ArgumentError, "pad", expected=f"arguments that the mode {mode} takes", got=key)
    given: dict[str, Any] = {"pad_width": pad_width, "mode": mode}
    if mode == "constant":
        given["constant_value"] = kwargs.get("constant_values", 0)
    elif mode in ("reflect", "symmetric"):
        given["reflect_type"] = kwargs.get("reflect_type", "even")
    return called_numpy("_npi_pad", (x,), given)


def tril(m: Symbol, k: int = 0) -> Symbol:
    """0 above the ``k``-th diagonal."""
    return called_numpy("_npi_tril", (m,), {"k": k})


def diag_indices_from(arr: Symbol) -> Symbol:
    """The places of the main diagonal, one row an axis."""
    return called_numpy("_npi_diag_indices_from", (arr,), {})


# -- joining --------------------------------------------------------------------------------------


def concatenate(seq: Sequence[Symbol], axis: int | None = 0, out: Any = None) -> Symbol:
    """Symbols one after another along an axis; without one all elements in a row."""
    return called_numpy("_npi_concatenate", tuple(seq), {"axis": axis})


def append(arr: Symbol, values: Symbol, axis: int | None = None) -> Symbol:
    """``values`` after ``arr`` along an axis; without one all elements in a row."""
    return concatenate([arr, values], axis)


def stack(arrays: Sequence[Symbol], axis: int = 0, out: Any = None) -> Symbol:
    """Symbols of one shape along a new axis."""
    return called_numpy("_npi_stack", tuple(arrays), {"axis": axis})


def vstack(arrays: Sequence[Symbol], out: Any = None) -> Symbol:
    """Below one another: along the first of two axes or more."""
    return called_numpy("_npi_vstack", tuple(arrays), {})


row_stack = vstack


def hstack(arrays: Sequence[Symbol]) -> Symbol:
    """Beside one another: along the second axis, or the only one."""
    return called_numpy("_npi_hstack", tuple(arrays), {})


def dstack(arrays: Sequence[Symbol]) -> Symbol:
    """Behind one another: along the third axis."""
    return called_numpy("_npi_dstack", tuple(arrays), {})


def column_stack(tup: Sequence[Symbol]) -> Symbol:
    """As the columns of a matrix."""
    return called_numpy("_npi_column_stack", tuple(tup), {})


def _at_least(op: str, arys: Sequence[Symbol]) -> Symbol:
    return called_numpy(op, arys, {})


def atleast_1d(*arys: Symbol, **kwargs: Any) -> Symbol:
    """Each as an array of one axis or more; several are the outputs of one symbol."""
    return _at_least("_np_atleast_1d", arys)


def atleast_2d(*arys: Symbol, **kwargs: Any) -> Symbol:
    """Each as an array of two axes or more; several are the outputs of one symbol."""
    return _at_least("_np_atleast_2d", arys)


def atleast_3d(*arys: Symbol, **kwargs: Any) -> Symbol:
    """Each as an array of three axes or more; several are the outputs of one symbol."""
    return _at_least("_np_atleast_3d", arys)


# -- parting --------------------------------------------------------------------------------------


def _parts(op: str, ary: Symbol, indices_or_sections: Any, axis: int, hint: str = "") -> Any:
    given: dict[str, Any] = {"indices": [], "axis": axis, "squeeze_axis": False}
    if isinstance(indices_or_sections, int):
        given["sections"] = indices_or_sections
    else:
        given |= {"indices": [0, *indices_or_sections], "sections": 0}
    found = called_numpy(op, (ary,), given, hint)
    return list(found) if len(found) > 1 else found


def split(ary: Symbol, indices_or_sections: Any, axis: int = 0) -> Any:
    """A list of parts along an axis: so many equal ones, or those between indices."""
    return _parts("_split_v2", ary, indices_or_sections, axis, "split")


def array_split(ary: Symbol, indices_or_sections: Any, axis: int = 0) -> Any:
    """As :func:`split`, where the first of so many parts may be longer by one."""
    return split(ary, indices_or_sections, axis)


def vsplit(ary: Symbol, indices_or_sections: Any) -> Any:
    """Parts along the first axis."""
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Symbol, indices_or_sections: Any) -> Any:
    """Parts along the second axis, or the only one."""
    return _parts("_npi_hsplit", ary, indices_or_sections, 1)


def dsplit(ary: Symbol, indices_or_sections: Any) -> Any:
    """Parts along the third axis."""
    return _parts("_npi_dsplit", ary, indices_or_sections, 2)


def _range_of(obj: Any) -> dict[str, Any]:
    if isinstance(obj, slice):
        return {"start": obj.start, "stop": obj.stop, "step": obj.step}
    if not isinstance(obj, int):
        fail(ArgumentError, "delete or insert", expected="an integer, a slice or a symbol as obj", got=type(obj).__name__)
    return {"int_ind": obj}


def delete(arr: Symbol, obj: Any, axis: int | None = None) -> Symbol:
    """Without the elements at an index, in a slice, or at a symbol's indices."""
    if isinstance(obj, Symbol):
        return called_numpy("_npi_delete", (arr, obj), {"axis": axis})
    given = _range_of(obj)
    if isinstance(obj, slice) and obj.step is None:
        given["step"] = 1
    return called_numpy("_npi_delete", (arr,), {**given, "axis": axis})


def insert(arr: Symbol, obj: Any, values: Any, axis: int | None = None) -> Symbol:
    """With values, a symbol's or a number, before an index, those of a slice, or those that a symbol holds."""
    number = {"val": values} if isinstance(values, Number) else {}
    given = (arr,) if number else (arr, values)
    if isinstance(obj, Symbol):
        return called_numpy(
            "_npi_insert_tensor", (), {"arr": arr, "obj": obj, **({} if number else {"values": values}), **number, "axis": axis}
        )
    op = "_npi_insert_slice" if isinstance(obj, slice) else "_npi_insert_scalar"
    return called_numpy(op, given, {**number, **_range_of(obj), "axis": axis})


def unique(
    ar: Symbol, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: int | None = None
) -> Any:
    """The different elements in order, and where asked their places, each element's number among them, and how many there are."""
    given = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts, "axis": axis}
    return called_numpy("_npi_unique", (ar,), given)


def take(a: Symbol, indices: Symbol, axis: int | None = None, mode: str = "raise", out: Any = None) -> Symbol:
    """Parts along an axis by their indices; without one, elements of all in a row.

    ``mode``: ``clip`` or ``wrap``. ArgumentError for ``raise``, MXNet's default, which no graph can do.
    """
    if mode not in ("clip", "wrap"):
        fail(ArgumentError, "take", expected="the mode clip or wrap", got=repr(mode), fix="mode='clip'")
    if axis is None:
        return called_numpy("take", (ravel(a), indices), {"axis": 0, "mode": mode})
    return called_numpy("take", (a, indices), {"axis": axis, "mode": mode})


def unravel_index(indices: Symbol, shape: Any, order: str = "C") -> Symbol:
    """Indices of elements in a row as indices along each axis of ``shape``, one row an axis. ArgumentError for another order than C."""
    if order != "C":
        fail(ArgumentError, "unravel_index", expected="the order C", got=repr(order))
    return called_numpy("_unravel_index", (indices,), {"shape": shape}, "unravel_index")


def may_share_memory(a: Symbol, b: Symbol, max_work: int | None = None) -> Symbol:
    """Whether two results lie in the same memory: those of a graph never do."""
    return called_numpy("_npi_share_memory", (a, b), {})


shares_memory = may_share_memory
