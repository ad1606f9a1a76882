"""How much workspace the real libraries ask for, nearly: what memory is planned by on the emulated device.

cuDNN's sizes follow plans that cuDNN 9.19 made for an H200 of which it was only told: the attention's exactly but for wide heads, the
convolutions' in their large terms. Keys and values with fewer heads than queries were not among them: what they take besides is after the
frontend's graph. cuBLASLt says nothing without a GPU; there the model is the most that its kernels for Hopper have a use for.
"""

import math
from collections.abc import Sequence

SMS = 132


def up(n: int, to: int) -> int:
    return -(-n // to) * to


def of_product(m: int, n: int, k: int, batch: int, itemsize: int, allowed: int) -> int:
    """Partial sums of a product in parts of 256 terms or more, but of no more than 128 × 256 sums for each multiprocessor."""
    parts = k // 256
    return min(allowed, up(min(parts * m * n * batch, SMS * 128 * 256) * max(itemsize, 4), 256) if parts > 1 else 256)


def of_attention_grad(query: Sequence[int], key: Sequence[int], value: Sequence[int], deterministic: bool) -> int:
    """Float32 sums for the query's gradient, and a number for each row; the sums for every 128 keys where their order is to be the same.

    Where heads of keys and values are shared, also their gradients for each head of queries, in 16 bits, before these are summed.
    """
    b, h, s, d = query
    sums = -(-key[2] // 128) * up(s, 64) * up(d, 64) if deterministic else s * d
    apart = sum(b * h * x[2] * x[3] for x in (key, value)) * 2 if key[1] != h else 0
    return (b * h * (sums + s)) * 4 + apart + 256


#: Attention's forward.
OF_ATTENTION = 256


def of_convolution(
    shapes: Sequence[Sequence[int]], strides: Sequence[Sequence[int]], itemsize: int, tensor_core: bool, of_weight: bool
) -> int:
    """Copies of what does not lie as the algorithm wants it, and the partial sums of a weight's gradient.

    ``shapes`` and ``strides``: of data, weight and result, (N, C, *size). Tensor cores want channels last and in multiples of 16
    bytes. Other algorithms want channels first, and for a weight's gradient copy at any rate. Convolutions in groups are spread
    out, but for depthwise ones.
    """
    data, weight, result = shapes
    groups = data[1] // weight[1]
    pack = 16 // itemsize if tensor_core else 1
    total = 144
    for shape, steps in zip(shapes, strides, strict=True):
        channels = shape[1]
        alike = channels == 1 or math.prod(shape[2:]) == 1  # in both orders
        fits = (alike or (steps[1] == 1) == tensor_core) and (tensor_core or not of_weight)
        depthwise = groups == data[1] > 1
        if not depthwise and (not fits or channels % pack or groups > 1):
            total += math.prod(shape) // channels * up(channels, pack) * itemsize
    if of_weight and tensor_core:
        tiles = -(-weight[0] // 128) * -(-math.prod(weight[1:]) // 128)
        total += SMS // tiles * weight[0] * math.prod(weight[2:]) * up(weight[1], pack) * 4
    return total
