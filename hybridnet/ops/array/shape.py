"""Views: reshape, transpose, broadcast_to, slice; and the joining and cutting of arrays."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import (
    ArrayLike,
    Kind,
    NDArray,
    Op,
    Permuted,
    Sample,
    Spec,
    apply,
    broadcast_shapes,
    call,
    on_cuda,
    on_numpy,
    permutes,
    register,
)
from hybridnet.core.kernel import HandKernels, contiguous
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import as_shape, normal, normalize_axes, normalize_axis, reduced_axes, tensor
from hybridnet.ops.kernels.cuts import set_slice
from hybridnet.ops.kernels.places import each, index_type, pack_width


def _infer_reshape(x: Spec, *, shape: tuple[int, ...]) -> Spec:
    if math.prod(shape) != x.size:
        fail(ShapeError, "reshape", expected=f"a shape of {x.size} elements for {x.shape}", got=str(shape))
    return Spec(shape, x.dtype)


RESHAPE = register(
    Op(
        "reshape",
        Kind.VIEW,
        _infer_reshape,
        complex="direct",
        compute=lambda xp, x, *, shape: x.reshape(shape),
        grad=(lambda g, y, x, *, shape: call("reshape", g, shape=x.shape),),
        sample=lambda: [
            Sample((normal(2, 6),), {"shape": (3, 4)}),
            Sample((normal(4),), {"shape": (1, 4, 1)}),
            Sample((normal(4),), {"shape": (5,)}, error=ValueError),
        ],
    )
)


on_numpy(RESHAPE, lambda x, *, shape: x.reshape(shape))


def resolve_shape(op: str, size: int, shape: tuple[int, ...], old: tuple[int, ...]) -> tuple[int, ...]:
    """Replace one -1 in ``shape`` by what makes up ``size`` elements.

    ShapeError if it does not come out even, or for other negative dimensions.
    """
    if shape.count(-1) > 1 or any(n < -1 for n in shape):
        fail(ShapeError, op, expected="non-negative dimensions and at most one -1", got=str(shape))
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        if known == 0 or size % known:
            fail(ShapeError, op, expected=f"a shape of {size} elements for {old}", got=str(shape))
        shape = tuple(size // known if n == -1 else n for n in shape)
    return shape


def reshape(a: ArrayLike, newshape: Any, order: str = "C", copy: bool | None = None) -> Any:
    """``a`` in another shape of as many elements; one dimension may be -1. ``order`` ``F``: the first axis runs fastest.

    Order ``A`` is ``C`` here. ``copy``: whether always to copy. ShapeError if the sizes differ, ArgumentError for another order.
    """
    if not isinstance(a, NDArray):
        a = tensor(a)
    shape = newshape if newshape.__class__ is tuple else (newshape,)
    for n in shape:
        if n.__class__ is not int or n <= 0:  # no length that stands for itself
            shape = resolve_shape("reshape", a.size, as_shape("reshape", newshape), a.shape)
            break
    if order != "C":
        if order not in ("F", "A", "c", "f", "a"):
            fail(ArgumentError, "reshape", expected="order C, F or A", got=repr(order))
        if order in ("F", "f"):
            return transpose(apply(RESHAPE, (transpose(a),), {"shape": shape[::-1]}))
    found = apply(RESHAPE, (a,), {"shape": shape})
    return call("copy", found) if copy else found


def _infer_transpose(x: Spec, *, axes: tuple[int, ...]) -> Spec:
    if sorted(axes) != list(range(x.ndim)):
        fail(ShapeError, "transpose", expected=f"each of the axes 0 to {x.ndim - 1} once", got=str(axes))
    return Spec(tuple(x.shape[a] for a in axes), x.dtype)


def _transpose_rule(g: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    inverse = [0] * len(axes)
    for i, a in enumerate(axes):
        inverse[a] = i
    return call("transpose", g, axes=tuple(inverse))


TRANSPOSE = register(
    Op(
        "transpose",
        Kind.VIEW,
        _infer_transpose,
        complex="direct",
        compute=lambda xp, x, *, axes: x.transpose(axes),
        grad=(_transpose_rule,),
        sample=lambda: [Sample((normal(2, 3, 4),), {"axes": (2, 0, 1)}), Sample((normal(2, 3),), {"axes": (0, 0)}, error=ValueError)],
    )
)


on_numpy(TRANSPOSE, lambda x, *, axes: x.transpose(axes))


def transpose(a: ArrayLike, axes: Any = None) -> Any:
    """``a`` with its axes in another order; reversed without ``axes``."""
    a = tensor(a)
    if axes is None:
        order = tuple(reversed(range(a.ndim)))
    else:
        order = tuple(normalize_axis("transpose", x, a.ndim) for x in axes)
    return apply(TRANSPOSE, (a,), {"axes": order})


def _infer_broadcast_to(x: Spec, *, shape: tuple[int, ...]) -> Spec:
    if len(shape) < x.ndim or broadcast_shapes("broadcast_to", x.shape, shape) != shape:
        fail(ShapeError, "broadcast_to", expected=f"a shape that {x.shape} broadcasts to", got=str(shape))
    return Spec(shape, x.dtype)


BROADCAST_TO = register(
    Op(
        "broadcast_to",
        Kind.VIEW,
        _infer_broadcast_to,
        complex="direct",
        compute=lambda xp, x, *, shape: xp.broadcast_to(x, shape),
        grad=(lambda g, y, x, *, shape: g,),  # the tape sums over the broadcast axes
        sample=lambda: [Sample((normal(3, 1),), {"shape": (2, 3, 4)}), Sample((normal(3),), {"shape": (2,)}, error=ValueError)],
    )
)


def _broadcast(x: Any, *, shape: tuple[int, ...]) -> Any:
    """``numpy.broadcast_to``, in a third of its time: by strides of 0."""
    lead = len(shape) - x.ndim
    if x.size == 1 and lead >= 0 and 0 not in shape and x.dtype.kind == "f":
        made: Any = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
        made.setflags(write=False)
        return made
    strides = [0] * lead
    for n, m, stride in zip(x.shape, shape[lead:] if lead >= 0 else (), x.strides, strict=False):
        if n != m and n != 1:
            break
        strides.append(stride if n == m else 0)
    if lead < 0 or len(strides) != len(shape) or 0 in shape or not x.flags.c_contiguous or x.dtype.kind != "f":
        return np.broadcast_to(x, shape)
    made = np.ndarray(shape, x.dtype, x, 0, strides)
    made.setflags(write=False)
    return made


on_numpy(BROADCAST_TO, _broadcast)
permutes(BROADCAST_TO, lambda order, x, *, shape: Permuted({"shape": tuple(shape[a] for a in order)}, (True,), (True,)))


def broadcast_to(array: ArrayLike, shape: Any, subok: bool = False) -> Any:
    """``array`` repeated along new and length-1 axes to ``shape``; a read-only view. ``subok`` is NumPy's: the class stays."""
    return apply(BROADCAST_TO, (tensor(array),), {"shape": as_shape("broadcast_to", shape)})


