"""Write what MXNet 1.9.1 says of its operators: ``tests/data/mxnet_1_9_1_operators.tsv`` and ``mxnet_1_9_1_symbols.tsv``.

Run by a Python that has MXNet 1.9.1 (and no hybridnet): ``python tests/support/mxnet_operators.py``. The first file holds, a line
each, an operator, its other names and its parameters with MXNet's own words for their types and defaults. The second
holds symbols: the operator, the attributes, the shapes that are given, the inputs, auxiliary states and outputs that the
symbol lists, and the shapes of inputs and of outputs that ``infer_shape_partial`` finds.
"""

import ctypes
import json
from pathlib import Path

import mxnet as mx
from mxnet.base import _LIB, c_str, c_str_array, check_call, py_str

DATA = Path(__file__).resolve().parent.parent / "data"

#: Names of operators that are not MXNet 1.x's vocabulary of dense arrays: other vocabularies, gradients, quantisation.
OTHERS = (
    "_backward", "_np", "_npi", "_npx", "_sparse", "_contrib_dgl",
    "_contrib_tvm", "_contrib_intgemm", "_FusedOp", "_TensorRT", "_sg_", "_Cached", "_Cross",
    "_NDArray", "_Native", "_NoGradient", "_broadcast_backward", "_CachedOp", "_copyto", "_crossdevice",
)  # fmt: skip

_IMAGES, _SERIES = (2, 4, 5, 6), (7, 3, 2)

