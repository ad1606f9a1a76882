"""Matrix products on a CPU: cut by their shapes into pieces for one thread of BLAS each, large ones shared by threads.

Measured on two otherwise idle cores (float32, OpenBLAS 0.3.31 with its SkylakeX kernels), in µs: with two threads of BLAS, with one, and
in pieces. 512³: 1403, 2664, and 1472 in two pieces on two threads. 256³: 199, 332, 278. (32 × 784)(784 × 128), the second
transposed: 63, 109, and 65 in four pieces on one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from hybridnet.device import threads

#: Multiply-adds up to which BLAS stays on one thread of its own accord.
SMALL = 1 << 16
#: Multiply-adds from which a product is shared by threads: a helper takes 50 to 100 µs to wake up, as long as this many take.
SHARED = 16 << 20
#: Multiply-adds of a piece of such a product, as far as there are two, and the most pieces. More pieces read the operands more often.
PIECE = 16 << 20
MOST = 32
#: Pieces begin at multiples of this, so that the inner loops of BLAS have few remainders.
ALIGNED = 16

#: Multiply-adds up to which these kernels of OpenBLAS take operands as they lie, without copying them first, and the sizes that gain
#: from being cut so small: up to so many rows (or columns), and, with the second operand transposed, so deep.
UNPACKED = 1 << 19
UNPACKING = ("SkylakeX", "Cooperlake", "SapphireRapids")
NARROW, DEEP = 64, 256


def matmul(a: Any, b: Any, out: Any = None) -> Any:
    """``numpy.matmul`` of arrays of two axes or more; results do not depend on the number of threads."""
    work = multiply_adds(a.shape, b.shape)
    if work <= SMALL:
        return np.matmul(a, b, out=out)
    with threads.one_thread:
        if not is_cut(a.shape, b.shape, b.dtype, b.strides[-2] == b.itemsize != b.strides[-1]):
            return np.matmul(a, b, out=out)
        if out is None:
            out = np.empty((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), a.dtype)
        if work >= SHARED:
            threads.share(_multiply, _pieces(a, b, out, work))
        else:
            _multiply(0, iter(_cut(a, b, out, _steps(out.shape[-2], out.shape[-1], math.ceil(work / UNPACKED)))))
    return out


def matmul_of(xp: Any) -> Callable[..., Any]:
    """``matmul`` of an array module: ours on a CPU."""
    return matmul if xp is np else xp.matmul  # type: ignore[no-any-return]


def multiply_adds(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Of the product of two matrices, or batches of them, of those shapes."""
    batch = 1 if len(a) == len(b) == 2 else math.prod(np.broadcast_shapes(a[:-2], b[:-2]))
    return batch * a[-2] * a[-1] * b[-1]


def is_cut(a: tuple[int, ...], b: tuple[int, ...], dtype: Any, transposed: bool) -> bool:
    """Whether a product is computed in pieces; ``transposed``: the second operand's columns lie one after another."""
    work = multiply_adds(a, b)
    if work >= SHARED:
        return True
    if work <= 2 * UNPACKED or len(a) > 2 or len(b) > 2 or dtype.char not in "fd" or not _unpacks():
        return False
    return min(a[0], b[1]) <= NARROW and (not transposed or a[1] >= DEEP)


@cache
def _unpacks() -> bool:
    """Whether BLAS has kernels for small products that copy nothing."""
    return any(library.architecture in UNPACKING for library in threads.libraries())


def _multiply(worker: int, pieces: Iterator[tuple[Any, Any, Any]]) -> None:
    for a, b, out in pieces:
        np.matmul(a, b, out=out)


def _pieces(a: Any, b: Any, out: Any, work: int) -> list[tuple[Any, Any, Any]]:
    """The operands and results of the pieces: along an axis of the batch if there is one that is long enough, else tiles of the result."""
    number = min(MOST, max(2, work // PIECE))
    for axis, extent in enumerate(out.shape[:-2]):
        if extent >= min(number, 4):
            step = math.ceil(extent / number)
            return [tuple(_along(x, axis - out.ndim, i, i + step) for x in (a, b, out)) for i in range(0, extent, step)]  # type: ignore[misc]
    return _cut(a, b, out, _steps(out.shape[-2], out.shape[-1], number))


def _along(x: Any, axis: int, start: int, stop: int) -> Any:
    """A part of an operand along an axis (counted from the end) of the result; all of it where it is the same for all."""
    if x.ndim < -axis or x.shape[axis] == 1:
        return x
    return x[(..., slice(start, stop), *[slice(None)] * (-axis - 1))]


def _steps(rows: int, columns: int, number: int) -> tuple[int, int]:
    """The sizes of about ``number`` tiles of a result, near squares."""
    down = max(1, min(number, round(math.sqrt(number * rows / columns))))
    across = math.ceil(number / down)
    return _aligned(rows, down), _aligned(columns, across)


def _aligned(extent: int, number: int) -> int:
    return math.ceil(extent / number / ALIGNED) * ALIGNED


def _cut(a: Any, b: Any, out: Any, steps: tuple[int, int]) -> list[tuple[Any, Any, Any]]:
    rows, columns = ([slice(i, i + step) for i in range(0, extent, step)] for extent, step in zip(out.shape[-2:], steps, strict=True))
    return [(a[..., r, :], b[..., c], out[..., r, c]) for r in rows for c in columns]
