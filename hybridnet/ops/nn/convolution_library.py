"""The three operators of convolution as calls of cuDNN (``CudaRule.library``): arrays of either layout in its order of axes."""

from __future__ import annotations

from typing import Any

from hybridnet.config import config
from hybridnet.core.kernel import LibraryCall, StridedSpec
from hybridnet.device import dnn


def tensor_of(x: StridedSpec, last: bool) -> dnn.Tensor:
    """Data or a weight as cuDNN names its axes: (N, C, *size), of two spatial axes or more."""
    order = (0, len(x.shape) - 1, *range(1, len(x.shape) - 1)) if last else range(len(x.shape))
    shape, strides = tuple(x.shape[i] for i in order), tuple(x.strides[i] for i in order)
    if len(shape) == 3:
        shape, strides = (*shape[:2], 1, shape[2]), (*strides[:2], strides[2] * shape[2], strides[2])
    return dnn.Tensor(shape, strides)


def _planned(
    kind: str, data: StridedSpec, weight: StridedSpec, result: StridedSpec, *, stride: Any, pad: Any, dilate: Any, last: bool, **_: Any
) -> LibraryCall | None:
    if data.dtype not in dnn.TYPES or min(*data.strides, *weight.strides, *result.strides) < 0:
        return None
    if len(stride) == 1:
        stride, pad, dilate = (1, *stride), (0, *pad), (1, *dilate)
    x, w, y = (tensor_of(array, last) for array in (data, weight, result))
    return dnn.plan(dnn.Convolution(kind, data.dtype, x, w, y, pad, stride, dilate, config.tf32))


def convolution(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], **attrs: Any) -> LibraryCall | None:
    """cuDNN's plan for y = convolution(x, w); ``None`` where it has none."""
    (x, w), (y,) = inputs, outputs
    return _planned("result", x, w, y, **attrs)


def data_grad(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], **attrs: Any) -> LibraryCall | None:
    """cuDNN's plan for the data's gradient from (dy, w); ``None`` where it has none."""
    (dy, w), (dx,) = inputs, outputs
    return _planned("data", dx, w, dy, **attrs)


def weight_grad(inputs: tuple[StridedSpec, ...], outputs: tuple[StridedSpec, ...], **attrs: Any) -> LibraryCall | None:
    """cuDNN's plan for the weight's gradient from (x, dy); ``None`` where it has none."""
    (x, dy), (dw,) = inputs, outputs
    return _planned("weight", x, dw, dy, **attrs)
