"""Classic neural network operators: layers, activations, softmax, normalisation, sequences.

Most are the core's functions under MXNet's names; the others differ in a default or in what
they take.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.register import keep_dtype, operator
from hybridnet.ops.array import gather
from hybridnet.ops.math import reduction, statistics
from hybridnet.ops.math.wide import in_wide
from hybridnet.ops.nn import activation, convolution, deconvolution, dropout, embedding, linear, loss, norm, pooling, resize, sequence
from hybridnet.ops.nn import softmax as core_softmax

# -- layers ---------------------------------------------------------------------------------------

operator("FullyConnected")(linear.fully_connected)
operator("batch_dot")(linear.batch_dot)
operator("LayerNorm")(norm.layer_norm)
operator("GroupNorm")(norm.group_norm)
operator("InstanceNorm")(norm.instance_norm)
operator("L2Normalization")(norm.l2_normalization)
operator("UpSampling")(resize.upsampling)


@operator("dot")
def dot(lhs: Any, rhs: Any, transpose_a: bool = False, transpose_b: bool = False, forward_stype: Any = None) -> Any:
    """The sum of products over the last axis of ``lhs`` and the first of ``rhs``.

    ``transpose_a`` takes the first axis of ``lhs`` instead, ``transpose_b`` the last of ``rhs``.
    """
    first_a = lhs.ndim == 1 or bool(transpose_a)
    last_b = rhs.ndim > 1 and bool(transpose_b)
    a, outer_a = _matrix(lhs, first_a)
    b, outer_b = _matrix(rhs, not last_b)
    return call("reshape", call("matmul", a, b, transpose_a=first_a, transpose_b=last_b), shape=outer_a + outer_b)


def _matrix(x: Any, first: bool) -> tuple[Any, tuple[int, ...]]:
    """``x`` as a matrix, its first (or last) axis apart from all others, and the shape of the others."""
    outer = x.shape[1:] if first else x.shape[:-1]
    n, m = x.shape[0 if first else -1], math.prod(outer)
    return call("reshape", x, shape=(n, m) if first else (m, n)), outer


@operator("Convolution", "Convolution_v1")
def convolve(
    data: Any,
    weight: Any,
    bias: Any = None,
    kernel: Any = None,
    stride: Any = None,
    dilate: Any = None,
    pad: Any = None,
    num_filter: int | None = None,
    num_group: int = 1,
    workspace: int = 1024,
    no_bias: bool = False,
    cudnn_tune: str | None = None,
    cudnn_off: bool = False,
    layout: str | None = None,
) -> Any:
    """Convolution in 1 to 3 dimensions; ``workspace`` and the cuDNN switches mean nothing here."""
    return convolution.convolution(data, weight, bias, kernel, stride, dilate, pad, num_filter, num_group, no_bias, layout)


@operator("Deconvolution")
def deconvolve(
    data: Any,
    weight: Any,
    bias: Any = None,
    kernel: Any = None,
    stride: Any = None,
    dilate: Any = None,
    pad: Any = None,
    adj: Any = None,
    target_shape: Any = None,
    num_filter: int | None = None,
    num_group: int = 1,
    workspace: int = 512,
    no_bias: bool = True,
    cudnn_tune: str | None = None,
    cudnn_off: bool = False,
    layout: str | None = None,
) -> Any:
    """Transposed convolution in 1 to 3 dimensions; ``workspace`` and the cuDNN switches mean nothing here."""
    return deconvolution.deconvolution(
        data, weight, bias, kernel, stride, dilate, pad, adj, target_shape, num_filter, num_group, no_bias, layout
    )


@operator("Pooling", "Pooling_v1")
def pool(
    data: Any,
    kernel: Any = None,
    pool_type: str = "max",
    global_pool: bool = False,
    cudnn_off: bool = False,
    pooling_convention: str = "valid",
    stride: Any = None,
    pad: Any = None,
    p_value: int | None = None,
    count_include_pad: bool = True,
    layout: str | None = None,
) -> Any:
    """The max, avg, sum or lp of each window, or of the whole image with ``global_pool``."""
    return pooling.pooling(
        data,
        kernel,
        stride,
        pad,
        pool_type,
        pooling_convention,
        global_pool,
        p_value,
        True if count_include_pad is None else count_include_pad,
        layout,
    )


@operator("BatchNorm", "BatchNorm_v1", writes=True)
def batch_norm(
    data: Any,
    gamma: Any,
    beta: Any,
    moving_mean: Any,
    moving_var: Any,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """Batch normalisation; in training the moving statistics are updated in place. ``fix_gamma`` writes 1 into gamma."""
    if fix_gamma:
        norm.fix(gamma)
    return norm.batch_norm(data, gamma, beta, moving_mean, moving_var, eps, momentum, fix_gamma, use_global_stats, output_mean_var, axis)


@operator("LRN")
def local_response_norm(data: Any, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0, nsize: int | None = None) -> Any:
    """x / (knorm + alpha / nsize · the sum of squares over ``nsize`` neighbouring channels)**beta."""
    if nsize is None:
        fail(ArgumentError, "LRN", expected="nsize, a number of channels", got="none")
    return _lrn(data, nsize, alpha, beta, knorm)


@in_wide
def _lrn(data: Any, nsize: int, alpha: float, beta: float, knorm: float) -> Any:
    channels, half = data.shape[1], nsize // 2
    squares = call("square", data)
    around = call("reshape", squares, shape=(data.shape[0], 1, channels, -1 if not data.size else data.size // (data.shape[0] * channels)))
    sums = pooling.pooling(around, (nsize, 1), (1, 1), (half, 0), "sum")
    return data * (call("reshape", sums, shape=data.shape) * (alpha / nsize) + knorm) ** -beta


@operator("Dropout")
def drop(data: Any, p: float = 0.5, mode: str = "training", axes: Any = (), cudnn_off: bool = False) -> Any:
    """Elements set to 0 with probability ``p``, the others scaled up; in training, or always."""
    return dropout.dropout(data, p, mode, axes)


@operator("Embedding")
def embed(
    data: Any, weight: Any, input_dim: int | None = None, output_dim: int | None = None, dtype: Any = None, sparse_grad: bool = False
) -> Any:
    """A row of ``weight`` for each element of ``data``."""
    return embedding.embedding(data, weight, input_dim, output_dim, dtype, sparse_grad)


# -- activations ----------------------------------------------------------------------------------

operator("Activation")(activation.activation)
operator("relu")(lambda data: keep_dtype(activation.relu(data), data))
operator("sigmoid")(lambda data: keep_dtype(activation.sigmoid(data), data))
operator("softsign")(lambda data: keep_dtype(activation.softsign(data), data))
operator("log_sigmoid")(activation.log_sigmoid)
operator("softplus")(activation.softplus)
operator("mish")(activation.mish)
operator("hard_sigmoid")(activation.hard_sigmoid)


@operator("LeakyReLU")
def leaky_relu(
    data: Any, gamma: Any = None, act_type: str = "leaky", slope: float = 0.25, lower_bound: float = 0.125, upper_bound: float = 0.334
) -> Any:
    """The activations with a slope below 0, by name; ``rrelu`` gives its slopes too."""
    if act_type == "rrelu":
        return activation.rrelu(data, lower_bound, upper_bound)
    return activation.leaky_relu(data, gamma, act_type, slope, lower_bound, upper_bound)


operator("smooth_l1")(lambda data, scalar=1.0: keep_dtype(loss.smooth_l1(data, scalar), data))


# -- softmax --------------------------------------------------------------------------------------

operator("softmax")(core_softmax.softmax)
operator("log_softmax")(core_softmax.log_softmax)
operator("softmin")(core_softmax.softmin)
operator("masked_softmax")(core_softmax.masked_softmax)
operator("masked_log_softmax")(core_softmax.masked_log_softmax)


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


# -- sequences, statistics ------------------------------------------------------------------------

operator("SequenceMask", "sequence_mask")(sequence.sequence_mask)
operator("SequenceLast", "sequence_last")(sequence.sequence_last)
operator("SequenceReverse", "sequence_reverse")(sequence.sequence_reverse)


@operator("histogram", "_histogram", also={"a": "data"})
def histogram(data: Any, bins: Any = 10, range: Any = None) -> Any:
    """The counts of values in each bin, and the bins' edges."""
    counts, edges = statistics.histogram(data, bins, range)
    return [counts.astype(dtypes.int64, copy=False), edges.astype(data.dtype, copy=False)]


@operator("khatri_rao")
def khatri_rao(*args: Any) -> Any:
    """The Kronecker products of the matrices' columns, column by column."""
    product, *rest = args
    for x in rest:
        pairs = call("reshape", product, shape=(product.shape[0], 1, product.shape[1])) * call("reshape", x, shape=(1, *x.shape))
        product = call("reshape", pairs, shape=(product.shape[0] * x.shape[0], x.shape[1]))
    return product
