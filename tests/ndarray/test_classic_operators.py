"""The records of the classic operators against what MXNet 1.9.1 says of its own.

``data/mxnet_1_9_1_operators.tsv`` and ``mxnet_1_9_1_symbols.tsv`` are written by ``support/mxnet_operators.py``, which says what they hold.
"""

import inspect
import json
import re
from typing import Any, Literal

import numpy
import pytest
from support.paths import DATA, ROOT

from hybridnet import autograd, cpu, gpu
from hybridnet import ndarray as nd
from hybridnet.core import asarray
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError, SignatureError
from hybridnet.ndarray import register
from hybridnet.ndarray.attributes import REQUIRED, Array, Attribute, Shape, attribute_of
from hybridnet.ndarray.record import ClassicOperator, record_of
from hybridnet.ndarray.register import FUNCTIONS, OPERATORS
from hybridnet.symbol.symbol import Symbol, called


def _lines(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


#: By MXNet's name: its other names, and its parameters in MXNet's words.
MXNETS = {
    own: (others.split(","), [p.split(": ", 1) for p in parameters]) for own, others, *parameters in _lines("mxnet_1_9_1_operators.tsv")
}
CANONICAL = {name: own for own, (others, _) in MXNETS.items() for name in (own, *others)}
RECORDS = {operator.name: operator for operator in OPERATORS.values()}

#: Operators that MXNet 1.9.1 has not: its later versions', and three that it writes in Python.
OURS = {
    "log_sigmoid",
    "softplus",
    "mish",
    "masked_softmax",
    "masked_log_softmax",
    "_contrib_isnan",
    "_contrib_isinf",
    "_contrib_isfinite",
    "_contrib_sparse_softmax_cross_entropy",
    "_contrib_rms_norm",
    "_contrib_scaled_dot_product_attention",
    "_contrib_cache_update",
    "_contrib_rotary_embedding",
    "_image_random_gray",
    "_sparse_adagrad_update", "_copyto",  # MXNet's, where the list of its operators did not look
}  # fmt: skip

#: Parameters that only ours have.
MORE = {
    "IdentityAttachKLSparseReg": {"moving_avg"},  # which MXNet does not list there
    "log_softmax": {"length"}, "softmin": {"length"}, "_linalg_potrf": {"lower"}, "_linalg_potri": {"lower"},
    "_image_random_flip_left_right": {"p"}, "_image_random_flip_top_bottom": {"p"}, "khatri_rao": {"num_args"}, "add_n": {"num_args"},
}  # fmt: skip


# -- names and parameters -------------------------------------------------------------------------


def test_the_operators_are_mxnets() -> None:
    assert {name for name in RECORDS if name not in MXNETS} == OURS
    assert len(RECORDS) > 270


@pytest.mark.parametrize("name", sorted(set(OPERATORS) & set(CANONICAL)))
def test_a_name_means_the_operator_that_it_means_in_mxnet(name: str) -> None:
    """Under its own name, or (the versions 1 of layers) one with the parameters of a later one."""
    mine, theirs = OPERATORS[name].name, CANONICAL[name]
    assert mine == theirs or theirs.removesuffix("_v1") == mine


@pytest.mark.parametrize("name", sorted(set(RECORDS) - OURS - {"Custom", "_linspace"}))  # said by what they call
def test_parameters_are_mxnets(name: str) -> None:
    record, (_, parameters) = RECORDS[name], MXNETS[name]
    arrays = [key for key, kind in parameters if _is_array(kind)]
    attributes = [key for key, kind in parameters if not _is_array(kind)]
    more = MORE.get(name, set())
    assert sorted(key for key in record.inputs if key not in more) == sorted(a for a in arrays if not record.variadic)
    assert bool(record.variadic) == any(_is_array(kind) and "[]" in kind for _, kind in parameters)
    assert [key for key in record.attributes if key not in more] == attributes
    for key, kind in parameters:
        if not _is_array(kind):
            _check_attribute(record, record.attributes[key], kind)


def _is_array(kind: str) -> bool:
    return kind.startswith(("NDArray", "Symbol"))


_KINDS = {
    "Shape(tuple)": ("shape", "bounds"), "Shape": ("shape",), "boolean": ("bool",), "int": ("int",), "int (non-negative)": ("int",),
    "long": ("int",), "long (non-negative)": ("int",), "float": ("float",), "double": ("float",), "real_t": ("float",),
    "string": ("string", "context"),
    "tuple of <float>": ("floats",), "": ("floats",),
}  # fmt: skip


def _check_attribute(record: ClassicOperator, mine: Attribute, words: str) -> None:
    """MXNet's words are a type, ``, optional`` or ``, required``, and perhaps ``, default=``."""
    kind, _, default = words.partition("default=")
    kind = re.sub(r",\s*(optional|required)?,?\s*$", "", kind.strip()).strip()
    if kind.startswith("{"):
        values = {word.strip(" '") for word in kind[1:-1].split(",")} - {"None"}
        assert mine.kind == "dtype" if values & {"float32", "int32"} else values <= set(mine.words)
        optional = "None" in kind
    else:
        optional = kind.endswith(" or None")
        assert mine.kind in _KINDS[kind.removesuffix(" or None")]
    assert mine.optional or not optional, "MXNet's may be None"
    assert mine.required == ("required" in words and mine.name != record.variadic)
    if default and mine.name != "ctx":
        theirs = None if default.strip("'") == "None" else mine.parse(record.name, default.strip("'"))
        assert mine.default == (pytest.approx(theirs, rel=1e-6) if mine.kind == "float" and theirs is not None else theirs)


# -- strings --------------------------------------------------------------------------------------

#: Values of each type of attribute, and how MXNet writes them.
VALUES: dict[str, list[tuple[Any, str]]] = {
    "bool": [(True, "True"), (False, "False")],
    "int": [(0, "0"), (-7, "-7"), (2**40, str(2**40))],
    "float": [(0.5, "0.5"), (1e-05, "1e-05"), (-3.0, "-3.0"), (float("inf"), "inf")],
    "string": [("a b", "a b")],
    "shape": [((), "()"), ((3,), "(3,)"), ((2, -1), "(2, -1)")],
    "bounds": [((None, 2), "(None, 2)"), ((), "()")],
    "floats": [((0.5, 1e-05), "(0.5, 1e-05)"), ((2.0,), "(2.0,)")],
    "dtype": [("float16", "float16"), ("bfloat16", "bfloat16")],
    "context": [(None, ""), (cpu(0), "cpu(0)"), (gpu(3), "gpu(3)")],
}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_attributes_round_trip_through_strings(name: str) -> None:
    record = RECORDS[name]
    for attribute in record.attributes.values():
        values = [(word, word) for word in attribute.words] if attribute.words else VALUES[attribute.kind]
        if attribute.optional and attribute.kind != "context":
            values = [*values, (None, "None")]
        for value, text in values:
            assert attribute.text(value) == text
            assert attribute.parse(name, text) == value
        if attribute.default is not REQUIRED and not (attribute.default is None and not attribute.optional):
            assert attribute.parse(name, attribute.text(attribute.default)) == attribute.default
    samples = {a.name: a.words[0] if a.words else VALUES[a.kind][0][0] for a in record.attributes.values()}
    assert record.complete(record.texts(samples)) == samples


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "1", True), ("bool", "false", False), ("shape", "[3,3]", (3, 3)), ("shape", "(3L, 4L)", (3, 4)), ("shape", "3", (3,)),
        ("int", " 5L", 5), ("shape", "(2,)", (2,)), ("floats", "[0.1,2]", (0.1, 2.0)), ("bounds", "(None,)", (None,)),
    ],
)  # fmt: skip
def test_other_strings_that_mxnet_reads(kind: str, text: str, value: Any) -> None:
    assert Attribute("a", kind).parse("op", text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bool", "yes"), ("int", "2.5"), ("int", "None"), ("float", "a"), ("shape", "(3, x)"), ("shape", "(3, 3]"), ("dtype", "float33"),
        ("word", "maximum"), ("context", "tpu(0)"), ("floats", "(0.1, )x"),
    ],
)  # fmt: skip
def test_strings_of_no_value(kind: str, text: str) -> None:
    with pytest.raises(DtypeError if kind == "dtype" else ArgumentError, match=r"\[op\] expected pool: .*got '"):
        Attribute("pool", kind, words=("max", "avg") if kind == "word" else ()).parse("op", text)


