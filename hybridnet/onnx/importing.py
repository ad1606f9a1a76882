"""An ONNX file as a block: its parameters can be trained, its nodes run as our operators, imperatively or compiled.

What is computed of shapes and constants alone (the chains of Shape, Gather, Concat that other exporters write) is computed on the host
while a call with those shapes is traced, by the reference implementation of the onnx package.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from hybridnet import numpy as mnp
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, FileFormatError, GraphError, HybridnetError, fail, scope
from hybridnet.gluon import HybridBlock, Parameter
from hybridnet.onnx.functions import written_out
from hybridnet.onnx.operators import OPERATORS, Call

OLDEST, NEWEST = 5, onnx.defs.onnx_opset_version()  # opsets
MAKERS = {"Constant"}


class ImportedBlock(HybridBlock):
    """What an ONNX model computes. Floating initializers are parameters under their names; ``inputs`` and ``outputs`` name the others.

    One result comes alone, several as a tuple.
    """

    def __init__(self, model: onnx.ModelProto, nodes: Sequence[NodeProto]) -> None:
        super().__init__(prefix="")
        graph = model.graph
        self._opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
        self._nodes = [(node, Call(node, self._opset)) for node in nodes]
        self._constants: dict[str, np.ndarray] = {}
        self._evaluators: dict[int, ReferenceEvaluator] = {}
        inner = {tensor.name for tensor in graph.initializer}
        self.inputs = tuple(x.name for x in graph.input if x.name not in inner)
        self.outputs = tuple(x.name for x in graph.output)
        for tensor in graph.initializer:
            data = numpy_helper.to_array(tensor)
            if data.dtype.kind == "f" and data.size:
                parameter = Parameter(tensor.name, shape=data.shape, dtype=data.dtype)
                parameter.initialize()
                parameter.set_data(mnp.array(data, dtype=data.dtype))
                self._reg_params[tensor.name] = parameter
                self.params._params[tensor.name] = parameter
            else:
                self._constants[tensor.name] = data

    def forward(self, *args: Any) -> Any:
        """The outputs for the inputs, in the order of ``inputs``."""
        if len(args) != len(self.inputs):
            expected = f"{len(self.inputs)} inputs: {', '.join(self.inputs)}"
            fail(ArgumentError, "onnx.import_", expected=expected, got=str(len(args)))
        values: dict[str, Any] = {"": None, **self._constants, **dict(zip(self.inputs, args, strict=True))}
        for name, parameter in self._reg_params.items():
            values[name] = parameter.data()
        for number, (node, call) in enumerate(self._nodes):
            operands = [values[name] for name in node.input]
            while operands and operands[-1] is None:
                operands.pop()
            try:
                with scope(call.name):
                    results = self._compute(number, node, call, operands)
            except HybridnetError:
                raise
            except Exception as error:  # of NumPy and of the reference implementation; MemoryError, too
                said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                fail(GraphError, f"onnx.import_, {call.name!r}", expected=f"operands that {node.op_type} takes", got=said)
            for name, result in zip(node.output, results, strict=False):
                values[name] = result
        results = [x if isinstance(x, Array) else mnp.array(x, dtype=x.dtype) for x in (values[name] for name in self.outputs)]
        return results[0] if len(results) == 1 else tuple(results)

    def _compute(self, number: int, node: NodeProto, call: Call, operands: Sequence[Any]) -> Sequence[Any]:
        if node.op_type == "Constant" or (operands and not any(isinstance(x, Array) for x in operands)):
            evaluator = self._evaluators.get(number)
            if evaluator is None:
                evaluator = self._evaluators[number] = ReferenceEvaluator(node, opsets={"": self._opset})
            given = {name: x for name, x in zip(node.input, operands, strict=False) if name}
            return [np.asarray(x) for x in evaluator.run(None, given)]
        compute = OPERATORS.get(node.op_type)
        if compute is None or node.domain not in ("", "ai.onnx"):
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            fail(GraphError, f"onnx.import_, {call.name!r}", expected="operators that are known here", got=name)
        result = compute(call, *[_array(x) if i not in HOST.get(node.op_type, ()) else x for i, x in enumerate(operands)])
        return result if isinstance(result, tuple) else (result,)


#: Operands that are read before the network runs, by their places: they stay on the host.
HOST: Mapping[str, Sequence[int]] = {
    "Reshape": (1,),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
    "Split": (1,),
    "Slice": (1, 2, 3, 4),
    "Expand": (1,),
    "Tile": (1, 2),
    "Pad": (1, 2, 3),
    "Gather": (1,),
    "GatherElements": (1,),
    "GatherND": (1,),
    "ScatterND": (1,),
    "Range": (0, 1, 2),
    "ConstantOfShape": (0,),
    "OneHot": (1,),
    "Trilu": (1,),
    "CumSum": (1,),
    "TopK": (1,),
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "ScatterElements": (1,),
    "Scatter": (1,),
    "Dropout": (1, 2),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (4,)),
    **dict.fromkeys([name for name in OPERATORS if name.startswith("Reduce")], (1,)),
}


def _array(x: Any) -> Any:
    return mnp.array(x, dtype=x.dtype) if isinstance(x, (np.ndarray, np.generic)) else x


def import_(file: str | os.PathLike[str] | onnx.ModelProto) -> ImportedBlock:
    """A block that computes an ONNX model of opset 5 to the newest of the onnx package, ready to be called, hybridized and trained.

    ``file``: a path, whose parameters may lie in files beside it, or a model of the onnx package. FileFormatError for what is no valid
    model, GraphError with the node's name for operators that are not known here (at the import) or operands that a rule does not take (at
    the first call).

    Source: the operators of ONNX, https://onnx.ai/onnx/operators/.
    """
    return _told(file, lambda: _block(file if isinstance(file, onnx.ModelProto) else _read(file)))


def _told(file: str | os.PathLike[str] | onnx.ModelProto, read: Callable[[], Any]) -> Any:
    """What ``read`` gives; what is wrong with a file is an error of ours."""
    try:
        return read()
    except (HybridnetError, FileNotFoundError):
        raise
    except Exception as error:  # of protobuf, of the checker, of names and numbers that are none
        what = str(error).splitlines()[0] if str(error) else repr(error)
        name = "a model" if isinstance(file, onnx.ModelProto) else os.fspath(file)
        fail(FileFormatError, "onnx.import_", expected="a valid ONNX model", got=f"{name}: {what}")


def _read(file: str | os.PathLike[str]) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters beside the file that are not there, which is then an error
        return onnx.load(os.fspath(file))


def valid(file: str | os.PathLike[str]) -> tuple[onnx.ModelProto, int]:
    """The model in a file, and its opset. FileFormatError for what is none."""
    return _told(file, lambda: _checked(_read(file)))


def _checked(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    onnx.checker.check_model(model)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    if not OLDEST <= opset <= NEWEST:
        fail(FileFormatError, "onnx.import_", expected=f"an opset from {OLDEST} to {NEWEST}", got=str(opset))
    return model, opset


def _block(model: onnx.ModelProto) -> ImportedBlock:
    _checked(model)
    nodes = written_out(model, OPERATORS.keys() | MAKERS)
    for node in nodes:
        if (node.op_type not in OPERATORS and node.op_type not in MAKERS) or node.domain not in ("", "ai.onnx"):
            got = f"{node.op_type} of {node.domain or 'ONNX'} in node {node.name or ', '.join(node.output)!r}"
            fail(GraphError, "onnx.import_", expected="operators that are known here", got=got)
    return ImportedBlock(model, nodes)
