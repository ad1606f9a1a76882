"""Sums over ranks are joined into buckets, each a message: in the order in which what is summed becomes known, and right then.

A backward knows the gradients of the last layers first. A bucket is sent once its last member is known: on a GPU while the others are
computed yet, on a branch of the CUDA graph. Sums that are read at different times are not joined: a bucket whose member is read
before another is known could not be sent at all (the sums of a synchronised batch norm, which the next layer waits for).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hybridnet.exact import exact_attrs
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import ALL_REDUCE

#: Bytes of a bucket at most: what PyTorch's DistributedDataParallel takes, to be measured where there are several GPUs.
BUCKET_BYTES = 25 << 20


@dataclass
class _Bucket:
    """Sums that are made in one message, before the first of them is read, at position ``due``."""

    nodes: list[Node] = field(default_factory=list)
    nbytes: int = 0
    due: int = 0


def buckets(graph: Graph, limit: int = BUCKET_BYTES) -> Graph:
    """Join ``all_reduce`` nodes, and place each where the last of its operands is known."""
    found = _buckets(graph, limit)
    if not found:
        return graph
    position = {node: i for i, node in enumerate(graph.nodes)}
    placed: dict[int, list[_Bucket]] = {}  # by the position of the node that it stands behind
    for bucket in found:
        placed.setdefault(max(_ready(node, position) for node in bucket.nodes), []).append(bucket)
    rewriter = Rewriter(graph)
    _put(rewriter, placed.get(-1, ()))
    for i, node in enumerate(graph.nodes):
        if node.op is not ALL_REDUCE:
            rewriter.keep(node)
        _put(rewriter, placed.get(i, ()))
    return rewriter.finish()


def _put(rewriter: Rewriter, due: list[_Bucket] | tuple[()]) -> None:
    """Append the nodes of buckets. They are made only now: what they sum may have been renamed by a bucket before."""
    for bucket in due:
        inputs = [rewriter.of(v) for node in bucket.nodes for v in node.inputs]
        outputs = [v for node in bucket.nodes for v in node.outputs]
        first = bucket.nodes[0]
        joined = first.with_inputs(inputs, specs=[v.spec for v in outputs])
        rewriter.nodes.append(joined)
        for old, new in zip(outputs, joined.outputs, strict=True):
            rewriter.replace(old, new)


def _ready(node: Node, position: dict[Node, int]) -> int:
    """After which position a node's operands are known; -1 where all are inputs of the graph."""
    return max((position[v.node] for v in node.inputs if v.node is not None), default=-1)


def _buckets(graph: Graph, limit: int) -> list[_Bucket]:
    sums = [node for node in graph.nodes if node.op is ALL_REDUCE]
    if len(sums) < 2:
        return []
    position = {node: i for i, node in enumerate(graph.nodes)}
    read: dict[Value, int] = {}  # where each value is first read; by a sum, which may move up, where that could be at the earliest
    for i, node in enumerate(graph.nodes):
        at = _ready(node, position) if node.op is ALL_REDUCE else i
        for v in node.inputs:
            read[v] = min(read.get(v, at), at)
    found: list[_Bucket] = []
    filling: dict[object, _Bucket] = {}  # by the type of the numbers, and among whom they are summed
    for node in sorted(sums, key=lambda node: (_ready(node, position), position[node])):
        key = node.output.dtype, node.device, exact_attrs(node.attrs)
        bucket = filling.get(key)
        nbytes = sum(v.nbytes for v in node.inputs)
        if bucket is None or bucket.nbytes + nbytes > limit or bucket.due <= _ready(node, position):
            bucket = filling[key] = _Bucket(due=len(graph.nodes))
            found.append(bucket)
        bucket.nodes.append(node)
        bucket.nbytes += nbytes
        bucket.due = min([bucket.due, *(read[v] for v in node.outputs if v in read)])
    return found
