"""Operators that read and write other types take the casts beside them along: one pass over memory less each.

Mixed precision has them around every norm: the residual stream is float32, the products that read its norms are 16-bit,
and so are the gradients that come back. ``Backend.casts`` says which operands and results an operator has in either type.
Reshapes between an operator and a cast stay where they are, in the narrower type.
"""

from __future__ import annotations

from hybridnet.core.kernel import computed_dtype, is_half
from hybridnet.dtypes import Dtype
from hybridnet.graph.backend import backend_of, has_fused_implementation
from hybridnet.graph.ir import Graph, Node, Rewriter, Value, infer_node
from hybridnet.graph.operators import CAST, RESHAPE

Readers = dict[Value, list[Node | None]]  # None stands for a result of the graph


def casts(graph: Graph) -> Graph:
    """Join 16-bit casts of results that nothing reads otherwise, and casts of 16-bit operands, to the operators that allow it."""
    if not any(map(_casts, graph.nodes)):
        return graph
    rewriter = Rewriter(graph)
    readers: Readers = {}
    for node in graph.nodes:
        for v in node.inputs:
            readers.setdefault(v, []).append(node)
    for v in graph.outputs:
        readers.setdefault(v, []).append(None)
    narrowed: set[Value] = set()  # values that are of a narrower type now
    for node in graph.nodes:
        if node.inputs and node.inputs[0] in narrowed:
            _follow(rewriter, node, narrowed)
        elif not (_casts(node) and _join(rewriter, node, readers, narrowed)):
            rewriter.keep(node)
    return rewriter.finish()


def _casts(node: Node) -> tuple[int | str, ...]:
    return backend_of(node.device).casts(node.op)


def _follow(rewriter: Rewriter, node: Node, narrowed: set[Value]) -> None:
    """A reshape of a narrowed value, or the cast that it makes needless."""
    now = rewriter.of(node.inputs[0])
    if node.op is CAST:
        rewriter.replace(node.output, now)
    else:
        rewriter.replace(node.output, rewriter.emit(RESHAPE, (now,), node.attrs, node))
        narrowed.add(node.output)


def _join(rewriter: Rewriter, node: Node, readers: Readers, narrowed: set[Value]) -> bool:
    """Whether the node was replaced by one that has casts in it."""
    casts = _casts(node)
    inputs = [_uncast(rewriter, v, node) if i in casts else rewriter.of(v) for i, v in enumerate(node.inputs)]
    dtype = _read_as(node.outputs[0], readers) if "y" in casts and not node.attrs.get("dtype") else None
    attrs = node.attrs if dtype is None else {**node.attrs, "dtype": dtype}
    joined = node.with_inputs(inputs, attrs=attrs, specs=infer_node(node.op, inputs, attrs))
    if (dtype is None and inputs == [rewriter.of(v) for v in node.inputs]) or not has_fused_implementation(joined):
        return False
    rewriter.nodes.append(joined)
    for old, new in zip(node.outputs, joined.outputs, strict=True):
        rewriter.replace(old, new)
    if dtype is not None:
        narrowed.add(node.outputs[0])
    return True


def _read_as(v: Value, readers: Readers) -> Dtype | None:
    """The 16-bit type to which all readers of a value cast it, at once or after reshapes."""
    types: set[Dtype | None] = set()
    for reader in readers.get(v, ()):
        if reader is not None and reader.op is RESHAPE:
            types.add(_read_as(reader.output, readers))
        else:
            types.add(reader.output.dtype if reader is not None and reader.op is CAST else None)
    dtype = types.pop() if len(types) == 1 else None
    return dtype if dtype is not None and is_half(dtype) and v.dtype == computed_dtype(dtype) else None


def _uncast(rewriter: Rewriter, v: Value, reader: Node) -> Value:
    """The 16-bit value that ``v`` is in a wider type, in the shape of ``v``; ``v`` itself where it is nothing such."""
    now = rewriter.of(v)
    source = now
    while source.node is not None and source.node.op in (RESHAPE, CAST):
        inner = source.node.inputs[0]
        if source.node.op is CAST and not (is_half(inner.dtype) and source.dtype == computed_dtype(inner.dtype)):
            return now
        source = inner
        if is_half(source.dtype):
            return source if source.shape == v.shape else rewriter.emit(RESHAPE, (source,), {"shape": v.shape}, reader)
    return now
