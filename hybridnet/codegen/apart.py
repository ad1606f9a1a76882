"""Which values of a plan lie better in other bytes than each other, though none lives when the other does.

Bytes that are used again order the steps that use them: a step that writes them waits for those that read what was there, though it
reads nothing of theirs. Where two steps could run at once, and the arena grows no larger for it, their values are put elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.codegen.cuda_plan import CudaPlan
from hybridnet.codegen.memory import Request
from hybridnet.codegen.order import Span, Touched, ancestors, order_of
from hybridnet.core import Kind
from hybridnet.graph.ir import Node, Value

Matrix = np.ndarray[Any, np.dtype[np.bool_]]


def apart(plan: CudaPlan) -> Matrix:
    """For each two requests of a plan whether sharing bytes would order steps that have no order by what they compute."""
    memory = _Memory(plan)
    touched: list[Touched] = []
    users = [0] * len(plan.requests)  # of each request the steps, as bits
    for i, node in enumerate(plan.graph.nodes):
        step = memory.step(node)
        touched.append(step)
        own = [plan.workspaces.get(node), *map(plan.temporaries.get, memory.between(node))]
        for base in {*(s.base for s in (*step.reads, *step.writes)), *(memory.number[id(r)] for r in own if r is not None)}:
            if base < len(users):
                users[base] |= 1 << i
    return _unordered(users, ancestors(order_of(touched).before))


def _unordered(users: list[int], before: list[int]) -> Matrix:
    """Whether neither all users of the first request come before all of the second, nor the other way round."""
    steps = len(before)
    shared = [(1 << steps) - 1] * len(users)  # the steps before all users of a request
    for k, mask in enumerate(users):
        while mask:
            i = mask.bit_length() - 1
            shared[k] &= before[i]
            mask ^= 1 << i
    late = _bits(users, steps).astype(np.float32) @ (1 - _bits(shared, steps).astype(np.float32)).T > 0
    return late & late.T


def _bits(masks: list[int], number: int) -> Any:
    size = -(-number // 8) or 1
    rows = np.frombuffer(b"".join(mask.to_bytes(size, "little") for mask in masks), np.uint8).reshape(len(masks), size)
    return np.unpackbits(rows, axis=1, count=number, bitorder="little")


class _Memory:
    """A plan's memory before it has places: each request, and each array outside of the arena, is a memory of its own."""

    def __init__(self, plan: CudaPlan) -> None:
        self.plan = plan
        self.number = {id(request): k for k, request in enumerate(plan.requests)}
        self.outside: dict[Value, int] = {}

    def between(self, node: Node) -> tuple[Value, ...]:
        """The values between a node's kernels."""
        return self.plan.launches[node].temporaries if node in self.plan.launches else ()

    def step(self, node: Node) -> Touched:
        """What a node touches; nothing, where no step is made of it."""
        plan = self.plan
        if node.op.kind is Kind.VIEW or not plan.planned(node) or node in plan.joined:
            return Touched()
        reads, writes = (tuple(self._span(v) for v in vs if v.size) for vs in (node.inputs, node.outputs))
        channel = plan.calls[node].channel if node in plan.calls else ""
        return Touched(reads, writes, channel, alone=node not in plan.calls and node not in plan.launches)

    def _span(self, v: Value) -> Span:
        plan = self.plan
        root, offset = plan.root_of(v), plan.shadows.offset(v)
        root = plan.homes.get(root, root)
        request: Request | None = plan.places.get(root)
        if request is None:
            base = self.outside.setdefault(root, len(self.number) + len(self.outside))
        else:
            base = self.number[id(request)]
        ends = [step * (n - 1) * v.dtype.itemsize for n, step in zip(v.shape, plan.shadows.strides(v), strict=True)]
        return Span(base, offset + sum(e for e in ends if e < 0), offset + sum(e for e in ends if e > 0) + v.dtype.itemsize)
