"""On a GPU, a product takes the bias behind it along, and sums of its operands: the library has the numbers at hand.

It adds a bias before it writes (so that 16-bit results are rounded once, after it); and while it multiplies a gradient by
a layer's input, for the weight's gradient, it sums that gradient for the bias's. A pass of its own behind differentiation,
since in a program they stand as several operators, of which fusion may need each by itself.

A relu goes along under ``HYBRIDNET_FAST_MATH`` alone: cuBLASLt's gives 0 for NaN, where max(x, 0) is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

from hybridnet.config import config
from hybridnet.core import OPS
from hybridnet.graph.accelerated import library_for
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.passes.fuse import LAUNCH_BYTES
from hybridnet.graph.refusals import tell_refusal
from hybridnet.ops.linalg.matmul import inner_axis


def epilogue(graph: Graph) -> Graph:
    """Join products with the vector that is added along their last axis, where nothing else reads what is between.

    And products of 16-bit matrices with sums of an operand over the axis that they sum over.
    """
    if not any(node.calls("matmul") and node.output.device.is_gpu for node in graph.nodes):
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
    sums = {node.inputs[0]: node for node in graph.nodes if node.calls("sum") and _is_large(node)}
    found: dict[Node, _Pair] = {}
    for node in graph.nodes:
        if not node.calls("matmul"):
            continue
        for of, v in zip("ab", node.inputs, strict=True):
            total = sums.get(v)
            if total is None or total in found or total.attrs["axis"] != (inner_axis(of, **node.attrs),) or node.output.ndim != 2:
                continue
            attrs = {**node.attrs, "of": of}
            both = Node(OPS["matmul_sums"], node.inputs, attrs, (node.output.spec, total.output.spec), v.device, node.site)
            first = min(position[node], position[total])
            ready = all(x.node is None or position[x.node] < first for x in node.inputs)
            if not ready or total.output.dtype != v.dtype:
                continue
            if library_for(both) is not None:
                found[node] = found[total] = _Pair(node, total, both)
                break
            tell_refusal(both, "the sum is a kernel of its own")
    return found


def _is_large(total: Node) -> bool:
    """Whether a sum would be a launch of its own, and not a part of what computes its operand."""
    x = total.inputs[0]
    return x.device.is_gpu and x.ndim == 2 and not total.attrs["keepdims"] and x.nbytes > LAUNCH_BYTES


def _add_pair(rewriter: Rewriter, pair: _Pair) -> None:
    """The joined node, in place of the first of the two."""
    if pair.product.output not in rewriter.became:
        both = rewriter.keep(pair.both)
        rewriter.replace(pair.product.output, both.outputs[0])
        rewriter.replace(pair.total.output, both.outputs[1])


def _joined(rewriter: Rewriter, node: Node, uses: dict[Value, int]) -> Value | None:
    """What replaces a node that belongs behind a product."""
    if not node.calls("add", "maximum"):
        return None
    for old, other in (node.inputs, node.inputs[::-1]):
        product = rewriter.of(old).node
        if uses[old] != 1 or product is None or old.spec != node.output.spec or not old.device.is_gpu:
            continue
        if node.calls("add") and product.calls("matmul"):
            bias = _vector(rewriter.of(other), old)
            found = None if bias is None else _whole(rewriter, product, (*product.inputs, bias), product.attrs, node)
        elif config.fast_math and node.calls("maximum") and _waits_for_relu(product) and other.constant == 0:
            found = _whole(rewriter, product, product.inputs, {**product.attrs, "relu": True}, node)
        else:
            continue
        if found is not None:
            return found
    return None


def _waits_for_relu(product: Node) -> bool:
    return product.calls("matmul_bias") and not product.attrs.get("relu")


def _vector(bias: Value, product: Value) -> Value | None:
    """The one-dimensional array that is added along the last axis of a product."""
    n = product.shape[-1]
    return bias if bias.shape == (n,) and bias.dtype == product.dtype and bias.constant is None else None


def _whole(rewriter: Rewriter, product: Node, inputs: tuple[Value, ...], attrs: dict[str, object], last: Node) -> Value | None:
    """The joined node, if the library computes it; the product's is left without a reader."""
    op = OPS["matmul_bias"]
    joined = Node(op, inputs, attrs, infer_node(op, inputs, attrs), last.output.device, last.site)
    if library_for(joined) is None:
        tell_refusal(joined, "what is behind the product is a kernel of its own")
        return None
    rewriter.nodes.append(joined)
    return joined.output
