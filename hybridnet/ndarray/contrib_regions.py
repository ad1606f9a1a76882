"""``nd``'s regions of images: ROIAlign and its kin."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Array, Floats, Shape
from hybridnet.ndarray.record import Attributes, unless
from hybridnet.ndarray.register import classic
from hybridnet.ops.vision import proposal, region_deformable, region_max, regions


@classic("_contrib_ROIAlign", required=("pooled_size", "spatial_scale"))
def ROIAlign(
    data: Array,
    rois: Array,
    pooled_size: Shape = (),
    spatial_scale: float = 1.0,
    sample_ratio: int = -1,
    position_sensitive: bool = False,
    aligned: bool = False,
) -> Any:
    """Regions of ``data`` (batch, channels, height, width) as (regions, channels, *pooled_size), means of places between pixels.

    ``rois``: rows image, left, top, right, bottom, in pixels over ``spatial_scale``; they have no gradient. A bin is read at
    ``sample_ratio`` places on each axis, or at as many as it has pixels; with ``position_sensitive`` in channels of its own.
    ``aligned``: a pixel's place is its centre.
    """
    return regions.roi_align(data, rois, pooled_size, spatial_scale, sample_ratio, position_sensitive, aligned)


@classic("ROIPooling", required=("pooled_size", "spatial_scale"))
def ROIPooling(data: Array, rois: Array, pooled_size: Shape = (), spatial_scale: float = 1.0) -> Any:
    """The largest pixels of each bin of regions of ``data`` (batch, channels, height, width): (regions, channels, *pooled_size).

    ``rois``: rows image, left, top, right, bottom, in pixels over ``spatial_scale``, rounded; they have no gradient.
    """
    return region_max.roi_pooling(data, rois, pooled_size, spatial_scale)


@classic("_contrib_PSROIPooling", required=("spatial_scale", "output_dim", "pooled_size"))
def PSROIPooling(
    data: Array, rois: Array, spatial_scale: float = 1.0, output_dim: int = 1, pooled_size: int = 1, group_size: int = 0
) -> Any:
    """Means of each bin of regions of ``data`` (batch, output_dim · group_size², height, width), each in channels of its own.

    Gives (regions, output_dim, pooled_size, pooled_size). ``rois``: rows image, left, top, right, bottom, in pixels over
    ``spatial_scale``, rounded; they have no gradient. A ``group_size`` of 0 is ``pooled_size``.
    """
    return regions.psroi_pooling(data, rois, spatial_scale, output_dim, pooled_size, group_size)


@classic(
    "_contrib_DeformablePSROIPooling",
    asked={"trans": unless("no_trans")},
    required=("spatial_scale", "output_dim", "group_size", "pooled_size"),
)
def DeformablePSROIPooling(
    data: Array,
    rois: Array,
    trans: Array | None = None,
    spatial_scale: float = 1.0,
    output_dim: int = 1,
    group_size: int = 1,
    pooled_size: int = 1,
    part_size: int = 0,
    sample_per_part: int = 1,
    trans_std: float = 0.0,
    no_trans: bool = False,
) -> Any:
    """As :func:`PSROIPooling`, of places between pixels, each bin moved by ``trans`` times ``trans_std`` of its region's size.

    ``trans`` (regions, 2 · classes, part_size, part_size): how far to the right and below. A bin is the mean of ``sample_per_part``
    places on each axis. A ``part_size`` of 0 is ``pooled_size``.
    """
    return region_deformable.deformable_psroi_pooling(
        data, rois, None if no_trans else trans, spatial_scale, output_dim, group_size, pooled_size, part_size, sample_per_part, trans_std
    )


@classic("_contrib_RROIAlign", required=("pooled_size", "spatial_scale"))
def RROIAlign(data: Array, rois: Array, pooled_size: Shape = (), spatial_scale: float = 1.0, sampling_ratio: int = -1) -> Any:
    """As :func:`ROIAlign`, of turned regions: rows image, centre x, y, width, height, angle in degrees. Without a gradient."""
    return region_deformable.rotated_roi_align(data, rois, pooled_size, spatial_scale, sampling_ratio)


def _outputs(a: Attributes) -> tuple[str, ...]:
    return ("output", "score") if a["output_score"] else ("output",)


@classic("_contrib_MultiProposal", outputs=_outputs)
def MultiProposal(
    cls_prob: Array,
    bbox_pred: Array,
    im_info: Array,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: int = 300,
    threshold: float = 0.7,
    rpn_min_size: int = 16,
    scales: Floats = (4.0, 8.0, 16.0, 32.0),
    ratios: Floats = (0.5, 1.0, 2.0),
    feature_stride: int = 16,
    output_score: bool = False,
    iou_loss: bool = False,
) -> Any:
    """The best boxes that anchors have found in each image: rows image, left, top, right, bottom (batch · rpn_post_nms_top_n, 5).

    ``cls_prob`` (batch, 2 · anchors, height, width), ``bbox_pred`` (batch, 4 · anchors, height, width), ``im_info`` (batch, 3): height,
    width, scale. With ``output_score`` also the scores (…, 1). Without a gradient. Computed on the host.
    """
    numbers = rpn_pre_nms_top_n, rpn_post_nms_top_n, threshold, rpn_min_size
    rois, scores = proposal.proposal(cls_prob, bbox_pred, im_info, *numbers, scales, ratios, feature_stride, iou_loss)
    return [rois, scores] if output_score else rois


@classic("_contrib_Proposal", outputs=_outputs)
def Proposal(
    cls_prob: Array,
    bbox_pred: Array,
    im_info: Array,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: int = 300,
    threshold: float = 0.7,
    rpn_min_size: int = 16,
    scales: Floats = (4.0, 8.0, 16.0, 32.0),
    ratios: Floats = (0.5, 1.0, 2.0),
    feature_stride: int = 16,
    output_score: bool = False,
    iou_loss: bool = False,
) -> Any:
    """As :func:`MultiProposal`, of one image. ShapeError for more."""
    if cls_prob.shape[0] != 1:
        fail(ShapeError, "Proposal", expected="one image", got=str(cls_prob.shape), fix="nd.contrib.MultiProposal")
    numbers = rpn_pre_nms_top_n, rpn_post_nms_top_n, threshold, rpn_min_size
    rois, scores = proposal.proposal(cls_prob, bbox_pred, im_info, *numbers, scales, ratios, feature_stride, iou_loss)
    return [rois, scores] if output_score else rois
