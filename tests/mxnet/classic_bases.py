"""Right calls of the classic operators: attributes and inputs, from which :mod:`classic_calls` makes others."""

from __future__ import annotations

import itertools
from typing import Any

from hybridnet.ndarray.register import OPERATORS

#: An input: (kind, shape), or the shape alone of a normal one; see ``support.mxnet_answers.array_of``.
Base = tuple[dict[str, Any], list[Any]]

_SQUARE, _BATCH = (3, 3), (2, 3, 3)
_LABELS = [(4, 3), ("index:3", (4,))]


def _updates() -> dict[str, list[Base]]:
    """The operators that update weights: all of one shape, states that are squares positive."""
    found: dict[str, list[Base]] = {}
    numbers = {"lr": 0.1, "wd": 0.01, "t": 3, "eta": 0.5}
    for name, record in sorted(OPERATORS.items()):
        if not name.endswith(("_update", "_phase1", "_phase2")) or record.variadic or name.startswith("_contrib"):
            continue
        inputs = [
            ("positive", (1,))
            if key in ("r1", "r2", "rescale_grad")
            else ("positive" if key in ("var", "v", "d") or (key == "n" and name != "rmspropalex_update") else "normal", (2, 3))
            for key in record.inputs
        ]
        if name == "rmspropalex_update":
            inputs[2], inputs[3] = ("large", (2, 3)), ("value:0.3", (2, 3))
        wanted = {a.name for a in record.attributes.values() if a.required} | ({"wd"} & set(record.attributes))
        found[name] = [({key: numbers[key] for key in numbers if key in wanted}, inputs)]
    rates, pair = {"lrs": [0.1, 0.2], "wds": [0.0, 0.01]}, [(2, 3), (4,)]
    for mixed, moving in itertools.product((False, True), repeat=2):
        inputs = [shape for shape in pair for _ in range(2 + mixed + moving)]
        kind = f"{'mp_' if mixed else ''}sgd_{'mom_' if moving else ''}update"
        found[f"multi_{kind}"] = [({"num_weights": 2, **rates}, inputs)]
        found[f"preloaded_multi_{kind}"] = [({"num_weights": 2}, [*inputs, ("positive", (2,)), ("share", (2,))])]
    for mixed in (False, True):
        inputs = [x for s in pair for x in (s, s, s, ("positive", s), *([s] if mixed else []))]
        mp = "mp_" if mixed else ""
        found[f"_multi_{mp}adamw_update"] = [({"num_weights": 2, **rates, "etas": [1.0, 0.5]}, [*inputs, ("positive", (1,))])]
        found[f"_multi_{mp}lamb_update"] = [
            ({"num_tensors": 2, "learning_rates": [0.1, 0.2], "wds": [0.0, 0.01], "step_count": [1, 3]}, inputs)
        ]
    return found


