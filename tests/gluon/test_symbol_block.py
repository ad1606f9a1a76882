"""Blocks called with symbols, ``export``, and ``SymbolBlock``."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import symbol_programs, symbol_values
from support.paths import DATA

import hybridnet as mx
from hybridnet import autograd, gluon, nd, sym
from hybridnet.errors import ArgumentError, FileFormatError, ShapeError, UninitializedError
from hybridnet.gluon import SymbolBlock, loss, nn, rnn
from hybridnet.name import NameManager


@pytest.fixture(autouse=True)
def _names() -> Any:
    with NameManager():
        yield


def network() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(3, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), nn.Flatten(), nn.Dense(3, activation="tanh"))
    net.add(nn.Dropout(0.5), nn.LeakyReLU(0.1), nn.Dense(2))
    return net


IMAGES = nd.array(np.random.default_rng(0).uniform(-1, 1, (2, 1, 8, 8)))


# -- blocks on symbols ----------------------------------------------------------------------------


def test_names_are_mxnets() -> None:
    assert network()(sym.var("data")).get_internals().list_outputs() == [
        "data", "conv0_weight", "conv0_bias", "conv0_fwd_output", "conv0_relu_fwd_output", "batchnorm0_gamma", "batchnorm0_beta",
        "batchnorm0_running_mean", "batchnorm0_running_var", "batchnorm0_fwd_output", "pool0_fwd_output", "flatten0_flatten0_output",
        "dense0_weight", "dense0_bias", "dense0_fwd_output", "dense0_tanh_fwd_output", "dropout0_fwd_output", "leakyrelu0_fwd_output",
        "dense1_weight", "dense1_bias", "dense1_fwd_output",
    ]  # fmt: skip


class Own(gluon.HybridBlock):
    """A block of a user's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.fc = nn.Dense(3)
            self.w = self.params.get("w", shape=(4, 3), lr_mult=2.0)

    def hybrid_forward(self, F: Any, x: Any, w: Any) -> Any:
        z = F.sum(F.relu(self.fc(x) + 1) * w, axis=1, keepdims=True)
        return F.split(F.concat(z, z), num_outputs=2), z


def test_a_user_s_block() -> None:
    parts, z = Own(prefix="own_")(sym.var("data"))
    assert (parts.name, z.name) == ("own_split0", "own_sum0")
    assert z.get_internals().list_outputs() == [
        "data", "own_dense0_weight", "own_dense0_bias", "own_dense0_fwd_output", "own__plusscalar0_output", "own_relu0_output", "own_w",
        "own__mul0_output", "own_sum0_output",
    ]  # fmt: skip
    assert z.attr_dict()["own_w"] == {
        "__dtype__": "0", "__lr_mult__": "2.0", "lr_mult": "2.0", "__shape__": "(4, 3)", "__storage_type__": "0", "__wd_mult__": "1.0",
        "wd_mult": "1.0",
    }  # fmt: skip


