"""Classic neural network operators: layers, activations, normalisation, losses of the output."""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import call
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.register import operator
from hybridnet.ops import gather, reduction
from hybridnet.ops.nn import activation, linear, loss, softmax as core_softmax


# -- layers ---------------------------------------------------------------------------------------


@operator("FullyConnected")
def fully_connected(data: Any, weight: Any, bias: Any = None, num_hidden: int | None = None, no_bias: bool = False, flatten: bool = True) -> Any:
    """data · weightᵀ + bias, of the flattened data or of its last axis."""
    return linear.fully_connected(data, weight, bias, num_hidden, no_bias, flatten)


@operator("batch_dot", "linalg_batch_dot")
def batch_dot(lhs: Any, rhs: Any, transpose_a: bool = False, transpose_b: bool = False, forward_stype: Any = None) -> Any:
    """Products of the matrices in two batches."""
    return linear.batch_dot(lhs, rhs, transpose_a, transpose_b)


@operator("dot")
def dot(lhs: Any, rhs: Any, transpose_a: bool = False, transpose_b: bool = False, forward_stype: Any = None) -> Any:
    """The sum of products over the last axis of ``lhs`` and the first of ``rhs``.

    ``transpose_a`` takes the first axis of ``lhs`` instead, ``transpose_b`` the last of ``rhs``.
    """
    left = _matrix(lhs, lhs.ndim == 1 or bool(transpose_a), first=False)
    right = _matrix(rhs, rhs.ndim > 1 and bool(transpose_b), first=True)
    outer_left = lhs.shape[1:] if transpose_a or lhs.ndim == 1 else lhs.shape[:-1]
    outer_right = rhs.shape[:-1] if transpose_b and rhs.ndim > 1 else rhs.shape[1:]
    product = call("matmul", left[0], right[0], transpose_a=left[1], transpose_b=right[1])
    return call("reshape", product, shape=outer_left + outer_right)


def _matrix(x: Any, transposed: bool, first: bool) -> tuple[Any, bool]:
    """``x`` as a matrix with the axis to sum over alone, and whether it is on the far side."""
    if x.ndim == 1:
        return call("reshape", x, shape=(x.shape[0], 1)), not first
    if first == transposed:
        return call("reshape", x, shape=(math.prod(x.shape[:-1]), x.shape[-1])), transposed
    return call("reshape", x, shape=(x.shape[0], math.prod(x.shape[1:]))), transposed


# -- activations ----------------------------------------------------------------------------------


@operator("Activation")
def activate(data: Any, act_type: str) -> Any:
    """An activation by name: relu, sigmoid, tanh, softrelu, softsign and others."""
    return activation.activation(data, act_type)


@operator("relu")
def relu(data: Any) -> Any:
    """max(x, 0)."""
    return activation.activation(data, "relu")


@operator("sigmoid")
def sigmoid(data: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return activation.activation(data, "sigmoid")


@operator("softsign")
def softsign(data: Any) -> Any:
    """x / (1 + |x|)."""
    return activation.activation(data, "softsign")


@operator("softplus", "softrelu")
def softplus(data: Any) -> Any:
    """log(1 + exp(x))."""
    return activation.activation(data, "softrelu")


@operator("hard_sigmoid")
def hard_sigmoid(data: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """alpha·x + beta, cut to [0, 1]."""
    return activation.hard_sigmoid(data, alpha, beta)


@operator("LeakyReLU")
def leaky_relu(data: Any, gamma: Any = None, act_type: str = "leaky", slope: float = 0.25, lower_bound: float = 0.125, upper_bound: float = 0.334) -> Any:
    """leaky, prelu, elu, selu, gelu or rrelu, by ``act_type``."""
    return activation.leaky_relu(data, gamma, act_type, slope, lower_bound, upper_bound)


# -- softmax --------------------------------------------------------------------------------------


@operator("softmax")
def softmax(data: Any, length: Any = None, axis: int = -1, temperature: float | None = None, dtype: Any = None, use_length: bool = False) -> Any:
    """exp(x / temperature) over its sum along an axis, up to ``length`` with ``use_length``."""
    return core_softmax.softmax(data, length, axis, temperature, use_length, dtype)


@operator("log_softmax")
def log_softmax(data: Any, axis: int = -1, temperature: float | None = None, dtype: Any = None, use_length: bool = False) -> Any:
    """The logarithm of softmax."""
    return core_softmax.log_softmax(data, axis, temperature, dtype)


@operator("softmin")
def softmin(data: Any, axis: int = -1, temperature: float | None = None, dtype: Any = None) -> Any:
    """softmax of -x."""
    return core_softmax.softmin(data, axis, temperature, dtype)


@operator("masked_softmax")
def masked_softmax(data: Any, mask: Any, axis: int = -1, temperature: float | None = 1.0, normalize: bool = True) -> Any:
    """softmax over the elements that ``mask`` chooses, 0 elsewhere."""
    return core_softmax.masked_softmax(data, mask, axis, temperature)


@operator("SoftmaxActivation")
def softmax_activation(data: Any, mode: str = "instance") -> Any:
    """softmax over all but the first axis, or over channels with ``mode="channel"``."""
    if mode not in ("instance", "channel"):
        fail(ArgumentError, "SoftmaxActivation", expected="mode instance or channel", got=repr(mode))
    if mode == "channel":
        return core_softmax.softmax(data, axis=1)
    flat = call("reshape", data, shape=(data.shape[0], math.prod(data.shape[1:])))
    return call("reshape", core_softmax.softmax(flat), shape=data.shape)


@operator("softmax_cross_entropy")
def softmax_cross_entropy(data: Any, label: Any) -> Any:
    """The sum over rows of -log softmax(data)[label], as one number."""
    return reduction.sum(-gather.pick(core_softmax.log_softmax(data), label))


@operator("smooth_l1")
def smooth_l1(data: Any, scalar: float = 1.0) -> Any:
    """0.5·(scalar·x)² where |x| < 1/scalar², else |x| - 0.5/scalar²."""
    return loss.smooth_l1(data, scalar)
