"""Concatenations that need no kernel: their operands are computed in their places in the result.

The states of a recurrent layer, step by step, and the gradients of its gates are the case. An operand must be all of what
one node computes. It may lie in pieces (along another axis than the first) where a generated kernel without sums writes
it, or a library that takes such results, and nothing but the concatenation reads it; else its place must be one aligned
run of memory. All operands or none.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

import numpy as np

from hybridnet.core import Kind
from hybridnet.core.kernel import HandKernels, StridedSpec
from hybridnet.device.hardware import ACCESS_BYTES
from hybridnet.graph.backend import CUDA, implementation_of
from hybridnet.graph.implementation import Generated, LibraryPlan
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import CONCATENATE
from hybridnet.lowering.fuse import FUSED
from hybridnet.lowering.shadows import Shadows, Slot, is_whole, shadow


def slots(graph: Graph, memory: Shadows) -> dict[Value, Slot]:
    """The values that are computed in a concatenation. ``memory``: the shadows of the graph without any."""
    fixed = {memory.root.get(v, v) for v in graph.outputs}
    readers: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        if node.op.kind is not Kind.VIEW:
            for v in node.inputs:
                readers.setdefault(memory.root.get(v, v), []).append(node)
    slot_of: dict[Value, Slot] = {}
    joined: set[Value] = set()
    for node in graph.nodes:
        if node.op is not CONCATENATE or node.output in fixed or not node.output.size:
            continue
        own = _of(node, memory)
        good = [
            v not in slot_of
            and v not in fixed
            and v.node is not None
            and v.constant is None
            and (
                (v in joined or _has_steps(v.node))
                if _is_run(slot, memory)
                else readers[v] == [node] and _in_pieces(v.node, ChainMap(own, slot_of), memory)
            )
            for v, slot in own.items()
        ]
        if len(own) == len(node.inputs) and all(good):
            slot_of |= own
            joined.add(node.output)
    return slot_of


def _has_steps(node: Node) -> bool:
    """Whether kernels or a library compute a node, into arrays that are there."""
    return isinstance(implementation_of(node), (Generated, HandKernels, LibraryPlan))


def _of(node: Node, memory: Shadows) -> dict[Value, Slot]:
    """The slots of a concatenation's operands, by the values that they are another shape of; fewer than operands where some are not."""
    axis, start = node.attrs["axis"], 0
    slot_of = {}
    for v in node.inputs:
        slot = Slot(node.output, axis, start, v.shape)
        start += v.shape[axis]
        root = memory.root.get(v, v)
        if is_whole(memory, v) and np.may_share_memory(view := slot.of(memory.array[node.output]), view.reshape(root.shape)):
            slot_of[root] = slot
    return slot_of


def _is_aligned(slot: Slot, memory: Shadows) -> bool:
    """Whether accesses may begin where a slot does."""
    whole = memory.array[slot.whole]
    return (slot.of(whole).ctypes.data - whole.ctypes.data) % ACCESS_BYTES == 0


def _is_run(slot: Slot, memory: Shadows) -> bool:
    """Whether a slot is one run of memory that accesses may begin with."""
    return bool(slot.of(memory.array[slot.whole]).flags.c_contiguous) and _is_aligned(slot, memory)


def _in_pieces(node: Node, taken: Mapping[Value, Slot], memory: Shadows) -> bool:
    """Whether what computes a node writes results with gaps, into the slots that its outputs have."""
    if not isinstance(implementation_of(node), LibraryPlan):
        return _is_elementwise(node)
    own = {v: taken[v] for v in node.outputs if v in taken}
    outputs = []
    for v in node.outputs:
        array = own[v].of(memory.array[own[v].whole]).reshape(v.shape) if v in own else shadow(v.shape, v.dtype)
        outputs.append(StridedSpec(v.shape, v.dtype, tuple(s // v.dtype.itemsize for s in array.strides)))
    inputs = [StridedSpec(v.shape, v.dtype, memory.strides(v)) for v in node.inputs]
    return all(_is_aligned(slot, memory) for slot in own.values()) and CUDA.plan(node, inputs, outputs) is not None


def _is_elementwise(node: Node) -> bool:
    """Whether a node is a generated kernel that takes any strides: without sums, and without random numbers, whose places count."""
    parts = node.attrs["body"].nodes if node.op is FUSED else (node,)
    return all(p.op.kind is Kind.POINTWISE or p.output.constant is not None for p in parts) and node.op.decomposition is None
