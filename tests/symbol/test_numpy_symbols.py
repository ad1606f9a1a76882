"""``sym.np`` and ``sym.npx`` against what MXNet 1.9.1 makes of the same calls: ``references/mxnet_numpy_symbols.py`` wrote it."""

import gzip
import json
import pickle
from functools import cache
from typing import Any

import numpy as onp
import pytest
from support import numpy_symbols, symbol_values
from support.paths import DATA

import hybridnet as mx
from hybridnet import dtypes, gluon, np, npx, sym
from hybridnet.name import NameManager
from hybridnet.numpy_operators import OPERATORS
from hybridnet.symbol import Symbol


@cache
def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((DATA / "mxnet_1_9_1_numpy_symbols.json.gz").read_bytes()))
    return found


#: Calls that MXNet makes other nodes of: Python code that only it has, a name that it gives twice, the scale of χ², which it has wrong.
OTHER_NODES = ("np.resize(", "np.unravel_index(", "np.empty_like(", "mode='constant'", "np.pad(x, ((1, 1), (0, 2)))", "chisquare")
#: Of several outputs of an average, and of decompositions, vectors may be turned round; so are eigenvectors' gradients.
OTHER_VALUES = ("linalg.svd", "linalg.eigh", "linalg.eig(", "empty_like", "constant_values=3", "npx.rnn")
#: MXNet's gradients are others: of roundings, of a norm at several axes, of an average by weights; and of integers' true division none.
OTHER_GRADIENTS = ("linalg.norm(x, 1, 0)",)


def made(call: str) -> Any:
    with NameManager():
        return numpy_symbols.made(sym, call)


@pytest.mark.parametrize("call", [call for call in numpy_symbols.CALLS if call in kept() and "json" in kept()[call]])
def test_calls_are_mxnets(call: str) -> None:
    """The file to the byte, which is read again; outputs' names, shapes and dtypes; values and gradients, computed as one program."""
    theirs, symbol = kept()[call], made(call)
    text = symbol.tojson()
    if not any(part in call for part in OTHER_NODES):
        assert text == theirs["json"]
        assert symbol.list_outputs() == theirs["outputs"]
    again = sym.load_json(theirs["json"] if "Custom" not in theirs["json"] else text)
    assert type(again) is type(symbol)
    shapes = numpy_symbols.known(symbol)
    types = {name: numpy_symbols.TYPES.get(name, "float32") for name in shapes}
    assert [onp.dtype(t).name for t in again.infer_type(**types)[1] or []] == theirs["types"]
    if not isinstance(theirs.get("shapes"), list):
        return
    inferred = again.infer_shape(**shapes)
    assert [list(s) for s in inferred[1] or []] == theirs["shapes"]
    if "values" not in theirs or any(part in call for part in OTHER_VALUES):
        return
    arrays = {
        name: np.array(numpy_symbols.values(name, shape), dtype=types.get(name, "float32"))
        for name, shape in zip(again.list_arguments(), inferred[0] or [], strict=True)
    }
    states = {name: np.array(numpy_symbols.values(name, shape)) for name, shape in zip(again.list_auxiliary_states(), inferred[2] or [], strict=True)}
    grads = {name: np.zeros_like(x) for name, x in arrays.items()}
    executor = again.bind(mx.cpu(), arrays, grads, "write", states)
    outputs = executor.forward(is_train=True)
    assert [list(y.shape) for y in outputs] == theirs["shapes"]
    assert [dtypes.as_dtype(y.dtype) for y in outputs] == [dtypes.as_dtype(t) for t in theirs["types"]]
    near([symbol_values.digest(y.asnumpy()) for y in outputs], theirs["values"])
    if "gradients" in theirs and not any(part in call for part in OTHER_GRADIENTS):
        executor.backward([mx.nd.array(symbol_values.weights(y.shape), dtype=y.dtype) for y in outputs])
        for name, digest in theirs["gradients"].items():
            near(symbol_values.digest(grads[name].asnumpy()), digest)


def near(mine: Any, theirs: Any) -> None:
    onp.testing.assert_allclose(onp.array(mine), onp.array(theirs), rtol=5e-4, atol=5e-4)


def test_most_operators_are_called() -> None:
    called = {node["op"] for theirs in kept().values() if "json" in theirs for node in json.loads(theirs["json"])["nodes"]}
    assert len(called & OPERATORS.keys()) > 140
