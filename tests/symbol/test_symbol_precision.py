"""Symbols in mixed precision: where casts stand, as MXNet 1.9.1 puts them; results, parameters, files, blocks, and bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import symbol_programs

import hybridnet as mx
from hybridnet import amp, dtypes, gluon, nd, sym
from hybridnet.amp.lists import CONDITIONS, FLOAT32, HALF, canonical
from hybridnet.errors import ArgumentError
from hybridnet.gluon import nn
from hybridnet.name import NameManager


def network() -> Any:
    """What compute in 16 bits, in float32, on a condition, in the widest type, in what they are given."""
    x = sym.Convolution(sym.var("data"), num_filter=4, kernel=(3, 3), name="c")
    x = sym.Activation(sym.BatchNorm(x, name="bn"), act_type="relu", name="r")
    x = sym.elemwise_add(x, sym.Activation(x, act_type="softrelu", name="s"), name="add")
    x = sym.Flatten(sym.Pooling(x, kernel=(2, 2), pool_type="max", name="p"), name="f")
    a, b = (sym.FullyConnected(x, num_hidden=5, name=name) for name in ("a", "b"))
    return sym.SoftmaxOutput(sym.Concat(sym.broadcast_add(a, sym.exp(b, name="e")), a, b, name="cat"), name="sm")


def casts(net: Any) -> set[tuple[str, str]]:
    return {(n.inputs[0].node.name, n.attrs["dtype"]) for n in net._nodes if n.op == "amp_cast"}


def values(net: Any, seed: int = 0, **shapes: Any) -> dict[str, Any]:
    """Arrays for all its variables."""
    rng = np.random.RandomState(seed)
    arguments, _, states = net.infer_shape(**shapes)
    names = [*net.list_arguments(), *net.list_auxiliary_states()]
    bounds = [(-0.2, 0.2) if name.endswith("weight") else (0.5, 1) for name in names]
    return {name: nd.array(rng.uniform(*b, shape)) for name, b, shape in zip(names, bounds, [*arguments, *states], strict=True)}


def run(net: Any, arrays: dict[str, Any]) -> list[Any]:
    states = net.list_auxiliary_states()
    executor = net.bind(mx.cpu(), {k: x for k, x in arrays.items() if k not in states}, aux_states={k: arrays[k] for k in states})
    return executor.forward()


#: What MXNet 1.9.1 casts: to 16 bits before products, back where an operator needs float32, or has it of another input.
OF_PRODUCTS = {(name, "float16") for name in ("data", "c_weight", "c_bias", "f", "a_weight", "a_bias", "b_weight", "b_bias")}
BACK = {("r", "float32"), ("a", "float32"), ("b", "float32")}


def test_casts_stand_where_mxnet_has_them() -> None:
    net = network()
    text = net.tojson()
    assert casts(amp.convert_symbol(net)) == OF_PRODUCTS | BACK
    assert net.tojson() == text  # the symbol itself is what it was
    without = {(name, t) for name, t in OF_PRODUCTS if not name.startswith(("data", "c_", "a_"))}
    assert casts(amp.convert_symbol(net, excluded_sym_names=["c", "a"])) == without | {("b", "float32")}
    assert casts(amp.convert_symbol(net, "bfloat16")) == {(n, t.replace("float16", "bfloat16")) for n, t in OF_PRODUCTS} | BACK


def test_parameters_that_are_cast_alone_become_narrow() -> None:
    net = network()
    converted = amp.convert_symbol(net, data_names=["data"], cast_optional_params=True)
    assert casts(converted) == {("data", "float16"), ("f", "float16")} | BACK
    narrow = {name for name, attrs in converted.attr_dict().items() if attrs.get("__dtype__") == "2"}
    assert narrow == {"c_weight", "c_bias", "a_weight", "a_bias", "b_weight", "b_bias"}
    w = sym.var("w")
    product = sym.FullyConnected(sym.var("data"), w, num_hidden=3, no_bias=True, name="d")
    both = amp.convert_symbol(sym.Group([product, sym.sum(w)]), data_names=["data"], cast_optional_params=True)
    assert "w" not in both.attr_dict()  # another operator uses it too


@pytest.mark.parametrize("cast", [False, True])
@pytest.mark.parametrize("target", ["float16", "bfloat16"])
def test_a_model_computes_what_it_did(target: str, cast: bool) -> None:
    net = network()
    arrays = values(net, data=(2, 3, 8, 8), sm_label=(2, 15))
    states = net.list_auxiliary_states()
    given = {k: x for k, x in arrays.items() if k not in states and k not in ("data", "sm_label")}
    converted, args, aux = amp.convert_model(net, given, {k: arrays[k] for k in states}, target, cast_optional_params=cast)
    assert {dtypes.as_dtype(args[k].dtype).name for k in ("c_weight", "a_bias")} == {target if cast else "float32"}
    assert all(aux[k].dtype == np.float32 for k in states) and given["c_weight"].dtype == np.float32
    label = {"sm_label": nd.zeros((2, 15)), "data": arrays["data"]}
    (got,), (expected,) = run(converted, {**args, **aux, **label}), run(net, {**arrays, **label})
    assert got.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(got.asnumpy(), expected.asnumpy(), rtol=0.05, atol=0.02)
    assert not np.array_equal(got.asnumpy(), expected.asnumpy())  # and yet it was another arithmetic


@pytest.mark.parametrize("seed", range(30))
def test_random_symbols_compute_what_they_did(seed: int) -> None:
    """Any graph: it is read again from its file, its outputs keep their types, and nothing is cast twice in a row."""
    with NameManager():
        net = symbol_programs.program(sym, seed)
    converted = amp.convert_symbol(net)
    again = sym.load_json(converted.tojson(remove_amp_cast=False))
    assert again.tojson(remove_amp_cast=False) == converted.tojson(remove_amp_cast=False)
    assert again.list_arguments() == net.list_arguments() and again.list_auxiliary_states() == net.list_auxiliary_states()
    types = dict.fromkeys(net.list_arguments(), "float32")
    assert converted.infer_type(**types)[1] == net.infer_type(**types)[1]
    assert not any(e.node.op == "amp_cast" for n in converted._nodes if n.op == "amp_cast" for e in n.inputs)


def test_lists_name_operators_by_their_first_names() -> None:
    assert all(canonical(name) == name for name in (*HALF, *FLOAT32, *(name for name, *_ in CONDITIONS)))
    assert not HALF & FLOAT32
    assert set(amp.list_loss_output_functions()) <= FLOAT32 and "BatchNorm" in amp.list_lp16_use_fp32_params("bfloat16")


def test_operators_are_moved_by_any_of_their_names() -> None:
    net = sym.log_softmax(sym.Convolution(sym.exp(sym.var("x")), num_filter=2, kernel=(1, 1), no_bias=True, name="c"), name="l")
    assert casts(amp.convert_symbol(net, fp32_ops=["Convolution"], target_dtype_ops=["log_softmax", "convolution"])) == {
        ("c", "float16"),
        ("l", "float32"),
    }
    on_condition = [("LeakyReLU", "act_type", ["leaky"])]
    net = sym.LeakyReLU(sym.FullyConnected(sym.var("x"), num_hidden=2, name="d"), act_type="leaky", name="k")
    assert ("d", "float32") in casts(amp.convert_symbol(net, conditional_fp32_ops=on_condition))
    assert ("k", "float32") in casts(amp.convert_symbol(net))  # an output, which is float32 as before


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float16", "float64"])
def test_casts_leave_whole_numbers_as_they_are(dtype: str) -> None:
    """As MXNet 1.9.1 does: an index of 2,049 is none in 16 bits."""
    floating = dtype.startswith("float")
    x = nd.array([1, 0, 1]).astype(dtype)
    assert nd.amp_cast(x, dtype="float32").dtype == np.dtype("float32" if floating else dtype)
    assert sym.amp_cast(sym.var("x"), dtype="float32").infer_type(x=dtype)[1] == [np.dtype("float32" if floating else dtype).type]
    wide = "float64" if dtype == "float64" else "float32"
    one, other, whole = nd.amp_multicast(x, nd.ones(2), nd.ones(2, dtype="int64"), num_outputs=3)
    assert (one.dtype, other.dtype, whole.dtype) == (np.dtype(wide if floating else dtype), np.dtype(wide), np.int64)


def test_bodies_of_control_flow_stay_as_they_are() -> None:
    data = sym.FullyConnected(sym.var("data"), num_hidden=3, flatten=False, name="d")
    outputs, _ = sym.contrib.foreach(lambda x, s: (x + s, x + s), data, sym.var("s"))
    assert ("d", "float32") in casts(amp.convert_symbol(outputs))


def test_a_block_of_its_own_symbol(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu"), nn.Dense(3))
    net.initialize()
    x = mx.np.ones((2, 5))
    expected = net(x)
    converted = amp.convert_hybrid_block(net, excluded_sym_names=[], cast_optional_params=True)
    assert isinstance(converted, gluon.SymbolBlock)
    assert {dtypes.as_dtype(p.dtype).name for p in converted.collect_params().values()} == {"float16"}
    assert {dtypes.as_dtype(p.dtype).name for p in net.collect_params().values()} == {"float32"}
    np.testing.assert_allclose(converted(x).asnumpy(), expected.asnumpy(), atol=1e-2)
    converted.export(str(tmp_path / "net"), remove_amp_cast=False)
    again = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    np.testing.assert_array_equal(again(x).asnumpy(), converted(x).asnumpy())
    placed = amp.convert_hybrid_block(net, "bfloat16", ctx=mx.cpu())
    np.testing.assert_allclose(placed(x).asnumpy(), expected.asnumpy(), atol=5e-2)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"target_dtype": "int8"}, "expected target_dtype float16 or bfloat16; got 'int8'"),
        ({"target_dtype_ops": ["exp"], "fp32_ops": ["exp"]}, "exp in target_dtype_ops and fp32_ops"),
        ({"fp32_ops": ["nope"]}, "names of operators as fp32_ops; got 'nope'"),
        ({"fp32_ops": "exp"}, "a list of names as fp32_ops"),
        ({"conditional_fp32_ops": [("Activation", "act_type", "relu")]}, "list of values"),
        ({"data_names": ["none"]}, "data_names among data, .*; got none"),
    ],
)
def test_bad_arguments(arguments: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        amp.convert_symbol(network(), **arguments)


def test_what_is_no_symbol_is_refused() -> None:
    with pytest.raises(ArgumentError, match="expected a Symbol; got int"):
        amp.convert_model(1, {}, {})  # type: ignore[arg-type]
