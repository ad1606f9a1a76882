"""Softmax, its logarithm, and both over the elements that a mask or a length leaves.

16-bit inputs are exponentiated and summed in float32. Softmax, and its gradient as an operator of its own, are oneDNN's where it is
installed.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DTypeLike, Kind, Op, Sample, Spec, apply, broadcast_shapes, call, local, on_cpu, register
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.array.gather import positions
from hybridnet.ops.array.selection import check_floating
from hybridnet.ops.array.shape import expand_dims
from hybridnet.ops.common import normal, normalize_axis, tensor, uniform
from hybridnet.ops.nn import rows_host
from hybridnet.ops.nn.common import along, in_wide, wide


def _infer(name: str) -> Any:
    def infer(x: Spec, mask: Spec | None = None, *, axis: int) -> Spec:
        if mask is not None:
            check_floating(name, x)
            if mask.dtype != np.bool_:
                fail(DtypeError, name, expected="a bool mask", got=str(mask.dtype))
            if broadcast_shapes(name, x.shape, mask.shape) != x.shape:
                fail(ShapeError, name, expected=f"a mask that broadcasts to {x.shape}", got=str(mask.shape))
        return x

    return infer


def _sum(x: Any, axis: int) -> Any:
    return call("sum", x, axis=(axis,), keepdims=True)


def _max(x: Any, axis: int) -> Any:
    return call("max", x, axis=(axis,), keepdims=True)


def _of_something(decomposition: Any) -> Any:
    """``decomposition`` in float32 at least; of an empty axis there is nothing to normalise, and the result is as empty."""
    computed = in_wide(decomposition)
    return lambda x, *mask, axis: computed(x, *mask, axis=axis) if x.shape[axis] else call("copy", x)


@_of_something
def _softmax(a: Any, *, axis: int) -> Any:
    e = call("exp", a - _max(a, axis))
    return e / _sum(e, axis)


def _softmax_grad(g: Any, y: Any, *, axis: int) -> Any:
    return y * (g - _sum(g * y, axis))


def _softmax_rule(g: Any, y: Any, *inputs: Any, axis: int) -> Any:
    # What is differentiated once more is written in its parts.
    return _softmax_grad(g, y, axis=axis) if local.recording else apply(SOFTMAX_GRAD, (g, y), {"axis": axis})


def _infer_grad(g: Spec, y: Spec, *, axis: int) -> Spec:
    if g.shape != y.shape or axis >= y.ndim:
        fail(ShapeError, "softmax_grad", expected=f"a gradient of shape {y.shape}, which has an axis {axis}", got=str(g.shape))
    return y


@_of_something
def _log_softmax(a: Any, *, axis: int) -> Any:
    shifted = a - _max(a, axis)
    return shifted - call("log", _sum(call("exp", shifted), axis))


def _log_softmax_rule(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    g, y = wide(g), wide(y)
    return g - call("exp", y) * _sum(g, axis)


def _masked(a: Any, mask: Any) -> tuple[Any, float]:
    """``a`` with what the mask drops set far below anything else, and that value.

    Half the lowest number: the difference to any ordinary number stays finite.
    """
    low = float(ml_dtypes.finfo(a.dtype).min) / 2
    return call("where", mask, a, low), low


@_of_something
def _masked_softmax(a: Any, mask: Any, *, axis: int) -> Any:
    a, low = _masked(a, mask)
    largest = _max(a, axis)
    e = call("exp", a - largest)
    # A row with nothing left is all 0.
    return e * call("where", largest > low, 1 / _sum(e, axis), 0)


@_of_something
def _masked_log_softmax(a: Any, mask: Any, *, axis: int) -> Any:
    a, _ = _masked(a, mask)
    shifted = a - _max(a, axis)
    y = shifted - call("log", _sum(call("exp", shifted), axis))
    return call("where", mask, y, -float("inf"))


def _masked_log_softmax_rule(g: Any, y: Any, x: Any, mask: Any, *, axis: int) -> Any:
    g, y = wide(call("where", mask, g, 0)), wide(y)
    return g - call("exp", y) * _sum(g, axis)


_mask = np.array([[True, True, False, True], [False, True, True, False], [False, False, False, False]])


def _register(name: str, decomposition: Any, grad: tuple[Any, ...], saves: tuple[int | str, ...], *made: Sample) -> Op:
    return register(
        Op(
            name,
            Kind.OPAQUE,
            _infer(name),
            decomposition=decomposition,
            grad=grad,
            saves=saves,
            promote="float" if len(grad) == 1 else None,
            precision="float32",
            sample=lambda: [*made],
        )
    )


_plain = (
    Sample((normal(2, 3, 2),), {"axis": 1}),
    Sample((normal(2, 3),), {"axis": 1}),
    Sample((normal(2, 0),), {"axis": 1}),
)
SOFTMAX_GRAD = register(
    Op(
        "softmax_grad",
        Kind.OPAQUE,
        _infer_grad,
        decomposition=_softmax_grad,
        sample=lambda: [
            *(
                Sample((normal(*shape, seed=1), uniform(0, 1, *shape)), {"axis": axis}, differentiable=False)
                for shape, axis in (((2, 3, 2), 1), ((2, 3), 1), ((3, 40), 1), ((5,), 0))
            ),
            Sample((normal(2, 3), normal(2, 4)), {"axis": 1}, error=ValueError),
        ],
    )
)
on_cpu(SOFTMAX_GRAD, rows_host.softmax)
SOFTMAX = _register("softmax", _softmax, (_softmax_rule,), ("y",), *_plain)
on_cpu(SOFTMAX, rows_host.softmax)
LOG_SOFTMAX = _register("log_softmax", _log_softmax, (_log_softmax_rule,), ("y",), *_plain)
_wrong = Sample((normal(2, 3), np.ones((2, 4), bool)), {"axis": 1}, error=ValueError)
MASKED_SOFTMAX = _register(
    "masked_softmax",
    _masked_softmax,
    (_softmax_rule, None),
    ("y",),
    Sample((normal(3, 4), _mask), {"axis": 1}),
    Sample((normal(2, 4), _mask[:1]), {"axis": 1}),
    _wrong,
)
MASKED_LOG_SOFTMAX = _register(
    "masked_log_softmax",
    _masked_log_softmax,
    (_masked_log_softmax_rule, None),
    (1, "y"),
    Sample((normal(3, 4), _mask), {"axis": 1}, differentiable=False),  # minus infinity where masked
    Sample((normal(3, 4), _mask[:1] | True), {"axis": 1}),
    _wrong,
)


def _ready(op: str, data: Any, axis: int, temperature: float | None, dtype: Any) -> tuple[Any, dict[str, Any]]:
    if dtype is not None:
        data = data.astype(dtype, copy=False)
    if temperature is not None and temperature <= 0:
        fail(ArgumentError, op, expected="a positive temperature", got=str(temperature))
    if temperature is not None and temperature != 1:
        data = call("true_divide", wide(data), temperature)
    return data, {"axis": normalize_axis(op, axis, len(data._data.shape))}


def _like(result: Any, data: Any, dtype: Any) -> Any:
    """A result of scores that may have been widened in the type of the data, or in the one that was asked for."""
    given = data._data.dtype
    if dtype is None and result._data.dtype is given:
        return result
    return result.astype(dtypes.floating(given) if dtype is None else dtype, copy=False)


def length_mask(length: ArrayLike, n: int, axis: int, ndim: int) -> Any:
    """Whether the position on ``axis`` (of ``n``) is below ``length``, which has all other axes. ShapeError if it does not."""
    length = tensor(length)
    if length.ndim != ndim - 1:
        fail(ShapeError, "softmax", expected=f"a length for each row: {ndim - 1} dimensions", got=str(length.shape))
    return call("less", along(positions(length, n, length._data.dtype), axis, ndim), expand_dims(length, axis))


def softmax(
    data: ArrayLike,
    length: ArrayLike | None = None,
    axis: int = -1,
    temperature: float | None = None,
    dtype: DTypeLike = None,
    use_length: bool = False,
) -> Any:
    """exp(x / temperature) over its sum along ``axis``.

    With ``use_length``, only the first ``length[...]`` elements of each row count and the others give 0;
    ``length`` has the shape of ``data`` without ``axis``. ``dtype``: of the result.
    """
    data = tensor(data)
    scores, attrs = _ready("softmax", data, axis, temperature, dtype)
    if not use_length or length is None:
        return _like(apply(SOFTMAX, (scores,), attrs), data, dtype)
    mask = length_mask(length, scores.shape[attrs["axis"]], attrs["axis"], scores.ndim)
    return _like(masked_softmax(scores, mask, axis), data, dtype)


def log_softmax(
    data: ArrayLike,
    axis: int = -1,
    temperature: float | None = None,
    dtype: DTypeLike = None,
    use_length: bool = False,
    length: ArrayLike | None = None,
) -> Any:
    """The logarithm of :func:`softmax`, without its rounding; minus infinity beyond ``length``."""
    data = tensor(data)
    scores, attrs = _ready("log_softmax", data, axis, temperature, dtype)
    if not use_length or length is None:
        return _like(apply(LOG_SOFTMAX, (scores,), attrs), data, dtype)
    mask = length_mask(length, scores.shape[attrs["axis"]], attrs["axis"], scores.ndim)
    return _like(masked_log_softmax(scores, mask, axis), data, dtype)


def softmin(
    data: ArrayLike,
    axis: int = -1,
    temperature: float | None = None,
    dtype: DTypeLike = None,
    use_length: bool = False,
    length: ArrayLike | None = None,
) -> Any:
    """:func:`softmax` of -x. Along ``axis``, in the shape of ``data``."""
    return softmax(call("negative", tensor(data)), length, axis, temperature, dtype, use_length)


def _mask_operand(data: Any, mask: Any) -> Any:
    mask = tensor(mask, data)
    return mask if mask.dtype == np.bool_ else mask != 0


def masked_softmax(data: ArrayLike, mask: ArrayLike, axis: int = -1, temperature: float | None = 1.0, dtype: DTypeLike = None) -> Any:
    """:func:`softmax` over the elements where ``mask`` (broadcast to ``data``) is true; 0 elsewhere."""
    data = tensor(data)
    scores, attrs = _ready("masked_softmax", data, axis, temperature, dtype)
    return _like(apply(MASKED_SOFTMAX, (scores, _mask_operand(scores, mask)), attrs), data, dtype)


def masked_log_softmax(data: ArrayLike, mask: ArrayLike, axis: int = -1, temperature: float | None = 1.0, dtype: DTypeLike = None) -> Any:
    """:func:`log_softmax` over the elements where ``mask`` is true; minus infinity elsewhere.

    ``mask`` broadcasts to ``data``; the softmax is along ``axis``.
    """
    data = tensor(data)
    scores, attrs = _ready("masked_log_softmax", data, axis, temperature, dtype)
    return _like(apply(MASKED_LOG_SOFTMAX, (scores, _mask_operand(scores, mask)), attrs), data, dtype)
