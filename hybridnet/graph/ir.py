"""The graph: typed values in single assignment, nodes in an order in which they can run.

Graphs are never changed: a pass makes a new one through :class:`Rewriter` and may share nodes
with the old. Values know their producer, so patterns are read off directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Spec
from hybridnet.device import Device
from hybridnet.dtypes import Dtype
from hybridnet.errors import Site
from hybridnet.graph.implementation import Implementation
from hybridnet.graph.operators import FULL


class Value:
    """One array of a graph: what an input holds or a node computes."""

    __slots__ = ("device", "dtype", "index", "is_settled", "name", "node", "owner", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Dtype, device: Device, node: Node | None = None, index: int = 0) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.node = node  # the producer; None for an input of the graph
        self.index = index  # which of the producer's outputs
        self.owner: object = None  # the trace that made it, while it is being traced
        self.name = ""  # of an input: what the user calls it
        self.is_settled = False  # of an input: whether it is expected to be the same array, of the same values, at most calls

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def nbytes(self) -> int:
        """The size of the elements in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def spec(self) -> Spec:
        """Its shape and dtype."""
        return Spec(self.shape, self.dtype)

    @property
    def constant(self) -> Any:
        """The number that the value is filled with, or None if it is not a constant."""
        if self.node is None or self.node.op is not FULL:
            return None
        value = self.node.attrs["value"]
        if self.dtype.kind == "c":
            return complex(value)
        if self.dtype.kind not in "biu":
            return float(value) if type(value) is int else value
        if type(value) is not float:
            return value
        with np.errstate(all="ignore"):
            return np.full((), value).astype(self.dtype).item()

    def __repr__(self) -> str:
        return f"<Value {self.spec}>"


class Node:
    """One operator call."""

    __slots__ = ("attrs", "implementation", "inputs", "op", "outputs", "scope", "site")

    def __init__(
        self,
        op: Op,
        inputs: Sequence[Value],
        attrs: Mapping[str, Any],
        specs: Sequence[Spec | Value],  # of the outputs, or values that are like them
        device: Device,
        site: Site | None = None,
    ) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        self.attrs: Mapping[str, Any] = attrs if type(attrs) is MappingProxyType else MappingProxyType(dict(attrs))
        self.outputs = tuple([Value(s.shape, s.dtype, device, self, i) for i, s in enumerate(specs)])
        self.site = site
        self.scope = site.scope if site else ""
        self.implementation: Implementation | None = None  # who computes it, once that is decided

    @property
    def output(self) -> Value:
        """The first of its outputs."""
        return self.outputs[0]

    @property
    def device(self) -> Device:
        """The device of its outputs."""
        return self.outputs[0].device

    @property
    def communicates(self) -> bool:
        """Whether it exchanges data with other processes: then no pass leaves it out, repeats it, joins it, or moves it past another."""
        return self.op.kind is Kind.COMMUNICATION

    def with_inputs(
        self,
        inputs: Sequence[Value],
        *,
        attrs: Mapping[str, Any] | None = None,
        specs: Sequence[Spec] | None = None,
        site: Site | None = None,
    ) -> Node:
        """The same call on other values, at the same place in the user's code; what else is given is other too."""
        node = Node(
            self.op,
            inputs,
            self.attrs if attrs is None else attrs,
            self.outputs if specs is None else specs,
            self.outputs[0].device,
            site or self.site,
        )
        decided = self.implementation is not None and attrs is None and specs is None
        if decided and all(now.shape == was.shape and now.dtype == was.dtype for now, was in zip(node.inputs, self.inputs, strict=True)):
            node.implementation = self.implementation
        return node

    def __repr__(self) -> str:
        return f"<Node {self.op.name}>"


class Graph:
    """Inputs, nodes in running order, outputs."""

    __slots__ = ("inputs", "nodes", "outputs")

    def __init__(self, inputs: Sequence[Value], nodes: Sequence[Node], outputs: Sequence[Value]) -> None:
        self.inputs = tuple(inputs)
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)

    def uses(self) -> dict[Value, int]:
        """How often each value is read, outputs of the graph included."""
        count: dict[Value, int] = {}
        for node in self.nodes:
            for v in node.inputs:
                count[v] = count.get(v, 0) + 1
        for v in self.outputs:
            count[v] = count.get(v, 0) + 1
        return count

    def __str__(self) -> str:
        return format_graph(self)

    __repr__ = __str__


