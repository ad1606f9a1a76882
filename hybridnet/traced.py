"""Tracing a function for compilation: the graph, and what its inputs and outputs are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from hybridnet.core import Spec, local, spec_of, tape, wrap
from hybridnet.core.identity import Read
from hybridnet.core.tree import flatten, unflatten
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.trace import State, Trace, tracing


@dataclass(frozen=True)
class Roles:
    """Which inputs and outputs of a traced graph are what: their positions, in the order in which they stand.

    arguments, states, heads: the inputs. Those of the function; arrays from outside that it reads or writes; the gradients
    of its results, where it has a backward.
    results, new_states, new_arguments, gradients: the outputs. Those of the function; what it leaves in the states and in the
    arguments that it writes; the gradients of its variables.
    donated: of each output that replaces an input, that input.
    """

    arguments: range
    states: range
    heads: range
    results: range
    new_states: range
    new_arguments: range
    gradients: range
    donated: Mapping[int, int]

    @property
    def given(self) -> int:
        """How many inputs a call without gradients has: arguments and states."""
        return self.states.stop

    @property
    def kept(self) -> int:
        """How many outputs it has: results and what is written."""
        return self.new_arguments.stop


def _ranges(*lengths: int) -> list[range]:
    """Ranges of those lengths, each beginning where the one before it ends."""
    ends = [0, *accumulate(lengths)]
    return [range(a, b) for a, b in pairwise(ends)]


class Traced:
    """What tracing a function gave: the graph, and the roles of its inputs and outputs.

    structure, arguments: how the results and the arguments are nested. classes: of each result its class and device.
    states, written: the arrays from outside that are inputs, and those of them that are outputs too.
    written_arguments: the positions of the arguments that are written. callbacks: what the host does before each run.
    notes: for ``explain``.
    in_order: the inputs that must lie in order, without gaps. read: what else the trace depends on.
    heads: the positions of the results whose gradients come in; variables: the inputs whose gradients go out.
    Without ``unrolls`` short loops are traced as loops too.
    """

    def __init__(self, fn: Callable[..., Any], structure: Any, leaves: Sequence[Any], recording: bool, unrolls: bool = True) -> None:
        trace = Trace(unrolls=unrolls)
        self.arguments = structure
        self.start = next(tape._sequence)
        arguments = [wrap(type(x), trace.argument(spec_of(x), x._device, f"arg{i}"), x._device) for i, x in enumerate(leaves)]
        variables: list[tuple[Any, tuple[Any, int]]] = []  # (argument position or State, its place on the tape)
        if recording:
            for i, (tracer, x) in enumerate(zip(arguments, leaves, strict=True)):
                if x._tape is not None:
                    tracer._tape = (tape.Leaf(None, "write"), 0)
                    variables.append((i, tracer._tape))
        modes = local.recording, local.training
        with tracing(trace):
            try:
                args, kwargs = unflatten(structure, arguments)
                result = fn(*args, **kwargs)
                returned: list[Any] = []
                self.structure = flatten(result, returned)
                outputs = [trace.read(y) for y in returned]
                self.classes = [(type(y), y._device) for y in returned]
                self.heads: list[int] = []
                grads: list[Value] = []
                reached: list[int | State] = []
                for state in trace.states.values():
                    trace.read(state.array)  # refuses what was written through a view
                self.written_arguments = [i for i, x in enumerate(arguments) if trace.read(x) is not trace.arguments[i]]
                written_arguments = [trace.read(arguments[i]) for i in self.written_arguments]
                if recording:
                    local.set(recording=False)
                    reached, grads = self._differentiate(trace, returned, variables)
            finally:
                local.set(recording=modes[0], training=modes[1])
        states, written = list(trace.states.values()), trace.written
        self.states: list[Any] = [s.array for s in states]
        self.written: list[Any] = [s.array for s in written]
        self.callbacks = trace.callbacks
        self.notes = trace.notes
        self.read = Read(trace.read_of)
        # Which inputs must lie in order: the function writes through reshaped views of them.
        handles = [*arguments, *self.states]
        self.in_order = [i for i, x in enumerate(handles) if id(x) in trace.in_order]
        heads = trace.arguments[len(leaves) :]
        inputs = [*trace.arguments[: len(leaves)], *(s.before for s in states), *heads]
        self.graph = Graph(inputs, trace.nodes, [*outputs, *(s.now for s in written), *written_arguments, *grads])
        arguments_in, states_in, heads_in = _ranges(len(leaves), len(states), len(heads))
        results, new_states, new_arguments, gradients = _ranges(len(outputs), len(written), len(written_arguments), len(grads))
        position = dict(zip(states, states_in, strict=True))
        replaced = [*(position[s] for s in written), *self.written_arguments]
        donated = dict(zip([*new_states, *new_arguments], replaced, strict=True))
        self.roles = Roles(arguments_in, states_in, heads_in, results, new_states, new_arguments, gradients, donated)
        self.variables = [who if isinstance(who, int) else position[who] for who in reached]
        trace.close()

    def _differentiate(self, trace: Trace, returned: list[Any], variables: list[Any]) -> tuple[list[int | State], list[Value]]:
        """Trace the backward after the forward: head gradients come in, those of the variables that are reached go out."""
        variables = variables + [(s, s.array._tape) for s in trace.states.values() if s.array._tape is not None]
        self.heads = [i for i, y in enumerate(returned) if y._tape is not None]
        if not variables or not self.heads:
            self.heads = []
            return [], []
        heads = [returned[i] for i in self.heads]
        forward = len(trace.nodes)
        seeds = [wrap(type(y), trace.argument(Spec(y.shape, y._data.dtype), y._device, f"head{i}"), y._device) for i, y in enumerate(heads)]
        found = tape.propagate(heads, seeds, targets=[ref for _, ref in variables], since=self.start)
        reached = [(who, found[ref]) for who, ref in variables if ref in found]
        if not reached:
            del trace.arguments[-len(seeds) :], trace.nodes[forward:]  # the gradient of every variable is zero
            self.heads = []
        return [who for who, _ in reached], [trace.read(g) for _, g in reached]
