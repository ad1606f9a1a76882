"""A training step's scores are computed, used for the loss and its gradients, and forgotten, some rows of them at a time.

Of a language model they are the largest array by far: a row has an element for each word. With the loss and its gradient in one kernel
(:mod:`hybridnet.lowering.losses`) the last product, that kernel and the two products of the gradient go over chunks of the rows, which
share one place in memory. The gradient of the hidden states comes chunk by chunk into its place; that of the weight is summed up in
float32.

By rows, and not by words: chunks of words would need the scores twice, the first time for their sums of exponentials, which is one
product in three more. Chunks of rows read and write the weight's gradient once each instead, 8 bytes an element: of GPT-2's 50304 × 768
numbers 0.31 GB for each chunk but the first, where the product is 0.63 T operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from hybridnet.core import Op
from hybridnet.core.kernel import HandKernels, is_half
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import CAST, CONCATENATE, FULL, MATMUL, RESHAPE, SLICE
from hybridnet.graph.passes.cleanup import dce
from hybridnet.lowering.joining import Uses, alone_before, uses_of
from hybridnet.ops.linalg.matmul_added import MATMUL_ADDED, MATMUL_WIDE
from hybridnet.ops.nn.loss import CROSS_ENTROPY_BOTH

_ROWS = 64  # that a chunk's number is a multiple of, so that products have whole tiles


class _Loss(NamedTuple):
    """A loss with its gradient, and the products around it: of rows and a weight, and for the gradients of both."""

    product: Node
    both: Node
    of_rows: Node
    of_weight: Node


def chunk_losses(graph: Graph, most: int) -> Graph:
    """The graph with losses of ``most`` bytes of 16-bit scores at a time; as it is where that is 0."""
    if not most:
        return graph
    uses = uses_of(graph)
    found = {loss.both: loss for node in graph.nodes if (loss := _loss(node, uses)) is not None}
    if not found:
        return graph
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        if node in found:
            _write_out(rewriter, found[node], most)
        elif all(v in rewriter.replaced for v in node.outputs):
            continue  # the loss's products
        else:
            rewriter.keep(node)
    return dce(rewriter.finish())


def _loss(both: Node, uses: Uses) -> _Loss | None:
    """What belongs to a loss whose scores nothing else needs."""
    if both.op is not CROSS_ENTROPY_BOTH or not is_half(both.inputs[0].dtype) or both.attrs["axis"] != both.inputs[0].ndim - 1:
        return None
    product = alone_before(both.inputs[0], both, uses)
    if product is None or product.op is not MATMUL or product.output.ndim != 2 or product.attrs.get("transpose_a"):
        return None
    slopes = _read_through(both.outputs[1], uses)
    if slopes is None or slopes.spec != product.output.spec:
        return None
    readers = uses.get(slopes, [])
    rows, weight = product.inputs
    transposed = bool(product.attrs.get("transpose_b"))
    of_rows = [r for r in readers if r is not None and _is_product(r, (slopes, weight), False, not transposed)]
    first, second = (slopes, rows) if transposed else (rows, slopes)
    of_weight = [r for r in readers if r is not None and _is_product(r, (first, second), True, False)]
    if len(readers) != 2 or len(of_rows) != 1 or len(of_weight) != 1:
        return None
    return _Loss(product, both, of_rows[0], of_weight[0])


def _read_through(v: Value, uses: Uses) -> Value | None:
    """The value in the shape in which it is read."""
    readers = uses.get(v, [])
    while len(readers) == 1 and readers[0] is not None and readers[0].op is RESHAPE:
        v = readers[0].output
        readers = uses.get(v, [])
    return v if readers and None not in readers else None


def _is_product(node: Node, inputs: tuple[Value, Value], transpose_a: bool, transpose_b: bool) -> bool:
    flags = bool(node.attrs.get("transpose_a")), bool(node.attrs.get("transpose_b"))
    return node.op is MATMUL and node.inputs == inputs and flags == (transpose_a, transpose_b)


def _write_out(rewriter: Rewriter, loss: _Loss, most: int) -> None:
    """The loss in chunks, if it takes more than one, and the kernels and the library compute them."""
    rows, words = loss.product.output.shape
    number = -(-loss.product.output.nbytes // most)
    size = -(-rows // number // _ROWS) * _ROWS
    bounds = [(i, min(i + size, rows)) for i in range(0, rows, size)]
    chunks = _Chunks(rewriter, loss) if len(bounds) > 1 else None
    if chunks is None or not chunks.fit(bounds[0], words):
        rewriter.keep(loss.both)
        return
    losses, slopes = [], []
    for bound in bounds:
        of_chunk, of_rows = chunks.add(*bound)
        losses.append(of_chunk)
        slopes.append(of_rows)
    like = loss.both
    joined = rewriter.emit(CONCATENATE, losses, {"axis": 0}, like)
    rewriter.replace(like.outputs[0], rewriter.emit(RESHAPE, (joined,), {"shape": like.outputs[0].shape}, like))
    rewriter.replace(like.outputs[1], like.outputs[1])  # which nothing reads any more
    rewriter.replace(loss.of_rows.output, rewriter.emit(CONCATENATE, slopes, {"axis": 0}, loss.of_rows))
    assert chunks.total is not None
    narrow = {"dtype": loss.of_weight.output.dtype}
    rewriter.replace(loss.of_weight.output, rewriter.emit(CAST, (chunks.total,), narrow, loss.of_weight))


class _Chunks:
    """The chunks of a loss, one after another."""

    def __init__(self, rewriter: Rewriter, loss: _Loss) -> None:
        self.rewriter, self.loss = rewriter, loss
        self.total: Value | None = None  # the weight's gradient so far
        self.rows, self.weight = map(rewriter.of, loss.product.inputs)
        self.known: dict[Any, Value] = {}

    def fit(self, bound: tuple[int, int], words: int) -> bool:
        """Whether hand-written kernels compute a chunk's loss, and the library adds products up."""
        trial = _Chunks(Rewriter(self.rewriter.graph), self.loss)
        trial.rewriter.replaced = dict(self.rewriter.replaced)
        trial.add(*bound)
        trial.add(*bound)
        wanted = {CROSS_ENTROPY_BOTH: HandKernels, MATMUL: LibraryPlan, MATMUL_WIDE: LibraryPlan, MATMUL_ADDED: LibraryPlan}
        return all(isinstance(implementation_of(n), wanted[n.op]) for n in trial.rewriter.nodes if n.op in wanted)

    def add(self, start: int, stop: int) -> tuple[Value, Value]:
        """A chunk's losses, and the gradient of its rows."""
        loss, emit = self.loss, self.rewriter.emit
        rows = self._part(self.rows, start, stop, loss.product)
        scores = emit(MATMUL, (rows, self.weight), loss.product.attrs, loss.product)
        small = [self._part(self.rewriter.of(v), start, stop, loss.both) for v in loss.both.inputs[1:]]
        inputs, attrs = (scores, *small), {"axis": 1}
        both = Node(CROSS_ENTROPY_BOTH, inputs, attrs, infer_node(CROSS_ENTROPY_BOTH, inputs, attrs), loss.both.device, loss.both.site)
        self.rewriter.nodes.append(both)
        slopes = both.outputs[1]
        of_rows = emit(MATMUL, (slopes, self.weight), loss.of_rows.attrs, loss.of_rows)
        pair = (slopes, rows) if loss.product.attrs.get("transpose_b") else (rows, slopes)
        op, before = (MATMUL_WIDE, ()) if self.total is None else (MATMUL_ADDED, (self.total,))
        self.total = emit(op, (*before, *pair), {"transpose_a": True, "transpose_b": False}, loss.of_weight)
        return both.outputs[0], of_rows

    def _part(self, v: Value, start: int, stop: int, like: Node) -> Value:
        """Rows of a matrix, or of what has one number a row."""
        emit = self.rewriter.emit
        if v.constant is not None:
            attrs: dict[str, Any] = {"shape": (stop - start, 1), "value": v.constant, "dtype": v.dtype}
            return self._once((v, stop - start), FULL, (), attrs, like)
        if v.ndim != 2:
            v = self._once((v,), RESHAPE, (v,), {"shape": (math.prod(v.shape[:-1]), v.shape[-1])}, like)
        return emit(SLICE, (v,), {"key": (("slice", start, stop, None),)}, like)

    def _once(self, key: Any, op: Op, inputs: Sequence[Value], attrs: dict[str, Any], like: Node) -> Value:
        if key not in self.known:
            self.known[key] = self.rewriter.emit(op, inputs, attrs, like)
        return self.known[key]
