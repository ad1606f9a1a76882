"""Pointwise work finds together across reshapes: what leads to a reshape, and what follows from it, goes over one shape.

An element of a pointwise operator's result follows from the same element of its operands, in whatever shape they are written. So
``f(reshape(g(x)))`` is ``f(g(reshape(x)))`` to the bit. Where ``x`` lies in memory a reshape of it costs nothing, while the one between
``g`` and ``f`` keeps them from being one region. Mixed precision is full of them: a product's gradient is cast to float32 as the
matrix that it is, and added to the others in the shape of the stream.

Nodes that go over as many elements, connected by operands and by reshapes of them, make a set, and a set has one shape. Some nodes keep
theirs: reductions, which name axes, and what meets their results without a reshape between. An operand that is broadcast is given the
shape in which it meets the same elements; where there is none, the reshape stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from hybridnet.core import Kind, Spec
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import FULL, RESHAPE
from hybridnet.graph.passes.cleanup import dce
from hybridnet.lowering.fuse import is_fusable

Shape = tuple[int, ...]


def reshapes(graph: Graph, donate: Mapping[int, int]) -> Graph:
    """The graph with the reshapes between pointwise operators moved to where their region begins and ends.

    ``donate``: which outputs are written over which inputs. A kernel that sums does not write over what it reads for each row, so that
    what follows from a sum, and is such an output, stays a kernel of its own.
    """
    if not any(node.op is RESHAPE or node.op.kind is Kind.REDUCTION for node in graph.nodes):
        return graph
    shapes = _Sets(graph, {graph.outputs[o] for o in donate}).shapes()
    return dce(_Moving(graph, shapes).run()) if shapes else graph


def source(v: Value) -> Value:
    """What a value is another shape of."""
    while v.node is not None and v.node.op is RESHAPE:
        v = v.node.inputs[0]
    return v


def kept(node: Node) -> Shape:
    """The shape of a reduction's result with the axes that it sums over."""
    axes = node.attrs["axis"]
    return tuple(1 if a in axes else n for a, n in enumerate(node.inputs[0].shape))


def broadcast_as(small: Shape, domain: Shape, target: Shape) -> Shape | None:
    """The shape in which an operand that broadcasts to ``domain`` meets the same elements of ``target``, another shape of as many.

    None where it has none: an operand (1, 3) of (2, 3) has none for (6,).
    """
    lengths = (1,) * (len(domain) - len(small)) + small
    ours = [(n, m) for n, m in zip(domain, lengths, strict=True) if n != 1]
    found: list[int] = []
    theirs = list(target)
    while theirs:
        taken, size = [theirs.pop(0)], 1
        if taken[0] == 1:
            found.append(1)
            continue
        block = [ours.pop(0)]
        size, wanted = taken[0], block[0][0]
        while size != wanted:
            if size < wanted:
                taken.append(theirs.pop(0))
                size *= taken[-1]
            else:
                block.append(ours.pop(0))
                wanted *= block[-1][0]
        if all(m == 1 for _, m in block):
            found += [1] * len(taken)
        elif all(m == n for n, m in block):
            found += taken
        else:
            return None
    return tuple(found)


class _Set:
    """Nodes of one shape.

    ``fixed``: it cannot be another; ``meets``: the shapes of operands that are broadcast, each with what to; ``replaces``: whether one of
    the results is written over an input.
    """

    __slots__ = ("fixed", "meets", "members", "over", "replaces", "shape")

    def __init__(self, shape: Shape, fixed: bool, meets: set[tuple[Shape, Shape]]) -> None:
        self.shape, self.fixed, self.meets = shape, fixed, meets
        self.members = 1
        self.replaces = False
        self.over: _Set | None = None  # the set that it has become a part of

    def may_be(self, shape: Shape) -> bool:
        """Whether all of its nodes can go over a shape."""
        return shape == self.shape or (not self.fixed and all(broadcast_as(small, of, shape) is not None for small, of in self.meets))


def _top(found: _Set) -> _Set:
    while found.over is not None:
        if found.over.over is not None:
            found.over = found.over.over
        found = found.over
    return found


def _join(a: _Set, b: _Set) -> None:
    """Make one set of two, in the shape of the larger one if both can have it."""
    a, b = _top(a), _top(b)
    if a is b:
        return
    if (b.fixed, b.members) > (a.fixed, a.members):
        a, b = b, a
    shape = next((s.shape for s in (a, b) if a.may_be(s.shape) and b.may_be(s.shape)), None)
    if shape is None:
        return
    a.fixed, a.shape = a.fixed or b.fixed, shape
    a.meets |= b.meets
    a.members += b.members
    a.replaces |= b.replaces
    b.over = a


