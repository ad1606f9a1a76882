"""The correlation of two images' windows at displacements (Dosovitskiy et al., FlowNet, arXiv 1504.06852)."""

from __future__ import annotations

from typing import Any

from hybridnet.core import ArrayLike, call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.rearrange import pad
from hybridnet.ops.array.shape import stack
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import narrow, wide


def correlation(
    data1: ArrayLike,
    data2: ArrayLike,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
) -> Any:
    """How alike windows of ``data1`` are to displaced ones of ``data2``, both (batch, channels, height, width).

    Windows are ``kernel_size`` long on each side and ``stride1`` apart, displacements go up to ``max_displacement`` in steps of ``stride2``
    on both axes, one a channel of the result; images get ``pad_size`` zeros around them. A result is the mean of the products, or without
    ``is_multiply`` of the absolute differences, over windows and channels. ShapeError for other shapes or windows that do not fit,
    ArgumentError for an even ``kernel_size``.
    """
    data1, data2, op = tensor(data1), tensor(data2), "Correlation"
    if data1.ndim != 4 or data1.shape != data2.shape:
        fail(ShapeError, op, expected="two images (batch, channels, height, width)", got=f"{data1.shape} and {data2.shape}")
    if kernel_size % 2 == 0:
        fail(ArgumentError, op, expected="an odd kernel_size", got=str(kernel_size))
    _, channels, height, width = data1.shape
    reach = kernel_size // 2
    border = max_displacement + reach
    out = [-(-(n + 2 * pad_size - 2 * border) // stride1) for n in (height, width)]
    if min(out) < 1:
        fail(ShapeError, op, expected=f"images of more than {2 * (border - pad_size)} pixels on both axes", got=str(data1.shape))
    edges = ((0, 0), (0, 0), (pad_size, pad_size), (pad_size, pad_size))
    first, second = (pad(wide(x), edges) for x in (data1, data2))
    steps = range(-(max_displacement // stride2) * stride2, max_displacement + 1, stride2)
    size = [(n - 1) * stride1 + 1 for n in out]
    found = []
    for dy in steps:
        for dx in steps:
            total: Any = None
            for j in range(-reach, reach + 1):
                for i in range(-reach, reach + 1):
                    a = _window(first, border + j, border + i, size, stride1)
                    b = _window(second, border + j + dy, border + i + dx, size, stride1)
                    alike = a * b if is_multiply else call("absolute", a - b)
                    part = call("sum", alike, axis=(1,), keepdims=False)
                    total = part if total is None else total + part
            found.append(total)
    return narrow(stack(found, 1) / (kernel_size * kernel_size * channels), data1.dtype)


def _window(x: Any, top: int, left: int, size: list[int], step: int) -> Any:
    whole = ("slice", None, None, None)
    return call("slice", x, key=(whole, whole, ("slice", top, top + size[0], step), ("slice", left, left + size[1], step)))
