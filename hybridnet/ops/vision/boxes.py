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
from hybridnet.ops.vision.host import on_host
from hybridnet.ops.vision.suppression import best_first, survivors

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


@on_host(_infer_nms)
def _nms(
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
    """The places of the boxes that no better one of their class overlaps, best first, the rest of each batch filled with -1."""
    out = np.full(x.shape[:2], -1)
    for batch, rows in enumerate(x):
        keep = rows[:, score_index] > valid
        if id_index >= 0:
            keep &= rows[:, id_index] != background
        found = np.flatnonzero(keep)
        found = found[best_first(rows[found, score_index], topk)]
        at = rows[found, coord_start : coord_start + 4]
        if center:
            at = np.concatenate([at[:, :2] - at[:, 2:] * 0.5, at[:, :2] + at[:, 2:] * 0.5], 1)
        kept = found[survivors(at, overlap, None if force or id_index < 0 else rows[found, id_index])]
        out[batch, : len(kept)] = kept
    return out


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


def _reformed(boxes: Any, *, start: int, center: bool) -> Any:
    """The four numbers from ``start`` on as centres and sizes, or as corners (left, top, right, bottom)."""
    first, second = slice_axis(boxes, 2, start, start + 2), slice_axis(boxes, 2, start + 2, start + 4)
    if center:
        first, second = (first + second) / 2, second - first
    else:
        first, second = first - second / 2, first + second / 2
    return concatenate([slice_axis(boxes, 2, 0, start), first, second, slice_axis(boxes, 2, start + 4, None)], 2)


BOX_FORMAT = register(
    Op(
        "box_format",
        Kind.OPAQUE,
        lambda x, **attrs: Spec(x.shape, x.dtype),
        decomposition=_reformed,
        grad=(lambda g, y, x, **attrs: g,),  # MXNet's box_nms hands a gradient on as it is
        sample=lambda: [Sample((_boxes,), {"start": 2, "center": center}, gradients=(np.ones_like(_boxes),)) for center in (False, True)],
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
    other unless ``force_suppress``. A gradient goes to the boxes that were kept, as it is: their format counts for nothing.
    A ``topk`` of 0 leaves all as they are.
    """
    formats = ("corner", "center")
    if in_format not in formats or out_format not in formats:
        fail(ArgumentError, "box_nms", expected="formats corner or center", got=f"{in_format} and {out_format}")
    data = tensor(data)
    if topk == 0:
        return call("copy", data)
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
        chosen = apply(BOX_FORMAT, (chosen,), {"start": int(coord_start), "center": out_format == "center"})
    return call("reshape", call("where", places >= 0, chosen, -1), shape=data.shape)


def box_encode(samples: Any, matches: Any, anchors: Any, refs: Any, means: Any, stds: Any) -> tuple[Any, Any]:
    """The places of the objects that anchors are matched with, and a mask of those that count: (batch, n, 4) both.

    ``samples`` (batch, n): above 0.5 where an anchor counts; ``matches`` (batch, n): the object in ``refs`` (batch, m, 4); ``anchors``
    (batch, n, 4); boxes by corners. A place is how far the centres are apart in the anchor's size, and the logarithms of how many times as
    large the object is, less ``means`` (4,) and over ``stds`` (4,).
    """
    counts = call("greater", samples, 0.5)
    index = expand_dims(call("cast", call("maximum", matches, 0), dtype=dtypes.int64), -1)
    box = take_along_axis(refs, call("broadcast_to", index, shape=(*index.shape[:-1], 4)), 1)
    found: list[Any] = [None] * 4
    for axis, ((near, far), (first, last)) in enumerate(zip(_sides(anchors), _sides(box), strict=True)):
        size = far - near
        found[axis] = ((first + last) * 0.5 - (near + far) * 0.5) / size
        found[axis + 2] = call("log", (last - first) / size)
    places = stack([call("where", counts, (x - means[i : i + 1]) / stds[i : i + 1], 0) for i, x in enumerate(found)], -1)
    masks = call("broadcast_to", expand_dims(call("cast", counts, dtype=places.dtype), -1), shape=places.shape)
    return places, masks


def _sides(boxes: Any) -> list[tuple[Any, Any]]:
    """Left and right, then top and bottom, of boxes (..., 4) by corners, (...) each: NumPy is slow where a last axis is short."""
    a, b, c, d = (call("reshape", slice_axis(boxes, -1, i, i + 1), shape=boxes.shape[:-1]) for i in range(4))
    return [(a, c), (b, d)]


def box_decode(
    data: Any, anchors: Any, stds: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0), clip: float = -1.0, format: str = "center"
) -> Any:
    """The boxes (batch, n, 4) by corners whose places against ``anchors`` (1, n, 4), in ``format``, are ``data`` times ``stds``.

    With ``clip`` above 0 no logarithm of a size is above it. ArgumentError for another format.
    """
    if format not in ("corner", "center"):
        fail(ArgumentError, "box_decode", expected="format corner or center", got=repr(format))
    sides: list[Any] = [None] * 4
    for axis, ((first, second), (move, growth)) in enumerate(zip(_sides(anchors), _sides(data), strict=True)):
        centre, size = (first, second) if format == "center" else ((first + second) * 0.5, second - first)
        growth = growth * stds[axis + 2]
        half = call("exp", call("minimum", growth, clip) if clip > 0 else growth) * size * 0.5
        middle = move * stds[axis] * size + centre
        sides[axis], sides[axis + 2] = middle - half, middle + half
    return stack(sides, -1)


def _anchors(data: Any, *, shapes: tuple[tuple[float, float], ...], steps: tuple[float, float], offsets: tuple[float, float]) -> Any:
    """The parts of :data:`MULTIBOX_PRIOR`."""
    height, width = data.shape[2:]
    y, x = (
        call("reshape", (arange(n, dtype=data.dtype, device=data.device) + offset) * step, shape=shape)
        for n, offset, step, shape in zip((height, width), offsets, steps, ((height, 1), (1, width)), strict=True)
    )
    sides = [side for half_x, half_y in shapes for side in (x - half_x, y - half_y, x + half_x, y + half_y)]
    anchors = stack([call("broadcast_to", side, shape=(height, width)) for side in sides], -1)
    return call("reshape", anchors, shape=(1, height * width * len(shapes), 4))


#: Boxes of half the sizes ``shapes`` (x, y) at every pixel of (n, c, h, w), of which the numbers do not matter.
MULTIBOX_PRIOR = register(
    Op(
        "multi_box_prior",
        Kind.OPAQUE,
        lambda data, *, shapes, **attrs: Spec((1, data.shape[2] * data.shape[3] * len(shapes), 4), data.dtype),
        decomposition=_anchors,
        sample=lambda: [
            Sample(
                (np.zeros((1, 2, 3, 4)),),
                {"shapes": ((0.1, 0.2), (0.3, 0.1)), "steps": (0.3, 0.25), "offsets": (0.5, 0.4)},
                differentiable=False,
            )
        ],
    )
)


def multibox_prior(
    data: Any, sizes: Any = (1.0,), ratios: Any = (1.0,), clip: bool = False, steps: Any = (-1.0, -1.0), offsets: Any = (0.5, 0.5)
) -> Any:
    """Anchor boxes at every pixel of ``data`` (n, c, h, w), in fractions of the image: (1, h·w·boxes, 4).

    One box for each of ``sizes`` with the first ratio, then one for each other ratio with the first size.
    """
    height, width = data.shape[2:]
    step_y, step_x = (s if s > 0 else 1 / n for s, n in zip(steps, (height, width), strict=True))
    shapes = [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]
    halves = tuple((size * height / width * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2) for size, ratio in shapes)
    anchors = apply(MULTIBOX_PRIOR, (data,), {"shapes": halves, "steps": (step_y, step_x), "offsets": tuple(offsets)})
    return selection.clip(anchors, 0, 1) if clip else anchors
