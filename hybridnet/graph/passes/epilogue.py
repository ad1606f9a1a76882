"""On a GPU, a product takes the bias and the relu behind it along: the library adds them before it writes.

A pass of its own behind differentiation, since in a program they stand as three operators, of which fusion
may need each by itself.
"""

from __future__ import annotations

from hybridnet.core import OPS
from hybridnet.graph.accelerated import library_for
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node


def epilogue(graph: Graph) -> Graph:
    """Join products with the vector that is added along their last axis, then with max(x, 0), where nothing else reads what is between."""
    if not any(node.op.name == "matmul" and node.output.device.is_gpu for node in graph.nodes):
        return graph
    rewriter = Rewriter(graph)
    uses = graph.uses()
    for node in graph.nodes:
        joined = _joined(rewriter, node, uses)
        if joined is None:
            rewriter.keep(node)
        else:
            rewriter.replace(node.output, joined)
    return rewriter.finish()


def _joined(rewriter: Rewriter, node: Node, uses: dict[Value, int]) -> Value | None:
    """What replaces a node that belongs behind a product."""
    if node.op.name not in ("add", "maximum"):
        return None
    for old, other in (node.inputs, node.inputs[::-1]):
        product = rewriter.of(old).node
        if uses[old] != 1 or product is None or old.spec != node.output.spec or not old.device.is_gpu:
            continue
        if node.op.name == "add" and product.op.name == "matmul":
            bias = _vector(rewriter.of(other), old)
            found = None if bias is None else _whole(rewriter, product, (*product.inputs, bias), product.attrs, node)
        elif node.op.name == "maximum" and product.op.name == "matmul_bias" and other.constant == 0 and not product.attrs.get("relu"):
            found = _whole(rewriter, product, product.inputs, {**product.attrs, "relu": True}, node)
        else:
            continue
        if found is not None:
            return found
    return None


def _vector(bias: Value, product: Value) -> Value | None:
    """The one-dimensional array that is added along the last axis of a product."""
    n = product.shape[-1]
    return bias if bias.shape == (n,) and bias.dtype == product.dtype and bias.constant is None else None


def _whole(rewriter: Rewriter, product: Node, inputs: tuple[Value, ...], attrs: dict[str, object], last: Node) -> Value | None:
    """The joined node, if the library computes it; the product's is left without a reader."""
    op = OPS["matmul_bias"]
    joined = Node(op, inputs, attrs, infer_node(op, inputs, attrs), last.output.device, last.site)
    if library_for(joined) is None:
        return None
    rewriter.nodes.append(joined)
    return joined.output
