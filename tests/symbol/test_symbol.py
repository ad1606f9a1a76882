"""Composing symbols: names, variables of their own accord, attributes, Python's operators, copies, and what is refused."""

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import hybridnet as mx
from hybridnet import AttrScope, absent, nd, sym
from hybridnet.errors import ArgumentError, ShapeError, SignatureError
from hybridnet.name import NameManager, Prefix
from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol import NotImplementedForSymbol


@pytest.fixture(autouse=True)
def _names() -> Any:
    with NameManager():
        yield


def dense(units: int = 4, **kwargs: Any) -> sym.Symbol:
    return sym.FullyConnected(sym.var("data"), num_hidden=units, **{"name": "fc1", **kwargs})


# -- names ----------------------------------------------------------------------------------------


def test_what_is_not_given_is_a_variable() -> None:
    net = sym.BatchNorm(dense(), name="bn")
    assert net.list_arguments() == ["data", "fc1_weight", "fc1_bias", "bn_gamma", "bn_beta"]
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert net.list_inputs() == [*net.list_arguments(), *net.list_auxiliary_states()]
    assert net.list_outputs() == ["bn_output"]
    assert sym.FullyConnected(weight=sym.var("w"), num_hidden=3).list_arguments() == ["fullyconnected0_data", "w", "fullyconnected0_bias"]
    assert dense(no_bias=True).list_arguments() == ["data", "fc1_weight"]
    assert sym.SoftmaxOutput(dense(), name="softmax").list_arguments()[-1] == "softmax_label"


def test_nodes_are_numbered_by_the_name_that_was_used() -> None:
    x = sym.var("x")
    made = [sym.relu(x), sym.relu(x), sym.split(x, num_outputs=2), sym.SliceChannel(x, num_outputs=2), x + x, x + 1, 2 / x, -x, x > 1]
    names = ["relu0", "relu1", "split0", "slicechannel0", "_plus0", "_plusscalar0", "_rdivscalar0", "_mulscalar0", "_greater_scalar0"]
    assert [y.name for y in made] == names
    assert [sym.contrib.box_nms(x).name, sym.linalg.gemm2(x, x).name, sym.random.uniform(0, 1).name] == [
        "box_nms0",
        "gemm20",
        "_random_uniform0",
    ]
    with Prefix("a_"):
        assert [sym.relu(x).name, sym.relu(x, name="b").name, sym.var("c").name] == ["a_relu0", "a_b", "c"]


def test_every_operator_of_nd_is_there() -> None:
    assert all(hasattr(sym._internal, name) for name in OPERATORS)
    assert all(hasattr(sym, name) for name in OPERATORS if not name.startswith("_"))
    assert "num_hidden" in (sym.FullyConnected.__doc__ or "")
    for namespace in ("contrib", "linalg", "image"):
        names = [op.removeprefix(f"_{namespace}_") for op in OPERATORS if op.startswith(f"_{namespace}_")]
        assert names
        assert all(hasattr(getattr(sym, namespace), name) for name in names)
    with pytest.raises(absent.AbsentError, match=r"'FullyConnectd'.*try FullyConnected"):
        _ = sym.FullyConnectd


# -- parts ----------------------------------------------------------------------------------------


def test_outputs_by_number_name_and_slice() -> None:
    parts = sym.split(sym.var("x"), num_outputs=3, name="s")
    assert (len(parts), parts.num_outputs, parts.list_outputs()) == (3, 3, ["s_output0", "s_output1", "s_output2"])
    assert [y.list_outputs() for y in parts] == [["s_output0"], ["s_output1"], ["s_output2"]]
    assert parts[-1].list_outputs() == parts["s_output2"].list_outputs() == ["s_output2"]
    assert parts[:2].list_outputs() == ["s_output0", "s_output1"]
    with pytest.raises(IndexError):
        parts[3]
    with pytest.raises(ArgumentError, match=r"'s_outputs', which none has.*try 's_output"):
        parts["s_outputs"]
    with pytest.raises(ArgumentError, match="several have"):
        sym.Group([sym.var("a"), sym.var("a")])["a"]


def test_groups_internals_and_children() -> None:
    fc = dense()
    group = sym.Group([fc, sym.Group([sym.relu(fc), sym.var("y")])])
    assert group.list_outputs() == ["fc1_output", "relu0_output", "y"]
    assert (group.name, fc.name) == (None, "fc1")
    assert repr(group) == "<Symbol group [fc1, relu0, y]>"
    assert fc.get_internals().list_outputs() == ["data", "fc1_weight", "fc1_bias", "fc1_output"]
    assert fc.get_internals()["fc1_output"].list_arguments() == fc.list_arguments()
    children = fc.get_children()
    assert children is not None
    assert children.list_outputs() == ["data", "fc1_weight", "fc1_bias"]
    assert sym.var("x").get_children() is None
    for wrong in ([], [fc, 2]):
        with pytest.raises(SignatureError, match=r"\[Group\]"):
            sym.Group(wrong)  # type: ignore[arg-type]


