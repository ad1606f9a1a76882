"""Classic activations and softmaxes."""

from __future__ import annotations

import math
from typing import Any, Literal

from hybridnet.core import call
from hybridnet.ndarray.attributes import Array, Dtype
from hybridnet.ndarray.record import Attributes, when
from hybridnet.ndarray.register import classic, keep_dtype
from hybridnet.ndarray.shapes import from_input, per_channel, without_axis
from hybridnet.ndarray.types import apart
from hybridnet.ops.math import reduction
from hybridnet.ops.nn import activation, loss
from hybridnet.ops.nn import softmax as core_softmax


@classic("Activation", required=("act_type",))
def activate(
    data: Array,
    act_type: Literal["relu", "sigmoid", "softrelu", "softsign", "tanh", "log_sigmoid", "mish", "silu", "gelu", "gelu_tanh"] = "relu",
) -> Any:
    """An activation by name; the last five are ours."""
    return activation.activation(data, act_type)


@classic("relu", by_class=True)
def relu(data: Array) -> Any:
    """max(data, 0)."""
    return keep_dtype(activation.relu(data), data)


@classic("sigmoid", by_class=True)
def sigmoid(data: Array) -> Any:
    """1 / (1 + exp(-data))."""
    return keep_dtype(activation.sigmoid(data), data)


@classic("softsign", by_class=True)
def softsign(data: Array) -> Any:
    """data / (1 + \\|data\\|)."""
    return keep_dtype(activation.softsign(data), data)


@classic("log_sigmoid")
def log_sigmoid(data: Array) -> Any:
    """The logarithm of the sigmoid."""
    return activation.log_sigmoid(data)


@classic("softplus")
def softplus(data: Array) -> Any:
    """log(1 + exp(data))."""
    return activation.softplus(data)


@classic("mish")
def mish(data: Array) -> Any:
    """data · tanh(log(1 + exp(data)))."""
    return activation.mish(data)


@classic("hard_sigmoid")
def hard_sigmoid(data: Array, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """alpha · data + beta, cut to 0 … 1."""
    return activation.hard_sigmoid(data, alpha, beta)


@classic(
    "LeakyReLU",
    asked={"gamma": when("act_type", "prelu")},
    outputs=lambda a: ("output", "mask") if a["act_type"] == "rrelu" else ("output",),
    shapes=per_channel("gamma", axis=1),
)
def leaky_relu(
    data: Array,
    gamma: Array | None = None,
    act_type: Literal["elu", "gelu", "leaky", "prelu", "rrelu", "selu"] = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> Any:
    """The activations with a slope below 0, by name; ``rrelu`` gives its slopes too."""
    if act_type == "rrelu":
        return activation.rrelu(data, lower_bound, upper_bound)
    return activation.leaky_relu(data, gamma, act_type, slope, lower_bound, upper_bound)


@classic("smooth_l1", by_class=True)
def smooth_l1(data: Array, scalar: float = 1.0) -> Any:
    """(scalar · x)² / 2 where \\|x\\| < 1 / scalar², else \\|x\\| - 1 / (2 scalar²)."""
    return keep_dtype(loss.smooth_l1(data, scalar), data)


# -- softmax --------------------------------------------------------------------------------------

_WITH_LENGTH = {"length": when("use_length")}


@classic("softmax", asked=_WITH_LENGTH, shapes=without_axis("length"), types=apart("length"), thin=True)
def softmax(
    data: Array,
    length: Array | None = None,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Dtype | None = None,
    use_length: bool | None = False,
) -> Any:
    """exp(x / temperature) over its sum along ``axis``.

    With ``use_length``, only the first ``length[...]`` elements of each row count and the others give 0; ``length`` has the
    shape of ``data`` without ``axis``. ``dtype``: of the result.
    """
    return core_softmax.softmax(data, length, axis, temperature, dtype, bool(use_length))


@classic("log_softmax", asked=_WITH_LENGTH, shapes=without_axis("length"), types=apart("length"), thin=True)
def log_softmax(
    data: Array,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Dtype | None = None,
    use_length: bool | None = False,
    length: Array | None = None,
) -> Any:
    """The logarithm of ``softmax``, without its rounding; minus infinity beyond ``length``, which is ours."""
    return core_softmax.log_softmax(data, axis, temperature, dtype, bool(use_length), length)


@classic("softmin", asked=_WITH_LENGTH, shapes=without_axis("length"), types=apart("length"))
def softmin(
    data: Array,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Dtype | None = None,
    use_length: bool | None = False,
    length: Array | None = None,
) -> Any:
    """``softmax`` of -x; ``length`` is ours."""
    return core_softmax.softmin(data, axis, temperature, dtype, bool(use_length), length)


@classic("masked_softmax")
def masked_softmax(data: Array, mask: Array, axis: int = -1, temperature: float | None = 1.0, dtype: Dtype | None = None) -> Any:
    """``softmax`` over the elements where ``mask`` (broadcast to ``data``) is true; 0 elsewhere."""
    return core_softmax.masked_softmax(data, mask, axis, temperature, dtype)


@classic("masked_log_softmax")
def masked_log_softmax(data: Array, mask: Array, axis: int = -1, temperature: float | None = 1.0, dtype: Dtype | None = None) -> Any:
    """``log_softmax`` over the elements where ``mask`` is true; minus infinity elsewhere.

    ``mask`` broadcasts to ``data``; the softmax is along ``axis``.
    """
    return core_softmax.masked_log_softmax(data, mask, axis, temperature, dtype)


@classic("SoftmaxActivation")
def softmax_activation(data: Array, mode: Literal["channel", "instance"] = "instance") -> Any:
    """softmax over all but the first axis, or over channels with ``mode="channel"``."""
    if mode == "channel":
        return core_softmax.softmax(data, axis=1)
    flat = call("reshape", data, shape=(data.shape[0], math.prod(data.shape[1:])))
    return call("reshape", core_softmax.softmax(flat), shape=data.shape)


def _rows(data: tuple[int, ...], a: Attributes) -> dict[str, tuple[int, ...]]:
    return {"label": data[:1]}


@classic("softmax_cross_entropy", shapes=from_input("data", _rows), by_class=True)
def softmax_cross_entropy(data: Array, label: Array) -> Any:
    """The sum over rows of -log softmax(data)[label], as one number."""
    return keep_dtype(reduction.sum(loss.softmax_cross_entropy(data, label)), data)
