"""``nd.contrib``: attention helpers, images, boxes, and operators that never found another home."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from hybridnet import absent, dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.graph.control_flow import cond, foreach, while_loop
from hybridnet.ndarray import (
    attention,
    contrib_boxes,
    contrib_more,
    contrib_quantized,
    contrib_quantized_rnn,
    contrib_regions,
    deformable,
    normalization,
)
from hybridnet.ndarray import outputs as losses
from hybridnet.ndarray.attributes import Array, Context, Shape
from hybridnet.ndarray.contrib_more import rand_zipfian
from hybridnet.ndarray.contrib_updates import (
    adamw_update,
    mp_adamw_update,
    multi_adamw_update,
    multi_lamb_update,
    multi_mp_adamw_update,
    multi_mp_lamb_update,
)
from hybridnet.ndarray.record import when
from hybridnet.ndarray.register import FUNCTIONS, classic, helper
from hybridnet.ndarray.types import always, apart
from hybridnet.ops.array import gather
from hybridnet.ops.array.shape import expand_dims, stack
from hybridnet.ops.common import normalize_axis
from hybridnet.ops.math import pointwise
from hybridnet.ops.nn import like, loss, outputs, resize

_math = pointwise.FUNCTIONS


@classic("_contrib_arange_like")
def arange_like(
    data: Array, start: float = 0.0, step: float = 1.0, repeat: int = 1, ctx: Context | None = None, axis: int | None = None
) -> Any:
    """``start``, ``start + step``, …, each ``repeat`` times, in the shape of ``data``, or of one dimension as long as ``axis``."""
    return like.arange_like(data, start, step, repeat, ctx, axis)


@classic("_contrib_boolean_mask", types=apart("index"))
def boolean_mask(data: Array, index: Array, axis: int = 0) -> Any:
    """The slices of ``data`` along an axis at which ``index`` is not 0; eager only."""
    return gather.boolean_mask(data, index, axis)


@classic("_contrib_gradientmultiplier")
def gradientmultiplier(data: Array, scalar: float = 1.0, is_int: bool = True) -> Any:
    """``data``, with a gradient ``scalar`` times as large."""
    return outputs.gradient_multiplier(data, scalar)


@classic("_contrib_sparse_softmax_cross_entropy")
def sparse_softmax_cross_entropy(data: Array, label: Array, axis: int = -1, keepdims: bool = False) -> Any:
    """-log(softmax(data))[label] along ``axis``, one for each label: of the shape of ``data`` without the axis, or with it at length 1.

    Labels are numbers of classes, with or without the axis. 16-bit data gives float32. MXNet has the sum alone (``softmax_cross_entropy``).
    """
    axis = normalize_axis("sparse_softmax_cross_entropy", axis, data.ndim)
    if label.ndim == data.ndim and label.shape[axis] == 1:
        label = call("reshape", label, shape=label.shape[:axis] + label.shape[axis + 1 :])
    found = loss.softmax_cross_entropy(data, label, axis)
    return expand_dims(found, axis) if keepdims else found


#: Modes of BilinearResize2D: which sizes stay (the remainder by 2), and where the others go.
_NEXT = {"to_even_down": (0, -1), "to_even_up": (0, 1), "to_odd_down": (1, -1), "to_odd_up": (1, 1)}


@classic("_contrib_BilinearResize2D", asked={"like": when("mode", "like")})
def BilinearResize2D(
    data: Array,
    like: Array | None = None,
    height: int = 1,
    width: int = 1,
    scale_height: float | None = None,
    scale_width: float | None = None,
    mode: Literal["like", "odd_scale", "size", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up"] = "size",
    align_corners: bool = True,
) -> Any:
    """Images of another size, interpolated linearly.

    By ``mode``: ``size``, ``height`` × ``width`` or multiples of the size; ``like``, the size of ``like``; ``odd_scale``, multiples
    that keep an odd size odd; ``to_even_down``, ``to_even_up``, ``to_odd_down``, ``to_odd_up``, the next even or odd size.
    ArgumentError for another ``mode``. Images are (N, C, height, width).
    """
    if mode == "like" and like is not None:
        height, width = like.shape[2:]
    elif mode == "odd_scale":
        scales = 1.0 if scale_height is None else scale_height, 1.0 if scale_width is None else scale_width
        height, width = (int((n - n % 2) * scale) + n % 2 for n, scale in zip(data.shape[2:], scales, strict=True))
    elif mode in _NEXT:
        odd, step = _NEXT[mode]
        height, width = (n if n % 2 == odd else n + step for n in data.shape[2:])
    elif mode != "size":
        fail(ArgumentError, "BilinearResize2D", expected=f"mode size, like (with an array), odd_scale, {', '.join(_NEXT)}", got=repr(mode))
    elif scale_height is not None or scale_width is not None:
        return resize.bilinear_resize2d(data, None, None, scale_height, scale_width, align_corners)
    return resize.bilinear_resize2d(data, height, width, None, None, align_corners)


@classic("_contrib_AdaptiveAvgPooling2D")
def AdaptiveAvgPooling2D(data: Array, output_size: Shape = ()) -> Any:
    """Images of ``output_size``, each element the mean of its share of the image."""
    return resize.adaptive_avg_pooling2d(data, output_size or 1)


@classic("_contrib_div_sqrt_dim")
def div_sqrt_dim(data: Array) -> Any:
    """``data`` over the square root of the length of its last axis."""
    return data / math.sqrt(data.shape[-1])


@classic("_contrib_isnan")
def isnan(data: Array) -> Any:
    """1 where ``data`` is NaN, else 0."""
    return _math["isnan"](data).astype(data.dtype)


@classic("_contrib_isinf")
def isinf(data: Array) -> Any:
    """1 where ``data`` is infinite, else 0."""
    return _math["isinf"](data).astype(data.dtype)


@classic("_contrib_isfinite")
def isfinite(data: Array) -> Any:
    """1 where ``data`` is a finite number, else 0."""
    return _math["isfinite"](data).astype(data.dtype)


@classic("_contrib_quadratic")
def quadratic(data: Array, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    """a·x² + b·x + c."""
    return (data * a + b) * data + c


@classic("_contrib_index_copy", types=apart("index_vector"))
def index_copy(old_tensor: Array, index_vector: Array, new_tensor: Array) -> Any:
    """``old_tensor`` with the rows at ``index_vector`` replaced by those of ``new_tensor``."""
    indices = gather.as_indices("index_copy", index_vector, old_tensor)
    return call("index_set", old_tensor, new_tensor, indices, key=(("array",),))


@classic("_contrib_index_array", types=always(dtypes.int64))
def index_array(data: Array, axes: Shape | None = None) -> Any:
    """The index of every element along ``axes`` (all without), as int64 on a new last axis."""
    grids = []
    for a in range(data.ndim) if axes is None else (normalize_axis("index_array", a, data.ndim) for a in axes):
        along = like.arange_like(data, axis=a).astype(dtypes.int64)
        shape = tuple(n if i == a else 1 for i, n in enumerate(data.shape))
        grids.append(call("broadcast_to", call("reshape", along, shape=shape), shape=data.shape))
    return like.behind(data, stack(grids, -1))


# -- self attention on interleaved projections ----------------------------------------------------


def _interleaved(qkv: Any, heads: int, parts: int) -> list[Any]:
    """(length, batch, heads·parts·size) as ``parts`` arrays (batch·heads, length, size)."""
    length, batch, width = qkv.shape
    if width % (heads * parts):
        fail(ShapeError, "interleaved_matmul", expected=f"a last axis that {heads} heads × {parts} divide", got=str(qkv.shape))
    size = width // heads // parts
    split = call("reshape", qkv, shape=(length, batch * heads, parts, size))
    whole = ("slice", None, None, None)
    return [call("transpose", call("slice", split, key=(whole, whole, ("int", i))), axes=(1, 0, 2)) for i in range(parts)]


def _joined(x: Any, heads: int) -> Any:
    """(batch·heads, length, size) as (length, batch, heads·size)."""
    rows, length, size = x.shape
    return call("reshape", call("transpose", x, axes=(1, 0, 2)), shape=(length, rows // heads, heads * size))


@classic("_contrib_interleaved_matmul_selfatt_qk")
def interleaved_matmul_selfatt_qk(queries_keys_values: Array, heads: int) -> Any:
    """The scaled products of queries and keys, of projections (length, batch, heads·3·size)."""
    q, k, _ = _interleaved(queries_keys_values, heads, 3)
    return call("matmul", q * (1 / math.sqrt(q.shape[-1])), k, transpose_b=True)


@classic("_contrib_interleaved_matmul_selfatt_valatt")
def interleaved_matmul_selfatt_valatt(queries_keys_values: Array, attention: Array, heads: int) -> Any:
    """The values weighted by ``attention``.

    ``queries_keys_values``: (time, batch, heads · 3 · features); ``attention``: (batch · heads, time, time); gives (time, batch,
    heads · features).
    """
    return _joined(call("matmul", attention, _interleaved(queries_keys_values, heads, 3)[2]), heads)


@classic("_contrib_interleaved_matmul_encdec_qk")
def interleaved_matmul_encdec_qk(queries: Array, keys_values: Array, heads: int) -> Any:
    """The scaled products of queries (length, batch, heads·size) and keys of (length, batch, heads·2·size)."""
    (q,), (k, _) = _interleaved(queries, heads, 1), _interleaved(keys_values, heads, 2)
    return call("matmul", q * (1 / math.sqrt(q.shape[-1])), k, transpose_b=True)


@classic("_contrib_interleaved_matmul_encdec_valatt")
def interleaved_matmul_encdec_valatt(keys_values: Array, attention: Array, heads: int) -> Any:
    """The values weighted by ``attention``.

    ``keys_values``: (time, batch, heads · 2 · features); ``attention``: (batch · heads, queries, time); gives (queries, batch,
    heads · features).
    """
    return _joined(call("matmul", attention, _interleaved(keys_values, heads, 2)[1]), heads)


@helper()
def backward_quadratic(output_grad: Array, data: Array, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    """The gradient of ``quadratic``: of ``data`` (…), from that of its result, of the same shape."""
    return output_grad * (data * (2 * a) + b)


@helper()
def backward_index_copy(output_grad: Array, old_tensor: Array, index_vector: Array, new_tensor: Array) -> Any:
    """The gradients of ``index_copy``: of ``old_tensor`` (rows, …) and ``new_tensor`` (indices, …), from that of its result (rows, …)."""
    indices = gather.as_indices("backward_index_copy", index_vector, output_grad)
    of_old = call("index_set", output_grad, new_tensor * 0, indices, key=(("array",),))
    return of_old, gather.take(output_grad, indices, 0)


# -- the namespace --------------------------------------------------------------------------------

#: Where the other operators of this namespace are.
FAMILIES = (
    attention, contrib_boxes, contrib_more, contrib_quantized, contrib_quantized_rnn, contrib_regions, deformable, losses, normalization,
)  # fmt: skip
_OPERATORS = {name.removeprefix("_contrib_"): function for name, function in FUNCTIONS.items() if name.startswith("_contrib_")}
globals().update(_OPERATORS, **contrib_more.GRAPHS)
__all__ = [
    *_OPERATORS, *contrib_more.GRAPHS, "adamw_update", "backward_index_copy", "backward_quadratic",
    "cond", "foreach", "mp_adamw_update", "multi_adamw_update", "multi_lamb_update",
    "multi_mp_adamw_update", "multi_mp_lamb_update", "rand_zipfian", "while_loop",
]  # fmt: skip

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
else:
    __getattr__ = absent.teller(__name__)