# -- attributes -----------------------------------------------------------------------------------


def test_what_is_said_of_a_variable() -> None:
    x = sym.var("x", shape=[2, 0], dtype="float16", lr_mult=2, wd_mult=0.5, init=mx.init.One(), stype="csr", __mine__="1", attr={"a": "b"})
    assert x.attr_dict() == {
        "x": {
            "__shape__": "(2, 0)", "__dtype__": "2", "__lr_mult__": "2", "lr_mult": "2", "__wd_mult__": "0.5", "wd_mult": "0.5",
            "__init__": '["one", {}]', "__storage_type__": "2", "__mine__": "1", "a": "b",
        }
    }  # fmt: skip
    assert (x.attr("lr_mult"), x.attr("__shape__"), x.attr("none")) == ("2", "(2, 0)", None)
    x._set_attr(force="yes")
    assert x.list_attr()["force"] == "yes"
    with pytest.raises(SignatureError, match="try __mine__="):
        sym.var("x", mine="1")
    with pytest.raises(ArgumentError, match="string as the variable's name"):
        sym.var(3)  # type: ignore[arg-type]


def test_attributes_of_scopes_reach_the_variables_that_are_made() -> None:
    with AttrScope(ctx_group="dev1"), AttrScope(__note__="n", ctx_group="dev2"):
        net = dense(attr={"__more__": "m"}, lr_mult=3)
    scope = {"__ctx_group__": "dev2", "ctx_group": "dev2", "__note__": "n"}
    expected = {**scope, "__more__": "m", "__lr_mult__": "3", "lr_mult": "3", "num_hidden": "4"}
    assert net.list_attr() == expected
    assert net.attr_dict() == {"data": scope, "fc1": expected, "fc1_weight": expected, "fc1_bias": expected}
    assert sym.Group([net, net[0]]).list_attr() == expected
    assert sym.Group([net, sym.var("a")]).list_attr() == {}
    with pytest.raises(ArgumentError, match="string as the attribute a"):
        AttrScope(a=1)  # type: ignore[arg-type]


def test_attributes_are_the_strings_that_mxnet_writes() -> None:
    x = sym.var("x")
    made = sym.Pooling(x, kernel=[2, 2], stride=np.int64(2), global_pool=False, p_value=None)
    assert made.list_attr() == {"kernel": "[2, 2]", "stride": "2", "global_pool": "False", "p_value": "None"}
    assert sym.cast(x, dtype=np.float16).list_attr() == {"dtype": "float16"}
    assert sym.reshape(x, shape=(np.int64(2), 3)).list_attr() == {"shape": "(2, 3)"}
    assert (x + np.float32(0.5)).list_attr() == {"scalar": "0.5"}
    assert sym.sum(x, axis=None).list_attr() == {"axis": "None"}


# -- calls ----------------------------------------------------------------------------------------


def test_a_call_replaces_variables_in_a_copy() -> None:
    net = sym.relu(dense(), name="r")
    other = net(data=sym.var("a") * 2, fc1_weight=sym.var("w"), name="q")
    assert other.list_arguments() == ["a", "w", "fc1_bias"]
    assert other.list_outputs() == ["q_output"]
    assert net.list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    assert net(sym.var("z")).list_arguments() == ["z", "fc1_weight", "fc1_bias"]
    with pytest.raises(SignatureError, match=r"expected one of the variables data.*got dta.*try data"):
        net(dta=other)
    with pytest.raises(SignatureError, match="all by place or all by name"):
        net(other, data=other)


def test_methods_are_operators() -> None:
    x = sym.var("x")
    assert x.reshape(2, -1).list_attr() == x.reshape((2, -1)).list_attr() == x.reshape(shape=(2, -1)).list_attr() == {"shape": "(2, -1)"}
    assert x.transpose().list_attr() == {}
    assert x.sum(axis=1).list_attr() == {"axis": "1"}
    assert x.astype("int32").name == "cast0"
    assert abs(x).name == "abs0"
    assert x.softmax().list_outputs() == ["softmax0_output"]


