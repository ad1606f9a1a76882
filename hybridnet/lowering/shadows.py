"""How the values of a graph lie in memory, found out on arrays that have none: which are views, and with which strides."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from hybridnet.core import Kind
from hybridnet.graph.ir import Graph, Node, Value


class Slot(NamedTuple):
    """Where in the result of a concatenation a value lies."""

    whole: Value
    axis: int
    start: int
    shape: tuple[int, ...]  # of the operand, another shape of the value

    def of(self, whole: Any) -> Any:
        """That part of an array of the whole's shape, in the operand's shape."""
        return whole[(slice(None),) * self.axis + (slice(self.start, self.start + self.shape[self.axis]),)]


class _Array(np.ndarray[Any, Any]):
    """An array at an address where there is no memory: it has a shape, strides and a place; whoever reads an element ends the process."""

    def reshape(self, shape: tuple[int, ...]) -> Any:  # type: ignore[override]
        """The view; where NumPy would copy, an array that shares nothing with this one."""
        try:
            return super().reshape(shape, copy=False)
        except ValueError:
            return shadow(shape, self.dtype, _ELSEWHERE)


#: What arrays begin at multiples of, in bytes: any that a device's arrays do.
_BOUNDARY = 256
#: Where the first shadow lies, each of a graph behind the one before; and what shares memory with none of them.
_FIRST, _ELSEWHERE = 1 << 40, 1 << 62


def shadow(shape: tuple[int, ...], dtype: Any, address: int = _FIRST) -> Any:
    """An array without gaps and without memory, at an address."""
    size = math.prod(shape) * dtype.itemsize
    return np.ndarray(shape, dtype, (ctypes.c_char * max(size, 1)).from_address(address)).view(_Array)


class Shadows:
    """Arrays without memory in the place of a graph's values: NumPy itself says when a reshape must copy.

    root: for each value that is a view in memory, the value whose buffer it views.
    slots: values that are computed in parts of later ones.
    """

    def __init__(self, inputs: Iterable[Value], slots: Mapping[Value, Slot] | None = None) -> None:
        self.array: dict[Value, Any] = {}
        self.root: dict[Value, Value] = {}
        self.slots = slots or {}
        self._end = _FIRST
        for v in inputs:
            self.array[v] = self._fresh(v)

    def _fresh(self, v: Value) -> Any:
        """An array that shares memory with no other."""
        made = shadow(v.shape, v.dtype, self._end)
        self._end += -(-max(v.nbytes, 1) // _BOUNDARY) * _BOUNDARY
        return made

    def add(self, node: Node) -> None:
        """The node's results, of which its operands are known."""
        out = node.outputs[0]
        if node.op.kind is Kind.VIEW and node.op.compute is not None:
            source = node.inputs[0]
            view = node.op.compute(np, self.array[source], **node.attrs).view(_Array)
            if not out.size or np.may_share_memory(view, self.array[source]):
                self.array[out] = view
                self.root[out] = self.root.get(source, source)
                return
        for v in node.outputs:
            self._make(v)

    def _make(self, v: Value) -> Any:
        if v not in self.array:
            slot = self.slots.get(v)
            if slot is None:
                self.array[v] = self._fresh(v)
            else:
                self.array[v] = slot.of(self._make(slot.whole)).reshape(v.shape)
                self.root[v] = self.root.get(slot.whole, slot.whole)
        return self.array[v]

    def strides(self, v: Value) -> tuple[int, ...]:
        """In elements."""
        return tuple(s // v.dtype.itemsize for s in self.array[v].strides)

    def offset(self, v: Value) -> int:
        """Of a view, in bytes from the start of its root's buffer."""
        return int(self.array[v].ctypes.data - self.array[self.root.get(v, v)].ctypes.data) if v.size else 0

    def is_contiguous(self, v: Value) -> bool:
        """Whether a value's elements will lie without gaps in C order."""
        return bool(self.array[v].flags.c_contiguous)


def shadows(graph: Graph, slots: Mapping[Value, Slot] | None = None) -> Shadows:
    """The shadows of all values of a graph."""
    memory = Shadows(graph.inputs, slots)
    for node in graph.nodes:
        memory.add(node)
    return memory


def is_whole(memory: Shadows, v: Value) -> bool:
    """Whether a view is all of its root's buffer in the same order: another shape of it."""
    root = memory.root.get(v, v)
    return memory.is_contiguous(v) and v.nbytes == root.nbytes and memory.offset(v) == 0
