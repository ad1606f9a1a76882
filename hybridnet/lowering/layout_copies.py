"""On a GPU, copies where hand-written kernels, libraries and the graph's results need arrays without gaps, or at other addresses."""

from __future__ import annotations

from hybridnet.core.kernel import HandKernels, StridedSpec
from hybridnet.device.hardware import ACCESS_BYTES
from hybridnet.graph.backend import CUDA, implementation_of
from hybridnet.graph.implementation import LibraryPlan, Repetition
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import COPY
from hybridnet.lowering.last_block import ENDED
from hybridnet.lowering.multi_tensor import GROUP
from hybridnet.lowering.shadows import Shadows


def alignment(offset: int) -> int:
    """To how many bytes, as far as an access goes, an address is aligned that lies so far from one that is."""
    return min(offset & -offset, ACCESS_BYTES) if offset else ACCESS_BYTES


class _Fitting:
    """A graph in the making in which every operand lies as its reader needs it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shadows = Shadows(graph.inputs)
        self.nodes: list[Node] = []
        self.replaced: dict[Value, Value] = {}
        self.copies: dict[Value, Value] = {}

    def fit(self) -> Graph:
        for node in self.graph.nodes:
            inputs = self._operands(node, [self.replaced.get(v, v) for v in node.inputs])
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                new = Node(node.op, inputs, node.attrs, [v.spec for v in node.outputs], node.device, node.site)
                new.implementation = node.implementation
                self.replaced.update(zip(node.outputs, new.outputs, strict=True))
                node = new
            self._append(node)
        outputs = [self._without_gaps(self.replaced.get(v, v)) for v in self.graph.outputs]
        return Graph(self.graph.inputs, self.nodes, outputs)

    def _operands(self, node: Node, inputs: list[Value]) -> list[Value]:
        """The operands as the node's kernels or its library take them."""
        if node.op is GROUP:
            return [self._without_gaps(v) for v in inputs]
        if node.op is ENDED or isinstance(implementation_of(node), Repetition):
            return [self._without_gaps(v, ACCESS_BYTES) for v in inputs]
        match implementation_of(node):
            case LibraryPlan(call):
                aligned = [v if self._begins_at(v, call.alignment) else self._copied(v) for v in inputs]
                if all(map(self.shadows.is_contiguous, aligned)):
                    return aligned
                strided = [StridedSpec(v.shape, v.dtype, self.shadows.strides(v)) for v in aligned]
                return aligned if CUDA.plan(node, strided) is not None else [self._without_gaps(v) for v in aligned]
            case HandKernels():
                return [self._without_gaps(v, ACCESS_BYTES) for v in inputs]
        return inputs

    def _append(self, node: Node) -> None:
        self.nodes.append(node)
        self.shadows.add(node)

    def _begins_at(self, v: Value, boundary: int) -> bool:
        """Whether an address of a value is a multiple of so many bytes, as that of what it is a view of is."""
        return alignment(self.shadows.offset(v)) % boundary == 0

    def _without_gaps(self, v: Value, boundary: int = 1) -> Value:
        """The value, or a copy of it where it is a view with gaps, or one that does not begin at a multiple of so many bytes."""
        return v if self.shadows.is_contiguous(v) and self._begins_at(v, boundary) else self._copied(v)

    def _copied(self, v: Value) -> Value:
        if v not in self.copies:
            node = Node(COPY, (v,), {}, [v.spec], v.device, v.node.site if v.node else None)
            self._append(node)
            self.copies[v] = node.output
        return self.copies[v]


def insert_layout_copies(graph: Graph) -> Graph:
    """The graph with copies where hand-written kernels, libraries and the graph's results need arrays without gaps."""
    return _Fitting(graph).fit()
