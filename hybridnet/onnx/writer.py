"""An ONNX graph in the making: names, initializers, nodes, and sizes that are read from the inputs when it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hybridnet.errors import GraphError, fail
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.onnx.sizes import Size, Unknown, is_fixed, merge
from hybridnet.onnx.tracing import Model

MOST_FOLDED = 1 << 20  # elements of a result that is computed at export because its operands are known


def element_type(dtype: Any) -> int:
    """ONNX's number of an element type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def names_read(node: NodeProto) -> Iterator[str]:
    """The names that a node reads, and those that its bodies do."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from names_read(inner)


class Writer:
    """What rules write to. Operands are values of the traced graph, or names of what was written before."""

    def __init__(self, model: Model, opset: int) -> None:
        self.model = model
        self.opset = opset
        self.uses = model.graph.uses()
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.known: dict[Value, np.ndarray] = {}  # values that are the same in every run
        self.node: Node | None = None  # the one whose rule is at work
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()
        self._writers: dict[str, NodeProto] = {}  # of what is written, the node that writes it
        self._sizes: dict[Any, str] = {}

    # -- names ----------------------------------------------------------------------------------

    def fresh(self, hint: str) -> str:
        """A name that nothing else has."""
        hint = re.sub(r"[^\w./]+", "_", hint) or "value"
        name, number = hint, 1
        while name in self._taken:
            name, number = f"{hint}_{number}", number + 1
        self._taken.add(name)
        return name

    def bind(self, value: Value, name: str) -> None:
        """From here on ``name`` stands for ``value``."""
        self._taken.add(name)
        self._names[value] = name

    def has(self, value: Value) -> bool:
        """Whether a value was written already."""
        return value in self._names

    def name(self, operand: Value | str) -> str:
        """The name of an operand; of a known value, which becomes an initializer now."""
        if isinstance(operand, str):
            return operand
        if operand not in self._names:
            hint = operand.name or (operand.node.op.name if operand.node else "constant")
            self._names[operand] = self.constant(self.known[operand], hint)
        return self._names[operand]

    # -- what rules call ------------------------------------------------------------------------

    def constant(self, data: Any, hint: str = "constant") -> str:
        """An initializer."""
        name = self.fresh(hint)
        self.initializers[name] = np.ascontiguousarray(data).reshape(np.shape(data))
        return name

    def number(self, value: float, dtype: Any) -> str:
        """A number as an array of no dimensions."""
        key = ("number", repr(value), str(np.dtype(dtype)))
        if key not in self._sizes:
            self._sizes[key] = self.constant(np.array(value, dtype), "number")
        return self._sizes[key]

    def integers(self, values: Sequence[int]) -> str:
        """A vector of 64-bit integers, as shapes and axes are given."""
        key = ("integers", *map(int, values))
        if key not in self._sizes:
            self._sizes[key] = self.constant(np.array(values, np.int64), "integers")
        return self._sizes[key]

    def add(self, op: str, inputs: Sequence[Value | str], *, outputs: int = 1, **attributes: Any) -> str:
        """Write a node; gives the name of its (first) output."""
        return self.add_all(op, inputs, outputs, **attributes)[0]

    def add_all(self, op: str, inputs: Sequence[Value | str], outputs: int, **attributes: Any) -> list[str]:
        """Write a node; gives the names of its outputs."""
        made = [self.fresh(op.lower()) for _ in range(outputs)]
        proto = helper.make_node(op, [self.name(x) for x in inputs], made, name=self.fresh(op), **attributes)
        if self.node is not None and self.node.site is not None:
            proto.doc_string = str(self.node.site)
        self.nodes.append(proto)
        self._writers.update(dict.fromkeys(made, proto))
        return made

    def written_by(self, value: Value) -> NodeProto | None:
        """The ONNX node that writes a value which is read once: one more operand of that node can then stand for what follows."""
        return self._writers.get(self._names.get(value, "")) if self.uses.get(value) == 1 else None

    def name_of(self, value: Value) -> str:
        """The name under which a value was written."""
        return self._names[value]

    def forget(self, graph: Graph) -> None:
        """Have the nodes of a graph written again: it stands in several places."""
        for node in graph.nodes:
            for value in node.outputs:
                self._names.pop(value, None)

    @contextmanager
    def within(self, graph: Graph) -> Iterator[list[NodeProto]]:
        """What is written meanwhile is that of a body of ``graph``: nodes in a list of their own, with sizes that nothing else can read."""
        before = self.nodes, self.uses, self.model, self._sizes
        self.nodes, self.uses, self.model = [], graph.uses(), replace(self.model, graph=graph)
        self._sizes = dict(self._sizes)
        try:
            yield self.nodes
        finally:
            self.nodes, self.uses, self.model, self._sizes = before

    def cast(self, operand: Value | str, dtype: Any) -> str:
        """The operand in another element type."""
        if isinstance(operand, Value) and operand.dtype == np.dtype(dtype):
            return self.name(operand)
        return self.add("Cast", [operand], to=element_type(dtype))

    # -- sizes ----------------------------------------------------------------------------------

    def shape(self, value: Value) -> tuple[Any, ...]:
        """Its shape: numbers, and sizes that follow the named axes."""
        return self.model.shapes[value]

    def size(self, size: Any) -> str:
        """A size as a vector of one 64-bit integer, computed from the inputs' shapes where it follows them."""
        if isinstance(size, Unknown):
            self.refuse("a size that is a sum of products of the named axes", "one that follows them in another way")
        if not isinstance(size, Size):
            return self.integers([size])
        if str(size) not in self._sizes:
            total = ""
            for axes, factor in size.terms.items():
                term = self.integers([factor]) if factor != 1 or not axes else ""
                for name in sorted(axes):
                    term = self.add("Mul", [term, self._axis(name)]) if term else self._axis(name)
                total = self.add("Add", [total, term]) if total else term
            self._sizes[str(size)] = total
        return self._sizes[str(size)]

    def _axis(self, name: str) -> str:
        key = ("axis", name)
        if key not in self._sizes:
            where, axis = self.model.axes[name]
            self._sizes[key] = self.add("Gather", [self.add("Shape", [where]), self.integers([axis])], axis=0)
        return self._sizes[key]

    def sizes(self, shape: Sequence[Any]) -> str:
        """A shape as a vector of 64-bit integers."""
        if is_fixed(tuple(shape)):
            return self.integers(shape)
        return self.add("Concat", [self.size(n) for n in shape], axis=0)

    def same(self, what: str, of: Callable[[Node], Any]) -> Any:
        """What a function gives of the node at hand, which is to be the same whatever sizes the named axes have."""
        assert self.node is not None
        return self.fixed(what, merge([of(twin) for twin in self.model.twins[self.node]], self.model.low))

    def fixed(self, what: str, value: Any) -> Any:
        """A value that ONNX wants to be the same in every run."""
        if not is_fixed(value):
            self.refuse(f"{what} that does not follow the named axes", f"{what} {value}")
        return value

    def refuse(self, expected: str, got: str, fix: str = "") -> NoReturn:
        """Raise that the node at hand cannot be written, and where in the user's code it stands."""
        assert self.node is not None
        fail(GraphError, f"onnx.export, {self.node.op.name}", expected=expected, got=got, fix=fix, site=self.node.site)

    # -- the model ------------------------------------------------------------------------------

    def value_info(self, value: Value, name: str) -> onnx.ValueInfoProto:
        """The declaration of an input or output."""
        dims = [str(n) if isinstance(n, Size) else None if isinstance(n, Unknown) else n for n in self.shape(value)]
        return helper.make_tensor_value_info(name, element_type(value.dtype), dims)

    def read(self, results: Sequence[str]) -> list[NodeProto]:
        """The nodes that the results are computed from: a rule may take the operands of what was written before in its place."""
        wanted = set(results)
        kept = []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.output):
                kept.append(node)
                wanted.update(names_read(node))
        return kept[::-1]

    def tensors(self, nodes: Sequence[NodeProto]) -> list[TensorProto]:
        """The initializers that these nodes read."""
        read = {name for node in nodes for name in names_read(node)}
        return [numpy_helper.from_array(data, name) for name, data in self.initializers.items() if name in read]
