"""Whole numbers in the place of floating ones: the arithmetic of MXNet 1.9.1's int8 layers.

A quantized array comes with the range (min, max), arrays of one element, that its type spans: a step of int8 is the larger magnitude of
both over 127, one of uint8, whose numbers begin at 0, the maximum over 255, one of int32 the larger magnitude over 2³¹ - 1. Products are
int32, exactly: they are computed in floating numbers that hold them. Nothing here has a gradient.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.ops.math import reduction
from hybridnet.ops.nn.common import fill_like

#: How many steps each type has from 0 to its end.
STEPS = {dtypes.int8: 127.0, dtypes.uint8: 255.0, dtypes.int32: float(2**31 - 1)}
Quantized = tuple[Any, Any, Any]


def check_type(op: str, *arrays: Any, allowed: tuple[dtypes.Dtype, ...] = (dtypes.int8, dtypes.uint8)) -> None:
    """DtypeError unless all arrays are of these types, whatever their shape."""
    for x in arrays:
        if x.dtype not in allowed:
            fail(DtypeError, op, expected=" or ".join(map(str, allowed)), got=str(x.dtype))


def magnitude(low: Any, high: Any) -> Any:
    """The larger of the absolute values of the ends of a range, of shape (1,)."""
    found = call("maximum", call("absolute", low), call("absolute", high))
    return call("cast", call("reshape", found, shape=(1,)), dtype=dtypes.float32)


def step(x: Any, low: Any, high: Any) -> Any:
    """How much one more is of a quantized array with this range, of shape (1,)."""
    return magnitude(low, high) / STEPS[x.dtype]


#: The same for quantize_v2, dequantize and biases, which have half a step more.
SPAN = {dtypes.int8: 127.5, dtypes.uint8: 255.5}
_ENDS = {dtypes.int8: (-128.0, 127.0), dtypes.uint8: (0.0, 255.0)}


def rounded(x: Any, dtype: dtypes.Dtype) -> Any:
    """Numbers of steps as int8 or uint8: the nearest, halves to the even one, cut at the type's ends. The shape stays."""
    low, high = _ENDS[dtype]
    return call("cast", call("clip", call("rint", x), a_min=low, a_max=high), dtype=dtype)


def _range(like: Any, low: Any, high: Any) -> tuple[Any, Any]:
    ends = (
        fill_like(like, (1,), float(end), dtypes.float32) if isinstance(end, (int, float)) else call("reshape", end, shape=(1,))
        for end in (low, high)
    )
    first, second = ends
    return first, second


def _made_whole(data: Any, low: Any, high: Any, dtype: dtypes.Dtype, scale: Any = 1.0, steps: Any = STEPS) -> Quantized:
    """``data`` times ``scale`` with a range of so many ``steps``; of int8 that is the one of both signs that holds both ends."""
    low, high = _range(data, low, high)
    end = magnitude(low, high)
    whole = rounded(data * (scale * steps[dtype] / end), dtype)
    return (whole, -end, end) if dtype == dtypes.int8 else (whole, low, high)


def quantize(data: Any, low: Any, high: Any, out_type: str = "uint8") -> Quantized:
    """``data`` as ``out_type``, int8 or uint8, with the range (``low``, ``high``), which are of shape (1,)."""
    return _made_whole(data, low, high, dtypes.int8 if out_type == "int8" else dtypes.uint8)


def quantize_range(data: Any, out_type: str, low: float | None, high: float | None) -> Quantized:
    """``data`` with the range given, or its own where that is ``None``; ``auto``: uint8 if nothing is below 0. The shape stays.

    What is quantized already stays as it is. ArgumentError for one end alone.
    """
    if (low is None) != (high is None):
        fail(ArgumentError, "quantize_v2", expected="both ends of the range, or none", got=f"{low} and {high}")
    if data.dtype in (dtypes.int8, dtypes.uint8):
        return call("copy", data), *_range(data, low or 0.0, high or 0.0)
    unsigned = out_type == "uint8" or (out_type == "auto" and low is not None and low >= 0)
    ends = (reduction.min(data), reduction.max(data)) if low is None else (low, high)
    low_end, high_end = ends
    return _made_whole(data, low_end, high_end, dtypes.uint8 if unsigned else dtypes.int8, steps=SPAN)