def test_values_become_strings_whatever_holds_them() -> None:
    record = OPERATORS["Convolution"]
    assert record.texts({"kernel": [3, 3], "stride": 2, "no_bias": 1}) == {"kernel": "(3, 3)", "stride": "(2,)", "no_bias": "True"}
    assert OPERATORS["Cast"].texts({"dtype": numpy.float16}) == {"dtype": "float16"}
    assert OPERATORS["clip"].texts({"a_min": 0, "a_max": numpy.float32(6)}) == {"a_min": "0.0", "a_max": "6.0"}


# -- symbols --------------------------------------------------------------------------------------

SYMBOLS = [line for line in _lines("mxnet_1_9_1_symbols.tsv") if line[0] in OPERATORS]


@pytest.mark.parametrize("line", SYMBOLS, ids=lambda line: f"{line[0]} {line[1]}")
def test_symbols_are_mxnets(line: list[str]) -> None:
    """Inputs, auxiliary states, outputs, and the shapes that follow from some inputs' and the attributes."""
    record = OPERATORS[line[0]]
    attributes, known, inputs, states, outputs, shapes, results = map(json.loads, line[1:])
    names = record.input_names(attributes)
    assert [name for name in names if name not in states] == inputs
    assert [name for name in names if name in states] == states
    assert record.aux == tuple(states)
    assert record.output_names(attributes) == tuple(outputs)
    if known or not inputs:
        given = {name: tuple(shape) for name, shape in known.items()}
        assert _as_lists(record.shapes_of_inputs(given, attributes)) == shapes
        symbol = _symbol(line[0], attributes)
        found, outputs_, found_states = symbol.infer_shape(**{f"a_{name}": shape for name, shape in given.items()})
        listed = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
        assert dict(zip(listed, [*(found or []), *(found_states or [])], strict=True)) == {f"a_{k}": tuple(s) for k, s in shapes.items()}
        assert not results or [list(shape) for shape in outputs_ or []] == results