def expand_dims(a: ArrayLike, axis: int | tuple[int, ...] | None) -> Any:
    """``a`` with new axes of length 1 at the positions ``axis`` of the result."""
    a = tensor(a)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    places = normalize_axes("expand_dims", axes, a.ndim + len(axes))
    old = iter(a.shape)
    return apply(RESHAPE, (a,), {"shape": tuple(1 if i in places else next(old) for i in range(a.ndim + len(axes)))})


def squeeze(a: ArrayLike, axis: int | tuple[int, ...] | None = None) -> Any:
    """``a`` without its axes of length 1, or without those in ``axis``. ShapeError if one of those is longer."""
    a = tensor(a)
    axes = tuple(i for i, n in enumerate(a.shape) if n == 1) if axis is None else reduced_axes("squeeze", axis, a.ndim)
    for i in axes:
        if a.shape[i] != 1:
            fail(ShapeError, "squeeze", expected=f"length 1 on axis {i}", got=f"shape {a.shape}")
    return apply(RESHAPE, (a,), {"shape": tuple(n for i, n in enumerate(a.shape) if i not in axes)})


# -- joining --------------------------------------------------------------------------------------


def _infer_concatenate(*xs: Spec, axis: int) -> Spec:
    first = xs[0]
    for x in xs[1:]:
        if x.ndim != first.ndim or any(m != n for i, (m, n) in enumerate(zip(x.shape, first.shape, strict=True)) if i != axis):
            fail(ShapeError, "concatenate", expected=f"shapes that differ on axis {axis} only", got=" and ".join(str(s.shape) for s in xs))
    return Spec((*first.shape[:axis], sum(x.shape[axis] for x in xs), *first.shape[axis + 1 :]), first.dtype)


