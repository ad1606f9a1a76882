"""Bodies of control flow in a trace, and their gradients.

A body is traced once, in a trace of its own. Arrays that it uses from outside are captured: they
become operands of the node. What it was traced from stays on the tape of that trace, so that its
gradient is found as everywhere: :func:`tape.propagate`, run in the same trace, adds the backward
to it. The gradient of a node is then a node over that, recorded like any other, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hybridnet import dtypes
from hybridnet.core import NDArray, Op, Spec, apply, as_class, local, paused_recording, tape, wrap
from hybridnet.device import Device
from hybridnet.errors import TraceError, fail
from hybridnet.graph.control_ops import COND, FOREACH, WHILE_LOOP
from hybridnet.graph.host_numbers import HostNumbers
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.operators import ADD, FULL
from hybridnet.graph.passes.cleanup import dce
from hybridnet.graph.trace import State, Trace, tracing


class BodyTrace(Trace):
    """The trace of a body inside ``outer`` (``None``: of one that is traced only to learn its results' shapes).

    length: how often it runs, where that is known.
    """

    def __init__(self, name: str, outer: Any, length: int | None = None) -> None:
        super().__init__(outer)
        self.name = name
        self.length = length
        self.numbers: list[tuple[Any, Any]] = []  # tables of the host's numbers, and their elements here
        self.tapes: dict[int, Any] = {}  # by id of a captured array: its place on the tape outside
        self.inputs: list[tuple[Any, Value]] = []
        self.start = next(tape._sequence)  # nodes of the tape before it are not this trace's

    def is_written(self, array: Any) -> bool:
        return super().is_written(array) or (self.outer is not None and self.outer.is_written(array))

    def before_run(self, callback: Callable[[], None]) -> None:
        if self.outer is not None:
            self.outer.before_run(callback)

    def on_host(self, action: Callable[[], None]) -> None:
        if self.length is None and self.outer is not None:  # it may run, or not: the host cannot know
            self.outer.on_host(action)
        else:
            super().on_host(action)

    def host_numbers(
        self, shape: tuple[int, ...], dtype: Any, devices: Sequence[Device], name: str, first: float
    ) -> tuple[HostNumbers, list[Any]]:
        if self.outer is None:
            return super().host_numbers(shape, dtype, devices, name, first)
        if self.length is None:
            found: tuple[HostNumbers, list[Any]] = self.outer.host_numbers(shape, dtype, devices, name, first)
            return found
        table, arrays = self.outer.host_numbers((self.length, *shape), dtype, devices, name, first)
        elements = [self.input(x, name, x.shape[1:]) for x in arrays]
        self.numbers += zip(arrays, elements, strict=True)
        return table, elements

    def _state(self, array: Any) -> State:
        if id(array) not in self.states:
            self.tapes[id(array)] = array._tape
        return super()._state(array)

    # -- making bodies --------------------------------------------------------------------------

    def input(self, like: Any, name: str = "", shape: tuple[int, ...] | None = None) -> Any:
        """A tracer with the shape (unless given), dtype, device and class of ``like``; a variable while recording."""
        spec = Spec(like.shape if shape is None else shape, like._data.dtype)
        tracer = wrap(type(like), self.argument(spec, like._device, name), like._device)
        if local.recording and dtypes.is_inexact(like._data.dtype):
            tracer._tape = (tape.Leaf(None, "write"), 0)
        self.inputs.append((tracer, tracer._data))
        return tracer

    def run(self, fn: Callable[[], list[Any]]) -> list[Any]:
        """The arrays that ``fn`` gives when traced here, as arrays of this trace."""
        try:
            with tracing(self):
                results = [self.within(y) for y in fn()]
            self._check_writes()
        finally:
            for key, state in self.states.items():
                state.array._tape = self.tapes[key]
        return results

    def within(self, array: Any) -> Any:
        """``array``, which may come from outside, as one of this trace."""
        result = wrap(type(array), self.read(array), array._device)
        result._tape = array._tape
        return result

    def _check_writes(self) -> None:
        if any(tracer._data is not value for tracer, value in self.inputs):
            fail(
                TraceError,
                self.name,
                expected="a body that leaves its arguments as they are",
                got="an in-place write to one",
                fix="x = x + 1 in place of x += 1",
            )
        for state in self.written:
            if local.recording and (state.array._tape is not None or self.tapes[id(state.array)] is not None):
                got = f"a write to {state.before.spec} from outside that gradients flow through"
                fail(
                    TraceError,
                    self.name,
                    expected="in-place writes without gradients in a recorded body",
                    got=got,
                    fix="making it a state that the body takes and returns",
                )

    def captured(self, but: Sequence[int] = ()) -> list[Any]:
        """The arrays from outside, except those whose ids are given."""
        return [s.array for key, s in self.states.items() if key not in but]

    def body(self, inputs: Sequence[Any], captured: Sequence[Any], outputs: Sequence[Any]) -> Graph:
        """What has been traced as a graph from arrays of this trace and captured ones to arrays of this trace."""
        given = [*(x._data for x in inputs), *(self._state(a).before for a in captured)]
        return dce(Graph(given, tuple(self.nodes), [y._data for y in outputs]))

    def gradients(self, heads: Sequence[Any], seeds: Sequence[Any], refs: Sequence[Any]) -> list[Any]:
        """The gradients of ``heads`` at places on the tape, traced here; ``None`` where there is none."""
        pairs = [(y, g) for y, g in zip(heads, seeds, strict=True) if y._tape is not None]
        before = {key: state.now for key, state in self.states.items()}
        with tracing(self):
            found = tape.propagate(
                [y for y, _ in pairs],
                [g for _, g in pairs],
                targets=[r for r in refs if r is not None],
                since=self.start,
                retain_graph=True,
            )
            grads = [found.pop(r, None) for r in refs]  # two handles at one place: the first gets the gradient
        if any(state.now is not before.get(key, state.before) for key, state in self.states.items()):
            fail(TraceError, self.name, expected="gradient rules that write to nothing", got="an in-place write")
        return grads


def node(op: Op, attrs: dict[str, Any], arrays: Sequence[Any], rule: Callable[..., Any]) -> tuple[Any, ...]:
    """Emit a node into the running trace; ``rule`` is its gradient."""
    trace: Any = local.trace
    with paused_recording():
        results = apply(op, arrays, attrs)
    if local.recording:
        # The graph's operator is the same for all nodes; the tape's knows what this one was traced from.
        recorded = Op(op.name, op.kind, op.infer, op.compute, grad=rule, saves=(*range(len(arrays)), "y"))
        tape.record(recorded, arrays, [trace.read(x) for x in arrays], {}, results)
    return results


def _zeros(like: Any) -> Any:
    return apply(FULL, (), {"shape": like.shape, "value": 0, "dtype": like._data.dtype}, like._device, NDArray)


def _floating(arrays: Sequence[Any]) -> list[int]:
    return [i for i, x in enumerate(arrays) if dtypes.is_inexact(x._data.dtype)]


def _as_given(arrays: Sequence[Any], known: dict[int, Any]) -> list[Any]:
    """Captured arrays as operands: those that the node was called with as they were then."""
    return [known.get(id(a), a) for a in arrays]


# -- branches -------------------------------------------------------------------------------------


@dataclass
class Branch:
    """One side of ``cond``: its trace, what it is given besides what it captured, its results."""

    trace: BodyTrace
    inputs: list[Any]
    outputs: list[Any]


def emit_cond(predicate: Any, branches: Sequence[Branch], inputs: Sequence[Any] = (), known: dict[int, Any] | None = None) -> list[Any]:
    """The results of the branch that ``predicate`` (a bool array of no dimensions) chooses.

    ``known``: arrays to stand for captured ones, by the id of those.
    """
    captured = list({id(a): a for b in branches for a in b.trace.captured()}.values())
    then, otherwise = (b.trace.body(b.inputs, captured, b.outputs) for b in branches)
    first = 1 + len(inputs)

    def rule(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any) -> list[Any]:
        gs = g if isinstance(g, tuple) else (g,)
        heads = _floating(gs)
        grads = [_branch_gradient(b, captured, needs[1:], heads) for b in branches]
        known = {id(a): x for a, x in zip(captured, xs[first:], strict=True)}
        found = iter(emit_cond(xs[0], grads, [*xs[1:first], *(gs[i] for i in heads)], known))
        return [next(found) if need else None for need in needs]

    operands = [predicate, *inputs, *_as_given(captured, known or {})]
    return list(node(COND, {"then": then, "otherwise": otherwise}, operands, rule))


def _branch_gradient(branch: Branch, captured: Sequence[Any], needs: Sequence[bool], heads: Sequence[int]) -> Branch:
    """From what the branch took, and gradients of its results ``heads``, to the gradients of what it took where needed."""
    trace = branch.trace
    operands = [*branch.inputs, *(trace.within(a) for a in captured)]
    refs = [*(x._tape for x in branch.inputs), *(trace.tapes[id(a)] for a in captured)]
    seeds = [trace.input(branch.outputs[i]) for i in heads]
    grads = trace.gradients([branch.outputs[i] for i in heads], seeds, [r if need else None for r, need in zip(refs, needs, strict=True)])
    with tracing(trace):
        outputs = [_zeros(x) if g is None else g for x, g, need in zip(operands, grads, needs, strict=True) if need]
    return Branch(trace, [*branch.inputs, *seeds], outputs)


# -- loops ----------------------------------------------------------------------------------------


@dataclass
class Step:
    """One step of a loop: what it is given and what it gives, as arrays of its trace.

    scanned: the step's elements of the arrays that the loop goes along.
    states: the states before the step; ``following``: after it.
    results: what is stacked.
    written: arrays from outside that the step writes to; they are the last states.
    """

    trace: BodyTrace
    scanned: list[Any]
    states: list[Any]
    results: list[Any]
    following: list[Any]
    written: list[Any]

    def captured(self) -> list[Any]:
        """The arrays from outside that the body reads and does not write."""
        return self.trace.captured([id(a) for a in self.written])


def with_writes(step: Step) -> Step:
    """The step with the arrays that it writes to as states."""
    states = step.trace.written
    before = [wrap(NDArray, s.before, s.array._device) for s in states]
    after = [wrap(NDArray, s.now, s.array._device) for s in states]
    return replace(step, states=[*step.states, *before], following=[*step.following, *after], written=[s.array for s in states])


def emit_foreach(
    step: Step,
    scanned: Sequence[Any],
    states: Sequence[Any],
    length: int,
    reverse: bool = False,
    steps: Any = None,
    known: dict[int, Any] | None = None,
) -> tuple[list[Any], list[Any]]:
    """Run ``step`` along ``scanned``; gives the stacked results and the last states."""
    captured = step.captured()
    kept = [*step.results, *(step.states if local.recording else [])]  # the gradient runs each step again, from its states
    attrs = {
        "body": step.trace.body([*step.scanned, *step.states], captured, [*kept, *step.following]),
        "length": length,
        "scanned": len(scanned),
        "stacked": len(kept),
        "counted": steps is not None,
        "reverse": reverse,
    }
    front = [] if steps is None else [steps]
    loop = _Loop(replace(step, results=kept), captured, length, reverse, len(front))
    results = node(FOREACH, attrs, [*front, *scanned, *states, *_as_given(captured, known or {})], loop.gradients)
    return list(results[: len(step.results)]), list(results[len(kept) :])


def emit_while(test: Step, step: Step, states: Sequence[Any], length: int) -> tuple[list[Any], list[Any]]:
    """Run ``step`` while the one result of ``test`` holds; gives the stacked results and the last states."""
    written = {id(a) for a in step.written}
    captured = [a for a in {id(a): a for a in (*test.captured(), *step.captured())}.values() if id(a) not in written]
    kept = [*step.results, *(step.states if local.recording else [])]
    tested = [*test.states, *(wrap(NDArray, test.trace._state(a).before, a._device) for a in step.written)]
    attrs = {
        "test": test.trace.body(tested, captured, test.results),
        "body": step.trace.body(step.states, captured, [*kept, *step.following]),
        "length": length,
        "stacked": len(kept),
    }
    loop = _Loop(replace(step, results=kept), captured, length, False, 0)
    results = node(WHILE_LOOP, attrs, [*states, *captured], loop.gradients)
    return list(results[: len(step.results)]), list(results[len(kept) : -1])


@dataclass
class _Loop:
    """What the gradient of a loop's node needs to know: its last results are the states before each step.

    front: how many operands come before the scanned ones.
    """

    step: Step
    captured: list[Any]
    length: int
    reverse: bool
    front: int

    def gradients(self, needs: tuple[bool, ...], g: Any, y: Any, *xs: Any) -> list[Any]:
        """The same steps in the other order, each through its own gradient, with the gradients of the states as states."""
        step, n, stacked = self.step, len(self.step.states), len(self.step.results)
        g, y = (v if isinstance(v, tuple) else (v,) for v in (g, y))
        first = self.front + len(step.scanned)
        steps = xs[0] if self.front else y[-1] if len(y) > stacked + n else None
        heads, states = _floating(step.results), _floating(step.states)
        scanned = [i for i in range(len(step.scanned)) if needs[self.front + i]]
        captured = [i for i in range(len(self.captured)) if needs[first + n + i]]
        backward = self._step(heads, states, scanned, captured)
        known = {id(a): x for a, x in zip(self.captured, xs[first + n :], strict=True)}
        along = [*xs[self.front : first], *y[stacked - n : stacked], *(g[i] for i in heads)]
        start = [*(g[stacked + i] for i in states), *(_zeros(xs[first + n + i]) for i in captured)]
        of_scanned, last = emit_foreach(backward, along, start, self.length, not self.reverse, steps, known)
        grads: list[Any] = [None] * len(xs)
        for i, found in zip(scanned, of_scanned, strict=True):
            grads[self.front + i] = found
        for i, found in zip([*(first + i for i in states), *(first + n + i for i in captured)], last, strict=True):
            grads[i] = found
        return grads

    def _step(self, heads: list[int], states: list[int], scanned: list[int], captured: list[int]) -> Step:
        """The step of the backward: elements, states and gradients of results -> gradients of elements.

        Its states are the gradients of the states, and for captured arrays the sums so far.
        """
        step, trace = self.step, self.step.trace
        of_results = [trace.input(step.results[i]) for i in heads]
        of_states = [trace.input(step.states[i]) for i in states]
        sums = [trace.input(self.captured[i]) for i in captured]
        targets = [
            *(step.scanned[i]._tape for i in scanned),
            *(step.states[i]._tape for i in states),
            *(trace.tapes[id(self.captured[i])] for i in captured),
        ]
        outputs = [*(step.results[i] for i in heads), *(step.following[i] for i in states)]
        grads = trace.gradients(outputs, [*of_results, *of_states], targets)
        likes = [*(step.scanned[i] for i in scanned), *of_states]
        with tracing(trace):
            made = [_zeros(x) if g is None else g for x, g in zip(likes, grads, strict=False)]
            added = [x if g is None else apply(ADD, (x, g), {}) for x, g in zip(sums, grads[len(likes) :], strict=True)]
        return Step(
            trace,
            [*step.scanned, *step.states, *of_results],
            [*of_states, *sums],
            made[: len(scanned)],
            [*made[len(scanned) :], *added],
            step.written,
        )


def in_class(results: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Results of a node as arrays of the classes that the body gave."""
    return [as_class(y, type(x)) for y, x in zip(results, like, strict=True)]
