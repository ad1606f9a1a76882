"""What a GPU computes again in each region that reads it, because that costs less than to store and load it.

Random numbers, which follow from a seed and a counter; plain arithmetic on one large operand that is no larger than
its result: a difference to a row's mean; and float32 numbers that follow from one 16-bit array with little work: what an
activation and its gradient have in common. Part of fusion, which then finds such a node right before each of its readers.
"""

from __future__ import annotations

from collections.abc import Callable

from hybridnet.core import Kind
from hybridnet.graph.accelerated import draws_again
from hybridnet.graph.ir import Graph, Node, Rewriter, Value

SMALL = 8  # how many times smaller than the result another operand must be
DEPTH = 4  # how many such nodes in a row are computed again
WORK = 24  # how many additions for each element of a float32 array, which takes 8 bytes of memory to store and load, where 16 bits are read


def _large(node: Node) -> list[Value]:
    """The operands of a node that are not small beside its result."""
    return [v for v in dict.fromkeys(node.inputs) if v.constant is None and SMALL * v.nbytes > node.outputs[0].nbytes]


def is_cheap(node: Node) -> bool:
    """Whether a node is plain arithmetic on one large operand and small ones."""
    out = node.outputs[0]
    if node.op.kind is not Kind.POINTWISE or node.op.expand is not None or node.op.cost > 1 or not out.device.is_gpu:
        return False
    large = _large(node)
    return len(large) == 1 and large[0].shape == out.shape and large[0].nbytes <= out.nbytes


class _Repeating:
    """A graph in the making in which readers have copies of their own."""

    def __init__(self, graph: Graph, is_fusable: Callable[[Node], bool]) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.fusable = {node for node in graph.nodes if node.inputs and is_fusable(node)}
        stored = {*graph.outputs, *(v for node in graph.nodes if node not in self.fusable for v in node.inputs)}
        self.repeated: set[Value] = set()
        depth: dict[Value, int] = {}  # how many such nodes in a row lead to a value
        self.source: dict[Value, Value] = {}  # of what is computed again, the one array that it follows from
        self.work: dict[Value, int] = {}  # and with how many additions for an element
        for node in graph.nodes:
            v = node.outputs[0]
            depth[v] = 1 + max((depth.get(x, 0) for x in node.inputs), default=0)
            # Single numbers are computed once, by one kernel for all.
            cheap = v.shape != () and v not in stored and (self._follows(node) or (is_cheap(node) and depth[v] <= DEPTH))
            if node in self.fusable and (draws_again(node) or cheap):
                self.repeated.add(v)
            else:
                depth[v] = 0
        self.dropped = self.repeated - stored

    def _follows(self, node: Node) -> bool:
        """Whether a node's result follows with little work from one array of half its bytes."""
        out = node.outputs[0]
        if node.op.kind is not Kind.POINTWISE or node.op.expand is not None or not out.device.is_gpu or node not in self.fusable:
            return False
        large = _large(node)
        sources = {self.source.get(v, v) for v in large}
        work = node.op.cost + sum(self.work.get(v, 0) for v in large)
        source = sources.pop() if len(sources) == 1 else None
        if source is None or source.shape != out.shape or 2 * source.nbytes > out.nbytes or work > WORK:
            return False
        self.source[out], self.work[out] = source, work
        return True

    def run(self) -> Graph:
        if not self.repeated:
            return self.graph
        for node in self.graph.nodes:
            if node.outputs[0] in self.dropped:
                continue
            mine = [v for v in dict.fromkeys(node.inputs) if v in self.repeated] if node in self.fusable else []
            copies = {v: self._copy(v) for v in mine}
            if copies:
                inputs = [copies.get(v) or self.rewriter.of(v) for v in node.inputs]
                new = node.with_inputs(inputs)
                self.rewriter.nodes.append(new)
                for old, now in zip(node.outputs, new.outputs, strict=True):
                    self.rewriter.replace(old, now)
            else:
                self.rewriter.keep(node)
        return self.rewriter.finish()

    def _copy(self, v: Value) -> Value:
        """A copy of the node that makes ``v``, on copies of what it reads in turn."""
        node = v.node
        assert node is not None
        inputs = [self._copy(x) if x in self.repeated else self.rewriter.of(x) for x in node.inputs]
        copy = node.with_inputs(inputs)
        self.rewriter.nodes.append(copy)
        return copy.output


def repeat(graph: Graph, is_fusable: Callable[[Node], bool]) -> Graph:
    """The graph with a copy of each node that is computed again for every fusable node that reads it."""
    if not any(node.outputs[0].device.is_gpu for node in graph.nodes):
        return graph
    return _Repeating(graph, is_fusable).run()
