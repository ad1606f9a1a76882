"""Networks as ONNX files: whole ones, at sizes that nothing was traced at; names, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from support.zoo_networks import size_of

import hybridnet as hn
from hybridnet import gluon
from hybridnet.errors import ArgumentError, DtypeError, GraphError, MismatchError, TraceError
from hybridnet.gluon import nn, rnn
from hybridnet.gluon.model_zoo import vision
from hybridnet.onnx import exporting

BATCH = {"data": {0: "batch"}}


def array(*shape: int, seed: int = 0) -> Any:
    return hn.np.array(np.random.default_rng(seed).normal(size=shape), dtype="float32")


def started(net: Any, *inputs: Any) -> Any:
    net.initialize(hn.init.Xavier())
    net(*inputs)
    return net


def session(file: Path) -> Any:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


def run(file: Path, **inputs: np.ndarray) -> list[np.ndarray]:
    return session(file).run(None, inputs)


def operators(file: Path) -> list[str]:
    return [node.op_type for node in onnx.load(str(file)).graph.node]


def convolutional() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2, 2, ceil_mode=True))
    net.add(nn.AvgPool2D(3, 2, 1), nn.Dropout(0.5), nn.Dense(10), nn.LayerNorm(), nn.GELU())
    return net


def test_a_batch_of_any_size(tmp_path: Path) -> None:
    net = started(convolutional(), array(2, 3, 29, 28))
    file = tmp_path / "net.onnx"
    hn.onnx.export(net, file, array(1, 3, 29, 28), BATCH)
    for batch in (1, 4, 17):
        x = array(batch, 3, 29, 28, seed=batch)
        np.testing.assert_allclose(run(file, data=x.asnumpy())[0], net(x).asnumpy(), rtol=1e-4, atol=1e-5)


def test_operators_are_those_that_runtimes_know(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    hn.onnx.export(started(convolutional(), array(2, 3, 29, 28)), file, array(2, 3, 29, 28), BATCH, opset=20)
    expected = ["Conv", "BatchNormalization", "Relu", "MaxPool", "AveragePool", "Reshape", "Gemm", "LayerNormalization", "Gelu", "Identity"]
    assert operators(file) == expected


MODERN: dict[str, Any] = {"num_kv_heads": 2, "rotary": 100.0, "causal": True, "norm": "rms", "activation": "swiglu", "pre_norm": True}


@pytest.mark.parametrize(("opset", "options"), [*((n, {}) for n in (13, 15, 17, 18, 20, 23)), (13, MODERN), (23, MODERN)])
def test_a_transformer_of_any_length(tmp_path: Path, opset: int, options: dict[str, Any]) -> None:
    net = nn.HybridSequential()
    net.add(nn.Embedding(50, 16), nn.TransformerEncoderLayer(16, 4, 32, **options), nn.Dense(7, flatten=False))
    x = hn.np.array(np.arange(10).reshape(2, 5), dtype="int32")
    started(net, x)
    hn.onnx.export(net, tmp_path / "net.onnx", x, {"data": {0: "batch", 1: "time"}}, opset, verify=True)
    assert session(tmp_path / "net.onnx").get_outputs()[0].shape == ["batch", "time", 7]


@pytest.mark.parametrize("layer", [rnn.LSTM, rnn.GRU, rnn.RNN])
@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_recurrent_layers(tmp_path: Path, layer: Any, layout: str) -> None:
    x = array(2, 5, 4)
    net = started(layer(8, num_layers=2, bidirectional=True, layout=layout), x)
    first, second = ("batch", "time") if layout == "NTC" else ("time", "batch")
    hn.onnx.export(net, tmp_path / "net.onnx", x, {"data": {0: first, 1: second}}, verify=True)
    found = operators(tmp_path / "net.onnx")
    assert found.count(layer.__name__) == 4
    assert "Gemm" not in found  # the inputs' projection is part of the layer's operator


def test_the_gates_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: with gates in another order it does."""
    from hybridnet.onnx.rules import recurrent

    monkeypatch.setitem(recurrent.KINDS, "lstm", ("LSTM", (0, 1, 2, 3)))
    net = started(rnn.LSTM(8, layout="NTC"), array(2, 5, 4))
    with pytest.raises(MismatchError, match="a difference of"):
        hn.onnx.export(net, tmp_path / "net.onnx", array(2, 5, 4), BATCH, verify=True)
    assert not (tmp_path / "net.onnx").exists()


def test_images_of_any_size(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(8, 3, strides=2, padding=1),
        nn.Conv2DTranspose(4, 4, strides=2, padding=1),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
        nn.Dense(3),
    )
    x = array(2, 3, 32, 32)
    started(net, x)
    hn.onnx.export(net, tmp_path / "net.onnx", x, {"data": {0: "batch", 2: "height", 3: "width"}}, verify=True)


