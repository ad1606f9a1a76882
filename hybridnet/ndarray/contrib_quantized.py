"""``nd.contrib``'s quantized layers: bytes with ranges in, bytes or int32 with ranges out. None has a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ndarray.attributes import Array, Dtype, Shape
from hybridnet.ndarray.layers import convolution_shapes, convolve, dense_shapes, pool
from hybridnet.ndarray.record import Attributes, ShapeRule, numbered, unless
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import from_input
from hybridnet.ndarray.types import Known, always, requantized
from hybridnet.ndarray.types import quantized as types_of
from hybridnet.ops.array.shape import concatenate
from hybridnet.ops.nn import calibration, embedding, quantized

OutType = Literal["auto", "int8", "uint8"]
_WITH_RANGE = ("output", "min_output", "max_output")
#: Behind an optional input all are optional in Python; the ranges are asked for whatever the attributes say.
_BIAS = {
    **{name: unless("no_bias") for name in ("bias", "min_bias", "max_bias")},
    **{name: lambda a: True for name in ("min_data", "max_data", "min_weight", "max_weight")},
}


# -- dtypes ---------------------------------------------------------------------------------------

_KEPT = types_of((), lambda known, a: known["data"])
_FROM_FLOAT = types_of((), lambda known, a: dtypes.as_dtype(a["out_type"]), free=())


def _from_whole(inputs: Known, outputs: Any, a: Attributes) -> Any:
    found, results = types_of((), requantized)(inputs, outputs, a)
    return {**found, "data": found["data"] or dtypes.int32}, results


def _of_concat(inputs: Known, outputs: Any, a: Attributes) -> Any:
    """Bytes are uint8 unless known, and so is what they give if all are."""
    bytes_ = {key: t or dtypes.uint8 for key, t in inputs.items() if not key.endswith(("_min", "_max"))}
    found = {key: bytes_.get(key) or t or dtypes.float32 for key, t in inputs.items()}
    return found, [dtypes.int8 if dtypes.int8 in bytes_.values() else dtypes.uint8, dtypes.float32, dtypes.float32]


def _of_sum(inputs: Known, outputs: Any, a: Attributes) -> Any:
    """Two operands are uint8 unless known; in a range that is given uint8 of two such, else int8."""
    found = {key: t or (dtypes.uint8 if key in ("lhs", "rhs") else dtypes.float32) for key, t in inputs.items()}
    both = dtypes.uint8 if found["lhs"] == found["rhs"] == dtypes.uint8 else dtypes.int8
    return found, [dtypes.int32 if a["min_calib_range"] is None else both, dtypes.float32, dtypes.float32]


def _product(known: Known, a: Attributes) -> Any:
    if a["enable_float_output"]:
        return dtypes.float32
    return dtypes.int32 if a["min_calib_range"] is None else dtypes.int8


_of_product = types_of((), _product, free=("lhs", "rhs"))

# -- shapes ---------------------------------------------------------------------------------------

_ENDS = [f"{end}_{of}" for of in ("range", "data", "weight", "bias") for end in ("min", "max")]
_ENDS += [f"{of}_{end}" for of in ("lhs", "rhs") for end in ("min", "max")]


def _with_ranges(own: ShapeRule | None = None) -> ShapeRule:
    """A layer's own rule, and the ends of ranges, which are of one element each."""

    def rule(known: Mapping[str, Shape], a: Attributes) -> Mapping[str, Shape]:
        return {**dict.fromkeys(_ENDS, (1,)), **(own(known, a) if own is not None and "data" in known else {})}

    return rule


# -- operators ------------------------------------------------------------------------------------


def _whole(result: tuple[Any, Any, Any]) -> list[Any]:
    return list(result)


@classic("_contrib_quantize", outputs=numbered(3), shapes=_with_ranges(), types=_FROM_FLOAT)
def quantize(data: Array, min_range: Array, max_range: Array, out_type: Literal["int8", "uint8"] = "uint8") -> Any:
    """``data`` as ``out_type`` with a range, and the range, of shape (1,) each: uint8 whose 0 is ``min_range``, or int8."""
    return _whole(quantized.quantize(data, min_range, max_range, out_type))


