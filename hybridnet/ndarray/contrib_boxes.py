"""``nd.contrib``'s boxes: anchors, their targets, detections, overlaps, suppression."""

from __future__ import annotations

from typing import Any, Literal

from hybridnet.ndarray.attributes import Array, Floats
from hybridnet.ndarray.record import numbered
from hybridnet.ndarray.register import classic
from hybridnet.ops.nn.like import stop_gradient
from hybridnet.ops.vision import boxes, matching, multibox


@classic("_contrib_box_iou")
def box_iou(lhs: Array, rhs: Array, format: Literal["center", "corner"] = "corner") -> Any:
    """The overlap over the union of every box (..., 4) of ``lhs`` with every one of ``rhs``; without a gradient."""
    return boxes.box_iou(stop_gradient(lhs), stop_gradient(rhs), format)


@classic("_contrib_bipartite_matching", outputs=numbered(2), required=("threshold",))
def bipartite_matching(data: Array, is_ascend: bool = False, threshold: float = 0.0, topk: int = -1) -> Any:
    """For each row of scores (..., rows, columns) its column, and for each column its row, the best pairs first; -1 for none.

    No pair is below ``threshold``; with ``is_ascend`` the least are the best, and none is above it. With ``topk`` above 0 there are at
    most ``topk`` + 1 pairs. Computed on the host.
    """
    return matching.bipartite_matching(data, threshold, is_ascend, topk)


@classic("_contrib_box_encode", outputs=numbered(2))
def box_encode(samples: Array, matches: Array, anchors: Array, refs: Array, means: Array, stds: Array) -> Any:
    """The places of the objects ``refs`` (batch, m, 4) that ``anchors`` (batch, n, 4) are matched with, and which count; no gradient.

    ``samples`` (batch, n): above 0.5 where an anchor counts; ``matches`` (batch, n): its object; ``means`` and ``stds``: (4,).
    """
    return boxes.box_encode(*map(stop_gradient, (samples, matches, anchors, refs, means, stds)))


@classic("_contrib_box_decode")
def box_decode(
    data: Array,
    anchors: Array,
    std0: float = 1.0,
    std1: float = 1.0,
    std2: float = 1.0,
    std3: float = 1.0,
    clip: float = -1.0,
    format: Literal["center", "corner"] = "center",
) -> Any:
    """The boxes by corners whose places against ``anchors`` (1, n, 4), in ``format``, are ``data`` (batch, n, 4) times ``std0`` …

    With ``clip`` above 0 no logarithm of a size is above it. Without a gradient.
    """
    return boxes.box_decode(stop_gradient(data), stop_gradient(anchors), (std0, std1, std2, std3), clip, format)


@classic("_contrib_box_nms", "_contrib_box_non_maximum_suppression", outputs=numbered(1))
def box_nms(
    data: Array,
    overlap_thresh: float = 0.5,
    valid_thresh: float = 0.0,
    topk: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = -1,
    background_id: int = -1,
    force_suppress: bool = False,
    in_format: Literal["center", "corner"] = "corner",
    out_format: Literal["center", "corner"] = "corner",
) -> Any:
    """Boxes by falling score, those that overlap a better one of their class by more than ``overlap_thresh`` made -1."""
    return boxes.box_nms(
        data, overlap_thresh, valid_thresh, topk, coord_start, score_index, id_index, background_id, force_suppress, in_format, out_format
    )


@classic("_contrib_MultiBoxPrior")
def MultiBoxPrior(
    data: Array,
    sizes: Floats = (1.0,),
    ratios: Floats = (1.0,),
    clip: bool = False,
    steps: Floats = (-1.0, -1.0),
    offsets: Floats = (0.5, 0.5),
) -> Any:
    """The anchor boxes of every pixel of ``data`` (batch, channels, height, width): (1, anchors, 4), in parts of the image."""
    return boxes.multibox_prior(data, sizes, ratios, clip, steps, offsets)


@classic("_contrib_MultiBoxTarget", outputs=("loc_target", "loc_mask", "cls_target"))
def MultiBoxTarget(
    anchor: Array,
    label: Array,
    cls_pred: Array,
    overlap_threshold: float = 0.5,
    ignore_label: float = -1.0,
    negative_mining_ratio: float = -1.0,
    negative_mining_thresh: float = 0.5,
    minimum_negative_samples: int = 0,
    variances: Floats = (0.1, 0.1, 0.2, 0.2),
) -> Any:
    """What each anchor (1, anchors, 4) should have found of an image's objects: places and their mask (batch, anchors · 4), classes.

    ``label`` (batch, objects, 5 or more): class, left, top, right, bottom, rows of -1 behind the last. ``cls_pred`` (batch, classes,
    anchors): scores, by which the background's anchors are chosen if ``negative_mining_ratio`` is above 0.
    ``minimum_negative_samples`` means nothing, as on MXNet's CPU. Computed on the host.
    """
    return multibox.multibox_target(
        anchor, label, cls_pred, overlap_threshold, ignore_label, negative_mining_ratio, negative_mining_thresh, variances
    )


@classic("_contrib_MultiBoxDetection")
def MultiBoxDetection(
    cls_prob: Array,
    loc_pred: Array,
    anchor: Array,
    clip: bool = True,
    threshold: float = 0.01,
    background_id: int = 0,
    nms_threshold: float = 0.5,
    force_suppress: bool = False,
    variances: Floats = (0.1, 0.1, 0.2, 0.2),
    nms_topk: int = -1,
) -> Any:
    """What anchors (1, anchors, 4) have found, best first: (batch, anchors, 6), class, score, left, top, right, bottom; -1 for none.

    ``cls_prob`` (batch, classes, anchors), ``loc_pred`` (batch, anchors · 4). Of overlapping boxes the lesser have the class -1.
    ``background_id`` means nothing: class 0 is the background, as in MXNet. Computed on the host.
    """
    return multibox.multibox_detection(cls_prob, loc_pred, anchor, clip, threshold, nms_threshold, force_suppress, variances, nms_topk)
