"""What a NumPy program computes where (:mod:`numpy_program` writes it): what may overwrite what, regions, flat state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from hybridnet.codegen.numpy_text import is_ufunc
from hybridnet.codegen.plan import Plan
from hybridnet.config import config
from hybridnet.core import Kind
from hybridnet.graph.control_ops import CONTROL, initial
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.lowering.fuse import FUSED, free_axis
from hybridnet.lowering.multi_tensor import GROUP

Flat = tuple[int, ...]  # positions of state inputs that lie one after another in one buffer


def region_axis(body: Graph, block_bytes: int) -> int:
    """The axis, counted from the end, along which a fused region is run in blocks.

    The leftmost that nothing reduces, so that blocks are runs of memory, unless one step along it
    is more than a block.
    """
    shapes = [v.shape for v in body.inputs] + [v.shape for n in body.nodes for v in n.outputs]
    domain = np.broadcast_shapes(*shapes)
    reduced = {a - n.inputs[0].ndim for n in body.nodes if n.op.kind is Kind.REDUCTION for a in n.attrs["axis"]}
    for axis in range(-len(domain), 0):
        step = math.prod(domain[axis + 1 :] if axis < -1 else ()) * body.outputs[0].dtype.itemsize
        if axis not in reduced and domain[axis] > 1 and step <= block_bytes:
            return axis
    return free_axis(domain, frozenset(reduced)) or -1


def _body_allows(body: Graph, parameter: Value, result: Value, axis: int | None) -> bool:
    """Whether a region may write ``result`` over ``parameter`` block by block."""
    if parameter.shape != result.shape or parameter.dtype != result.dtype or result.node is None:
        return False
    if axis is not None:
        domain = np.broadcast_shapes(*[v.shape for n in body.nodes for v in (*n.inputs, *n.outputs)])
        if parameter.ndim < -axis or parameter.shape[axis] != domain[axis]:
            return False
    made = body.nodes.index(result.node)
    last = max((i for i, n in enumerate(body.nodes) if parameter in n.inputs), default=-1)
    return last < made or (last == made and is_ufunc(result.node.op))


class NumpyPlan(Plan):
    """The plan of a NumPy program."""

    def planned(self, node: Node) -> bool:
        return planned(node)

    def may_overwrite(self, node: Node, x: Value, out: Value) -> bool:
        """Elementwise, no other reads of the operand."""
        if x.shape != out.shape or x.dtype != out.dtype:
            return False
        if not all(v is x or self.root_of(v) is not x for v in node.inputs):
            return False
        if node.op is FUSED:
            body = node.attrs["body"]
            parameter, result = body.inputs[node.inputs.index(x)], body.outputs[out.index]
            return self._once(body, result) and _body_allows(body, parameter, result, region_axis(body, config.block_bytes))
        if node.op is GROUP:
            body, members = node.attrs["body"], node.attrs["members"]
            slot = node.inputs.index(x)
            if slot % members != out.index % members or slot >= node.attrs["slots"] * members:
                return False
            result = body.outputs[out.index // members]
            return self._once(body, result) and _body_allows(body, body.inputs[slot // members], result, None)
        if node.op in CONTROL:  # a loop's state may lie where it started, if nothing else reads that
            return initial(node, out) is x and node.inputs.count(x) == 1
        return is_ufunc(node.op)

    @staticmethod
    def _once(body: Graph, result: Value) -> bool:
        return sum(v is result for v in body.outputs) == 1


def planned(node: Node) -> bool:
    """Whether the node's results are written into planned buffers; others allocate their own."""
    if node.op is FUSED or node.op is GROUP or node.op in CONTROL:
        return True
    return node.op.kind is not Kind.VIEW and len(node.outputs) == 1 and (node.op.out or node.op.kind in (Kind.POINTWISE, Kind.REDUCTION))


def group_flats(plan: Plan, node: Node, can_flatten: Callable[[Flat], bool]) -> list[Flat] | None:
    """For each slot, then each output, of a group the states that it is; None unless all can lie flat."""
    members, graph = node.attrs["members"], plan.graph
    position = {v: i for i, v in enumerate(graph.inputs)}
    values: Sequence[Value] = [*node.inputs[: node.attrs["slots"] * members], *node.outputs]
    flats: list[Flat] = []
    for start in range(0, len(values), members):
        states = [plan.homes.get(v, v) for v in values[start : start + members]]
        if any(s not in position for s in states):
            return None
        flat = tuple(position[s] for s in states)
        if flat not in flats and not can_flatten(flat):
            return None
        flats.append(flat)
    return flats
