"""What moves elements: reshaping, transposing, slices, joining, and arrays made of nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.sizes import is_fixed
from hybridnet.onnx.writer import Writer, element_type

END = np.iinfo(np.int64).max  # a slice's end beyond every array


@rule("reshape")
def _reshape(w: Writer, node: Node, x: Value, shape: tuple[Any, ...]) -> str:
    following = [i for i, n in enumerate(shape) if not is_fixed(n)]
    if len(following) == 1 and 0 not in shape:  # the one that all others leave
        sizes = w.integers([-1 if i in following else n for i, n in enumerate(shape)])
    else:
        sizes = w.sizes(shape)
    return w.add("Reshape", [w.name(x), sizes], **({"allowzero": 1} if 0 in shape and w.opset >= 14 else {}))


@rule("broadcast_to")
def _broadcast_to(w: Writer, node: Node, x: Value, shape: tuple[Any, ...]) -> str:
    return w.add("Expand", [w.name(x), w.sizes(shape)])


@rule("transpose")
def _transpose(w: Writer, node: Node, x: Value, axes: tuple[int, ...]) -> str:
    if len(set(axes)) != len(axes):
        w.refuse("each axis once", f"axes {axes}, a diagonal")
    return w.add("Transpose", [x], perm=list(axes))


@rule("concatenate")
def _concatenate(w: Writer, node: Node, *xs: Value, axis: int) -> str:
    return w.add("Concat", [w.cast(x, node.output.dtype) for x in xs], axis=axis)


@rule("slice")
def _slice(w: Writer, node: Node, x: Value, key: Any) -> str:
    y = cut(w, x, key)
    return y if isinstance(y, str) else w.add("Identity", [y])


def cut(w: Writer, x: Value, key: Any) -> Value | str:
    """What a key of integers, slices and new axes names."""
    cuts: list[tuple[Any, Any, int, int]] = []  # start, stop, axis, step
    dropped: list[int] = []
    new: list[int] = []
    axis = kept = 0
    for item in key:
        if item[0] == "new":
            new.append(kept)
            kept += 1
            continue
        if item[0] == "int":
            start = w.fixed("an index", item[1])
            cuts.append((start, start + 1 if start != -1 else END, axis, 1))
            dropped.append(axis)
        else:
            start, stop, step = item[1:]
            step = 1 if step is None else w.fixed("a step", step)
            if item[1:] != (None, None, None):
                first, last = (0, END) if step > 0 else (END, -END)
                cuts.append((first if start is None else start, last if stop is None else stop, axis, step))
            kept += 1
        axis += 1
    y: Value | str = x
    if cuts:
        starts, stops, axes, steps = zip(*cuts, strict=True)
        y = w.add("Slice", [w.name(y), w.sizes(starts), w.sizes(stops), w.integers(axes), w.integers(steps)])
    if dropped:
        y = w.add("Squeeze", [w.name(y), w.integers(dropped)])
    if new:
        y = w.add("Unsqueeze", [w.name(y), w.integers(new)])
    return y


@rule("full")
def _full(w: Writer, node: Node, shape: tuple[Any, ...], value: Any, dtype: Any) -> str:
    if is_fixed(value):
        one = numpy_helper.from_array(np.array([value]).astype(dtype))
        return w.add("ConstantOfShape", [w.sizes(shape)], value=one)
    number = w.cast(w.add("Squeeze", [w.size(value), w.integers([0])]), np.int64)
    number = w.add("Cast", [number], to=element_type(dtype))
    return w.add("Expand", [number, w.sizes(shape)]) if shape else number


@rule("arange")
def _arange(w: Writer, node: Node, start: Any, step: Any, length: Any, dtype: Any) -> str:
    w.fixed("a start", start)
    w.fixed("a step", step)
    length = w.add("Squeeze", [w.size(length), w.integers([0])])
    number = np.float64 if isinstance(start, float) or isinstance(step, float) else np.int64
    counts = w.add("Range", [w.number(0, np.int64), length, w.number(1, np.int64)])
    scaled = w.add("Mul", [w.add("Cast", [counts], to=element_type(number)), w.number(step, number)])
    return w.add("Cast", [w.add("Add", [scaled, w.number(start, number)])], to=element_type(dtype))


@rule("upsampling_nearest")
def _upsampling(w: Writer, node: Node, x: Value, scale: int) -> str:
    scales = w.constant(np.array([1, 1] + [scale] * (x.ndim - 2), np.float32), "scales")
    return w.add("Resize", [w.name(x), "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


@rule("eye")
def _eye(w: Writer, node: Node, rows: Any, columns: Any, k: int, dtype: Any) -> str:
    zeros = w.add("ConstantOfShape", [w.sizes((rows, columns))], value=numpy_helper.from_array(np.zeros(1, np.float32)))
    return w.add("EyeLike", [zeros], dtype=element_type(dtype), k=k)