def test_python_s_operators_compute_as_nd_does() -> None:
    x, y = np.float32([[0.5, 2], [3, 1]]), np.float32([[2, 2], [1, 4]])
    a, b = sym.var("a"), sym.var("b")
    for operator in (
        lambda p, q: p + q, lambda p, q: p - q, lambda p, q: p * q, lambda p, q: p / q, lambda p, q: p % q, lambda p, q: p**q,
        lambda p, q: p == q, lambda p, q: p != q, lambda p, q: p < q, lambda p, q: p <= q, lambda p, q: p > q, lambda p, q: p >= q,
    ):  # fmt: skip
        for left, right, made in (
            (mx.nd.array(x), mx.nd.array(y), operator(a, b)),
            (mx.nd.array(x), 2, operator(a, 2)),
            (3, mx.nd.array(y), operator(3, b)),
        ):
            given = {k: v for k, v in {"a": left, "b": right}.items() if k in made.list_arguments()}
            assert made.eval(**given)[0].tolist() == operator(left, right).tolist()
    for function in ("maximum", "minimum", "power", "hypot"):
        of = getattr(sym, function)
        assert of(a, b).eval(a=mx.nd.array(x), b=mx.nd.array(y))[0].shape == (2, 2)
        np.testing.assert_allclose(of(a, 2).eval(a=mx.nd.array(x))[0].asnumpy(), getattr(np, function)(x, np.float32(2)), rtol=1e-6)
        np.testing.assert_allclose(of(2, b).eval(b=mx.nd.array(y))[0].asnumpy(), getattr(np, function)(np.float32(2), y), rtol=1e-6)
        assert of(2, 3) == getattr(np, function)(2, 3)


def test_arrays_that_are_made() -> None:
    assert sym.zeros((2, 3)).eval()[0].tolist() == [[0] * 3] * 2
    assert sym.ones((2,), dtype="int32").eval()[0].dtype is np.int32
    assert sym.full((2,), 3).eval()[0].tolist() == [3, 3]
    assert sym.arange(1, 5, 2, repeat=2).eval()[0].tolist() == [1, 1, 3, 3]
    assert sym.arange(3).eval()[0].tolist() == [0, 1, 2]
    assert sym.eye(2, k=1).eval()[0].tolist() == [[0, 1], [0, 0]]
    assert sym.linspace(0, 1, 3).eval()[0].tolist() == [0, 0.5, 1]
    x = mx.nd.array([[1.0, 2, 3], [4, 5, 6]])
    assert [y.shape for y in sym.split_v2(sym.var("x"), (1,), axis=1).eval(x=x)] == [(2, 1), (2, 2)]
    assert sym.histogram(sym.var("x"), 3, (0, 6)).eval(x=x)[0].tolist() == [1, 2, 3]
    assert sym.random.normal(sym.var("x"), sym.var("y"), shape=(4,)).eval(x=x, y=x)[0].shape == (2, 3, 4)
    assert sym.random.uniform(2, 3, shape=(5,)).eval()[0].asnumpy().min() >= 2
    assert sym.random.multinomial(sym.softmax(sym.var("x")), shape=4).infer_shape(x=(2, 3))[1] == [(2, 4), (2, 4)]


# -- copies ---------------------------------------------------------------------------------------


def test_copies_are_equal_and_apart() -> None:
    net = sym.BatchNorm(dense(), name="bn")
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.tojson() == net.tojson()
        other._set_attr(__a__="1")
        assert net.attr("__a__") is None


def test_a_chain_of_ten_thousand_nodes() -> None:
    """Nothing recurses along a graph: composing, listing, inferring, writing, reading, copying, dropping."""
    net = sym.var("x")
    for _ in range(10_000):
        net = net + 1
    assert net.infer_shape(x=(2,))[1] == [(2,)]
    assert net.infer_type(x="float16")[1] == [np.float16]
    again = sym.load_json(net.tojson())
    assert again.list_arguments() == ["x"]
    assert len(copy.copy(again).get_internals()) == 10_001
    kept = weakref.ref(net._outputs[0].node)
    del net
    gc.collect()
    assert kept() is None


# -- errors ---------------------------------------------------------------------------------------


