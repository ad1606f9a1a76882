"""A library's product takes the bias behind it along, and sums of its operands: the library has the numbers at hand.

It adds a bias before it writes (so that 16-bit results are rounded once, after it); and while it multiplies a gradient by
a layer's input, for the weight's gradient, it sums that gradient for the bias's. A pass of its own behind differentiation,
since in a program they stand as several operators, of which fusion may need each by itself.

To cuBLASLt a relu goes along under ``HYBRIDNET_FAST_MATH`` alone: it gives 0 for NaN, where max(x, 0) is NaN. oneDNN's keeps NaN, and
gives NaN for -inf too, which is what left the type's range (:mod:`hybridnet.device.onednn.behind`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hybridnet.config import config
from hybridnet.graph.backend import LibraryPlan, backend_of, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import ADD, MATMUL, MATMUL_BIAS, MATMUL_SUMS, MAXIMUM, RESHAPE, SUM
from hybridnet.graph.refusals import tell_refusal
from hybridnet.ops.linalg.matmul import inner_axis


def epilogue(graph: Graph) -> Graph:
    """Join products with the vector that is added along their last axis, where nothing else reads what is between.

    And products of 16-bit matrices with sums of an operand over the axis that they sum over.
    """
    if not any(node.op is MATMUL and backend_of(node.device).libraries for node in graph.nodes):
        return graph
    rewriter = Rewriter(graph)
    uses = graph.uses()
    pairs = _pairs(graph)
    for node in graph.nodes:
        if node in pairs:
            _add_pair(rewriter, pairs[node])
            continue
        joined = _joined(rewriter, node, uses)
        if joined is None:
            rewriter.keep(node)
        else:
            rewriter.replace(node.output, joined)
    return rewriter.finish()


class _Pair(NamedTuple):
    """A product, the sum of one of its operands, and the node that is both."""

    product: Node
    total: Node
    both: Node


def _pairs(graph: Graph) -> dict[Node, _Pair]:
    """The pairs by each of their nodes: those where both operands are there when the first of the two runs."""
    position = {node: i for i, node in enumerate(graph.nodes)}
    sums = {node.inputs[0]: node for node in graph.nodes if node.op is SUM and _is_large(node)}
    pairs: dict[Node, _Pair] = {}
    for node in graph.nodes:
        if node.op is not MATMUL:
            continue
        for of, v in zip("ab", node.inputs, strict=True):
            total = sums.get(v)
            if total is None or total in pairs or total.attrs["axis"] != (inner_axis(of, **node.attrs),) or node.output.ndim != 2:
                continue
            attrs = {**node.attrs, "of": of}
            both = Node(MATMUL_SUMS, node.inputs, attrs, (node.output.spec, total.output.spec), v.device, node.site)
            first = min(position[node], position[total])
            ready = all(x.node is None or position[x.node] < first for x in node.inputs)
            if not ready or total.output.dtype != v.dtype:
                continue
            if isinstance(implementation_of(both), LibraryPlan):
                pairs[node] = pairs[total] = _Pair(node, total, both)
                break
            tell_refusal(both, "the sum is a kernel of its own")
    return pairs


def _is_large(total: Node) -> bool:
    """Whether a sum would be a launch of its own, and not a part of what computes its operand."""
    x = total.inputs[0]
    return x.ndim == 2 and not total.attrs["keepdims"] and x.nbytes > backend_of(x.device).limits.launch_bytes


def _add_pair(rewriter: Rewriter, pair: _Pair) -> None:
    """The joined node, in place of the first of the two."""
    if pair.product.output not in rewriter.replaced:
        both = rewriter.keep(pair.both)
        rewriter.replace(pair.product.output, both.outputs[0])
        rewriter.replace(pair.total.output, both.outputs[1])


def _joined(rewriter: Rewriter, node: Node, uses: dict[Value, int]) -> Value | None:
    """What replaces a node that belongs behind a product."""
    if node.op not in (ADD, MAXIMUM):
        return None
    for old, other in (node.inputs, node.inputs[::-1]):
        product = rewriter.of(old).node
        if uses[old] != 1 or product is None or old.spec != node.output.spec:
            continue
        if node.op is MAXIMUM and product.op is RESHAPE and old.node is not None and uses[old.node.inputs[0]] == 1:
            product = product.inputs[0].node  # a dense layer's result in its own shape
            if product is None:
                continue
        if node.op is ADD and product.op is MATMUL:
            bias = _vector(rewriter.of(other), old)
            joined = None if bias is None else _whole(rewriter, product, (*product.inputs, bias), product.attrs, node)
        elif node.op is MAXIMUM and _waits_for_relu(product) and other.constant == 0:
            joined = _whole(rewriter, product, product.inputs, {**product.attrs, "relu": True}, node)
            if joined is not None and joined.shape != node.output.shape:
                joined = rewriter.emit(RESHAPE, (joined,), {"shape": node.output.shape}, node)
        else:
            continue
        if joined is not None:
            return joined
    return None


def _waits_for_relu(product: Node) -> bool:
    """Whether a product with a bias can take a relu along."""
    keeps_nan = config.fast_math or backend_of(product.output.device).relu_keeps_nan
    return keeps_nan and product.op is MATMUL_BIAS and not product.attrs.get("relu")


def _vector(bias: Value, product: Value) -> Value | None:
    """The one-dimensional array that is added along the last axis of a product."""
    n = product.shape[-1]
    return bias if bias.shape == (n,) and bias.dtype == product.dtype and bias.constant is None else None


def _whole(rewriter: Rewriter, product: Node, inputs: tuple[Value, ...], attrs: Mapping[str, object], last: Node) -> Value | None:
    """The joined node, if the library computes it; the product's is left without a reader."""
    op = MATMUL_BIAS
    joined = Node(op, inputs, attrs, infer_node(op, inputs, attrs), last.output.device, last.site)
    if not isinstance(implementation_of(joined), LibraryPlan):
        tell_refusal(joined, "what is behind the product is a kernel of its own")
        return None
    rewriter.nodes.append(joined)
    return joined.output
