"""Control flow: ``cond`` is If, ``foreach`` is Scan, or Loop where its steps are counted, ``while_loop`` is Loop.

Their graphs become bodies, which read what they captured from outside by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper

from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.onnx.rules import rule, write_node
from hybridnet.onnx.sizes import Size
from hybridnet.onnx.writer import Writer

Results = list[tuple[str, ValueInfoProto]]  # what is written, and as what it leaves a body


def _inline(w: Writer, graph: Graph, operands: Sequence[str]) -> list[str]:
    """Write the nodes of ``graph`` here, with these names for its inputs; gives the names of its results."""
    w.forget(graph)
    for value, name in zip(graph.inputs, operands, strict=True):
        w.bind(value, name)
    before = w.node
    for node in graph.nodes:
        w.node = node
        write_node(w, node)
    w.node = before
    return [w.name(v) for v in graph.outputs]


def _body(w: Writer, graph: Graph, formals: Sequence[ValueInfoProto], finish: Callable[[], Results]) -> GraphProto:
    """The body that ``finish`` writes; ``graph``: whose values it is of."""
    with w.within(graph) as nodes:
        outputs = []
        for name, info in finish():
            nodes.append(helper.make_node("Identity", [name], [info.name], name=w.fresh("Identity")))
            outputs.append(info)
        kept = w.read([info.name for info in outputs])
    return helper.make_graph(kept, w.fresh("body"), formals, outputs)


def _leaving(w: Writer, names: Sequence[str], values: Sequence[Value]) -> Results:
    return [(name, w.value_info(v, w.fresh("result"))) for name, v in zip(names, values, strict=True)]


def _number(w: Writer, kind: int, hint: str) -> ValueInfoProto:
    return helper.make_tensor_value_info(w.fresh(hint), kind, [])


@rule("cond")
def _if(w: Writer, node: Node, predicate: Value, *operands: Value, then: Graph, otherwise: Graph) -> list[str]:
    names = [w.name(x) for x in operands]

    def branch(graph: Graph) -> GraphProto:
        return _body(w, graph, [], lambda: _leaving(w, _inline(w, graph, names), graph.outputs))

    return w.add_all("If", [predicate], len(node.outputs), then_branch=branch(then), else_branch=branch(otherwise))


@rule("foreach")
def _foreach(
    w: Writer, node: Node, *operands: Value, body: Graph, length: Any, scanned: int, stacked: int, counted: bool, reverse: bool
) -> list[str]:
    arrays, rest = operands[counted : counted + scanned], operands[counted + scanned :]
    count = len(body.outputs) - stacked
    states, captured = rest[:count], [w.name(x) for x in rest[count:]]
    if counted or not scanned:
        if reverse:
            w.refuse("steps whose number is known before, or from the first to the last", "some of them, from the last to the first")
        return _counted(w, body, operands[0] if counted else length, arrays, states, captured, stacked, length)
    formals = [w.value_info(v, w.fresh("element" if i < scanned else "state")) for i, v in enumerate(body.inputs[: scanned + count])]
    inner = [info.name for info in formals] + captured

    def finish() -> Results:
        results = _leaving(w, _inline(w, body, inner), body.outputs)
        return results[stacked:] + results[:stacked]

    backward: dict[str, Any] = {"scan_input_directions": [1] * scanned, "scan_output_directions": [1] * stacked} if reverse else {}
    made = w.add_all(
        "Scan",
        [*states, *arrays],
        count + stacked,
        body=_body(w, body, formals[scanned:] + formals[:scanned], finish),
        num_scan_inputs=scanned,
        **backward,
    )
    return made[count:] + made[:count]


def _counted(
    w: Writer, body: Graph, steps: Any, arrays: Sequence[Value], states: Sequence[Value], captured: list[str], stacked: int, length: Any
) -> list[str]:
    """So many steps as a Loop that takes the elements out of the arrays itself."""
    if isinstance(steps, Value):
        number = w.add("Reshape", [w.cast(steps, np.int64), w.integers([])])
    else:
        number = w.add("Squeeze", [w.size(steps), w.integers([0])])
    place, going = _number(w, TensorProto.INT64, "step"), _number(w, TensorProto.BOOL, "going")
    first = len(arrays)
    formals = [w.value_info(v, w.fresh("state")) for v in body.inputs[first : first + len(states)]]
    outside = [w.name(x) for x in arrays]

    def finish() -> Results:
        elements = [w.add("Gather", [name, place.name], axis=0) for name in outside]
        names = _inline(w, body, [*elements, *[f.name for f in formals], *captured])
        results = _leaving(w, names, body.outputs)
        return [(going.name, _number(w, TensorProto.BOOL, "on")), *results[stacked:], *results[:stacked]]

    proto = _body(w, body, [place, going, *formals], finish)
    made = w.add_all("Loop", [number, w.constant(np.array(True)), *states], len(states) + stacked, body=proto)
    filled = [_filled(w, x, v, number, length) for x, v in zip(made[len(states) :], body.outputs[:stacked], strict=True)]
    return [*filled, *made[: len(states)]]


@rule("while_loop")
def _while(w: Writer, node: Node, *operands: Value, test: Graph, body: Graph, length: Any, stacked: int) -> list[str]:
    count = len(body.outputs) - stacked
    states, captured = operands[:count], [w.name(x) for x in operands[count:]]
    begins = _inline(w, test, [w.name(x) for x in operands])[0]
    place, going, steps = (
        _number(w, TensorProto.INT64, "step"),
        _number(w, TensorProto.BOOL, "going"),
        _number(w, TensorProto.INT64, "steps"),
    )
    formals = [w.value_info(v, w.fresh("state")) for v in body.inputs[:count]]

    def finish() -> Results:
        names = _inline(w, body, [*[f.name for f in formals], *captured])
        goes_on = _inline(w, test, [*names[stacked:], *captured])[0]
        more = w.add("Add", [steps.name, w.constant(np.array(1, np.int64))])
        results = _leaving(w, names, body.outputs)
        first = [(goes_on, _number(w, TensorProto.BOOL, "on")), (more, _number(w, TensorProto.INT64, "more"))]
        return [*first, *results[stacked:], *results[:stacked]]

    most = w.add("Squeeze", [w.size(length), w.integers([0])])
    proto = _body(w, body, [place, going, steps, *formals], finish)
    none = w.constant(np.array(0, np.int64))
    number, *made = w.add_all("Loop", [most, begins, none, *states], 1 + count + stacked, body=proto)
    filled = [_filled(w, x, v, number, length) for x, v in zip(made[count:], body.outputs[:stacked], strict=True)]
    return [*filled, *made[:count], number]


def _filled(w: Writer, stacked: str, element: Value, number: str, length: int | Size) -> str:
    """Results of ``number`` steps with zeros behind them, ``length`` in all."""
    count = w.add("Reshape", [number, w.integers([1])])
    # Where there was no step runtimes do not know the elements' sizes.
    stacked = w.add("Reshape", [stacked, w.add("Concat", [count, w.sizes(w.shape(element))], axis=0)])
    rest = w.add("Sub", [w.size(length), count])
    around = [w.integers([0] * (element.ndim + 1)), rest, *[w.integers([0] * element.ndim)] * bool(element.ndim)]
    if element.dtype == bool:
        numbers = w.add("Cast", [stacked], to=TensorProto.INT32)
        return w.add("Cast", [w.add("Pad", [numbers, w.add("Concat", around, axis=0)])], to=TensorProto.BOOL)
    return w.add("Pad", [stacked, w.add("Concat", around, axis=0)])