#: Symbols whose shapes are asked for: (operator, attributes, shapes that are given).
SHAPES = [
    ("FullyConnected", {"num_hidden": 5}, {"data": (2, 3, 4)}),
    ("FullyConnected", {"num_hidden": 5, "flatten": False, "no_bias": True}, {"data": (2, 3, 4)}),
    ("Convolution", {"kernel": (3,), "num_filter": 6, "num_group": 2, "pad": (1,)}, {"data": (2, 4, 5)}),
    ("Convolution", {"kernel": (3, 2), "num_filter": 6, "stride": (2, 1), "dilate": (2, 2)}, {"data": _IMAGES}),
    ("Convolution", {"kernel": (3, 2), "num_filter": 6, "layout": "NHWC", "no_bias": True}, {"data": _IMAGES}),
    ("Convolution", {"kernel": (1, 3, 2), "num_filter": 6}, {"data": (2, 4, 5, 6, 7)}),
    ("Convolution_v1", {"kernel": (3, 2), "num_filter": 6}, {"data": _IMAGES}),
    ("Deconvolution", {"kernel": (3, 2), "num_filter": 6, "num_group": 2, "stride": (2, 2), "adj": (1, 0)}, {"data": _IMAGES}),
    ("Deconvolution", {"kernel": (3,), "num_filter": 6, "no_bias": False}, {"data": (2, 4, 5)}),
    ("Deconvolution", {"kernel": (3, 2), "num_filter": 6, "layout": "NHWC"}, {"data": _IMAGES}),
    ("Deconvolution", {"kernel": (3, 3), "num_filter": 6, "stride": (2, 2), "target_shape": (10, 12)}, {"data": _IMAGES}),
    (
        "_contrib_DeformableConvolution",
        {"kernel": (3, 2), "num_filter": 6, "num_group": 2, "num_deformable_group": 2},
        {"data": _IMAGES, "offset": (2, 24, 3, 5)},
    ),
    (
        "_contrib_DeformableConvolution",
        {"kernel": (3, 3), "num_filter": 6, "stride": (2, 1), "pad": (1, 0), "no_bias": True},
        {"data": _IMAGES, "offset": (2, 18, 3, 4)},
    ),
    (
        "_contrib_ModulatedDeformableConvolution",
        {"kernel": (3, 2), "num_filter": 6, "dilate": (1, 2)},
        {"data": _IMAGES, "offset": (2, 12, 3, 4), "mask": (2, 6, 3, 4)},
    ),
    ("Pooling", {"kernel": (2, 3), "stride": (2, 2), "pooling_convention": "full"}, {"data": _IMAGES}),
    ("Pooling", {"global_pool": True, "pool_type": "avg"}, {"data": _IMAGES}),
    ("Pooling", {"kernel": (2,), "layout": "NWC", "pad": (1,)}, {"data": (2, 4, 5)}),
    ("Pooling_v1", {"kernel": (2, 2)}, {"data": _IMAGES}),
    ("UpSampling", {"scale": 3, "sample_type": "bilinear", "num_filter": 4, "num_args": 2}, {"data": _IMAGES}),
    ("UpSampling", {"scale": 2, "sample_type": "nearest", "num_args": 2}, {"arg0": _IMAGES, "arg1": (2, 3, 10, 12)}),
    ("BatchNorm", {}, {"data": _IMAGES}),
    ("BatchNorm", {"axis": -1, "output_mean_var": True}, {"data": _IMAGES}),
    ("BatchNorm_v1", {}, {"data": _IMAGES}),
    ("_contrib_SyncBatchNorm", {"key": "a"}, {"data": _IMAGES}),
    ("LayerNorm", {}, {"data": _SERIES}),
    ("LayerNorm", {"axis": 1, "output_mean_var": True}, {"data": _SERIES}),
    ("GroupNorm", {"num_groups": 2}, {"data": _IMAGES}),
    ("GroupNorm", {"num_groups": 2, "output_mean_var": True}, {"data": _IMAGES}),
    ("InstanceNorm", {}, {"data": _IMAGES}),
    ("L2Normalization", {"mode": "channel"}, {"data": _IMAGES}),
    ("LRN", {"nsize": 3}, {"data": _IMAGES}),
    ("Dropout", {"p": 0.3, "axes": (0,)}, {"data": _SERIES}),
    ("Embedding", {"input_dim": 9, "output_dim": 2}, {"data": (7, 3)}),
    ("Activation", {"act_type": "tanh"}, {"data": _SERIES}),
    ("LeakyReLU", {"act_type": "prelu"}, {"data": _IMAGES}),
    ("LeakyReLU", {"act_type": "elu", "slope": 0.5}, {"data": _IMAGES}),
    ("LeakyReLU", {"act_type": "rrelu"}, {"data": _IMAGES}),
    ("softmax", {"use_length": True, "axis": 1}, {"data": _SERIES}),
    ("softmax", {"temperature": 2.0}, {"data": _SERIES}),
    ("SoftmaxActivation", {"mode": "channel"}, {"data": _IMAGES}),
    ("SoftmaxOutput", {}, {"data": (7, 3)}),
    ("SoftmaxOutput", {"multi_output": True}, {"data": _SERIES}),
    ("SoftmaxOutput", {"preserve_shape": True}, {"data": _SERIES}),
    ("LinearRegressionOutput", {}, {"data": (7, 1)}),
    ("LinearRegressionOutput", {}, {"data": _SERIES}),
    ("LogisticRegressionOutput", {"grad_scale": 0.5}, {"data": (7, 3)}),
    ("MAERegressionOutput", {}, {"data": (7, 3)}),
    ("softmax_cross_entropy", {}, {"data": (7, 3), "label": (7,)}),
    ("SequenceMask", {"use_sequence_length": True, "value": -1.0}, {"data": _SERIES}),
    ("SequenceMask", {"use_sequence_length": True, "axis": 1}, {"data": _SERIES}),
    ("SequenceLast", {"use_sequence_length": True, "axis": 1}, {"data": _SERIES}),
    ("SequenceLast", {}, {"data": _SERIES}),
    ("SequenceReverse", {"use_sequence_length": True}, {"data": _SERIES}),
    *(
        ("RNN", {"mode": mode, "state_size": 3, "num_layers": 2, "bidirectional": both, "state_outputs": True}, {"data": (7, 2, 5)})
        for mode in ("rnn_relu", "rnn_tanh", "lstm", "gru")
        for both in (False, True)
    ),
    (
        "RNN",
        {"mode": "lstm", "state_size": 3, "num_layers": 2, "bidirectional": True, "projection_size": 2, "state_outputs": True},
        {"data": (7, 2, 5)},
    ),
    ("RNN", {"mode": "gru", "state_size": 3, "num_layers": 1, "use_sequence_length": True}, {"data": (7, 2, 5)}),
    *((f"elemwise_{name}", {}, {"lhs": (2, 3)}) for name in ("add", "sub", "mul", "div")),
    *((name, {}, {"lhs": (2, 3)}) for name in ("_power", "_maximum", "_hypot")),
    ("_mod", {}, {"rhs": (2, 3)}),
    ("add_n", {"num_args": 3}, {"arg1": (2, 3)}),
    ("broadcast_add", {}, {"lhs": (2, 1, 4), "rhs": (3, 1)}),
    ("dot", {"transpose_a": True}, {"lhs": (3, 2, 5), "rhs": (3, 4)}),
    ("batch_dot", {"transpose_b": True}, {"lhs": (2, 3, 5), "rhs": (2, 4, 5)}),
    ("Concat", {"num_args": 2, "dim": 2}, {"arg0": (2, 3, 4), "arg1": (2, 3, 1)}),
    ("stack", {"num_args": 2, "axis": 1}, {"arg0": (2, 3), "arg1": (2, 3)}),
    ("SliceChannel", {"num_outputs": 3}, {"data": (2, 6, 4)}),
    ("SliceChannel", {"num_outputs": 2, "axis": 0, "squeeze_axis": True}, {"data": (2, 6, 4)}),
    ("SliceChannel", {"num_outputs": 1}, {"data": (2, 6, 4)}),
    ("_split_v2", {"indices": (0, 2, 5), "axis": 1}, {"data": (2, 6, 4)}),
    ("_split_v2", {"indices": (), "sections": 3, "axis": -1, "squeeze_axis": True}, {"data": (2, 6, 3)}),
    ("slice", {"begin": (1, None), "end": (None, 4), "step": (1, 2)}, {"data": (2, 6, 4)}),
    ("slice_axis", {"axis": 1, "begin": 1, "end": None}, {"data": (2, 6, 4)}),
    ("slice_like", {"axes": (0, -1)}, {"data": (2, 6, 4), "shape_like": (1, 2, 3)}),
    ("Crop", {"num_args": 2, "center_crop": True}, {"arg0": _IMAGES, "arg1": (2, 4, 3, 3)}),
    ("Pad", {"mode": "edge", "pad_width": (0, 0, 0, 0, 1, 2, 3, 4)}, {"data": _IMAGES}),
    ("Reshape", {"shape": (0, -1, 2, -2)}, {"data": (2, 6, 4)}),
    ("Reshape", {"shape": (-4, 2, -1, -3), "reverse": False}, {"data": (8, 6, 4)}),
    ("Reshape", {"shape": (-1, 0), "reverse": True}, {"data": (8, 6, 4)}),
    ("Reshape", {"target_shape": (0, 4), "keep_highest": False}, {"data": (2, 6, 4)}),
    ("Reshape", {"target_shape": (7, 0), "keep_highest": True}, {"data": (2, 6, 4)}),
    ("reshape_like", {"lhs_begin": 0, "lhs_end": 1, "rhs_begin": 0, "rhs_end": 2}, {"lhs": (6, 4), "rhs": (2, 3, 5)}),
    ("Flatten", {}, {"data": (2, 6, 4)}),
    ("transpose", {}, {"data": (2, 6, 4)}),
    ("transpose", {"axes": (1, 0, 2)}, {"data": (2, 6, 4)}),
    ("SwapAxis", {"dim1": 0, "dim2": 2}, {"data": (2, 6, 4)}),
    ("expand_dims", {"axis": -1}, {"data": (2, 6)}),
    ("squeeze", {"axis": (0,)}, {"data": (1, 6, 1)}),
    ("tile", {"reps": (2, 1, 3)}, {"data": (6, 4)}),
    ("repeat", {"repeats": 2, "axis": 1}, {"data": (6, 4)}),
    ("broadcast_to", {"shape": (0, 3)}, {"data": (6, 1)}),
    ("broadcast_axis", {"axis": (0, 2), "size": (2, 3)}, {"data": (1, 6, 1)}),
    ("depth_to_space", {"block_size": 2}, {"data": (2, 8, 3, 4)}),
    ("space_to_depth", {"block_size": 2}, {"data": (2, 2, 4, 6)}),
    ("sum", {"axis": (0, 2), "keepdims": True}, {"data": (2, 6, 4)}),
    ("mean", {"axis": 1, "exclude": True}, {"data": (2, 6, 4)}),
    ("max", {}, {"data": (2, 6, 4)}),
    ("norm", {"axis": (1,)}, {"data": (2, 6, 4)}),
    ("moments", {"axes": (0, 1)}, {"data": (2, 6, 4)}),
    ("argmax", {"axis": 1, "keepdims": True}, {"data": (2, 6, 4)}),
    ("topk", {"k": 3, "ret_typ": "both"}, {"data": (2, 6, 4)}),
    ("topk", {"k": 2, "axis": 1, "ret_typ": "mask"}, {"data": (2, 6, 4)}),
    ("take", {"axis": 1}, {"a": (2, 6, 4), "indices": (3, 5)}),
    ("pick", {"axis": 1}, {"data": (2, 6, 4), "index": (2, 4)}),
    ("one_hot", {"depth": 5}, {"indices": (2, 6)}),
    ("gather_nd", {}, {"data": (2, 6, 4), "indices": (2, 7)}),
    ("scatter_nd", {"shape": (5, 6)}, {"data": (7,), "indices": (2, 7)}),
    ("where", {}, {"condition": (2, 6), "x": (2, 6), "y": (2, 6)}),
    ("Cast", {"dtype": "float16"}, {"data": (2, 6)}),
    ("clip", {"a_min": -1.0, "a_max": 1e-05}, {"data": (2, 6)}),
    ("_zeros", {"shape": (2, 3)}, {}),
    ("_full", {"shape": (2,), "value": 1.5}, {}),
    ("_arange", {"start": 0.0, "stop": 6.0, "repeat": 2}, {}),
    ("_eye", {"N": 3, "M": 4}, {}),
    ("_random_uniform", {"low": -1.0, "shape": (2, 3), "dtype": "float16"}, {}),
    ("_sample_normal", {"shape": (4,)}, {"mu": (2, 3), "sigma": (2, 3)}),
    ("_sample_multinomial", {"get_prob": True, "shape": (5,)}, {"data": (2, 3)}),
    ("_random_normal_like", {}, {"data": (2, 3)}),
    ("_linalg_gemm2", {"transpose_b": True}, {"A": (2, 3, 4), "B": (2, 5, 4)}),
    ("_linalg_syrk", {"transpose": True}, {"A": (3, 4)}),
    ("_linalg_slogdet", {}, {"A": (2, 4, 4)}),
    ("_linalg_gelqf", {}, {"A": (3, 4)}),
    ("_linalg_makediag", {"offset": 1}, {"A": (2, 3)}),
    ("_contrib_BilinearResize2D", {"height": 7, "width": 8}, {"data": _IMAGES}),
    ("_contrib_BilinearResize2D", {"mode": "like"}, {"data": _IMAGES, "like": (1, 1, 7, 8)}),
    ("_contrib_AdaptiveAvgPooling2D", {"output_size": (2, 3)}, {"data": _IMAGES}),
    ("_contrib_MultiBoxPrior", {"sizes": (0.5, 0.25), "ratios": (1.0, 2.0, 0.5)}, {"data": _IMAGES}),
    ("_contrib_BatchNormWithReLU", {}, {"data": _IMAGES}),
    ("_contrib_SparseEmbedding", {"input_dim": 5, "output_dim": 4}, {"data": (2, 6)}),
    ("_contrib_ROIAlign", {"pooled_size": (2, 3), "spatial_scale": 0.5}, {"data": _IMAGES, "rois": (7, 5)}),
    ("_contrib_MultiBoxTarget", {}, {"anchor": (1, 6, 4), "label": (2, 3, 5), "cls_pred": (2, 4, 6)}),
    ("_contrib_MultiBoxDetection", {}, {"cls_prob": (2, 4, 6), "loc_pred": (2, 24), "anchor": (1, 6, 4)}),
    ("_contrib_box_iou", {}, {"lhs": (5, 4), "rhs": (6, 4)}),
    ("_contrib_arange_like", {"axis": 1}, {"data": (2, 6)}),
    ("_contrib_index_array", {"axes": (1, 0)}, {"data": (2, 6)}),
    ("_contrib_interleaved_matmul_selfatt_qk", {"heads": 2}, {"queries_keys_values": (7, 3, 24)}),
    ("_image_to_tensor", {}, {"data": (5, 6, 3)}),
    ("_image_resize", {"size": (4, 8)}, {"data": (5, 6, 3)}),
    ("_image_crop", {"x": 1, "y": 2, "width": 3, "height": 2}, {"data": (5, 6, 3)}),
    ("_histogram", {"bin_cnt": 5, "range": (0.0, 1.0)}, {"data": (2, 6)}),
    ("khatri_rao", {"num_args": 2}, {"arg0": (3, 4), "arg1": (5, 4)}),
    ("amp_multicast", {"num_outputs": 2}, {"data_0": (2, 3), "data_1": (3,)}),
]  # fmt: skip

