"""ONNX files as blocks: what is exported comes back, other exporters' ways of writing, the ONNX project's own cases, and bad files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test import loader

import hybridnet as hn
from hybridnet import autograd, gluon
from hybridnet.errors import ArgumentError, FileFormatError, GraphError, HybridnetError
from hybridnet.gluon import nn, rnn
from hybridnet.gluon.model_zoo import vision

#: Of the ONNX project's cases of nodes on float32 numbers, how many are to agree.
SHARE = 0.85


def array(*shape: int, seed: int = 0) -> Any:
    return hn.np.array(np.random.default_rng(seed).normal(size=shape), dtype="float32")


def back(net: Any, x: Any, file: Path, **kwargs: Any) -> Any:
    net.initialize(hn.init.Xavier())
    net(x)
    hn.onnx.export(net, file, x, {"data": {0: "batch"}}, **kwargs)
    return hn.onnx.import_(file)


def convolutional() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2, 2, ceil_mode=True))
    net.add(nn.AvgPool2D(3, 2, 1), nn.Dropout(0.5), nn.Dense(10), nn.LayerNorm(), nn.GELU())
    return net


def encoder() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Dense(16, flatten=False), nn.TransformerEncoderLayer(16, 4, 32), nn.Dense(7, flatten=False))
    return net


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (convolutional, (2, 3, 29, 28)),
        (encoder, (2, 5, 6)),
        (lambda: rnn.LSTM(8, num_layers=2, bidirectional=True, layout="NTC"), (2, 5, 4)),
        (lambda: rnn.GRU(8, layout="NTC"), (2, 5, 4)),
    ],
    ids=["convolutional", "encoder", "lstm", "gru"],
)
@pytest.mark.parametrize("opset", [13, 18, 23])
def test_what_is_exported_comes_back(tmp_path: Path, make: Any, shape: tuple[int, ...], opset: int) -> None:
    net = make()
    read = back(net, array(*shape), tmp_path / "net.onnx", opset=opset)
    x = array(3, *shape[1:], seed=1)
    expected = net(x).asnumpy()
    np.testing.assert_allclose(read(x).asnumpy(), expected, rtol=1e-4, atol=1e-5)
    read.hybridize()
    np.testing.assert_allclose(read(x).asnumpy(), expected, rtol=1e-4, atol=1e-5)


def test_an_imported_network_learns(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(16, activation="tanh"), nn.Dense(3))
    read = back(net, array(2, 4), tmp_path / "net.onnx")
    assert sorted(read.collect_params()) == sorted(net.collect_params())
    x, label = array(30, 4), hn.np.array(np.arange(30) % 3)
    read.hybridize()
    trainer = gluon.Trainer(read.collect_params(), "adam", {"learning_rate": 0.05})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    losses = []
    for _ in range(60):
        with autograd.record():
            loss = loss_of(read(x), label).mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("opset", [7, 11, 12, 13, 18, 23])
def test_shapes_that_are_computed(opset: int) -> None:
    """Shape, Gather, Concat, Reshape: how other exporters write ``x.reshape(x.shape[0], -1, 2)``, compiled for each shape."""
    told = {"axes": [0]} if opset < 13 else {}  # from then on an operand
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch"] if told else ["batch", "axes"], ["rows"], **told),
        helper.make_node("Unsqueeze", ["rows"] if told else ["rows", "axes"], ["one"], **told),
        helper.make_node("Squeeze", ["one"] if told else ["one", "axes"], ["again"], **told),
        helper.make_node("Concat", ["again", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["y"]),
    ]
    constants = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1, 2])}
    net = hn.onnx.import_(model(nodes, {"x": ["n", 6]}, {"y": ["n", 3, 2]}, constants, opset))
    net.hybridize()
    for rows in (2, 5):
        assert net(array(rows, 6)).shape == (rows, 3, 2)


def test_arrays_of_nd_and_of_np() -> None:
    """An operator asks an array for its type, which the two kinds of arrays answer differently."""
    net = hn.onnx.import_(model([helper.make_node("Div", ["x", "two"], ["y"])], {"x": [3]}, {"y": [3]}, {"two": np.full(1, 2, np.float32)}))
    x = array(3)
    for active in (False, True):
        net.hybridize(active)
        for given in (x, x.as_nd_ndarray()):
            found = net(given)
            assert type(found) is type(given)
            np.testing.assert_allclose(found.asnumpy(), x.asnumpy() / 2)


def test_places_fewer_than_there_are_known_numbers() -> None:
    """How BERT's files pick of a table that is longer than the text: known before the network runs, as by onnxruntime."""
    nodes = [helper.make_node("GatherElements", ["table", "places"], ["picked"], axis=1), helper.make_node("Add", ["x", "picked"], ["y"])]
    constants = {"table": np.arange(24, dtype=np.float32).reshape(2, 12), "places": np.array([[3, 1, 11]])}
    net = hn.onnx.import_(model(nodes, {"x": [1, 3]}, {"y": [1, 3]}, constants))
    for parameter in net.collect_params().values():  # the table is one, and then not known before
        np.testing.assert_array_equal(net(array(1, 3) * 0).asnumpy(), parameter.data().asnumpy()[:1, [3, 1, 11]])
    constants["table"] = np.arange(24).reshape(2, 12)
    nodes.insert(1, helper.make_node("Cast", ["picked"], ["real"], to=1))
    nodes[2].input[1] = "real"
    net = hn.onnx.import_(model(nodes, {"x": [1, 3]}, {"y": [1, 3]}, constants))
    np.testing.assert_array_equal(net(array(1, 3) * 0).asnumpy(), [[3, 1, 11]])


