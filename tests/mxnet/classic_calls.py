"""The calls on which the classic vocabulary is compared with MXNet 1.9.1: made from the operators' records.

An operator has one or more bases (:mod:`classic_bases`): inputs and attributes that are right. From each come its call in every dtype, one
for each other value of each attribute, one with all attributes as strings, and one for each axis at length 1. Plain bases follow from
the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from classic_bases import BASES, Base
from support.paths import DATA

from hybridnet.ndarray.record import ClassicOperator
from hybridnet.ndarray.register import OPERATORS

#: Kinds of the one input of elementwise operators that are not defined everywhere.
DOMAINS = {
    "arccos": "unit", "arcsin": "unit", "arctanh": "unit", "erfinv": "unit", "arccosh": "large", "log": "positive", "log10": "positive",
    "log2": "positive", "log1p": "positive", "sqrt": "positive", "rsqrt": "positive", "reciprocal": "positive", "rcbrt": "positive",
    "gamma": "positive", "gammaln": "positive", "cbrt": "positive",
    **{f"{start}{name}": "positive" for start in ("broadcast_", "_") for name in ("power", "mod")}, "broadcast_div": "positive",
    "elemwise_div": "positive", **{f"_{name}_scalar": "positive" for name in ("rdiv", "rmod", "power", "rpower", "mod")},
    "_scatter_elemwise_div": "positive",
}  # fmt: skip

#: Values to try of an attribute, where those of its type do not do: the operator, a start of its name with ``*``, or ``*`` for all.
_VALUES = """
* axis: 0, 1, -1, 5
* axes: [0], [1, 0], []
* k: 0, 1, 2, -1
* lr: 0.5, 1.0
* momentum: 0.5, 0.9
* clip_gradient: 0.1, 0.0
* clip_grad: 0.1
* clip_weights: 0.3
* rescale_grad: 0.5
* wd: 0.0, 0.1
* lower_bound: 0.5
* upper_bound: 0.5
* bias_correction: false
* t: 1, 10
* temperature: 0.5, 2.0
* layout: null
* num_outputs: 1, 2
* workspace: 512
* ctx: "cpu(0)"
* cudnn_tune: "off"
* p_value: 1, 3
* ord: 1, 2
* forward_stype: "default"
* offset: 0, 1, -1
Crop offset: [0, 0]
* depth: 1, 4
* repeats: 1, 2
* block_size: 1
* scale: 1, 2
* p: 0.0
* nsize: 1, 5
* bin_cnt: 3
Dropout mode: "always"
* N: 2
* M: 2, 0
_ravel_multi_index shape: [4, 6]
_unravel_index shape: [5, 4]
* fix_gamma: true
_arange dtype: "float64", "int32"
softmax dtype: "float16", "float64"
log_softmax dtype: "float16", "float64"
softmin dtype: "float16", "float64"
norm out_dtype: "float64"
_random* dtype: "float16", "float64"
_sample* dtype: "float16", "float64"
topk dtype: "float64", "int32", "int64", "uint8"
_sample_multinomial dtype: "float32", "int32", "uint8"
_random_randint dtype: "int32", "int64"
_random_randint shape: [4]
_random* shape: [4]
_sample* shape: [4], [2, 1]
* sparse_grad: false
* high: 9
* low: -1
* alpha: 0.5, 2.0
* beta: 0.5, 2.0
* mu: 0.5
* lam: 0.5, 3.0
* eps: 0.001, 0.5
_random_negative_binomial p: 0.3, 0.7
_random_negative_binomial_like p: 0.3, 0.7
* beta1: 0.5, 0.95
* beta2: 0.5, 0.99
* slope: 0.0, 0.5, 2.0
_mod_scalar scalar: 0.5, -1.5
_arange start: 0.5
_rpower_scalar scalar: 0.5, 2.0
_rmod_scalar scalar: 0.5, 2.0
_arange stop: 7.5
_arange step: 0.5
_arange repeat: 2
Pooling pooling_convention: "full"
* smooth_alpha: 0.0, 0.5
_full shape: [4]
_ones shape: [4]
_zeros shape: [4]
_zeros_without_dtype shape: [4]
SequenceLast axis: 1
SequenceMask axis: 1
GroupNorm output_mean_var: true
clip a_min: 0.0
clip a_max: 0.5, 2.0
"""

#: Attributes that keep the value of the base, by operator: others would be another case, or are no case at all.
_KEPT = """
*: num_args num_arrays num_weights num_tensors num_filter num_hidden kernel stride dilate target_shape adj num_group state_size
  num_layers projection_size use_sequence_length pad_width use_length use_data_lengths use_label_lengths sections indices h_w input_dim
  output_dim lrs wds etas learning_rates step_count num_groups sample_type multi_input_mode range keep_highest begin end step reps size
  lhs_axes rhs_axes lhs_begin lhs_end rhs_begin rhs_end label min_calib_range max_calib_range lstm_state_clip_min lstm_state_clip_max
  lstm_state_clip_nan infer_range bidirectional init_output no_bias
