"""A network as an ONNX file: one operator of ONNX for each of ours, sizes that follow named axes, parameters under their names."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import helper

from hybridnet import autograd
from hybridnet.contrib.quantization import QuantizedBlock
from hybridnet.core import Array, wrap
from hybridnet.core.identity import name_of
from hybridnet.disk import write_bytes
from hybridnet.errors import ArgumentError, DtypeError, MismatchError, fail
from hybridnet.onnx.rules import has_rule, write_node
from hybridnet.onnx.tracing import Dynamic, Model, trace
from hybridnet.onnx.widening import widened
from hybridnet.onnx.writer import Writer, element_type

#: Opset to the oldest version of the file format that has it.
IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
LARGEST = 2**31 - 2**20  # bytes of a file, which protobuf bounds
SMALLEST_OUTSIDE = 1024  # bytes of a parameter that is written beside the model where that is large
ALIGNMENT = 4096  # of a parameter's place in that file, so that it can be mapped into memory
LEAST = 1e-2  # results smaller than this are compared as if they were of this size
TOLERANCE = {"float64": 1e-8, "float32": 1e-4, "float16": 1e-2}


def export(
    net: Callable[..., Any],
    file: str | os.PathLike[str],
    inputs: Array | Sequence[Array] | Mapping[str, Array],
    dynamic: Dynamic | None = None,
    opset: int = 18,
    verify: bool = False,
) -> None:
    """Write what a network computes in prediction to an ONNX file.

    ``net``: a block, or a function of arrays; one of ``contrib.quantization`` is written with QuantizeLinear and DequantizeLinear.
    ``inputs``: examples of its arguments, in order: of their shapes and element types the file is made; given by name they have these names
    in it, else ``data``, ``data1`` and so on. ``dynamic``: which of their axes may have any size, by name: ``{"data": {0: "batch", 2:
    "height"}}``. Axes of one name have one size; at most four names. All other sizes are those of the examples. ``opset``: 13 to 23.
    ``verify``: run it by onnxruntime at another size of the named axes and compare (up to 2 GB).

    Results are called ``output``, ``output1`` and so on. Parameters keep their names. What ONNX lacks in 16 bits is
    computed in float32. The file is written whole or not at all; what is larger than 2 GB has its parameters in a second one beside it,
    ``FILE.data``, which is written first.
    ArgumentError for what cannot be meant, TraceError for a network that trains or that is another one at another size, GraphError with the
    operator and the user's line for what has no form in ONNX, MismatchError if ``verify`` finds other numbers.

    Source: the operators of ONNX, https://onnx.ai/onnx/operators/.
    """
    if opset not in IR_VERSIONS:
        fail(ArgumentError, "onnx.export", expected=f"an opset from {min(IR_VERSIONS)} to {max(IR_VERSIONS)}", got=repr(opset))
    if isinstance(net, QuantizedBlock):
        net = net.simulated()
    examples = _named(inputs)
    model = trace(net, examples, dynamic or {}, partial(has_rule, opset))
    proto = write(model, opset, getattr(net, "__name__", type(net).__name__))
    if verify and proto.ByteSize() <= LARGEST:
        check(net, proto.SerializeToString(), examples, dynamic or {}, model.low)
    if proto.ByteSize() > LARGEST:
        _move_out(proto, f"{os.fspath(file)}.data")
    write_bytes(file, proto.SerializeToString())


def _move_out(proto: onnx.ModelProto, path: str) -> None:
    """Write the parameters to a file of their own, and in the model where each is in it."""
    parts = []
    offset = 0
    for tensor in proto.graph.initializer:
        data = tensor.raw_data
        if len(data) < SMALLEST_OUTSIDE:
            continue
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", os.path.basename(path)), ("offset", offset), ("length", len(data))):
            tensor.external_data.add(key=key, value=str(value))
        tensor.ClearField("raw_data")
        parts.append(data + bytes(-len(data) % ALIGNMENT))
        offset += len(parts[-1])
    write_bytes(path, b"".join(parts))


def _named(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, Array):
        inputs = [inputs]
    if not isinstance(inputs, Mapping):
        inputs = {f"data{i}" if i else "data": x for i, x in enumerate(inputs)}
    for name, x in inputs.items():
        if not isinstance(x, Array):
            fail(DtypeError, "onnx.export", expected=f"an array as example of {name}", got=f"a {type(x).__name__}", fix="np.array(x)")
    return dict(inputs)


def write(model: Model, opset: int, name: str) -> onnx.ModelProto:
    """The model of a traced network."""
    w = Writer(model, opset)
    arguments = model.graph.inputs[: len(model.inputs)]
    for value, key in zip(arguments, model.inputs, strict=True):
        w.bind(value, key)
    for value, array in zip(model.graph.inputs[len(arguments) :], model.states, strict=True):
        value.name = name_of(array) or value.name or "constant"
        w.known[value] = array.asnumpy()
    for node in model.graph.nodes:
        w.node = node
        write_node(w, node)
    w.node = None
    outputs = []
    for i, value in enumerate(model.graph.outputs):
        key = f"output{i}" if i else "output"
        w.nodes.append(helper.make_node("Identity", [w.name(value)], [key], name=w.fresh("Identity")))
        outputs.append(w.value_info(value, key))
    nodes = w.read([info.name for info in outputs])
    types = {w.name(v): element_type(v.dtype) for v in arguments} | {name: element_type(x.dtype) for name, x in w.initializers.items()}
    nodes = widened(nodes, types, opset)
    graph = helper.make_graph(nodes, name, [w.value_info(v, w.name(v)) for v in arguments], outputs, w.tensors(nodes))
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="hybridnet",
        ir_version=IR_VERSIONS[opset],
    )
    if proto.ByteSize() <= LARGEST:  # the checker takes no more
        onnx.checker.check_model(proto, full_check=True)
    return proto


def check(net: Callable[..., Any], model: bytes, inputs: Mapping[str, Any], dynamic: Dynamic, low: Mapping[str, int]) -> None:
    """Run a model by onnxruntime at other sizes of the named axes, and compare its results with the network's.

    MismatchError with the largest difference where they are others.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        fail(ArgumentError, "onnx.export", expected="onnxruntime, which verifies", got="no such package", fix="pip install onnxruntime")
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {}
    for key, x in inputs.items():
        shape = [low[dynamic[key][i]] + 5 if i in dynamic.get(key, {}) else n for i, n in enumerate(x.shape)]
        given[key] = np.resize(x.asnumpy(), shape)
    with autograd.pause(train_mode=False):
        results = net(*[wrap(type(x), given[key], x.device) for key, x in inputs.items()])
    expected = results if isinstance(results, (tuple, list)) else [results]
    for i, (theirs, ours) in enumerate(zip(session.run(None, given), expected, strict=True)):
        wanted = ours.asnumpy()
        tolerance = TOLERANCE.get(str(wanted.dtype), 0)
        largest = np.abs(wanted[np.isfinite(wanted)], dtype=np.float64).max(initial=LEAST) if tolerance else 0
        if theirs.shape != wanted.shape or not np.allclose(theirs, wanted, tolerance, tolerance * largest, equal_nan=True):
            same = theirs.shape == wanted.shape
            far = f"a difference of {np.abs(theirs - wanted).max():.3g}" if same else f"the shape {theirs.shape}"
            fail(MismatchError, "onnx.export", expected=f"of onnxruntime output {i} as here, {wanted.shape}", got=far)