def dequantize(data: Any, low: Any, high: Any) -> Any:
    """The float32 numbers that int8 or uint8 ``data`` stands for. The shape stays."""
    check_type("dequantize", data)
    return call("cast", data, dtype=dtypes.float32) * (magnitude(low, high) / SPAN[data.dtype])


def requantize(data: Any, low: Any, high: Any, out_type: str, calib_low: float | None, calib_high: float | None) -> Quantized:
    """int32 ``data`` with a range as int8 or uint8 with the range given, or the data's own where that is ``None``. The shape stays."""
    check_type("requantize", data, allowed=(dtypes.int32,))
    unit = step(data, low, high)
    wide = call("cast", data, dtype=dtypes.float32)
    if calib_low is None or calib_high is None:
        return _made_whole(wide, reduction.min(wide) * unit, reduction.max(wide) * unit, dtypes.int8, unit)
    unsigned = out_type == "uint8" or (out_type == "auto" and calib_low >= 0)
    return _made_whole(wide, calib_low, calib_high, dtypes.uint8 if unsigned else dtypes.int8, unit)


# -- layers ---------------------------------------------------------------------------------------


def exact(depth: int) -> dtypes.Dtype:
    """The floating type in which sums of ``depth`` products of bytes are exact."""
    return dtypes.float32 if depth * 255 * 128 < 2**24 else dtypes.float64


def product_range(data: Any, weight: Any, ends: tuple[Any, Any, Any, Any], bytes_alike: bool = False) -> tuple[Any, Any]:
    """The range of an int32 product of ``data`` and ``weight``, of shape (1,) each. ``bytes_alike``: uint8 counts as int8."""
    of_data = magnitude(*ends[:2]) / STEPS[dtypes.int8 if bytes_alike else data.dtype]
    unit = of_data * step(weight, *ends[2:])
    end = unit * STEPS[dtypes.int32]
    return -end, end


def biased(product: Any, bias: Any, unit: Any, shape: tuple[int, ...]) -> Any:
    """An int32 product plus a quantized bias, of which one is ``unit`` (1,) of the product's. ``shape``: how the bias lies along it."""
    whole = call("trunc", call("cast", bias, dtype=dtypes.float32) * unit)
    return product + call("reshape", call("cast", whole, dtype=dtypes.int32), shape=shape)


def bias_unit(data: Any, weight: Any, bias: Any, ends: tuple[Any, ...]) -> Any:
    """What one of a bias is in steps of the product of ``data`` and ``weight``, of shape (1,); ``ends``: the three ranges in turn."""
    of_data, of_weight, of_bias = (
        magnitude(*ends[2 * i : 2 * i + 2]) / SPAN[x.dtype] for i, x in enumerate((data, weight, bias))
    )  # fmt: skip
    return of_bias / of_data / of_weight


def concat(op: str, arrays: list[Any], lows: list[Any], highs: list[Any], axis: int) -> tuple[list[Any], Any, Any]:
    """The arrays brought to one range, which holds all, and that: int8 if any is, else uint8. Shapes stay.

    ShapeError for arrays of different dimensions.
    """
    check_type(op, *arrays)
    if not arrays or any(x.ndim != arrays[0].ndim for x in arrays):
        fail(ShapeError, op, expected="arrays of as many dimensions", got=" and ".join(str(x.shape) for x in arrays))
    low, high = _range(arrays[0], lows[0], highs[0])
    for a, b in zip(lows[1:], highs[1:], strict=True):
        low, high = call("minimum", low, call("reshape", a, shape=(1,))), call("maximum", high, call("reshape", b, shape=(1,)))
    dtype = dtypes.int8 if any(x.dtype == dtypes.int8 for x in arrays) else dtypes.uint8
    unit = magnitude(low, high) / STEPS[dtype]
    found = []
    for x, a, b in zip(arrays, lows, highs, strict=True):
        steps = call("cast", x, dtype=dtypes.float32) * (step(x, *_range(x, a, b)) / unit)
        found.append(
            call("cast", call("clip", call("rint", steps), a_min=-128.0 if dtype == dtypes.int8 else 0.0, a_max=STEPS[dtype]), dtype=dtype)
        )
    return found, low, high


def average(x: Any, pooled: Any) -> Any:
    """Averages of bytes, in float32, as bytes again: halves to the even number. The shape stays."""
    return call("cast", call("rint", pooled), dtype=x.dtype)


