"""ONNX and safetensors files that are damaged at random: byte by byte, and field by field, where the file stays one of its format.

``python -m support.mutations 100000 --models`` reads them.
"""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy
import onnx
from google.protobuf.message import Message
from onnx import helper, numpy_helper
from support.broken_files import Kind, damaged

from hybridnet import nd, safetensors
from hybridnet.gluon import nn, rnn
from hybridnet.onnx import export, import_

#: Numbers that are much, nothing, negative, and of another element type.
NUMBERS = (0, 1, -1, 2, 3, 7, 11, 16, 64, 1 << 20, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
WORDS = ("", "data", "output", "Conv", "Reshape", "LSTM", "If", "Loop", "../secret", "/etc/passwd", "\0", "ü" * 300, "axis", "axes", "pads")


def fields(message: Message) -> list[tuple[Message, Any]]:
    """Every field that is set, in the message and those within."""
    found: list[tuple[Message, Any]] = []
    for field, value in message.ListFields():
        found.append((message, field))
        for inner in value if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else [value]:
            if isinstance(inner, Message):
                found += fields(inner)
    return found


def changed(value: Any, draw: random.Random) -> Any:
    """Another number, text or run of bytes."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([*NUMBERS, value + 1, value - 1])
    if isinstance(value, float):
        return draw.choice([0.0, -1.0, float("nan"), float("inf"), 1e30])
    if isinstance(value, str):
        return draw.choice([*WORDS, value + "x", value[:-1]])
    return damaged(value, draw) if value else b"x"


def damaged_model(data: bytes, draw: random.Random) -> bytes:
    """A model of which fields are others, left out, doubled, or in another order: still a message."""
    model = onnx.load_model_from_string(data)
    for _ in range(draw.randint(1, 3)):
        message, field = draw.choice(fields(model))
        value = getattr(message, field.name)
        many = hasattr(value, "append")
        kind = draw.randrange(4)
        try:
            if kind == 0 or (many and not value):
                message.ClearField(field.name)
            elif not many:
                if not isinstance(value, Message):
                    setattr(message, field.name, changed(value, draw))
            elif kind == 1:
                del value[draw.randrange(len(value))]
            elif kind == 2:
                value.append(value[draw.randrange(len(value))])
            elif isinstance(value[0], Message):
                first, second = draw.randrange(len(value)), draw.randrange(len(value))
                value[first].CopyFrom(type(value[first]).FromString(value[second].SerializeToString()))
            else:
                value[draw.randrange(len(value))] = changed(value[0], draw)
        except (ValueError, TypeError):  # a number that the field cannot hold
            continue
    return model.SerializeToString()


def damaged_header(data: bytes, draw: random.Random) -> bytes:
    """A file whose header says something else, at its right length."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(list(header))
        entry = header[name]
        kind = draw.randrange(5)
        if kind == 0 or not isinstance(entry, dict) or "shape" not in entry:
            header[draw.choice(["other", name, "__metadata__"])] = draw.choice([entry, 3, [], {}, None, {"shape": [1]}])
        elif kind == 1:
            entry["dtype"] = draw.choice(["F32", "F16", "BF16", "I8", "BOOL", "F4", "", 3, None, []])
        elif kind == 2:
            shape = entry["shape"] if isinstance(entry["shape"], list) else []
            entry["shape"] = draw.choice(
                [[*shape, 1], shape[:-1], [draw.choice(NUMBERS)], [0, 1 << 70], [1] * 80, "ab", None, [1.5], [True]]
            )
        elif kind == 3:
            entry["data_offsets"] = [draw.choice(NUMBERS), draw.choice([*NUMBERS, len(data) - 8 - length])]
        else:
            del entry[draw.choice(list(entry))]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def network() -> tuple[Any, Any]:
    net = nn.HybridSequential()
    net.add(nn.Conv2D(2, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(), nn.AvgPool2D(2, 1, padding=1))
    net.add(nn.Flatten(), nn.Dense(3), nn.LayerNorm())
    net.initialize()
    x = nd.ones((2, 1, 6, 6))
    net(x)
    return net, x


def shapes_model() -> bytes:
    """Shapes that are computed, as other exporters write them."""
    nodes = [
        helper.make_node("Shape", ["data"], ["s"], name="shape"),
        helper.make_node("Gather", ["s", "zero"], ["n"], name="gather", axis=0),
        helper.make_node("Concat", ["n", "rest"], ["t"], name="concat", axis=0),
        helper.make_node("Reshape", ["data", "t"], ["r"], name="reshape"),
        helper.make_node("Slice", ["r", "zero", "n", "zero"], ["c"], name="slice"),
        helper.make_node("Expand", ["c", "wide"], ["e"], name="expand"),
        helper.make_node("ConstantOfShape", ["n"], ["f"], name="fill"),
        helper.make_node("Pad", ["e", "pads"], ["p"], name="pad"),
        helper.make_node("TopK", ["p", "two"], ["v", "i"], name="topk"),
        helper.make_node("Tile", ["v", "times"], ["output"], name="tile"),
    ]
    numbers = {"zero": [0], "rest": [-1], "wide": [3, 2, 36], "pads": [0, 0, 1, 0, 0, 1], "two": [2], "times": [1, 2, 1]}
    constants = [numpy_helper.from_array(numpy.array(x, numpy.int64), name) for name, x in numbers.items()]
    given = helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, ["n", 1, 6, 6])
    found = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["a", "b", "c"])
    graph = helper.make_graph(nodes, "shapes", [given], [found], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def trees_model() -> bytes:
    """What scikit-learn's models are written in: a scaler, trees, a normalizer, and a linear model."""
    nodes = {
        "nodes_treeids": [0, 0, 0, 1, 1, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2, 3, 4],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF"],
        "nodes_featureids": [1, 0, 0, 3, 0, 0, 0, 0],
        "nodes_values": [0.5, 0, 0, 0.25, 1.5, 0, 0, 0],
        "nodes_truenodeids": [1, 0, 0, 1, 2, 0, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 4, 3, 0, 0, 0],
    }
    told = {"class_treeids": [0, 0, 1, 1, 1], "class_nodeids": [1, 2, 2, 3, 4], "class_ids": [0, 1, 2, 0, 1]}
    linear = {"coefficients": [1.0, -1, 0, 0.5, 2, 0], "intercepts": [0.0, 1], "classlabels_ints": [4, 5]}
    made = [
        helper.make_node("Flatten", ["data"], ["flat"]),
        helper.make_node("Scaler", ["flat"], ["scaled"], domain="ai.onnx.ml", offset=[1.0], scale=[2.0]),
        helper.make_node(
            "TreeEnsembleClassifier", ["scaled"], ["label", "scores"], domain="ai.onnx.ml",
            classlabels_int64s=[1, 2, 3], class_weights=[1.0, 0.5, 1, 1, 2], post_transform="SOFTMAX", **nodes, **told,
        ),
        helper.make_node("Normalizer", ["scores"], ["normal"], domain="ai.onnx.ml", norm="L1"),
        helper.make_node("LinearClassifier", ["normal"], ["output", "more"], domain="ai.onnx.ml", post_transform="LOGISTIC", **linear),
    ]  # fmt: skip
    given = helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, ["n", 1, 6, 6])
    found = [helper.make_tensor_value_info("output", onnx.TensorProto.INT64, ["n"])]
    graph = helper.make_graph(made, "trees", [given], found)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def held(x: Any) -> Any:
    """A scan with a branch in its body."""

    def step(row: Any, total: Any) -> Any:
        more = nd.contrib.cond(row.sum() > 2, lambda: row * 2, lambda: total + 1)
        return more, total + more

    return nd.contrib.foreach(step, x.reshape((12, 6)), nd.zeros((6,)))[1]


