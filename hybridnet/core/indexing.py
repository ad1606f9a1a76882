"""Keys of ``x[key]``: from Python objects to hashable attributes plus array operands, and back.

A key becomes a template, one item a dimension of the key: ``("slice", start, stop, step)``,
``("int", i)``, ``("new",)`` for ``None``, ``("array",)`` for an index array, which travels as an
operand of the operator. An ellipsis is written out as full slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from hybridnet import dtypes
from hybridnet.core.array import Array
from hybridnet.core.op import broadcast_shapes
from hybridnet.errors import AxisError, DtypeError, fail

Template = tuple[tuple[Any, ...], ...]
_FULL = ("slice", None, None, None)
_BOUNDS = frozenset({int, type(None)})


def _index(value: Any) -> int:
    return value.__index__()


def _bound(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, Array):
        return int(value.item())  # type: ignore[attr-defined]
    return _index(value)


def plain_template(key: Any, shape: tuple[int, ...]) -> Template | None:
    """What :func:`encode` gives for the commonest keys, one slice or one integer of Python's; None for others."""
    if not shape:
        return None
    if key.__class__ is int:
        return (("int", key),) if -shape[0] <= key < shape[0] else None
    if key.__class__ is not slice:
        return None
    start, stop, step = key.start, key.stop, key.step
    if start.__class__ in _BOUNDS and stop.__class__ in _BOUNDS and step.__class__ in _BOUNDS:
        return () if start is stop is step is None else (("slice", start, stop, step),)
    return None


def encode(key: Any, shape: tuple[int, ...]) -> tuple[Template, list[Any]]:
    """The template of ``key`` for an array of ``shape``, and its index arrays.

    Index arrays are still NumPy arrays, lists or :class:`Array` s: the caller makes them arrays
    of its own class. Boolean masks are left as they are. AxisError for too many indices, a second ellipsis or an index out of
    range, DtypeError for one of another type.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    used = sum(_rank(k) for k in items)
    ellipses = sum(k is Ellipsis for k in items)
    if ellipses > 1 or used > len(shape):
        fail(AxisError, "index", expected=f"at most {len(shape)} indices and one ellipsis for shape {shape}", got=f"{used} indices")
    if not ellipses:
        items.append(Ellipsis)
    template: list[tuple[Any, ...]] = []
    arrays: list[Any] = []
    axis = 0
    for k in items:
        if k is Ellipsis:
            template.extend([_FULL] * (len(shape) - used))
            axis += len(shape) - used
        elif k is None:
            template.append(("new",))
        elif isinstance(k, slice):
            template.append(("slice", _bound(k.start), _bound(k.stop), _bound(k.step)))
            axis += 1
        elif _is_integer(k):
            i = _index(k)
            if not -shape[axis] <= i < shape[axis]:
                fail(
                    AxisError,
                    "index",
                    expected=f"an index from {-shape[axis]} to {shape[axis] - 1} on axis {axis} of shape {shape}",
                    got=str(i),
                )
            template.append(("int", i))
            axis += 1
        elif isinstance(k, (Array, np.ndarray, list, tuple, range, bool, np.bool_)):
            template.append(("array",))
            arrays.append(k)
            axis += _rank(k)
        else:
            fail(DtypeError, "index", expected="integers, slices, None, ... or arrays of integers or booleans", got=type(k).__name__)
    while template and template[-1] == _FULL:
        template.pop()
    return tuple(template), arrays


def is_truth(key: Any) -> bool:
    """Whether a key is one boolean, which takes all of an array or nothing, along a new first axis."""
    if isinstance(key, (bool, np.bool_)):
        return True
    return isinstance(key, (Array, np.ndarray)) and key.ndim == 0 and key.dtype == dtypes.bool_


def _is_integer(k: Any) -> bool:
    return isinstance(k, (int, np.integer)) and not isinstance(k, (bool, np.bool_))


def _rank(k: Any) -> int:
    """How many axes of the array one item of a key uses up."""
    if k is None or k is Ellipsis:
        return 0
    if isinstance(k, (bool, np.bool_)):
        return 0
    if isinstance(k, (Array, np.ndarray)) and k.dtype == dtypes.bool_:
        return k.ndim
    if isinstance(k, (list, tuple)):
        array = np.asarray(k)
        return array.ndim if array.dtype == np.bool_ else 1
    return 1


def decode(template: Template, arrays: Any) -> tuple[Any, ...]:
    """The NumPy key that a template and its index arrays mean."""
    indices = iter(arrays)
    key: list[Any] = []
    for item in template:
        match item[0]:
            case "slice":
                key.append(slice(*item[1:]))
            case "int":
                key.append(item[1])
            case "new":
                key.append(None)
            case _:
                key.append(next(indices))
    return tuple(key)


def fail_index(op: str, shape: tuple[int, ...], indices: Sequence[Any], error: IndexError) -> NoReturn:
    """Raise for a failed ``x[key]``: index arrays that do not broadcast, or an index out of range."""
    broadcast_shapes(op, *[i.shape for i in indices])
    fail(AxisError, op, expected=f"indices in range for shape {shape}", got=str(error))
