"""Losses that are operators because their gradients are shorter than those of their parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.common import normal, normalize_axis, samples, tensor
from hybridnet.ops.gather import positions
from hybridnet.ops.nn.common import along, wide, wide_dtype
from hybridnet.ops.shape import expand_dims


def _infer_cross_entropy(x: Spec, label: Spec, *, axis: int) -> tuple[Spec, Spec]:
    shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    if not dtypes.is_integer(label.dtype):
        fail(DtypeError, "softmax_cross_entropy", expected="integer labels", got=str(label.dtype))
    if label.shape != shape:
        fail(ShapeError, "softmax_cross_entropy", expected=f"labels of shape {shape} for data {x.shape}", got=str(label.shape))
    if x.shape[axis] == 0:
        fail(ShapeError, "softmax_cross_entropy", expected="at least one class", got=str(x.shape))
    result = Spec(shape, wide_dtype(x.dtype))
    return result, result


def _cross_entropy(x: Any, label: Any, *, axis: int) -> tuple[Any, Any]:
    x = wide(x)
    largest = call("max", x, axis=(axis,), keepdims=True)
    total = call("log", call("sum", call("exp", x - largest), axis=(axis,), keepdims=True))
    loss = total - (call("take_along_axis", x, label, axis=axis) - largest)
    return loss, total + largest


def _cross_entropy_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, label: Any, *, axis: int) -> tuple[Any, ...]:
    """(softmax - onehot) · g; the softmax from the saved logarithm of the sum, the one-hot array as a comparison."""
    of_loss, of_total = g
    hit = call("equal", along(positions(label, x.shape[axis], label.dtype), axis, x.ndim), label)
    return call("exp", wide(x) - y[1]) * (of_loss + of_total) - call("where", hit, of_loss, 0), None


_labels = np.array([2, 0])
CROSS_ENTROPY = register(
    Op(
        "softmax_cross_entropy",
        Kind.OPAQUE,
        _infer_cross_entropy,
        expand=_cross_entropy,
        grad=_cross_entropy_rule,
        saves=(0, 1, "y"),
        precision="float32",
        sample=samples(
            Sample((normal(2, 3), _labels[:, None]), {"axis": 1}),
            Sample((normal(3, 2), _labels[None]), {"axis": 0}),
            Sample((normal(2, 3), _labels), {"axis": 1}, error=ValueError),
        ),
    )
)


def softmax_cross_entropy(data: Any, label: Any, axis: int = -1) -> Any:
    """-log(softmax(data))[label] along ``axis``: a loss for each label.

    ``label``: classes as numbers of any dtype, of the shape of ``data`` without ``axis``; those out of
    range count as the nearest class. 16-bit data gives float32 losses.
    """
    data = tensor(data)
    label = tensor(label, data)
    axis = normalize_axis("softmax_cross_entropy", axis, data.ndim)
    if not dtypes.is_floating(data.dtype):
        data = data.astype(dtypes.default_float)
    rows = data.shape[:axis] + data.shape[axis + 1 :]
    if label.shape != rows:
        fail(ShapeError, "softmax_cross_entropy", expected=f"labels of shape {rows} for data {data.shape}", got=str(label.shape))
    index = call("clip", label.astype(dtypes.int32, copy=False), a_min=0, a_max=max(data.shape[axis] - 1, 0))
    loss, _ = apply(CROSS_ENTROPY, (data, expand_dims(index, axis)), {"axis": axis})
    return call("reshape", loss, shape=label.shape)


def _smooth_l1(x: Any, *, scalar: float) -> Any:
    slope = call("clip", x * scalar**2, a_min=-1.0, a_max=1.0)
    return slope * (x - slope * (0.5 / scalar**2))


SMOOTH_L1 = register(
    Op(
        "smooth_l1",
        Kind.OPAQUE,
        lambda x, *, scalar: x,
        expand=_smooth_l1,
        grad=(lambda g, y, x, *, scalar: g * call("clip", x * scalar**2, a_min=-1.0, a_max=1.0),),
        saves=(0,),
        promote="float",
        precision="float32",
        sample=samples(Sample((normal(2, 3),), {"scalar": 1.0}), Sample((normal(4),), {"scalar": 2.0})),
    )
)


def smooth_l1(data: Any, scalar: float = 1.0) -> Any:
    """(scalar · x)² / 2 near 0, the line abs(x) - 1 / (2 · scalar²) from abs(x) = 1 / scalar² on."""
    return apply(SMOOTH_L1, (tensor(data),), {"scalar": float(scalar)})
