"""Pooling. Windows may reach beyond the far padding here: the runtime is told the padding that makes as many windows."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer


def _far(node: Node) -> tuple[int, ...]:
    """How far the last windows reach beyond the data."""
    attrs = node.attrs
    first, kernel = attrs["first"], attrs["kernel"]
    spatial = node.inputs[0].shape[first : first + len(kernel)]
    windows = zip(spatial, kernel, attrs["stride"], attrs["pad"], attrs["count"], strict=True)
    return tuple(max((c - 1) * s + k - n - p, 0) for n, k, s, p, c in windows)


def _padded(w: Writer, x: Value, first: int, kernel: Any, pad: Any, fill: float) -> tuple[Value | str, list[int]]:
    """The operand with its spatial axes at the end, and the padding. Runtimes refuse one of a kernel's size: then the operand is padded."""
    far = w.same("a padding", _far)
    operand: Value | str = x
    if first != x.ndim - len(kernel):
        operand = w.add("Transpose", [x], perm=[0, x.ndim - 1, *range(1, x.ndim - 1)])
    if all(p < k for p, k in zip([*pad, *far], [*kernel, *kernel], strict=True)):
        return operand, [*pad, *far]
    before = [0] * (x.ndim - len(kernel))
    pads = w.integers([*before, *pad, *before, *far])
    return w.add("Pad", [w.name(operand), pads, w.number(fill, x.dtype)]), [0] * (2 * len(kernel))


def _back(w: Writer, y: str, x: Value, first: int, kernel: Any) -> str:
    return y if first == x.ndim - len(kernel) else w.add("Transpose", [y], perm=[0, *range(2, x.ndim), 1])


def _shares(node: Node) -> np.ndarray:
    """Of each window the factor from a mean over the kernel to what the operator gives, which says it itself, on ones."""
    attrs = dict(node.attrs)
    kernel = attrs["kernel"]
    spatial = node.inputs[0].shape[attrs["first"] : attrs["first"] + len(kernel)]
    attrs["first"] = 2
    ones = np.ones((1, 1, *spatial))
    assert node.op.compute is not None
    whole = node.op.compute(np, ones, **{**attrs, "divide": "no"})
    return np.asarray(np.prod(kernel) * node.op.compute(np, ones, **attrs) / np.maximum(whole, 1e-30))


@rule("max_pool")
def _max_pool(w: Writer, node: Node, x: Value, first: int, kernel: Any, stride: Any, pad: Any, count: Any) -> str:
    least = float(ml_dtypes.finfo(x.dtype).min)
    operand, pads = _padded(w, x, first, kernel, pad, least)
    return _back(w, w.add("MaxPool", [operand], kernel_shape=kernel, strides=stride, pads=pads), x, first, kernel)


@rule("sum_pool")
def _sum_pool(w: Writer, node: Node, x: Value, first: int, kernel: Any, stride: Any, pad: Any, count: Any, divide: str) -> str:
    operand, pads = _padded(w, x, first, kernel, pad, 0)
    y = w.add("AveragePool", [operand], kernel_shape=kernel, strides=stride, pads=pads, count_include_pad=1)
    # ONNX divides by the kernel, we by what of a window lies within the padding or the data.
    shares = [_shares(twin) for twin in w.model.twins[node]]
    if all(np.ptp(share) < 1e-12 for share in shares) and np.ptp([share.flat[0] for share in shares]) < 1e-12:
        factor = float(shares[0].flat[0])
        return _back(w, y if abs(factor - 1) < 1e-12 else w.add("Mul", [y, w.number(factor, x.dtype)]), x, first, kernel)
    if len({share.shape for share in shares}) > 1:
        w.refuse("windows that divide by the same number at every size", "others at the edges", "count_include_pad=True, or no padding")
    return _back(w, w.add("Mul", [y, w.constant(shares[0].astype(x.dtype), "window_shares")]), x, first, kernel)
