"""Graphs inside nodes: what nobody reads leaves the nodes of control flow, and their graphs are optimised.

A node keeps the results that are read, the states that those need, the inputs that its graphs read.
Constants among what it captured move into the graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hybridnet.graph.control_ops import COND, CONTROL, FOREACH, WHILE_LOOP, first_state
from hybridnet.graph.ir import Graph, Node, Rewriter, Value
from hybridnet.graph.operators import FULL
from hybridnet.graph.passes.cleanup import dce

Optimize = Callable[[Graph], Graph]


def subgraphs(graph: Graph, optimize: Optimize) -> Graph:
    """Trim each node of control flow and apply ``optimize`` to its graphs, last node first: a trimmed one may free what is before it."""
    if not any(node.op in CONTROL for node in graph.nodes):
        return graph
    live = set(graph.outputs)
    kept: list[tuple[Node, list[Value]]] = []
    for node in reversed(graph.nodes):
        if not any(v in live for v in node.outputs):
            continue
        new, outputs = node, list(node.outputs)
        if node.op in CONTROL:
            new, outputs = _trim_cond(node, live, optimize) if node.op is COND else _trim_loop(node, live, optimize)
        kept.append((new, outputs))
        live.update(new.inputs)
    rewriter = Rewriter(graph)
    for new, outputs in reversed(kept):
        trimmed = rewriter.keep(new).outputs
        for old, now in zip(outputs, trimmed, strict=True):
            rewriter.replace(old, now)
    return rewriter.finish()


def _trim_cond(node: Node, live: set[Value], optimize: Optimize) -> tuple[Node, list[Value]]:
    """The node with the results that are read, and which those are."""
    outputs = [v for v in node.outputs if v in live]
    chosen = [v.index for v in outputs]
    operands = node.inputs[1:]
    graphs = [
        optimize(_with_constants(dce(Graph(g.inputs, g.nodes, [g.outputs[i] for i in chosen])), _constants(operands)))
        for g in (node.attrs["then"], node.attrs["otherwise"])
    ]
    read = [i for i in range(len(operands)) if any(_reads(g, g.inputs[i]) for g in graphs)]
    then, otherwise = (Graph([g.inputs[i] for i in read], g.nodes, g.outputs) for g in graphs)
    attrs = {"then": then, "otherwise": otherwise}
    return _like(node, [node.inputs[0], *(operands[i] for i in read)], attrs, outputs), outputs


def _trim_loop(node: Node, live: set[Value], optimize: Optimize) -> tuple[Node, list[Value]]:
    """The node with the results and states that are needed, and which outputs remain."""
    body, stacked = node.attrs["body"], node.attrs["stacked"]
    test = node.attrs.get("test")
    n, first = len(body.outputs) - stacked, first_state(node)
    front = node.inputs[: node.attrs.get("counted", 0)]
    operands = node.inputs[len(front) :]
    at = first - len(front)  # where the states begin among the body's inputs
    results = [i for i in range(stacked) if node.outputs[i] in live]
    states = _needed_states(node, [i for i in range(n) if node.outputs[stacked + i] in live], results, at)

    dropped = {at + i for i in range(n) if i not in states}
    fixed = {i: c for i, c in _constants(operands).items() if not at <= i < at + n}
    kept = [*(body.outputs[i] for i in results), *(body.outputs[stacked + i] for i in states)]
    body = optimize(_with_constants(dce(Graph(body.inputs, body.nodes, kept)), fixed))
    graphs = [body] if test is None else [body, optimize(_with_constants(test, fixed))]
    read = [i for i in range(len(operands)) if i not in dropped and (at <= i < at + n or any(_reads(g, g.inputs[i]) for g in graphs))]
    graphs = [Graph([g.inputs[i] for i in read], g.nodes, g.outputs) for g in graphs]

    attrs: dict[str, Any] = {**node.attrs, "body": graphs[0], "stacked": len(results)}
    if node.op is FOREACH:
        attrs["scanned"] = sum(i < at for i in read)
    else:
        attrs["test"] = graphs[1]
    outputs = [*(node.outputs[i] for i in results), *(node.outputs[stacked + i] for i in states), *node.outputs[stacked + n :]]
    return _like(node, [*front, *(operands[i] for i in read)], attrs, outputs), outputs


def _needed_states(node: Node, states: list[int], results: list[int], at: int) -> list[int]:
    """The states whose last value is read, and those that they, the results or the test of a loop are computed from."""
    body, stacked = node.attrs["body"], node.attrs["stacked"]
    n = len(body.outputs) - stacked
    if node.op is WHILE_LOOP:
        test = node.attrs["test"]
        states = sorted({*states, *(i for i in range(n) if _reads(test, test.inputs[i]))})
    while True:
        needed = dce(Graph(body.inputs, body.nodes, [*(body.outputs[i] for i in results), *(body.outputs[stacked + i] for i in states)]))
        more = sorted({*states, *(i for i in range(n) if _reads(needed, body.inputs[at + i]))})
        if more == states:
            return states
        states = more


def _constants(operands: Sequence[Value]) -> dict[int, Value]:
    return {i: v for i, v in enumerate(operands) if v.constant is not None}


def _with_constants(graph: Graph, constants: dict[int, Value]) -> Graph:
    """The graph with some of its inputs (which stay, unread) filled with constants."""
    rewriter = Rewriter(graph)
    for i, constant in constants.items():
        v = graph.inputs[i]
        attrs = {"shape": v.shape, "value": constant.constant, "dtype": v.dtype}
        filled = Node(FULL, (), attrs, [v.spec], v.device, constant.node.site if constant.node else None)
        rewriter.nodes.append(filled)
        rewriter.replace(v, filled.output)
    for node in graph.nodes:
        rewriter.keep(node)
    return dce(rewriter.finish())


def _reads(graph: Graph, v: Value) -> bool:
    return v in graph.outputs or any(v in node.inputs for node in graph.nodes)


def _like(node: Node, inputs: Sequence[Value], attrs: Mapping[str, Any], outputs: Sequence[Value]) -> Node:
    return node.with_inputs(inputs, attrs=attrs, specs=[v.spec for v in outputs])