BASES: dict[str, list[Base]] = {
    **_updates(),
    "multi_sum_sq": [({"num_arrays": 2}, [(2, 3), (4,)])],
    "reset_arrays": [({"num_arrays": 2}, [(2, 3), (4,)])],
    "multi_lars": [({"eta": 0.1, "eps": 1e-3}, [("positive", (3,))] * 4)],
    "all_finite": [({}, [(2, 3)])],
    "multi_all_finite": [({"num_arrays": 2}, [(2, 3), (4,)])],
    "Cast": [({"dtype": "float64"}, [(2, 3)])],
    "clip": [({"a_min": -0.5, "a_max": 1.0}, [(2, 3)])],
    "amp_multicast": [({"num_outputs": 2}, [(2, 3), ("normal", (3,), "float16")])],
    # -- sums, products, order
    "add_n": [({"num_args": 3}, [(2, 3)] * 3), ({}, [(2, 3)])],
    "dot": [
        ({}, [(2, 3), (3, 4)]),
        ({}, [(3,), (3,)]),
        ({}, [(2, 3), (3,)]),
        ({}, [(2, 3, 4), (4, 2)]),
        ({"transpose_b": True}, [(2, 3), (4, 3)]),
    ],
    "batch_dot": [({}, [(2, 3, 4), (2, 4, 5)]), ({"transpose_a": True}, [(2, 4, 3), (2, 4, 5)])],
    "argsort": [({}, [("distinct", (3, 4))])],
    "sort": [({}, [("distinct", (3, 4))])],
    "topk": [({"k": 2}, [("distinct", (3, 4))]), ({"k": 2, "ret_typ": "both", "axis": 0}, [("distinct", (3, 4))])],
    "argmax": [({"axis": 1}, [("distinct", (3, 4))])],
    "argmin": [({"axis": 1}, [("distinct", (3, 4))])],
    "max": [({}, [("distinct", (2, 3, 4))])],
    "min": [({}, [("distinct", (2, 3, 4))])],
    "moments": [({"axes": [0, 1]}, [(2, 3, 4)]), ({"axes": [1], "keepdims": True}, [(2, 3, 4)])],
    "norm": [({}, [(2, 3, 4)]), ({"ord": 1, "axis": [0, 2]}, [(2, 3, 4)])],
    **{name: [({}, [(2, 3, 4)]), ({"axis": [0, 2]}, [(2, 3, 4)])] for name in ("sum", "mean", "prod", "nansum", "nanprod")},
    # -- indices
    "take": [
        ({}, [(4, 3), ("index:4", (2, 2))]),
        ({"axis": 1}, [(4, 3), ("outside:3", (5,))]),
        ({"mode": "wrap"}, [(4, 3), ("outside:4", (5,))]),
    ],
    "batch_take": [({}, [(4, 3), ("index:3", (4,), "int32")])],
    "pick": [
        ({}, [(4, 3), ("index:3", (4,))]),
        ({"axis": 0}, [(4, 3), ("outside:4", (3,))]),
        ({"mode": "wrap"}, [(4, 3), ("outside:3", (4,))]),
    ],
    "one_hot": [({"depth": 4}, [("index:4", (2, 3))]), ({"depth": 3}, [("outside:3", (5,))])],
    "gather_nd": [({}, [(4, 3), ("index:3", (2, 5))]), ({}, [(4, 3, 2), ("index:3", (1, 2, 2))])],
    "scatter_nd": [({"shape": [4, 3]}, [(2,), ("index:2", (2, 2))])],
    "_scatter_set_nd": [({"shape": [4, 3]}, [(4, 3), (1,), ("index:2", (2, 1))])],
    "Embedding": [
        ({"input_dim": 5, "output_dim": 3}, [("index:5", (2, 4)), (5, 3)]),
        ({"input_dim": 5, "output_dim": 3}, [("outside:5", (6,)), (5, 3)]),
    ],
    "fill_element_0index": [({}, [(4, 3), (4,), ("index:3", (4,))])],
    "_ravel_multi_index": [({"shape": [4, 5]}, [("index:4", (2, 6))])],
    "_unravel_index": [({"shape": [4, 5]}, [("index:20", (6,))])],
    "where": [({}, [("index:2", (3, 4)), (3, 4), (3, 4)]), ({}, [("index:2", (3,)), (3, 4), (3, 4)])],
    "_histogram": [({"bin_cnt": 5, "range": [-1.0, 1.0]}, [(3, 4)])],
    "_onehot_encode": [({}, [("index:3", (4,)), (4, 3)])],
    # -- shapes
    "Concat": [({"num_args": 2, "dim": 1}, [(2, 3), (2, 1)]), ({"num_args": 2, "dim": 0}, [(2, 3), (4, 3)])],
    "stack": [({"num_args": 2}, [(2, 3), (2, 3)])],
    "_rnn_param_concat": [({"num_args": 2, "dim": 0}, [(3,), (4,)])],
    "diag": [({}, [(3, 4)]), ({}, [(3,)]), ({"axis1": 1, "axis2": 2}, [(2, 3, 4)])],
    "reverse": [({"axis": [1]}, [(3, 4)]), ({"axis": [0, 1]}, [(3, 4)])],
    "broadcast_like": [({}, [(1, 3), (4, 3)]), ({"lhs_axes": [0], "rhs_axes": [1]}, [(1, 3), (2, 5)])],
    "broadcast_to": [({"shape": [4, 3]}, [(1, 3)]), ({"shape": [0, 5]}, [(2, 1)])],
    "broadcast_axis": [({"axis": [0], "size": [4]}, [(1, 3)]), ({"axis": [0, 2], "size": [2, 4]}, [(1, 3, 1)])],
    "slice": [
        ({"begin": [0, 1], "end": [2, 3]}, [(3, 4)]),
        ({"begin": [None, -1], "end": [None, None], "step": [2, -1]}, [(5, 4)]),
        ({"begin": [-2], "end": [9]}, [(3, 4)]),
    ],
    "slice_axis": [({"axis": 1, "begin": 1, "end": 3}, [(3, 4)]), ({"axis": -1, "begin": -3, "end": None}, [(3, 4)])],
    "slice_like": [({}, [(3, 4), (2, 3)]), ({"axes": [1]}, [(3, 4), (2, 3)])],
    "_slice_assign": [({"begin": [0, 1], "end": [2, 3]}, [(3, 4), (2, 2)])],
    "_slice_assign_scalar": [({"begin": [0, 1], "end": [2, 3], "scalar": 2.0}, [(3, 4)])],
    "Reshape": [
        ({"shape": list(codes)}, [(2, 6, 4)])
        for codes in (
            (-1,),
            (0, -1),
            (2, -1, 0),
            (-2,),
            (0, -3),
            (-4, 1, 2, -2),
            (-4, -1, 2, -2),
            (48,),
            (0, 0, 0),
            (-3, 0),
            (0, -4, 2, 3, 0),
            (4, -1),
        )
    ]
    + [({"shape": list(codes), "reverse": True}, [(2, 6, 4)]) for codes in ((-1,), (-1, 0), (8, -1), (-3, 0), (-1, 4), (0, 0, -1))],
    "reshape_like": [({}, [(2, 6), (3, 4)]), ({"lhs_begin": 0, "lhs_end": 1, "rhs_begin": 0, "rhs_end": 2}, [(6, 4), (2, 3, 5)])],
    "squeeze": [
        ({}, [(1, 3, 1)]),
        ({"axis": [0]}, [(1, 3, 1)]),
        ({"axis": [-1]}, [(1, 3, 1)]),
        ({"axis": [1]}, [(1, 3, 1)]),
        ({}, [(1, 1)]),
    ],
    "expand_dims": [({"axis": axis}, [(2, 3)]) for axis in (0, 1, 2, -1, -3)],
    "tile": [({"reps": list(reps)}, [(2, 3)]) for reps in ((2,), (2, 1), (2, 1, 3), (1, 1))],
    "repeat": [({"repeats": 2}, [(2, 3)]), ({"repeats": 3, "axis": 1}, [(2, 3)]), ({"repeats": 2, "axis": -2}, [(2, 3)])],
    "transpose": [({}, [(2, 3, 4)]), ({"axes": [1, 2, 0]}, [(2, 3, 4)])],
    "SwapAxis": [({"dim1": 0, "dim2": 2}, [(2, 3, 4)]), ({"dim1": -1, "dim2": 0}, [(2, 3, 4)])],
    "Pad": [
        ({"mode": mode, "pad_width": [0, 0, 0, 0, 1, 2, 2, 1], "constant_value": 0.5}, [(2, 2, 4, 3)])
        for mode in ("constant", "edge", "reflect")
    ],
    "SliceChannel": [({"num_outputs": 3, "axis": 1}, [(2, 6)]), ({"num_outputs": 2, "axis": 0, "squeeze_axis": True}, [(2, 6)])],
    "_split_v2": [({"indices": [0, 2], "axis": 1}, [(2, 6)]), ({"indices": [], "sections": 3, "axis": -1}, [(2, 6)])],
    "Crop": [
        ({"num_args": 1, "offset": [1, 1], "h_w": [2, 2]}, [(1, 2, 4, 4)]),
        ({"num_args": 2, "center_crop": True}, [(1, 2, 4, 4), (1, 1, 2, 2)]),
    ],
    "depth_to_space": [({"block_size": 2}, [(1, 8, 2, 3)])],
    "space_to_depth": [({"block_size": 2}, [(1, 2, 4, 6)])],
    # -- new arrays
    "_arange": [({"start": 1.0, "stop": 6.0, "step": 2.0}, []), ({"start": 4.0}, []), ({"start": 5.0, "stop": 1.0, "step": -1.5}, [])],
    "_eye": [({"N": 3}, []), ({"N": 3, "M": 4, "k": -1}, [])],
    "_full": [({"shape": [2, 3], "value": 1.5}, [])],
    "_zeros": [({"shape": [2, 3]}, [])],
    "_ones": [({"shape": [2, 3]}, [])],
    "_zeros_without_dtype": [({"shape": [2, 3]}, [])],
    # -- linear algebra
    "_linalg_gemm": [({}, [(2, 3), (3, 4), (2, 4)]), ({"transpose_a": True, "alpha": 2.0, "beta": 0.5}, [(2, 3, 2), (2, 3, 4), (2, 2, 4)])],
    "_linalg_gemm2": [({}, [(2, 3), (3, 4)]), ({"transpose_b": True, "alpha": 2.0}, [(2, 3, 4), (2, 5, 4)])],
    "_linalg_potrf": [({}, [("spd", _BATCH)]), ({}, [("spd", _SQUARE)])],
    "_linalg_potri": [({}, [("lower", _BATCH)])],
    "_linalg_trmm": [({}, [("lower", _BATCH), _BATCH]), ({"rightside": True, "alpha": 2.0}, [("lower", _SQUARE), (2, 3)])],
    "_linalg_trsm": [({}, [("lower", _BATCH), _BATCH]), ({"rightside": True, "alpha": 2.0}, [("lower", _SQUARE), (2, 3)])],
    "_linalg_sumlogdiag": [({}, [("spd", _BATCH)])],
    "_linalg_syrk": [({}, [(3, 4)]), ({"transpose": True, "alpha": 2.0}, [(2, 3, 4)])],
    "_linalg_gelqf": [({}, [(3, 4)])],
    "_linalg_syevd": [({}, [("spd", _BATCH)])],
    "_linalg_inverse": [({}, [("spd", _BATCH)])],
    "_linalg_det": [({}, [("spd", _BATCH)]), ({}, [_SQUARE])],
    "_linalg_slogdet": [({}, [("spd", _BATCH)])],
    "_linalg_extractdiag": [({}, [_BATCH]), ({"offset": 1}, [(3, 3)])],
    "_linalg_makediag": [({}, [(2, 3)]), ({"offset": -1}, [(3,)])],
    "_linalg_extracttrian": [({}, [_BATCH]), ({"offset": -1}, [(3, 3)])],
    "_linalg_maketrian": [({}, [(2, 6)]), ({"lower": False}, [(6,)])],
    "khatri_rao": [({"num_args": 2}, [(3, 4), (5, 4)])],
    # -- layers
    "Activation": [({"act_type": word}, [(2, 3)]) for word in ("relu", "sigmoid", "softrelu", "softsign", "tanh")],
    "FullyConnected": [
        ({"num_hidden": 4}, [(2, 3, 2), (4, 6), (4,)]),
        ({"num_hidden": 4, "flatten": False, "no_bias": True}, [(2, 3, 2), (4, 2)]),
    ],
    "Convolution": [
        ({"kernel": [3, 2], "num_filter": 4}, [(2, 2, 6, 5), (4, 2, 3, 2), (4,)]),
        ({"kernel": [3], "num_filter": 4, "no_bias": True, "num_group": 2, "stride": [2], "pad": [1]}, [(2, 4, 7), (4, 2, 3)]),
        ({"kernel": [2, 2, 2], "num_filter": 2, "dilate": [1, 2, 1]}, [(1, 2, 4, 4, 4), (2, 2, 2, 2, 2), (2,)]),
    ],
    "Deconvolution": [
        ({"kernel": [3, 2], "num_filter": 4, "stride": [2, 1]}, [(2, 2, 4, 5), (2, 4, 3, 2)]),
        (
            {"kernel": [3], "num_filter": 4, "no_bias": False, "num_group": 2, "stride": [2], "pad": [1], "adj": [1]},
            [(2, 4, 5), (4, 2, 3), (4,)],
        ),
    ],
    "Pooling": [
        ({"kernel": [2, 3], "pool_type": "max"}, [("distinct", (2, 2, 5, 6))]),
        ({"kernel": [2, 3], "pool_type": "avg", "stride": [2, 2], "pad": [1, 1]}, [(2, 2, 5, 6)]),
        ({"kernel": [2], "pool_type": "sum"}, [(2, 2, 5)]),
        ({"kernel": [2, 2], "pool_type": "lp", "p_value": 2}, [(2, 2, 5, 6)]),
        ({"kernel": [2, 2, 2], "pool_type": "avg"}, [(1, 2, 3, 4, 4)]),
    ],
    "UpSampling": [
        ({"scale": 2, "sample_type": "nearest", "num_args": 1}, [(1, 2, 3, 3)]),
        ({"scale": 2, "sample_type": "bilinear", "num_filter": 2}, [(1, 2, 3, 3), (2, 1, 4, 4)]),
    ],
    "BatchNorm": [
        ({"fix_gamma": False, "axis": axis}, [(2, 3, 4), ("positive", (n,)), (n,), (n,), ("positive", (n,))])
        for axis, n in ((1, 3), (-1, 4))
    ],
    "LayerNorm": [({}, [(2, 3, 4), (4,), (4,)]), ({"axis": 1}, [(2, 3, 4), (3,), (3,)])],
    "InstanceNorm": [({}, [(2, 3, 4), (3,), (3,)])],
    "GroupNorm": [({"num_groups": 1}, [(2, 4, 3), (1,), (1,)])],
    "L2Normalization": [({"mode": mode}, [(2, 3, 4, 2)]) for mode in ("instance", "channel", "spatial")],
    "LRN": [({"nsize": 3}, [(2, 4, 3, 3)])],
    "LeakyReLU": [({"act_type": word}, [(2, 3)]) for word in ("leaky", "elu", "selu", "gelu")] + [({"act_type": "prelu"}, [(2, 3), (3,)])],
    "Dropout": [({"p": 0.0}, [(2, 3)])],
    "softmax": [({}, [(2, 3, 4)]), ({"axis": 1}, [(2, 3, 4)]), ({"use_length": True}, [(2, 4), ("lengths:4", (2,), "int32")])],
    "log_softmax": [({}, [(2, 3, 4)]), ({"axis": 1, "temperature": 2.0}, [(2, 3, 4)])],
    "softmin": [({}, [(2, 3, 4)]), ({"axis": 0}, [(2, 3, 4)])],
    "SoftmaxActivation": [({}, [(2, 3)]), ({"mode": "channel"}, [(2, 3, 4, 2)])],
    "softmax_cross_entropy": [({}, _LABELS)],
    "SoftmaxOutput": [
        ({}, _LABELS),
        ({"multi_output": True}, [(2, 3, 4), ("index:3", (2, 4))]),
        ({"preserve_shape": True}, [(2, 4, 3), ("index:3", (2, 4))]),
        ({"use_ignore": True, "ignore_label": 1.0, "normalization": "valid"}, _LABELS),
        ({}, [(2, 3), ("probability", (2, 3))]),
    ],
    **{
        f"{name}RegressionOutput": [({}, [(4, 3), (4, 3)]), ({}, [(4, 1), (4,)]), ({"grad_scale": 2.0}, [(2, 3, 2), (2, 3, 2)])]
        for name in ("Linear", "Logistic", "MAE")
    },
    "MakeLoss": [({"normalization": word, "grad_scale": 2.0, "valid_thresh": 0.2}, [(4, 3)]) for word in ("null", "batch", "valid")],
    "SVMOutput": [({}, _LABELS), ({"use_linear": True, "margin": 0.5, "regularization_coefficient": 2.0}, _LABELS)],
    "IdentityAttachKLSparseReg": [({}, [("share", (4, 3)), ("share", (3,))])],
    "CTCLoss": [
        ({}, [(6, 2, 4), ("lengths:3", (2, 3))]),
        (
            {"use_data_lengths": True, "use_label_lengths": True},
            [(6, 2, 4), ("lengths:3", (2, 3)), ("lengths:6", (2,)), ("lengths:3", (2,))],
        ),
        ({"blank_label": "last"}, [(6, 2, 4), ("index:3", (2, 3))]),
    ],
    "SequenceMask": [({}, [(4, 2, 3)]), ({"use_sequence_length": True, "value": -1.0}, [(4, 2, 3), ("lengths:4", (2,))])],
    "SequenceLast": [({}, [(4, 2, 3)]), ({"use_sequence_length": True}, [(4, 2, 3), ("lengths:4", (2,))])],
    "SequenceReverse": [({}, [(4, 2, 3)]), ({"use_sequence_length": True}, [(4, 2, 3), ("lengths:4", (2,))])],
    "RNN": [
        ({"mode": mode, "state_size": 3, "num_layers": 1, "state_outputs": True}, [(4, 2, 3), (gates * 24,), (1, 2, 3)])
        for mode, gates in (("rnn_relu", 1), ("rnn_tanh", 1), ("gru", 3))
    ]
    + [
        ({"mode": "lstm", "state_size": 3, "num_layers": 1, "state_outputs": True}, [(4, 2, 3), (96,), (1, 2, 3), (1, 2, 3)]),
        ({"mode": "lstm", "state_size": 3, "num_layers": 1, "bidirectional": True}, [(4, 2, 3), (192,), (2, 2, 3), (2, 2, 3)]),
        ({"mode": "lstm", "state_size": 3, "num_layers": 2, "state_outputs": True}, [(4, 2, 3), (192,), (2, 2, 3), (2, 2, 3)]),
        (
            {"mode": "lstm", "state_size": 3, "num_layers": 1, "state_outputs": True, "projection_size": 2},
            [(4, 2, 3), (4 * 3 * (3 + 2) + 2 * 3 + 24,), (1, 2, 2), (1, 2, 3)],
        ),
    ],
    # -- random
    **{
        name: [({}, [("positive", (2, 3))] * count)]
        for name, count in (
            ("_sample_exponential", 1),
            ("_sample_gamma", 2),
            ("_sample_poisson", 1),
            ("_sample_uniform", 2),
            ("_sample_normal", 2),
            ("_sample_generalized_negative_binomial", 2),
        )
    },
    "_sample_negative_binomial": [({}, [("lengths:4", (2, 3)), ("share", (2, 3))])],
    "_sample_multinomial": [({}, [("probability", (2, 3))]), ({"get_prob": True, "shape": [2]}, [("probability", (2, 3))])],
    **{
        f"_random_{name}": [({"shape": [2, 3]}, [])]
        for name in ("uniform", "normal", "gamma", "exponential", "poisson", "negative_binomial", "generalized_negative_binomial")
    },
    "_random_randint": [({"low": 0, "high": 5, "shape": [2, 3]}, [])],
    **{
        f"_random_pdf_{name}": [({"is_log": log}, [("positive", (2, 3)), *[("positive", (2,))] * count]) for log in (False, True)]
        for name, count in (("normal", 2), ("gamma", 2), ("exponential", 1), ("uniform", 0))
        if count
    },
    "_random_pdf_uniform": [({"is_log": log}, [("share", (2, 3)), ("value:0", (2,)), ("large", (2,))]) for log in (False, True)],
    "_random_pdf_poisson": [({"is_log": log}, [("index:4", (2, 3)), ("positive", (2,))]) for log in (False, True)],
    "_random_pdf_negative_binomial": [({}, [("index:4", (2, 3)), ("lengths:4", (2,)), ("share", (2,))])],
    "_random_pdf_generalized_negative_binomial": [({}, [("index:4", (2, 3)), ("positive", (2,)), ("positive", (2,))])],
    "_random_pdf_dirichlet": [({"is_log": log}, [("probability", (2, 4, 3)), ("positive", (2, 3))]) for log in (False, True)],
}
