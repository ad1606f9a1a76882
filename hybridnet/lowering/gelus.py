"""GELU in its tanh form, and its slope in the gradient, go along with the products before them where the library has them.

Of 16-bit matrices, for which that is one rounding less: see :mod:`hybridnet.ops.linalg.matmul_gelu`. Two passes over memory less for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.core import Op, Spec
from hybridnet.core.kernel import is_half
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import CAST, MATMUL, MATMUL_BIAS, MULTIPLY, RESHAPE
from hybridnet.graph.passes.cleanup import dce
from hybridnet.graph.refusals import tell_refusal
from hybridnet.lowering.joining import Uses, alone_before, are_before, uses_of
from hybridnet.lowering.patterns import Pattern
from hybridnet.ops.linalg.matmul_gelu import MATMUL_GELU, MATMUL_GELU_SLOPE
from hybridnet.ops.nn.activation import GELU_TANH, gelu_tanh_slope


def gelus(graph: Graph) -> Graph:
    """The graph with products that take GELU along."""
    if not any(node.op is MATMUL_BIAS or node.op is MATMUL for node in graph.nodes if is_half(node.output.dtype)):
        return graph
    finder = _Finder(graph)
    for node in graph.nodes:
        finder.look_at(node)
    if not finder.forward and not finder.backward:
        return graph
    return _only_what_is_read(dce(finder.rewritten()))


class _Finder:
    """Which products have GELU, or its slope, behind them: by the product, what it then gives."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.uses: Uses = uses_of(graph)
        self.position = {node: i for i, node in enumerate(graph.nodes)}
        self.patterns: dict[Any, Pattern] = {}
        self.forward: dict[Node, Value] = {}
        self.backward: dict[Node, tuple[Value, Value]] = {}  # with what the slope is at

    def look_at(self, node: Node) -> None:
        """A node that may be the last of GELU or of its gradient."""
        if len(node.outputs) != 1 or not is_half(node.output.dtype):
            return
        y = node.output
        if node.op is CAST and node.inputs[0].node is not None and node.inputs[0].node.op is MULTIPLY:
            found = self._pattern(GELU_TANH, y, 1).match(y)
            product = None if found is None else _product(found[0])
            if product is not None and product not in self.forward and product.output.size == y.size:
                self.forward[product] = y
        elif node.op is MULTIPLY and node.inputs[1].node is not None and node.inputs[1].node.op is CAST:
            found = self._pattern("slope", y, 2).match(y)
            product = None if found is None else alone_before(found[0], node, self.uses)
            if found is None or product is None or product.op is not MATMUL:
                return
            if are_before([found[1]], product, self.position):
                self.backward[product] = y, found[1]

    def _pattern(self, of: Op | str, y: Value, operands: int) -> Pattern:
        key = of, y.spec, y.device
        if key not in self.patterns:
            function: Callable[..., Any] = _gelu if operands == 1 else _slope
            self.patterns[key] = Pattern("gelu", function, [y.spec] * operands, y.device)
        return self.patterns[key]

    def rewritten(self) -> Graph:
        """The graph with them, and nodes that nothing reads."""
        rewriter = Rewriter(self.graph)
        joined: dict[Value, Value] = {}  # what stands for a result, once its last node is there
        for node in self.graph.nodes:
            if node in self.forward:
                made = _made(MATMUL_GELU, tuple(map(rewriter.of, node.inputs)), {**_flags(node), "stored": True}, node)
                if made is not None:
                    rewriter.nodes.append(made)
                    rewriter.replace(node.output, made.outputs[1])
                    joined[self.forward[node]] = made.outputs[0]
                    continue
            elif node in self.backward:
                y, x = self.backward[node]
                at = _reshaped(rewriter, rewriter.of(x), node.output.spec, node)
                made = _made(MATMUL_GELU_SLOPE, (*map(rewriter.of, node.inputs), at), _flags(node), node)
                if made is not None:
                    rewriter.nodes.append(made)
                    joined[y] = made.output
                    continue
            if node.output in joined:
                rewriter.replace(node.output, _reshaped(rewriter, joined[node.output], node.output.spec, node))
            else:
                rewriter.keep(node)
        return rewriter.finish()


def _gelu(x: Any) -> Any:
    assert GELU_TANH.decomposition is not None
    return GELU_TANH.decomposition(x)


def _slope(g: Any, x: Any) -> Any:
    return g * gelu_tanh_slope(x)


def _product(x: Value) -> Node | None:
    """The product that a value is, in another shape maybe."""
    while x.node is not None and x.node.op is RESHAPE:
        x = x.node.inputs[0]
    return x.node if x.node is not None and x.node.op in (MATMUL, MATMUL_BIAS) and not x.node.attrs.get("relu") else None


def _flags(node: Node) -> dict[str, Any]:
    return {flag: node.attrs.get(flag, False) for flag in ("transpose_a", "transpose_b")}


def _made(op: Op, inputs: tuple[Value, ...], attrs: dict[str, Any], like: Node) -> Node | None:
    """The joined node, if the library computes it."""
    node = Node(op, inputs, attrs, infer_node(op, inputs, attrs), like.device, like.site)
    if isinstance(implementation_of(node), LibraryPlan):
        return node
    tell_refusal(node, "GELU is a kernel of its own")
    return None


def _reshaped(rewriter: Rewriter, v: Value, like: Spec, node: Node) -> Value:
    return v if v.shape == like.shape else rewriter.emit(RESHAPE, (v,), {"shape": like.shape}, node)


def _only_what_is_read(graph: Graph) -> Graph:
    """The graph without what GELU is of where nothing reads it: in inference."""
    uses = graph.uses()
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        made = None
        if node.op is MATMUL_GELU and not uses.get(node.outputs[1]):
            made = _made(MATMUL_GELU, tuple(map(rewriter.of, node.inputs)), {**node.attrs, "stored": False}, node)
        if made is None:
            rewriter.keep(node)
        else:
            rewriter.nodes.append(made)
            rewriter.replace(node.outputs[0], made.output)
    return rewriter.finish()
