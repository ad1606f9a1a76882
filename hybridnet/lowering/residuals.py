"""Norms take the sums of a residual stream along: what is added before one, and, backward, what else comes to its operand.

Each is one pass over memory less, with what it writes and reads: of the stream's sum forward, of the norm's own gradient backward, and of
that in float32 where products behind it read a 16-bit copy. So is the sum of what several products give for the norm's result, each in 16
bits: the gradient's kernel reads them as they lie. A sum stays where fusion has a better place for it: beside what computes an
operand that only the sum reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hybridnet.core import Op, Spec
from hybridnet.core.kernel import HandKernels, is_half
from hybridnet.dtypes import Dtype
from hybridnet.graph.backend import implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import ADD, CAST, RESHAPE
from hybridnet.lowering.fuse import is_fusable
from hybridnet.lowering.joining import Uses, alone_before, are_before, uses_of
from hybridnet.ops.nn.residual_norm import RESIDUAL_NORM, RESIDUAL_NORM_GRAD, SUMMED
from hybridnet.ops.nn.row_norm import LAYER_NORM, LAYER_NORM_GRAD, RMS_NORM, RMS_NORM_GRAD


class _Joined(NamedTuple):
    """A node in place of several: what it gives for each of their results."""

    node: Node
    results: Mapping[Value, Value]
    before: Sequence[Node] = ()  # what it reads besides: other shapes of values


def residuals(graph: Graph) -> Graph:
    """The graph with norms and their gradients joined with the sums beside them, where hand-written kernels compute them so."""
    if not any(node.op in (LAYER_NORM, RMS_NORM, LAYER_NORM_GRAD, RMS_NORM_GRAD) for node in graph.nodes):
        return graph
    finder = _Finder(graph)
    for node in graph.nodes:
        if node.op in (LAYER_NORM, RMS_NORM):
            finder.norm(node)
        elif node.op in (LAYER_NORM_GRAD, RMS_NORM_GRAD):
            finder.grad(node)
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        joined = finder.at.get(node)
        if joined is not None:
            for shaped in joined.before:
                rewriter.keep(shaped)
            kept = rewriter.keep(joined.node)
            for old, new in joined.results.items():
                rewriter.replace(old, kept.outputs[new.index])
        elif node not in finder.inside:
            rewriter.keep(node)
    return rewriter.finish()


class _Finder:
    """What is joined in a graph, by the node in whose place it stands."""

    def __init__(self, graph: Graph) -> None:
        self.uses: Uses = uses_of(graph)
        self.position = {node: i for i, node in enumerate(graph.nodes)}
        self.at: dict[Node, _Joined] = {}
        self.inside: set[Node] = set()

    def norm(self, node: Node) -> None:
        """A norm and the sum that it is of, in the sum's place."""
        x, *parameters = node.inputs
        total = x.node
        if total is None or total.op is not ADD or total in self.inside or not are_before(parameters, total, self.position):
            return
        pair = self._operands(total)
        if pair is None:
            return
        self._join(RESIDUAL_NORM, (*pair, *parameters), node.attrs, total, (x, *node.outputs), (total, node))

    def grad(self, node: Node) -> None:
        """A norm's gradient with the sum that comes to it, what is added to it, and a 16-bit copy of the sum or of itself."""
        dx, *of_parameters = node.outputs
        total = self._sum_of(dx)
        result = dx if total is None else total.output
        copies = [reader for reader in self.uses.get(result, ()) if reader is not None and reader.op is CAST]
        dtype = self._narrow(copies)
        g, *summands = self._summands(node)
        if total is None and dtype is None and not summands:
            return
        place = node
        before = [Node(RESHAPE, (v,), {"shape": dx.shape}, [Spec(dx.shape, v.dtype)], node.device, node.site) for v in (g, *summands)]
        g, *summands = (v if v.shape == dx.shape else shaped.output for v, shaped in zip((g, *summands), before, strict=True))
        inputs = [g, *node.inputs[1:]]
        inside = [node]
        if total is not None:
            inside.append(total)
            other = total.inputs[1] if total.inputs[0] is dx else total.inputs[0]
            inputs.append(other)
            if not are_before([other], node, self.position):
                place = total
                if any(r is not None and self.position[r] < self.position[total] for v in of_parameters for r in self.uses.get(v, ())):
                    return
        inputs += summands
        attrs = {**node.attrs, "added": total is not None, "summands": len(summands), "dtype": dtype}
        results: list[Value] = [result, *([] if dtype is None else [copies[0].output]), *of_parameters]
        self._join(RESIDUAL_NORM_GRAD, inputs, attrs, place, results, (*inside, *(copies if dtype is not None else ())))
        if place in self.at:
            self.at[place] = self.at[place]._replace(before=[n for n in before if n.output in inputs])
        if dtype is not None and place in self.at:
            joined = self.at[place]
            copy = joined.node.outputs[1]
            self.at[place] = joined._replace(results={**joined.results, **{c.output: copy for c in copies}})

    def _join(
        self, op: Op, inputs: Sequence[Value], attrs: Mapping[str, Any], place: Node, results: Sequence[Value], inside: Iterable[Node]
    ) -> None:
        """Enter a node if kernels compute it."""
        joined = Node(op, inputs, attrs, infer_node(op, inputs, attrs), place.device, place.site)
        if isinstance(implementation_of(joined), HandKernels):
            self.at[place] = _Joined(joined, dict(zip(results, joined.outputs, strict=True)))
            self.inside.update(inside)

    def _operands(self, total: Node) -> tuple[Value, Value] | None:
        """What is added, maybe of 16 bits, and what it is added to: both lie in memory anyway."""
        for r, other in (total.inputs, total.inputs[::-1]):
            h = other.node.inputs[0] if other.node is not None and other.node.op is CAST and is_half(other.node.inputs[0].dtype) else other
            same = r.shape == h.shape == total.output.shape and r.dtype == total.output.dtype
            if same and (h is other or self.uses[other] == [total]) and self._is_stored(r) and self._is_stored(h):
                return h, r
        return None

    def _summands(self, node: Node) -> list[Value]:
        """The arrays in memory, of one type and any shapes, whose sum in their order and in the type of x a gradient takes; or the one."""
        g, x, *_ = node.inputs
        found: list[Value] = []
        v, reader = g, node
        while (total := alone_before(v, reader, self.uses)) is not None and total.op is ADD and len(found) < SUMMED:
            found.insert(0, total.inputs[1])
            v, reader = total.inputs[0], total
        found = [self._narrower(w) for w in (v, *found)]
        fits = (
            1 < len(found) <= SUMMED and len({w.dtype for w in found}) == 1 and all(w.size == x.size and self._is_stored(w) for w in found)
        )
        return found if fits and g.dtype == x.dtype and not is_half(x.dtype) else [g]

    def _narrower(self, v: Value) -> Value:
        """The 16-bit array of which a value is another shape in a wider type; the value itself, or what it is a shape of, if of none."""
        while v.node is not None and (
            v.node.op is RESHAPE or (v.node.op is CAST and is_half(v.node.inputs[0].dtype) and not is_half(v.dtype))
        ):
            v = v.node.inputs[0]
        return v

    def _is_stored(self, v: Value) -> bool:
        """Whether a value lies in memory whether or not a region reads it."""
        while v.node is not None and v.node.op.is_view:
            v = v.node.inputs[0]
        return v.constant is None and (v.node is None or not is_fusable(v.node) or len(self.uses[v]) > 1)

    def _sum_of(self, dx: Value) -> Node | None:
        """The sum that alone reads a gradient, with another array that lies in memory."""
        readers = self.uses.get(dx, [])
        total = readers[0] if len(readers) == 1 else None
        if total is None or total.op is not ADD or total in self.inside or total.output.spec != dx.spec:
            return None
        other = total.inputs[1] if total.inputs[0] is dx else total.inputs[0]
        return total if other is not dx and other.spec == dx.spec and self._is_stored(other) else None

    def _narrow(self, copies: list[Node]) -> Dtype | None:
        """The one 16-bit type that casts give."""
        types = {copy.output.dtype for copy in copies}
        dtype = types.pop() if len(types) == 1 else None
        return dtype if dtype is not None and is_half(dtype) else None