@classic("_contrib_quantize_v2", outputs=numbered(3), types=types_of((), requantized))
def quantize_v2(data: Array, out_type: OutType = "int8", min_calib_range: float | None = None, max_calib_range: float | None = None) -> Any:
    """``data`` as ``out_type`` with the range given, or its own, and the range, of shape (1,) each; ``auto``: uint8 from 0 on."""
    return _whole(quantized.quantize_range(data, out_type, min_calib_range, max_calib_range))


@classic("_contrib_dequantize", shapes=_with_ranges(), types=types_of((), lambda known, a: dtypes.float32))
def dequantize(data: Array, min_range: Array, max_range: Array, out_type: Dtype = "float32") -> Any:
    """The float32 numbers that int8 or uint8 ``data`` stands for; the shape stays."""
    return quantized.dequantize(data, min_range, max_range)


@classic("_contrib_requantize", outputs=numbered(3), shapes=_with_ranges(), types=_from_whole)
def requantize(
    data: Array,
    min_range: Array,
    max_range: Array,
    out_type: OutType = "int8",
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """int32 ``data`` as int8 or uint8 with the range given, or its own, and the range, of shape (1,) each."""
    return _whole(quantized.requantize(data, min_range, max_range, out_type, min_calib_range, max_calib_range))


@classic(
    "_contrib_quantized_act",
    required=("act_type",),
    outputs=_WITH_RANGE,
    shapes=_with_ranges(),
    types=types_of((), lambda known, a: known["data"] if known["data"] == dtypes.uint8 else dtypes.int8),
)
def quantized_act(
    data: Array, min_data: Array, max_data: Array, act_type: Literal["relu", "sigmoid", "softrelu", "softsign", "tanh"] = "relu"
) -> Any:
    """A relu of bytes, in the same range and shape. ArgumentError for another ``act_type``, as in MXNet."""
    if act_type != "relu":
        fail(ArgumentError, "quantized_act", expected="act_type relu", got=repr(act_type))
    quantized.check_type("quantized_act", data)
    return [call("maximum", data, 0), call("copy", min_data), call("copy", max_data)]


@classic("_contrib_quantized_flatten", outputs=_WITH_RANGE, shapes=_with_ranges(), types=_KEPT)
def quantized_flatten(data: Array, min_data: Array, max_data: Array) -> Any:
    """Bytes as (batch, rest), in the same range."""
    return [
        call("reshape", data, shape=(data.shape[0], data.size // max(data.shape[0], 1))),
        call("copy", min_data),
        call("copy", max_data),
    ]


@classic(
    "_contrib_quantized_embedding",
    required=("input_dim", "output_dim"),
    outputs=_WITH_RANGE,
    types=types_of(("weight",), lambda known, a: dtypes.int8),
)
def quantized_embedding(
    data: Array,
    weight: Array,
    min_weight: Array,
    max_weight: Array,
    input_dim: int | None = None,
    output_dim: int | None = None,
    dtype: Dtype = "float32",
    sparse_grad: bool = False,
) -> Any:
    """A row of int8 ``weight`` (input_dim, output_dim) for each element of ``data``, in its range."""
    return [embedding.embedding(data, weight, input_dim, output_dim), call("copy", min_weight), call("copy", max_weight)]


def _concat_inputs(a: Attributes) -> tuple[str, ...]:
    n = range(a["num_args"])
    return (*(f"arg{i}" for i in n), *(f"arg{i}_{end}" for i in n for end in ("min", "max")))


@classic("_contrib_quantized_concat", inputs=_concat_inputs, outputs=_WITH_RANGE, types=_of_concat)
def quantized_concat(*data: Array, num_args: int | None = None, dim: int = 1) -> Any:
    """Bytes joined along ``dim``, in the range that holds all: the arrays, then the minimum and the maximum of each, (1,).

    ShapeError unless there are three arrays for each.
    """
    n = len(data) // 3
    if not n or len(data) % 3:
        fail(ShapeError, "quantized_concat", expected="arrays, then a minimum and a maximum of each", got=f"{len(data)} arrays")
    arrays, low, high = quantized.concat("quantized_concat", list(data[:n]), list(data[n::2]), list(data[n + 1 :: 2]), dim)
    return [concatenate(arrays, dim), low, high]


@classic("_contrib_quantized_pooling", outputs=_WITH_RANGE, shapes=_with_ranges(), types=_KEPT)
def quantized_pooling(
    data: Array,
    min_data: Array,
    max_data: Array,
    kernel: Shape = (),
    pool_type: Literal["avg", "lp", "max", "sum"] = "max",
    global_pool: bool = False,
    cudnn_off: bool = False,
    pooling_convention: Literal["full", "same", "valid"] = "valid",
    stride: Shape = (),
    pad: Shape = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    layout: Literal["NCDHW", "NCHW", "NCW", "NDHWC", "NHWC", "NWC"] | None = None,
) -> Any:
    """The largest or the mean byte of each window of (batch, channels, *size), in the same range.

    ArgumentError for other pools, as in MXNet.
    """
    if pool_type not in ("max", "avg"):
        fail(ArgumentError, "quantized_pooling", expected="pool_type max or avg", got=repr(pool_type))
    quantized.check_type("quantized_pooling", data)
    wide = call("cast", data, dtype=dtypes.float32)
    found = pool(wide, kernel, pool_type, global_pool, cudnn_off, pooling_convention, stride, pad, p_value, count_include_pad, layout)
    return [quantized.average(data, found), call("copy", min_data), call("copy", max_data)]


@classic(
    "_contrib_quantized_fully_connected",
    asked=_BIAS,
    required=("num_hidden",),
    outputs=_WITH_RANGE,
    shapes=_with_ranges(from_input("data", dense_shapes)),
    types=types_of(("weight", "bias"), lambda known, a: dtypes.int32),
)
def quantized_fully_connected(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    min_data: Array | None = None,
    max_data: Array | None = None,
    min_weight: Array | None = None,
    max_weight: Array | None = None,
    min_bias: Array | None = None,
    max_bias: Array | None = None,
    num_hidden: int | None = None,
    no_bias: bool = False,
    flatten: bool = True,
) -> Any:
    """The int32 product of bytes (batch, …) and int8 ``weight`` (num_hidden, inputs), plus an int8 bias, and its range."""
    bias, ends, bias_ends = _sorted(no_bias, bias, min_data, max_data, min_weight, max_weight, min_bias, max_bias)
    quantized.check_type("quantized_fully_connected", data, weight)
    rows = call("reshape", data, shape=(data.shape[0], data.size // max(data.shape[0], 1))) if flatten and data.ndim > 2 else data
    dtype = quantized.exact(weight.shape[1])
    product = call("matmul", call("cast", rows, dtype=dtype), call("cast", weight, dtype=dtype), transpose_b=True)
    product = call("cast", product, dtype=dtypes.int32)
    if bias is not None:
        product = quantized.biased(product, bias, quantized.bias_unit(data, weight, bias, (*ends, *bias_ends)), (weight.shape[0],))
    return [product, *quantized.product_range(data, weight, ends)]


@classic(
    "_contrib_quantized_conv",
    asked=_BIAS,
    required=("kernel", "num_filter"),
    outputs=_WITH_RANGE,
    shapes=_with_ranges(from_input("data", convolution_shapes)),
    types=types_of(("weight", "bias"), lambda known, a: dtypes.int32),
)
def quantized_conv(
    data: Array,
    weight: Array,
    bias: Array | None = None,
    min_data: Array | None = None,
    max_data: Array | None = None,
    min_weight: Array | None = None,
    max_weight: Array | None = None,
    min_bias: Array | None = None,
    max_bias: Array | None = None,
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
    layout: Literal["NCDHW", "NCHW", "NCW", "NDHWC", "NHWC"] | None = None,
) -> Any:
    """The int32 convolution of bytes (batch, channels, *size) with int8 ``weight``, and its range.

    As on MXNet's CPU a bias is added in the product's steps as it is, whatever its range, and of uint8 data a step is that of int8.
    """
    bias, ends, _ = _sorted(no_bias, bias, min_data, max_data, min_weight, max_weight, min_bias, max_bias)
    quantized.check_type("quantized_conv", data, weight)
    dtype = quantized.exact(quantized.depth_of(weight))
    operands = call("cast", data, dtype=dtype), call("cast", weight, dtype=dtype), None
    product = convolve(*operands, kernel, stride, dilate, pad, num_filter, num_group, workspace, True, layout=layout)
    last = layout is not None and layout.endswith("C")
    along = (weight.shape[0],) if last else (weight.shape[0], *(1 for _ in kernel))
    product = call("cast", call("rint", product), dtype=dtypes.int32)
    if bias is not None:
        product = product + call("reshape", call("cast", bias, dtype=dtypes.int32), shape=along)
    return [product, *quantized.product_range(data, weight, ends, True)]


def _sorted(no_bias: bool, *arrays: Any) -> tuple[Any, Any, Any]:
    """The bias, the ranges of data and weight, and that of the bias. Without a bias it is not in its place: the ranges move up."""
    if no_bias:
        found = [x for x in arrays if x is not None]
        return None, tuple(found[:4]), ()
    return arrays[0], arrays[1:5], arrays[5:]


@classic("_contrib_quantized_elemwise_add", outputs=_WITH_RANGE, shapes=_with_ranges(), types=_of_sum)
def quantized_elemwise_add(
    lhs: Array,
    rhs: Array,
    lhs_min: Array,
    lhs_max: Array,
    rhs_min: Array,
    rhs_max: Array,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """The sum of bytes of one shape: int32 and its range, or in the range given int8, of two uint8 uint8.

    Of int8 and uint8 MXNet leaves the uint8 out where no range is given, and is some steps off where one is; here it is the sum.
    """
    return _whole(quantized.added(lhs, rhs, (lhs_min, lhs_max, rhs_min, rhs_max), min_calib_range, max_calib_range))


@classic(
    "_contrib_quantized_elemwise_mul",
    outputs=lambda a: _WITH_RANGE[: 1 if a["enable_float_output"] else 3],
    shapes=_with_ranges(),
    types=_of_product,
)
def quantized_elemwise_mul(
    lhs: Array,
    rhs: Array,
    lhs_min: Array,
    lhs_max: Array,
    rhs_min: Array,
    rhs_max: Array,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
    enable_float_output: bool = False,
) -> Any:
    """The product of int8 arrays of one shape: int32 and its range, in the range given int8, or float32 alone.

    As in MXNet int8 is cut to whole numbers and goes round where the range does not hold it. DtypeError for uint8.
    """
    ends = lhs_min, lhs_max, rhs_min, rhs_max
    found = quantized.multiplied(lhs, rhs, ends, min_calib_range, max_calib_range, enable_float_output)
    return found if enable_float_output else _whole(found)


@classic(
    "_contrib_quantized_batch_norm",
    aux=("moving_mean", "moving_var"),
    outputs=_WITH_RANGE,
    types=types_of((), lambda known, a: dtypes.int8),
)
def quantized_batch_norm(
    data: Array,
    gamma: Array,
    beta: Array,
    moving_mean: Array,
    moving_var: Array,
    min_data: Array,
    max_data: Array,
    eps: float = 0.0010000000474974513,
    momentum: float = 0.899999976,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> Any:
    """Bytes normalized by the moving statistics, (channels,) each, as int8 of the same shape in the range given, which must be.

    ``gamma`` counts whatever ``fix_gamma`` says, as in MXNet, whose results differ by more than a rounding where ``eps`` is large beside
    the variances. ArgumentError without a range.
    """
    if min_calib_range is None or max_calib_range is None:
        expected = "min_calib_range and max_calib_range"
        fail(ArgumentError, "quantized_batch_norm", expected=expected, got=f"{min_calib_range} and {max_calib_range}")
    statistics = gamma, beta, moving_mean, moving_var
    return _whole(quantized.normalized(data, statistics, (min_data, max_data), eps, axis, min_calib_range, max_calib_range))


# -- where ranges end -------------------------------------------------------------------------------


@classic("_contrib_calibrate_entropy", outputs=("threshold", "divergence"), types=always(dtypes.float32, dtypes.float32))
def calibrate_entropy(hist: Array, hist_edges: Array, num_quantized_bins: int = 255) -> Any:
    """Where int8 should end, and what that costs: arrays of shape (1,), from a histogram of shape (n,), n odd, and n + 1 edges around 0.

    The threshold loses least in so many bins, by the divergence of Kullback and Leibler, which is the second.
    """
    found = calibration.calibrate_entropy(hist, hist_edges, num_quantized_bins)
    return [found[0:1], found[1:2]]


@classic("_contrib_quantize_asym", outputs=("output", "scale", "shift"), types=types_of((), lambda known, a: dtypes.uint8))
def quantize_asym(data: Array, min_calib_range: float | None = None, max_calib_range: float | None = None) -> Any:
    """``data`` as uint8 from its least to its greatest, or over the range given: x · scale + shift + ½, cut off; and both, (1,) each."""
    return _whole(quantized.asymmetric(data, min_calib_range, max_calib_range))
