"""The text of a fused region: a function of one block, called for each block by ``sweep``.

Within a block every intermediate value lies in scratch that fits the cache; scratch is reused as
values die. Blocks are independent, so that large regions can run on several threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hybridnet.codegen.numpy_text import Namespace, call_text, is_ufunc, scalar_literal
from hybridnet.graph.ir import Graph, Value


@dataclass
class Region:
    """A region as text: the block function's lines, the extent of its axis, the block, scratch shapes."""

    lines: list[str]
    extent: int
    block: int
    scratch: list[tuple[tuple[int, ...], np.dtype]]  # type: ignore[type-arg]
    work: int  # elements computed in all


class _Scratch:
    """Scratch arrays by shape and dtype, taken and given back while a block is written."""

    def __init__(self) -> None:
        self.made: list[tuple[tuple[int, ...], np.dtype]] = []  # type: ignore[type-arg]
        self.free: dict[tuple[tuple[int, ...], np.dtype], list[int]] = {}  # type: ignore[type-arg]

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> int:  # type: ignore[type-arg]
        available = self.free.get((shape, dtype))
        if available:
            return available.pop()
        self.made.append((shape, dtype))
        return len(self.made) - 1

    def give(self, index: int) -> None:
        self.free.setdefault(self.made[index], []).append(index)


def write_region(
    ns: Namespace, body: Graph, axis: int, inputs: list[str], outputs: list[str], flat_size: int | None, block_bytes: int
) -> Region:
    """Write a region over the arrays named ``inputs`` into those named ``outputs``.

    ``axis`` counts from the end. ``flat_size``: the body is written for one-dimensional arrays of
    that size, whatever its values' shapes say.
    """

    def shape_of(v: Value) -> tuple[int, ...]:
        if flat_size is None:
            return v.shape
        return (flat_size,) if v.shape else ()

    values = [*body.inputs, *(n.output for n in body.nodes)]
    domain = np.broadcast_shapes(*[shape_of(v) for v in values])
    extent = domain[axis]
    row = max(int(np.prod(shape_of(v), dtype=np.int64)) * v.dtype.itemsize for v in values) // max(extent, 1)
    block = max(1, min(extent, block_bytes // max(row, 1)))

    def at(v: Value) -> int | None:
        """Where the block axis is among ``v``'s axes; None if ``v`` does not extend along it."""
        shape = shape_of(v)
        return len(shape) + axis if len(shape) >= -axis and shape[axis] == extent and extent > 1 else None

    lines: list[str] = []
    name: dict[Value, str] = {}
    for v, source in zip(body.inputs, inputs, strict=True):
        name[v] = source
    last = {v: i for i, n in enumerate(body.nodes) for v in (*n.inputs, n.output)}
    targets = dict(zip(body.outputs, outputs, strict=True))
    scratch = _Scratch()
    slot: dict[Value, int] = {}
    sliced: set[Value] = set()

    def slice_text(source: str, place: int, stop: str) -> str:
        return f"{source}[{':, ' * place}{stop}]"

    for i, node in enumerate(body.nodes):
        out = node.output
        if out.constant is not None and out.shape == ():
            continue
        args = []
        for v in node.inputs:
            if v.constant is not None:
                args.append(scalar_literal(ns, v, node.op))
                continue
            place = at(v)
            if v in body.inputs and place is not None and v not in sliced:
                sliced.add(v)
                lines.append(f"b{len(lines)} = {slice_text(name[v], place, 'i:j')}")
                name[v] = f"b{len(lines) - 1}"
            args.append(name[v])
        place = at(out)
        dying = [v for v in dict.fromkeys(node.inputs) if v in slot and last[v] == i]
        if out in targets:
            name[out] = f"b{len(lines)}"
            source = targets[out]
            lines.append(f"{name[out]} = {source}" if place is None else f"{name[out]} = {slice_text(source, place, 'i:j')}")
        else:
            reused = next((v for v in dying if is_ufunc(node.op) and shape_of(v) == shape_of(out) and v.dtype == out.dtype), None)
            if reused is not None:
                dying.remove(reused)
                slot[out] = slot[reused]
                name[out] = name[reused]
            else:
                shape = list(shape_of(out))
                if place is not None:
                    shape[place] = block
                slot[out] = scratch.take(tuple(shape), out.dtype)
                name[out] = f"b{len(lines)}"
                source = f"u[{slot[out]}]"
                lines.append(f"{name[out]} = {source}" if place is None else f"{name[out]} = {slice_text(source, place, ':j - i')}")
        lines += call_text(ns, node, args, name[out])
        for v in dying:
            scratch.give(slot[v])
    work = sum(int(np.prod(shape_of(n.output), dtype=np.int64)) for n in body.nodes)
    return Region(lines, extent, block, scratch.made, work)