#: Values of attributes that a symbol must have, where a type's does not do.
REQUIRED = {("Pad", "pad_width"): (0, 0, 0, 0), ("_random_randint", "high"): 9}

#: Operators of which no symbol is made: those that write to their inputs, and those that hold functions.
NO_SYMBOL = (
    "update",
    "_phase1",
    "_phase2",
    "Custom",
    "_CustomFunction",
    "_cond",
    "_foreach",
    "_while_loop",
    "_onehot_encode",
    "reset_arrays",
)


def names() -> list[str]:
    """All names under which operators are registered."""
    size, found = ctypes.c_uint(), ctypes.POINTER(ctypes.c_char_p)()
    check_call(_LIB.MXListAllOpNames(ctypes.byref(size), ctypes.byref(found)))
    return [py_str(found[i]) for i in range(size.value)]


def handle(name: str) -> ctypes.c_void_p:
    result = ctypes.c_void_p()
    check_call(_LIB.NNGetOpHandle(c_str(name), ctypes.byref(result)))
    return result


def described(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The name under which an operator is registered first, and its parameters with their types in MXNet's words."""
    texts = [ctypes.c_char_p() for _ in range(4)]
    lists = [ctypes.POINTER(ctypes.c_char_p)() for _ in range(3)]
    n = ctypes.c_uint()
    own, doc, count, returns = map(ctypes.byref, texts)
    check_call(_LIB.MXSymbolGetAtomicSymbolInfo(handle(name), own, doc, ctypes.byref(n), *map(ctypes.byref, lists), count, returns))
    return py_str(texts[0].value), [(py_str(lists[0][i]), py_str(lists[1][i])) for i in range(n.value)]


def symbol(name: str, attributes: dict) -> mx.sym.Symbol:
    """The operator as a symbol of the name ``_``, its inputs variables."""
    result = mx.base.SymbolHandle()
    keys, values = c_str_array(list(attributes)), c_str_array([str(v) for v in attributes.values()])
    check_call(_LIB.MXSymbolCreateAtomicSymbol(handle(name), len(attributes), keys, values, ctypes.byref(result)))
    check_call(_LIB.MXSymbolCompose(result, c_str("_"), 0, None, None))
    return mx.sym.Symbol(result)


def sample(operator: str, name: str, kind: str) -> object:
    """A value of an attribute that must be given."""
    if (operator, name) in REQUIRED:
        return REQUIRED[operator, name]
    if kind.startswith("{"):
        words = [word.strip(" '") for word in kind[1 : kind.index("}")].split(",")]
        return "float32" if "float32" in words else words[0]
    for start, value in (("Shape", (2, 2)), ("tuple", (1.0,)), ("int", 2), ("long", 2), ("float", 1.5), ("double", 1.5), ("boolean", True)):
        if kind.startswith(start):
            return value
    return "a"


def line(name: str, attributes: dict, known: dict) -> str:
    """A line of the file of symbols."""
    made = symbol(name, attributes)
    inputs, states, outputs = ([x.split("_", 2)[-1] for x in listed] for listed in (
        made.list_arguments(), made.list_auxiliary_states(), made.list_outputs()
    ))  # fmt: skip
    found: list = [{}, []]
    if known or not inputs:
        shapes = made.infer_shape_partial(**{f"__{key}": shape for key, shape in known.items()})
        found = [dict(zip(inputs + states, shapes[0] + shapes[2], strict=True)), [s for s in shapes[1] if s]]  # () is unknown
    texts = {key: str(value) for key, value in attributes.items()}
    return "\t".join([name, *(json.dumps(x) for x in (texts, known, inputs, states, outputs, *found))])


def main() -> None:
    canonical: dict[str, list[str]] = {}
    for name in names():
        canonical.setdefault(described(name)[0], []).append(name)
    kept = {own: sorted(set(others) - {own}) for own, others in canonical.items() if not own.startswith(OTHERS) or own == "_np_cumsum"}
    operators, symbols = [], []
    asked = {name for name, _, _ in SHAPES}
    for own, others in sorted(kept.items()):
        parameters = described(own)[1]
        shown = [name for name in others if not name.startswith(OTHERS)]
        operators.append("\t".join([own, ",".join(shown), *(f"{key}: {kind}" for key, kind in parameters)]))
        needed = {key: sample(own, key, kind) for key, kind in parameters if "required" in kind}
        if own not in asked and not own.endswith(NO_SYMBOL):
            try:
                symbols.append(line(own, needed, {}))
            except mx.MXNetError as error:
                print("no symbol of", own, str(error).splitlines()[-1][:100])
    symbols += [line(*case) for case in SHAPES]
    (DATA / "mxnet_1_9_1_operators.tsv").write_text("\n".join(operators) + "\n")
    (DATA / "mxnet_1_9_1_symbols.tsv").write_text("\n".join(sorted(symbols)) + "\n")


if __name__ == "__main__":
    main()