def test_a_hybridized_or_initialized_block_takes_symbols_too() -> None:
    net = network()
    net.initialize()
    net.hybridize()
    expected = net(IMAGES).asnumpy()
    executor = net(sym.var("data")).bind(mx.cpu(), {"data": IMAGES, **values(net)}, aux_states=values(net))
    np.testing.assert_allclose(executor.forward()[0].asnumpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", symbol_programs.layers(gluon))
def test_layers_and_losses_are_mxnets(name: str) -> None:
    """Their files to the byte: names, attributes, operators."""
    assert symbol_programs.layer_text(sym, symbol_programs.layers(gluon)[name], name) == kept()["layers"][name]


def values(net: Any) -> dict[str, Any]:
    return {p.name: p.data() for p in net.collect_params().values()}


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "lstm": (lambda: rnn.LSTM(3, 2, bidirectional=True), (5, 2, 4)),
    "gru NTC": (lambda: rnn.GRU(3, layout="NTC"), (2, 5, 4)),
    "layer norm": (lambda: nn.LayerNorm(), (2, 5, 4)),
    "group norm": (lambda: nn.GroupNorm(2), (2, 4, 3)),
    "instance norm": (lambda: nn.InstanceNorm(), (2, 4, 3)),
    "embedding": (lambda: nn.Embedding(5, 3), (2, 3)),
    "prelu": (lambda: nn.PReLU(), (2, 3)),
    "deconvolution": (lambda: nn.Conv2DTranspose(3, 2, 2), (1, 2, 4, 4)),
    "pooling": (lambda: nn.AvgPool2D(2), (1, 2, 4, 4)),
    "lambda": (lambda: nn.HybridLambda("relu"), (2, 3)),
    "concatenate": (lambda: nn.HybridConcatenate(), (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_the_same_as_symbols(name: str) -> None:
    make, shape = LAYERS[name]
    block = make()
    if name == "concatenate":
        block.add(nn.Dense(2), nn.Dense(3))
    x = nd.array(np.random.default_rng(1).uniform(0, 1, shape) if name != "embedding" else np.arange(6).reshape(2, 3) % 5)
    symbol = block(sym.var("data"))
    block.initialize(mx.init.Uniform(0.5))
    expected = block(x)
    known = values(block)
    executor = symbol.simple_bind(mx.cpu(), data=shape)
    executor.copy_params_from({k: v for k, v in known.items() if k in executor.arg_dict})
    np.testing.assert_allclose(executor.forward(data=x)[0].asnumpy(), expected.asnumpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "both"])
def test_cells_unrolled_as_symbols(kind: str, lengths: bool) -> None:
    cells = {"lstm": lambda: rnn.LSTMCell(3), "gru": lambda: rnn.GRUCell(3), "rnn": lambda: rnn.RNNCell(3)}
    cell = rnn.BidirectionalCell(rnn.LSTMCell(3), rnn.GRUCell(2)) if kind == "both" else cells[kind]()
    x, valid = nd.array(np.random.default_rng(1).uniform(0, 1, (2, 4, 5))), nd.array([4, 2])
    given = {"valid": valid} if lengths else {}
    symbol, _ = cell.unroll(4, sym.var("x"), merge_outputs=True, valid_length=sym.var("valid") if lengths else None)
    names = symbol.get_internals().list_outputs()
    assert len(set(names)) == len(names)
    cell.initialize()
    expected, _ = cell.unroll(4, x, merge_outputs=True, valid_length=valid if lengths else None)
    executor = symbol.simple_bind(mx.cpu(), x=x.shape, **{k: v.shape for k, v in given.items()})
    executor.copy_params_from(values(cell))
    np.testing.assert_allclose(executor.forward(x=x, **given)[0].asnumpy(), expected.asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_loss_on_symbols() -> None:
    made = loss.SoftmaxCrossEntropyLoss()(sym.var("pred"), sym.var("label"))
    assert made.get_internals().list_outputs() == [
        "pred", "softmaxcrossentropyloss0_log_softmax0_output", "label", "softmaxcrossentropyloss0_pick0_output",
        "softmaxcrossentropyloss0__mulscalar0_output", "softmaxcrossentropyloss0_mean0_output",
    ]  # fmt: skip
    pred, label = nd.array([[1.0, 2, 3], [3, 1, 0]]), nd.array([0, 2])
    found = made.eval(pred=pred, label=label)[0]
    np.testing.assert_allclose(found.asnumpy(), loss.SoftmaxCrossEntropyLoss()(pred, label).asnumpy(), rtol=1e-6)


# -- files ----------------------------------------------------------------------------------------


def test_export_and_import(tmp_path: Path) -> None:
    net = network()
    net.initialize()
    net.hybridize()
    expected = net(IMAGES).asnumpy()
    files = net.export(str(tmp_path / "net"), 3)
    assert [Path(f).name for f in files] == ["net-symbol.json", "net-0003.params"]
    assert list(nd.load(files[1])) == [
        "arg:conv0_weight", "arg:conv0_bias", "arg:batchnorm0_gamma", "arg:batchnorm0_beta", "aux:batchnorm0_running_mean",
        "aux:batchnorm0_running_var", "arg:dense0_weight", "arg:dense0_bias", "arg:dense1_weight", "arg:dense1_bias",
    ]  # fmt: skip
    again = SymbolBlock.imports(files[0], ["data"], files[1])
    np.testing.assert_allclose(again(IMAGES).asnumpy(), expected, rtol=1e-5)
    again.hybridize()
    np.testing.assert_allclose(again(IMAGES).asnumpy(), expected, rtol=1e-5)
    assert again.prefix == ""
    assert again.collect_params()["batchnorm0_running_mean"].grad_req == "null"
    assert "1 -> 1" in repr(again)
    with NameManager():
        other = network()
    other.load_parameters(files[1])
    np.testing.assert_allclose(other(IMAGES).asnumpy(), expected, rtol=1e-5)


def test_an_imported_network_is_trained_on(tmp_path: Path) -> None:
    net = network()
    net.initialize()
    net(IMAGES)
    block = SymbolBlock.imports(*net.export(str(tmp_path / "net"))[:1], "data", str(tmp_path / "net-0000.params"))
    trainer = gluon.Trainer(block.collect_params(), "sgd", {"learning_rate": 0.1})
    block.hybridize()
    mean = block.collect_params()["batchnorm0_running_mean"].data().asnumpy().copy()
    found = []
    for _ in range(12):
        with autograd.record():
            value = ((block(IMAGES) - 1) ** 2).sum()
        value.backward()
        trainer.step(2)
        found.append(value.asscalar())
    assert found[-1] < found[0] / 2
    assert not np.allclose(mean, block.collect_params()["batchnorm0_running_mean"].data().asnumpy())


def test_inputs_of_an_exported_network_are_those_of_its_last_call(tmp_path: Path) -> None:
    class Two(gluon.HybridBlock):
        def hybrid_forward(self, F: Any, x: Any, y: Any, z: Any = None) -> Any:
            return x + y if z is None else x + y * z

    for count in (2, 3):
        net = Two()
        net.initialize()
        if count == 3:
            net.hybridize()
            net(*[nd.ones((2,))] * 3)
        files = net.export(str(tmp_path / "two"))
        names = [f"data{i}" for i in range(count)]
        assert sym.load(files[0]).list_arguments() == names
        assert SymbolBlock.imports(files[0], names)(*[nd.ones((2,))] * count).tolist() == [2, 2]


def test_a_block_of_a_symbol(tmp_path: Path) -> None:
    x, y = sym.var("x"), sym.var("y")
    fc = sym.FullyConnected(x, num_hidden=2, name="fc")
    block = SymbolBlock([fc, fc + y], [x, y])
    assert list(block.collect_params()) == ["fc_weight", "fc_bias"]
    block.initialize(mx.init.One())
    first, second = block(nd.ones((1, 3)), nd.ones((1, 2)))
    assert (first.tolist(), second.tolist()) == ([[4, 4]], [[5, 5]])
    assert block.collect_params()["fc_weight"].shape == (2, 3)
    composed = block(sym.var("a"), sym.var("b"))
    assert composed[1].list_arguments() == ["a", "fc_weight", "fc_bias", "b"]
    inside = nn.HybridSequential()
    inside.add(SymbolBlock(fc, x), nn.Dense(1))
    inside.initialize()
    inside.hybridize()
    assert inside(nd.ones((1, 3))).shape == (1, 1)
    shared = SymbolBlock(fc, x, params=block.collect_params())
    assert shared(nd.ones((1, 3))).tolist() == [[4, 4]]
    block.save_parameters(str(tmp_path / "p"))
    assert list(nd.load(str(tmp_path / "p"))) == ["fc_weight", "fc_bias"]


def test_what_is_refused(tmp_path: Path) -> None:
    x = sym.var("x")
    fc = sym.FullyConnected(x, num_hidden=2, name="fc")
    for call, kind, words in (
        (lambda: SymbolBlock(fc, [fc]), ArgumentError, "variables as inputs; got <Symbol fc>"),
        (lambda: SymbolBlock(fc, [sym.var("z")]), ArgumentError, "inputs among x, fc_weight, fc_bias; got z"),
        (lambda: SymbolBlock(fc, [x])(nd.ones((1, 3)), nd.ones((1, 3))), ArgumentError, "1 inputs: x; got 2"),
        (lambda: network().export(str(tmp_path / "n")), Exception, "conv0_weight"),
    ):
        with pytest.raises(kind, match=words):
            call()
    block = SymbolBlock(sym.elemwise_add(fc, sym.broadcast_add(sym.var("w"), sym.var("v"))), [x])
    block.initialize()
    with pytest.raises(ShapeError, match=r"\[w\] expected a shape that follows"):
        block(nd.ones((1, 3)))
    fc.save(str(tmp_path / "fc-symbol.json"))
    nd.save(str(tmp_path / "few.params"), {"arg:fc_weight": nd.ones((2, 3))})
    with pytest.raises(FileFormatError, match="fc_bias"):
        SymbolBlock.imports(str(tmp_path / "fc-symbol.json"), "x", str(tmp_path / "few.params"))
    part = SymbolBlock.imports(str(tmp_path / "fc-symbol.json"), "x", str(tmp_path / "few.params"), allow_missing=True)
    with pytest.raises(UninitializedError):
        part(nd.ones((1, 3)))


@cache
def kept() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((DATA / "mxnet_1_9_1_symbols.json.gz").read_bytes()))
    return found


def test_a_network_that_mxnet_exported(tmp_path: Path) -> None:
    """Its files are read, give what they gave there, and are written again to the byte."""
    path = DATA / "mxnet_1_9_1_exported"
    block = SymbolBlock.imports(f"{path}-symbol.json", ["data"], f"{path}-0000.params")
    x = nd.array(symbol_values.values("export", "data", (2, 1, 8, 8)))
    np.testing.assert_allclose(block(x).asnumpy(), kept()["exported"], rtol=1e-4, atol=1e-6)
    files = block.export(str(tmp_path / "again"))
    assert Path(files[0]).read_bytes() == Path(f"{path}-symbol.json").read_bytes()
    before, after = nd.load(f"{path}-0000.params"), nd.load(files[1])
    assert {name: x.tolist() for name, x in before.items()} == {name: x.tolist() for name, x in after.items()}


def test_symbols_that_mxnet_wrote_as_blocks() -> None:
    for program in kept()["programs"][:20]:
        block = SymbolBlock(sym.load_json(program["json"]), sym.var("data"))
        block.initialize()
        found = block(nd.ones((4, 6)))
        assert [list(y.shape) for y in (found if isinstance(found, list) else [found])] == program["shapes"][1]


def test_names_inside_another_block() -> None:
    """They are the graph's, wherever the block stands, so that parameters of a network are found again."""
    data = sym.var("data")
    net = gluon.nn.Dense(2, in_units=3, prefix="base_")
    net.initialize()

    class Outer(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__(prefix="outer_")
            with self.name_scope():
                extended = sym.FullyConnected(net(data), num_hidden=4, name="more")
                self.inner = SymbolBlock(extended, data, params=net.collect_params())

    outer = Outer()
    assert list(outer.inner.collect_params()) == ["base_weight", "base_bias", "outer_more_weight", "outer_more_bias"]
    assert outer.inner.collect_params()["base_weight"] is net.weight


def test_attributes_that_are_no_initializers() -> None:
    """An initializer given as an attribute of an operator is its text, as in MXNet, which no parameter begins by."""
    layer = sym.Convolution(sym.var("data"), num_filter=1, kernel=(1, 1), name="c", attr={"__init__": mx.init.Xavier()})  # type: ignore[dict-item]
    block = SymbolBlock(layer, sym.var("data"))
    block.initialize(mx.init.One())
    assert block(nd.ones((1, 2, 1, 1))).asnumpy().item() == 3
