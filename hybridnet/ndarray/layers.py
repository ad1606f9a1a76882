"""Classic layers: products with weights, convolution, pooling, dropout, embedding, recurrent networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hybridnet.core import call
from hybridnet.ndarray.attributes import Array, Dtype, Shape
from hybridnet.ndarray.record import Attributes, unless, when
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import from_input, kernel_shape, with_channels
from hybridnet.ndarray.types import own_dtype
from hybridnet.ops.nn import convolution, deconvolution, dropout, embedding, linear, pooling, resize, rnn

# -- products -------------------------------------------------------------------------------------


def dense_shapes(data: Shape, a: Attributes) -> Mapping[str, Shape]:
    """The shapes of weight and bias of a dense layer, from that of its data."""
    units = a["num_hidden"]
    return {"weight": (units, math.prod(data[1:]) if a["flatten"] else data[-1]), "bias": (units,)}


@classic("FullyConnected", asked={"bias": unless("no_bias")}, required=("num_hidden",), shapes=from_input("data", dense_shapes))
def fully_connected(
    data: Array, weight: Array, bias: Array | None = None, num_hidden: int | None = None, no_bias: bool = False, flatten: bool = True
) -> Any:
    """``data`` · ``weight``ᵀ + ``bias``: (batch, num_hidden), or with ``flatten`` false (..., num_hidden).

    ``weight``: (num_hidden, inputs), the inputs being all axes but the first together, or the last; ``bias``: (num_hidden,).
    """
    return linear.fully_connected(data, weight, bias, num_hidden, no_bias, flatten)


@classic("batch_dot")
def batch_dot(
    lhs: Array,
    rhs: Array,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: Literal["csr", "default", "row_sparse"] | None = None,
) -> Any:
    """The products of matrices one by one: (batch, n, k) and (batch, k, m), either transposed on request, give (batch, n, m)."""
    return linear.batch_dot(lhs, rhs, transpose_a, transpose_b)


@classic("dot", thin=True)
def dot(
    lhs: Array,
    rhs: Array,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: Literal["csr", "default", "row_sparse"] | None = None,
) -> Any:
    """The sum of products over the last axis of ``lhs`` and the first of ``rhs``.

    ``transpose_a`` takes the first axis of ``lhs`` instead, ``transpose_b`` the last of ``rhs``. ``forward_stype`` is the storage
    of the result; without, it follows from those of the matrices: csr · dense is dense, csrᵀ · dense row_sparse, dense · csr csr.
    """
    if lhs.ndim == rhs.ndim == 2:
        product = call("matmul", lhs, rhs, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))
        return product if forward_stype is None else call("cast_storage", product, stype=forward_stype)
    first_a = lhs.ndim == 1 or bool(transpose_a)
    last_b = rhs.ndim > 1 and bool(transpose_b)
    a, outer_a = _matrix(lhs, first_a)
    b, outer_b = _matrix(rhs, not last_b)
    return call("reshape", call("matmul", a, b, transpose_a=first_a, transpose_b=last_b), shape=outer_a + outer_b)


def _matrix(x: Any, first: bool) -> tuple[Any, tuple[int, ...]]:
    """``x`` as a matrix, its first (or last) axis apart from all others, and the shape of the others."""
    if x.ndim == 2:
        return x, x.shape[1:] if first else x.shape[:-1]
    outer = x.shape[1:] if first else x.shape[:-1]
    n, m = x.shape[0 if first else -1], math.prod(outer)
    return call("reshape", x, shape=(n, m) if first else (m, n)), outer


# -- images ---------------------------------------------------------------------------------------


def convolution_shapes(data: Shape, a: Attributes) -> Mapping[str, Shape]:
    """The shapes of weight and bias of a convolution, from that of its data."""
    channels, last = with_channels(data, a["layout"])
    return {"weight": kernel_shape(a["num_filter"], channels // a["num_group"], a["kernel"], last), "bias": (a["num_filter"],)}


@classic(
    "Convolution",
    "Convolution_v1",
    asked={"bias": unless("no_bias")},
    required=("kernel", "num_filter"),
    shapes=from_input("data", convolution_shapes),
)
def convolve(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    kernel: Shape = (),
    stride: Shape = (),
    dilate: Shape = (),
    pad: Shape = (),
    num_filter: int | None = None,
    num_group: int = 1,
    workspace: int = 1024,
    no_bias: bool = False,
    cudnn_tune: Literal["fastest", "limited_workspace", "off"] | None = None,
    cudnn_off: bool = False,
    layout: Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"] | None = None,
) -> Any:
    """Convolution in 1 to 3 dimensions; ``workspace`` and the cuDNN switches mean nothing here.

    ``data``: (batch, channels, *size), or by ``layout`` (batch, *size, channels); ``weight``: (num_filter, channels / num_group,
    *kernel), with the channels last where the data's are; ``bias``: (num_filter,).
    """
    return convolution.convolution(
        data, weight, bias, kernel or None, stride or None, dilate or None, pad or None, num_filter, num_group, no_bias, layout
    )


def _deconvolution_shapes(data: Shape, a: Attributes) -> Mapping[str, Shape]:
    channels, last = with_channels(data, a["layout"])
    return {"weight": kernel_shape(channels, a["num_filter"] // a["num_group"], a["kernel"], last), "bias": (a["num_filter"],)}


@classic(
    "Deconvolution", asked={"bias": unless("no_bias")}, required=("kernel", "num_filter"), shapes=from_input("data", _deconvolution_shapes)
)
def deconvolve(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    kernel: Shape = (),
    stride: Shape = (),
    dilate: Shape = (),
    pad: Shape = (),
    adj: Shape = (),
    target_shape: Shape = (),
    num_filter: int | None = None,
    num_group: int = 1,
    workspace: int = 512,
    no_bias: bool = True,
    cudnn_tune: Literal["fastest", "limited_workspace", "off"] | None = None,
    cudnn_off: bool = False,
    layout: Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"] | None = None,
) -> Any:
    """Transposed convolution in 1 to 3 dimensions; ``workspace`` and the cuDNN switches mean nothing here.

    ``data`` as in ``Convolution``; ``weight``: (channels, num_filter / num_group, *kernel), the second axis last where the
    data's channels are; ``bias``: (num_filter,).
    """
    sizes = kernel or None, stride or None, dilate or None, pad or None, adj or None, target_shape or None
    return deconvolution.deconvolution(data, weight, bias, *sizes, num_filter, num_group, no_bias, layout)


@classic("Pooling", "Pooling_v1")
def pool(
    data: Array,
    kernel: Shape = (),
    pool_type: Literal["max", "avg", "sum", "lp"] = "max",
    global_pool: bool = False,
    cudnn_off: bool = False,
    pooling_convention: Literal["valid", "full", "same"] = "valid",
    stride: Shape = (),
    pad: Shape = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    layout: Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"] | None = None,
) -> Any:
    """The max, avg, sum or lp of each window, or of the whole image with ``global_pool``.

    ``data``: (N, C, *size), or with the channels last by ``layout``; ``kernel``, ``stride`` and ``pad`` have a number a spatial
    axis.
    """
    counted = True if count_include_pad is None else count_include_pad
    return pooling.pooling(
        data, kernel or None, stride or None, pad or None, pool_type, pooling_convention, global_pool, p_value, counted, layout
    )


def _upsampling_inputs(a: Attributes) -> tuple[str, ...]:
    return ("data", "weight") if a["sample_type"] == "bilinear" else tuple(f"arg{i}" for i in range(a["num_args"]))


def _upsampling_shapes(known: Mapping[str, Shape], a: Attributes) -> Mapping[str, Shape]:
    edge = 2 * a["scale"] - a["scale"] % 2
    return {"weight": (a["num_filter"], 1, edge, edge)}


@classic("UpSampling", required=("sample_type",), inputs=_upsampling_inputs, shapes=_upsampling_shapes, shares=True)
def upsampling(
    *data: Array,
    scale: int,
    num_filter: int = 0,
    sample_type: Literal["nearest", "bilinear"] = "nearest",
    multi_input_mode: Literal["concat", "sum"] = "concat",
    num_args: int | None = None,
    workspace: int = 512,
) -> Any:
    """Images ``scale`` times as large: several of them by repeated elements, joined or added, or one and the weight of a deconvolution.

    Images are (N, C, height, width).
    """
    return resize.upsampling(
        *data, scale=scale, sample_type=sample_type, num_filter=num_filter, multi_input_mode=multi_input_mode, num_args=num_args
    )


# -- regularisation, tables, sequences ------------------------------------------------------------


@classic("Dropout", shares=True)
def drop(
    data: Array, p: float = 0.5, mode: Literal["training", "always"] = "training", axes: Shape = (), cudnn_off: bool | None = False
) -> Any:
    """Elements set to 0 with probability ``p``, the others scaled up; in training, or always. Along ``axes`` they share their fate."""
    return dropout.dropout(data, p, mode, axes)


@classic(
    "Embedding",
    required=("input_dim", "output_dim"),
    shapes=lambda known, a: {"weight": (a["input_dim"], a["output_dim"])},
    types=own_dtype("weight"),
)
def embed(
    data: Array,
    weight: Array,
    input_dim: int | None = None,
    output_dim: int | None = None,
    dtype: Dtype = "float32",
    sparse_grad: bool = False,
) -> Any:
    """A row of ``weight`` (input_dim, output_dim) for each element of ``data``, in the weight's own type.

    ``dtype`` is that of a weight whose type is left open. With ``sparse_grad`` the gradient of ``weight`` is of row_sparse storage.
    """
    return embedding.embedding(data, weight, input_dim, output_dim, sparse_grad=sparse_grad)


def rnn_shapes(data: Shape, a: Attributes) -> Mapping[str, Shape]:
    """The shapes of a recurrent network's parameters, states and lengths, by its data's."""
    count = rnn.rnn_param_size(a["mode"], data[2], a["state_size"], a["num_layers"], a["bidirectional"], a["projection_size"])
    places = (a["num_layers"] * (1 + a["bidirectional"]), data[1])
    cell, state = (*places, a["state_size"]), (*places, a["projection_size"] or a["state_size"])
    return {"parameters": (count,), "state": state, "state_cell": cell, "sequence_length": (data[1],)}


def rnn_outputs(a: Attributes) -> tuple[str, ...]:
    """The names of a recurrent network's outputs."""
    states = ("state_output", "statecell_output") if a["mode"] == "lstm" else ("state_output",)
    return ("output", *states) if a["state_outputs"] else ("output",)


