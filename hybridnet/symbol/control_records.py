"""The records of the operators of control flow, whose bodies are graphs: for symbols alone, since ``nd`` has functions in their place.

A body's variables, in its graph's order, are inputs of the operator at places that attributes name, as in MXNet's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.record import Attributes, ClassicOperator, numbered, record_of


def _foreach(
    *data: Array, num_args: int, num_outputs: int, num_out_data: int, in_state_locs: Shape, in_data_locs: Shape, remain_locs: Shape
) -> Any:
    """Steps along the first axis of ``data``: one body, whose variables are elements, states, and what else it reads.

    The inputs are the data, the first states and the rest; the ``locs`` are their places among the body's variables.
    """


def _while_loop(
    *data: Array,
    num_args: int,
    num_outputs: int,
    num_out_data: int,
    max_iterations: int,
    cond_input_locs: Shape,
    func_input_locs: Shape,
    func_var_locs: Shape,
) -> Any:
    """Steps while a condition holds: two bodies, the condition and the step.

    Of each the ``input_locs`` are the inputs that its variables are; ``func_var_locs`` are the step's variables that loop.
    """


def _cond(*data: Array, num_args: int, num_outputs: int, cond_input_locs: Shape, then_input_locs: Shape, else_input_locs: Shape) -> Any:
    """One of two: three bodies, the condition and both ways; the ``input_locs`` are the inputs that their variables are."""


def _record(function: Any, graphs: int) -> ClassicOperator:
    def inputs(a: Attributes) -> Sequence[str]:
        return [f"data{i}" for i in range(a["num_args"] - graphs)]

    def outputs(a: Attributes) -> Sequence[str]:
        return ("output",) if function is _cond and a["num_outputs"] == 1 else numbered(a["num_outputs"])

    return record_of(function, [function.__name__], (), {}, (), inputs, outputs, None)


#: By name: the record, and how many bodies there are.
CONTROL = {
    "_foreach": (_record(_foreach, 1), 1),
    "_while_loop": (_record(_while_loop, 2), 2),
    "_cond": (_record(_cond, 3), 3),
}


class Body(NamedTuple):
    """Of one body's variables the inputs of the operator that they are; ``stepped``: how many of the inputs are taken by elements."""

    places: tuple[int, ...]
    stepped: int = 0


def bodies(op: str, a: Attributes, inputs: int, variables: Sequence[int]) -> list[Body]:
    """The bodies of an operator with so many ``inputs``, each of so many ``variables``; ArgumentError for places that are none."""
    if op == "_foreach":
        order = (*a["in_data_locs"], *a["in_state_locs"], *a["remain_locs"])
        if sorted(order) != list(range(inputs)):
            fail(ArgumentError, op, expected=f"each of {inputs} places once in in_data_locs, in_state_locs and remain_locs", got=str(order))
        found = [Body(tuple(order.index(i) for i in range(inputs)), len(a["in_data_locs"]))]
    else:
        names = ("cond_input_locs", "func_input_locs") if op == "_while_loop" else ("cond_input_locs", "then_input_locs", "else_input_locs")
        found = [Body(a[name]) for name in names]
    for body, count in zip(found, variables, strict=True):
        if len(body.places) != count or any(not 0 <= i < inputs for i in body.places):
            fail(ArgumentError, op, expected=f"{count} places among {inputs} inputs, one a variable of the body", got=str(body.places))
    loops = a["func_var_locs"] if op == "_while_loop" else ()
    if any(not 0 <= i < len(found[-1].places) for i in loops):
        fail(ArgumentError, op, expected="places of the step's variables as func_var_locs", got=str(loops))
    return found
