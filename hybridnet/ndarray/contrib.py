"""``nd.contrib``: attention helpers, images, boxes, and operators that never found another home."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hybridnet import absent, dtypes
from hybridnet.core import call
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.graph.control_flow import cond, foreach, while_loop
from hybridnet.ndarray.nn import batch_norm
from hybridnet.ndarray.register import operator
from hybridnet.ops.array import gather
from hybridnet.ops.array.shape import stack
from hybridnet.ops.math import pointwise
from hybridnet.ops.nn import boxes, like, outputs, resize

__all__ = [
    "AdaptiveAvgPooling2D", "BilinearResize2D", "MultiBoxPrior", "SyncBatchNorm", "arange_like", "boolean_mask", "box_iou", "box_nms",
    "cond", "div_sqrt_dim", "foreach", "gradientmultiplier", "index_array", "index_copy", "interleaved_matmul_encdec_qk",
    "interleaved_matmul_encdec_valatt", "interleaved_matmul_selfatt_qk", "interleaved_matmul_selfatt_valatt", "isfinite", "isinf", "isnan",
    "quadratic", "while_loop",
]  # fmt: skip

_math = pointwise.FUNCTIONS

arange_like = operator("_contrib_arange_like")(like.arange_like)
boolean_mask = operator("_contrib_boolean_mask")(gather.boolean_mask)
gradientmultiplier = operator("_contrib_gradientmultiplier")(
    lambda data, scalar=1.0, is_int=True: outputs.gradient_multiplier(data, scalar)
)


#: Modes of BilinearResize2D: which sizes stay (the remainder by 2), and where the others go.
_NEXT = {"to_even_down": (0, -1), "to_even_up": (0, 1), "to_odd_down": (1, -1), "to_odd_up": (1, 1)}


@operator("_contrib_BilinearResize2D")
def BilinearResize2D(
    data: Any, like: Any = None, height: int = 1, width: int = 1, scale_height: float | None = None, scale_width: float | None = None,
    mode: str = "size", align_corners: bool = True,
) -> Any:  # fmt: skip
    """Images of another size, interpolated linearly.

    By ``mode``: ``size``, ``height`` × ``width`` or multiples of the size; ``like``, the size of ``like``; ``odd_scale``, multiples
    that keep an odd size odd; ``to_even_down``, ``to_even_up``, ``to_odd_down``, ``to_odd_up``, the next even or odd size.
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


@operator("_contrib_AdaptiveAvgPooling2D")
def AdaptiveAvgPooling2D(data: Any, output_size: Any = 1) -> Any:
    """Images of ``output_size``, each element the mean of its share of the image."""
    return resize.adaptive_avg_pooling2d(data, output_size or 1)


@operator("_contrib_div_sqrt_dim")
def div_sqrt_dim(data: Any) -> Any:
    """``data`` over the square root of the length of its last axis."""
    return data / math.sqrt(data.shape[-1])


def _test(name: str) -> Any:
    return operator(f"_contrib_{name}")(lambda data: _math[name](data).astype(data.dtype))


isnan, isinf, isfinite = _test("isnan"), _test("isinf"), _test("isfinite")


@operator("_contrib_quadratic")
def quadratic(data: Any, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    """a·x² + b·x + c."""
    return (data * a + b) * data + c


@operator("_contrib_index_copy")
def index_copy(old_tensor: Any, index_vector: Any, new_tensor: Any) -> Any:
    """``old_tensor`` with the rows at ``index_vector`` replaced by those of ``new_tensor``."""
    indices = gather.as_indices("index_copy", index_vector, old_tensor)
    return call("index_set", old_tensor, new_tensor, indices, key=(("array",),))


@operator("_contrib_index_array")
def index_array(data: Any, axes: Any = None) -> Any:
    """The index of every element along ``axes`` (all without), as int64 on a new last axis."""
    grids = []
    for a in range(data.ndim) if axes is None else axes:
        along = like.arange_like(data, axis=a).astype(dtypes.int64)
        shape = tuple(n if i == a else 1 for i, n in enumerate(data.shape))
        grids.append(call("broadcast_to", call("reshape", along, shape=shape), shape=data.shape))
    return stack(grids, -1)


@operator("_contrib_SyncBatchNorm", writes=True)
def SyncBatchNorm(  # one process has one batch, so there is nothing to bring together
    data: Any, gamma: Any, beta: Any, moving_mean: Any, moving_var: Any, key: str = "", ndev: int = 1, **kwargs: Any
) -> Any:
    """Batch normalisation over the batches of all devices; here of the one."""
    return batch_norm(data, gamma, beta, moving_mean, moving_var, **kwargs)


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


@operator("_contrib_interleaved_matmul_selfatt_qk")
def interleaved_matmul_selfatt_qk(queries_keys_values: Any, heads: int) -> Any:
    """The scaled products of queries and keys, of projections (length, batch, heads·3·size)."""
    q, k, _ = _interleaved(queries_keys_values, heads, 3)
    return call("matmul", q * (1 / math.sqrt(q.shape[-1])), k, transpose_b=True)


@operator("_contrib_interleaved_matmul_selfatt_valatt")
def interleaved_matmul_selfatt_valatt(queries_keys_values: Any, attention: Any, heads: int) -> Any:
    """The values weighted by ``attention``."""
    return _joined(call("matmul", attention, _interleaved(queries_keys_values, heads, 3)[2]), heads)


@operator("_contrib_interleaved_matmul_encdec_qk")
def interleaved_matmul_encdec_qk(queries: Any, keys_values: Any, heads: int) -> Any:
    """The scaled products of queries (length, batch, heads·size) and keys of (length, batch, heads·2·size)."""
    (q,), (k, _) = _interleaved(queries, heads, 1), _interleaved(keys_values, heads, 2)
    return call("matmul", q * (1 / math.sqrt(q.shape[-1])), k, transpose_b=True)


@operator("_contrib_interleaved_matmul_encdec_valatt")
def interleaved_matmul_encdec_valatt(keys_values: Any, attention: Any, heads: int) -> Any:
    """The values weighted by ``attention``."""
    return _joined(call("matmul", attention, _interleaved(keys_values, heads, 2)[1]), heads)


# -- boxes ----------------------------------------------------------------------------------------

box_iou = operator("_contrib_box_iou")(boxes.box_iou)
box_nms = operator("_contrib_box_nms", "_contrib_box_non_maximum_suppression")(boxes.box_nms)
MultiBoxPrior = operator("_contrib_MultiBoxPrior")(boxes.multibox_prior)

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
