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
#: What MXNet computes otherwise: vectors may be turned round, memory is not what was asked for, all in a row is wrong in an executor.
OTHER_VALUES = (
    "linalg.svd", "linalg.eigh", "linalg.eig(", "empty_like", "constant_values=3", "npx.rnn", "axis=None)", "np.append(x, y)",
    "column_stack([r, r])",
)  # fmt: skip
#: Gradients that MXNet has wrong, as 0 or of the other operand; here they are those of the mathematics, which ``np``'s tests check.
OTHER_GRADIENTS = (
    "std(", "var(", "atleast_", "percentile(", "quantile(", "rot90(x)", "np.where(x > 0, x, 0)", "np.where(x > 0, 1, y)", "arctan2(2, p)",
    "pinv", "eigvalsh",
)  # fmt: skip


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
    states = {
        name: np.array(numpy_symbols.values(name, shape))
        for name, shape in zip(again.list_auxiliary_states(), inferred[2] or [], strict=True)
    }
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


# -- the class ------------------------------------------------------------------------------------


def test_shapes_follow_numpys_rules() -> None:
    """-1 is a length that is not known, () no axes, 0 no elements; of a classic symbol they are 0, nothing known, and 0."""
    x, y = sym.var("x").as_np_ndarray(), sym.var("y").as_np_ndarray()
    z = sym.np.sum(x)
    assert z.infer_shape(x=(2, 3)) == ([(2, 3)], [()], [])
    assert (x + y).infer_shape_partial(x=(2, -1)) == ([(2, -1), None], [None], [])
    assert (x * z).infer_shape(x=(0, 3)) == ([(0, 3)], [(0, 3)], [])
    assert sym.np.zeros((0, 2)).infer_shape() == ([], [(0, 2)], [])
    assert (x * 2).as_nd_ndarray().infer_shape_partial(x=(2, 0)) == ([(2, 0)], [(2, 0)], [])
    assert [a.shape for a in (x * z).eval(x=np.ones((2, 0)))] == [(2, 0)]


def test_a_class_stays_and_is_left() -> None:
    x = sym.var("x").as_np_ndarray()
    kind = type(x)
    assert kind is sym.np._Symbol is type(x + 1) is type(x.exp()) is type(x[0]) is type(sym.npx.softmax(x)) is type(sym.Group([x, x * 2]))
    assert type(x.as_nd_ndarray()) is Symbol is type(x.as_nd_ndarray() + 1)
    assert type(sym.FullyConnected(x, num_hidden=2)) is kind  # MXNet's layers in networks on np
    one = x + 1
    again = pickle.loads(pickle.dumps(one))
    assert type(again) is kind and again.tojson() == one.tojson()
    with pytest.raises(TypeError, match="cannot be iterated"):
        iter(x)
    parts = sym.np.split(x, 2)
    assert [type(part) for part in parts] == [kind, kind]
    assert len(sym.np.linalg.svd(x)) == 3 and sym.np.linalg.svd(x)[1].list_outputs()[0].endswith("_output1")
    with pytest.raises(mx.sym.NotImplementedForSymbol, match="integers and slices"):
        x[None]


def test_what_mxnet_has_wrong_or_in_python_only_is_right() -> None:
    x = sym.var("x").as_np_ndarray()
    value = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    (y,) = sym.np.resize(x, (4, 2)).eval(x=value)
    assert y.asnumpy().tolist() == onp.resize(value.asnumpy(), (4, 2)).tolist()
    (y,) = sym.np.pad(x, ((1, 0), (0, 0)), constant_values=3).eval(x=value)
    assert y.asnumpy()[0].tolist() == [3.0, 3.0, 3.0]
    (y,) = x[-1].eval(x=value)
    assert y.asnumpy().tolist() == [4.0, 5.0, 6.0]
    q = sym.var("q").as_np_ndarray()
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        (y,) = sym.np.percentile(x, q, axis=1, interpolation=method).eval(x=value, q=np.array([0.0, 30.0, 75.0]))
        onp.testing.assert_allclose(y.asnumpy(), onp.percentile(value.asnumpy(), [0, 30, 75], axis=1, method=method), rtol=1e-6)


class Mixed(gluon.HybridBlock):
    """A network on ``np``: a layer with parameters, functions of ``F.np`` and ``F.npx``, Python's operators, indexing."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = gluon.nn.Dense(3, in_units=5)
        self.norm = gluon.nn.BatchNorm(in_channels=3)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        y = F.npx.relu(self.norm(self.dense(x))) + F.np.ones((3,))
        y = F.np.concatenate([y, y[:, 0:2] * 2 - 1], axis=-1)
        return F.np.sum(y, axis=-1) / F.np.max(F.np.abs(x))


def test_a_block_on_np_is_exported_and_served(tmp_path: Any) -> None:
    """The file has MXNet's operators of np, and gives the same here, with a gradient."""
    net = Mixed()
    net.initialize(mx.init.Xavier())
    net.hybridize()
    x = np.random.normal(size=(4, 5))
    expected = net(x)
    net.export(str(tmp_path / "net"))
    text = (tmp_path / "net-symbol.json").read_text()
    operators = {node["op"] for node in json.loads(text)["nodes"]}
    assert operators >= {"_npx_relu", "_npi_ones", "_npi_add", "_npi_concatenate", "_npi_multiply_scalar", "_np_sum", "_np_max", "slice"}
    assert json.loads(text)["attrs"]["is_np_shape"] == ["int", 1]
    assert (tmp_path / "net-0000.params").read_bytes()[24:28] == b"\xca\xfa\x93\xf9"  # arrays of NumPy's rules, as MXNet wants them there
    served = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    served.hybridize()
    onp.testing.assert_allclose(served(x).asnumpy(), expected.asnumpy(), rtol=1e-6)
    x.attach_grad()
    with mx.autograd.record():
        y = served(x)
    y.backward()
    assert float(np.abs(x.grad).sum()) > 0


def test_a_block_of_classic_operators_is_exported_for_either_rules(tmp_path: Any) -> None:
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(3, activation="relu"), gluon.nn.LayerNorm())
    net.initialize()
    net.hybridize()
    net(np.ones((2, 4)))
    net.export(str(tmp_path / "net"))
    assert "is_np_shape" not in (tmp_path / "net-symbol.json").read_text()
    assert (tmp_path / "net-0000.params").read_bytes()[24:28] == b"\xc9\xfa\x93\xf9"


def test_draws_have_their_shapes() -> None:
    executor_of = {call: made(call) for call in numpy_symbols.CALLS if "random." in call and "json" in kept()[call]}
    for call, symbol in executor_of.items():
        arrays = {name: np.array(numpy_symbols.values("p", shape)) for name, shape in numpy_symbols.known(symbol).items()}
        assert [list(y.shape) for y in symbol.eval(**arrays)] == kept()[call]["shapes"], call
    assert npx.is_np_array()
