"""Files of symbols: what older versions of MXNet wrote, and bad ones, which are refused with the node, quickly and without a trace."""

import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import symbol_programs

import hybridnet as mx
from hybridnet import model, nd, sym
from hybridnet.errors import FileFormatError, HybridnetError, ShapeError
from hybridnet.name import NameManager
from hybridnet.symbol.writing import text


def graph(**kwargs: Any) -> dict[str, Any]:
    """A file in MXNet's words: a product with weights, as 1.9.1 writes it, some keys replaced."""
    nodes = [{"op": "null", "name": name, "inputs": []} for name in ("data", "fc_weight", "fc_bias")]
    dense = {"op": "FullyConnected", "name": "fc", "attrs": {"num_hidden": "3"}, "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]]}
    found = {"nodes": [*nodes, dense], "arg_nodes": [0, 1, 2], "heads": [[3, 0, 0]], "attrs": {"mxnet_version": ["int", 10901]}}
    return {**found, **kwargs}


def with_node(**kwargs: Any) -> str:
    found = graph()
    found["nodes"][3].update(kwargs)
    return json.dumps(found)


# -- what is read ---------------------------------------------------------------------------------


def test_a_file_round_trips(tmp_path: Path) -> None:
    with NameManager():
        net = symbol_programs.program(sym, 5)
    net.save(tmp_path / "a-symbol.json")
    assert sym.load(tmp_path / "a-symbol.json").tojson() == net.tojson() == sym.fromjson(net.tojson()).tojson()
    with pytest.raises(OSError, match="none"):
        sym.load(tmp_path / "none-symbol.json")


def test_strings_are_escaped() -> None:
    name = 'a "b"\\c\nd\té'
    net = sym.var(name, __note__='"')
    assert json.loads(net.tojson())["nodes"][0]["name"] == name
    assert sym.load_json(net.tojson()).list_arguments() == [name]


def test_older_forms_of_attributes() -> None:
    """``param`` and ``attr`` of 0.8, ``attr`` of 0.9 to 0.12; two numbers an input; states without nodes."""
    old = {
        "nodes": [
            {"op": "null", "param": {}, "name": "data", "inputs": [], "backward_source_id": -1},
            {"op": "null", "param": {}, "name": "w", "inputs": [], "attr": {"lr_mult": "2"}},
            {"op": "null", "param": {}, "name": "b", "inputs": []},
            {
                "op": "FullyConnected",
                "param": {"num_hidden": "3", "no_bias": "False"},
                "name": "fc",
                "inputs": [[0, 0], [1, 0], [2, 0]],
                "attr": {"ctx_group": "dev1", "bias_wd_mult": "0"},
            },
            {"op": "null", "param": {}, "name": "bn_gamma", "inputs": []},
            {"op": "null", "param": {}, "name": "bn_beta", "inputs": []},
            {"op": "BatchNorm", "param": {"eps": "0.001"}, "name": "bn", "inputs": [[3, 0], [4, 0], [5, 0]]},
            {"op": "argmax", "param": {"axis": "-1"}, "name": "most", "inputs": [[6, 0]]},
        ],
        "arg_nodes": [0, 1, 2, 4, 5],
        "heads": [[6, 0], [7, 0]],
    }
    net = sym.load_json(json.dumps(old))
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    attributes = net.attr_dict()
    assert attributes["w"] == {"__lr_mult__": "2", "lr_mult": "2"}
    assert attributes["b"] == {"__wd_mult__": "0", "wd_mult": "0"}
    assert attributes["fc"]["ctx_group"] == "dev1"
    assert "most" not in attributes, "the axis -1 was all axes"
    assert net.infer_shape(data=(2, 4))[1] == [(2, 3), (1,)]
    new = {**old, "attrs": {"mxnet_version": ["int", 10901]}}
    with pytest.raises(FileFormatError, match="bias_wd_mult"):
        sym.load_json(json.dumps(new))


def test_casts_of_mixed_precision_are_left_out() -> None:
    a, b = sym.var("a"), sym.var("b")
    casts = sym.amp_multicast(sym.amp_cast(a, dtype="float16"), b, num_outputs=2)
    net = sym.elemwise_add(casts[0], casts[1], name="sum")
    assert [node["op"] for node in json.loads(net.tojson())["nodes"]] == ["null", "null", "elemwise_add"]
    assert "amp_multicast" in net.tojson(remove_amp_cast=False)
    assert text(net._outputs, False) == net.tojson(remove_amp_cast=False)


def test_checkpoints(tmp_path: Path) -> None:
    net = sym.BatchNorm(sym.FullyConnected(sym.var("data"), num_hidden=3, name="fc"), name="bn")
    executor = net.simple_bind(mx.cpu(), data=(2, 4))
    arguments = {name: nd.ones(x.shape) * i for i, (name, x) in enumerate(executor.arg_dict.items()) if name != "data"}
    prefix = str(tmp_path / "net")
    model.save_checkpoint(prefix, 7, net, arguments, executor.aux_dict)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0007.params", "net-symbol.json"]
    again, found, states = model.load_checkpoint(prefix, 7)
    assert again.tojson() == net.tojson()
    assert {name: x.tolist() for name, x in found.items()} == {name: x.tolist() for name, x in arguments.items()}
    assert states.keys() == executor.aux_dict.keys()
    nd.save(prefix + "-0008.params", {"fc_weight": nd.ones((1,))})
    with pytest.raises(FileFormatError, match=r"names arg:… and aux:…; got 'fc_weight'"):
        model.load_params(prefix, 8)


# -- what is refused ------------------------------------------------------------------------------

BAD = {
    "text": ("x", "JSON"),
    "empty": ("", "JSON"),
    "list": ("[]", "an object with nodes and heads.*got a list"),
    "keys": ('{"a": 1}', "keys a"),
    "deep": ("[" * 100_000, "lists within lists|Expecting"),
    "bytes": (b"\xff\xfe{}", "JSON"),
    "no heads": (json.dumps(graph(heads=[])), "lists of nodes and heads"),
    "head beyond": (json.dumps(graph(heads=[[4, 0, 0]])), "from the 4 nodes before in heads of the given text; got node 4"),
    "head's output": (json.dumps(graph(heads=[[3, 1, 0]])), "1 outputs of 'fc' in heads.*; got 1"),
    "cycle": (with_node(inputs=[[3, 0, 0]]), r"3 nodes before in node 3, 'fc' \(FullyConnected\), of the given text; got node 3"),
    "later": (with_node(inputs=[[9, 0, 0]]), "nodes before"),
    "negative": (with_node(inputs=[[-1, 0, 0]]), r"\[node, output, version\]"),
    "no number": (with_node(inputs=[[True, 0, 0]]), r"\[node, output, version\]"),
    "inputs": (with_node(inputs={"a": 1}), "a list of inputs"),
    "too many": (with_node(inputs=[[0, 0, 0]] * 4), "3 inputs: data, weight, bias in node 3.*; got 4"),
    "operator": (with_node(op="FullyConected"), "'FullyConected', which is near FullyConnected"),
    "attribute": (with_node(attrs={"num_hidden": "3", "nonsense": "1"}), "fc.*nonsense"),
    "value": (with_node(attrs={"num_hidden": "many"}), "num_hidden: int.*'many'"),
    "no strings": (with_node(attrs={"num_hidden": 3}), "attrs of strings by name"),
    "name": (with_node(name=3), "op and name, which are strings"),
    "node": (json.dumps(graph(nodes=[3])), "op and name"),
    "large": (with_node(attrs={"num_hidden": "9" * 5000}), "num_hidden"),
    "variable's inputs": (json.dumps(graph(nodes=[*graph()["nodes"], {"op": "null", "name": "v", "inputs": [[0, 0]]}])), "without inputs"),
    "outputs": (with_node(op="SliceChannel", attrs={"num_outputs": "9999999999"}, inputs=[[0, 0]]), "num_outputs of five digits"),
    "arguments": (with_node(op="Concat", attrs={"num_args": "9999999999"}), "num_args of five digits"),
    "subgraphs": (with_node(subgraphs=[{"nodes": []}]), "graph 0 of node 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str) -> None:
    content, words = BAD[name]
    with pytest.raises(FileFormatError, match=words):
        sym.load_json(content)  # type: ignore[arg-type]


def test_a_state_is_a_variable() -> None:
    nodes = [{"op": "null", "name": n, "inputs": []} for n in "abc"]
    inner = {"op": "relu", "name": "r", "inputs": [[0, 0, 0]]}
    norm = {"op": "BatchNorm", "name": "bn", "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0], [3, 0, 0]]}
    with pytest.raises(FileFormatError, match=r"a variable as moving_mean.*'r' \(relu\)"):
        sym.load_json(json.dumps({"nodes": [*nodes, inner, norm], "heads": [[4, 0, 0]]}))


def test_a_shape_of_any_size_costs_nothing() -> None:
    net = sym.load_json(
        json.dumps({"nodes": [{"op": "_zeros", "name": "z", "attrs": {"shape": f"({2**60},)"}, "inputs": []}], "heads": [[0, 0]]})
    )
    assert net.infer_shape()[1] == [(2**60,)]
    with pytest.raises(ShapeError, match=r"\[h \(_histogram\)\].*a \(3,\)"):
        sym.histogram(sym.var("a"), 10**12, (0, 1), name="h").infer_shape(a=(3,))


def mutated(content: str, rng: random.Random) -> str:
    """A file with a few changes: characters, pieces doubled or lost, numbers and words exchanged."""
    for _ in range(rng.randint(1, 4)):
        i, j = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        j = min(j, i + rng.randint(0, 40))
        kind = rng.random()
        if kind < 0.3:
            content = content[:i] + rng.choice('0123456789-[]{}",:\\x"nulltrue ') + content[i + 1 :]
        elif kind < 0.5:
            content = content[:i] + content[j:]
        elif kind < 0.7:
            content = content[:i] + content[i:j] + content[i:]
        else:
            old = rng.choice(('"op"', '"null"', "[0, 0, 0]", "1", '"inputs"', "FullyConnected", '"num_hidden"', "False", "(", "nodes"))
            new = rng.choice(('"name"', "9999999999", "[[[]]]", '"BatchNorm"', "-1", '"relu"', '""', "null", "1e400", "(1,", "foreach"))
            content = content.replace(old, new, rng.randint(1, 2))
    return content


def campaign(count: int) -> int:
    """Read mutated files; how many were refused. Nothing but our error may come of it, and nothing may take long."""
    with NameManager():
        whole = [symbol_programs.program(sym, seed).tojson() for seed in range(6)]
        whole += [symbol.tojson() for symbol, _ in symbol_programs.loops(sym).values()]
    rng, refused = random.Random(1), 0
    for _ in range(count):
        content = mutated(rng.choice(whole), rng)
        begin = time.perf_counter()
        try:
            net = sym.load_json(content)
            net.infer_shape_partial(**({"data": (4, 6)} if "data" in net.list_arguments() else {}))
            net.tojson()
        except FileFormatError:
            refused += 1
        except HybridnetError:
            pass  # a file that is one, of a graph in which nothing fits
        assert time.perf_counter() - begin < 5
    return refused


def test_mutated_files() -> None:
    assert 100 < campaign(400) < 400


@pytest.mark.slow
def test_many_mutated_files() -> None:
    assert campaign(100_000) > 30_000


def test_values_survive_a_file() -> None:
    net = sym.load_json(json.dumps(graph()))
    executor = net.bind(mx.cpu(), [nd.ones((2, 4)), nd.ones((3, 4)), nd.ones((3,))])
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), np.full((2, 3), 5))
