"""MXNet's names for reading ONNX files: a model as a symbol and its parameters, or as a block, and what goes in and out of it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hybridnet import ndarray
from hybridnet import symbol as sym
from hybridnet.errors import GraphError, fail
from hybridnet.onnx.functions import written_out
from hybridnet.onnx.importing import ImportedBlock, import_, valid
from hybridnet.onnx.operators import Call
from hybridnet.onnx.symbols import SYMBOLS, Symbols
from hybridnet.symbol import Symbol

__all__ = ["get_model_metadata", "import_model", "import_to_gluon"]

Path = str | os.PathLike[str]


def import_model(model_file: Path) -> tuple[Symbol, dict[str, Any], dict[str, Any]]:
    """A model as a symbol of MXNet's operators, its arguments and its states: (symbol, ``arg_params``, ``aux_params``).

    Networks of images and dense layers, of fixed shapes but for the batch. GraphError with the node's name for what has no such operator,
    or computes shapes: :func:`import_to_gluon` takes more. FileFormatError for what is no valid model.
    """
    model, opset = valid(model_file)
    made = Symbols(model)
    for node in written_out(model, SYMBOLS.keys() | {"Constant"}):
        call = Call(node, opset)
        if node.op_type == "Constant":
            made.arrays[node.output[0]] = np.asarray(next(iter(call.attributes.values())))
            continue
        write = SYMBOLS.get(node.op_type)
        if write is None or node.domain not in ("", "ai.onnx"):
            fail(GraphError, f"onnx.import_, {call.name!r}", expected="operators that MXNet has", got=node.op_type, fix="import_to_gluon")
        found = write(made, call, *node.input)
        for name, result in zip(node.output, found if isinstance(found, list) else [found], strict=False):
            made.values[name] = result
    graph = sym.Group([made.of(x.name) for x in model.graph.output])
    states = set(graph.list_auxiliary_states())
    inputs = graph.list_inputs()
    arrays = {name: ndarray.array(x, dtype=x.dtype) for name, x in made.arrays.items() if name in inputs}
    arguments = {name: x for name, x in arrays.items() if name not in states}
    return graph, arguments, {name: x for name, x in arrays.items() if name in states}


def import_to_gluon(model_file: Path, ctx: Any = None) -> ImportedBlock:
    """A model as a block, its parameters on ``ctx``: see :func:`hybridnet.onnx.import_`, whose errors it raises."""
    block = import_(model_file)
    if ctx is not None:
        block.reset_ctx(ctx)
    return block


def get_model_metadata(model_file: Path) -> dict[str, list[tuple[str, tuple[int, ...]]]]:
    """The names and shapes of what goes in and out: ``input_tensor_data`` and ``output_tensor_data``; a size that is open is 0.

    FileFormatError for what is no valid model.
    """
    graph = valid(model_file)[0].graph
    inner = {tensor.name for tensor in graph.initializer}

    def of(infos: Any) -> list[tuple[str, tuple[int, ...]]]:
        return [(x.name, tuple(d.dim_value for d in x.type.tensor_type.shape.dim)) for x in infos if x.name not in inner]

    return {"input_tensor_data": of(graph.input), "output_tensor_data": of(graph.output)}
