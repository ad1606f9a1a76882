"""MXNet's names for reading ONNX files: models as symbols that compute what onnxruntime computes, and the zoo there and back."""

from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridnet as mx
from hybridnet import nd
from hybridnet.contrib import onnx as contrib
from hybridnet.errors import FileFormatError, GraphError
from hybridnet.gluon import nn
from hybridnet.gluon.model_zoo import vision

RANDOM = numpy.random.default_rng(11)


def computed(model: Any, x: Any) -> numpy.ndarray[Any, Any]:
    """The outputs of what ``import_model`` gave, bound as a program of MXNet's binds it."""
    graph, arguments, states = model
    bound = graph.bind(mx.cpu(), {**arguments, "data": nd.array(x)}, aux_states=states, grad_req="null")
    return bound.forward()[0].asnumpy()  # type: ignore[no-any-return]


def assert_close(found: Any, wanted: Any) -> None:
    assert found.shape == wanted.shape
    numpy.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(abs(wanted).max(), 1))


def single(op: str, shape: tuple[int, ...], *arrays: Any, opset: int = 18, **attributes: Any) -> onnx.ModelProto:
    names = [f"p{i}" for i in range(len(arrays))]
    nodes = [helper.make_node(op, ["data", *[n if a is not None else "" for n, a in zip(names, arrays, strict=True)]], ["y"], **attributes)]
    tensors = [numpy_helper.from_array(numpy.asarray(a), n) for n, a in zip(names, arrays, strict=True) if a is not None]
    given = helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [given], [found], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def floats(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype("float32")


IMAGE = (2, 4, 7, 6)
MODELS: list[tuple[str, Any]] = [
    *[(op, single(op, IMAGE)) for op in ("Relu", "Tanh", "Exp", "Abs", "Neg", "Sigmoid", "Floor", "Identity", "Softplus", "Selu", "Erf")],
    *[(op, single(op, IMAGE, floats(4, 1, 1))) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")],
    ("Conv", single("Conv", IMAGE, floats(6, 2, 3, 2), floats(6), group=2, strides=[2, 1], pads=[1, 0, 2, 1], dilations=[1, 2])),
    ("ConvTranspose", single("ConvTranspose", IMAGE, floats(4, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0])),
    ("MaxPool", single("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 0, 1])),
    ("MaxPool, ceil", single("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
    ("AveragePool", single("AveragePool", IMAGE, kernel_shape=[2, 2], pads=[1, 1, 1, 1])),
    ("AveragePool, counted", single("AveragePool", IMAGE, kernel_shape=[2, 2], pads=[1, 0, 0, 0], count_include_pad=1)),
    ("GlobalAveragePool", single("GlobalAveragePool", IMAGE)),
    ("GlobalMaxPool", single("GlobalMaxPool", IMAGE)),
    ("BatchNormalization", single("BatchNormalization", IMAGE, floats(4), floats(4), floats(4), abs(floats(4)) + 0.1, epsilon=1e-3)),
    ("InstanceNormalization", single("InstanceNormalization", IMAGE, floats(4), floats(4))),
    ("LayerNormalization", single("LayerNormalization", IMAGE, floats(6), floats(6), axis=-1)),
    ("LRN", single("LRN", IMAGE, size=3, alpha=0.01, bias=2.0)),
    ("Gemm", single("Gemm", (3, 4), floats(4, 5), floats(5))),
    ("Gemm, transposed", single("Gemm", (3, 4), floats(5, 4), floats(5), transB=1)),
    ("MatMul", single("MatMul", (2, 3, 4), floats(4, 5))),
    ("PRelu", single("PRelu", IMAGE, floats(4, 1, 1))),
    ("LeakyRelu", single("LeakyRelu", IMAGE, alpha=0.3)),
    ("Elu", single("Elu", IMAGE, alpha=0.5)),
    ("Gelu", single("Gelu", IMAGE, opset=20)),
    ("HardSigmoid", single("HardSigmoid", IMAGE, alpha=0.3)),
    ("Clip", single("Clip", IMAGE, numpy.float32(-0.5), numpy.float32(0.2))),
    ("Clip, one end", single("Clip", IMAGE, None, numpy.float32(0.2))),
    ("Softmax", single("Softmax", IMAGE, axis=1)),
    ("Softmax, old", single("Softmax", IMAGE, opset=11)),
    ("LogSoftmax", single("LogSoftmax", IMAGE)),
    ("Flatten", single("Flatten", IMAGE)),
    ("Reshape", single("Reshape", IMAGE, numpy.array([0, -1, 6]))),
    ("Transpose", single("Transpose", IMAGE, perm=[0, 2, 3, 1])),
    ("Transpose, all", single("Transpose", IMAGE)),
    ("Squeeze", single("Squeeze", (2, 1, 3, 1), numpy.array([1, 3]))),
    ("Unsqueeze", single("Unsqueeze", (2, 3), numpy.array([0, 3]))),
    ("Slice", single("Slice", IMAGE, numpy.array([1, -3]), numpy.array([3, (1 << 63) - 1]), numpy.array([1, 3]))),
    ("Concat", single("Concat", IMAGE, floats(2, 3, 7, 6), axis=1)),
    ("ReduceMean", single("ReduceMean", IMAGE, numpy.array([2, 3]))),
    ("ReduceSum", single("ReduceSum", IMAGE, numpy.array([1, -1]), keepdims=0)),
    ("ReduceMax", single("ReduceMax", IMAGE, opset=13, axes=[1], keepdims=0)),
    ("Cast", single("Cast", IMAGE, to=TensorProto.DOUBLE)),
]


@pytest.mark.parametrize(("name", "model"), MODELS, ids=[name for name, _ in MODELS])
def test_a_node_as_a_symbol(name: str, model: onnx.ModelProto, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: it runs the files")
    if name == "Cast":
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    session = onnxruntime.InferenceSession(_loose(model).SerializeToString(), providers=["CPUExecutionProvider"])
    x = floats(*[d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim])
    wanted = session.run(None, {"data": x})[0]
    file = tmp_path / "x.onnx"
    file.write_bytes(_loose(model, wanted.ndim).SerializeToString())
    assert_close(computed(contrib.import_model(file), x), wanted)


def _loose(model: onnx.ModelProto, ndim: int | None = None) -> onnx.ModelProto:
    """The model with an output of any shape, of so many dimensions."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kind = copy.graph.output[0].type.tensor_type
    kind.ClearField("shape")
    if ndim is not None:
        kind.shape.SetInParent()
        for i in range(ndim):
            kind.shape.dim.add(dim_param=f"n{i}")
    return copy


def network() -> Any:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(), nn.Flatten(), nn.Dense(3))
    net.initialize(mx.init.Normal(0.3))
    return net


@pytest.mark.parametrize("name", ["small", "resnet18_v2", "mobilenetv2_0.25"])
def test_there_and_back(name: str, tmp_path: Path) -> None:
    """A network as a file, and the file as a symbol."""
    net = network() if name == "small" else vision.get_model(name, classes=5)
    if name != "small":
        net.initialize()
    size = 8 if name == "small" else 64
    x = floats(1, 3, size, size)
    wanted = net(nd.array(x)).asnumpy()
    contrib.export_model(*_symbol(net), [x.shape], numpy.float32, str(tmp_path / "x.onnx"))
    model = contrib.import_model(tmp_path / "x.onnx")
    assert_close(computed(model, x), wanted)
    assert set(model[2]) == {name for name in net.collect_params() if "running_" in name}
    again = contrib.import_to_gluon(str(tmp_path / "x.onnx"), mx.cpu())
    assert_close(again(nd.array(x)).asnumpy(), wanted)
    assert contrib.get_model_metadata(tmp_path / "x.onnx") == {
        "input_tensor_data": [("data", x.shape)],
        "output_tensor_data": [("output", wanted.shape)],
    }


def _symbol(net: Any) -> tuple[Any, Any]:
    graph, _ = net._as_symbol()
    return graph, {p.name: p.data() for p in net.collect_params().values()}


def test_what_symbols_cannot_say(tmp_path: Path) -> None:
    file = tmp_path / "x.onnx"
    for model, text in (
        (single("Conv", IMAGE, floats(6, 4, 3, 3), auto_pad="SAME_UPPER"), r"padding that is said; got SAME_UPPER; .*try import_to_gluon"),
        (single("Hardmax", IMAGE), r"operators that MXNet has; got Hardmax; .*try import_to_gluon"),
        (single("Gemm", (3, 3), floats(3, 3), alpha=2.0), "a dense layer"),
    ):
        file.write_bytes(_loose(model, 4).SerializeToString())
        with pytest.raises(GraphError, match=text):
            contrib.import_model(file)
    file.write_bytes(b"nothing")
    for read in (contrib.import_model, contrib.get_model_metadata, contrib.import_to_gluon):
        with pytest.raises(FileFormatError, match="a valid ONNX model"):
            read(file)