def test_several_inputs_and_outputs_by_name(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    left, right = array(3, 4), array(3, 4, seed=1)
    hn.onnx.export(lambda a, b: (a + b, (a * b).sum(axis=1)), file, {"left": left, "right": right}, {"left": {0: "n"}, "right": {0: "n"}})
    assert [x.name for x in session(file).get_inputs()] == ["left", "right"]
    assert [x.shape for x in session(file).get_outputs()] == [["n", 4], ["n"]]
    total, product = run(file, left=left.asnumpy(), right=right.asnumpy())
    np.testing.assert_allclose(total, (left + right).asnumpy())
    np.testing.assert_allclose(product, (left * right).sum(axis=1).asnumpy(), rtol=1e-5)


def test_a_number_that_follows_an_axis(tmp_path: Path) -> None:
    hn.onnx.export(lambda x: x - x.mean(axis=0), tmp_path / "net.onnx", array(3, 4), BATCH, verify=True)


def test_parameters_keep_their_names_and_nodes_their_place(tmp_path: Path) -> None:
    net = started(nn.Dense(3), array(2, 4))
    hn.onnx.export(net, tmp_path / "net.onnx", array(2, 4), BATCH)
    graph = onnx.load(str(tmp_path / "net.onnx")).graph
    assert sorted(x.name for x in graph.initializer) == sorted(net.collect_params())
    assert "test_onnx_export.py" in graph.node[0].doc_string


def test_large_parameters_lie_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "LARGEST", 1000)
    net = started(nn.Dense(100), array(2, 64))
    hn.onnx.export(net, tmp_path / "net.onnx", array(2, 64), BATCH)
    assert (tmp_path / "net.onnx").stat().st_size < 2000
    assert (tmp_path / "net.onnx.data").stat().st_size >= 4 * 64 * 100
    x = array(5, 64, seed=2)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", data=x.asnumpy())[0], net(x).asnumpy(), rtol=1e-4, atol=1e-5)


class _Batches(gluon.HybridBlock):
    def forward(self, x: Any) -> Any:
        return x.reshape(-1, 2) if x.shape[0] > 2 else x + 1


def refused(kind: Any, match: str, net: Any, inputs: Any, file: Path, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(kind, match=match):
        hn.onnx.export(net, file, inputs, *args, **kwargs)
    assert not file.exists()


def test_what_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    x = array(2, 3)
    refused(ArgumentError, "an opset from 13 to 23; got 12", nn.Dense(2), x, file, opset=12)
    refused(ArgumentError, "names of inputs: data; got 'x'", nn.Dense(2), x, file, {"x": {0: "batch"}})
    refused(ArgumentError, "axes of data from 0 to 1; got 5", nn.Dense(2), x, file, {"data": {5: "batch"}})
    refused(DtypeError, "an array as example of data; got a int", nn.Dense(2), [3], file)
    refused(GraphError, r"cholesky: ONNX has no such decomposition; at test_onnx_export.py:\d+", hn.np.linalg.cholesky, array(3, 3), file)
    refused(TraceError, r"the same operators whatever the sizes of batch; got others from", _Batches(), array(2, 2), file, BATCH)
    refused(TraceError, "one that writes to random.counter", lambda a: a + hn.np.random.uniform(size=(3,)), x, file)
    written = hn.np.zeros(3)

    def writes(a: Any) -> Any:
        written[:] = a[0]
        return a

    refused(TraceError, "a network that only computes", writes, x, file)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(vision.MODELS))
def test_the_zoo(tmp_path: Path, name: str) -> None:
    """Every network of the zoo, traced at batches of 2, 3 and 5, compared at 7; of small images, which are more than a pixel to the end."""
    size = max(96, size_of(name))
    net = vision.get_model(name)
    x = array(1, 3, size, size)
    net = started(net, x)
    hn.onnx.export(net, tmp_path / "net.onnx", x, BATCH, verify=True)


def test_symbols_by_mxnets_names(tmp_path: Path) -> None:
    mx = hn
    data = mx.sym.var("data")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(data), num_hidden=5, name="fc"), name="softmax")
    values = {"fc_weight": mx.nd.random.normal(shape=(5, 12)), "fc_bias": mx.nd.random.normal(shape=(5,))}
    file = str(tmp_path / "model.onnx")
    assert mx.onnx.export_model(net, values, [(2, 3, 4)], np.float32, file, dynamic=True) == file
    x = np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)
    executor = net.simple_bind(mx.cpu(), data=(7, 3, 4))
    executor.copy_params_from(values)
    expected = executor.forward(data=mx.nd.array(x))[0].asnumpy()
    np.testing.assert_allclose(run(tmp_path / "model.onnx", data=x)[0], expected, rtol=1e-5, atol=1e-6)
    net.save(str(tmp_path / "net-symbol.json"))
    mx.nd.save(str(tmp_path / "net.params"), {f"arg:{k}": v for k, v in values.items()})
    mx.onnx.export_model(str(tmp_path / "net-symbol.json"), str(tmp_path / "net.params"), [(2, 3, 4)], onnx_file_path=file)
    assert session(tmp_path / "model.onnx").get_inputs()[0].shape == [2, 3, 4]
    assert "convolution" in mx.onnx.get_operator_support()
    with pytest.raises(ArgumentError, match="in_shapes of data, softmax_label"):
        mx.onnx.export_model(net, values)
