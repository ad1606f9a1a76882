"""Where the elements of a kernel's operands lie: what hand-written kernels that move elements are told (``kernels/each.cuh``).

A kernel goes over the elements of its result, or packs of neighbours; axes say how far each goes and
how far apart each operand's elements lie along it. All of that is written into the kernel's type, as constants.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hybridnet import dtypes
from hybridnet.core.kernel import Launch, stored_type
from hybridnet.device.hardware import ACCESS_BYTES, BLOCKS_PER_SM, LIMIT_32, THREADS, WAVES


class Axis(NamedTuple):
    """How far an axis goes, and the stride along it, in elements, of every operand."""

    extent: int
    strides: tuple[int, ...]


def axes_of(shape: Sequence[int], *strides: Sequence[int]) -> list[Axis]:
    """The axes of ``shape``, for operands with these strides."""
    return [Axis(n, tuple(steps)) for n, *steps in zip(shape, *strides, strict=True)]


def merged(axes: Iterable[Axis]) -> list[Axis]:
    """Without axes of length 1, and neighbours that every operand runs through in one go as one."""
    found: list[Axis] = []
    for axis in axes:
        if axis.extent == 1:
            continue
        if found and all(outer == inner * axis.extent for outer, inner in zip(found[-1].strides, axis.strides, strict=True)):
            axis = Axis(found.pop().extent * axis.extent, axis.strides)
        found.append(axis)
    return found


def pack_width(dtype: dtypes.Dtype, *lengths: int) -> int:
    """The most elements of 16 bytes that divide all ``lengths``."""
    width = ACCESS_BYTES // dtype.itemsize
    while any(n % width for n in lengths):
        width //= 2
    return width


def axes_type(axes: Sequence[Axis], width: int = 1) -> str:
    """The C++ type of axes over packs of ``width`` elements; the last axis is the innermost."""
    texts = []
    for i, axis in enumerate(reversed(axes)):
        pack = 1 if i else width
        strides = "".join(f", {s * pack}" for s in axis.strides)
        texts.append(f"hn_axis<{axis.extent // pack}{strides}>")
    return f"hn_axes<{', '.join(texts)}>"


def index_type(*sizes: int) -> str:
    """The type of an index into arrays of these sizes."""
    return "int" if max(sizes) < LIMIT_32 else "long long"


def each(function: str, arguments: Sequence[str], count: int, num_sms: int) -> Launch:
    """The launch of a kernel that goes over ``count`` packs with ``hn_each``."""
    blocks, resident = -(-count // THREADS), num_sms * BLOCKS_PER_SM
    if blocks > 2 * resident:  # a thread has two packs, whose loads are under way together
        blocks = min(-(-blocks // 2), resident * WAVES)
    return Launch(function, tuple(arguments), (blocks, 1), THREADS)


def once(function: str, arguments: Sequence[str], count: int) -> Launch:
    """The launch of a kernel that has a thread for each of ``count`` packs."""
    return Launch(function, tuple(arguments), (-(-count // THREADS), 1), THREADS)


def fill(argument: str, dtype: dtypes.Dtype, size: int, number: float, num_sms: int) -> Launch:
    """The launch that puts a number in all ``size`` places of an array."""
    width = pack_width(dtype, size)
    index, count = index_type(size), size // width
    return each(f"hn_fill_with<{index}, {count}, {width}, {stored_type(dtype)}>", (argument, f"{number}"), count, num_sms)


def parted(shape: Sequence[int], axis: int) -> tuple[int, int, int]:
    """How many elements lie outside an axis, along it and inside it."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
