"""Channels last: convolutions that tensor cores compute want their channels on the last axis.

Such a convolution in channels-first order is computed between transposes, which the library makes unseen. This pass
writes the convolution with channels last and carries that order on through what lies between convolutions
(pointwise operators, reductions, and whatever says in :mod:`~hybridnet.core.permutations` how it takes operands in another order), so that
transposes remain only at the ends: at the inputs, and where an operator reads the axes in their own order.

Each value of the old graph may have two forms in the new one, the plain and the permuted, each made when it is first
read. A node that can be computed in either form is computed in the one for which fewer bytes are transposed now
and, by what its readers want, later. The new graph is taken only if it transposes fewer bytes than the old one does
in its own nodes and inside its convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from hybridnet.core import Kind, Op, Permuted
from hybridnet.core.permutations import permutation_of
from hybridnet.graph.backend import backend_of, has_fused_implementation
from hybridnet.graph.ir import Graph, Node, Value, infer_node
from hybridnet.graph.operators import BROADCAST_TO, FULL, RESHAPE, TRANSPOSE
from hybridnet.graph.passes.cleanup import dce

Shape = tuple[int, ...]


def layout(graph: Graph) -> Graph:
    """Compute convolutions, and what lies between them, with channels last where that transposes less."""
    if not any(map(gains, graph.nodes)):
        return graph
    changed = dce(_Layout(graph).changed())
    return changed if transposed_bytes(changed) < transposed_bytes(graph) else graph


def transposed_bytes(graph: Graph) -> int:
    """The bytes that are transposed: by nodes, and inside channels-first convolutions, of their operands and results."""
    total = 0
    for node in graph.nodes:
        if node.op is TRANSPOSE and not _keeps_memory(node.inputs[0].shape, node.attrs["axes"]):
            total += node.output.nbytes
        elif gains(node):
            total += sum(v.nbytes for v in (*node.inputs, *node.outputs))
    return total


def _order(ndim: int) -> Shape:
    """Channels last."""
    return (0, *range(2, ndim), 1)


def _inverse(ndim: int) -> Shape:
    return (0, ndim - 1, *range(1, ndim - 1))


def _widened(shape: Shape, ndim: int) -> Shape:
    """A shape among those of ``ndim`` axes, as broadcasting sees it: with ones in front."""
    return (1,) * (ndim - len(shape)) + shape


def _keeps_memory(shape: Shape, axes: Sequence[int]) -> bool:
    """Whether a transpose moves axes of length 1 alone: a reshape, which costs nothing."""
    long = [a for a in axes if shape[a] != 1]
    return long == sorted(long) or 0 in shape


def gains(node: Node) -> bool:
    """Whether a node is a channels-first contraction that its back end computes faster with channels last."""
    if node.op.kind is not Kind.CONTRACTION or _permuted_call(node) is None:
        return False
    return backend_of(node.device).prefers_channels_last(node.outputs[0].dtype)  # asked last: it may have to look for a library


def _permuted_call(node: Node) -> Permuted | None:
    """How a node is computed on permuted operands; None where it cannot be."""
    out, op = node.outputs[0], node.op
    if op.kind is Kind.REDUCTION:
        return _permuted_reduction(node)
    if not 3 <= out.ndim <= 5:
        return None
    permutation = permutation_of(op)
    if permutation is not None:
        return permutation(_order(out.ndim), *[v.spec for v in node.inputs], **node.attrs)
    if op.kind is Kind.POINTWISE and node.inputs:
        return Permuted(node.attrs, tuple(v.ndim > 0 for v in node.inputs), (True,) * len(node.outputs))
    return None


def _permuted_reduction(node: Node) -> Permuted | None:
    x, axis = node.inputs[0], node.attrs["axis"]
    if not 3 <= x.ndim <= 5:
        return None
    order = _order(x.ndim)
    keepdims = node.attrs["keepdims"]
    left = [a for a in order if a not in axis]
    if not keepdims and left != sorted(left):
        return None  # the result would be in an order that nothing else has
    return Permuted({**node.attrs, "axis": tuple(sorted(order.index(a) for a in axis))}, (True,), (bool(keepdims),))


class _Wanted(IntEnum):
    """The form in which a value's readers want it."""

    EITHER = 0
    PLAIN = 1
    PERMUTED = 2


