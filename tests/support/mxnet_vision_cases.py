"""The cases of ``mxnet_vision.py``: operator, inputs, attributes."""

#: Operators without a gradient in MXNet 1.9.1, or without one on the CPU.
NO_GRADIENT = {"MultiBoxPrior", "MultiBoxTarget", "MultiBoxDetection"}


def _each(name, inputs, lines):
    """A case for each line of attributes; ``-`` is none."""
    return [(name, inputs, "" if line.strip() == "-" else line.strip()) for line in lines.strip().splitlines()]


_MATCHED = "r.randint(-1, 2, (2, 6)) * 1.0, r.randint(0, 3, (2, 6)) * 1.0, boxes(2, 6), boxes(2, 3), "

CASES = [
    *_each(
        "contrib.MultiBoxPrior", "r.rand(1, 3, 3, 4)", """
        -
        sizes=(0.3, 0.5)
        ratios=(1, 2, 0.5)
        sizes=(0.3, 0.5, 0.9), ratios=(2, 0.5)
        sizes=(0.9,), clip=True
        steps=(0.2, 0.3)
        offsets=(0.1, 0.7)
        sizes='(0.3, 0.5)', ratios='(1, 2)'
        steps=(0.2, 0.3), sizes=(0.4, 0.2), ratios=(3, 1)
        """
    ),
    ("contrib.MultiBoxPrior", "r.rand(1, 3, 1, 5)", "sizes=(0.3, 0.5)"),
    *_each(
        "contrib.MultiBoxTarget", "boxes(1, 20), labels(3, 4), r.randn(3, 4, 20)", """
        -
        overlap_threshold=0.3
        overlap_threshold=-1
        ignore_label=-7, negative_mining_ratio=2
        negative_mining_ratio=3
        negative_mining_ratio=1, negative_mining_thresh=0.1
        negative_mining_ratio=0.5, minimum_negative_samples=5
        minimum_negative_samples=5
        variances=(0.2, 0.1, 0.3, 0.4)
        overlap_threshold=0.2, negative_mining_ratio=2, negative_mining_thresh=0.3
        """
    ),
    ("contrib.MultiBoxTarget", "boxes(1, 20), labels(3, 4, 6), r.randn(3, 4, 20)", ""),
    ("contrib.MultiBoxTarget", "boxes(1, 2), labels(3, 4), r.randn(3, 4, 2)", ""),
    *_each(
        "contrib.MultiBoxTarget", "boxes(1, 20), -np.ones((2, 3, 5)), r.randn(2, 4, 20)", """
        -
        negative_mining_ratio=3
        """
    ),
    ("contrib.MultiBoxTarget", "boxes(2, 20), labels(3, 4), r.randn(3, 4, 20)", ""),
    *_each(
        "contrib.MultiBoxDetection", "softmax(r.randn(2, 4, 30) * 2, 1), r.randn(2, 120) * 0.5, boxes(1, 30)", """
        -
        clip=False
        threshold=0.4
        threshold=0.6
        nms_threshold=0.2
        nms_threshold=0
        nms_threshold=1.0
        nms_threshold=-1
        force_suppress=True
        force_suppress=True, nms_threshold=0.3
        variances=(0.2, 0.1, 0.3, 0.4)
        nms_topk=5
        nms_topk=5, nms_threshold=0
        background_id=1
        threshold=0.999
        nms_topk=100, threshold=0.3
        """
    ),
    *_each(
        "contrib.box_nms", "scored(2, 12)", """
        -
        overlap_thresh=0.2
        overlap_thresh=0.05
        valid_thresh=0.5
        topk=4
        topk=40
        id_index=0
        id_index=0, background_id=1
        id_index=0, force_suppress=True
        in_format='center'
        out_format='center'
        in_format='center', out_format='center'
        score_index=0, coord_start=1
        valid_thresh=2
        overlap_thresh=0
        overlap_thresh=1
        topk=0
        id_index=0, topk=3, overlap_thresh=0.1
        in_format='center', out_format='corner', overlap_thresh=0.1, id_index=0
        """
    ),
    ("contrib.box_nms", "scored(12)", ""),
    ("contrib.box_nms", "scored(2, 3, 5)", "overlap_thresh=0.1"),
    ("contrib.box_nms", "scored(2, 1)", ""),
    ("contrib.box_nms", "f64(scored(2, 12))", "overlap_thresh=0.1"),
    ("contrib.box_nms", "np.concatenate([scored(2, 6), r.rand(2, 6, 3)], 2)", "overlap_thresh=0.1"),
    ("contrib.box_nms", "scored(2, 6)[..., 1:]", "score_index=0, coord_start=1, overlap_thresh=0.1"),
    ("contrib.box_nms", "r.rand(2, 4, 4)", ""),
    ("contrib.box_non_maximum_suppression", "scored(2, 12)", "overlap_thresh=0.3"),
    *_each(
        "contrib.box_iou", "boxes(5), boxes(3)", """
        -
        format='center'
        """
    ),
    *_each(
        "contrib.box_iou", "boxes(2, 3), boxes(4)", """
        -
        format='center'
        """
    ),
    *_each(
        "contrib.box_iou", "boxes(2), boxes(2, 3, 1)", """
        -
        format='center'
        """
    ),
    ("contrib.box_iou", "r.rand(4, 4), r.rand(5, 4)", ""),
    ("contrib.box_iou", "np.zeros((2, 4)), boxes(2)", ""),
    *_each(
        "contrib.bipartite_matching", "r.rand(2, 4, 5)", """
        threshold=0.5
        threshold=1e-12
        threshold=0.5, is_ascend=True
        threshold=0.1, topk=2
        threshold=0.9, is_ascend=True, topk=1
        """
    ),
    ("contrib.bipartite_matching", "r.rand(5, 4)", "threshold=0.2"),
    ("contrib.bipartite_matching", "r.rand(2, 2, 3, 1)", "threshold=0.2"),
    ("contrib.bipartite_matching", "np.round(r.rand(2, 6, 5) * 3) / 3", "threshold=0.2"),
    ("contrib.box_encode", _MATCHED + "np.zeros(4), np.ones(4)", ""),
    ("contrib.box_encode", _MATCHED + "np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.1, 0.2, 0.2])", ""),
    *_each(
        "contrib.box_decode", "r.randn(2, 6, 4), boxes(1, 6)", """
        -
        std0=0.1, std1=0.2, std2=0.3, std3=0.4
        clip=0.2
        format='corner'
        format='center', std0=0.1
        format='corner', clip=1.5
        """
    ),
]  # fmt: skip
