"""``foreach``, ``while_loop`` and ``cond``: control flow that decides on values, compiled too.

Outside a trace they are Python's ``for``, ``while`` and ``if`` over arrays, recorded operator by
operator. In a trace they become nodes with graphs of their own (:mod:`control_trace`), since the
values that decide are not known yet; short ``foreach`` loops are written out. What a body must
keep to, the same shapes and dtypes at each step, holds in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import Array, NDArray, Spec, apply, asarray, local, paused_recording, plain, wrap
from hybridnet.errors import ArgumentError, DtypeError, HybridnetError, ShapeError, TraceError, fail
from hybridnet.graph.backend import backend_of
from hybridnet.graph.control_trace import BodyTrace, Branch, Step, emit_cond, emit_foreach, emit_while, in_class, with_writes
from hybridnet.graph.host_numbers import Repeated
from hybridnet.graph.operators import CAST, FULL, NOT_EQUAL, RESHAPE
from hybridnet.ops.array.shape import stack


def foreach(body: Callable[[Any, Any], Any], data: Any, init_states: Any, name: str | None = None) -> tuple[Any, Any]:
    """Run ``body(element, states) -> (output, new states)`` for each element of ``data`` along the first axis.

    ``data``, ``init_states`` and what the body gives are arrays or nested lists of arrays. Gives the
    outputs, each stacked along a new first axis, and the last states. States keep their structure,
    shapes and dtypes. ``name`` is for symbols and is ignored. ShapeError if the data's first axes differ in length or there is no
    data.
    """
    arrays, structure = _flatten("foreach", "data", data)
    states, state_structure = _flatten("foreach", "states", init_states)
    if not arrays or any(not x.shape or x.shape[0] != arrays[0].shape[0] for x in arrays):
        got = " and ".join(str(x.shape) for x in arrays) or "no array"
        fail(ShapeError, "foreach", expected="data arrays with the same length of the first axis", got=got)
    length = arrays[0].shape[0]
    step = _Stepper("foreach", lambda x, s: body(_build(structure, x), _build(state_structure, s)), states, state_structure)
    traced = _as_loop(step, arrays, length)
    if traced is not None:
        outputs, last = step.emit_foreach(traced, arrays, length)
    elif length == 0:
        outputs, last = step.nothing(arrays, 0), states
    else:
        outputs, last = step.run(lambda i, _: [x[i] for x in arrays], length)
    return _build(step.output_structure, outputs), _build(state_structure, last)


def _as_loop(step: _Stepper, arrays: Sequence[Any], length: int) -> Step | None:
    """The step as a graph, where the loop is to be a node of the trace; None where it is written out, or there is no trace."""
    if local.trace is None or not length:
        return None
    limits = backend_of(arrays[0]._device).limits
    if not local.trace.unrolls or length > limits.unrolled_steps:
        return step.trace(arrays, length)
    if local.recording or length <= limits.unrolled_updates:
        return None
    try:
        traced = step.trace(arrays, length)
    except TraceError:  # a message to other ranks, say, which a loop cannot hold; what is wrong anyway is told when it is written out
        return None
    return traced if traced.trace.written else None


def while_loop(
    cond: Callable[..., Any], func: Callable[..., Any], loop_vars: Any, max_iterations: int | None = None, name: str | None = None
) -> tuple[Any, Any]:
    """Run ``func(*loop_vars) -> (output, new loop_vars)`` while ``cond(*loop_vars)`` is true, at most ``max_iterations`` times.

    Gives the outputs, stacked along a new first axis of ``max_iterations``, with zeros where no
    step was made, and the last ``loop_vars``. ``cond`` gives one element; ``loop_vars`` keep their
    structure, shapes and dtypes. ``name`` is for symbols and is ignored.
    """
    if max_iterations is None or int(max_iterations) < 0:
        fail(ArgumentError, "while_loop", expected="max_iterations of zero or more", got=str(max_iterations))
    length = int(max_iterations)
    states, structure = _flatten("while_loop", "loop_vars", loop_vars)
    if not states:
        fail(ArgumentError, "while_loop", expected="at least one loop variable", got="none")

    def arguments(variables: Sequence[Any]) -> Any:
        built = _build(structure, variables)
        return [built] if structure == _LEAF else built

    def test(variables: Sequence[Any]) -> Any:
        with paused_recording():
            return _decision("while_loop", cond(*arguments(variables)))

    step = _Stepper("while_loop", lambda _, s: func(*arguments(s)), states, structure)
    if local.trace is not None and length:
        outputs, last = step.emit_while(test, length)
    else:
        outputs, last = step.run(lambda _, s: [] if test(s) else None, length)
    return _build(step.output_structure, outputs), _build(structure, last)


def cond(pred: Any, then_func: Callable[..., Any], else_func: Callable[..., Any], inputs: Any = None, name: str | None = None) -> Any:
    """``then_func(*inputs)`` if ``pred`` is true, else ``else_func(*inputs)``.

    ``pred`` is one element, or a function of the inputs that gives it. Without ``inputs`` the
    functions take none. Where both are traced, which is where ``pred`` is a traced array, they must give
    the same structure, shapes and dtypes. ``name`` is for symbols and is ignored.
    """
    arguments = [] if inputs is None else list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    branches = [lambda: then_func(*arguments), lambda: else_func(*arguments)]
    with paused_recording():
        predicate = _decision("cond", pred(*arguments) if callable(pred) else pred)
    if local.trace is not None and isinstance(predicate, Array):
        return _traced_cond(predicate, branches)
    arrays, structure = _flatten("cond", "result", branches[0 if predicate else 1]())
    return _build(structure, arrays)


def _traced_cond(predicate: Any, functions: Sequence[Callable[[], Any]]) -> Any:
    structures: list[Any] = []

    def flat(function: Callable[[], Any]) -> list[Any]:
        arrays, structure = _flatten("cond", "result", function())
        structures.append(structure)
        return arrays

    traces = [BodyTrace("cond", local.trace) for _ in functions]
    then, otherwise = (trace.run(lambda f=f: flat(f)) for trace, f in zip(traces, functions, strict=True))  # type: ignore[misc]
    if structures[0] != structures[1]:
        fail(
            ArgumentError,
            "cond",
            expected="both functions to give arrays in the same structure",
            got=f"{len(then)} and {len(otherwise)} arrays, or nested otherwise",
        )
    _expect_same("cond", "both functions to give the same", then, otherwise)
    written = list({id(s.array): s.array for trace in traces for s in trace.written}.values())
    branches = [
        Branch(trace, [], [*results, *(wrap(NDArray, trace._state(a).now, a._device) for a in written)])
        for trace, results in zip(traces, (then, otherwise), strict=True)
    ]
    if not branches[0].outputs:
        return []
    results = emit_cond(predicate, branches)
    _write_back(written, results[len(then) :])
    return _build(structures[0], in_class(results[: len(then)], then))


class _Stepper:
    """The body of a loop, with what its steps must agree in."""

    def __init__(self, op: str, body: Callable[[Any, Any], Any], states: list[Any], structure: Any) -> None:
        self.op = op
        self.body = body
        self.states = states
        self.structure = structure
        self.output_structure: Any = None
        self.outputs: list[Any] | None = None  # of the first step

    def __call__(self, elements: Sequence[Any], states: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """One step: its outputs and the next states."""
        result = self.body(elements, states)
        if not isinstance(result, (list, tuple)) or len(result) != 2:
            got = f"{len(result)} values" if isinstance(result, (list, tuple)) else type(result).__name__
            fail(ArgumentError, self.op, expected="a body that returns (output, states)", got=got)
        outputs, structure = _flatten(self.op, "output", result[0])
        following, state_structure = _flatten(self.op, "states", result[1])
        if state_structure != self.structure and not len(following) == len(states) == 1:  # x for [x] is fine
            got = f"{len(following)} arrays for {len(states)}, or nested otherwise"
            fail(ArgumentError, self.op, expected="a body that returns its states in the structure that it takes them", got=got)
        if local.precision is not None:  # the policy, not the body, chose the types
            following = [
                y if y._data.dtype == x._data.dtype else apply(CAST, (y,), {"dtype": x._data.dtype})
                for x, y in zip(states, following, strict=True)
            ]
        _expect_same(self.op, "a body to keep its states'", states, following)
        if self.outputs is None:
            self.outputs, self.output_structure = outputs, structure
        elif structure != self.output_structure:
            fail(ArgumentError, self.op, expected="a body whose output has the same structure at each step", got="another one")
        _expect_same(self.op, "a body whose outputs have at each step the same", self.outputs, outputs)
        return outputs, following

    def run(self, advance: Callable[[int, list[Any]], Sequence[Any] | None], length: int) -> tuple[list[Any], list[Any]]:
        """Steps in Python, on the elements that ``advance`` gives until it gives ``None``; outputs are stacked to ``length`` with zeros."""
        states, rows = self.states, []
        for i in range(length):
            elements = advance(i, states)
            if elements is None:
                break
            outputs, states = self(elements, states)
            rows.append(outputs)
        if not rows:
            return self.nothing([], length), states
        if len(rows) < length:
            rows += [[_zeros(y, y.shape) for y in rows[0]]] * (length - len(rows))
        return [stack(column) for column in zip(*rows, strict=True)], states

    def trace(self, scanned: Sequence[Any], length: int | None = None) -> Step:
        """The step as a graph, ``length``: of that many, where it is known."""
        trace = BodyTrace(self.op, local.trace, length)
        elements = [trace.input(x, f"element{i}", x.shape[1:]) for i, x in enumerate(scanned)]
        states = [trace.input(x, f"before{i}") for i, x in enumerate(self.states)]

        def body() -> list[Any]:
            # In full, so that an element is of the class that indexing gives: nd's have no zero dimensions.
            outputs, following = self([x if x.shape else x[...] for x in elements], states)
            return [*outputs, *following]

        results = trace.run(body)
        count = len(results) - len(states)
        return Step(trace, [*elements, *(x for _, x in trace.numbers)], states, results[:count], results[count:], [])

    def nothing(self, scanned: Sequence[Any], length: int) -> list[Any]:
        """The outputs of no step at all: zeros, of the shapes that a step would give."""
        with paused_recording():
            results = self.trace(scanned, 0).results
        return [_zeros(y, (length, *y.shape)) for y in results]

    def emit_foreach(self, traced: Step, arrays: Sequence[Any], length: int) -> tuple[list[Any], list[Any]]:
        step = with_writes(traced)
        trace = step.trace
        if trace.callbacks:
            trace.outer.on_host(Repeated(length, trace.callbacks))
        if not step.results and not step.states:
            return [], []
        along = [*arrays, *(table for table, _ in trace.numbers)]
        return self._finish(step, *emit_foreach(step, along, [*self.states, *step.written], length))

    def emit_while(self, test: Callable[[Sequence[Any]], Any], length: int) -> tuple[list[Any], list[Any]]:
        with paused_recording():
            trace = BodyTrace(self.op, local.trace)
            states = [trace.input(x, f"before{i}") for i, x in enumerate(self.states)]
            held = trace.run(lambda: [_as_array(test(states), states[0])])
            if trace.written:
                fail(TraceError, self.op, expected="a condition that writes to nothing", got="an in-place write, or a random number")
        step = with_writes(self.trace([]))
        return self._finish(step, *emit_while(Step(trace, [], states, held, [], []), step, [*self.states, *step.written], length))

    def _finish(self, step: Step, outputs: list[Any], last: list[Any]) -> tuple[list[Any], list[Any]]:
        n = len(self.states)
        _write_back(step.written, last[n:])
        return in_class(outputs, step.results), in_class(last[:n], step.following[:n])


def _write_back(arrays: Sequence[Any], values: Sequence[Any]) -> None:
    """What a body wrote to arrays from outside; no gradient flows through it."""
    with paused_recording():
        for array, value in zip(arrays, values, strict=True):
            array._assign(value)


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    return apply(FULL, (), {"shape": shape, "value": 0, "dtype": like._data.dtype}, like._device, type(like))


def _decision(op: str, value: Any) -> Any:
    """A condition as a bool, or a bool array of no dimensions."""
    if value is None or isinstance(value, (bool, int, float, np.generic)):
        return bool(value)
    if not isinstance(value, (Array, np.ndarray)):
        fail(ArgumentError, op, expected="a condition that is one number", got=type(value).__name__)
    if value.size != 1:
        fail(ShapeError, op, expected="a condition of one element", got=f"{value.dtype}{list(value.shape)}", fix="x.any() or x.all()")
    value = apply(RESHAPE, (plain(asarray(value)),), {"shape": ()})
    return value if value.dtype == dtypes.bool_ else apply(NOT_EQUAL, (value, 0), {})


def _as_array(decision: Any, like: Any) -> Any:
    if isinstance(decision, Array):
        return decision
    return apply(FULL, (), {"shape": (), "value": decision, "dtype": dtypes.bool_}, like._device, NDArray)


def _expect_same(op: str, what: str, expected: Sequence[Any], got: Sequence[Any]) -> None:
    for a, b in zip(expected, got, strict=True):
        if a.shape != b.shape:
            _fail_same(ShapeError, op, f"{what} shapes", a, b)
        if a._data.dtype != b._data.dtype:
            _fail_same(DtypeError, op, f"{what} dtypes", a, b)


def _fail_same(kind: type[HybridnetError], op: str, what: str, a: Any, b: Any) -> None:
    fail(kind, op, expected=what, got=f"{Spec(a.shape, a._data.dtype)} and {Spec(b.shape, b._data.dtype)}", fix="astype or reshape")


# -- nested lists of arrays -----------------------------------------------------------------------

_LEAF = "*"


def _flatten(op: str, role: str, value: Any) -> tuple[list[Any], Any]:
    """The arrays in ``value``, an array or nested lists of arrays, and its structure; tuples count as lists."""
    if isinstance(value, np.ndarray):
        value = asarray(value)
    if isinstance(value, Array):
        return [value], _LEAF
    if not isinstance(value, (list, tuple)):
        fail(ArgumentError, op, expected=f"{role} that are arrays or nested lists of arrays", got=type(value).__name__)
    parts = [_flatten(op, role, v) for v in value]
    return [x for arrays, _ in parts for x in arrays], tuple(structure for _, structure in parts)


def _build(structure: Any, arrays: Sequence[Any]) -> Any:
    """The arrays in a structure again."""
    return _filled(structure, iter(arrays))


def _filled(structure: Any, arrays: Iterator[Any]) -> Any:
    return next(arrays) if structure == _LEAF else [_filled(s, arrays) for s in structure]