class _Layout:
    """The new graph in the making."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.plain: dict[Value, Value] = {v: v for v in graph.inputs}
        self.permuted: dict[Value, Value] = {}
        self.calls = {node: _permuted_call(node) for node in graph.nodes}
        self.wanted = self._wanted()

    def _wanted(self) -> dict[Value, _Wanted]:
        """Backwards: convolutions want permuted operands, most others plain ones; what can be either passes on what is wanted of it."""
        wanted = dict.fromkeys(self.graph.outputs, _Wanted.PLAIN)
        for node in reversed(self.graph.nodes):
            call = self.calls[node]
            for i, v in enumerate(node.inputs):
                if call is None or not call.inputs[i]:
                    wish = _Wanted.PLAIN
                elif gains(node):
                    wish = _Wanted.PERMUTED
                else:
                    moved = [
                        y for y, on in zip(node.outputs, call.outputs, strict=True) if on and not _keeps_memory(y.shape, _order(y.ndim))
                    ]
                    wish = max((wanted.get(y, _Wanted.EITHER) for y in moved), default=_Wanted.EITHER)
                wanted[v] = max(wish, wanted.get(v, _Wanted.EITHER))
        return wanted

    def changed(self) -> Graph:
        """The graph, each node in the form that is chosen for it."""
        for node in self.graph.nodes:
            if node.op is TRANSPOSE and self._cancels(node):
                continue
            call = self.calls[node]
            if call is None or not (gains(node) or self._is_cheaper(node, call)) or not self._compute(node, call):
                self._keep(node)
        return Graph(self.graph.inputs, self.nodes, [self._plain(v) for v in self.graph.outputs])

    # -- nodes ----------------------------------------------------------------------------------

    def _is_cheaper(self, node: Node, call: Permuted) -> bool:
        """Whether fewer bytes are transposed if a node is computed on permuted operands."""
        ndim = node.inputs[0].ndim if node.op.kind is Kind.REDUCTION else node.outputs[0].ndim
        moved = [v for v, on in zip(node.inputs, call.inputs, strict=True) if on and v.ndim == ndim]
        now = sum(v.nbytes for v in moved if v not in self.permuted and not self._is_free(v, _order(ndim)))
        otherwise = sum(v.nbytes for v in moved if v not in self.plain and not self._is_free(v, _inverse(ndim)))
        wish = _Wanted.EITHER
        for v, on in zip(node.outputs, call.outputs, strict=True):
            if on and not _keeps_memory(v.shape, _order(ndim)):
                wish = max(wish, self.wanted.get(v, _Wanted.EITHER))
                now += v.nbytes * (wish is _Wanted.PLAIN)
                otherwise += v.nbytes * (wish is _Wanted.PERMUTED)
        return now < otherwise or (now == otherwise and wish is not _Wanted.PLAIN and any(v in self.permuted for v in moved))

    def _is_free(self, v: Value, order: Shape) -> bool:
        """Whether a value can be had in another order of that many axes without moving it."""
        return v.constant is not None or _keeps_memory(_widened(v.shape, len(order)), order) or self._is_spread(v, len(order)) is not None

    def _is_spread(self, v: Value, ndim: int) -> Value | None:
        """What a value is the broadcast of, if that is free among operands of ``ndim`` axes with channels last."""
        if v.node is None or v.node.op is not BROADCAST_TO:
            return None
        source = v.node.inputs[0]
        return source if self._is_free(source, _order(ndim)) else None

    def _compute(self, node: Node, call: Permuted) -> bool:
        """Add a node on permuted operands, unless it is one that its device cannot compute so."""
        ndim = max(v.ndim for v in (*node.inputs, *node.outputs))
        inputs = [self._permuted(v, ndim) if on else self._plain(v) for v, on in zip(node.inputs, call.inputs, strict=True)]
        specs = infer_node(node.op, inputs, call.attrs)
        new = node.with_inputs(inputs, attrs=call.attrs, specs=specs)
        if node.op.decomposition is not None and not has_fused_implementation(new):
            return False
        self.nodes.append(new)
        for old, now, on in zip(node.outputs, new.outputs, call.outputs, strict=True):
            (self.permuted if on else self.plain)[old] = now
        return True

    def _keep(self, node: Node) -> None:
        inputs = [self._plain(v) for v in node.inputs]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            new = node
        else:
            new = node.with_inputs(inputs)
        self.nodes.append(new)
        self.plain.update(zip(node.outputs, new.outputs, strict=True))

    def _cancels(self, node: Node) -> bool:
        """Whether a transpose of the program's own is there already, or undone by what follows."""
        x, axes = node.inputs[0], node.attrs["axes"]
        if not 3 <= x.ndim <= 5:
            return False
        if axes == _order(x.ndim):
            self.plain[node.output] = self._permuted(x, x.ndim)
            return True
        if axes == _inverse(x.ndim) and x in self.plain:
            self.permuted[node.output] = self.plain[x]
            return True
        return False

    # -- the two forms of a value ---------------------------------------------------------------

    def _plain(self, v: Value) -> Value:
        if v not in self.plain:
            self.plain[v] = self._moved(self.permuted[v], _inverse(v.ndim))
        return self.plain[v]

    def _permuted(self, v: Value, ndim: int) -> Value:
        """``v`` with channels last; among operands of more axes, ``ndim``, it gets leading ones first."""
        if v.ndim < ndim:
            return self._in_order(v, ndim)
        if v not in self.permuted:
            self.permuted[v] = self._in_order(v, ndim)
        return self.permuted[v]

    def _in_order(self, v: Value, ndim: int) -> Value:
        order, lengths = _order(ndim), _widened(v.shape, ndim)
        shape = tuple(lengths[a] for a in order)
        if v.constant is not None:
            return self._emit(FULL, v, shape=shape, value=v.constant, dtype=v.dtype)
        source = self._is_spread(v, ndim)
        if source is not None:
            return self._emit(BROADCAST_TO, self._permuted(source, ndim), shape=shape)
        x = self._plain(v)
        return self._moved(x if v.ndim == ndim else self._emit(RESHAPE, x, shape=lengths), order)

    def _moved(self, v: Value, axes: Shape) -> Value:
        if _keeps_memory(v.shape, axes):
            return self._emit(RESHAPE, v, shape=tuple(v.shape[a] for a in axes))
        return self._emit(TRANSPOSE, v, axes=axes)

    def _emit(self, op: Op, of: Value, **attrs: Any) -> Value:
        inputs = () if op.kind is Kind.CREATION else (of,)
        node = Node(op, inputs, attrs, infer_node(op, inputs, attrs), of.device, of.node.site if of.node else None)
        self.nodes.append(node)
        return node.output
