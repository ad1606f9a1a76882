"""Bits: how many are set, and bytes made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, call
from hybridnet.errors import ArgumentError, DtypeError, fail
from hybridnet.ops.array.rearrange import moveaxis
from hybridnet.ops.array.shape import reshape, slice_axis
from hybridnet.ops.common import reduced_axis, tensor
from hybridnet.ops.math import reduction

#: Pairs, fours and eights of neighbouring bits are summed in place, then the bytes by a product.
_STEPS = ((1, 0x5555555555555555), (2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F))


def bitwise_count(x: ArrayLike) -> Any:
    """How many bits are set in the sizes of integers, as uint8. DtypeError for floating numbers."""
    x = tensor(x)
    if dtypes.is_floating(x.dtype):
        fail(DtypeError, "bitwise_count", expected="integers", got=str(x.dtype))
    if x.dtype == dtypes.bool_:
        return x.astype(dtypes.uint8)
    bits = x if x.dtype.kind == "u" else call("absolute", call("cast", x, dtype=dtypes.int64))
    bits = call("cast", bits, dtype=dtypes.uint64)
    for shift, mask in _STEPS:
        bits = call("bitwise_and", bits, mask) + call("bitwise_and", call("right_shift", bits, shift), mask)
    return call("cast", call("right_shift", bits * 0x0101010101010101, 56), dtype=dtypes.uint8)


def packbits(a: ArrayLike, axis: int | None = None, bitorder: str = "big") -> Any:
    """Each eight elements along ``axis`` (flattened without) as the bits of one uint8, the last filled up with 0.

    DtypeError for what are no integers or booleans, ArgumentError for another ``bitorder`` than big and little.
    """
    a = tensor(a)
    if dtypes.is_floating(a.dtype):
        fail(DtypeError, "packbits", expected="integers or booleans", got=str(a.dtype))
    weights = _weights("packbits", bitorder, a)
    a, axis = _along("packbits", a if axis is not None else reshape(a, -1), axis)
    bits = moveaxis(call("not_equal", a, 0), axis, -1)
    n = -(-bits.shape[-1] // 8) * 8
    key = (*(("slice", None, None, None),) * (bits.ndim - 1), ("slice", 0, bits.shape[-1], None))
    padded = call("slice_grad", call("cast", bits, dtype=dtypes.uint8), shape=(*bits.shape[:-1], n), key=key)
    packed = reduction.sum(reshape(padded, (*bits.shape[:-1], n // 8, 8)) * weights, -1)
    return moveaxis(call("cast", packed, dtype=dtypes.uint8), -1, axis)


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """The bits of uint8 numbers as uint8 of 0 and 1, along ``axis`` (flattened without); ``count`` of them, or all but -``count``.

    DtypeError for another dtype, ArgumentError for another ``bitorder`` than big and little.
    """
    a = tensor(a)
    if a.dtype != dtypes.uint8:
        fail(DtypeError, "unpackbits", expected="uint8", got=str(a.dtype))
    weights = _weights("unpackbits", bitorder, a)
    a, axis = _along("unpackbits", a if axis is not None else reshape(a, -1), axis)
    a = moveaxis(a, axis, -1)
    bits = call("not_equal", call("bitwise_and", reshape(a, (*a.shape, 1)), weights), 0)
    bits = reshape(call("cast", bits, dtype=dtypes.uint8), (*a.shape[:-1], a.shape[-1] * 8))
    n = bits.shape[-1]
    if count is not None:
        wanted = count if count >= 0 else n + count
        if wanted < 0:
            fail(ArgumentError, "unpackbits", expected=f"a count of {-n} or more", got=str(count))
        key = (*(("slice", None, None, None),) * (bits.ndim - 1), ("slice", 0, n, None))
        bits = slice_axis(bits, -1, 0, wanted) if wanted <= n else call("slice_grad", bits, shape=(*bits.shape[:-1], wanted), key=key)
    return moveaxis(bits, -1, axis)


def _weights(op: str, bitorder: str, like: Any) -> Any:
    if bitorder not in ("big", "little"):
        fail(ArgumentError, op, expected="bitorder big or little", got=repr(bitorder))
    weights = 1 << np.arange(8, dtype=np.uint8)
    return tensor(weights if bitorder == "little" else weights[::-1].copy(), like)


def _along(op: str, a: Any, axis: int | None) -> tuple[Any, int]:
    axis = 0 if axis is None else reduced_axis(op, axis, a.ndim)
    return (a, axis) if a.ndim else (reshape(a, -1), axis)
