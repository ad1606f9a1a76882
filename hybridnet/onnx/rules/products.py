"""Sums of products: matrix products and convolutions."""

from __future__ import annotations

from typing import Any

from hybridnet.graph.ir import Node, Value
from hybridnet.onnx.rules import rule
from hybridnet.onnx.writer import Writer


def _swapped(w: Writer, x: Value | str, ndim: int) -> str:
    return w.add("Transpose", [x], perm=[*range(ndim - 2), ndim - 1, ndim - 2])


@rule("matmul")
def _matmul(w: Writer, node: Node, a: Value, b: Value, transpose_a: bool = False, transpose_b: bool = False) -> str:
    x, y = w.cast(a, node.output.dtype), w.cast(b, node.output.dtype)
    if a.ndim == b.ndim == 2:
        return w.add("Gemm", [x, y], transA=int(transpose_a), transB=int(transpose_b))
    return w.add("MatMul", [_swapped(w, x, a.ndim) if transpose_a else x, _swapped(w, y, b.ndim) if transpose_b else y])


def _moved(w: Writer, x: Value | str, ndim: int, last: bool) -> Value | str:
    """Channels from the last axis to the second, where they are last."""
    return w.add("Transpose", [x], perm=[0, ndim - 1, *range(1, ndim - 1)]) if last else x


def _back(w: Writer, y: str, ndim: int, last: bool) -> str:
    return w.add("Transpose", [y], perm=[0, *range(2, ndim), 1]) if last else y


@rule("convolution")
def _convolution(w: Writer, node: Node, x: Value, weight: Value, stride: Any, pad: Any, dilate: Any, groups: int, last: bool) -> str:
    kernel = weight.shape[1:-1] if last else weight.shape[2:]
    operands = [_moved(w, x, x.ndim, last), _moved(w, weight, x.ndim, last)]
    y = w.add("Conv", operands, kernel_shape=kernel, strides=stride, pads=[*pad, *pad], dilations=dilate, group=groups)
    return _back(w, y, x.ndim, last)


@rule("convolution_data_grad")
def _transposed(
    w: Writer, node: Node, dy: Value, weight: Value, size: Any, stride: Any, pad: Any, dilate: Any, groups: int, last: bool
) -> str:
    """What a transposed convolution is; its far padding follows from the size that is asked for."""
    kernel = weight.shape[1:-1] if last else weight.shape[2:]

    def beyond(twin: Node) -> tuple[int, ...]:
        spatial = twin.inputs[0].shape[1:] if last else twin.inputs[0].shape[2:]
        each = zip(twin.attrs["size"], spatial, kernel, stride, pad, dilate, strict=False)
        return tuple(size - ((n - 1) * s - 2 * p + (k - 1) * d + 1) for size, n, k, s, p, d in each)

    more = w.same("a size beyond the smallest", beyond)
    operands = [_moved(w, dy, dy.ndim, last), _moved(w, weight, dy.ndim, last)]
    y = w.add(
        "ConvTranspose",
        operands,
        kernel_shape=kernel,
        strides=stride,
        pads=[*pad, *pad],
        dilations=dilate,
        group=groups,
        output_padding=more,
    )
    return _back(w, y, dy.ndim, last)


@rule("det")
def _det(w: Writer, node: Node, x: Value) -> str:
    return w.add("Det", [x])
