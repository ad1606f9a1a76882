"""Order: sort, argsort, topk, argmax, argmin, searchsorted and what is built on them.

Sorting is stable; values come from indices by ``take_along_axis``, which carries the gradient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, Kind, Op, Sample, Spec, apply, call, on_cuda, register
from hybridnet.core.kernel import HandKernels, Launch
from hybridnet.device.hardware import THREADS
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import full_like
from hybridnet.ops.array.gather import TAKE_ALONG, take
from hybridnet.ops.array.shape import reshape, slice_axis
from hybridnet.ops.common import normal, normalize_axis, reduced_axis, reduced_shape, tensor
from hybridnet.ops.kernels.places import each, index_type, pack_width, parted


def _argsort(xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
    if x.dtype == dtypes.bfloat16:
        x = x.astype(dtypes.float32)  # CuPy sorts no bfloat16, NumPy slowly
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable")
    # Sorting the reversed array keeps equal elements in their order.
    return x.shape[axis] - 1 - xp.flip(xp.argsort(xp.flip(x, axis), axis=axis, kind="stable"), axis)


_ties = np.array([[3.0, 1.0, 3.0, 2.0], [0.0, 5.0, 5.0, 1.0]])
ARGSORT = register(
    Op(
        "argsort",
        Kind.OPAQUE,
        lambda x, *, axis, descending: Spec(x.shape, dtypes.int64),
        compute=_argsort,
        sample=lambda: [
            Sample((_ties,), {"axis": 1, "descending": False}, differentiable=False),
            Sample((_ties,), {"axis": 1, "descending": True}, differentiable=False),
            Sample((normal(4, 3),), {"axis": 0, "descending": False}, differentiable=False),
        ],
    )
)


def _order(op: str, a: Any, axis: int | None, descending: bool) -> tuple[Any, Any, int]:
    """The array to sort (flattened without an axis), the indices that sort it, and the axis."""
    a = tensor(a)
    if axis is None:
        a, axis = reshape(a, -1), 0
    axis = normalize_axis(op, axis, a.ndim)
    return a, apply(ARGSORT, (a,), {"axis": axis, "descending": bool(descending)}), axis


def argsort(
    a: ArrayLike, axis: int | None = -1, kind: str | None = None, order: Any = None, descending: bool = False, stable: bool | None = None
) -> Any:
    """The int64 indices that sort ``a`` along ``axis`` (flattened if it is ``None``); stable whatever ``kind`` and ``stable`` are.

    ArgumentError for a ``kind`` that NumPy does not know, or beside ``stable``.
    """
    _check_kind("argsort", kind, order, stable)
    a = tensor(a)
    if axis is not None and not a.ndim:
        a, axis = reshape(a, -1), reduced_axis("argsort", axis, 0)
    return _order("argsort", a, axis, descending)[1]


def sort(
    a: ArrayLike, axis: int | None = -1, kind: str | None = None, order: Any = None, descending: bool = False, stable: bool | None = None
) -> Any:
    """``a`` sorted along ``axis`` (flattened if it is ``None``); NaN last. Differentiable; stable whatever ``kind`` and ``stable`` are.

    ArgumentError for a ``kind`` that NumPy does not know, or beside ``stable``.
    """
    _check_kind("sort", kind, order, stable)
    a, indices, axis = _order("sort", a, axis, descending)
    return apply(TAKE_ALONG, (a, indices), {"axis": axis})


_KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def _check_kind(op: str, kind: str | None, order: Any, stable: bool | None) -> None:
    if order is not None:
        fail(ArgumentError, op, expected="order None: arrays have no fields", got=repr(order))
    if kind is not None and (kind not in _KINDS or stable is not None):
        expected = "one of kind and stable" if stable is not None else f"kind {', '.join(_KINDS)}"
        fail(ArgumentError, op, expected=expected, got=repr(kind))


def topk(
    data: Any, axis: int | None = -1, k: int = 1, ret_typ: str = "indices", is_ascend: bool = False, dtype: DTypeLike = "float32"
) -> Any:
    """The ``k`` largest elements (smallest with ``is_ascend``) along ``axis``, in order; all of them if ``k`` is 0.

    ``ret_typ``: ``indices`` (of ``dtype``), ``value``, ``both`` (a list: values, indices), or ``mask``, an
    array shaped as ``data`` with 1 at the elements chosen. Of equal elements the first come first. ArgumentError for another
    ``ret_typ``, or a ``k`` beyond the axis.
    """
    if ret_typ not in ("indices", "value", "both", "mask"):
        fail(ArgumentError, "topk", expected="ret_typ indices, value, both or mask", got=repr(ret_typ))
    shape = tensor(data).shape
    data, indices, axis = _order("topk", data, axis, not is_ascend)
    n = data.shape[axis]
    if not 0 <= k <= n:
        fail(ArgumentError, "topk", expected=f"k from 0 to {n}, the length of the axis", got=str(k))
    chosen = slice_axis(indices, axis, 0, k or n)
    if ret_typ == "mask":
        ones = full_like(chosen, 1, data.dtype)
        return reshape(call("add_along_axis", ones, chosen, axis=axis, length=n), shape)
    numbered = chosen.astype(dtype, copy=False)
    if ret_typ == "indices":
        return numbered
    values = apply(TAKE_ALONG, (data, chosen), {"axis": axis})
    return values if ret_typ == "value" else [values, numbered]


def partition(a: ArrayLike, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None) -> Any:
    """``a`` with the elements at ``kth`` where sorting would put them; here, simply sorted.

    Along ``axis`` (flattened, if ``None``); the shape stays. So ``kth`` has no effect, but must be on the axis, else ArgumentError.
    """
    _check_kth("partition", tensor(a).shape, kth, axis, kind)
    return sort(a, axis, order=order)


def argpartition(a: ArrayLike, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None) -> Any:
    """The indices of :func:`partition`; here, those that sort.

    Along ``axis`` (flattened, if ``None``); int64, of the shape of ``a``. ArgumentError for a ``kth`` that is not on the axis.
    """
    _check_kth("argpartition", tensor(a).shape, kth, axis, kind)
    return argsort(a, axis, order=order)


def _check_kth(op: str, shape: tuple[int, ...], kth: Any, axis: int | None, kind: str) -> None:
    if kind != "introselect":
        fail(ArgumentError, op, expected="kind introselect", got=repr(kind))
    n = math.prod(shape) if axis is None or not shape else shape[normalize_axis(op, axis, len(shape))]
    places = np.asarray(kth)
    if n and not ((-n <= places) & (places < n)).all():
        fail(ArgumentError, op, expected=f"kth from {-n} to {n - 1}", got=str(kth))


def lexsort(keys: Any, axis: int = -1) -> Any:
    """The indices that sort by the last of ``keys``, equal ones by the key before it, and so on.

    ``keys``: (keys, ...) or as many arrays of one shape; gives int64 indices of that shape, sorted along ``axis`` of it.
    """
    keys = [tensor(k) for k in keys]
    order = argsort(keys[0], axis)
    for key in keys[1:]:
        at = normalize_axis("lexsort", axis, key.ndim)
        ranked = call("argsort", call("take_along_axis", key, order, axis=at), axis=at, descending=False)
        order = call("take_along_axis", order, ranked, axis=at)
    return order


# -- the position of an extremum ------------------------------------------------------------------


def _extremum_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, keepdims: bool, largest: bool
) -> HandKernels:
    x = inputs[0]
    outer, length, inner = parted(x.shape, axis)
    width = pack_width(x.dtype, length) if inner == 1 else 1
    packs, rows = length // width, outer * inner
    team = 1 if inner > 1 else THREADS if packs >= 8 * THREADS else min(32, 1 << (packs - 1).bit_length())
    types = f"{str(largest).lower()}, {index_type(2 * x.size)}, {rows}, {length}, {inner}, {width}, {team}, {THREADS}"
    shared = 16 * THREADS // 32 if team > 32 else 0
    return HandKernels("positions.cu", (Launch(f"hn_extremum<{types}>", ("y0", "x0"), (-(-rows * team // THREADS), 1), THREADS, shared),))


def _position(name: str) -> Op:
    def infer(x: Spec, *, axis: int, keepdims: bool) -> Spec:
        if not x.shape[axis]:
            fail(ShapeError, name, expected="something to choose from", got=f"an empty axis in shape {x.shape}")
        return Spec(reduced_shape(x.shape, (axis,), keepdims), dtypes.int64)

    op = register(
        Op(
            name,
            Kind.OPAQUE,
            infer,
            compute=lambda xp, x, *, axis, keepdims, out=None: getattr(xp, name)(x, axis=axis, keepdims=keepdims, out=out),
            out=True,
            sample=lambda: [
                Sample((_ties,), {"axis": 1, "keepdims": False}, differentiable=False),
                Sample((normal(2, 3, 2),), {"axis": 1, "keepdims": True}, differentiable=False),
                Sample((np.zeros((2, 0)),), {"axis": 1, "keepdims": False}, error=ValueError),
            ],
        )
    )
    return on_cuda(op, kernels=functools.partial(_extremum_kernels, largest=name == "argmax"))


ARGMAX, ARGMIN = _position("argmax"), _position("argmin")


def _public(op: Op, doc: str) -> Callable[..., Any]:
    def function(a: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Any:
        a = tensor(a)
        if axis is None:
            found = apply(op, (reshape(a, -1),), {"axis": 0, "keepdims": False})
            return reshape(found, (1,) * a.ndim) if keepdims else found
        axis = reduced_axis(op.name, axis, a.ndim)
        if not a.ndim:
            a, keepdims = reshape(a, -1), False
        return apply(op, (a,), {"axis": axis, "keepdims": bool(keepdims)})

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = doc + " ``axis`` (of the flattened array if it is ``None``), as int64; the first of equal ones."
    return function


argmax = _public(ARGMAX, "The index of the largest element along")
argmin = _public(ARGMIN, "The index of the smallest element along")

# -- searching ------------------------------------------------------------------------------------


def _search_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, side: str) -> HandKernels:
    count = outputs[0].size
    types = f"{index_type(count)}, {count}, {inputs[0].size}, {str(side == 'right').lower()}"
    return HandKernels("positions.cu", (each(f"hn_search<{types}>", ("y0", "x0", "x1"), count, num_sms),))


def _infer_searchsorted(a: Spec, v: Spec, *, side: str) -> Spec:
    if a.ndim != 1:
        fail(ShapeError, "searchsorted", expected="a sorted array of one dimension", got=str(a.shape))
    return Spec(v.shape, dtypes.int64)


SEARCHSORTED = register(
    Op(
        "searchsorted",
        Kind.OPAQUE,
        _infer_searchsorted,
        compute=lambda xp, a, v, *, side: xp.searchsorted(a, v, side=side),
        promote="same",
        sample=lambda: [
            Sample((np.array([1.0, 2.0, 2.0, 4.0]), np.array([[0.0, 2.0], [3.0, 9.0]])), {"side": "left"}, differentiable=False),
            Sample((np.array([1.0, 2.0, 2.0, 4.0]), np.array(2.0)), {"side": "right"}, differentiable=False),
            Sample((normal(2, 2), normal(2)), {"side": "left"}, error=ValueError),
        ],
    )
)
on_cuda(SEARCHSORTED, kernels=_search_kernels)


def searchsorted(a: ArrayLike, v: ArrayLike, side: str = "left", sorter: Any = None) -> Any:
    """Where in the sorted ``a`` to insert ``v`` so that it stays sorted: before equal elements (``left``) or after (``right``).

    ``a`` is of one dimension; gives int64 places of the shape of ``v``. ``sorter``: indices that sort ``a``, if it is not sorted.
    ArgumentError for another ``side``.
    """
    if side not in ("left", "right"):
        fail(ArgumentError, "searchsorted", expected="side left or right", got=repr(side))
    a = tensor(a)
    return apply(SEARCHSORTED, (a if sorter is None else take(a, sorter), tensor(v, a)), {"side": side})


def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False) -> Any:
    """The number of the bin, between the ascending edges ``bins``, that holds each element of ``x``.

    ``bins`` is of one dimension; gives int64 of the shape of ``x``, 0 before the first edge and their number behind the last.
    """
    return searchsorted(bins, x, side="left" if right else "right")
