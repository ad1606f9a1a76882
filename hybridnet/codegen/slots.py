"""Concatenations that need no kernel: their operands are computed in their places in the result.

The states of a recurrent layer, step by step, and the gradients of its gates are the case. An operand must be all of what
one node computes. It may lie in pieces (along another axis than the first) where a generated kernel without sums writes
it and nothing but the concatenation reads it; else its place must be one aligned run of memory. All operands or none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hybridnet.codegen.cuda_index import ACCESS_BYTES
from hybridnet.codegen.plan import Shadows, Slot, is_whole
from hybridnet.core import Kind
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.passes.fuse import FUSED


def slots(graph: Graph, made: Shadows, writes: Callable[[Node], bool]) -> dict[Value, Slot]:
    """The values that are computed in a concatenation.

    ``made``: the graph's shadows without any; ``writes``: whether kernels or a library compute a node.
    """
    fixed = {made.root.get(v, v) for v in graph.outputs}
    readers: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        if node.op.kind is not Kind.VIEW:
            for v in node.inputs:
                readers.setdefault(made.root.get(v, v), []).append(node)
    found: dict[Value, Slot] = {}
    joined: set[Value] = set()
    for node in graph.nodes:
        if node.op.name != "concatenate" or node.output in fixed or not node.output.size:
            continue
        own = _of(node, made)
        good = [
            v not in found
            and v not in fixed
            and v.node is not None
            and v.constant is None
            and ((v in joined or writes(v.node)) if _is_run(slot, made) else readers[v] == [node] and _writes_anywhere(v.node))
            for v, slot in own.items()
        ]
        if len(own) == len(node.inputs) and all(good):
            found |= own
            joined.add(node.output)
    return found


def _of(node: Node, made: Shadows) -> dict[Value, Slot]:
    """The slots of a concatenation's operands, by the values that they are another shape of; fewer than operands where some are not."""
    axis, start = node.attrs["axis"], 0
    found = {}
    for v in node.inputs:
        slot = Slot(node.output, axis, start, v.shape)
        start += v.shape[axis]
        root = made.root.get(v, v)
        if is_whole(made, v) and np.may_share_memory(view := slot.of(made.array[node.output]), view.reshape(root.shape)):
            found[root] = slot
    return found


def _is_run(slot: Slot, made: Shadows) -> bool:
    """Whether a slot is one run of memory that accesses may begin with."""
    whole = made.array[slot.whole]
    part = slot.of(whole)
    return bool(part.flags.c_contiguous) and (part.ctypes.data - whole.ctypes.data) % ACCESS_BYTES == 0


def _writes_anywhere(node: Node) -> bool:
    """Whether a node is a generated kernel that takes any strides: without sums, and without random numbers, whose places count."""
    parts = node.attrs["body"].nodes if node.op is FUSED else (node,)
    return all(p.op.kind is Kind.POINTWISE or p.output.constant is not None for p in parts) and node.op.expand is None