def depth_of(weight: Any) -> int:
    """How many products a sum has."""
    return math.prod(weight.shape[1:])


# -- element by element ---------------------------------------------------------------------------


def added(lhs: Any, rhs: Any, ends: tuple[Any, Any, Any, Any], low: float | None, high: float | None) -> Quantized:
    """The sum of bytes of one shape: int32 with a range that holds any, or in the range given int8, of two uint8 uint8."""
    check_type("quantized_elemwise_add", lhs, rhs)
    spans = magnitude(*ends[:2]), magnitude(*ends[2:])
    if low is None or high is None:
        end = spans[0] + spans[1]
        # Near the ends float32 has no number that int32 has too.
        total = sum(call("cast", x, dtype=dtypes.float64) * (span / end / SPAN[x.dtype]) for x, span in zip((lhs, rhs), spans, strict=True))
        return call("cast", call("rint", total * STEPS[dtypes.int32]), dtype=dtypes.int32), -end, end
    dtype = lhs.dtype if lhs.dtype == rhs.dtype else dtypes.int8
    # By ratios of ranges: steps that are halves stay halves.
    end = max(abs(low), abs(high))
    parts = [
        call("cast", x, dtype=dtypes.float32) * (span / end * (SPAN[dtype] / SPAN[x.dtype]))
        for x, span in zip((lhs, rhs), spans, strict=True)
    ]
    return rounded(parts[0] + parts[1], dtype), *_range(lhs, low, high)


def multiplied(lhs: Any, rhs: Any, ends: tuple[Any, Any, Any, Any], low: float | None, high: float | None, floating: bool) -> Any:
    """The product of int8 arrays of one shape: int32 and its range, float32 alone, or int8 in the range given, without its fraction."""
    check_type("quantized_elemwise_mul", lhs, rhs, allowed=(dtypes.int8,))
    product = call("cast", lhs, dtype=dtypes.int32) * call("cast", rhs, dtype=dtypes.int32)
    unit = magnitude(*ends[:2]) / SPAN[dtypes.int8] * magnitude(*ends[2:]) / SPAN[dtypes.int8]
    real = call("cast", product, dtype=dtypes.float32) * unit
    if floating:
        return real
    if low is None or high is None:
        return product, *product_range(lhs, rhs, ends)
    steps = call("cast", real * (SPAN[dtypes.int8] / max(abs(low), abs(high))), dtype=dtypes.int32)
    return call("cast", steps, dtype=dtypes.int8), *_range(lhs, low, high)


def normalized(
    data: Any, statistics: tuple[Any, Any, Any, Any], ends: tuple[Any, Any], eps: float, axis: int, low: float, high: float
) -> Quantized:
    """Bytes normalized along ``axis`` by (gamma, beta, mean, variance), each (channels,), as int8 in the range given. The shape stays."""
    check_type("quantized_batch_norm", data)
    shape = tuple(n if i == axis % data.ndim else 1 for i, n in enumerate(data.shape))
    gamma, beta, mean, variance = (call("reshape", x, shape=shape) for x in statistics)
    scale = gamma / call("sqrt", variance + eps)
    whole = call("cast", data, dtype=dtypes.float32)
    if data.dtype == dtypes.uint8:  # as MXNet: int8 of half as many steps
        whole = call("floor", whole * 0.5)
    found = (whole * (magnitude(*ends) / SPAN[dtypes.int8]) - mean) * scale + beta
    return rounded(found * (SPAN[dtypes.int8] / max(abs(low), abs(high))), dtypes.int8), *_range(data, low, high)


def asymmetric(data: Any, low: float | None, high: float | None) -> Quantized:
    """uint8 over a range, by default the data's own: as MXNet documents it, x · scale + shift + ½ without what is behind the point.

    ``scale`` is 255 over the width of the range, ``shift`` 255 less the maximum in such steps; both of shape (1,).
    """
    wide = call("cast", data, dtype=dtypes.float32)
    given = low is not None and high is not None
    least, most = (low, high) if given else (reduction.min(wide), reduction.max(wide))
    low_end, high_end = _range(wide, least, most)
    scale = 255.0 / (high_end - low_end)
    shift = 255.0 - high_end * scale
    whole = call("floor", call("clip", wide * scale + shift + 0.5, a_min=0.0, a_max=255.0))
    return call("cast", whole, dtype=dtypes.uint8), scale, shift
