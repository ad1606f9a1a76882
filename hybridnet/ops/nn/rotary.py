"""Rotary embedding of positions: pairs of features turned by angles that grow with the position (Su et al., arXiv 2104.09864).

The turn is one operator. Written out it is a pointwise region: each feature times the cosine, and the other of its pair, read from the
same array backwards, times the sine, which has the sign of its place. Nothing is taken apart or put together. Its gradient is the turn
back, the same with the sine's sign changed, and reads no data.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, broadcast_shapes, call, on_cuda, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.array.gather import positions as counted
from hybridnet.ops.array.shape import expand_dims, stack
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.nn.common import wide, wide_dtype

_WHOLE, _BACKWARDS = ("slice", None, None, None), ("slice", None, None, -1)


def _infer(x: Spec, cos: Spec, sin: Spec, *, interleaved: bool) -> Spec:
    if not x.ndim or x.shape[-1] % 2:
        fail(ShapeError, "turn_pairs", expected="an even number of features", got=str(x.shape))
    pairs = (*x.shape[:-1], x.shape[-1] // 2)
    if cos.shape != sin.shape or cos.shape[-1:] != pairs[-1:] or broadcast_shapes("turn_pairs", cos.shape, pairs) != pairs:
        fail(ShapeError, "turn_pairs", expected=f"cosines and sines that broadcast to {pairs}", got=f"{cos.shape} and {sin.shape}")
    return x


def _paired(x: Any, interleaved: bool) -> tuple[Any, int]:
    """``x`` with the last axis as pairs, and which axis is that of the two of a pair, counted from the end."""
    half = x.shape[-1] // 2
    return call("reshape", x, shape=(*x.shape[:-1], *((half, 2) if interleaved else (2, half)))), -1 if interleaved else -2


def _exchanged(pairs: Any, axis: int) -> Any:
    """The other of each pair in the place of each."""
    return call("slice", pairs, key=tuple(_BACKWARDS if i == pairs.ndim + axis else _WHOLE for i in range(pairs.ndim)))


def _apart(pairs: Any, axis: int) -> list[Any]:
    """The first of all pairs, and the second."""
    place = pairs.ndim + axis
    return [call("slice", pairs, key=tuple(("int", n) if i == place else _WHOLE for i in range(pairs.ndim))) for n in (0, 1)]


def _turn(x: Any, cos: Any, sin: Any, *, interleaved: bool) -> Any:
    """As one region, whose pairs lie along an axis of their own."""
    pairs, axis = _paired(x, interleaved)
    turned = wide(pairs) * expand_dims(cos, axis) + wide(_exchanged(pairs, axis)) * stack((-sin, sin), axis)
    return call("reshape", call("cast", turned, dtype=x.dtype), shape=x.shape)


def _turn_apart(x: Any, cos: Any, sin: Any, *, interleaved: bool) -> Any:
    """The same on a CPU, where neighbours are turned apart: NumPy would go through them in loops of two."""
    if not interleaved:
        return _turn(x, cos, sin, interleaved=interleaved)
    pairs, axis = _paired(x, interleaved)
    first, second = (wide(part) for part in _apart(pairs, axis))
    turned = stack((first * cos - second * sin, second * cos + first * sin), -1)
    return call("reshape", call("cast", turned, dtype=x.dtype), shape=x.shape)


def _back(g: Any, y: Any, x: Any, cos: Any, sin: Any, **attrs: Any) -> Any:
    return apply(TURN_PAIRS, (g, cos, -sin), attrs)


def _of_cos(g: Any, y: Any, x: Any, cos: Any, sin: Any, *, interleaved: bool) -> Any:
    (g, axis), (x, _) = _paired(g, interleaved), _paired(x, interleaved)
    return call("sum", wide(g) * wide(x), axis=(g.ndim + axis,), keepdims=False)


def _of_sin(g: Any, y: Any, x: Any, cos: Any, sin: Any, *, interleaved: bool) -> Any:
    (g, axis), (x, _) = _paired(g, interleaved), _paired(x, interleaved)
    first, second = _apart(wide(g) * wide(_exchanged(x, axis)), axis)
    return second - first


#: The pair (a, b) becomes (a cos - b sin, b cos + a sin); 16-bit data is turned in float32, which cosine and sine are then of.
TURN_PAIRS = register(
    Op(
        "turn_pairs",
        Kind.OPAQUE,
        _infer,
        decomposition=_turn_apart,
        grad=(_back, _of_cos, _of_sin),
        saves=((1, 2), (0, 1, 2), (0, 1, 2)),
        sample=lambda: [
            Sample((normal(2, 3, 2, 4), normal(3, 1, 2, seed=1), normal(3, 1, 2, seed=2)), {"interleaved": False}),
            Sample((normal(2, 3, 2, 6), normal(2, 3, 1, 3, seed=1), normal(2, 3, 1, 3, seed=2)), {"interleaved": True}),
            Sample((normal(4), normal(2, seed=1), normal(2, seed=2)), {"interleaved": False}),
            Sample((normal(2, 3), normal(1), normal(1)), {"interleaved": False}, error=ValueError),
            Sample((normal(2, 4), normal(3, 2), normal(3, 2)), {"interleaved": False}, error=ValueError),
        ],
    )
)
on_cuda(TURN_PAIRS, decomposition=_turn)


def rotary_embedding(data: ArrayLike, positions: ArrayLike, base: float = 10000.0, interleaved: bool = False) -> Any:
    """``data`` (batch, length, heads, features), the pair i of features at position p turned by p · base^(-2i / features).

    ``positions``: one for each of ``length``, or (batch, length). A pair is the features i and i + features / 2, or with
    ``interleaved`` 2i and 2i + 1. 16-bit data is turned in float32; integers become floating. ShapeError for other shapes, or an odd number
    of features.
    """
    x = tensor(data)
    positions = tensor(positions, x)
    if x.ndim != 4 or x.shape[3] % 2 or positions.shape not in (x.shape[1:2], x.shape[:2]):
        expected = "data (batch, length, heads, an even number of features) and a position for each of length"
        fail(ShapeError, "rotary_embedding", expected=expected, got=f"{x.shape} and {positions.shape}")
    if not dtypes.is_floating(x.dtype):
        x = call("cast", x, dtype=dtypes.floating(x.dtype))
    dtype, half = wide_dtype(x.dtype), x.shape[3] // 2
    slower = call("exp", counted(x, half, dtype) * (-math.log(base) / half))
    at = call("reshape", call("cast", positions, dtype=dtype), shape=(*positions.shape, 1, 1))
    angles = at * slower
    return apply(TURN_PAIRS, (x, call("cos", angles), call("sin", angles)), {"interleaved": bool(interleaved)})
