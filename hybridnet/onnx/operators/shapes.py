"""What moves elements, reads shapes, picks, joins, and makes arrays of nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from hybridnet import numpy as mnp
from hybridnet.core import call as core
from hybridnet.onnx.operators import Call, operator


@operator("Shape")
def _shape(call: Call, x: Any) -> Any:
    return np.array(x.shape[slice(call.get("start", 0), call.get("end"))], np.int64)


@operator("Size")
def _size(call: Call, x: Any) -> Any:
    return np.array(x.size, np.int64)


@operator("Reshape")
def _reshape(call: Call, x: Any, shape: Any = None) -> Any:
    sizes = call.integers("shape", shape)
    if not call.get("allowzero", 0):
        sizes = [x.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    return x.reshape(tuple(sizes))


@operator("Flatten")
def _flatten(call: Call, x: Any) -> Any:
    axis = call.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))


@operator("Transpose")
def _transpose(call: Call, x: Any) -> Any:
    return x.transpose(call.get("perm", list(range(x.ndim))[::-1]))


@operator("Squeeze")
def _squeeze(call: Call, x: Any, axes: Any = None) -> Any:
    chosen = call.integers("axes", axes)
    return mnp.squeeze(x, None if chosen is None else tuple(chosen))


@operator("Unsqueeze")
def _unsqueeze(call: Call, x: Any, axes: Any = None) -> Any:
    return mnp.expand_dims(x, tuple(call.integers("axes", axes)))


@operator("Concat")
def _concat(call: Call, *xs: Any) -> Any:
    return mnp.concatenate(list(xs), axis=call.get("axis", 1))


@operator("Split")
def _split(call: Call, x: Any, split: Any = None) -> Any:
    axis = call.get("axis", 0)
    parts = call.integers("split", split)
    if parts is None:
        count = call.get("num_outputs", len(call.wanted))
        each = -(-x.shape[axis] // count)
        parts = [min(each, x.shape[axis] - i * each) for i in range(count)]
    return tuple(mnp.split(x, np.cumsum(parts)[:-1].tolist(), axis=axis))


@operator("Slice")
def _slice(call: Call, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Any:
    begin, end = call.integers("starts", starts), call.integers("ends", ends)
    chosen = call.integers("axes", axes, default=list(range(len(begin))))
    strides = call.integers("steps", steps, default=[1] * len(begin))
    key = [slice(None)] * x.ndim
    for axis, start, stop, step in zip(chosen, begin, end, strides, strict=True):
        if step < 0 and stop < -x.shape[axis]:
            stop = None
        key[axis] = slice(start, stop, step)
    return x[tuple(key)]


@operator("Expand")
def _expand(call: Call, x: Any, shape: Any) -> Any:
    return mnp.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(call.integers("shape", shape))))


@operator("Tile")
def _tile(call: Call, x: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is not None:  # before opset 6
        counts = [1] * x.ndim
        counts[int(call.host(axis, "axis"))] = int(call.host(repeats, "tiles"))
        return mnp.tile(x, tuple(counts))
    return mnp.tile(x, tuple(call.integers("repeats", repeats)))


@operator("Pad")
def _pad(call: Call, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    sizes = call.integers("pads", pads) or call.integers("paddings")
    chosen = call.integers("axes", axes, default=list(range(x.ndim)))
    mode = call.among("mode", call.get("mode", "constant"), ["constant", "edge", "reflect", "wrap"])
    widths = [(0, 0)] * x.ndim
    for i, axis in enumerate(chosen):
        widths[axis] = (sizes[i], sizes[i + len(chosen)])
    key = tuple(slice(max(-low, 0), x.shape[axis] - max(-high, 0)) for axis, (low, high) in enumerate(widths))
    x = x[key]
    widths = [(max(low, 0), max(high, 0)) for low, high in widths]
    if mode != "constant":
        return mnp.pad(x, widths, mode=mode)
    fill = call.get("value", 0) if value is None else call.host(value, "value").item()
    return mnp.pad(x, widths, mode="constant", constant_values=fill)


@operator("Gather")
def _gather(call: Call, x: Any, indices: Any) -> Any:
    axis = call.get("axis", 0)
    return mnp.take(x, _wrapped(indices, x.shape[axis]), axis=axis, mode="clip")


def _wrapped(indices: Any, size: int) -> Any:
    """Indices from the end as indices from the start."""
    if isinstance(indices, np.ndarray):
        return mnp.array(np.where(indices < 0, indices + size, indices), dtype=indices.dtype)
    return mnp.where(indices < 0, indices + size, indices)


@operator("GatherElements")
def _gather_elements(call: Call, x: Any, indices: Any) -> Any:
    axis = call.get("axis", 0)
    indices = _wrapped(indices, x.shape[axis])
    # Along the other axes only as far as the indices reach.
    cut = tuple(slice(None) if i == axis % x.ndim else slice(n) for i, n in enumerate(indices.shape))
    return mnp.take_along_axis(x[cut], indices, axis)


@operator("GatherND")
def _gather_nd(call: Call, x: Any, indices: Any) -> Any:
    batch = call.get("batch_dims", 0)
    depth = indices.shape[-1]
    given = [_wrapped(indices[..., i], x.shape[batch + i]) for i in range(depth)]
    before = [mnp.arange(n, dtype="int64").reshape(-1, *[1] * (indices.ndim - 2 - i)) for i, n in enumerate(x.shape[:batch])]
    return x[(*before, *given)]


@operator("ScatterND")
def _scatter_nd(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    kind = call.among("reduction", call.get("reduction", "none"), ["none", "add"])
    key = tuple(_wrapped(indices[..., i], x.shape[i]) for i in range(indices.shape[-1]))
    if kind == "add":
        return x + core("index_add", updates, *key, shape=x.shape, key=(("array",),) * len(key))
    result = x.copy()
    result[key] = updates
    return result


@operator("Range")
def _range(call: Call, start: Any, limit: Any, delta: Any) -> Any:
    first, last, step = [call.host(x, "a bound").item() for x in (start, limit, delta)]
    return np.arange(first, last, step, dtype=np.asarray(start).dtype)


@operator("ConstantOfShape")
def _constant_of_shape(call: Call, shape: Any) -> Any:
    value = call.get("value", np.zeros(1, np.float32))
    return np.full(tuple(call.integers("shape", shape)), value.reshape(-1)[0], value.dtype)


@operator("EyeLike")
def _eye_like(call: Call, x: Any) -> Any:
    dtype = helper.tensor_dtype_to_np_dtype(call.get("dtype")) if call.get("dtype") else x.dtype
    return mnp.eye(x.shape[0], x.shape[1], k=call.get("k", 0), dtype=dtype)


@operator("DepthToSpace")
def _depth_to_space(call: Call, x: Any) -> Any:
    block = call.get("blocksize")
    n, c, h, w = x.shape
    depth = c // block**2
    if call.get("mode", "DCR") == "DCR":
        y = x.reshape(n, block, block, depth, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        y = x.reshape(n, depth, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return y.reshape(n, depth, h * block, w * block)


@operator("SpaceToDepth")
def _space_to_depth(call: Call, x: Any) -> Any:
    block = call.get("blocksize")
    n, c, h, w = x.shape
    order = (0, 3, 5, 1, 2, 4) if call.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    y = x.reshape(n, c, h // block, block, w // block, block).transpose(*order)
    return y.reshape(n, c * block**2, h // block, w // block)


@operator("OneHot")
def _one_hot(call: Call, indices: Any, depth: Any, values: Any) -> Any:
    size = int(call.host(depth, "depth").reshape(-1)[0])
    axis = call.get("axis", -1)
    axis += indices.ndim + 1 if axis < 0 else 0
    places = mnp.arange(size, dtype="int64").reshape(*[1] * axis, size, *[1] * (indices.ndim - axis))
    wanted = mnp.expand_dims(_wrapped(indices.astype("int64"), size), axis)
    return mnp.where(wanted == places, values[1], values[0])


@operator("Trilu")
def _trilu(call: Call, x: Any, k: Any = None) -> Any:
    offset = 0 if k is None else int(call.host(k, "k"))
    return mnp.triu(x, offset) if call.get("upper", 1) else mnp.tril(x, offset)


@operator("CumSum")
def _cumsum(call: Call, x: Any, axis: Any) -> Any:
    along = int(call.host(axis, "axis").reshape(-1)[0])
    turned = mnp.flip(x, along) if call.get("reverse", 0) else x
    y = mnp.cumsum(turned, axis=along, dtype=x.dtype)
    y = y - turned if call.get("exclusive", 0) else y
    return mnp.flip(y, along) if call.get("reverse", 0) else y


@operator("TopK")
def _top_k(call: Call, x: Any, k: Any = None) -> Any:
    count = int(call.integers("k", k)[0]) if not isinstance(call.get("k"), int) else call.get("k")
    axis = call.get("axis", -1)
    keys = -x if call.get("largest", 1) else x
    order = mnp.argsort(keys, axis=axis)
    key = [slice(None)] * x.ndim
    key[axis] = slice(count)
    places = order[tuple(key)]
    return mnp.take_along_axis(x, places, axis), places.astype("int64")


@operator("ScatterElements", "Scatter")
def _scatter_elements(call: Call, x: Any, indices: Any, updates: Any) -> Any:
    call.among("reduction", call.get("reduction", "none"), ["none"])
    axis = call.get("axis", 0) % x.ndim
    key = [mnp.arange(n, dtype="int64").reshape(-1, *[1] * (x.ndim - 1 - i)) for i, n in enumerate(indices.shape)]
    key[axis] = _wrapped(indices, x.shape[axis])
    result = x.copy()
    result[tuple(key)] = updates
    return result