def communication_before(nodes: Sequence[Node]) -> dict[Node, Node]:
    """For each communication but the first the one before it: an order to be kept as if the one read the other's result."""
    in_order = [node for node in nodes if node.communicates]
    return dict(zip(in_order[1:], in_order, strict=False))


def infer_node(op: Op, inputs: Iterable[Value], attrs: Mapping[str, Any]) -> tuple[Spec, ...]:
    """The specs of a call's outputs."""
    result = op.infer(*[v.spec for v in inputs], **attrs)
    return (result,) if isinstance(result, Spec) else result


class Rewriter:
    """Builds the graph that a pass returns, node by node, remembering what became of each value."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.replaced: dict[Value, Value] = {}

    def of(self, value: Value) -> Value:
        """What a value of the old graph is in the new one."""
        return self.replaced.get(value, value)

    def keep(self, node: Node) -> Node:
        """Take over a node, as it is if its inputs are unchanged."""
        kept = node
        if not self.replaced.keys().isdisjoint(node.inputs):
            inputs = tuple([self.replaced.get(v, v) for v in node.inputs])
            if inputs != node.inputs:
                kept = node.with_inputs(inputs)
                self.replaced.update(zip(node.outputs, kept.outputs, strict=True))
        self.nodes.append(kept)
        return kept

    def emit(self, op: Op, inputs: Sequence[Value], attrs: Mapping[str, Any], like: Node) -> Value:
        """Append a new node of one output, placed where ``like`` was in the user's code."""
        node = Node(op, inputs, attrs, infer_node(op, inputs, attrs), like.outputs[0].device, like.site)
        self.nodes.append(node)
        return node.outputs[0]

    def inline(
        self, body: Graph, operands: Sequence[Value], site: Site | None, append: Callable[[Node], object] | None = None
    ) -> list[Value]:
        """Append copies of the nodes of ``body``, placed at ``site``, on ``operands`` of the new graph; gives what its outputs are.

        ``append``: what takes a copy in, :meth:`keep` if not given, and may replace its outputs.
        """
        inner: dict[Value, Value] = dict(zip(body.inputs, operands, strict=True))
        for part in body.nodes:
            copied = part.with_inputs([inner[v] for v in part.inputs], site=site)
            (append or self.keep)(copied)
            inner.update((old, self.of(new)) for old, new in zip(part.outputs, copied.outputs, strict=True))
        return [inner[v] for v in body.outputs]

    def replace(self, old: Value, new: Value) -> None:
        """From here on ``new`` stands for ``old``."""
        self.replaced[old] = new

    def finish(self) -> Graph:
        """The new graph: the same inputs, the nodes so far, and what the outputs have become."""
        return Graph(self.graph.inputs, self.nodes, [self.of(v) for v in self.graph.outputs])


def value_names(graph: Graph) -> dict[Value, str]:
    """What the printer calls each value: an input by its name, what nodes compute ``v0``, ``v1`` and so on."""
    names = {v: v.name or f"in{i}" for i, v in enumerate(graph.inputs)}
    names.update({v: f"v{i}" for i, v in enumerate(v for node in graph.nodes for v in node.outputs)})
    return names


def format_node(node: Node, names: dict[Value, str]) -> str:
    """A node as a line: types, operator, attributes but for graphs, block and source line. A value that has no name is ``?``."""
    left = ", ".join(f"{names.get(v, '?')}: {v.spec}" for v in node.outputs)
    given = [names.get(v, "?") for v in node.inputs] + [f"{k}={a}" for k, a in node.attrs.items() if not isinstance(a, Graph)]
    return f"{left} = {node.op.name}({', '.join(given)})" + (f"  # {node.site}" if node.site else "")


def format_graph(graph: Graph, indent: str = "") -> str:
    """The graph as text: a line for each node, and below it, further in, the graphs that it has."""
    names = value_names(graph)
    lines = [f"{indent}graph(" + ", ".join(f"{names[v]}: {v.spec}" for v in graph.inputs) + ")"]
    for node in graph.nodes:
        lines.append(f"{indent}  {format_node(node, names)}")
        lines += [format_graph(a, indent + "    ") for a in node.attrs.values() if isinstance(a, Graph)]
    lines.append(f"{indent}  return " + ", ".join(names.get(v, "?") for v in graph.outputs))
    return "\n".join(lines)
