"""What is computed again in each region that reads it, because that costs less than to store and load it.

Random numbers, which follow from a seed and a counter; plain arithmetic on one large operand that is no larger than
its result: a difference to a row's mean; and float32 numbers that follow from one 16-bit array with little work: what an
activation and its gradient have in common. Part of fusion, which then finds such a node right before each of its readers.
"""

from __future__ import annotations

from hybridnet.core import Kind
from hybridnet.graph.backend import backend_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.lowering.fuse import is_fusable

#: How many times smaller, in bytes, another operand is than the result, for the one large operand to count alone. A guess.
SMALL = 8


def _large(node: Node) -> list[Value]:
    """The operands of a node that are not small beside its result."""
    return [v for v in dict.fromkeys(node.inputs) if v.constant is None and SMALL * v.nbytes > node.outputs[0].nbytes]


def is_cheap(node: Node) -> bool:
    """Whether a node is plain arithmetic on one large operand and small ones."""
    out = node.outputs[0]
    if node.op.kind is not Kind.POINTWISE or node.op.decomposition is not None or node.op.cost > 1:
        return False
    large = _large(node)
    return len(large) == 1 and large[0].shape == out.shape and large[0].nbytes <= out.nbytes


class _Repeating:
    """A graph in the making in which readers have copies of their own."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rewriter = Rewriter(graph)
        self.fusable = {node for node in graph.nodes if node.inputs and is_fusable(node)}
        stored = {*graph.outputs, *(v for node in graph.nodes if node not in self.fusable for v in node.inputs)}
        self.repeated: set[Value] = set()
        depth: dict[Value, int] = {}  # how many such nodes in a row lead to a value
        self.source: dict[Value, Value] = {}  # of what is computed again, the one array that it follows from
        self.work: dict[Value, int] = {}  # and with how many additions for an element
        for node in graph.nodes:
            backend, v = backend_of(node.device), node.outputs[0]
            depth[v] = 1 + max((depth.get(x, 0) for x in node.inputs), default=0)
            # Single numbers are computed once, by one kernel for all.
            plain = depth[v] <= backend.limits.recompute_depth and is_cheap(node)
            cheap = v.shape != () and v not in stored and (self._follows(node) or plain)
            if node in self.fusable and (backend.rematerializes_random(node) or cheap):
                self.repeated.add(v)
            else:
                depth[v] = 0
        self.dropped = self.repeated - stored

    def _follows(self, node: Node) -> bool:
        """Whether a node's result follows with little work from one array of half its bytes."""
        out = node.outputs[0]
        if node.op.kind is not Kind.POINTWISE or node.op.decomposition is not None or node not in self.fusable:
            return False
        large = _large(node)
        sources = {self.source.get(v, v) for v in large}
        work = node.op.cost + sum(self.work.get(v, 0) for v in large)
        source = sources.pop() if len(sources) == 1 else None
        most = backend_of(node.device).limits.recompute_cost
        if source is None or source.shape != out.shape or 2 * source.nbytes > out.nbytes or work > most:
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


def recompute(graph: Graph) -> Graph:
    """The graph with a copy of each node that is computed again for every fusable node that reads it."""
    return _Repeating(graph).run()