def _symbol(op: str, attributes: dict[str, str]) -> Symbol:
    """The operator alone, its inputs variables named as the operator names them after ``a_``."""
    return called(op, (), {**attributes, "name": "a"})


def _as_lists(shapes: Any) -> dict[str, list[int]]:
    return {name: list(shape) for name, shape in shapes.items()}


def test_every_operator_with_a_rule_was_asked_for_its_shapes() -> None:
    asked = {line[0] for line in SYMBOLS if json.loads(line[2]) or json.loads(line[6])}
    rules = {name for name, record in RECORDS.items() if record.shapes is not None}
    same_shape = {name for name in rules if RECORDS[name].inputs == ("lhs", "rhs")}  # all made by one function
    elsewhere = {name for name in rules if "quanti" in name}  # test_quantized_symbols.py
    # The first two for an input that MXNet has not.
    assert rules - asked - same_shape - elsewhere - OURS == {"log_softmax", "softmin", "Custom"}


def test_shapes_that_do_not_follow() -> None:
    with pytest.warns(UserWarning, match="a_rhs"):
        assert _symbol("broadcast_add", {}).infer_shape(a_lhs=(2, 3)) == (None, None, None)
    with pytest.raises(ShapeError, match="weight"):
        _symbol("Convolution", {"kernel": "(3,)", "num_filter": "5", "no_bias": "True"}).infer_shape(a_data=(2, 3, 4), a_weight=(5, 9, 3))
    with pytest.raises(SignatureError, match="expected the attributes num_filter"):
        _symbol("Convolution", {"kernel": "(3,)"})
    with pytest.raises(SignatureError, match=r"expected the arguments data, p, mode.*got ratio"):
        _symbol("Dropout", {"ratio": "0.5"})


# -- calls ----------------------------------------------------------------------------------------


def test_attributes_may_be_strings() -> None:
    x, w = nd.array(numpy.arange(50).reshape(1, 2, 5, 5)), nd.ones((3, 2, 3, 3))
    expected = nd.Convolution(x, w, kernel=(3, 3), stride=(2, 2), num_filter=3, no_bias=True)
    got = nd.Convolution(x, w, kernel="(3, 3)", stride="[2,2]", num_filter="3", no_bias="True", layout="None", name="conv7", attr={})
    assert got.tolist() == expected.tolist()
    assert nd.Pooling(x, "(5, 5)", "sum").shape == (1, 2, 1, 1)
    assert nd.clip(x, "1", a_max="2.5").max().asscalar() == 2.5
    assert [y.shape for y in nd.split(x, "2", "1")] == [(1, 1, 5, 5)] * 2
    assert nd.slice(x, begin="(0, None)", end="(1, 1)").shape == (1, 1, 5, 5)
    assert nd.full_like(x, 1, name="a").shape == x.shape