def _concatenate_rule(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    grads, start = [], 0
    for need, x in zip(needs, xs, strict=True):
        stop = start + x.shape[axis]
        grads.append(slice_axis(g, axis, start, stop) if need else None)
        start = stop
    return tuple(grads)


_MOST_JOINED = 256  # finding an element's operand takes as many comparisons at worst


def _concatenate_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int) -> HandKernels | None:
    if len(inputs) > _MOST_JOINED:
        return None
    result = outputs[0]
    lengths = [math.prod(x.shape[axis:]) for x in inputs]
    width = pack_width(result.dtype, *lengths)
    count, parts = result.size // width, ", ".join(str(n // width) for n in lengths)
    function = f"hn_concatenate<{index_type(result.size)}, {count}, {width}, {sum(lengths) // width}, hn_list<{parts}>>"
    return HandKernels("joining.cu", (each(function, ("y0", *(f"x{i}" for i in range(len(inputs)))), count, num_sms),))


CONCATENATE = register(
    Op(
        "concatenate",
        Kind.OPAQUE,
        _infer_concatenate,
        complex="direct",
        compute=lambda xp, *xs, axis, out=None: xp.concatenate(xs, axis=axis, out=out),
        out=True,
        grad=_concatenate_rule,
        promote="same",
        sample=lambda: [
            Sample((normal(2, 3), normal(2, 1, seed=1)), {"axis": 1}),
            Sample((normal(2, 8), normal(1, 8, seed=1), normal(3, 8, seed=2)), {"axis": 0}),
            Sample((normal(2, 3), normal(3, 3)), {"axis": 1}, error=ValueError),
        ],
    )
)
on_cuda(CONCATENATE, kernels=_concatenate_kernels)
permutes(CONCATENATE, lambda order, *xs, axis: Permuted({"axis": order.index(axis)}, (True,) * len(xs), (True,)))


