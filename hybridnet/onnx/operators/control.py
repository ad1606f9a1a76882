"""If, Loop and Scan: branches and loops, whose bodies come as functions of their inputs.

Imperatively, and where it is known before the network runs how often a loop runs and which branch is taken, a body runs as it is;
in a function that is compiled it becomes the body of ``cond``, ``foreach`` or ``while_loop``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet import numpy as mnp
from hybridnet import numpy_extension as npx
from hybridnet.core import Array, local
from hybridnet.onnx.operators import Call, array_of, operator

Body = Callable[..., list[Any]]


@operator("If")
def _if(call: Call, condition: Any, then_branch: Body, else_branch: Body) -> Any:
    if isinstance(condition, Array) and local.trace is not None:
        branches = [lambda branch=branch: [array_of(x) for x in branch()] for branch in (then_branch, else_branch)]
        return tuple(npx.cond(mnp.reshape(condition, ()), *branches))
    return tuple(then_branch() if call.host(condition, "a condition").all() else else_branch())


@operator("Loop")
def _loop(call: Call, count: Any = None, condition: Any = None, *carried: Any, body: Any) -> Any:
    most = None if count is None else int(call.host(count, "a number of steps").reshape(()))
    if local.trace is None:
        return tuple(_stepped(call, most, condition, list(carried), body))
    variables = [array_of(x) for x in carried]
    if body.keeps(1, 0) and not isinstance(condition, Array):  # nothing but the number of steps ends it
        if condition is not None and not np.all(condition):
            most = 0
        if most is None:
            call.refuse("a loop that ends", "neither a number of steps nor a condition that changes")
        if most == 0:
            return tuple(_stepped(call, most, condition, variables, body))

        def step(i: Any, states: Sequence[Any]) -> Any:
            results = [array_of(x) for x in body(i, np.array(True), *states)[1:]]
            return results[len(variables) :], results[: len(variables)]

        outputs, last = npx.foreach(step, mnp.arange(most, dtype="int64"), variables)
        return (*last, *outputs)
    if sum(call.wanted) > len(carried):
        got = "one whose number of steps follows the values, with a result of each step"
        call.refuse("a loop that can be compiled", got, "calling the network without hybridize()")

    def go_on(i: Any, c: Any, *states: Any) -> Any:
        return c

    def turn(i: Any, c: Any, *states: Any) -> Any:
        going, *results = [array_of(x) for x in body(i, c, *states)]
        return [], [i + 1, mnp.reshape(going, ()), *results]

    start = [mnp.array(0, dtype="int64"), mnp.array(True, dtype="bool") if condition is None else mnp.reshape(array_of(condition), ())]
    _, last = npx.while_loop(go_on, turn, [*start, *variables], max_iterations=sys.maxsize if most is None else most)
    return tuple(last[2:])


def _stepped(call: Call, most: int | None, condition: Any, states: list[Any], body: Any) -> list[Any]:
    """A loop run step by step: the last states, and what the steps gave, stacked."""
    going = condition is None or bool(call.host(condition, "a condition").all())
    outputs: list[list[Any]] = [[] for _ in call.wanted[len(states) :]]
    done = 0
    while going and (most is None or done < most):
        condition, *results = body(np.array(done, np.int64), np.array(True), *states)
        states, given = results[: len(states)], results[len(states) :]
        for column, x in zip(outputs, given, strict=True):
            column.append(array_of(x))
        going = bool(call.host(condition, "a condition").all())
        done += 1
    return [*states, *(mnp.stack(column) if column else body.nothing(1 + len(states) + k) for k, column in enumerate(outputs))]


@operator("Scan")
def _scan(call: Call, *operands: Any, body: Any) -> Any:
    if call.opset < 9:
        call.refuse("a Scan of opset 9 or later", f"one of opset {call.opset}")
    elements = call.get("num_scan_inputs")
    states = [array_of(x) for x in operands[: len(operands) - elements]]
    axes = call.get("scan_input_axes", [0] * elements)
    backward = call.get("scan_input_directions", [0] * elements)
    data = [
        _turned(mnp.moveaxis(array_of(x), axis, 0), reverse)
        for x, axis, reverse in zip(operands[len(states) :], axes, backward, strict=True)
    ]

    def step(element: Sequence[Any], held: Sequence[Any]) -> Any:
        results = [array_of(x) for x in body(*held, *element)]
        return results[len(states) :], results[: len(states)]

    outputs, last = npx.foreach(step, data, states)
    axes = call.get("scan_output_axes", [0] * len(outputs))
    backward = call.get("scan_output_directions", [0] * len(outputs))
    moved = [
        mnp.moveaxis(_turned(x, reverse), 0, axis) for x, axis, reverse in zip(outputs, axes, backward, strict=True)
    ]  # an axis counts those of the whole result
    return (*last, *moved)


def _turned(x: Any, reverse: int) -> Any:
    return mnp.flip(x, 0) if reverse else x
