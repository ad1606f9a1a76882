"""Operators of ``np`` that move, join and part elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet import dtypes
from hybridnet.ndarray.attributes import Array, Dtype, Shape, Shapes
from hybridnet.ndarray.record import numbered
from hybridnet.ndarray.types import always
from hybridnet.numpy.functions import FUNCTIONS as NUMPY
from hybridnet.numpy_extension.functions import FUNCTIONS as EXTENSION
from hybridnet.numpy_operators import types
from hybridnet.numpy_operators.register import numpy_operator


@numpy_operator("_np_reshape")
def reshape(a: Array, newshape: Shape, order: str = "C") -> Any:
    """The same elements in another shape; -1 is what makes up the size."""
    return NUMPY["reshape"](a, newshape)


@numpy_operator("_npx_reshape", "_npi_reshape")
def reshape_by_codes(a: Array, newshape: Shape, reverse: bool = False, order: str = "C") -> Any:
    """The same elements in another shape, with the codes of ``npx.reshape``."""
    return EXTENSION["reshape"](a, newshape, reverse)


@numpy_operator("_np_transpose")
def transpose(a: Array, axes: Shape | None = None) -> Any:
    """The axes in another order, by default reversed."""
    return NUMPY["transpose"](a, axes or None)


@numpy_operator("_np_squeeze")
def squeeze(a: Array, axis: Shape | None = None) -> Any:
    """Without axes of length 1: all, or those given."""
    return NUMPY["squeeze"](a, axis)


@numpy_operator("_np_moveaxis")
def moveaxis(a: Array, source: Shape, destination: Shape) -> Any:
    """Axes moved to other places, the others in their order."""
    return NUMPY["moveaxis"](a, source, destination)


@numpy_operator("_np_roll")
def roll(data: Array, shift: Shape | None = None, axis: Shape | None = None) -> Any:
    """Elements moved along axes, or along all as one; what leaves at one end comes in at the other."""
    shifts = shift or (0,)
    return NUMPY["roll"](data, shifts if axis is not None else sum(shifts), axis)


@numpy_operator("_npi_flip")
def flip(data: Array, axis: Shape | None = None) -> Any:
    """Reversed along axes, by default all."""
    return NUMPY["flip"](data, axis)


@numpy_operator("_npi_rot90")
def rot90(data: Array, k: int = 1, axes: Shape | None = None) -> Any:
    """Turned by 90° ``k`` times, from the first of two axes towards the second."""
    return NUMPY["rot90"](data, k, axes or (0, 1))


@numpy_operator("_npi_broadcast_to")
def broadcast_to(array: Array, shape: Shape = ()) -> Any:
    """Repeated to a shape that it broadcasts to."""
    return NUMPY["broadcast_to"](array, shape)


@numpy_operator("_np_copy")
def copy(a: Array) -> Any:
    """The same elements."""
    return NUMPY["copy"](a)


@numpy_operator("_np_diag")
def diag(data: Array, k: int = 0) -> Any:
    """The ``k``-th diagonal of a matrix, or the matrix that has it."""
    return NUMPY["diag"](data, k)


@numpy_operator("_np_diagflat")
def diagflat(data: Array, k: int = 0) -> Any:
    """The matrix with all elements on its ``k``-th diagonal."""
    return NUMPY["diagflat"](data, k)


@numpy_operator("_np_diagonal")
def diagonal(data: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices over two axes, along a new last axis."""
    return NUMPY["diagonal"](data, offset, axis1, axis2)


