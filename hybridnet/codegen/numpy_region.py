"""The text of a fused region: a function of one block, called for each block by ``sweep``.

Within a block every intermediate value lies in scratch that fits the cache; scratch is reused as
values die. Blocks are independent, so that large regions can run on several threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hybridnet.codegen.numpy_text import Namespace, call_text, is_ufunc, scalar_literal
from hybridnet.graph.ir import Graph, Node, Value


@dataclass
class Region:
    """A region as text: the block function's lines, the extent of its axis, the block, scratch shapes."""

    lines: list[str]
    extent: int
    block: int
    scratch: list[tuple[tuple[int, ...], np.dtype]]  # type: ignore[type-arg]
    work: int  # elements computed in all
    nodes: list[Node]  # what each line belongs to


class _Scratch:
    """Scratch arrays by shape and dtype, taken and given back while a block is written."""

    def __init__(self) -> None:
        self.buffers: list[tuple[tuple[int, ...], np.dtype]] = []  # type: ignore[type-arg]
        self.free: dict[tuple[tuple[int, ...], np.dtype], list[int]] = {}  # type: ignore[type-arg]

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> int:  # type: ignore[type-arg]
        available = self.free.get((shape, dtype))
        if available:
            return available.pop()
        self.buffers.append((shape, dtype))
        return len(self.buffers) - 1

    def give(self, index: int) -> None:
        self.free.setdefault(self.buffers[index], []).append(index)


def write_region(
    ns: Namespace, body: Graph, axis: int, inputs: list[str], outputs: list[str], flat_size: int | None, block_bytes: int
) -> Region:
    """Write a region over the arrays named ``inputs`` into those named ``outputs``.

    ``axis`` counts from the end. ``flat_size``: the body is written for one-dimensional arrays of
    that size, whatever its values' shapes say. An input and an output of one name are one array.
    """
    return _RegionWriter(ns, body, axis, inputs, outputs, flat_size, block_bytes).write()


class _RegionWriter:
    def __init__(
        self, ns: Namespace, body: Graph, axis: int, inputs: list[str], outputs: list[str], flat_size: int | None, block_bytes: int
    ) -> None:
        self.ns = ns
        self.body = body
        self.axis = axis
        self.flat_size = flat_size
        values = [*body.inputs, *(n.output for n in body.nodes)]
        self.extent = np.broadcast_shapes(*[self.shape_of(v) for v in values])[axis]
        row = max(math.prod(self.shape_of(v)) * v.dtype.itemsize for v in values) // max(self.extent, 1)
        self.block = max(1, min(self.extent, block_bytes // max(row, 1)))
        self.lines: list[str] = []
        self.name = dict(zip(body.inputs, inputs, strict=True))
        self.target = dict(zip(body.outputs, outputs, strict=True))
        self.reads: dict[Value, list[int]] = {}
        for i, n in enumerate(body.nodes):
            for v in n.inputs:
                self.reads.setdefault(v, []).append(i)
        self.array_reads: dict[str, int] = {}  # the last step that reads each array
        for v, array in self.name.items():
            self.array_reads[array] = max([self.array_reads.get(array, -1), *self.reads.get(v, ())])
        self.scratch = _Scratch()
        self.slot: dict[Value, int] = {}
        self.slices: dict[str, str] = {}  # text of a slice -> its name
        self.claimed: set[str] = set()  # arrays that an intermediate value was computed in

    def write(self) -> Region:
        nodes: list[Node] = []
        for i, node in enumerate(self.body.nodes):
            if node.output.constant is None or node.output.shape:
                self._write_node(i, node)
                nodes += [node] * (len(self.lines) - len(nodes))
        work = sum(math.prod(self.shape_of(n.output)) for n in self.body.nodes)
        return Region(self.lines, self.extent, self.block, self.scratch.buffers, work, nodes)

    def shape_of(self, v: Value) -> tuple[int, ...]:
        if self.flat_size is None:
            return v.shape
        return (self.flat_size,) if v.shape else ()

    def _place(self, v: Value) -> int | None:
        """Where the block axis is among ``v``'s axes; None if ``v`` does not extend along it."""
        shape = self.shape_of(v)
        extends = len(shape) >= -self.axis and shape[self.axis] == self.extent and self.extent > 1
        return len(shape) + self.axis if extends else None

    def _sliced(self, source: str, v: Value, stop: str) -> str:
        """The name of a block of an array."""
        place = self._place(v)
        if place is None:
            return source
        text = f"{source}[{':, ' * place}{stop}]"
        name = self.slices.get(text)
        if name is None:
            name = self.slices[text] = f"b{len(self.slices)}"
            self.lines.append(f"{name} = {text}")
        return name

    def _operand(self, v: Value, node: Node) -> str:
        if v.constant is not None and v not in self.slot and v not in self.name:
            return scalar_literal(self.ns, v, node.op)
        return self._sliced(self.name[v], v, "i:j") if v in self.body.inputs else self.name[v]

    def _write_node(self, i: int, node: Node) -> None:
        out = node.output
        args = [self._operand(v, node) for v in node.inputs]
        dying = [v for v in dict.fromkeys(node.inputs) if v in self.slot and self.reads[v][-1] == i]
        array = self.target.get(out) or self._ahead(i, node)
        if array is not None:
            self.name[out] = self._sliced(array, out, "i:j")
        else:
            self._take_scratch(node, dying)
        self.lines += call_text(self.ns, node, args, self.name[out])
        for v in dying:
            self.scratch.give(self.slot[v])

    def _ahead(self, i: int, node: Node) -> str | None:
        """The array of the result that this one will be overwritten by, if that array is free by now.

        So m * b1 + g is computed in m's own memory, without scratch.
        """
        out = node.output
        if len(self.reads.get(out, ())) != 1:
            return None
        reader = self.body.nodes[self.reads[out][0]]
        array = self.target.get(reader.output)
        if array is None or not is_ufunc(reader.op) or array in self.claimed:
            return None
        if self.shape_of(reader.output) != self.shape_of(out) or reader.output.dtype != out.dtype:
            return None
        last = self.array_reads.get(array, -1)
        if last < i or (last == i and is_ufunc(node.op)):
            self.claimed.add(array)
            return array
        return None

    def _take_scratch(self, node: Node, dying: list[Value]) -> None:
        out = node.output
        shape = list(self.shape_of(out))
        for v in dying:
            if is_ufunc(node.op) and self.shape_of(v) == self.shape_of(out) and v.dtype == out.dtype:
                dying.remove(v)
                self.slot[out], self.name[out] = self.slot[v], self.name[v]
                return
        place = self._place(out)
        if place is not None:
            shape[place] = self.block
        self.slot[out] = self.scratch.take(tuple(shape), out.dtype)
        self.name[out] = self._sliced(f"u[{self.slot[out]}]", out, ":j - i")
