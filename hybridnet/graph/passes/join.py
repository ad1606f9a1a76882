"""A library's convolution takes along what is behind it: a bias, a sum with another array, a relu or clip, before it writes a result.

Where the library has no plan for that, the convolution stays as it was, and so does what is behind it. The relu gives NaN for -inf,
which is what left the type's range (:mod:`hybridnet.device.onednn.convolution`). A clip goes along under ``HYBRIDNET_FAST_MATH`` alone:
the library's gives the lower bound for NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import ADD, CLIP, CONVOLUTION, CONVOLUTION_JOINED, MAXIMUM, RESHAPE

_NOTHING: Mapping[str, Any] = {"bias": False, "added": False, "activation": None}


def join(graph: Graph) -> Graph:
    """Join convolutions with what is behind them, where nothing else reads what is between and a library computes both."""
    if not any(node.op is CONVOLUTION and isinstance(implementation_of(node), LibraryPlan) for node in graph.nodes):
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
    """What replaces a node that belongs behind a convolution."""
    if node.op not in (ADD, MAXIMUM, CLIP):
        return None
    for i, old in enumerate(node.inputs):
        product = rewriter.of(old).node
        if product is None or product.op not in (CONVOLUTION, CONVOLUTION_JOINED) or uses[old] != 1 or old.spec != node.output.spec:
            continue
        behind = product.attrs if product.op is CONVOLUTION_JOINED else {**product.attrs, **_NOTHING}
        if behind["activation"] is not None:
            continue
        if node.op is ADD:
            other = rewriter.of(node.inputs[1 - i])
            made = _with_operand(rewriter, product, behind, other, node)
        else:
            made = _with_activation(rewriter, product, behind, node)
        if made is not None:
            return made
    return None


def _with_operand(rewriter: Rewriter, product: Node, behind: Mapping[str, Any], other: Value, last: Node) -> Value | None:
    """The convolution with another operand: a bias, or an array of the result's shape, which comes after that."""
    y = product.output
    if behind["added"] or other.dtype != y.dtype or other.constant is not None:
        return None
    channels = -1 if behind["last"] else 1 - y.ndim
    is_bias = other.size == y.shape[channels] and all(n == 1 or k - other.ndim == channels for k, n in enumerate(other.shape))
    if is_bias and not behind["bias"]:
        flat = Node(
            RESHAPE, (other,), {"shape": (other.size,)}, infer_node(RESHAPE, (other,), {"shape": (other.size,)}), y.device, last.site
        )
        return _whole(rewriter, (*product.inputs, flat.output), {**behind, "bias": True}, last, flat)
    if other.shape == y.shape:
        return _whole(rewriter, (*product.inputs, other), {**behind, "added": True}, last)
    return None


def _with_activation(rewriter: Rewriter, product: Node, behind: Mapping[str, Any], last: Node) -> Value | None:
    if last.op is MAXIMUM:
        is_relu = any(rewriter.of(v).constant == 0 for v in last.inputs)
        return _whole(rewriter, product.inputs, {**behind, "activation": ("relu",)}, last) if is_relu else None
    low, high = last.attrs["a_min"], last.attrs["a_max"]
    if low is None or high is None:
        return None
    return _whole(rewriter, product.inputs, {**behind, "activation": ("clip", float(low), float(high))}, last)


def _whole(rewriter: Rewriter, inputs: tuple[Value, ...], attrs: Mapping[str, Any], last: Node, before: Node | None = None) -> Value | None:
    """The joined node, if a library computes it; what it is made of is left without a reader."""
    node = Node(CONVOLUTION_JOINED, inputs, attrs, infer_node(CONVOLUTION_JOINED, inputs, attrs), last.output.device, last.site)
    if not isinstance(implementation_of(node), LibraryPlan):
        return None
    if before is not None:
        rewriter.nodes.append(before)
    rewriter.nodes.append(node)
    return node.output
