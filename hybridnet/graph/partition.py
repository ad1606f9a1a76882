"""Cut the joint graph of a function and its gradient into a forward and a backward.

What the backward needs of the forward is stored (a residual) unless it is cheap to compute again
from what is stored or given anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

from hybridnet.core import Kind
from hybridnet.graph.backend import backend_of
from hybridnet.graph.ir import Graph, Node, Value

_FREE = (Kind.VIEW, Kind.CREATION)
_SMALL = 8  # how many times smaller an operand must be to be stored in place of a result


@dataclass(frozen=True)
class Halves:
    """A forward and its backward.

    forward: the function's inputs -> its outputs, then the residuals.
    backward: the residuals, then the function's inputs that it reads (by position in ``inputs``),
        then the head gradients -> the gradients.
    """

    forward: Graph
    backward: Graph
    residuals: int
    inputs: tuple[int, ...]


def partition(graph: Graph, n_inputs: int, n_outputs: int, overwritten: frozenset[int] = frozenset()) -> Halves:
    """Cut ``graph``: its first ``n_inputs`` inputs are the function's, the others head gradients; its
    first ``n_outputs`` outputs are the function's, the others gradients.

    ``overwritten`` are the inputs that the forward replaces: the backward reads a stored copy.
    """
    inputs = graph.inputs[:n_inputs]
    heads = graph.inputs[n_inputs:]
    position = {v: i for i, v in enumerate(inputs)}
    from_outside = set(heads)
    from_heads = _reached(graph, from_outside)
    needed = _needed(graph.nodes, graph.outputs[:n_outputs], {n for n in graph.nodes if n.communicates} - from_heads)
    stale = {inputs[i] for i in overwritten}
    forward_nodes = [n for n in graph.nodes if n in needed]
    backward_needed = _needed(graph.nodes, graph.outputs[n_outputs:], {n for n in from_heads if n.communicates})
    backward_nodes = [n for n in graph.nodes if n in backward_needed and (n in from_heads or n not in needed)]
    again = _recomputed(backward_nodes, graph.outputs[n_outputs:], position.keys() - stale)
    backward_nodes = _sunk(backward_nodes, again)
    computed = {v for n in backward_nodes for v in n.outputs}
    outside = dict.fromkeys(v for n in backward_nodes for v in n.inputs if v not in computed)
    outside.update(dict.fromkeys(v for v in graph.outputs[n_outputs:] if v not in computed))
    residuals = [v for v in outside if v not in from_outside and (v not in position or v in stale)]
    read = [v for v in outside if v in position and v not in stale]
    forward = Graph(inputs, forward_nodes, [*graph.outputs[:n_outputs], *residuals])
    backward = _standalone(Graph([*residuals, *read, *heads], backward_nodes, graph.outputs[n_outputs:]))
    return Halves(forward, backward, len(residuals), tuple(position[v] for v in read))


def _sunk(nodes: list[Node], again: dict[Node, None]) -> list[Node]:
    """The backward's nodes with each repeated one right before its first reader."""
    placed: set[Node] = set()
    order: list[Node] = []

    def place(node: Node) -> None:
        for v in node.inputs:
            if v.node in again and v.node not in placed and v.node is not None:
                place(v.node)
        placed.add(node)
        order.append(node)

    for node in nodes:
        place(node)
    for node in again:  # what is a result of the backward as it is
        if node not in placed:
            place(node)
    return order


def _reached(graph: Graph, start: set[Value]) -> set[Node]:
    known = set(start)
    nodes_reached: set[Node] = set()
    for node in graph.nodes:
        if any(v in known for v in node.inputs):
            nodes_reached.add(node)
            known.update(node.outputs)
    return nodes_reached


def _needed(nodes: tuple[Node, ...], outputs: tuple[Value, ...], always: set[Node]) -> set[Node]:
    """The nodes that compute the outputs, those that run in any case, and what they need."""
    live = set(outputs)
    nodes_reached: set[Node] = set()
    for node in reversed(nodes):
        if node in always or any(v in live for v in node.outputs):
            nodes_reached.add(node)
            live.update(node.inputs)
    return nodes_reached


def _recomputed(backward: list[Node], outputs: tuple[Value, ...], free: set[Value]) -> dict[Node, None]:
    """Forward nodes that the backward runs again in place of storing their results.

    Views, constants and cheap random numbers, whose operands are given or stored in their place; and plain
    arithmetic on what is stored anyway (x - mean beside x), which costs less than the memory of its result.
    """
    computed = {v for n in backward for v in n.outputs}
    pending = [v for n in backward for v in n.inputs if v not in computed] + [v for v in outputs if v not in computed]
    again: dict[Node, None] = {}  # in an order that is the same every time, as the backward has it
    while pending:
        v = pending.pop()
        node = v.node
        if node is None or v in free or node in again:
            continue
        if node.op.kind in _FREE or backend_of(node.device).rematerializes_random(node):
            again[node] = None
            pending.extend(node.inputs)
    return again | _cheap_beside(backward, again, outputs, free)


def _cheap_beside(backward: list[Node], again: dict[Node, None], outputs: tuple[Value, ...], free: set[Value]) -> dict[Node, None]:
    """Pointwise nodes whose operands the backward has besides, but for much smaller ones."""
    computed = {v for n in (*backward, *again) for v in n.outputs}
    stored = dict.fromkeys(v for n in (*backward, *again) for v in n.inputs if v not in computed and v not in free)
    cheap: dict[Node, None] = {}
    needed = set(outputs)
    for v in sorted(stored, key=lambda v: -v.nbytes):
        node = v.node
        if node is None or v in needed or node.op.kind is not Kind.POINTWISE or node.op.cost > 1 or node.op.decomposition is not None:
            continue
        if all(x in free or (x in stored and x.node not in cheap) or _SMALL * x.nbytes <= v.nbytes for x in node.inputs):
            cheap[node] = None
            cheap.update(dict.fromkeys(x.node for x in node.inputs if x.constant is not None and x.node is not None))
            needed.update(node.inputs)
    return cheap


def _standalone(graph: Graph) -> Graph:
    """A copy with inputs of its own: a residual is a node's output in the forward, an input here."""
    replacement: dict[Value, Value] = {}
    for v in graph.inputs:
        replacement[v] = Value(v.shape, v.dtype, v.device)
        replacement[v].name = v.name
    nodes = []
    for node in graph.nodes:
        new = node.with_inputs([replacement[v] for v in node.inputs])
        replacement.update(zip(node.outputs, new.outputs, strict=True))
        nodes.append(new)
    return Graph([replacement[v] for v in graph.inputs], nodes, [replacement[v] for v in graph.outputs])