RNN: mode
LeakyReLU: act_type
Dropout: axes
Reshape: shape
broadcast_axis: axis
broadcast_to: shape
scatter_nd: shape
_scatter_set_nd: shape
L2Normalization: mode
SoftmaxActivation: mode
_random_pdf: is_log
BatchNorm: axis
CTCLoss: blank_label
Deconvolution: pad
Convolution: pad
_split_v2: axis
SoftmaxOutput: preserve_shape
Pooling: pad pool_type
SequenceReverse: axis
_zeros_without_dtype: dtype
"""


def _table() -> dict[tuple[str, str], list[Any]]:
    """Both, by operator and attribute."""
    found: dict[tuple[str, str], list[Any]] = {}
    for line in _KEPT.replace("\n  ", " ").split("\n"):
        op, _, names = line.partition(": ")
        found.update({(op, name): [] for name in names.split()})
    for line in _VALUES.strip().split("\n"):
        key, _, values = line.partition(": ")
        op, name = key.split()
        found[op.rstrip("*") or "*", name] = json.loads(f"[{values}]")
    return found


VALUES = _table()

#: Values to try of a type.
KINDS: dict[str, list[Any]] = {
    "bool": [False, True], "int": [0, 1, 2, -1], "float": [0.0, 0.5, -1.5, 2.0], "shape": [[0], [1], [0, 1], [2, 3]],
    "floats": [[0.5, 1.0]],
    "dtype": ["float16", "float32", "float64", "int32", "int64", "uint8", "int8"], "string": [], "bounds": [], "context": ["cpu(0)"],
}  # fmt: skip

DTYPES = ("float32", "float64", "float16", "int32", "int64", "uint8", "int8")

#: Parameters that only ours have, and what no call can vary.
OURS = {("log_softmax", "length"), ("_linalg_potrf", "lower"), ("_linalg_potri", "lower")}


def bases_of(record: ClassicOperator) -> list[Base]:
    """Calls that are right: from the table, or plain ones."""
    if record.name in BASES:
        return BASES[record.name]
    if record.name.startswith(("_contrib", "_image")) or record.variadic or record.aux:
        return []
    kind = DOMAINS.get(record.name, "normal")
    required = [a for a in record.attributes.values() if a.required]
    if required and not all(a.words for a in required):
        return []
    attrs = {a.name: a.words[0] for a in required}
    count = len([name for name in record.inputs if name not in record.asked])
    shapes: list[tuple[int, ...]] = [(2, 3)] * count
    bases: list[Base] = [(attrs, [(kind, shape) for shape in shapes])]
    if record.name.startswith("broadcast_") and count == 2:
        bases += [(attrs, [(kind, (2, 1, 4)), (kind, (3, 1))]), (attrs, [(kind, (1,)), (kind, (2, 3))])]
    return bases


def described(record: ClassicOperator, inputs: list[Any], dtype: str) -> list[list[Any]]:
    """Descriptions of a base's inputs in a dtype, each with a seed of its own."""
    found = []
    for i, item in enumerate(inputs):
        kind, shape, *own = item if isinstance(item[0], str) else ("normal", item)
        name = record.inputs[i] if i < len(record.inputs) else ""
        mine = own[0] if own else dtype
        if "mp_" in record.name and (name not in ("weight", "grad") if name else _place(record, i, len(inputs))[0] >= 2):
            mine = "float32"
        found.append([kind, list(shape), mine, _weight_of(record, i, len(inputs)) + 1])
    return found


