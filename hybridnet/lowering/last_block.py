"""Parts that many blocks compute are joined by the last block to have stored its own: no launch waits for them, and none joins them.

``moments_parts`` and ``centred_parts`` go once over memory; what joins their parts, with all that follows for each channel (batch norm's
scale and shift, its gradients of gamma and beta), is a region over a short axis. As one node they are one kernel: of the blocks that share
channels the last one computes the region for these. Which block that is changes nothing: parts are joined in a fixed order.

A block joins what a launch of its own would join by many, so channels are dealt out such that each has little (``_JOINED_BYTES`` in
:mod:`hybridnet.ops.nn.moments`).
"""

from __future__ import annotations

from hybridnet.core import Kind, Op, Spec
from hybridnet.core.kernel import HandKernels
from hybridnet.graph.backend import implementation_of
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.joining import uses_of


def _infer(*specs: Spec, body: Graph) -> tuple[Spec, ...]:
    return tuple(v.spec for v in body.outputs)


#: ``body``: the node that gives the parts, and behind it the region that joins them. Made by this pass alone, so it is in no registry.
ENDED = Op("ended", Kind.REGION, _infer, compute=lambda xp, *data, body: tuple(interpret(body, data, xp)))


def last_block(graph: Graph) -> Graph:
    """The graph with what gives parts, and what joins them and nothing else, as one node, where the last one stood."""
    if not any(_gives_parts(node) for node in graph.nodes):
        return graph
    uses = uses_of(graph)
    ends: dict[Node, Node] = {}  # by the region that joins
    for node in graph.nodes:
        if _gives_parts(node):
            readers = {reader for v in node.outputs for reader in uses.get(v, ())}
            end = readers.pop() if len(readers) == 1 else None
            if end is not None and end.op is FUSED and end not in ends and _joins(end, node):
                ends[end] = node
    first = set(ends.values())
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in ends:
            _end(rewriter, ends[node], node)
        elif node not in first:
            rewriter.keep(node)
    return rewriter.finish()


def _gives_parts(node: Node) -> bool:
    """Whether a node is one launch whose blocks leave parts along the first axis."""
    if node.op.kind is not Kind.OPAQUE or len(node.outputs) < 2:
        return False
    kernels = implementation_of(node)
    return isinstance(kernels, HandKernels) and len(kernels.launches) == 1 and bool(kernels.launches[0].columns)


def _joins(region: Node, parts: Node) -> bool:
    """Whether a region sums the parts along the first axis, and has one of everything else for each channel, or for all."""
    number, *channel = parts.output.shape
    body: Graph = region.attrs["body"]
    given = {inner for inner, v in zip(body.inputs, region.inputs, strict=True) if v in parts.outputs}
    whole = (number, *channel)
    for v in (*body.inputs, *body.outputs):
        if v not in given and v.shape not in ((1, *channel), ()):
            return False
    for node in body.nodes:
        if node.op.kind is Kind.REDUCTION and (node.inputs[0].shape, node.attrs["axis"], node.attrs["keepdims"]) != (whole, (0,), True):
            return False
    return any(node.op.kind is Kind.REDUCTION for node in body.nodes)


def _end(rewriter: Rewriter, parts: Node, region: Node) -> None:
    """Both as one node, of which the parts are no result."""
    operands = list(dict.fromkeys((*parts.inputs, *(v for v in region.inputs if v not in parts.outputs))))
    inner = {v: Value(v.shape, v.dtype, v.device) for v in operands}
    first = parts.with_inputs([inner[v] for v in parts.inputs])
    inner.update(zip(parts.outputs, first.outputs, strict=True))
    body: Graph = region.attrs["body"]
    became = {old: inner[v] for old, v in zip(body.inputs, region.inputs, strict=True)}
    nodes = [first]
    for node in body.nodes:
        new = node.with_inputs([became[v] for v in node.inputs])
        became.update(zip(node.outputs, new.outputs, strict=True))
        nodes.append(new)
    ended = Graph([inner[v] for v in operands], nodes, [became[v] for v in body.outputs])
    both = Node(ENDED, [rewriter.of(v) for v in operands], {"body": ended}, ended.outputs, region.device, region.site)
    rewriter.nodes.append(both)
    for v, now in zip(region.outputs, both.outputs, strict=True):
        rewriter.replace(v, now)