def test_what_is_refused_and_what_is_said_of_it() -> None:
    x = sym.var("x")
    for call, kind, words in (
        (lambda: sym.FullyConnected(x), SignatureError, r"\[FullyConnected\] expected the attributes num_hidden"),
        (lambda: sym.FullyConnected(x, num_hiden=3), SignatureError, "got num_hiden.*try num_hidden="),
        (lambda: sym.FullyConnected(x, num_hidden="a"), ArgumentError, "num_hidden: int.*; got 'a'; at test_symbol.py"),
        (lambda: sym.FullyConnected(2, num_hidden=3), SignatureError, "expected a Symbol as data; got int"),
        (lambda: sym.FullyConnected(data=x, wight=x, num_hidden=3), SignatureError, "got wight.*try weight"),
        (lambda: sym.FullyConnected(x, x, x, no_bias=True, num_hidden=3), SignatureError, "expected the inputs data, weight; got bias"),
        (lambda: sym.FullyConnected(x, x, data=x, num_hidden=3), SignatureError, "data once"),
        (lambda: sym.relu(sym.split(x, num_outputs=2)), SignatureError, r"one output as data.*try symbol\[0\]"),
        (lambda: sym.FullyConnected(x, num_hidden=3, weight_lr_mult=2), SignatureError, r"weight=sym.var\(name, lr_mult=2\)"),
        (lambda: sym.Activation(x, act_type="relus"), ArgumentError, "relu or"),
        (lambda: sym.maximum(x, "a"), SignatureError, "symbols and numbers"),
        (lambda: sym.random.uniform(x, 1), SignatureError, "all parameters symbols, or all numbers"),
        (lambda: sym.Concat(dim=1), ArgumentError, "num_args"),
        (lambda: bool(x), NotImplementedForSymbol, "holds no values"),
        (lambda: x.asnumpy(), NotImplementedForSymbol, "try eval, bind or simple_bind"),
    ):  # fmt: skip
        with pytest.raises(kind, match=words):
            call()
    with pytest.raises(TypeError):
        x + "a"


def test_shapes_that_contradict_each_other_name_both() -> None:
    net = dense()
    with pytest.raises(ShapeError, match=r"\[fc1 \(FullyConnected\)\].*\(4, 5\).*fc1_weight|fc1_weight.*\(4, 5\)"):
        net.infer_shape(data=(2, 3), fc1_weight=(4, 5))
    a, b = sym.relu(sym.var("a"), name="r"), sym.var("b")
    with pytest.raises(ShapeError, match=r"\[s \(elemwise_add\)\].*r_output \(2, 3\), b \(2, 4\)"):
        sym.elemwise_add(a, b, name="s").infer_shape(a=(2, 3), b=(2, 4))
    with pytest.raises(SignatureError, match=r"one of data, fc1_weight, fc1_bias; got dat.*try data"):
        net.infer_shape(dat=(2, 3))
    with pytest.raises(ShapeError, match="a tuple of lengths as the shape of data"):
        net.infer_shape(data="big")


def test_optimize_for_is_the_identity() -> None:
    net = dense()
    assert net.optimize_for("MKLDNN") is net


def test_any_attribute_hangs_on_an_operator_that_has_none() -> None:
    """As in MXNet: ``attr`` of such an operator may hold what it will; of others what they take, and names between underscores."""
    x = sym.var("x")
    for made in (sym.relu(x, attr={"a": "b"}, name="y"), x.relu(attr={"a": "b"}, name="y")):
        assert made.attr_dict() == {"y": {"a": "b"}}
        assert sym.load_json(made.tojson()).attr_dict() == {"y": {"a": "b"}}
        assert made.eval(x=nd.array([-1.0, 2.0]))[0].tolist() == [0.0, 2.0]
    assert sym.relu(x, name="z", lr_mult=2.0).attr("lr_mult") == "2.0"
    for refused in (lambda: sym.concat(x, x, attr={"a": "b"}), lambda: sym.relu(x, a="b"), lambda: sym.zeros((2,), attr={"a": "b"})):
        with pytest.raises(SignatureError, match="got a;"):
            refused()


def test_classes_by_zipfs_law() -> None:
    """The nodes that MXNet 1.9.1 makes, in its order; values within their range, expectations by the formula."""
    with NameManager():
        parts = sym.contrib.rand_zipfian(sym.var("t"), 4, 5)
    assert [part.list_outputs() for part in parts] == [["_modscalar0_output"], ["_mulscalar0_output"], ["_mulscalar1_output"]]
    drawn, expected, of_drawn = sym.Group(parts).eval(t=nd.array([0.0, 3.0]))
    assert drawn.shape == (4,) and drawn.dtype == np.int64 and set(drawn.tolist()) <= set(range(5))
    for classes, found in (([0, 3], expected), (drawn.asnumpy(), of_drawn)):
        c = np.array(classes)
        np.testing.assert_allclose(found.asnumpy(), np.log((c + 2) / (c + 1)) / np.log(6) * 4)
    with pytest.raises(ArgumentError, match="range_max of 1 or more"):
        sym.contrib.rand_zipfian(sym.var("t"), 4, 0)
