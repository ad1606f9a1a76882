"""Losses that are operators because their gradients are shorter than those of their parts.

On a GPU the softmax cross-entropy along the last axis and its gradient are kernels of one pass each
(``kernels/cross_entropy.cu``); along another axis its parts are fused. Both are float32 inside whatever they are
given: in mixed precision 16-bit scores are read, and their gradient is written, as they are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, on_cuda, register
from hybridnet.core.kernel import HandKernels, Launch, stored_type
from hybridnet.errors import DtypeError, ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.array.shape import expand_dims
from hybridnet.ops.common import by_parts, normal, normalize_axis, tensor
from hybridnet.ops.nn.common import along, narrow, wide, wide_dtype


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


def _in_range(label: Any, classes: int) -> Any:
    return call("clip", label, a_min=0, a_max=min(classes - 1, int(np.iinfo(label.dtype).max)))


def _cross_entropy(x: Any, label: Any, *, axis: int) -> tuple[Any, Any]:
    x, label = wide(x), _in_range(label, x.shape[axis])
    largest = call("max", x, axis=(axis,), keepdims=True)
    total = call("log", call("sum", call("exp", x - largest), axis=(axis,), keepdims=True))
    loss = total - (call("take_along_axis", x, label, axis=axis) - largest)
    return loss, total + largest


def _cross_entropy_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, label: Any, *, axis: int) -> tuple[Any, ...]:
    of_loss, of_total = g
    return apply(CROSS_ENTROPY_GRAD, (x, label, y[1], of_loss, of_loss + of_total), {"axis": axis}), None


def _infer_cross_entropy_grad(x: Spec, label: Spec, *small: Spec, axis: int) -> Spec:
    _infer_cross_entropy(x, label, axis=axis)
    if any(s.shape != label.shape for s in small):
        fail(ShapeError, "softmax_cross_entropy_grad", expected=f"arrays of shape {label.shape}", got=" ".join(str(s.shape) for s in small))
    return x


def _cross_entropy_grad(x: Any, label: Any, total: Any, of_loss: Any, weight: Any, *, axis: int) -> Any:
    """softmax · weight - onehot · of_loss; the softmax from the logarithm of the sum, the one-hot array as a comparison."""
    classes = x.shape[axis]
    hit = call("equal", along(positions(label, classes, label.dtype), axis, x.ndim), _in_range(label, classes))
    return narrow(call("exp", wide(x) - total) * weight - call("where", hit, of_loss, 0), x.dtype)


def _infer_cross_entropy_both(x: Spec, label: Spec, *small: Spec, axis: int) -> tuple[Spec, Spec]:
    loss, total = _infer_cross_entropy(x, label, axis=axis)
    return loss, _infer_cross_entropy_grad(x, label, total, *small, axis=axis)


def _cross_entropy_both(x: Any, label: Any, of_loss: Any, weight: Any, *, axis: int) -> tuple[Any, Any]:
    loss, total = _cross_entropy(x, label, axis=axis)
    return loss, _cross_entropy_grad(x, label, total, of_loss, weight, axis=axis)


_WARP_PACKS = 8 * 32  # up to so many packs of 16 bytes a row has a warp, above a block
_LONG_PACKS = 1024  # from so many on a row has a large block, so that few rows at a time must fit into the level 2 cache
_BATCH = 4  # packs that a thread loads before the first is used


def _row_launch(
    function: str, types: tuple[Spec, ...], arguments: tuple[str, ...], x: Spec, axis: int, num_sms: int, over: str = ""
) -> HandKernels | None:
    """The launch of a function of ``cross_entropy.cu`` over the rows of ``x``, which the output ``over`` may lie over."""
    length = x.shape[axis]
    if math.prod(x.shape[axis + 1 :]) != 1 or length >= 2**31:
        return None
    rows, packs = x.size // length, -(-length * x.dtype.itemsize // 16)
    if packs <= _WARP_PACKS:
        threads, lanes = 256, min(32, 1 << (packs - 1).bit_length())
    else:
        threads = lanes = 256 if rows >= 2 * num_sms and packs < _LONG_PACKS else 1024
    of = ", ".join(stored_type(s.dtype) for s in types)
    text = f"{function}<{of}, {threads}, {lanes}, {_BATCH}>"
    scratch = threads // 32 * wide_dtype(x.dtype).itemsize
    launch = Launch(text, (*arguments, str(rows), str(length)), (-(-rows * lanes // threads), 1), threads, scratch)
    return HandKernels("cross_entropy.cu", (launch,), in_place=(("x0", over),) if over else ())


def _kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int) -> HandKernels | None:
    return _row_launch("hn_cross_entropy", inputs, ("x0", "x1", "y0", "y1"), inputs[0], axis, num_sms)


def _grad_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int) -> HandKernels | None:
    x, label, *small = inputs
    if len({s.dtype for s in small}) > 1:
        return None
    return _row_launch("hn_cross_entropy_grad", (x, small[0], label), ("x0", "x1", "x2", "x3", "x4", "y0"), x, axis, num_sms, over="y0")


def _both_kernels(num_sms: int, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int) -> HandKernels | None:
    x, label, *small = inputs
    if len({s.dtype for s in small}) > 1:
        return None
    types = x, small[0], label
    return _row_launch("hn_cross_entropy_both", types, ("x0", "x1", "x2", "x3", "y0", "y1"), x, axis, num_sms, over="y1")


_CASES = (  # short rows, rows along the first axis, rows of several packs, rows of a block
    (normal(2, 3), np.array([[2], [0]]), 1),
    (normal(3, 2), np.array([[2, 0]]), 0),
    (normal(5, 41), np.array([[40], [-1], [7], [8], [41]]), 1),  # and labels out of range
    (normal(4, 2101, 1), np.array([2100, 0, 8, 1035])[:, None, None], 1),
)
CROSS_ENTROPY = register(
    Op(
        "softmax_cross_entropy",
        Kind.OPAQUE,
        _infer_cross_entropy,
        decomposition=_cross_entropy,
        grad=_cross_entropy_rule,
        saves=(0, 1, "y1"),
        sample=lambda: [
            *(Sample((x, label), {"axis": axis}) for x, label, axis in _CASES),
            Sample((normal(2, 3), np.array([2, 0])), {"axis": 1}, error=ValueError),
        ],
    )
)
on_cuda(CROSS_ENTROPY, kernels=_kernels)

CROSS_ENTROPY_GRAD = register(
    Op(
        "softmax_cross_entropy_grad",
        Kind.OPAQUE,
        _infer_cross_entropy_grad,
        decomposition=_cross_entropy_grad,
        grad=by_parts(_cross_entropy_grad),
        saves=(0, 1, 2, 3, 4),
        sample=lambda: [
            *(
                Sample(
                    (x, label, np.log(np.exp(x).sum(axis, keepdims=True)), *(normal(*label.shape, seed=i) for i in (1, 2))), {"axis": axis}
                )
                for x, label, axis in _CASES
            )
        ],
    )
)
on_cuda(CROSS_ENTROPY_GRAD, kernels=_grad_kernels)

CROSS_ENTROPY_BOTH = register(
    Op(
        "softmax_cross_entropy_both",  # of a training step whose graph has both: see hybridnet.lowering.losses
        Kind.OPAQUE,
        _infer_cross_entropy_both,
        decomposition=_cross_entropy_both,
        grad=by_parts(_cross_entropy_both),
        saves=(0, 1, 2, 3),
        sample=lambda: [Sample((x, label, *(normal(*label.shape, seed=i) for i in (1, 2))), {"axis": axis}) for x, label, axis in _CASES],
    )
)
on_cuda(CROSS_ENTROPY_BOTH, kernels=_both_kernels)


def softmax_cross_entropy(data: Any, label: Any, axis: int = -1) -> Any:
    """-log(softmax(data))[label] along ``axis``: a loss for each label.

    ``label``: classes as numbers of any dtype, of the shape of ``data`` without ``axis``; those out of
    range count as the nearest class. 16-bit data gives float32 losses. ShapeError for labels of another shape.
    """
    data = tensor(data)
    label = tensor(label, data)
    axis = normalize_axis("softmax_cross_entropy", axis, data.ndim)
    if not dtypes.is_floating(data.dtype):
        data = data.astype(dtypes.default_float())
    rows = data.shape[:axis] + data.shape[axis + 1 :]
    if label.shape != rows:
        fail(ShapeError, "softmax_cross_entropy", expected=f"labels of shape {rows} for data {data.shape}", got=str(label.shape))
    loss, _ = apply(CROSS_ENTROPY, (data, expand_dims(label.astype(dtypes.int32, copy=False), axis)), {"axis": axis})
    return call("reshape", loss, shape=label.shape)


def _smooth_l1(x: Any, *, scalar: float) -> Any:
    if scalar == 0:
        return x * 0  # the parabola, everywhere
    slope = call("clip", x * scalar**2, a_min=-1.0, a_max=1.0)
    return slope * (x - slope * (0.5 / scalar**2))


SMOOTH_L1 = register(
    Op(
        "smooth_l1",
        Kind.OPAQUE,
        lambda x, *, scalar: x,
        decomposition=_smooth_l1,
        grad=(lambda g, y, x, *, scalar: g * call("clip", x * scalar**2, a_min=-1.0, a_max=1.0),),
        saves=(0,),
        promote="float",
        precision="float32",
        sample=lambda: [Sample((normal(2, 3),), {"scalar": number}) for number in (1.0, 2.0, 0.0)],
    )
)


def smooth_l1(data: ArrayLike, scalar: float = 1.0) -> Any:
    """(scalar · x)² / 2 near 0, the line abs(x) - 1 / (2 · scalar²) from abs(x) = 1 / scalar² on."""
    return apply(SMOOTH_L1, (tensor(data),), {"scalar": float(scalar)})
