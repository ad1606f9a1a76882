"""Products, convolutions, pooling, normalization, and layers that are the identity when a network predicts."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from hybridnet import dtypes
from hybridnet import numpy as mnp
from hybridnet.core import call as core
from hybridnet.core.op import OPS
from hybridnet.onnx.operators import Call, operator


@operator("MatMul")
def _matmul(call: Call, a: Any, b: Any) -> Any:
    return mnp.matmul(a, b)


@operator("Gemm")
def _gemm(call: Call, a: Any, b: Any, c: Any = None) -> Any:
    y = core("matmul", a, b, transpose_a=bool(call.get("transA", 0)), transpose_b=bool(call.get("transB", 0)))
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)


@operator("Einsum")
def _einsum(call: Call, *xs: Any) -> Any:
    return mnp.einsum(call.get("equation"), *xs)


@operator("Det")
def _det(call: Call, x: Any) -> Any:
    return mnp.linalg.det(x)


def _pads(call: Call, sizes: Any, kernel: Any, strides: Any, dilations: Any) -> list[int]:
    """The padding, before and behind, of each axis."""
    auto = call.among("auto_pad", call.get("auto_pad", "NOTSET"), ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
    if auto == "NOTSET":
        return list(call.get("pads", [0] * (2 * len(kernel))))
    if auto == "VALID":
        return [0] * (2 * len(kernel))
    before, behind = [], []
    for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        less, more = total // 2, total - total // 2
        before.append(less if auto == "SAME_UPPER" else more)
        behind.append(more if auto == "SAME_UPPER" else less)
    return before + behind


def _even(x: Any, pads: list[int], fill: float) -> tuple[Any, tuple[int, ...]]:
    """The operand and a padding that is the same on both sides: what is uneven is put around the operand."""
    n = len(pads) // 2
    before, behind = pads[:n], pads[n:]
    if before == behind and min(before, default=0) >= 0:
        return x, tuple(before)
    widths = [(0, 0), (0, 0), *zip(before, behind, strict=True)]
    return mnp.pad(x, widths, mode="constant", constant_values=fill), (0,) * n


def _channels(bias: Any, ndim: int) -> Any:
    return bias.reshape(1, -1, *[1] * (ndim - 2))


@operator("Conv")
def _conv(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    kernel = weight.shape[2:]
    ones = [1] * len(kernel)
    strides, dilations = call.get("strides", ones), call.get("dilations", ones)
    x, pad = _even(x, _pads(call, x.shape[2:], kernel, strides, dilations), 0)
    y = core("convolution", x, weight, stride=tuple(strides), pad=pad, dilate=tuple(dilations), groups=call.get("group", 1), last=False)
    return y if bias is None else y + _channels(bias, y.ndim)


@operator("ConvTranspose")
def _conv_transpose(call: Call, x: Any, weight: Any, bias: Any = None) -> Any:
    kernel = weight.shape[2:]
    n = len(kernel)
    ones = [1] * n
    strides, dilations = call.get("strides", ones), call.get("dilations", ones)
    more = call.get("output_padding", [0] * n)
    full = [(i - 1) * s + (k - 1) * d + 1 + o for i, k, s, d, o in zip(x.shape[2:], kernel, strides, dilations, more, strict=True)]
    auto = call.get("auto_pad", "NOTSET")
    wanted = call.get("output_shape")
    if wanted is not None or auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = list(wanted)[-n:] if wanted is not None else [i * s for i, s in zip(x.shape[2:], strides, strict=True)]
        full = [max(f, w) for f, w in zip(full, wanted, strict=True)]
        total = [f - w for f, w in zip(full, wanted, strict=True)]
        half = [t // 2 for t in total]
        rest = [t - h for t, h in zip(total, half, strict=True)]
        before, behind = (half, rest) if auto != "SAME_LOWER" else (rest, half)
    else:
        pads = call.get("pads", [0] * (2 * n)) if auto != "VALID" else [0] * (2 * n)
        before, behind = pads[:n], pads[n:]
        wanted = [f - a - b for f, a, b in zip(full, before, behind, strict=True)]
    group = call.get("group", 1)
    y = core(
        "convolution_data_grad",
        x,
        weight,
        size=tuple(full),
        stride=tuple(strides),
        pad=(0,) * n,
        dilate=tuple(dilations),
        groups=group,
        last=False,
    )
    y = y[(slice(None), slice(None), *[slice(a, a + w) for a, w in zip(before, wanted, strict=True)])]
    return y if bias is None else y + _channels(bias, y.ndim)


def _windows(call: Call, x: Any) -> tuple[dict[str, Any], list[int], list[int]]:
    """A pooling's attributes in our operators' words, the padding, and how far the last windows reach beyond the data."""
    kernel = list(call.get("kernel_shape"))
    strides = call.get("strides", [1] * len(kernel))
    dilations = call.get("dilations", [1] * len(kernel))
    if any(d != 1 for d in dilations):
        call.refuse("dilations of 1", str(dilations))
    pads = _pads(call, x.shape[2:], kernel, strides, dilations)
    n = len(kernel)
    count = []
    for size, k, s, before, behind in zip(x.shape[2:], kernel, strides, pads[:n], pads[n:], strict=True):
        room = size + before + behind - k
        windows = (-(-room // s) if call.get("ceil_mode", 0) else room // s) + 1
        if call.get("ceil_mode", 0) and (windows - 1) * s >= size + before:
            windows -= 1  # a window has to begin within the data
        count.append(windows)
    return {"first": 2, "kernel": tuple(kernel), "stride": tuple(strides), "count": tuple(count)}, pads[:n], pads[n:]


@operator("MaxPool")
def _max_pool(call: Call, x: Any) -> Any:
    if len(call.wanted) > 1 and call.wanted[1]:
        call.refuse("the largest elements", "their places")
    said, before, behind = _windows(call, x)
    least = float(ml_dtypes.finfo(x.dtype).min) if dtypes.is_floating(x.dtype) else int(np.iinfo(x.dtype).min)
    widest = [max(a, b) for a, b in zip(before, behind, strict=True)]
    x, pad = _even(x, [*before, *widest], least)
    return core("max_pool", x, pad=pad, **said)


@operator("AveragePool")
def _average_pool(call: Call, x: Any) -> Any:
    said, before, behind = _windows(call, x)
    x_padded, pad = _even(x, [*before, *behind], 0)
    around = [(0, 0), (0, 0), *zip(before, behind, strict=True)]
    ones = np.pad(np.ones((1, 1, *x.shape[2:])), around, constant_values=float(call.get("count_include_pad", 0)))
    compute = OPS["sum_pool"].compute
    assert compute is not None
    counts = compute(np, ones, pad=(0,) * len(before), divide="no", **said)
    total = core("sum_pool", x_padded, pad=pad, divide="no", **said)
    return total * mnp.array(1 / counts, dtype=x.dtype)


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(call: Call, x: Any) -> Any:
    axes = tuple(range(2, x.ndim))
    return x.mean(axis=axes, keepdims=True) if call.op == "GlobalAveragePool" else x.max(axis=axes, keepdims=True)


@operator("LpPool", "GlobalLpPool")
def _lp_pool(call: Call, x: Any) -> Any:
    p = call.get("p", 2)
    powers = mnp.abs(x) ** p
    if call.op == "GlobalLpPool":
        return powers.sum(axis=tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)
    said, before, behind = _windows(call, x)
    powers, pad = _even(powers, [*before, *behind], 0)
    return core("sum_pool", powers, pad=pad, divide="no", **said) ** (1 / p)


@operator("BatchNormalization")
def _batch_norm(call: Call, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
    if call.get("training_mode", 0):
        call.refuse("a network that predicts", "training_mode=1")
    scale, bias, mean, var = [_channels(v, x.ndim) for v in (scale, bias, mean, var)]
    return ((x - mean) / mnp.sqrt(var + call.get("epsilon", 1e-5)) * scale + bias).astype(x.dtype)


@operator("InstanceNormalization")
def _instance_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    return _normalized(x, tuple(range(2, x.ndim)), call.get("epsilon", 1e-5))[0] * _channels(scale, x.ndim) + _channels(bias, x.ndim)


def _normalized(x: Any, axes: tuple[int, ...], epsilon: float) -> tuple[Any, Any, Any]:
    mean = x.mean(axis=axes, keepdims=True)
    centred = x - mean
    inverse = 1 / mnp.sqrt((centred * centred).mean(axis=axes, keepdims=True) + epsilon)
    return centred * inverse, mean, inverse


@operator("LayerNormalization")
def _layer_norm(call: Call, x: Any, scale: Any, bias: Any = None) -> Any:
    axis = call.get("axis", -1) % x.ndim
    y, mean, inverse = _normalized(x, tuple(range(axis, x.ndim)), call.get("epsilon", 1e-5))
    y = y * scale
    return y if bias is None else y + bias, mean, inverse


@operator("RMSNormalization")
def _rms_norm(call: Call, x: Any, scale: Any) -> Any:
    axes = tuple(range(call.get("axis", -1) % x.ndim, x.ndim))
    return x / mnp.sqrt((x * x).mean(axis=axes, keepdims=True) + call.get("epsilon", 1e-5)) * scale


@operator("GroupNormalization")
def _group_norm(call: Call, x: Any, scale: Any, bias: Any) -> Any:
    groups = call.get("num_groups")
    parts = x.reshape(x.shape[0], groups, -1)
    y = _normalized(parts, (2,), call.get("epsilon", 1e-5))[0]
    if call.opset < 21:  # a scale of each group
        scale, bias = [mnp.repeat(v, x.shape[1] // groups) for v in (scale, bias)]
    return y.reshape(x.shape) * _channels(scale, x.ndim) + _channels(bias, x.ndim)


@operator("LRN")
def _lrn(call: Call, x: Any) -> Any:
    size = call.get("size")
    before = (size - 1) // 2
    padded = mnp.pad(x * x, [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)])
    total = sum(padded[:, i : i + x.shape[1]] for i in range(size))
    return x / (call.get("bias", 1.0) + call.get("alpha", 1e-4) / size * total) ** call.get("beta", 0.75)


@operator("Dropout")
def _dropout(call: Call, x: Any, ratio: Any = None, training: Any = None) -> Any:
    if training is not None and bool(call.host(training, "training_mode")):
        call.refuse("a network that predicts", "training_mode=1")
    return x, mnp.ones(x.shape, dtype=bool)


@operator("Resize", "Upsample")
def _resize(call: Call, x: Any, *more: Any) -> Any:
    """One axis after another: a gather for the nearest, a product with a matrix of weights for linear and cubic."""
    if call.op == "Upsample" or call.opset < 11:
        roi, scales, sizes = None, more[0] if more else call.get("scales"), None
    else:
        roi, scales, sizes = (*more, None, None, None)[:3]
    axes = call.get("axes", list(range(x.ndim)))
    if scales is not None and not np.size(call.host(scales, "scales")):
        scales = None
    mode = call.among("mode", call.get("mode", "nearest"), ["nearest", "linear", "cubic", "bilinear"])
    coordinates = call.get("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    if coordinates == "tf_crop_and_resize" or call.get("antialias", 0):
        call.refuse("a resize without cropping and antialiasing", f"{coordinates}, antialias={call.get('antialias', 0)}")
    for place, axis in enumerate(axes):
        size = x.shape[axis]
        if sizes is not None:
            target = int(call.host(sizes, "sizes")[place])
            factor = target / size
        else:
            factor = float(np.asarray(call.host(scales, "scales"))[place])
            target = int(size * factor)
        if factor == 1:
            continue
        if sizes is not None and call.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            call.refuse("keep_aspect_ratio_policy='stretch'", repr(call.get("keep_aspect_ratio_policy")))
        at = _positions(call, coordinates, size, target, factor)
        if mode == "nearest":
            x = mnp.take(x, mnp.array(_nearest(call, at, size), dtype="int64"), axis=axis)
        else:
            weights = _linear(at, size) if mode != "cubic" else _cubic(call, at, size)
            moved = mnp.moveaxis(x, axis, -1)
            x = mnp.moveaxis(mnp.matmul(moved, mnp.array(weights.T, dtype=x.dtype)), -1, axis)
    return x


def _positions(call: Call, coordinates: str, size: int, target: int, factor: float) -> np.ndarray:
    """Where in the operand each element of the result lies."""
    i = np.arange(target)
    match coordinates:
        case "half_pixel":
            return (i + 0.5) / factor - 0.5
        case "half_pixel_symmetric":
            shift = size / 2 * (1 - target / (factor * size))
            return shift + (i + 0.5) / factor - 0.5
        case "pytorch_half_pixel":
            return (i + 0.5) / factor - 0.5 if target > 1 else np.zeros(1)
        case "align_corners":
            return i * (size - 1) / (factor * size - 1) if target > 1 else np.zeros(target)
        case "asymmetric":
            return i / factor
    return np.asarray(call.refuse("a known coordinate_transformation_mode", repr(coordinates)))


def _nearest(call: Call, at: np.ndarray, size: int) -> np.ndarray:
    match call.get("nearest_mode", "round_prefer_floor" if call.opset >= 11 else "floor"):
        case "round_prefer_floor":
            found = np.ceil(at - 0.5)
        case "round_prefer_ceil":
            found = np.floor(at + 0.5)
        case "floor":
            found = np.floor(at)
        case _:
            found = np.ceil(at)
    return np.clip(found, 0, size - 1).astype(np.int64)


def _linear(at: np.ndarray, size: int) -> np.ndarray:
    """Weights (target, size) of a line between neighbours."""
    at = np.clip(at, 0, size - 1)
    low = np.floor(at).astype(np.int64)
    weights = np.zeros((len(at), size))
    rows = np.arange(len(at))
    np.add.at(weights, (rows, low), 1 - (at - low))
    np.add.at(weights, (rows, np.minimum(low + 1, size - 1)), at - low)
    return weights


def _cubic(call: Call, at: np.ndarray, size: int) -> np.ndarray:
    """Weights (target, size) of Keys's cubic convolution."""
    a = call.get("cubic_coeff_a", -0.75)
    low = np.floor(at).astype(np.int64)
    weights = np.zeros((len(at), size))
    rows = np.arange(len(at))
    for shift in range(-1, 3):
        place = low + shift
        d = np.abs(at - place)
        w = np.where(d <= 1, ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)
        if call.get("exclude_outside", 0):
            w = np.where((place < 0) | (place >= size), 0, w)
        np.add.at(weights, (rows, np.clip(place, 0, size - 1)), w)
    return weights / weights.sum(axis=1, keepdims=True)
