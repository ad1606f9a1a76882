"""Rotary embedding of positions: pairs of features turned by angles that grow with the position (Su et al., arXiv 2104.09864)."""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import ArrayLike, call
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import positions as counted
from hybridnet.ops.array.shape import concatenate, stack
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import narrow, wide

_WHOLE = ("slice", None, None, None)


def rotary_embedding(data: ArrayLike, positions: ArrayLike, base: float = 10000.0, interleaved: bool = False) -> Any:
    """``data`` (batch, length, heads, features), the pair i of features at position p turned by p · base^(-2i / features).

    ``positions``: one for each of ``length``, or (batch, length). A pair is the features i and i + features / 2, or with
    ``interleaved`` 2i and 2i + 1. 16-bit data is turned in float32. ShapeError for other shapes, or an odd number of features.
    """
    data = tensor(data)
    positions = tensor(positions, data)
    if data.ndim != 4 or data.shape[3] % 2 or positions.shape not in (data.shape[1:2], data.shape[:2]):
        expected = "data (batch, length, heads, an even number of features) and a position for each of length"
        fail(ShapeError, "rotary_embedding", expected=expected, got=f"{data.shape} and {positions.shape}")
    x, half = wide(data), data.shape[3] // 2
    slower = call("exp", counted(x, half, x.dtype) * (-math.log(base) / half))
    at = call("reshape", call("cast", positions, dtype=x.dtype), shape=(*positions.shape, 1, 1))
    angles = at * slower
    cos, sin = call("cos", angles), call("sin", angles)
    first, second = _pairs(x, half, interleaved)
    turned = first * cos - second * sin, second * cos + first * sin
    if not interleaved:
        return narrow(concatenate(turned, -1), data.dtype)
    return narrow(call("reshape", stack(turned, -1), shape=data.shape), data.dtype)


def _pairs(x: Any, half: int, interleaved: bool) -> tuple[Any, Any]:
    whole = (_WHOLE, _WHOLE, _WHOLE)
    if interleaved:
        return call("slice", x, key=(*whole, ("slice", 0, None, 2))), call("slice", x, key=(*whole, ("slice", 1, None, 2)))
    return call("slice", x, key=(*whole, ("slice", 0, half, None))), call("slice", x, key=(*whole, ("slice", half, 2 * half, None)))
