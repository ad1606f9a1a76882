"""The nodes of an ONNX graph, run on values by name: those of a model, and of the bodies that its loops and branches hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hybridnet import numpy as mnp
from hybridnet.core import Array
from hybridnet.errors import GraphError, HybridnetError, fail, scope
from hybridnet.gluon import Parameter
from hybridnet.onnx.operators import ML, OPERATORS, Call, array_of, key_of

#: Operators that are computed of nothing but their attributes.
MAKERS = {"Constant"}

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


def _gathered(call: Call, x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Elements along an axis; of the other axes as many as there are places."""
    axis = call.get("axis", 0) % x.ndim
    part = x[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(places.shape))]
    return np.take_along_axis(part, places, axis)


#: What is known before the network runs and the reference implementation computes wrongly, or not at all, for some shapes.
MENDED: Mapping[str, Callable[..., np.ndarray]] = {"GatherElements": _gathered}


def is_known(node: NodeProto) -> bool:
    """Whether a node's operator is one that is computed here."""
    return key_of(node) in OPERATORS or key_of(node) in MAKERS


def bodies_of(node: NodeProto) -> dict[str, GraphProto]:
    """The graphs that a node holds, by the names of its attributes."""
    return {a.name: a.g for a in node.attribute if a.type == AttributeProto.GRAPH}


class Nodes:
    """A graph's nodes in their order, each with the nodes of its bodies.

    ``parameters``: the graph's floating initializers by name, which a block takes for its own; ``constants``: the others.
    """

    def __init__(self, graph: GraphProto, nodes: Sequence[NodeProto], opset: int) -> None:
        self.graph = graph
        self.opset = opset
        self.outputs = tuple(x.name for x in graph.output)
        self.nodes = [(node, Call(node, opset), self._bodies(node)) for node in nodes]
        self.parameters: dict[str, Parameter] = {}
        self.constants: dict[str, np.ndarray] = {}
        self._evaluators: dict[int, ReferenceEvaluator] = {}
        inner = {tensor.name for tensor in graph.initializer}
        self.inputs = tuple(x.name for x in graph.input if x.name not in inner)
        for tensor in graph.initializer:
            data = numpy_helper.to_array(tensor)
            if data.dtype.kind == "f" and data.size:
                parameter = self.parameters[tensor.name] = Parameter(tensor.name, shape=data.shape, dtype=data.dtype)
                parameter.initialize()
                parameter.set_data(mnp.array(data, dtype=data.dtype))
            else:  # text is a list of labels, which are known by their places here
                self.constants[tensor.name] = data if data.dtype.kind != "O" else np.arange(data.size).reshape(data.shape)

    def _bodies(self, node: NodeProto) -> dict[str, Nodes]:
        return {name: Nodes(graph, graph.node, self.opset) for name, graph in bodies_of(node).items()}

    def every(self) -> Iterator[Nodes]:
        """These and those of all bodies in them."""
        yield self
        for _, _, bodies in self.nodes:
            for body in bodies.values():
                yield from body.every()

    def run(self, values: Mapping[str, Any]) -> list[Any]:
        """The outputs, for values by name: the inputs, and of a body what stands around it."""
        values = {**values, "": None, **self.constants}
        values |= {name: parameter.data() for name, parameter in self.parameters.items()}
        for number, (node, call, bodies) in enumerate(self.nodes):
            operands = [values[name] for name in node.input]
            while operands and operands[-1] is None:
                operands.pop()
            try:
                with scope(call.name):
                    if bodies:
                        results = self._held(node, call, operands, {name: Body(body, values) for name, body in bodies.items()})
                    else:
                        results = self._compute(number, node, call, operands)
            except HybridnetError:
                raise
            except Exception as error:  # of NumPy and of the reference implementation; MemoryError, too
                said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                fail(GraphError, f"onnx.import_, {call.name!r}", expected=f"operands that {node.op_type} takes", got=said)
            for name, result in zip(node.output, results, strict=False):
                values[name] = result
        return [values[name] for name in self.outputs]

    def _held(self, node: NodeProto, call: Call, operands: Sequence[Any], bodies: Mapping[str, Body]) -> Sequence[Any]:
        results: Sequence[Any] = OPERATORS[key_of(node)](call, *operands, **bodies)
        return results

    def _compute(self, number: int, node: NodeProto, call: Call, operands: Sequence[Any]) -> Sequence[Any]:
        if node.op_type in MAKERS or (operands and not any(isinstance(x, Array) for x in operands)):
            if key_of(node) in MENDED:
                return [MENDED[key_of(node)](call, *operands)]
            evaluator = self._evaluators.get(number)
            if evaluator is None:
                evaluator = self._evaluators[number] = ReferenceEvaluator(alone(node, self.opset))
            given = {name: x for name, x in zip(node.input, operands, strict=False) if name}
            return [np.asarray(x) for x in evaluator.run(None, given)]
        on_host = HOST.get(node.op_type, ())
        result = OPERATORS[key_of(node)](call, *[x if i in on_host else array_of(x) for i, x in enumerate(operands)])
        return result if isinstance(result, tuple) else (result,)


def alone(node: NodeProto, opset: int) -> ModelProto:
    """A node as a model of its own; of a bare node the reference implementation would take the newest opset."""
    inputs, outputs = ([ValueInfoProto(name=x) for x in dict.fromkeys(names) if x] for names in (node.input, node.output))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3)]
    return helper.make_model(helper.make_graph([node], "alone", inputs, outputs), opset_imports=opsets)


class Body:
    """A body as a function of its inputs, among the values that stand around it."""

    def __init__(self, nodes: Nodes, around: Mapping[str, Any]) -> None:
        self.nodes = nodes
        self.around = around

    def __call__(self, *inputs: Any) -> list[Any]:
        return self.nodes.run({**self.around, **dict(zip(self.nodes.inputs, inputs, strict=True))})

    def keeps(self, read: int, written: int) -> bool:
        """Whether an output is an input as it came, or always true."""
        name = self.nodes.outputs[written]
        makers = {output: node for node, _, _ in self.nodes.nodes for output in node.output}
        while name in makers and makers[name].op_type == "Identity":
            name = makers[name].input[0]
        if name in makers and makers[name].op_type in MAKERS:
            return all(np.all(numpy_helper.to_array(a.t)) for a in makers[name].attribute)
        return name == self.nodes.inputs[read] or bool(np.all(self.nodes.constants.get(name, False)))

    def nothing(self, output: int) -> Any:
        """An output's results of no steps, as far as its type says their shape."""
        kind = self.nodes.graph.output[output].type.tensor_type
        shape = [d.dim_value for d in kind.shape.dim]
        return mnp.zeros((0, *shape), dtype=helper.tensor_dtype_to_np_dtype(kind.elem_type))