class _Sets:
    """The sets of a graph's nodes, by the values that they give; a reduction's operand has one too, which is what it goes over."""

    def __init__(self, graph: Graph, replacing: set[Value]) -> None:
        self.graph, self.replacing = graph, replacing
        self.of: dict[Value | Node, _Set] = {}
        self.numbers: set[Value] = set()  # single numbers that follow from sums, which are part of regions of what is summed

    def shapes(self) -> dict[Value | Node, Shape]:
        """Of each value, and each reduction's operand, the shape that it is to have; empty where none changes."""
        apart = self._enter()
        if not apart:
            return {}
        for producer, readers in apart.items():
            self._gather(producer, readers)
        found = {key: top.shape for key, mine in self.of.items() if (top := _top(mine)).members > 1}
        own = {key: key.inputs[0].shape if isinstance(key, Node) else key.shape for key in found}
        return found if found != own else {}

    def _gather(self, producer: Value, readers: list[Value | Node]) -> None:
        """Join a value with those that read it through reshapes: all or none, since those that stay apart are read beside each other."""
        found = [_top(self.of[key]) for key in (producer, *readers)]
        if producer.shape != found[0].shape and any(each.replaces for each in found):
            return  # a sum
        if all(a.may_be(b.shape) for a in found for b in found if b.fixed):
            for reader in readers:
                _join(self.of[producer], self.of[reader])

    def _enter(self) -> dict[Value, list[Value | Node]]:
        """Enter all nodes, those joined that are of one shape; gives of values who reads them through a reshape."""
        apart: dict[Value, list[Value | Node]] = {}
        for node in self.graph.nodes:
            if not node.inputs or not is_fusable(node):
                continue
            if node.op.kind is Kind.REDUCTION:
                self.of[node] = _Set(node.inputs[0].shape, True, set())
                self._read(node, node.inputs[0], node, apart)
                if not node.output.shape:
                    self.numbers.add(node.output)
                elif node.output.size > 1:
                    self.of[node.output] = _Set(kept(node), True, set())
            elif node.op.kind is Kind.POINTWISE and not node.output.shape:
                if not self.numbers.isdisjoint(node.inputs):
                    self.numbers.add(node.output)
            elif node.op.kind is Kind.POINTWISE and node.output.size > 1:
                out = node.output
                self.of[out] = _Set(out.shape, False, set())
                self.of[out].replaces = out in self.replacing
                for v in node.inputs:
                    self._read(out, v, node, apart)
        return apart

    def _read(self, key: Value | Node, v: Value, node: Node, apart: dict[Value, list[Value | Node]]) -> None:
        """A node, or what it gives, reads a value."""
        mine = _top(self.of[key])
        origin = source(v)
        theirs = self.of.get(origin)
        if not v.shape:
            mine.fixed |= v in self.numbers
            return
        if origin.node is not None and origin.node.op.is_view:
            mine.fixed = True  # it may lie with gaps, and another shape of it be a copy
        if math.prod(mine.shape) != v.size:
            mine.meets.add((v.shape, mine.shape))
            if v in self.of:  # it may be a part of the region as it is
                mine.fixed = _top(self.of[v]).fixed = True
        elif v.shape != mine.shape:
            mine.fixed = True
            if v in self.of:
                _top(self.of[v]).fixed = True
        elif origin is v and theirs is not None and theirs.shape == v.shape:
            _join(theirs, mine)
        elif theirs is not None:
            apart.setdefault(origin, []).append(key)


class _Moving:
    """A graph in the making in which each set has its shape."""

    def __init__(self, graph: Graph, shapes: dict[Value | Node, Shape]) -> None:
        self.graph, self.shapes = graph, shapes
        self.rewriter = Rewriter(graph)
        self.moved: dict[Value, Value] = {}  # of a value what it is in the shape of its set
        self.made: dict[tuple[Value, Shape], Value] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            out = node.outputs[0]
            if node.op is RESHAPE:
                self.rewriter.replace(out, self._as(node.inputs[0], out.shape, node))
            elif out in self.shapes and node.op.kind is Kind.POINTWISE and self.shapes[out] != out.shape:
                shape = self.shapes[out]
                inputs = [self._operand(v, out.shape, shape, node) for v in node.inputs]
                self._instead(node, node.with_inputs(inputs, specs=[Spec(shape, out.dtype)]))
            elif out in self.shapes and node.op.kind is Kind.REDUCTION and out.shape != self.shapes[out]:
                attrs = {**node.attrs, "keepdims": True}
                inputs = [self.rewriter.of(v) for v in node.inputs]
                self._instead(node, node.with_inputs(inputs, attrs=attrs, specs=[Spec(self.shapes[out], out.dtype)]))
            else:
                self.rewriter.keep(node)
        return self.rewriter.finish()

    def _instead(self, old: Node, new: Node) -> None:
        """A node in place of another, whose result is of another shape."""
        self.rewriter.nodes.append(new)
        self.moved[old.output] = new.output
        self.rewriter.replace(old.output, self._made(new.output, old.output.shape, old))

    def _as(self, v: Value, shape: Shape, reader: Node) -> Value:
        """A value in another shape, by one reshape at most."""
        origin = source(v)
        now = self.moved.get(origin) or source(self.rewriter.of(origin))
        return self._made(now, shape, reader)

    def _made(self, v: Value, shape: Shape, reader: Node) -> Value:
        if v.shape == shape:
            return v
        if (v, shape) not in self.made:
            self.made[v, shape] = self.rewriter.emit(RESHAPE, (v,), {"shape": shape}, reader)
        return self.made[v, shape]

    def _operand(self, v: Value, domain: Shape, shape: Shape, reader: Node) -> Value:
        """What a node over ``domain`` reads, for one over ``shape``."""
        if not v.shape:
            return self.rewriter.of(v)
        is_whole = v.size == math.prod(domain)
        small = shape if is_whole else broadcast_as(v.shape, domain, shape)
        assert small is not None, "a set that cannot have its shape"
        if (
            not is_whole
            and v.ndim < len(shape)
            and small[len(shape) - v.ndim :] == v.shape
            and any(x.size == math.prod(domain) for x in reader.inputs)
        ):
            return self.rewriter.of(v)  # of fewer axes, as it may stay
        if v.constant is not None and v.node is not None:
            return self.rewriter.emit(FULL, (), {**v.node.attrs, "shape": small}, v.node)
        return self._as(v, small, reader)
