"""``x[key]`` with index arrays, its gradient, and assignment: what ``core/ndarray.py`` calls by name.

Keys are the templates of :mod:`hybridnet.core.indexing`; index arrays are operands of the operator.
An index out of range raises on the CPU; on a CUDA device, where finding out would stall it, it wraps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, broadcast_shapes, call, on_cuda, register
from hybridnet.core.indexing import Template, decode, fail_index
from hybridnet.core.kernel import HandKernels, is_half
from hybridnet.errors import AxisError, DtypeError, ShapeError, fail
from hybridnet.ops.array.row_sums import add_rows
from hybridnet.ops.common import normal
from hybridnet.ops.kernels.cuts import set_slice
from hybridnet.ops.kernels.lookups import broadcast_strides, by_key, gather, set_rows, sum_rows

_FULL = ("slice", None, None, None)


def indexed_shape(op: str, shape: tuple[int, ...], key: Template, indices: tuple[Spec, ...]) -> tuple[int, ...]:
    """The shape of ``x[key]`` by NumPy's rules.

    The broadcast shape of the index arrays stands where they stood if they (and the integers
    beside them) are neighbours in the key, else first. DtypeError for index arrays of other than integers.
    """
    for i in indices:
        if not dtypes.is_integer(i.dtype):
            fail(DtypeError, op, expected="index arrays of integers", got=str(i.dtype), fix="index.astype('int64')")
    advanced = broadcast_shapes(op, *[i.shape for i in indices]) if indices else ()
    kept: list[int] = []
    places: list[int] = []
    first = axis = 0
    for place, item in enumerate(key):
        match item[0]:
            case "new":
                kept.append(1)
                continue
            case "slice":
                kept.append(len(range(*slice(*item[1:]).indices(shape[axis]))))
            case _:
                if not places:
                    first = len(kept)
                places.append(place)
        axis += 1
    if places and places[-1] - places[0] + 1 != len(places):
        first = 0
    return (*kept[:first], *advanced, *kept[first:], *shape[axis:])


def _lone_axis(key: Template) -> int | None:
    """The axis that the only index array of ``key`` indexes, if all before it is taken whole."""
    axis = len(key) - 1
    return axis if key[axis] == ("array",) and all(item == _FULL for item in key[:axis]) else None


def _index(xp: Any, x: Any, *indices: Any, key: Template) -> Any:
    try:
        if len(indices) == 1 and indices[0].ndim and (axis := _lone_axis(key)) is not None:
            return x.take(indices[0], axis=axis)  # several times faster than x[...]
        result = x[decode(key, indices)]
    except IndexError as error:
        fail_index("index", x.shape, indices, error)
    # Index arrays without dimensions act as integers, which give a view.
    return result.copy() if all(i.ndim == 0 for i in indices) else result


def _index_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, key: Template) -> HandKernels:
    return gather(by_key(inputs[0].shape, key, inputs[1:]), inputs[0], outputs[0], num_sms)


def _index_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, *indices: Any, key: Template) -> tuple[Any, ...]:
    return (call("index_add", g, *indices, shape=x.shape, key=key), *[None] * len(indices))


_MOST = 32  # index arrays in one key
_rows = np.array([[2, 0, 2], [1, -1, 0]])
_columns = np.array([0, 2, 2])
_array: tuple[Any, ...] = ("array",)
_KEYS: tuple[tuple[Template, tuple[Any, ...]], ...] = (
    ((_array,), (_rows,)),
    ((_FULL, _array), (_columns,)),
    ((_array, _array), (_rows, _columns)),
    ((_array, _FULL, _array), (_rows, _columns)),
    ((("int", -1), _array), (_columns,)),
    ((_FULL, ("new",), _array, ("slice", None, None, -2)), (_columns,)),
    ((_array, ("int", 1)), (np.array(2),)),
    ((_array,), (np.zeros((0,), np.int64),)),
)

INDEX = register(
    Op(
        "index",
        Kind.OPAQUE,
        lambda x, *indices, key: Spec(indexed_shape("index", x.shape, key, indices), x.dtype),
        complex="direct",
        compute=_index,
        looks_up=(0,),
        grad=_index_rule,
        saves=tuple(range(1, _MOST + 1)),
        sample=lambda: [
            *[Sample((normal(3, 4, 3), *indices), {"key": key}) for key, indices in _KEYS],
            Sample((normal(3), np.array([0.5])), {"key": (_array,)}, error=TypeError),
            Sample((normal(3, 4), np.array([0, 1, 2]), np.array([0, 1])), {"key": (_array, _array)}, error=ValueError),
        ],
    )
)
on_cuda(INDEX, kernels=_index_kernels)

# -- the gradient: adding up ----------------------------------------------------------------------


def wrapped(xp: Any, op: str, index: Any, n: int) -> Any:
    """Non-negative indices into an axis of length ``n``; checked where that costs no stall.

    On the CPU AxisError for one out of range; on a GPU that is not looked at.
    """
    if xp is np and index.size:
        low, high = index.min(), index.max()
        if not (-n <= low and high < n):
            fail(AxisError, op, expected=f"indices from {-n} to {n - 1}", got=f"indices from {low} to {high}")
        if low >= 0:
            return index
    return xp.where(index < 0, index + n, index) if dtypes.is_integer(index.dtype) and index.dtype.kind == "i" else index


def _index_add(xp: Any, g: Any, *indices: Any, shape: tuple[int, ...], key: Template) -> Any:
    lead = next((i for i, item in enumerate(key) if item != _FULL), len(key))
    stop = lead + len(indices)
    if all(item == _array for item in key[lead:stop]) and all(item == _FULL for item in key[stop:]):
        return _add_neighbours(xp, g, indices, shape, lead)
    wide = dtypes.float32 if is_half(g.dtype) else g.dtype
    out = xp.zeros(shape, wide)
    try:
        xp.add.at(out, decode(key, indices), g.astype(wide, copy=False))
    except IndexError as error:
        fail_index("index_add", shape, indices, error)
    return out.astype(g.dtype, copy=False)


def _add_neighbours(xp: Any, g: Any, indices: tuple[Any, ...], shape: tuple[int, ...], lead: int) -> Any:
    """Index arrays on neighbouring axes, all else whole: as rows of a matrix."""
    stop = lead + len(indices)
    before, indexed, after = shape[:lead], shape[lead:stop], shape[stop:]
    rows: Any = 0
    for i, n in zip(indices, indexed, strict=True):
        rows = rows * n + wrapped(xp, "index_add", i, n).astype(dtypes.int64, copy=False)
    m, n = rows.size, math.prod(indexed)
    outer, inner = math.prod(before), math.prod(after)
    flat = g.reshape(outer, m, inner).transpose(1, 0, 2).reshape(m, outer * inner)
    added = add_rows(xp, flat, rows.reshape(m), n)
    return xp.ascontiguousarray(added.reshape(n, outer, inner).transpose(1, 0, 2)).reshape(shape)


def _index_add_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, shape: Any, key: Template
) -> HandKernels | None:
    return sum_rows(by_key(shape, key, inputs[1:]), inputs[0], outputs[0], num_sms)


def _infer_index_add(g: Spec, *indices: Spec, shape: tuple[int, ...], key: Template) -> Spec:
    expected = indexed_shape("index_add", shape, key, indices)
    if g.shape != expected:
        fail(ShapeError, "index_add", expected=f"values of shape {expected}", got=str(g.shape))
    return Spec(shape, g.dtype)


def _index_add_rule(
    needs: tuple[bool, ...], g: Any, y: Any, x: Any, *indices: Any, shape: tuple[int, ...], key: Template
) -> tuple[Any, ...]:
    return (call("index", g, *indices, key=key), *[None] * len(indices))


def _shape_of(key: Template, indices: tuple[Any, ...]) -> tuple[int, ...]:
    return indexed_shape("sample", (3, 4, 3), key, tuple(Spec(i.shape, i.dtype) for i in indices))


INDEX_ADD = register(
    Op(
        "index_add",
        Kind.OPAQUE,
        _infer_index_add,
        complex="direct",
        compute=_index_add,
        grad=_index_add_rule,
        saves=tuple(range(1, _MOST + 1)),
        sample=lambda: [
            *[Sample((normal(*_shape_of(key, indices)), *indices), {"shape": (3, 4, 3), "key": key}) for key, indices in _KEYS],
            Sample((normal(2), np.array([0, 1, 2])), {"shape": (3,), "key": (_array,)}, error=ValueError),
        ],
    )
)
on_cuda(INDEX_ADD, kernels=_index_add_kernels)

# -- assignment -----------------------------------------------------------------------------------


def _infer_index_set(x: Spec, value: Any, *indices: Spec, key: Template) -> Spec:
    target = indexed_shape("index_set", x.shape, key, indices)
    if isinstance(value, Spec):
        shape = _without_lead(value.shape, len(target))
        if len(shape) > len(target) or broadcast_shapes("index_set", shape, target) != target:
            fail(ShapeError, "index_set", expected=f"a value that broadcasts to {target}", got=str(value.shape))
    return x


def _without_lead(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """``shape`` without leading 1s beyond ``ndim`` dimensions: NumPy assigns (1, 3) to (3,)."""
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return shape


def _index_set(xp: Any, x: Any, value: Any, *indices: Any, key: Template, out: Any = None) -> Any:
    if out is None:
        out = x.copy()
    elif out is not x:
        xp.copyto(out, x)
    if np.shape(value)[:1] == (1,):
        ndim = len(indexed_shape("index_set", x.shape, key, tuple(Spec(i.shape, i.dtype) for i in indices)))
        value = value.reshape(_without_lead(value.shape, ndim))  # NumPy assigns (1,) to an element no longer
    try:
        out[decode(key, indices)] = value
    except IndexError as error:
        fail_index("index_set", x.shape, indices, error)
    return out


def _index_set_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, key: Template) -> HandKernels | None:
    x, value, *indices = inputs
    if indices:
        return set_rows(by_key(x.shape, key, indices, value), x, value, num_sms)
    target = indexed_shape("index_set", x.shape, key, ())
    return set_slice(num_sms, x, key, value, broadcast_strides(value.shape, target), ("y0", "x0", "x1"))


def _index_set_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, value: Any, *indices: Any, key: Template) -> tuple[Any, ...]:
    """Where an element is assigned twice, both values get its gradient: key them apart if that matters."""
    kept = given = None
    if needs[0]:
        kept = call("index_set", g, 0, *indices, key=key)
    if needs[1]:
        given = call("index", g, *indices, key=key) if indices else call("slice", g, key=key)
        if value.ndim > given.ndim:
            given = call("reshape", given, shape=(1,) * (value.ndim - given.ndim) + given.shape)
    return (kept, given, *[None] * len(indices))


_distinct = np.array([2, 0])
INDEX_SET = register(
    Op(
        "index_set",
        Kind.OPAQUE,
        _infer_index_set,
        complex="direct",
        compute=_index_set,
        out=True,
        grad=_index_set_rule,
        saves=tuple(range(2, _MOST + 2)),
        sample=lambda: [
            Sample((normal(3, 4), normal(2, 4, seed=1), _distinct), {"key": (_array,)}),
            Sample((normal(3, 4), normal(2, 1, seed=1), _distinct), {"key": (_array,)}),
            Sample((normal(3, 4), normal(1, 1, 3, seed=1)), {"key": (("slice", 1, None, 2), ("slice", 1, None, None))}),
            Sample((normal(3, 4), 1.5, _distinct), {"key": (_FULL, _array)}),
            Sample((normal(3, 4), normal(seed=1)), {"key": (("int", 1),)}),
            Sample((normal(3, 4), normal(3), _distinct), {"key": (_array,)}, error=ValueError),
        ],
    )
)
on_cuda(INDEX_SET, kernels=_index_set_kernels)