def run(path: Path, draw: random.Random) -> None:
    """Import a model and call it."""
    block = import_(path)
    block(*[nd.ones((2, 1, 6, 6))] * len(block.inputs))


def model_kinds(folder: Path) -> dict[str, Kind]:
    """All kinds of models; what is read along with them is written into a folder."""
    net, x = network()
    export(net, folder / "net.onnx", [x], {"data": {0: "batch"}})
    layer = rnn.GRU(2, input_size=3, layout="NTC")
    layer.initialize()
    export(lambda x: layer(x.reshape((2, 12, 3))), folder / "rnn.onnx", [x])
    export(held, folder / "held.onnx", [x])
    whole, recurrent = (folder / "net.onnx").read_bytes(), (folder / "rnn.onnx").read_bytes()
    outside = onnx.load_model_from_string(whole)
    onnx.save_model(outside, folder / "outside.onnx", save_as_external_data=True, location="outside.data", size_threshold=0)
    (folder / "secret").write_bytes(bytes(1000))
    net.save_parameters(str(folder / "net.safetensors"))
    stored = (folder / "net.safetensors").read_bytes()
    arrays = {f"{i}": numpy.full(8, i, "float32") for i in range(6)}
    safetensors.save(folder / "model.safetensors", arrays, shard_size=64)
    index = (folder / "model.safetensors.index.json").read_bytes()

    def read_index(path: Path, draw: random.Random) -> None:
        file = folder / "model.safetensors.index.json"
        file.write_bytes(path.read_bytes())
        for value in safetensors.load(file).values():
            value.sum()

    def read_arrays(path: Path, draw: random.Random) -> None:
        for value in safetensors.load(path).values():
            value.astype("float32").sum()

    def read_parameters(path: Path, draw: random.Random) -> None:
        made, _ = network()
        made.load_parameters(str(path), cast_dtype=True)

    def run_beside(path: Path, draw: random.Random) -> None:
        (folder / "broken.onnx").write_bytes(path.read_bytes())
        run(folder / "broken.onnx", draw)

    return {
        "onnx, bytes": Kind(whole, run, damaged),
        "onnx, fields": Kind(whole, run, damaged_model),
        "onnx, fields of a recurrent network": Kind(recurrent, run, damaged_model),
        "onnx, fields of computed shapes": Kind(shapes_model(), run, damaged_model),
        "onnx, fields of a scan with a branch": Kind((folder / "held.onnx").read_bytes(), run, damaged_model),
        "onnx, fields of trees": Kind(trees_model(), run, damaged_model),
        "onnx, fields with data beside": Kind((folder / "outside.onnx").read_bytes(), run_beside, damaged_model),
        "safetensors, bytes": Kind(stored, read_arrays, damaged),
        "safetensors, headers": Kind(stored, read_arrays, damaged_header),
        "safetensors, as parameters": Kind(stored, read_parameters, damaged_header),
        "safetensors, indices": Kind(index, read_index, damaged),
    }
