"""Single-shot detection (Liu et al., arXiv 1512.02325): what anchors should have found, and what they have found.

Boxes are (left, top, right, bottom) in parts of the image. An anchor's place is said by four numbers against it: how far the centres
are apart in the anchor's width and height, and the logarithms of how many times as wide and as high the box is, each over a variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import operands, tensor, uniform
from hybridnet.ops.vision.host import on_host
from hybridnet.ops.vision.matching import greedy_pairs
from hybridnet.ops.vision.suppression import best_first, overlaps, survivors

Variances = tuple[float, float, float, float]
#: Less than this is no overlap that an object could be matched by.
_LEAST = 1e-6


def as_variances(op: str, variances: Any) -> Variances:
    """Four numbers. ShapeError for another count."""
    found = tuple(map(float, variances))
    if len(found) != 4:
        fail(ShapeError, op, expected="four variances, of x, y, width and height", got=str(variances))
    return found[0], found[1], found[2], found[3]


# -- targets --------------------------------------------------------------------------------------


def _infer_target(anchor: Spec, label: Spec, scores: Spec, **attrs: Any) -> tuple[Spec, ...]:
    op = "MultiBoxTarget"
    if anchor.ndim != 3 or anchor.shape[0] != 1 or anchor.shape[2] != 4:
        fail(ShapeError, op, expected="anchors (1, anchors, 4)", got=str(anchor.shape))
    if label.ndim != 3 or label.shape[2] < 5:
        fail(ShapeError, op, expected="labels (batch, objects, 5 or more): class, left, top, right, bottom", got=str(label.shape))
    batch, count = label.shape[0], anchor.shape[1]
    if scores.ndim != 3 or (scores.shape[0], scores.shape[2]) != (batch, count):
        fail(ShapeError, op, expected=f"predicted classes ({batch}, classes, {count})", got=str(scores.shape))
    places = Spec((batch, count * 4), anchor.dtype)
    return places, places, Spec((batch, count), anchor.dtype)


@on_host(_infer_target)
def _targets(
    anchor: Any,
    label: Any,
    scores: Any,
    *,
    overlap: float,
    ignore: float,
    ratio: float,
    mining_overlap: float,
    variances: Variances,
) -> Any:
    anchors, batch = anchor[0], len(label)
    places = np.zeros((batch, len(anchors), 4), anchor.dtype)
    mask = np.zeros_like(places)
    classes = np.full((batch, len(anchors)), ignore, anchor.dtype)
    for i, objects in enumerate(label):
        none = np.flatnonzero(objects[:, 0] == -1)
        objects = objects[: none[0] if len(none) else None]
        if not len(objects) or not len(anchors):
            continue
        shared = overlaps(anchors, objects[:, 1:5])
        matched, best = _matched(shared, overlap)
        found = np.flatnonzero(matched >= 0)
        if ratio > 0:
            background = _background(scores[i])
            others = np.flatnonzero((matched < 0) & (best < mining_overlap))
            count = min(int(len(found) * ratio), len(anchors) - len(found))
            negative = others[np.argsort(background[others], kind="stable")[:count]]
        else:
            negative = np.flatnonzero(matched < 0)
        classes[i, negative] = 0
        classes[i, found] = objects[matched[found], 0] + 1
        places[i, found] = _encoded(anchors[found], objects[matched[found], 1:5], variances)
        mask[i, found] = 1
    return places.reshape(batch, -1), mask.reshape(batch, -1), classes


def _matched(shared: Any, overlap: float) -> Any:
    """For each anchor which object it is matched with (-1: none), and its largest overlap (-1 where that was not asked).

    ``shared`` (anchors, objects): first the pair that overlaps most, then that of what is left, until objects or overlaps end; then each
    other anchor with the object that it overlaps most, if by more than ``overlap``.
    """
    matched, best = np.full(len(shared), -1), np.full(len(shared), -1.0)
    anchors, objects = greedy_pairs(shared, _LEAST)
    matched[anchors], best[anchors] = objects, shared[anchors, objects]
    if overlap > 0:
        nearest = shared.argmax(1)
        largest = shared[np.arange(len(shared)), nearest]
        others = matched < 0
        best[others] = largest[others]
        more = others & (largest > overlap)
        matched[more] = nearest[more]
    return matched, best


def _background(scores: Any) -> Any:
    """The probability of class 0 at each anchor, from scores (classes, anchors)."""
    e = np.exp(scores - scores.max(0))
    return e[0] / e.sum(0)


def _encoded(anchors: Any, boxes: Any, variances: Variances) -> Any:
    """The places of boxes (n, 4) against anchors (n, 4)."""
    size, wanted = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    centre, aim = (anchors[:, :2] + anchors[:, 2:]) * 0.5, (boxes[:, :2] + boxes[:, 2:]) * 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.concatenate([(aim - centre) / size, np.log(wanted / size)], 1)
    return found / np.asarray(variances, anchors.dtype)


_anchors = np.array([[[0.1, 0.1, 0.4, 0.5], [0.2, 0.1, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9], [0.6, 0.1, 0.9, 0.3]]])
_labels = np.array([[[1, 0.15, 0.1, 0.45, 0.5], [0, 0.5, 0.45, 0.9, 0.8], [-1, -1, -1, -1, -1]], [[-1.0] * 5] * 3])
_target_attrs = {
    "overlap": 0.5,
    "ignore": -1.0,
    "ratio": -1.0,
    "mining_overlap": 0.5,
    "variances": (0.1, 0.1, 0.2, 0.2),
}
MULTIBOX_TARGET = register(
    Op(
        "multi_box_target",
        Kind.OPAQUE,
        _infer_target,
        compute=_targets,
        promote="float",
        sample=lambda: [
            Sample((_anchors, _labels, uniform(0, 1, 2, 3, 4)), _target_attrs, differentiable=False),
            Sample((_anchors, _labels, uniform(0, 1, 2, 3, 4)), {**_target_attrs, "ratio": 1.0}, differentiable=False),
            Sample((_anchors, _labels, uniform(0, 1, 2, 3, 5)), _target_attrs, error=ValueError, differentiable=False),
            Sample((_anchors[0], _labels, uniform(0, 1, 2, 3, 4)), _target_attrs, error=ValueError, differentiable=False),
            Sample((_anchors, _labels[0], uniform(0, 1, 2, 3, 4)), _target_attrs, error=ValueError, differentiable=False),
        ],
    )
)


def multibox_target(
    anchor: ArrayLike,
    label: ArrayLike,
    cls_pred: ArrayLike,
    overlap_threshold: float = 0.5,
    ignore_label: float = -1.0,
    negative_mining_ratio: float = -1.0,
    negative_mining_thresh: float = 0.5,
    variances: Any = (0.1, 0.1, 0.2, 0.2),
) -> Any:
    """What each anchor should have found: (places, mask of those that count, classes).

    ``anchor``: (1, anchors, 4); ``label``: (batch, objects, 5 or more), class, left, top, right, bottom, whose first row with class -1
    ends an image's objects; ``cls_pred``: (batch, classes, anchors), scores before the softmax, the background's first. Gives (batch,
    anchors · 4) twice and (batch, anchors), where 0 is the background, other classes are one more, and ``ignore_label`` does not count:
    with ``negative_mining_ratio`` only so many times as many anchors are background as have an object, those of the least sure ones that
    overlap none by ``negative_mining_thresh``. ShapeError for other shapes.
    """
    attrs = {
        "overlap": float(overlap_threshold),
        "ignore": float(ignore_label),
        "ratio": float(negative_mining_ratio),
        "mining_overlap": float(negative_mining_thresh),
        "variances": as_variances("MultiBoxTarget", variances),
    }
    return apply(MULTIBOX_TARGET, operands(tensor(anchor), label, cls_pred), attrs)


# -- detections -----------------------------------------------------------------------------------


def _infer_detection(probabilities: Spec, places: Spec, anchor: Spec, **attrs: Any) -> Spec:
    op = "MultiBoxDetection"
    if probabilities.ndim != 3 or probabilities.shape[1] < 2:
        fail(ShapeError, op, expected="probabilities (batch, classes, anchors) of two classes or more", got=str(probabilities.shape))
    batch, _, count = probabilities.shape
    if places.shape != (batch, count * 4):
        fail(ShapeError, op, expected=f"places ({batch}, {count * 4}), four an anchor", got=str(places.shape))
    if anchor.shape != (1, count, 4):
        fail(ShapeError, op, expected=f"anchors (1, {count}, 4)", got=str(anchor.shape))
    return Spec((batch, count, 6), probabilities.dtype)


@on_host(_infer_detection)
def _detected(
    probabilities: Any,
    places: Any,
    anchor: Any,
    *,
    clip: bool,
    threshold: float,
    overlap: float,
    force: bool,
    variances: Variances,
    topk: int,
) -> Any:
    batch, _, count = probabilities.shape
    out = np.full((batch, count, 6), -1, probabilities.dtype)
    sides = np.ascontiguousarray(anchor[0].T)
    best = probabilities[:, 1:].max(1)
    for i in range(batch):
        found = np.flatnonzero(best[i] >= threshold)
        boxes = _decoded(sides.take(found, 1), places[i].reshape(-1, 4).T.take(found, 1), variances)
        if clip:
            np.clip(boxes, 0, 1, out=boxes)
        scores = best[i, found]
        classes = _first_equal(probabilities[i, 1:].take(found, 1), scores)
        rows = np.concatenate([[classes, scores], boxes]).astype(out.dtype)
        if 0 < overlap <= 1:
            rows = rows.T
            first = rows[best_first(rows[:, 1], topk)]
            first[~survivors(first[:, 2:], overlap, None if force else first[:, 0], inclusive=True), 0] = -1
            rows[:, 0] = -1
            rows[: len(first)] = first
            rows = rows.T
        out[i, : len(found)] = rows.T
    return out


def _first_equal(probabilities: Any, best: Any) -> Any:
    """The first class whose probability (classes, anchors) is the best one."""
    classes = np.zeros(len(best), best.dtype)
    for k in range(len(probabilities) - 1, -1, -1):
        np.copyto(classes, k, where=probabilities[k] == best)
    return classes


def _decoded(anchors: Any, places: Any, variances: Variances) -> Any:
    """The sides (4, n) of boxes whose places (4, n) against anchors (4, n) are given."""
    size, centre = anchors[2:] - anchors[:2], (anchors[:2] + anchors[2:]) * 0.5
    scaled = places * np.asarray(variances, places.dtype)[:, None]
    middle, half = scaled[:2] * size + centre, np.exp(scaled[2:]) * size * 0.5
    return np.concatenate([middle - half, middle + half])


_detection_attrs = {
    "clip": True,
    "threshold": 0.01,
    "overlap": 0.5,
    "force": False,
    "variances": (0.1, 0.1, 0.2, 0.2),
    "topk": -1,
}
MULTIBOX_DETECTION = register(
    Op(
        "multi_box_detection",
        Kind.OPAQUE,
        _infer_detection,
        compute=_detected,
        promote="float",
        sample=lambda: [
            Sample((uniform(0, 1, 2, 3, 4), uniform(-1, 1, 2, 16), _anchors), _detection_attrs, differentiable=False),
            Sample(
                (uniform(0, 1, 2, 3, 4), uniform(-1, 1, 2, 16), _anchors),
                {**_detection_attrs, "threshold": 0.5, "force": True, "topk": 2, "clip": False},
                differentiable=False,
            ),
            Sample((uniform(0, 1, 2, 1, 4), uniform(-1, 1, 2, 16), _anchors), _detection_attrs, error=ValueError, differentiable=False),
            Sample((uniform(0, 1, 2, 3, 4), uniform(-1, 1, 2, 4), _anchors), _detection_attrs, error=ValueError, differentiable=False),
            Sample((uniform(0, 1, 2, 3, 4), uniform(-1, 1, 2, 16), _anchors[0]), _detection_attrs, error=ValueError, differentiable=False),
        ],
    )
)


def multibox_detection(
    cls_prob: ArrayLike,
    loc_pred: ArrayLike,
    anchor: ArrayLike,
    clip: bool = True,
    threshold: float = 0.01,
    nms_threshold: float = 0.5,
    force_suppress: bool = False,
    variances: Any = (0.1, 0.1, 0.2, 0.2),
    nms_topk: int = -1,
) -> Any:
    """What anchors have found, best first: (batch, anchors, 6), rows class, score, left, top, right, bottom.

    ``cls_prob``: (batch, classes, anchors), that of the background first; ``loc_pred``: (batch, anchors · 4); ``anchor``: (1, anchors, 4).
    Rows scored below ``threshold`` are -1 and come last. The class is -1 of a box that overlaps a better one of its class (with
    ``force_suppress`` of any) by ``nms_threshold`` or more, and of those that are not looked at because ``nms_topk`` are better; these
    stay in the order of the anchors. Classes count without the background. ``clip``: boxes end at the edges of the image. ShapeError for
    other shapes.
    """
    attrs = {
        "clip": bool(clip),
        "threshold": float(threshold),
        "overlap": float(nms_threshold),
        "force": bool(force_suppress),
        "variances": as_variances("MultiBoxDetection", variances),
        "topk": int(nms_topk),
    }
    return apply(MULTIBOX_DETECTION, operands(tensor(cls_prob), loc_pred, anchor), attrs)
