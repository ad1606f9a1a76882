"""Tracing a function for compilation: the graph, and what its inputs and outputs are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hybridnet.core import Spec, local, tape, wrap
from hybridnet.core.tree import flatten, unflatten
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.trace import State, Trace, tracing


class Traced:
    """What tracing a function gave: the graph and what its inputs and outputs are."""

    def __init__(self, fn: Callable[..., Any], structure: Any, leaves: Sequence[Any], recording: bool) -> None:
        trace = Trace()
        self.arguments = structure
        self.start = next(tape._sequence)
        arguments = [
            wrap(type(x), trace.argument(Spec(x.shape, x._data.dtype), x._device, f"arg{i}"), x._device) for i, x in enumerate(leaves)
        ]
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
                self.variables: list[Any] = []
                for state in trace.states.values():
                    trace.read(state.array)  # refuses what was written through a view
                self.written_arguments = [i for i, x in enumerate(arguments) if trace.read(x) is not trace.arguments[i]]
                written_arguments = [trace.read(arguments[i]) for i in self.written_arguments]
                if recording:
                    local.set(recording=False)
                    grads = self._differentiate(trace, returned, variables)
            finally:
                local.set(recording=modes[0], training=modes[1])
        self.states: list[State] = list(trace.states.values())
        self.written = trace.written
        self.callbacks = trace.callbacks
        # Which inputs must lie in order: the function writes through reshaped views of them.
        handles = [*arguments, *(s.array for s in self.states)]
        self.in_order = [i for i, x in enumerate(handles) if id(x) in trace.in_order]
        self.n_arguments = len(leaves)
        self.n_outputs = len(outputs)
        inputs = [*trace.arguments[: len(leaves)], *(s.before for s in self.states), *trace.arguments[len(leaves) :]]
        self.graph = Graph(inputs, trace.nodes, [*outputs, *(s.now for s in self.written), *written_arguments, *grads])
        trace.close()

    def _differentiate(self, trace: Trace, returned: list[Any], variables: list[Any]) -> list[Value]:
        """Trace the backward after the forward: head gradients come in, the variables' gradients go out."""
        variables = variables + [(s, s.array._tape) for s in trace.states.values() if s.array._tape is not None]
        self.heads = [i for i, y in enumerate(returned) if y._tape is not None]
        if not variables or not self.heads:
            self.heads = []
            return []
        heads = [returned[i] for i in self.heads]
        forward = len(trace.nodes)
        seeds = [wrap(type(y), trace.argument(Spec(y.shape, y._data.dtype), y._device, f"head{i}"), y._device) for i, y in enumerate(heads)]
        found = tape.propagate(heads, seeds, targets=[ref for _, ref in variables], since=self.start)
        reached = [(who, found[ref]) for who, ref in variables if ref in found]
        self.variables = [who for who, _ in reached]
        if not reached:
            del trace.arguments[-len(seeds) :], trace.nodes[forward:]  # the gradient of every variable is zero
            self.heads = []
        return [trace.read(g) for _, g in reached]

    def position(self, who: Any) -> int:
        """Where an argument or state stands among the function's inputs."""
        return who if isinstance(who, int) else self.n_arguments + self.states.index(who)
