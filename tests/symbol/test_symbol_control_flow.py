"""``foreach``, ``while_loop`` and ``cond`` on symbols, against MXNet 1.9.1 (``references/mxnet_symbols.py``)."""

import copy
import gzip
import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from support import symbol_programs, symbol_values
from support.paths import DATA

import hybridnet as mx
from hybridnet import nd, sym
from hybridnet.errors import ArgumentError, FileFormatError
from hybridnet.name import NameManager


@cache
def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((DATA / "mxnet_1_9_1_symbols.json.gz").read_bytes()))["loops"]
    return found


@pytest.fixture(autouse=True)
def _names() -> Any:
    with NameManager():
        yield


@pytest.mark.parametrize("name", ["foreach", "several", "nested", "while", "while one", "cond", "cond pair"])
def test_loops_are_mxnets(name: str) -> None:
    """The file, bodies and all; shapes that follow within a body; outputs and gradients."""
    symbol, shapes = symbol_programs.loops(sym)[name]
    theirs = copy.deepcopy(kept()[name])
    assert symbol.tojson() == theirs["json"]
    assert (symbol.list_arguments(), symbol.list_outputs()) == (theirs["arguments"], theirs["names"])
    found_shapes = [[list(s) for s in part or []] for part in symbol.infer_shape(**shapes)]
    assert theirs["shapes"][0] is None or found_shapes == theirs["shapes"]
    again = sym.load_json(theirs["json"])
    assert again.tojson() == theirs["json"]
    executor = again.simple_bind(mx.cpu(), **shapes)
    for key, array in executor.arg_dict.items():
        array[:] = symbol_values.values("loops", key, array.shape)
    outputs = executor.forward(is_train=True)
    executor.backward([nd.array(symbol_values.weights(y.shape)) for y in outputs])
    found = [symbol_values.digest(y.asnumpy()) for y in outputs]
    for mine, other in zip(found, theirs["outputs"], strict=bool(theirs["outputs"])):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    if name == "while one":
        del theirs["gradients"]["w"]  # which MXNet has of one step alone
    for key, digest in theirs["gradients"].items():
        np.testing.assert_allclose(symbol_values.digest(executor.grad_dict[key].asnumpy()), digest, rtol=1e-4, atol=1e-5)


def test_a_body_may_read_what_is_computed_outside() -> None:
    far = sym.relu(sym.var("far"))
    out, last = sym.contrib.foreach(lambda x, s: (x * far + s, s + 1), sym.var("data"), sym.var("s"))
    net = sym.Group([out, last])
    assert net.list_arguments() == ["data", "s", "far"]
    found = net.eval(data=nd.array([[1, 2], [3, 4]]), s=nd.array([0, 1]), far=nd.array([2, -1]))
    assert found[0].tolist() == [[2, 1], [7, 2]]
    assert found[1].tolist() == [2, 3]


def test_a_function_without_outputs() -> None:
    out, last = sym.contrib.while_loop(lambda i: i < 5, lambda i: ([], [i + 2]), [sym.var("i")], max_iterations=9)
    assert out == []
    assert last[0].eval(i=nd.array([0]))[0].tolist() == [6]


def test_what_is_refused() -> None:
    x, s = sym.var("x"), sym.var("s")
    for call, words in (
        (lambda: sym.contrib.foreach(lambda a, b: (a, []), x, [s]), "1 new states from the body; got 0"),
        (lambda: sym.contrib.foreach(lambda a, b: (a, [b[0] * 0 + a * 0]), x, 3), "symbols, in nested lists; got int"),
        (lambda: sym.contrib.foreach(lambda a, b: (a, [a]), x, [s]), "reads all data and states; got none of s"),
        (lambda: sym.contrib.while_loop(lambda i: i < 3, lambda i: (i, [i, i]), [x], 3), "1 new loop variables; got 2"),
        (lambda: sym.contrib.while_loop(lambda i: i < 3, lambda i: (i, [i]), [x]), "max_iterations"),
        (lambda: sym.contrib.cond(x, lambda: [x, x], lambda: x), "as many symbols from both functions; got 2 and 1"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            call()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"in_data_locs": "[0]"', '"in_data_locs": "[4]"', "each of 5 places once"),
        ('"in_state_locs": "[3]"', '"in_state_locs": "[9]"', "each of 5 places once"),
        ('"num_outputs": "2"', '"num_outputs": "3"', r"outputs of bodies.*\[2\]"),
        ('"num_args": "6"', '"num_args": "5"', "4 inputs"),
        ('"subgraphs": [', '"graphs": [', "1 subgraphs.*got 0"),
        ('"name": "fc", ', '"name": 3, ', "node 3 of graph 0 of node 5"),
    ],
)
def test_bad_bodies(old: str, new: str, words: str) -> None:
    text = kept()["foreach"]["json"]
    assert old in text
    with pytest.raises(FileFormatError, match=words):
        sym.load_json(text.replace(old, new))