def _place(record: ClassicOperator, i: int, count: int) -> tuple[int, int]:
    """Of an input of an update of many weights in mixed precision: its place among those of its weight, and how many these are."""
    size = 5 if "adamw" in record.name or "lamb" in record.name else 4 if "mom" in record.name else 3
    others = {"_multi_mp_adamw_update": 1}.get(record.name, 2 if record.name.startswith("preloaded") else 0)
    return (i % size, size) if i < count - others else (size, size)


def _weight_of(record: ClassicOperator, i: int, count: int) -> int:
    """The number of the input whose numbers an input has: its own, or for a weight's float32 copy those of the weight."""
    if record.inputs and record.inputs[i : i + 1] == ("weight32",):
        return 0
    if record.variadic and "_mp_" in record.name:
        place, size = _place(record, i, count)
        return i - place if place == size - 1 else i
    return i


#: Operators that MXNet has no gradient of: they are called without.
UNRECORDED = {
    "multi_sum_sq", "multi_lars", "reset_arrays", "all_finite", "multi_all_finite", "fill_element_0index", "_slice_assign",
    "_scatter_set_nd", "_slice_assign_scalar", "_grad_add", "khatri_rao", "_onehot_encode", "_histogram",
    "_identity_with_attr_like_rhs", "argsort", "argmax", "argmin",
}  # fmt: skip

#: Operators of which MXNet differentiates the first output alone.
ONE_HEAD = {"LayerNorm", "GroupNorm", "BatchNorm"}

#: Operators that MXNet has for floating arrays alone, by documentation or because it computes garbage of others.
FLOATING = {
    "Convolution", "Deconvolution", "Pooling", "RNN", "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "LRN", "L2Normalization",
    "CTCLoss", "FullyConnected", "Activation", "LeakyReLU", "softmax", "log_softmax", "softmin", "SoftmaxActivation", "SoftmaxOutput",
    "Dropout", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "MakeLoss", "SVMOutput",
    "IdentityAttachKLSparseReg", "UpSampling", "softmax_cross_entropy", "_histogram", "multi_lars", "multi_sum_sq", "moments", "norm",
    "_sample_multinomial", "arctanh", "erfinv", "arccosh", "arcsin", "arccos",
}  # fmt: skip

#: Operators whose bases hold for their lengths alone: with others MXNet reads memory that is not theirs.
NO_LENGTH_ONE = {"CTCLoss", "Reshape", "_split_v2", "slice_axis", "scatter_nd", "_scatter_set_nd", "_slice_assign", "Pad"}


def _dtypes(record: ClassicOperator) -> tuple[str, ...]:
    """The dtypes to call an operator in."""
    if record.name.endswith(("_update", "_phase1", "_phase2")):
        return ("float16",) if "mp_" in record.name else ("float32",) if "adamw" in record.name or "lamb" in record.name else DTYPES[:3]
    if record.name in FLOATING or record.name.startswith(("_linalg", "_random", "_sample")):
        return DTYPES[:2] if record.name.startswith(("_linalg", "CTC", "RNN")) else DTYPES[:3]
    return DTYPES


def _flows(record: ClassicOperator, i: int, description: list[Any]) -> bool:
    """Whether the gradient of an input is asked for: of floating ones that are no labels, indices or states."""
    kind, _, dtype = description[:3]
    name = record.inputs[i] if i < len(record.inputs) else ""
    return (
        dtype.startswith("float") and kind.partition(":")[0] not in ("index", "outside", "lengths") and name not in (*record.aux, "label")
    )


