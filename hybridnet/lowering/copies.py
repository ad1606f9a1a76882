"""Copies where the program needs an array of its own: reshapes that are no views, inputs returned as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hybridnet.core import Kind
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import COPY, TRANSPOSE
from hybridnet.lowering.shadows import is_whole, shadows


def copy_inputs(graph: Graph) -> Graph:
    """Copies at the start for results that are inputs as they are, while these hold what they did: a step of a loop overwrites them."""
    inputs = set(graph.inputs)
    copies = {i: Node(COPY, (v,), {}, [v.spec], v.device) for i, v in enumerate(graph.outputs) if v in inputs}
    if not copies:
        return graph
    outputs = [copies[i].output if i in copies else v for i, v in enumerate(graph.outputs)]
    return Graph(graph.inputs, [*copies.values(), *graph.nodes], outputs)


def copy_elements(graph: Graph, positions: Collection[int]) -> Graph:
    """Copies of some inputs, which begin where not all kernels can read; a region reads them as it makes the copy."""
    if not positions:
        return graph
    rewriter = Rewriter(graph)
    for i in sorted(positions):
        v = graph.inputs[i]
        rewriter.nodes.append(node := Node(COPY, (v,), {}, [v.spec], v.device))
        rewriter.replace(v, node.output)
    for node in graph.nodes:
        rewriter.keep(node)
    return rewriter.finish()


def turned(v: Value) -> tuple[int, ...] | None:
    """Where a value is what a CPU's library computes with its axes in another order: that order, of axes of ``v``.

    The library writes arrays of any strides, so it may compute that right into an array that is to hold ``v``.
    """
    if v.node is None or v.node.op is not TRANSPOSE or (source := v.node.inputs[0].node) is None:
        return None
    if not isinstance(implementation_of(source), LibraryPlan):
        return None
    axes: tuple[int, ...] = v.node.attrs["axes"]
    return tuple(axes.index(i) for i in range(len(axes)))


def same_axes(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes differ by axes of one element alone: an array of one, with whatever gaps, has a view of the other."""
    return [n for n in shape if n != 1] == [n for n in other if n != 1]


def _is_cut_anew(v: Value, root: Value) -> bool:
    return v.dtype != root.dtype or not same_axes(v.shape, root.shape)


def insert_copies(graph: Graph, donate: Mapping[int, int], shapes_matter: bool = True) -> Graph:
    """Copies where the program needs an array of its own: reshapes that are no views, inputs returned as they are.

    ``shapes_matter``: whether a result that is another shape of an array cannot be computed where that array is, which may have gaps.
    """
    memory = shadows(graph)
    whole = {
        v for v in graph.outputs if v in memory.root and is_whole(memory, v) and not (shapes_matter and _is_cut_anew(v, memory.root[v]))
    }
    rewriter = Rewriter(graph)

    def copied(v: Value) -> Value:
        node = Node(COPY, (v,), {}, [v.spec], v.device, v.node.site if v.node else None)
        rewriter.nodes.append(node)
        return node.output

    for node in graph.nodes:
        if node.op.kind is Kind.VIEW and node.output not in memory.root:
            view = Node(node.op, [copied(rewriter.of(node.inputs[0]))], node.attrs, [node.output.spec], node.device, node.site)
            view.implementation = node.implementation
            rewriter.nodes.append(view)
            rewriter.replace(node.output, view.output)
        else:
            rewriter.keep(node)
    outputs = [rewriter.of(v) for v in graph.outputs]
    inputs = set(graph.inputs)
    root = {rewriter.of(v): rewriter.of(r) for v, r in memory.root.items()}
    whole = {rewriter.of(v) for v in whole}
    taken: set[Value] = set()
    for i, v in enumerate(outputs):
        elsewhere = v in root and v not in whole and not (shapes_matter and turned(v))  # it is computed where it is not to lie
        if root.get(v, v) in inputs or (i in donate and (root.get(v, v) in taken or elsewhere)):
            outputs[i] = v = copied(v)
        if i in donate:
            taken.add(root.get(v, v))
    for i, v in enumerate(outputs):
        if i not in donate and root.get(v, v) in taken:
            outputs[i] = copied(v)
    return Graph(graph.inputs, rewriter.nodes, outputs)
