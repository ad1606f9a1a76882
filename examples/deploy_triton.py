"""A network as a model repository of NVIDIA's Triton Inference Server: the folder that the server is started with.

    pip install "hybridnet[onnx]"
    python examples/deploy_triton.py models
    tritonserver --model-repository=models

    models/digits/config.pbtxt    names, types and sizes of inputs and outputs, and that requests may wait for one another to make a batch
    models/digits/1/model.onnx    the network, with a batch of any size; a later version is a folder 2 beside it

What the description says is read from the ONNX file, so that the two cannot differ.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import onnx
from sklearn.datasets import load_digits

import hybridnet as hn
from hybridnet.gluon import nn

#: ONNX's element types as Triton writes them.
TYPES = {
    onnx.TensorProto.FLOAT: "TYPE_FP32",
    onnx.TensorProto.FLOAT16: "TYPE_FP16",
    onnx.TensorProto.BFLOAT16: "TYPE_BF16",
    onnx.TensorProto.DOUBLE: "TYPE_FP64",
    onnx.TensorProto.INT32: "TYPE_INT32",
    onnx.TensorProto.INT64: "TYPE_INT64",
    onnx.TensorProto.INT8: "TYPE_INT8",
    onnx.TensorProto.UINT8: "TYPE_UINT8",
    onnx.TensorProto.BOOL: "TYPE_BOOL",
}


def described(key: str, arrays: Any) -> str:
    """The inputs or outputs; their first axis is the batch, which Triton does not want to be told, and any size is -1."""
    parts = []
    for x in arrays:
        kind = x.type.tensor_type
        sizes = ", ".join(str(-1 if d.HasField("dim_param") else d.dim_value) for d in kind.shape.dim[1:])
        parts.append(f'  {{ name: "{x.name}", data_type: {TYPES[kind.elem_type]}, dims: [ {sizes} ] }}')
    return f"{key} [\n" + ",\n".join(parts) + "\n]\n"


def repository(folder: Path, name: str, net: Any, example: Any, most: int = 64, delay: int = 500) -> Path:
    """Write ``net`` as version 1 of a model; gives its folder.

    ``most``: examples in a batch; ``delay``: microseconds that a request may wait for others.
    """
    place = folder / name
    (place / "1").mkdir(parents=True, exist_ok=True)
    hn.onnx.export(net, place / "1" / "model.onnx", example, {"data": {0: "batch"}})
    graph = onnx.load(place / "1" / "model.onnx", load_external_data=False).graph
    text = f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {most}\n'
    text += described("input", graph.input) + described("output", graph.output)
    text += f"dynamic_batching {{ max_queue_delay_microseconds: {delay} }}\n"
    (place / "config.pbtxt").write_text(text, encoding="utf-8")
    return place


def main(arguments: list[str] | None = None) -> Path:
    """Train on the digits, and write the repository; gives the model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)

    hn.random.seed(0)
    digits = load_digits()
    images = digits.images[:, None].astype("float32") / 16
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1, activation="relu"), nn.MaxPool2D(), nn.Conv2D(32, 3, padding=1, activation="relu"))
    net.add(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(10))
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(images[:1500], digits.target[:1500], epochs=options.epochs, batch_size=50, verbose=0 if options.quiet else 1)
    place = repository(options.folder, "digits", net, hn.np.array(images[:2]))
    print((place / "config.pbtxt").read_text(encoding="utf-8"))
    return place


if __name__ == "__main__":
    main()