#: The words that MXNet knows, where ours are more.
THEIR_WORDS = {("Activation", "act_type"): ("relu", "sigmoid", "softrelu", "softsign", "tanh")}


def _values(record: ClassicOperator, name: str) -> list[Any]:
    attribute = record.attributes[name]
    family = next((start for start in ("_random", "_sample") if record.name.startswith(start)), "")
    own = next((VALUES[key] for key in ((record.name, name), (family, name), ("*", name)) if key in VALUES), None)
    words = THEIR_WORDS.get((record.name, name), attribute.words)
    values = own if own is not None else [word for word in attribute.words if word in words] or KINDS[attribute.kind]
    return [*values, None] if attribute.optional and attribute.kind != "context" and own is None else list(values)


def calls_of(record: ClassicOperator) -> Iterator[dict[str, Any]]:
    """All calls of an operator."""
    random = record.name.startswith(("_random_", "_sample_", "_shuffle")) and "pdf" not in record.name
    updates = record.name.endswith(("_update", "_phase1", "_phase2"))

    usual = "float16" if "mp_" in record.name else "float32"

    def call(attrs: dict[str, Any], inputs: list[Any], dtype: str = usual, **more: Any) -> dict[str, Any]:
        made = {"op": record.name, "attrs": attrs, "inputs": described(record, inputs, dtype), **more}
        if updates and record.variadic:
            size, count = len(inputs) // 2, attrs.get("num_weights", attrs.get("num_tensors"))
            made["out"] = [i * size for i in range(count)]
        elif not random and not updates and record.name not in UNRECORDED:
            made["gradients"] = [i for i, d in enumerate(made["inputs"]) if _flows(record, i, d)]
        if record.name in ONE_HEAD:
            made["heads"] = 1
        return made

    for attrs, inputs in bases_of(record):
        for dtype in _dtypes(record) if inputs else DTYPES[:1]:
            yield call(attrs, inputs, dtype)
        if attrs:
            yield call(attrs, inputs, strings=True)
        if not random and not updates and inputs and record.name not in UNRECORDED:
            yield call(attrs, inputs, train=False)
        for name in record.attributes:
            if (record.name, name) in OURS:
                continue
            for value in _values(record, name):
                if attrs.get(name, record.attributes[name].default) != value:
                    yield call({**attrs, name: value}, inputs)
        if record.name not in NO_LENGTH_ONE:
            yield from _of_length_one(call, attrs, inputs)


def _of_length_one(call: Any, attrs: dict[str, Any], inputs: list[Any]) -> Iterator[dict[str, Any]]:
    """The base with all axes of one length at 1."""
    shapes = [item[1] if isinstance(item[0], str) else item for item in inputs]
    if any(isinstance(item[0], str) and item[0].partition(":")[0] in ("spd", "lower") for item in inputs):
        return
    for n in sorted({n for shape in shapes for n in shape if n > 1}):
        changed = [tuple(1 if m == n else m for m in shape) for shape in shapes]
        found: list[Any] = []
        for item, shape in zip(inputs, changed, strict=True):
            named = isinstance(item[0], str)
            kind = item[0] if named else "normal"
            if kind.endswith(f":{n}") and not kind.startswith("value"):
                kind = kind.removesuffix(str(n)) + "1"  # indices into that axis
            found.append((kind, shape, *(item[2:] if named else ())))
        yield call(attrs, found)


def all_calls() -> list[dict[str, Any]]:
    """The calls of all operators, each once."""
    records = {record.name: record for record in OPERATORS.values()}
    theirs = {line.split("\t")[0] for line in (DATA / "mxnet_1_9_1_operators.tsv").read_text(encoding="utf-8").splitlines()}
    calls = [call for name in sorted(records) if name in theirs for call in calls_of(records[name])]
    return [json.loads(text) for text in dict.fromkeys(json.dumps(call) for call in calls)]