@classic(
    "RNN",
    asked={"state_cell": when("mode", "lstm"), "sequence_length": when("use_sequence_length")},
    required=("state_size", "num_layers", "mode"),
    outputs=rnn_outputs,
    shapes=from_input("data", rnn_shapes),
)
def recurrent(
    data: Array,
    parameters: Array | Sequence[Array],
    state: Array,
    state_cell: Array | None = None,
    sequence_length: Array | None = None,
    state_size: int = 0,
    num_layers: int = 1,
    bidirectional: bool = False,
    mode: Literal["rnn_relu", "rnn_tanh", "lstm", "gru"] = "lstm",
    p: float = 0.0,
    state_outputs: bool = False,
    projection_size: int | None = None,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    use_sequence_length: bool = False,
) -> Any:
    """A recurrent network of ``num_layers`` layers over ``data`` (time, batch, inputs).

    ``parameters``: all weights and then all biases, flattened, or a list of these parts; ``state`` and (lstm) ``state_cell``:
    (layers · directions, batch, state_size). Gives the outputs (time, batch, directions · state_size) and, with ``state_outputs``, the
    last states. Of an lstm ``projection_size`` is the size of outputs and ``state``, and cells are clipped, in MXNet by cuDNN alone.
    """
    return rnn.rnn(
        data, parameters, state, state_cell, sequence_length, mode, state_size, num_layers, bool(bidirectional),
        bool(state_outputs), p, bool(use_sequence_length), projection_size,
        lstm_state_clip_min, lstm_state_clip_max, bool(lstm_state_clip_nan),
    )  # fmt: skip