def test_positions_are_mxnets() -> None:
    x = nd.ones((2, 6))
    assert [y.shape for y in nd.split(x, 3, 1)] == [(2, 2)] * 3
    assert nd.Pooling(nd.ones((1, 1, 4, 4)), (2, 2), "avg", False, False, "valid", (2, 2)).shape == (1, 1, 2, 2)
    assert nd.uniform(0, 1, (2, 3), "cpu(0)", "float16").dtype is numpy.float16
    assert nd.random.uniform(0, 1, (2, 3), "float16").dtype is numpy.float16


def test_shapes_one_by_one_are_for_methods() -> None:
    """A function's arguments are the operator's attributes in their order, as in MXNet; a method takes the numbers of a shape."""
    x = nd.ones((4, 2))
    assert x.reshape(2, 4).shape == x.reshape((2, 4)).shape == x.reshape(shape=(2, 4)).shape == nd.reshape(x, (2, 4)).shape == (2, 4)
    assert x.transpose(1, 0).shape == x.transpose().shape == nd.transpose(x, (1, 0)).shape == (2, 4)
    assert nd.ones((4, 1)).broadcast_to(4, 3).shape == (4, 3)
    with pytest.raises(HybridnetError, match="reshape"):
        nd.reshape(x, 2, 4)
    for function in (nd.transpose, nd.broadcast_to):
        with pytest.raises(SignatureError, match="too many positional"):
            function(x, 1, 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("uniform", (0.0, 1.0)), ("normal", (0.0, 1.0)), ("gamma", (2.0, 1.0)), ("exponential", (2.0,)), ("poisson", (2.0,)),
        ("negative_binomial", (2, 0.5)), ("generalized_negative_binomial", (2.0, 0.5)), ("bernoulli", (0.5,)),
    ],
)  # fmt: skip
def test_distributions_take_numbers_or_arrays(name: str, parameters: tuple[float, ...]) -> None:
    """A draw of ``shape``, or one for each element; of either kind the same numbers come from the same seed."""
    draw, arrays = getattr(nd.random, name), [nd.array([p, p]) for p in parameters]
    found = []
    for given, kept in ((parameters, {"shape": (2, 4)}), (arrays, {"shape": (4,)}), ((arrays[0], *parameters[1:]), {"shape": 4})):
        nd.random.seed(7)
        found.append(draw(*given, dtype="None", **kept))
    assert [(y.shape, y.dtype) for y in found] == [((2, 4), numpy.float32)] * 3
    for y in found[1:]:
        numpy.testing.assert_allclose(y.asnumpy(), found[0].asnumpy(), rtol=1e-5)
    assert draw(*parameters).shape == (1,)
    assert draw(*arrays).shape == (2,)
    assert draw(*parameters, shape=3, dtype="float16").dtype is numpy.float16


def test_errors_name_the_operator_that_was_written_and_near_arguments() -> None:
    x = nd.ones((1, 1, 4, 4))
    with pytest.raises(SignatureError, match=r"\[Pooling_v1\] expected the arguments \(data, kernel=.*unexpected.*'kernell'.*try kernel="):
        nd.Pooling_v1(x, kernell=(2, 2))
    with pytest.raises(SignatureError, match=r"\[SliceChannel\].*missing.*num_outputs"):
        nd.SliceChannel(x)
    with pytest.raises(ArgumentError, match=r"\[Pooling\] expected pool_type: max or avg or sum or lp; got 'maximum'; at test_classic_op"):
        nd.Pooling(x, kernel=(2, 2), pool_type="maximum")


def test_out_takes_as_many_arrays_as_there_are_results() -> None:
    x = nd.array([[1, 2], [3, 4]])
    parts = [nd.zeros((2, 1)), nd.zeros((2, 1))]
    assert nd.split(x, 2, out=parts)[1] is parts[1]
    assert parts[1].tolist() == [[2], [4]]
    for few in (parts[0], parts[:1]):
        with pytest.raises(ArgumentError, match=r"\[split\] expected .*out.*got"):
            nd.split(x, 2, out=few)