def concatenate(seq: Sequence[Any], axis: int | None = 0) -> Any:
    """The arrays joined along an existing axis (flattened first if it is ``None``).

    ShapeError unless there is at least one array, of one dimension or more, and all other axes agree.
    """
    if not len(seq):
        fail(ShapeError, "concatenate", expected="at least one array", got="none")
    arrays = [tensor(x) for x in seq]
    if axis is None:
        arrays, axis = [reshape(x, -1) for x in arrays], 0
    if arrays[0].ndim == 0:
        fail(ShapeError, "concatenate", expected="arrays of one dimension or more", got="zero dimensions", fix="np.stack")
    return apply(CONCATENATE, arrays, {"axis": normalize_axis("concatenate", axis, arrays[0].ndim)})


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays, all of one shape, joined along a new axis.

    ShapeError if their shapes differ or there is none.
    """
    found = [tensor(x) for x in arrays]
    if not found:
        fail(ShapeError, "stack", expected="at least one array", got="none")
    if any(x.shape != found[0].shape for x in found):
        fail(ShapeError, "stack", expected="arrays of one shape", got=" and ".join(str(x.shape) for x in found))
    place = normalize_axis("stack", axis, found[0].ndim + 1)
    return concatenate([expand_dims(x, place) for x in found], place)


# -- indexing by constants ------------------------------------------------------------------------


def _infer_slice(x: Spec, *, key: Any) -> Spec:
    shape: list[int] = []
    axis = 0
    for item in key:
        if item[0] == "new":
            shape.append(1)
            continue
        if item[0] == "slice":
            shape.append(len(range(*slice(*item[1:]).indices(x.shape[axis]))))
        axis += 1
    return Spec((*shape, *x.shape[axis:]), x.dtype)


def _decode(key: Any) -> tuple[Any, ...]:
    # The ellipsis makes integers alone give a view too, where NumPy would give a number.
    return (*(slice(*k[1:]) if k[0] == "slice" else k[1] if k[0] == "int" else None for k in key), ...)


@functools.lru_cache(maxsize=4096)
def _decoded(key: Any) -> tuple[Any, ...]:
    return _decode(key)


def _slice_rule(g: Any, y: Any, x: Any, *, key: Any) -> Any:
    return call("slice_grad", g, shape=x.shape, key=key)


def _permuted_slice(order: tuple[int, ...], x: Spec, *, key: Any, **shape: Any) -> Permuted | None:
    """The same slices on the same axes, of ``slice`` and of ``slice_grad``; None where axes come or go."""
    if any(item[0] != "slice" for item in key):
        return None
    whole = (*key, *[("slice", None, None, None)] * (len(order) - len(key)))
    attrs = {name: tuple(sizes[a] for a in order) for name, sizes in shape.items()}
    return Permuted({**attrs, "key": tuple(whole[a] for a in order)}, (True,), (True,))


SLICE = register(
    Op(
        "slice",
        Kind.VIEW,
        _infer_slice,
        complex="direct",
        compute=lambda xp, x, *, key: x[_decode(key)],
        grad=(_slice_rule,),
        sample=lambda: [
            Sample((normal(4, 5),), {"key": (("slice", 1, None, 2), ("int", -1))}),
            Sample((normal(3),), {"key": (("new",), ("slice", None, None, -1))}),
        ],
    )
)
on_numpy(SLICE, lambda x, *, key: x[_decoded(key)])
permutes(SLICE, _permuted_slice)


def _infer_slice_grad(g: Spec, *, shape: tuple[int, ...], key: Any) -> Spec:
    expected = _infer_slice(Spec(shape, g.dtype), key=key)
    if g.shape != expected.shape:
        fail(ShapeError, "slice_grad", expected=f"a gradient of shape {expected.shape}", got=str(g.shape))
    return Spec(shape, g.dtype)


def _slice_grad(xp: Any, g: Any, *, shape: tuple[int, ...], key: Any, out: Any = None) -> Any:
    if out is None:
        out = xp.zeros(shape, g.dtype)
    else:
        out.fill(0)
    out[_decode(key)] = g
    return out


def _slice_grad_kernels(
    num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, shape: tuple[int, ...], key: Any
) -> HandKernels:
    return set_slice(num_sms, outputs[0], key, inputs[0], contiguous(inputs[0].shape), ("y0", "x0"))


SLICE_GRAD = register(
    Op(
        "slice_grad",
        Kind.OPAQUE,
        _infer_slice_grad,
        complex="direct",
        compute=_slice_grad,
        out=True,
        grad=(lambda g, y, x, *, shape, key: call("slice", g, key=key),),
        sample=lambda: [
            Sample((normal(2),), {"shape": (4, 5), "key": (("slice", 1, None, 2), ("int", -1))}),
            Sample((normal(1, 3, 2),), {"shape": (3, 5), "key": (("new",), ("slice", None, None, -1), ("slice", 1, 3, None))}),
            Sample((normal(2, 8),), {"shape": (2, 3, 8), "key": (("slice", None, None, None), ("int", 1))}),
        ],
    )
)
on_cuda(SLICE_GRAD, kernels=_slice_grad_kernels)
permutes(SLICE_GRAD, _permuted_slice)


def slice_axis(data: Any, axis: int, begin: int, end: int | None) -> Any:
    """``data[..., begin:end, ...]`` on one axis."""
    axis = normalize_axis("slice_axis", axis, data.ndim)
    return apply(SLICE, (data,), {"key": (("slice", None, None, None),) * axis + (("slice", begin, end, None),)})


def split(ary: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts of ``ary`` along an axis: as many equal ones as given, or cut at the given indices.

    ShapeError unless the number of parts divides the axis.
    """
    ary = tensor(ary)
    axis = normalize_axis("split", axis, ary.ndim)
    n = ary.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or n % indices_or_sections:
            fail(
                ShapeError,
                "split",
                expected=f"a number of parts that divides {n} (axis {axis} of {ary.shape})",
                got=str(indices_or_sections),
                fix="np.array_split",
            )
        step = n // indices_or_sections
        cuts = [step * i for i in range(1, indices_or_sections)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    bounds = [0, *cuts, n]
    return [slice_axis(ary, axis, a, b) for a, b in itertools.pairwise(bounds)]
