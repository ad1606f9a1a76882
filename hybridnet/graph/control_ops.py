"""The operators of control flow: nodes that hold graphs and run one of them, or one many times.

Their inputs are what the operator itself hands to its graphs, then what the graphs captured, which
every graph of a node takes alike. The NumPy program writes them as ``if``, ``for`` and ``while``;
``compute`` here is their reference meaning. Made by :mod:`hybridnet.graph.control_flow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet.core import Kind, Op, Spec
from hybridnet.dtypes import bool_, int64
from hybridnet.errors import GraphError
from hybridnet.graph.interpret import interpret
from hybridnet.graph.ir import Graph, Node, Value


def _expect(op: str, graph: Graph, given: tuple[Spec, ...]) -> None:
    taken = tuple(v.spec for v in graph.inputs)
    if taken != given:
        raise GraphError(f"a graph of {op} takes {', '.join(map(str, taken))}; it is given {', '.join(map(str, given))}")


def _stacked(length: int, values: tuple[Value, ...]) -> tuple[Spec, ...]:
    return tuple(Spec((length, *v.shape), v.dtype) for v in values)


def _element(spec: Spec) -> Spec:
    return Spec(spec.shape[1:], spec.dtype)


# -- cond -----------------------------------------------------------------------------------------


def _infer_cond(predicate: Spec, *operands: Spec, then: Graph, otherwise: Graph) -> tuple[Spec, ...]:
    _expect("cond", then, operands)
    _expect("cond", otherwise, operands)
    results = tuple(v.spec for v in then.outputs)
    if predicate != Spec((), bool_) or results != tuple(v.spec for v in otherwise.outputs):
        raise GraphError("cond takes one bool and graphs with the same results")
    return results


def _compute_cond(xp: Any, predicate: Any, *operands: Any, then: Graph, otherwise: Graph) -> tuple[Any, ...]:
    return tuple(interpret(then if predicate else otherwise, operands, xp))


#: ``inputs``: a bool, what the graphs take. ``outputs``: the results of the graph that the bool chooses.
COND = Op("cond", Kind.OPAQUE, _infer_cond, compute=_compute_cond)


# -- foreach --------------------------------------------------------------------------------------


def _infer_foreach(*operands: Spec, body: Graph, length: int, scanned: int, stacked: int, counted: bool, reverse: bool) -> tuple[Spec, ...]:
    given = operands[counted:]
    _expect("foreach", body, (*map(_element, given[:scanned]), *given[scanned:]))
    states = tuple(v.spec for v in body.outputs[stacked:])
    if any(s.shape[0] != length for s in given[:scanned]) or states != given[scanned : scanned + len(states)]:
        raise GraphError("foreach takes arrays of its length, and a body that keeps the states' shapes and dtypes")
    return (*_stacked(length, body.outputs[:stacked]), *states)


def _compute_foreach(
    xp: Any, *operands: Any, body: Graph, length: int, scanned: int, stacked: int, counted: bool, reverse: bool
) -> tuple[Any, ...]:
    steps = int(operands[0]) if counted else length
    operands = operands[counted:]
    first = scanned + len(body.outputs) - stacked
    states, captured = list(operands[scanned:first]), operands[first:]
    results = [xp.zeros((length, *v.shape), v.dtype) for v in body.outputs[:stacked]]
    for i in reversed(range(steps)) if reverse else range(steps):
        made = interpret(body, [*(x[i, ...] for x in operands[:scanned]), *states, *captured], xp)
        for whole, element in zip(results, made, strict=False):
            whole[i] = element
        states = made[stacked:]
    return (*results, *states)


#: ``inputs``: the number of steps if ``counted`` (else there are ``length``), arrays to go along, the states, what was captured.
#: ``body``: elements, states, captured -> the elements of ``stacked`` results, the next states.
#: ``outputs``: the stacked results (zero where no step was), the last states. ``reverse`` goes from the last step to the first.
FOREACH = Op("foreach", Kind.OPAQUE, _infer_foreach, compute=_compute_foreach)


# -- while_loop -----------------------------------------------------------------------------------


def _infer_while(*operands: Spec, test: Graph, body: Graph, length: int, stacked: int) -> tuple[Spec, ...]:
    _expect("while_loop", test, operands)
    _expect("while_loop", body, operands)
    states = tuple(v.spec for v in body.outputs[stacked:])
    if tuple(v.spec for v in test.outputs) != (Spec((), bool_),) or states != operands[: len(states)]:
        raise GraphError("while_loop takes a test that gives one bool, and a body that keeps the states' shapes and dtypes")
    return (*_stacked(length, body.outputs[:stacked]), *states, Spec((), int64))


def _compute_while(xp: Any, *operands: Any, test: Graph, body: Graph, length: int, stacked: int) -> tuple[Any, ...]:
    n = len(body.outputs) - stacked
    states, captured = list(operands[:n]), operands[n:]
    results = [xp.zeros((length, *v.shape), v.dtype) for v in body.outputs[:stacked]]
    steps = 0
    while steps < length and interpret(test, [*states, *captured], xp)[0]:
        made = interpret(body, [*states, *captured], xp)
        for whole, element in zip(results, made, strict=False):
            whole[steps] = element
        states = made[stacked:]
        steps += 1
    return (*results, *states, xp.asarray(steps, np.int64))


#: ``inputs``: the states, what was captured; ``test`` and ``body`` take all of it.
#: ``outputs``: the ``stacked`` results (zero where no step was), the last states, the number of steps, ``length`` at most.
WHILE_LOOP = Op("while_loop", Kind.OPAQUE, _infer_while, compute=_compute_while)

CONTROL = frozenset({COND, FOREACH, WHILE_LOOP})


def in_places(graph: Graph, positions: Sequence[int]) -> tuple[Graph, dict[int, int]]:
    """The graph with further inputs for its first results, and of each result the input into whose array it is written.

    The last results, a loop's states, go into the inputs at ``positions``.
    """
    further = [Value(v.shape, v.dtype, v.device) for v in graph.outputs[: len(graph.outputs) - len(positions)]]
    donate = {i: len(graph.inputs) + i for i in range(len(further))}
    donate |= {len(further) + i: at for i, at in enumerate(positions)}
    return Graph([*graph.inputs, *further], graph.nodes, graph.outputs), donate


def first_state(node: Node) -> int:
    """The position of the first state among a loop's inputs."""
    return node.attrs["counted"] + node.attrs["scanned"] if node.op is FOREACH else 0


def initials(node: Node) -> tuple[Value, ...]:
    """The inputs that a loop's states start from; none of another node."""
    if node.op not in (FOREACH, WHILE_LOOP):
        return ()
    first = first_state(node)
    return node.inputs[first : first + len(node.attrs["body"].outputs) - node.attrs["stacked"]]


def initial(node: Node, out: Value) -> Value | None:
    """The input that a loop's output starts from; None if it is no state's last value."""
    states, state = initials(node), out.index - node.attrs.get("stacked", 0)
    return states[state] if 0 <= state < len(states) else None
