"""The cases of ``mxnet_vision.py``: operator, inputs, attributes."""

#: Operators without a gradient in MXNet 1.9.1, or without one on the CPU.
NO_GRADIENT = {
    "MultiBoxPrior", "MultiBoxTarget", "MultiBoxDetection", "RROIAlign", "ModulatedDeformableConvolution", "SparseEmbedding",
    "BatchNormWithReLU", "backward_gradientmultiplier", "quantize", "quantize_v2", "dequantize", "requantize", "quantized_act",
    "quantized_batch_norm", "quantized_concat", "quantized_conv", "quantized_elemwise_add", "quantized_elemwise_mul", "quantized_embedding",
    "quantized_flatten", "quantized_fully_connected", "quantized_pooling", "calibrate_entropy",
}  # fmt: skip

#: Operators with a gradient for so many inputs alone.
FIRST = {"hawkesll": 4}


def _each(name, inputs, lines):
    """A case for each line of attributes; ``-`` is none."""
    return [(name, inputs, "" if line.strip() == "-" else line.strip()) for line in lines.strip().splitlines()]


_PROPOSAL = "softmax(r.randn(1, 2, 240), 1).reshape(1, 24, 4, 5), r.randn(1, 48, 4, 5) * 0.3, np.array([[64, 80, 1.0]])"
_PROPOSALS = "softmax(r.randn(2, 2, 240), 1).reshape(2, 24, 4, 5), r.randn(2, 48, 4, 5) * 0.3, np.array([[64, 80, 1.0], [60, 50, 2.0]])"
_MODULATED = "r.randn(2, 4, 6, 5), r.randn(2, 18, 4, 3), r.rand(2, 9, 4, 3), "
_QUANTIZED = (
    "r.randint(-128, 128, (2, 5)).astype('int8'), r.randint(-128, 128, (3, 5)).astype('int8'), r.randint(-128, 128, 3).astype('int8'), "
)
_AFFINE = "transform_type='affine', sampler_type='bilinear'"
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
    # -- regions of images ---------------------------------------------------------------------------
    *_each(
        "contrib.ROIAlign", "r.randn(2, 8, 9, 7), rois(5, 2, 16)", """
        pooled_size=(2, 3), spatial_scale=0.5
        pooled_size=(2, 3), spatial_scale=0.5, sample_ratio=2
        pooled_size=(2, 3), spatial_scale=0.5, sample_ratio=1
        pooled_size=(3, 2), spatial_scale=1.0
        pooled_size=(3, 2), spatial_scale=0.1
        pooled_size=(2, 2), spatial_scale=0.5, position_sensitive=True
        pooled_size=(2, 2), spatial_scale=0.5, position_sensitive=True, sample_ratio=3
        pooled_size=(2, 3), spatial_scale=0.5, aligned=True
        pooled_size=(2, 3), spatial_scale=0.5, sample_ratio=2, aligned=True
        pooled_size='(1, 1)', spatial_scale='0.25'
        """
    ),
    ("contrib.ROIAlign", "r.randn(1, 2, 5, 6), np.array([[0, -3, -2, 20, 9], [0, 2, 2, 2, 2], [0, 4, 4, 1, 1]]) * 1.0",
     "pooled_size=(2, 2), spatial_scale=1.0"),
    ("contrib.ROIAlign", "r.randn(1, 2, 5, 6), np.array([[0, -3, -2, 20, 9], [0, 2, 2, 3, 2.5], [0, 1, 0, 5, 3]]) * 1.0",
     "pooled_size=(2, 2), spatial_scale=1.0, aligned=True"),
    *_each(
        "ROIPooling", "r.randn(2, 3, 9, 7), rois(5, 2, 16)", """
        pooled_size=(2, 3), spatial_scale=0.5
        pooled_size=(3, 2), spatial_scale=1.0
        pooled_size=(3, 2), spatial_scale=0.1
        pooled_size=(7, 7), spatial_scale=0.5
        """
    ),
    ("ROIPooling", "r.randn(1, 2, 5, 6), np.array([[0, -3, -2, 20, 9], [0, 2, 2, 2, 2], [0, 4, 4, 1, 1], [0, 7, 7, 9, 9]]) * 1.0",
     "pooled_size=(2, 2), spatial_scale=1.0"),
    ("ROIPooling", "r.randint(0, 3, (2, 3, 9, 7)) * 1.0, rois(5, 2, 8)", "pooled_size=(2, 2), spatial_scale=1.0"),
    *_each(
        "contrib.PSROIPooling", "r.randn(2, 18, 9, 7), rois(5, 2, 16)", """
        spatial_scale=0.5, output_dim=2, pooled_size=3
        spatial_scale=0.5, output_dim=2, pooled_size=3, group_size=3
        spatial_scale=0.5, output_dim=2, pooled_size=2, group_size=3
        spatial_scale=0.5, output_dim=2, pooled_size=6, group_size=3
        spatial_scale=1.0, output_dim=2, pooled_size=3
        spatial_scale=0.1, output_dim=2, pooled_size=3
        """
    ),
    ("contrib.DeformablePSROIPooling", "r.randn(2, 18, 9, 7), rois(5, 2, 16)",
     "spatial_scale=0.5, output_dim=2, pooled_size=3, group_size=3, no_trans=True"),
    ("contrib.DeformablePSROIPooling", "r.randn(2, 18, 9, 7), rois(5, 2, 16)",
     "spatial_scale=0.5, output_dim=2, pooled_size=2, group_size=3, sample_per_part=3, no_trans=True"),
    *_each(
        "contrib.DeformablePSROIPooling", "r.randn(2, 18, 9, 7), rois(5, 2, 16), r.randn(5, 4, 3, 3)", """
        spatial_scale=0.5, output_dim=2, pooled_size=3, group_size=3, part_size=3, trans_std=0.1
        spatial_scale=0.5, output_dim=2, pooled_size=3, group_size=3, part_size=3, trans_std=0.3, sample_per_part=2
        spatial_scale=0.5, output_dim=2, pooled_size=6, group_size=3, part_size=3, trans_std=0.1, sample_per_part=2
        spatial_scale=0.5, output_dim=2, pooled_size=3, group_size=3, trans_std=0.1, sample_per_part=4
        """
    ),
    *_each(
        "contrib.RROIAlign", "r.randn(2, 3, 9, 7), np.concatenate([rois(5, 2, 16), r.rand(5, 1) * 90], 1)", """
        pooled_size=(2, 3), spatial_scale=0.5
        pooled_size=(2, 3), spatial_scale=0.5, sampling_ratio=2
        pooled_size=(3, 2), spatial_scale=0.3, sampling_ratio=1
        """
    ),
    *_each(
        "contrib.Proposal", _PROPOSAL, """
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, output_score=True
        rpn_pre_nms_top_n=30, rpn_post_nms_top_n=40, threshold=0.5
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, rpn_min_size=30
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, scales=(2, 4, 8), ratios=(0.3, 1, 2, 3)
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, iou_loss=True
        rpn_post_nms_top_n=10
        """
    ),
    ("contrib.Proposal", "r.rand(1, 24, 4, 5), r.randn(1, 48, 4, 5) * 0.3, np.array([[32, 40, 1.0]])",
     "rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, feature_stride=8"),
    ("contrib.Proposal", "r.rand(1, 24, 4, 5), r.randn(1, 48, 4, 5) * 0.3, np.array([[64, 80, 1.0]])", "feature_stride=8"),
    ("contrib.Proposal", "r.rand(1, 24, 4, 5), r.randn(1, 48, 4, 5) * 0.3, np.array([[40, 50, 2.0]])",
     "rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, rpn_min_size=8"),
    *_each(
        "contrib.MultiProposal", _PROPOSALS, """
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10
        rpn_pre_nms_top_n=60, rpn_post_nms_top_n=10, output_score=True
        rpn_pre_nms_top_n=30, rpn_post_nms_top_n=40, threshold=0.5
        """
    ),
    # -- images read at places -----------------------------------------------------------------------
    ("BilinearSampler", "r.randn(2, 3, 5, 6), r.randn(2, 2, 4, 3)", ""),
    ("BilinearSampler", "r.randn(2, 3, 5, 6), r.rand(2, 2, 4, 3) * 2 - 1", ""),
    ("BilinearSampler", "r.randn(1, 1, 1, 1), r.rand(1, 2, 1, 2) * 2 - 1", ""),
    ("GridGenerator", "r.randn(3, 6)", "transform_type='affine', target_shape=(4, 3)"),
    ("GridGenerator", "r.randn(3, 2, 4, 5)", "transform_type='warp'"),
    ("SpatialTransformer", "r.randn(2, 3, 5, 6), r.randn(2, 6)", "target_shape=(4, 3), " + _AFFINE),
    ("SpatialTransformer", "r.randn(2, 3, 5, 6), r.randn(2, 6) * 0.3", "target_shape=(7, 8), " + _AFFINE),
    *_each(
        "Correlation", "r.randn(2, 3, 7, 8), r.randn(2, 3, 7, 8)", """
        -
        kernel_size=3, pad_size=1
        max_displacement=2, pad_size=2
        max_displacement=2, stride2=2, pad_size=2
        max_displacement=3, stride1=2, stride2=2, pad_size=3
        is_multiply=False, pad_size=1
        kernel_size=3, max_displacement=2, stride1=2, stride2=1, pad_size=3, is_multiply=False
        """
    ),
    *_each(
        "im2col", "r.randn(2, 3, 6, 7)", """
        kernel=(2, 3)
        kernel=(3, 2), stride=(2, 1), pad=(1, 0), dilate=(1, 2)
        """
    ),
    ("col2im", "r.randn(2, 18, 25)", "output_size=(6, 7), kernel=(2, 3)"),
    ("col2im", "r.randn(2, 18, 15)", "output_size=(6, 7), kernel=(3, 2), stride=(2, 1), pad=(1, 0), dilate=(1, 2)"),
    # -- images in other sizes -----------------------------------------------------------------------
    *_each(
        "contrib.BilinearResize2D", "r.randn(2, 2, 4, 5)", """
        height=6, width=9
        height=2, width=3
        height=1, width=1
        height=6, width=9, align_corners=False
        height=2, width=3, align_corners=False
        scale_height=1.5, scale_width=0.6
        scale_height=2, scale_width=2, mode='odd_scale'
        scale_height=0.5, scale_width=0.7, mode='odd_scale'
        mode='to_even_down'
        mode='to_even_up'
        mode='to_odd_down'
        mode='to_odd_up'
        """
    ),
    ("contrib.BilinearResize2D", "r.randn(2, 2, 4, 5), r.randn(2, 2, 7, 3)", "mode='like'"),
    ("contrib.BilinearResize2D", "r.randn(2, 2, 4, 5), r.randn(2, 2, 7, 3)", "mode='like', align_corners=False"),
    ("contrib.BilinearResize2D", "r.randn(1, 2, 1, 1)", "height=2, width=3"),
    *_each(
        "contrib.AdaptiveAvgPooling2D", "r.randn(2, 3, 7, 5)", """
        -
        output_size=1
        output_size=3
        output_size=(2, 4)
        output_size=(9, 8)
        """
    ),
    *_each(
        "contrib.DeformableConvolution", "r.randn(2, 4, 6, 5), r.randn(2, 18, 4, 3), r.randn(6, 4, 3, 3), r.randn(6)", """
        kernel=(3, 3), num_filter=6
        """
    ),
    ("contrib.DeformableConvolution", "r.randn(2, 4, 6, 5), r.randn(2, 18, 3, 3), r.randn(6, 4, 3, 3), r.randn(6)",
     "kernel=(3, 3), num_filter=6, stride=(2, 2), pad=(1, 1)"),
    ("contrib.DeformableConvolution", "r.randn(2, 4, 6, 5), r.randn(2, 16, 5, 3), r.randn(6, 2, 2, 2)",
     "kernel=(2, 2), num_filter=6, num_group=2, num_deformable_group=2, dilate=(1, 2), no_bias=True"),
    ("contrib.ModulatedDeformableConvolution", _MODULATED + "r.randn(6, 4, 3, 3), r.randn(6)",
     "kernel=(3, 3), num_filter=6"),
    ("contrib.ModulatedDeformableConvolution", "r.randn(2, 4, 6, 5), r.randn(2, 16, 5, 4), r.rand(2, 8, 5, 4), r.randn(6, 4, 2, 2)",
     "kernel=(2, 2), num_filter=6, num_deformable_group=2, no_bias=True"),
    # -- attention -----------------------------------------------------------------------------------
    ("contrib.interleaved_matmul_selfatt_qk", "r.randn(4, 2, 24)", "heads=2"),
    ("contrib.interleaved_matmul_selfatt_qk", "r.randn(4, 2, 24)", "heads='4'"),
    ("contrib.interleaved_matmul_selfatt_valatt", "r.randn(4, 2, 24), r.rand(4, 4, 4)", "heads=2"),
    ("contrib.interleaved_matmul_encdec_qk", "r.randn(3, 2, 8), r.randn(5, 2, 16)", "heads=2"),
    ("contrib.interleaved_matmul_encdec_valatt", "r.randn(5, 2, 16), r.rand(4, 3, 5)", "heads=2"),
    ("contrib.div_sqrt_dim", "r.randn(2, 3, 5)", ""),
    # -- rows and indices ----------------------------------------------------------------------------
    ("contrib.boolean_mask", "r.randn(5, 3), np.array([0, 1, 0, 2, -1]) * 1.0", ""),
    ("contrib.boolean_mask", "r.randn(5, 3), np.zeros(5)", ""),
    ("contrib.boolean_mask", "r.randn(5), np.ones(5)", ""),
    ("contrib.boolean_mask", "r.randn(5, 3), np.ones(4)", ""),
    ("contrib.index_copy", "r.randn(5, 3), np.array([0, 3], 'int32'), r.randn(2, 3)", ""),
    ("contrib.index_copy", "r.randn(5, 2, 2), np.array([4, 1, 2], 'int32'), r.randn(3, 2, 2)", ""),
    ("contrib.index_array", "r.randn(2, 3, 2)", ""),
    ("contrib.index_array", "r.randn(2, 3, 2)", "axes=(2, 0)"),
    ("contrib.index_array", "r.randn(2, 3, 2)", "axes=(-1,)"),
    *_each(
        "contrib.arange_like", "r.randn(2, 6)", """
        -
        start=1.5, step=-0.5
        axis=1
        axis=-1, start=3
        repeat=2
        axis=1, repeat=3
        """
    ),
    *_each(
        "contrib.quadratic", "r.randn(2, 3)", """
        -
        a=2, b=-1, c=0.5
        """
    ),
    ("contrib.gradientmultiplier", "r.randn(2, 3)", "scalar=-2.5"),
    ("contrib.gradientmultiplier", "r.randn(2, 3)", ""),
    ("contrib.round_ste", "r.randn(2, 3) * 3", ""),
    ("contrib.round_ste", "np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997])", ""),
    ("contrib.sign_ste", "np.array([-2.5, 0, 0.5, -0.0])", ""),
    ("contrib.SparseEmbedding", "np.array([[1, 2], [0, 1]]) * 1.0, r.randn(4, 3)", "input_dim=4, output_dim=3"),
    *_each(
        "contrib.BatchNormWithReLU", "r.randn(3, 2, 4, 3), r.rand(2), r.randn(2), r.randn(2), r.rand(2)", """
        -
        fix_gamma=False, eps=0.1
        use_global_stats=True, fix_gamma=False
        """
    ),
    ("contrib.backward_gradientmultiplier", "r.randn(2, 3)", "scalar=-2.5"),
    ("contrib.backward_gradientmultiplier", "r.randn(2, 3)", ""),
    # -- point processes -----------------------------------------------------------------------------
    ("contrib.hawkesll", "r.rand(2, 3), r.rand(3), r.rand(3), r.rand(2, 3), r.rand(2, 5), "
     "r.randint(0, 3, (2, 5)).astype('int32'), np.array([5, 3]), np.array([4.0, 5.0])", ""),
    ("contrib.hawkesll", "r.rand(3, 1), r.rand(1), r.rand(1), r.rand(3, 1), r.rand(3, 4), "
     "np.zeros((3, 4), 'int32'), np.array([0, 1, 4]), np.array([9.0, 9.0, 9.0])", ""),
    # -- whole numbers for floats ---------------------------------------------------------------------
    *_each(
        "contrib.quantize", "r.randn(3, 4), np.array([-1.5]), np.array([2.0])", """
        -
        out_type='int8'
        """
    ),
    ("contrib.quantize", "r.rand(3, 4), np.array([0.0]), np.array([1.0])", "out_type='uint8'"),
    ("contrib.quantize", "r.randn(3, 4), np.array([-1.0]), np.array([0.5])", "out_type='int8'"),
    *_each(
        "contrib.quantize_v2", "r.randn(3, 4)", """
        -
        out_type='uint8'
        out_type='auto'
        min_calib_range=-1, max_calib_range=0.5
        min_calib_range=0, max_calib_range=0.7, out_type='auto'
        min_calib_range=0, max_calib_range=0.7, out_type='uint8'
        min_calib_range=-1, max_calib_range=0.7, out_type='auto'
        """
    ),
    ("contrib.quantize_v2", "r.randint(-9, 9, (3, 4)).astype('int8')", "min_calib_range=-1, max_calib_range=1"),
    ("contrib.quantize_v2", "r.randint(0, 9, (3, 4)).astype('uint8')", "out_type='uint8', min_calib_range=0, max_calib_range=1"),
    ("contrib.dequantize", "r.randint(-128, 128, (3, 4)).astype('int8'), np.array([-1.5]), np.array([1.0])", ""),
    ("contrib.dequantize", "r.randint(0, 256, (3, 4)).astype('uint8'), np.array([0.0]), np.array([2.0])", ""),
    ("contrib.dequantize", "r.randint(0, 256, (3, 4)).astype('uint8'), np.array([-1.0]), np.array([2.0])", ""),
    ("contrib.dequantize", "r.randint(-2**30, 2**30, (3, 4)).astype('int32'), np.array([-3.0]), np.array([2.0])", ""),
    *_each(
        "contrib.requantize", "r.randint(-2**20, 2**20, (3, 4)).astype('int32'), np.array([-3000.0]), np.array([2000.0])", """
        -
        min_calib_range=-1.0, max_calib_range=0.8
        min_calib_range=0.0, max_calib_range=0.8, out_type='uint8'
        min_calib_range=0.0, max_calib_range=0.8, out_type='auto'
        min_calib_range=-1.0, max_calib_range=0.8, out_type='auto'
        """
    ),
    ("contrib.quantized_act", "r.randint(-128, 128, (3, 4)).astype('int8'), np.array([-1.5]), np.array([1.0])", "act_type='relu'"),
    ("contrib.quantized_flatten", "r.randint(-128, 128, (2, 3, 4)).astype('int8'), np.array([-1.5]), np.array([1.0])", ""),
    ("contrib.quantized_embedding", "np.array([[1, 2], [0, 1]]) * 1.0, r.randint(-128, 128, (3, 4)).astype('int8'), np.array([-1.5]), "
     "np.array([1.0])", "input_dim=3, output_dim=4"),
    ("contrib.quantized_concat", "r.randint(-128, 128, (2, 3)).astype('int8'), r.randint(-128, 128, (2, 4)).astype('int8'), "
     "np.array([-1.5]), np.array([-0.5]), np.array([1.0]), np.array([2.0])", "num_args=2"),
    ("contrib.quantized_concat", "r.randint(0, 255, (2, 3)).astype('uint8'), r.randint(0, 255, (1, 3)).astype('uint8'), "
     "np.array([0.0]), np.array([0.0]), np.array([1.0]), np.array([2.0])", "num_args=2, dim=0"),
    ("contrib.quantized_concat", "r.randint(0, 255, (2, 3)).astype('uint8'), r.randint(-128, 128, (2, 3)).astype('int8'), "
     "np.array([0.0]), np.array([-1.0]), np.array([1.0]), np.array([2.0])", "num_args=2"),
    *_each(
        "contrib.quantized_pooling", "r.randint(-128, 128, (2, 3, 5, 6)).astype('int8'), np.array([-1.5]), np.array([1.0])", """
        kernel=(2, 2)
        kernel=(2, 2), stride=(2, 2), pool_type='avg'
        kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type='avg'
        kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type='avg', count_include_pad=False
        kernel=(2, 2), pool_type='avg', global_pool=True
        kernel=(2, 2), stride=(2, 2), pooling_convention='full'
        """
    ),
    ("contrib.quantized_pooling", "r.randint(0, 256, (2, 3, 4, 4)).astype('uint8'), np.array([0.0]), np.array([1.0])",
     "kernel=(2, 2), pool_type='avg'"),
    ("contrib.quantized_fully_connected", "r.randint(-128, 128, (2, 5)).astype('int8'), r.randint(-128, 128, (3, 5)).astype('int8'), "
     "np.array([-1.5]), np.array([1.0]), np.array([-0.7]), np.array([0.3])", "num_hidden=3, no_bias=True"),
    ("contrib.quantized_fully_connected", _QUANTIZED + "np.array([-1.5]), np.array([1.0]), np.array([-0.7]), np.array([0.3]), "
     "np.array([-0.2]), np.array([0.1])", "num_hidden=3"),
    ("contrib.quantized_fully_connected", "r.randint(0, 256, (2, 5, 1)).astype('uint8'), r.randint(-128, 128, (3, 5)).astype('int8'), "
     "r.randint(-128, 128, 3).astype('int8'), np.array([0.0]), np.array([1.0]), np.array([-0.7]), np.array([0.3]), "
     "np.array([-0.2]), np.array([0.1])", "num_hidden=3"),
    ("contrib.quantized_conv", "r.randint(0, 128, (2, 4, 6, 5)).astype('uint8'), r.randint(-64, 64, (6, 4, 3, 2)).astype('int8'), "
     "np.array([0.0]), np.array([1.0]), np.array([-0.7]), np.array([0.3])", "kernel=(3, 2), num_filter=6, no_bias=True"),
    ("contrib.quantized_conv", "r.randint(0, 128, (2, 4, 6, 5)).astype('uint8'), r.randint(-64, 64, (6, 4, 3, 2)).astype('int8'), "
     "r.randint(-128, 128, 6).astype('int8'), np.array([0.0]), np.array([1.0]), np.array([-0.7]), np.array([0.3]), "
     "np.array([-0.2]), np.array([0.1])", "kernel=(3, 2), num_filter=6, stride=(2, 1), pad=(1, 1)"),
]  # fmt: skip
