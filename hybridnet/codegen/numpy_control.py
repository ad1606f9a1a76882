"""The text of control flow in a NumPy program: ``if``, ``for`` and ``while`` around the text of the graphs inside.

A graph inside is a part of the program: its results are computed right into the arrays of the
node, those that are stacked into the step's element. A loop's states lie in the arrays of its last
states from the start, and each step overwrites them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hybridnet.codegen.numpy_text import Namespace
from hybridnet.graph.control_ops import COND, FOREACH, in_places
from hybridnet.graph.ir import Graph, Node


class Writer(Protocol):
    """What writes the program around it."""

    ns: Namespace

    def part(self, graph: Graph, node: Node, inputs: Sequence[str], donate: dict[int, int]) -> tuple[list[str], list[str]]:
        """The lines that run a graph on arrays of those names, and the names of the results that are not donated."""


def write_control(writer: Writer, node: Node, inputs: list[str], outputs: list[str]) -> list[str]:
    """The lines of a node, from and into arrays of those names."""
    if node.op is COND:
        return _write_cond(writer, node, inputs, outputs)
    return _write_foreach(writer, node, inputs, outputs) if node.op is FOREACH else _write_while(writer, node, inputs, outputs)


def _into(writer: Writer, graph: Graph, node: Node, inputs: Sequence[str], targets: Sequence[str], positions: Sequence[int]) -> list[str]:
    """The lines of a graph whose results go into ``targets``, which are the inputs at ``positions``, or further arrays if those end."""
    extended, donate = in_places(graph, positions)
    return _indented(writer.part(extended, node, [*inputs, *targets[: len(extended.inputs) - len(graph.inputs)]], donate)[0])


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines] or ["    pass"]


def _write_cond(writer: Writer, node: Node, inputs: list[str], outputs: list[str]) -> list[str]:
    then, otherwise = (_into(writer, node.attrs[name], node, inputs[1:], outputs, ()) for name in ("then", "otherwise"))
    return [f"if {inputs[0]}:", *then, "else:", *otherwise]


def _element(array: str, index: str, ndim: int) -> str:
    # The ellipsis keeps an element of no dimensions an array.
    return f"{array}[{index}]" if ndim > 1 else f"{array}[{index}, ...]"


def _started(inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The states' arrays as they are before the first step; an input may be a number here."""
    return [f"{state}[...] = {start}" for state, start in zip(outputs, inputs, strict=True) if state != start]


def _write_foreach(writer: Writer, node: Node, inputs: list[str], outputs: list[str]) -> list[str]:
    attrs = node.attrs
    body, length, scanned, stacked, counted = attrs["body"], attrs["length"], attrs["scanned"], attrs["stacked"], attrs["counted"]
    n = len(body.outputs) - stacked
    steps, inputs = (f"int({inputs[0]})", inputs[1:]) if counted else (str(length), inputs)
    states = outputs[stacked:]
    k = writer.ns.fresh("k")
    elements = [writer.ns.fresh("e") for _ in range(scanned + stacked)]
    arrays = [*inputs[:scanned], *outputs[:stacked]]
    ndims = [v.ndim + 1 for v in (*body.inputs[:scanned], *body.outputs[:stacked])]
    lines = _started(inputs[scanned : scanned + n], states)
    lines.append(f"for {k} in reversed(range({steps})):" if attrs["reverse"] else f"for {k} in range({steps}):")
    lines += _indented([f"{e} = {_element(x, k, ndim)}" for e, x, ndim in zip(elements, arrays, ndims, strict=True)])
    operands = [*elements[:scanned], *states, *inputs[scanned + n :]]
    lines += _into(writer, body, node, operands, elements[scanned:], range(scanned, scanned + n))
    if counted:
        lines += [f"{x}[{steps}:] = 0" for x in outputs[:stacked]]
    return lines


def _write_while(writer: Writer, node: Node, inputs: list[str], outputs: list[str]) -> list[str]:
    attrs = node.attrs
    test, body, length, stacked = attrs["test"], attrs["body"], attrs["length"], attrs["stacked"]
    n = len(body.outputs) - stacked
    states, steps = outputs[stacked:-1], outputs[-1]
    k = writer.ns.fresh("k")
    elements = [writer.ns.fresh("e") for _ in range(stacked)]
    operands = [*states, *inputs[n:]]
    lines = [*_started(inputs[:n], states), f"{k} = 0", f"while {k} < {length}:"]
    tested, (holds,) = writer.part(test, node, operands, {})
    lines += _indented([*tested, f"if not {holds}: break"])
    lines += _indented([f"{e} = {_element(x, k, v.ndim + 1)}" for e, x, v in zip(elements, outputs, body.outputs[:stacked], strict=False)])
    lines += _into(writer, body, node, operands, elements, range(n))
    lines += [f"    {k} += 1", f"{steps}.fill({k})"]
    lines += [f"{x}[{k}:] = 0" for x in outputs[:stacked]]
    return lines
