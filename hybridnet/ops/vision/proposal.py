"""Region proposals (Ren et al., Faster R-CNN, arXiv 1506.01497): the best boxes that anchors at each pixel of a feature map have found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import normal, operands, tensor, uniform
from hybridnet.ops.vision.host import on_host
from hybridnet.ops.vision.suppression import best_first, survivors


def base_anchors(stride: int, ratios: tuple[float, ...], scales: tuple[float, ...]) -> Any:
    """The anchors of the first pixel, for each of ``ratios`` (height over width) one of each of ``scales``: (ratios · scales, 4)."""
    found, centre = [], (stride - 1) / 2
    for ratio in ratios:
        width = math.floor(math.sqrt(stride * stride // ratio) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in scales:
            reach_x, reach_y = (width * scale - 1) / 2, (height * scale - 1) / 2
            found.append((centre - reach_x, centre - reach_y, centre + reach_x, centre + reach_y))
    return np.array(found, np.float32)


def _infer(
    scores: Spec, places: Spec, info: Spec, *, ratios: tuple[float, ...], scales: tuple[float, ...], count: int, **attrs: Any
) -> tuple[Spec, Spec]:
    anchors = len(ratios) * len(scales)
    if scores.ndim != 4 or scores.shape[1] != 2 * anchors:
        fail(ShapeError, "proposal", expected=f"scores (batch, {2 * anchors}, height, width)", got=str(scores.shape))
    batch, _, height, width = scores.shape
    if places.shape != (batch, 4 * anchors, height, width):
        fail(ShapeError, "proposal", expected=f"places ({batch}, {4 * anchors}, {height}, {width})", got=str(places.shape))
    if info.shape != (batch, 3):
        fail(ShapeError, "proposal", expected=f"rows height, width, scale of {batch} images", got=str(info.shape))
    return Spec((batch * count, 5), scores.dtype), Spec((batch * count, 1), scores.dtype)


@on_host(_infer)
def _proposed(
    scores: Any,
    places: Any,
    info: Any,
    *,
    ratios: tuple[float, ...],
    scales: tuple[float, ...],
    stride: int,
    before: int,
    count: int,
    overlap: float,
    least: int,
    corners: bool,
) -> Any:
    batch, _, height, width = scores.shape
    base = base_anchors(stride, ratios, scales).astype(scores.dtype)
    y, x = np.meshgrid(np.arange(height) * stride, np.arange(width) * stride, indexing="ij")
    anchors = (np.stack([x, y, x, y])[..., None] + base.T[:, None, None]).reshape(4, -1).astype(scores.dtype)
    rois, found = np.zeros((batch * count, 5), scores.dtype), np.zeros((batch * count, 1), scores.dtype)
    for i in range(batch):
        tall, wide, scale = info[i].tolist()
        if not (0 <= tall < (height + 1) * stride and 0 <= wide < (width + 1) * stride):
            expected = f"an image of at most {height} × {width} times feature_stride, {stride}"
            fail(ArgumentError, "proposal", expected=expected, got=f"{tall} × {wide}")
        boxes = _moved(anchors, places[i].reshape(len(base), 4, height, width).transpose(1, 2, 3, 0).reshape(4, -1), corners)
        np.clip(boxes, 0, np.array([[wide - 1], [tall - 1]] * 2, boxes.dtype), out=boxes)
        score = scores[i, len(base) :].transpose(1, 2, 0).copy()
        score[int(tall) // stride :], score[:, int(wide) // stride :] = -1, -1
        score = score.reshape(-1)
        small = (boxes[2:] - boxes[:2] + 1 < least * scale).any(0)
        boxes[:, small] += np.array([[-1], [-1], [1], [1]], boxes.dtype) * boxes.dtype.type(least * scale / 2)
        score[small] = -1
        best = best_first(score, before)
        alive = survivors(boxes.T[best], overlap, pixel=1, most=count)
        kept = best[alive][:count]
        places_of = np.resize(kept, count)  # over again from the first where there are fewer
        rows = slice(i * count, (i + 1) * count)
        rois[rows, 0], rois[rows, 1:], found[rows, 0] = i, boxes.T[places_of], score[places_of]
    return rois, found


def _moved(anchors: Any, places: Any, corners: bool) -> Any:
    """The sides (4, n) of boxes at ``places`` (4, n) against anchors (4, n): by centre and size, or each corner moved by so many pixels."""
    if corners:
        return anchors + places
    size = anchors[2:] - anchors[:2] + 1
    centre = anchors[:2] + (size - 1) * 0.5
    middle, wanted = places[:2] * size + centre, np.exp(places[2:]) * size
    reach = (wanted - 1) * 0.5
    return np.concatenate([middle - reach, middle + reach])


_attrs = {
    "ratios": (0.5, 1.0),
    "scales": (1.0, 2.0),
    "stride": 4,
    "before": 20,
    "count": 5,
    "overlap": 0.7,
    "least": 2,
    "corners": False,
}
_info = np.array([[12, 16, 1.0], [10, 16, 2.0]])
PROPOSAL = register(
    Op(
        "proposal",
        Kind.OPAQUE,
        _infer,
        compute=_proposed,
        promote="float",
        sample=lambda: [
            Sample((uniform(0, 1, 2, 8, 3, 4), normal(2, 16, 3, 4, scale=0.3), _info), _attrs, differentiable=False),
            Sample((uniform(0, 1, 2, 8, 3, 4), normal(2, 16, 3, 4), _info), {**_attrs, "corners": True}, differentiable=False),
            Sample((uniform(0, 1, 2, 6, 3, 4), normal(2, 16, 3, 4), _info), _attrs, error=ValueError, differentiable=False),
            Sample((uniform(0, 1, 2, 8, 3, 4), normal(2, 16, 3, 5), _info), _attrs, error=ValueError, differentiable=False),
            Sample((uniform(0, 1, 2, 8, 3, 4), normal(2, 16, 3, 4), _info[:1]), _attrs, error=ValueError, differentiable=False),
        ],
    )
)


def proposal(
    cls_prob: ArrayLike,
    bbox_pred: ArrayLike,
    im_info: ArrayLike,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: int = 300,
    threshold: float = 0.7,
    rpn_min_size: int = 16,
    scales: Any = (4.0, 8.0, 16.0, 32.0),
    ratios: Any = (0.5, 1.0, 2.0),
    feature_stride: int = 16,
    iou_loss: bool = False,
) -> tuple[Any, Any]:
    """The best boxes of each image, best first: rows image, left, top, right, bottom (batch · rpn_post_nms_top_n, 5); their scores (…, 1).

    ``cls_prob`` (batch, 2 · anchors, height, width): of each anchor's being background, then of its being an object; ``bbox_pred`` (batch,
    4 · anchors, height, width): how far the object is from the anchor, or with ``iou_loss`` how far its corners are, in pixels;
    ``im_info`` (batch, 3): height, width and scale of each image. Boxes end at the edges; those smaller than ``rpn_min_size`` times the
    scale come last. Of the ``rpn_pre_nms_top_n`` best those go that overlap a better one by more than ``threshold``. Where fewer are left
    than are asked for they come over again. ShapeError for other shapes, ArgumentError for an image larger than its features.
    """
    attrs = {
        "ratios": tuple(map(float, ratios)),
        "scales": tuple(map(float, scales)),
        "stride": int(feature_stride),
        "before": int(rpn_pre_nms_top_n),
        "count": int(rpn_post_nms_top_n),
        "overlap": float(threshold),
        "least": int(rpn_min_size),
        "corners": bool(iou_loss),
    }
    rois, scores = apply(PROPOSAL, operands(tensor(cls_prob), bbox_pred, im_info), attrs)
    return rois, scores
