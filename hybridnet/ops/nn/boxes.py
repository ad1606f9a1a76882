"""Boxes in images: overlaps, suppression of the lesser of overlapping ones, anchors.

A box is (left, top, right, bottom), or with format ``center`` (x, y, width, height).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import selection
from hybridnet.ops.array.creation import arange
from hybridnet.ops.array.gather import take_along_axis
from hybridnet.ops.array.shape import concatenate, expand_dims, slice_axis, stack
from hybridnet.ops.common import tensor
from hybridnet.ops.math import pointwise

_math = pointwise.FUNCTIONS


def _corners(boxes: Any, format: str) -> list[Any]:
    """The left, top, right and bottom of boxes given by corners or as centre and size."""
    if format not in ("corner", "center"):
        fail(ArgumentError, "box", expected="format corner or center", got=repr(format))
    a, b, c, d = (slice_axis(boxes, -1, i, i + 1) for i in range(4))
    return [a, b, c, d] if format == "corner" else [a - c / 2, b - d / 2, a + c / 2, b + d / 2]


def box_iou(lhs: Any, rhs: Any, format: str = "corner") -> Any:
    """The areas that boxes (..., 4) of both arrays share, over the areas that they cover together: every pair."""
    n, m = math.prod(lhs.shape[:-1]), math.prod(rhs.shape[:-1])
    left = _corners(call("reshape", lhs, shape=(n, 1, 4)), format)
    right = _corners(call("reshape", rhs, shape=(1, m, 4)), format)
    sides = [_math["maximum"](_math["minimum"](left[i + 2], right[i + 2]) - _math["maximum"](left[i], right[i]), 0) for i in (0, 1)]
    shared = sides[0] * sides[1]
    covered = _area(left) + _area(right) - shared
    positive = call("greater", covered, 0)
    iou = selection.where(positive, shared / selection.where(positive, covered, 1), 0)
    return call("reshape", iou, shape=lhs.shape[:-1] + rhs.shape[:-1])


def _area(corners: list[Any]) -> Any:
    a, b, c, d = corners
    return _math["maximum"](c - a, 0) * _math["maximum"](d - b, 0)


def _infer_nms(x: Spec, *, score_index: int, coord_start: int, **attrs: Any) -> Spec:
    if x.ndim != 3 or x.shape[-1] < max(score_index + 1, coord_start + 4):
        fail(ShapeError, "box_nms", expected="boxes (batch, n, values) with a score and four coordinates", got=str(x.shape))
    return Spec(x.shape[:2], dtypes.int64)


def _nms(
    xp: Any,
    x: Any,
    *,
    overlap: float,
    valid: float,
    topk: int,
    coord_start: int,
    score_index: int,
    id_index: int,
    background: int,
    force: bool,
    center: bool,
) -> Any:
    """The places of the boxes that no better one of their class overlaps, best first, the rest of each batch filled with -1.

    Computed on the host: which box goes depends on which stayed, one after another.
    """
    host = x if isinstance(x, np.ndarray) else x.get()
    out = np.full(host.shape[:2], -1)
    for batch, boxes in enumerate(host):
        keep = boxes[:, score_index] > valid
        if id_index >= 0:
            keep &= boxes[:, id_index] != background
        found = np.flatnonzero(keep)
        found = found[np.argsort(-boxes[found, score_index], kind="stable")][: topk if topk > 0 else None]
        kept = found[_alive(boxes[found], overlap, coord_start, None if force or id_index < 0 else id_index, center)]
        out[batch, : len(kept)] = kept
    return xp.asarray(out)


def _alive(boxes: Any, overlap: float, start: int, id_index: int | None, center: bool) -> Any:
    at = boxes[:, start : start + 4].astype(np.float64)
    if center:
        at = np.concatenate([at[:, :2] - at[:, 2:] / 2, at[:, :2] + at[:, 2:] / 2], axis=1)
    area = np.prod(np.maximum(at[:, 2:] - at[:, :2], 0), axis=1)
    alive = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        shared = np.prod(np.maximum(np.minimum(at[i, 2:], at[i + 1 :, 2:]) - np.maximum(at[i, :2], at[i + 1 :, :2]), 0), axis=1)
        union = area[i] + area[i + 1 :] - shared
        over = shared > overlap * union
        if id_index is not None:
            over &= boxes[i + 1 :, id_index] == boxes[i, id_index]
        alive[i + 1 :] &= ~over
    return alive


_boxes = np.array([[[0, 0.9, 0, 0, 2, 2], [0, 0.8, 0, 0, 2, 2.1], [1, 0.7, 3, 3, 4, 4]]])
_nms_attrs = {
    "overlap": 0.5,
    "valid": 0.0,
    "topk": -1,
    "coord_start": 2,
    "score_index": 1,
    "id_index": -1,
    "background": -1,
    "force": False,
    "center": False,
}
BOX_NMS = register(
    Op(
        "box_nms",
        Kind.OPAQUE,
        _infer_nms,
        compute=_nms,
        sample=lambda: (
            Sample((_boxes,), _nms_attrs, differentiable=False),
            Sample((_boxes,), {**_nms_attrs, "id_index": 0, "center": True, "topk": 2}, differentiable=False),
            Sample((_boxes[0],), _nms_attrs, error=ValueError, differentiable=False),
        ),
    )
)


def box_nms(
    data: ArrayLike,
    overlap_thresh: float = 0.5,
    valid_thresh: float = 0.0,
    topk: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = -1,
    background_id: int = -1,
    force_suppress: bool = False,
    in_format: str = "corner",
    out_format: str = "corner",
) -> Any:
    """Boxes (..., n, values) without those that a better one overlaps by more than ``overlap_thresh``.

    The kept ones come first, best first; the rest is -1. Boxes scored at most ``valid_thresh`` go too,
    and only ``topk`` are looked at. Boxes of different classes (at ``id_index``) do not suppress each
    other unless ``force_suppress``.
    """
    formats = ("corner", "center")
    if in_format not in formats or out_format not in formats:
        fail(ArgumentError, "box_nms", expected="formats corner or center", got=f"{in_format} and {out_format}")
    data = tensor(data)
    flat = call("reshape", data, shape=(math.prod(data.shape[:-2]), *data.shape[-2:]))
    attrs = {
        "overlap": float(overlap_thresh),
        "valid": float(valid_thresh),
        "topk": int(topk),
        "coord_start": int(coord_start),
        "score_index": int(score_index),
        "id_index": int(id_index),
        "background": int(background_id),
        "force": bool(force_suppress),
        "center": in_format == "center",
    }
    places = expand_dims(apply(BOX_NMS, (flat,), attrs), 2)
    chosen = take_along_axis(flat, call("broadcast_to", call("maximum", places, 0), shape=flat.shape), 1)
    if in_format != out_format:
        chosen = _reformed(chosen, coord_start, out_format)
    return call("reshape", call("where", places >= 0, chosen, -1), shape=data.shape)


def _reformed(boxes: Any, start: int, out_format: str) -> Any:
    """The four numbers from ``start`` on as corners (left, top, right, bottom), or as centres and sizes."""
    first, second = slice_axis(boxes, 2, start, start + 2), slice_axis(boxes, 2, start + 2, start + 4)
    if out_format == "center":
        first, second = (first + second) / 2, second - first
    else:
        first, second = first - second / 2, first + second / 2
    return concatenate([slice_axis(boxes, 2, 0, start), first, second, slice_axis(boxes, 2, start + 4, None)], 2)


def multibox_prior(
    data: Any, sizes: Any = (1.0,), ratios: Any = (1.0,), clip: bool = False, steps: Any = (-1.0, -1.0), offsets: Any = (0.5, 0.5)
) -> Any:
    """Anchor boxes at every pixel of ``data`` (n, c, h, w), in fractions of the image: (1, h·w·boxes, 4).

    One box for each of ``sizes`` with the first ratio, then one for each other ratio with the first size.
    """
    height, width = data.shape[2:]
    step_y, step_x = (s if s > 0 else 1 / n for s, n in zip(steps, (height, width), strict=True))
    shapes = [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]
    y = call("reshape", (arange(height, dtype=data.dtype, device=data.device) + offsets[0]) * step_y, shape=(height, 1))
    x = (arange(width, dtype=data.dtype, device=data.device) + offsets[1]) * step_x
    boxes = []
    for size, ratio in shapes:
        half_x, half_y = size * height / width * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2
        sides = [x - half_x, y - half_y, x + half_x, y + half_y]
        boxes.append(stack([call("broadcast_to", side, shape=(height, width)) for side in sides], -1))
    anchors = call("reshape", stack(boxes, 2), shape=(1, height * width * len(shapes), 4))
    return selection.clip(anchors, 0, 1) if clip else anchors