def test_elemwise_names_take_arrays_of_one_shape() -> None:
    """``_plus`` and its like are elementwise in MXNet, and do not broadcast."""
    assert nd._internal._plus(nd.ones((2,)), nd.ones((2,))).tolist() == [2, 2]
    for name in ("_plus", "_mod", "_equal", "elemwise_add"):
        with pytest.raises(ShapeError, match="one shape"):
            FUNCTIONS[name](nd.ones((2, 1)), nd.ones((2,)))


def test_states_are_written_and_plain_arrays_stay_plain() -> None:
    x = nd.array([[1.0], [3.0]])
    mean, var = nd.zeros((1,)), nd.ones((1,))
    with autograd.train_mode():
        nd.BatchNorm(x, nd.ones((1,)), nd.zeros((1,)), mean, var, momentum="0.5")
    assert mean.tolist() == [1.0]
    assert type(nd.exp(asarray([1.0]))) is not nd.NDArray


def test_an_rnn_of_flat_parameters() -> None:
    attributes = {"state_size": "3", "num_layers": "2", "mode": "lstm", "state_outputs": "True"}
    shapes, _, _ = _symbol("RNN", attributes).infer_shape(a_data=(7, 2, 5))
    arrays = [nd.ones(shape) * 0.1 for shape in shapes or []]
    outputs, state, cell = nd.RNN(*arrays, **attributes)
    assert outputs.shape == (7, 2, 3)
    numpy.testing.assert_allclose(outputs[-1].asnumpy(), state[-1].asnumpy())
    assert cell.shape == (2, 2, 3)
    with pytest.raises(ArgumentError, match="clip_min and clip_max"):
        nd.RNN(*arrays, **attributes, lstm_state_clip_min=-1.0)


def test_the_older_way_to_say_a_shape() -> None:
    """The values are MXNet 1.9.1's."""
    x = nd.ones((2, 6, 4))
    assert nd.reshape(x, target_shape=(0, 4)).shape == (12, 4)
    assert nd.reshape(x, target_shape=(7, 0), keep_highest=True).shape == (2, 24)


# -- documentation and the decorator --------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() & OPERATORS.keys()))
def test_help_shows_signature_and_attributes(name: str) -> None:
    function, record = FUNCTIONS[name], OPERATORS[name]
    assert function.__name__ == name
    assert [p for p in inspect.signature(function).parameters if p in record.attributes] == list(record.attributes)
    text = function.__doc__
    assert text and not text.startswith(("\n", "Inputs"))
    assert all(f"``{a.name}``: {a.describe()}" in text for a in record.attributes.values())
    assert all(n.startswith("_") or n in text for n in record.aliases)


def test_nothing_is_of_any_type() -> None:
    """Neither an operator nor a function beside them says ``Any`` of a parameter."""
    for name, function in FUNCTIONS.items():
        for p in inspect.signature(function).parameters.values():
            assert "Any" not in str(p.annotation) or name in ("array", "to_dlpack_for_read"), f"{name}: {p}"


def test_functions_that_are_no_records() -> None:
    def untyped(data: Array, factor=1): ...  # type: ignore[no-untyped-def]
    def unclear(data: Array, factor: Any = 1) -> None: ...
    def open_ended(data: Array, **more: int) -> None: ...
    def optional(data: Array, bias: Array | None = None) -> None: ...
    def uncounted(*data: Array) -> None: ...

    scope = {"Array": Array, "Any": Any}
    for function, message in (
        (untyped, "factor"), (unclear, "no string form"), (open_ended, "more"), (optional, "asked="), (uncounted, "num_args"),
    ):  # fmt: skip
        function.__globals__.update(scope)
        with pytest.raises(TypeError, match=message):
            record_of(function, ["op"], (), {}, (), None, ("output",), None)
    assert attribute_of("a", Literal["x", "y"] | None, None, False).describe() == "{'x', 'y'} or None"
    assert attribute_of("a", Shape, REQUIRED, False).required


def test_the_recipe_is_an_operator() -> None:
    """CONTRIBUTING shows the text that stands in the package."""
    root = ROOT
    recipe = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").split("<!-- recipe: classic operator -->")[1]
    code = recipe.split("```python\n")[1].split("```")[0]
    assert code in (root / "hybridnet/ndarray/shape.py").read_text(encoding="utf-8")


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        register.classic("exp")(inspect.unwrap(FUNCTIONS["exp"]))