def model(nodes: Any, inputs: dict[str, Any], outputs: dict[str, Any], constants: dict[str, np.ndarray], opset: int = 18) -> Any:
    def infos(given: dict[str, Any]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given.items()]

    graph = helper.make_graph(nodes, "net", infos(inputs), infos(outputs), [numpy_helper.from_array(x, n) for n, x in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hn.onnx.import_(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model at all")
    with pytest.raises(FileFormatError, match=r"a valid ONNX model; got .*bad\.onnx"):
        hn.onnx.import_(tmp_path / "bad.onnx")
    unknown = model([helper.make_node("TfIdfVectorizer", ["x"], ["y"], name="words", mode="TF", **WORDS)], {"x": [3]}, {"y": [1]}, {})
    with pytest.raises(GraphError, match="got TfIdfVectorizer of ONNX in node 'words'"):
        hn.onnx.import_(unknown)
    cyclic = model([helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Neg", ["a"], ["b"])], {"x": [3]}, {"b": [3]}, {})
    with pytest.raises(FileFormatError, match="a valid ONNX model"):
        hn.onnx.import_(cyclic)
    pooled = helper.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2], dilations=[2, 2])
    net = hn.onnx.import_(model([pooled], {"x": [1, 1, 5, 5]}, {"y": [1, 1, 3, 3]}, {}))
    with pytest.raises(GraphError, match=r"MaxPool 'pool'\] expected dilations of 1"):
        net(array(1, 1, 5, 5))
    with pytest.raises(ArgumentError, match="1 inputs: x; got 2"):
        net(array(1, 1, 5, 5), array(1))


WORDS = {"min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0], "ngram_indexes": [0], "pool_int64s": [1]}


def test_parameters_outside_the_folder(tmp_path: Path) -> None:
    """A file may not have its parameters read from anywhere."""
    (tmp_path / "secret").write_bytes(bytes(16))
    inner = tmp_path / "inner"
    inner.mkdir()
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [4]}, {"y": [4]}, {"w": np.ones(4, np.float32)})
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    (inner / "net.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(FileFormatError):
        hn.onnx.import_(inner / "net.onnx")


def mutated(data: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        return data[: rng.integers(0, len(data))]
    raw = bytearray(data)
    for _ in range(int(rng.integers(1, 8))):
        raw[rng.integers(0, len(raw))] = int(rng.integers(0, 256))
    return bytes(raw)


@pytest.mark.parametrize("cases", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_files_are_refused_or_read(tmp_path: Path, cases: int) -> None:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(2, 3), nn.Activation("relu"), nn.Dense(2))
    back(net, array(2, 1, 5, 5), tmp_path / "net.onnx")
    data = (tmp_path / "net.onnx").read_bytes()
    refused = 0
    for seed in range(cases):
        (tmp_path / "mutated.onnx").write_bytes(mutated(data, seed))
        try:
            hn.onnx.import_(tmp_path / "mutated.onnx")
        except HybridnetError:
            refused += 1
    assert cases / 4 < refused < cases


@pytest.mark.slow
def test_the_cases_of_the_onnx_project() -> None:
    """Each agrees or is refused by an error of ours; at least the share that is asked for agrees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every = loader.load_model_tests(kind="node")
    chosen = [case for case in every if of_floats(case.model)]
    agreed = 0
    wrong = []
    for case in chosen:
        try:
            agrees = agrees_with(case)
        except HybridnetError:
            continue
        agreed += agrees
        if not agrees:
            wrong.append(case.name)
    assert len(chosen) > 900
    assert not wrong
    assert agreed / len(chosen) > SHARE


def of_floats(case: Any) -> bool:
    values = [*case.graph.input, *case.graph.output]
    if {o.domain for o in case.opset_import} - {"", "ai.onnx", "ai.onnx.ml"}:
        return False
    if any(v.type.WhichOneof("value") != "tensor_type" for v in values):
        return False
    types = {v.type.tensor_type.elem_type for v in values}
    return TensorProto.FLOAT in types and types <= {TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL}


def agrees_with(case: Any) -> bool:
    net = hn.onnx.import_(case.model)
    for inputs, outputs in case.data_sets:
        with np.errstate(all="ignore"):
            results = net(*[hn.np.array(x, dtype=x.dtype) for x in inputs])
        for result, expected in zip(results if isinstance(results, tuple) else (results,), outputs, strict=False):
            found = result.asnumpy()
            if found.shape != expected.shape or found.dtype != expected.dtype:
                return False
            if not np.allclose(found, expected, case.rtol, max(case.atol, 1e-6), equal_nan=True):
                return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18_v1", "mobilenetv2_0.25", "densenet121", "inceptionv3", "squeezenet1.0"])
def test_the_zoo_comes_back(tmp_path: Path, name: str) -> None:
    size = 299 if "inception" in name else 224
    net = vision.get_model(name)
    read = back(net, array(1, 3, size, size), tmp_path / "net.onnx")
    x = array(2, 3, size, size, seed=1)
    expected = net(x).asnumpy()
    np.testing.assert_allclose(read(x).asnumpy(), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