@numpy_operator("_np_trace")
def trace(data: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sums of the diagonals of the matrices over two axes."""
    return NUMPY["trace"](data, offset, axis1, axis2)


@numpy_operator("_npi_tril")
def tril(data: Array, k: int = 0) -> Any:
    """0 above the ``k``-th diagonal."""
    return NUMPY["tril"](data, k)


@numpy_operator("_npi_diag_indices_from", types=always(dtypes.int64))
def diag_indices_from(data: Array) -> Any:
    """The places of the main diagonal, one row an axis."""
    return NUMPY["stack"](NUMPY["diag_indices_from"](data))


@numpy_operator("_npi_pad")
def pad(data: Array, pad_width: Shapes, mode: str = "constant", constant_value: float = 0.0, reflect_type: str = "even") -> Any:
    """Elements added before and after along each axis, as ``pad_width`` says in pairs: a number, or what ``mode`` has there."""
    given: dict[str, Any] = {}
    if mode == "constant":
        given = {"constant_values": constant_value}
    elif mode in ("reflect", "symmetric"):
        given = {"reflect_type": reflect_type}
    return NUMPY["pad"](data, pad_width, mode, **given)


# -- joining --------------------------------------------------------------------------------------


@numpy_operator("_npi_concatenate", outputs=("out",), types=types.promoted)
def concatenate(*data: Array, num_args: int, axis: int | None = 0) -> Any:
    """Arrays one after another along an axis; without one all elements in a row."""
    return NUMPY["concatenate"](data, axis)


@numpy_operator("_npi_stack", types=types.promoted)
def stack(*data: Array, num_args: int, axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    return NUMPY["stack"](data, axis)


def _stacked(op: str, name: str, output: str) -> None:
    function: Callable[..., Any] = NUMPY[name]

    def operator(*data: Array, num_args: int) -> Any:
        return function(data)

    operator.__doc__ = function.__doc__
    numpy_operator(op, outputs=(output,), types=types.promoted)(operator)


for _op, _name, _output in (
    ("_npi_vstack", "vstack", "output"),
    ("_npi_hstack", "hstack", "out"),
    ("_npi_dstack", "dstack", "out"),
    ("_npi_column_stack", "column_stack", "output"),
):
    _stacked(_op, _name, _output)


def _at_least(dimensions: int) -> None:
    function: Callable[..., Any] = NUMPY[f"atleast_{dimensions}d"]

    def operator(*arys: Array, num_args: int) -> Any:
        found = [function(x) for x in arys]
        return found if len(found) > 1 else found[0]

    operator.__doc__ = function.__doc__
    numpy_operator(
        f"_np_atleast_{dimensions}d",
        outputs=lambda a: ("output",) if a["num_args"] == 1 else numbered(a["num_args"]),
        types=types.promoted,
    )(operator)


for _dimensions in (1, 2, 3):
    _at_least(_dimensions)


# -- parting --------------------------------------------------------------------------------------


def _split(name: str) -> None:
    function: Callable[..., Any] = NUMPY[name]

    def operator(data: Array, indices: Shape, axis: int = 1, squeeze_axis: bool = False, sections: int = 0) -> Any:
        return list(function(data, sections or list(indices)[1:]))

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", outputs=lambda a: numbered(a["sections"] or len(a["indices"])))(operator)


_split("hsplit")
_split("dsplit")


def _where(start: int | None, stop: int | None, step: int | None, int_ind: int | None) -> Any:
    return slice(start, stop, step) if int_ind is None else int_ind


@numpy_operator("_npi_delete", asked={"obj": lambda a: all(a[k] is None for k in ("start", "stop", "step", "int_ind"))}, types=always(None))
def delete(
    arr: Array,
    obj: Array | None = None,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    int_ind: int | None = None,
    axis: int | None = None,
) -> Any:
    """Without the elements at an index, in a slice, or at an array's indices."""
    return NUMPY["delete"](arr, _where(start, stop, step, int_ind) if obj is None else obj, axis)


@numpy_operator("_npi_insert_slice", asked={"values": lambda a: a["val"] is None})
@numpy_operator("_npi_insert_scalar", asked={"values": lambda a: a["val"] is None})
def insert(
    arr: Array,
    values: Array | None = None,
    val: float | None = None,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    int_ind: int | None = None,
    axis: int | None = None,
) -> Any:
    """With values, an array's or a number, before an index or those of a slice."""
    return NUMPY["insert"](arr, _where(start, stop, step, int_ind), val if values is None else values, axis)


@numpy_operator("_npi_insert_tensor", asked={"values": lambda a: a["val"] is None, "obj": lambda a: True})
def insert_tensor(
    arr: Array,
    values: Array | None = None,
    obj: Array | None = None,  # always there, after one that may not be
    val: float | None = None,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    int_ind: int | None = None,
    axis: int | None = None,
) -> Any:
    """With values before the indices that an array holds."""
    return NUMPY["insert"](arr, obj, val if values is None else values, axis)


@numpy_operator("_npi_unique", outputs=lambda a: _parts(a))
def unique(
    data: Array, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: int | None = None
) -> Any:
    """The different elements in order, and where asked their places, each element's number among them, and how many there are."""
    found = NUMPY["unique"](data, return_index, return_inverse, return_counts, axis)
    return list(found) if isinstance(found, tuple) else found


def _parts(a: Any) -> tuple[str, ...]:
    return numbered(1 + a["return_index"] + a["return_inverse"] + a["return_counts"])


@numpy_operator("_npx_nonzero", "_npi_nonzero", types=always(dtypes.int64))
def nonzero(x: Array) -> Any:
    """The indices of the elements that are not zero, one a row."""
    return EXTENSION["nonzero"](x)


@numpy_operator("_npx_constraint_check", types=types.truth)
def constraint_check(input: Array, msg: str = "Constraint violated.") -> Any:
    """True if every element holds, else an error with this message."""
    return EXTENSION["constraint_check"](input, msg)


@numpy_operator("_npi_share_memory", types=types.truth)
def share_memory(a: Array, b: Array) -> Any:
    """Whether two results lie in the same memory: those of a graph never do."""
    return NUMPY["zeros"]((), dtype="bool")


@numpy_operator("_npi_full_like", types=types.of_dtype)
def full_like(a: Array, fill_value: float, ctx: str = "", dtype: Dtype | None = None) -> Any:
    """A number in every place, in the shape and dtype of an array."""
    return NUMPY["full_like"](a, fill_value, dtype)
