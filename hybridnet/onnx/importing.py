"""An ONNX file as a block: its parameters can be trained, its nodes run as our operators, imperatively or compiled.

What is computed of shapes and constants alone (the chains of Shape, Gather, Concat that other exporters write) is computed on the host
while a call with those shapes is traced, by the reference implementation of the onnx package.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import onnx
from onnx import NodeProto

from hybridnet.errors import ArgumentError, FileFormatError, GraphError, HybridnetError, fail
from hybridnet.gluon import HybridBlock
from hybridnet.ndarray import NDArray
from hybridnet.onnx.functions import written_out
from hybridnet.onnx.nodes import MAKERS, Nodes, bodies_of, is_known
from hybridnet.onnx.operators import OPERATORS, array_of

OLDEST, NEWEST = 5, onnx.defs.onnx_opset_version()  # opsets


class ImportedBlock(HybridBlock):
    """What an ONNX model computes. Floating initializers are parameters under their names; ``inputs`` and ``outputs`` name the others.

    One result comes alone, several as a tuple.
    """

    def __init__(self, model: onnx.ModelProto, nodes: Sequence[NodeProto]) -> None:
        super().__init__(prefix="")
        self._nodes = Nodes(model.graph, nodes, next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1))
        self.inputs, self.outputs = self._nodes.inputs, self._nodes.outputs
        for part in self._nodes.every():
            for name, parameter in part.parameters.items():
                known = name if name not in self._reg_params else f"{name}_{len(self._reg_params)}"  # two branches may have one name
                self._reg_params[known] = self.params._params[known] = parameter

    def forward(self, *args: Any) -> Any:
        """The outputs for the inputs, in the order of ``inputs``: arrays of ``nd`` where an input is one, else of ``np``."""
        if len(args) != len(self.inputs):
            expected = f"{len(self.inputs)} inputs: {', '.join(self.inputs)}"
            fail(ArgumentError, "onnx.import_", expected=expected, got=str(len(args)))
        classic = any(type(x) is NDArray for x in args)
        given = [x.as_np_ndarray() if type(x) is NDArray else x for x in args]
        results = [array_of(x) for x in self._nodes.run(dict(zip(self.inputs, given, strict=True)))]
        if classic:
            results = [x.as_nd_ndarray() for x in results]
        return results[0] if len(results) == 1 else tuple(results)


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
    _all_known(nodes)
    return ImportedBlock(model, nodes)


def _all_known(nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        if not is_known(node):
            got = f"{node.op_type} of {node.domain or 'ONNX'} in node {node.name or ', '.join(node.output)!r}"
            fail(GraphError, "onnx.import_", expected="operators that are known here", got=got)
        for body in bodies_of(node).values():
            _all_known(body.node)
