"""A quantized network in floating numbers: what enters a product is rounded as the bytes would be."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet import ndarray
from hybridnet import symbol as sym
from hybridnet.contrib.quantization.calibration import Ranges
from hybridnet.contrib.quantization.folding import Arrays
from hybridnet.contrib.quantization.graphs import Choice, name_of
from hybridnet.gluon.symbol_block import SymbolBlock
from hybridnet.ops.nn.rounding import quantize_dequantize
from hybridnet.symbol import Symbol
from hybridnet.symbol.evaluate import call_node
from hybridnet.symbol.node import Node, walk

Host = np.ndarray[Any, Any]


def _steps(found: Host) -> Any:
    """Steps of at least the smallest number: what is all 0 is divided by them."""
    return ndarray.array(np.maximum(found, np.finfo(np.float32).tiny))


def filled(block: SymbolBlock, arrays: Arrays) -> SymbolBlock:
    """``block`` with these values of its parameters, none of which is learnt any more."""
    for parameter in block._reg_params.values():
        parameter.grad_req = "null"
    values = {name: ndarray.array(arrays[name], dtype=arrays[name].dtype) for name in block._reg_params}
    block.load_dict(values, cast_dtype=True, dtype_source="saved")
    return block


class Simulated(SymbolBlock):
    """The network of ``graph`` and the arrays of its variables, with the inputs and weights of products rounded.

    Inputs are in steps of their ranges, each channel of a weight in steps of its own.
    """

    def __init__(self, graph: Symbol, inputs: list[str], arrays: Arrays, ranges: Ranges, choice: Choice) -> None:
        super().__init__(graph, [sym.var(name) for name in inputs])
        filled(self, arrays)
        #: Of each product the step of its input, how many bytes there are, and the steps of its weight.
        self._steps: dict[Node, tuple[Any, str, Any]] = {}
        for node in walk(graph._outputs):
            if choice.is_layer(node, arrays) and name_of(node.inputs[0]) in ranges:
                low, high = ranges[name_of(node.inputs[0])]
                unsigned = choice.dtype != "int8" and low >= 0
                weight = np.abs(arrays[node.inputs[1].node.name])
                of_data = np.array([max(abs(low), abs(high))]) / (255.0 if unsigned else 127.0)
                of_weight = weight.reshape(len(weight), -1).max(1) / 127.0
                self._steps[node] = _steps(of_data), "uint8" if unsigned else "int8", _steps(of_weight)

    def forward(self, x: Any, *args: Any) -> Any:  # type: ignore[override]
        """The outputs for arrays."""
        given = dict(zip(self._input_names, (x, *args), strict=True)) | {name: p.data(x.device) for name, p in self._reg_params.items()}
        found: dict[tuple[Node, int], Any] = {}
        for node in walk(self._graph._outputs):
            if node.operator is None:
                found[node, 0] = given[node.name]
                continue
            inputs = [found[e.node, e.index] for e in node.inputs]
            if node in self._steps:
                of_data, dtype, of_weight = self._steps[node]
                inputs[0] = quantize_dequantize(inputs[0], of_data.as_in_ctx(x.device), 0, dtype)
                inputs[1] = quantize_dequantize(inputs[1], of_weight.as_in_ctx(x.device), 0)
            results = call_node(node, inputs)
            for i, result in enumerate(results if isinstance(results, (list, tuple)) else [results]):
                found[node, i] = result
        outputs = [found[e.node, e.index] for e in self._graph._outputs]
        return outputs[0] if self._single else outputs
