"""``jit``: compile a function of arrays, a whole training step included.

The first call with arrays of new shapes, dtypes or modes traces the function, optimises the graph
and makes a program; later calls run the program. Arrays that the function reads without being
given them are state that goes in, those that it writes in place come back out.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from hybridnet.config import config
from hybridnet.core import Array, Kind, Op, Precision, Spec, call, computing_in, generation, local, paused_recording, tape, wrap
from hybridnet.core.tree import LEAF, flatten, unflatten
from hybridnet.device import Device, array_module, current_device
from hybridnet.errors import ArgumentError, TraceError, fail
from hybridnet.graph.interpret import find_nan
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.partition import Halves, partition
from hybridnet.graph.passes import optimize
from hybridnet.graph.refusals import told_refusals
from hybridnet.owned import OwnedMethod, held
from hybridnet.runtime.profile import Profile, profile
from hybridnet.runtime.program import Program, make_program
from hybridnet.runtime.timing import Link
from hybridnet.traced import Traced


@dataclass(frozen=True)
class Key:
    """All that a compilation depends on; calls with an equal key share a program."""

    structure: Any  # of the arguments, values that are no arrays included
    arrays: tuple[Any, ...]  # shape, dtype, device and class of each array
    variables: tuple[bool, ...]  # which arrays gradients flow into
    device: Device  # the current one, on which arrays are made
    recording: bool
    training: bool
    precision: Precision | None
    disabled_passes: frozenset[str]
    tf32: bool
    deterministic: bool
    fast_math: bool
    generation: int  # of parameters' settings and the like: see ``core.state``

    def difference(self, other: Key) -> str:
        """In which fields another key differs, in words."""
        parts = [
            f"{f.name}: {getattr(other, f.name)} became {getattr(self, f.name)}"
            for f in fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        ]
        return "; ".join(parts) or "nothing"


class Memory(NamedTuple):
    """A memory plan in figures: bytes of the arena, bytes that separate buffers would take, the largest values."""

    planned: int
    naive: int
    largest: tuple[tuple[int, str], ...]


_data_of = operator.attrgetter("_data")


class Compiled:
    """One traced and compiled version of a function."""

    def __init__(self, name: str, fn: Callable[..., Any], traced: Traced) -> None:
        self.name = name
        self.fn = fn
        self.structure = traced.structure
        self.arguments = traced.arguments
        self.classes = traced.classes
        self.callbacks = traced.callbacks
        self.in_order = traced.in_order
        self.state = [s.array for s in traced.states]
        self.written = [s.array for s in traced.written]
        self.written_arguments = traced.written_arguments
        self.writes = bool(self.written or self.written_arguments)
        self.written_states = {id(a) for a in self.written}
        self.n_outputs = traced.n_outputs
        with told_refusals() as self.refusals:
            self.graph = optimize(traced.graph)
        first_state = traced.n_arguments
        donated_inputs = [*(first_state + traced.states.index(s) for s in traced.written), *traced.written_arguments]
        donate = {self.n_outputs + i: at for i, at in enumerate(donated_inputs)}
        states = {first_state + i: a for i, a in enumerate(self.state)}
        self.halves: Halves | None = None
        if traced.variables:
            n_inputs = first_state + len(self.state)
            self.halves = partition(self.graph, n_inputs, self.n_outputs + len(donated_inputs), frozenset(donated_inputs))
            count = len(self.halves.forward.outputs)
            resident = frozenset(range(count - self.halves.residuals, count))
            self.program = make_program(self.halves.forward, donate, resident, states, name)
            self.variables = [traced.position(who) for who in traced.variables]
            self.first_state = first_state
            # Which gradients are computed right where they are delivered: those of states, as a rule.
            self.usual = tuple(at >= first_state for at in self.variables)
            self.backward = self._backward(self.usual, self.program)
            self.others: dict[tuple[bool, ...], Program] = {}  # backwards that leave the forward's arena as it is
            self.heads = traced.heads
            # The random counters, say: a second run of the function must find them as the first did.
            self.counters = [a for a in self.written if a.size == 1]
            saves = tuple({*self.halves.inputs, *self.variables})
            self.op = Op(name, Kind.OPAQUE, _no_infer, compute=lambda xp, *data: data, grad=_recorded_gradients, saves=saves)
        else:
            self.program = make_program(self.graph, donate, states=states, name=name)

    def __call__(self, leaves: Sequence[Any]) -> Any:
        if self.writes:
            self._refuse_aliases(leaves)
            self._before_writes(leaves)
        for callback in self.callbacks:
            callback()
        flats = self.program.flat_inputs()
        data = list(map(_data_of, leaves))
        data += map(_data_of, self.state)
        if self.in_order:
            self._refuse_gaps(data)
        if config.debug >= 3:
            find_nan(self.halves.forward if self.halves else self.graph, data, array_module(data[0]) if data else np)
        data += flats
        if self.halves is None:
            results = self.program(data)
            outputs = [wrap(cls, d, device) for d, (cls, device) in zip(results, self.classes, strict=True)]
        else:
            counters = [(a, a._device.xp.copy(a._data)) for a in self.counters]
            results, lease = self.program.leased(data)
            outputs = [wrap(cls, d, device) for d, (cls, device) in zip(results, self.classes, strict=False)]
            residuals = results[self.n_outputs :]
            kept = _Kept(self, leaves, residuals, lease, counters)
            self._record([*leaves, *self.state], data, outputs, kept)
        if local.recording and any(y._tape is None for y in outputs):
            tape.note_behind((*leaves, *self.state), outputs)
        return unflatten(self.structure, outputs) if self.structure != LEAF else outputs[0]

    def _refuse_aliases(self, leaves: Sequence[Any]) -> None:
        """An argument that is another one, or a state, that the function writes: a graph of values cannot say that."""
        for i in self.written_arguments:
            for j, x in enumerate(leaves):
                storage = leaves[i]._storage
                if i != j and (x._data is leaves[i]._data or (storage is not None and x._storage is storage)):
                    self._fail_alias(x)
        for x in leaves:
            if id(x) in self.written_states:
                self._fail_alias(x)

    def _refuse_gaps(self, data: Sequence[Any]) -> None:
        """An array whose reshape would be a copy now, where it was traced as a view that is written through."""
        for i in self.in_order:
            if not data[i].flags.c_contiguous:
                fail(
                    TraceError,
                    self.name,
                    expected="arrays without gaps, in order, where a compiled function writes through a reshaped view of them",
                    got=f"{Spec(data[i].shape, data[i].dtype)} with strides {data[i].strides}",
                    fix="x.copy() before the call",
                )

    def _fail_alias(self, x: Any) -> None:
        fail(
            TraceError,
            self.name,
            expected="arrays that a compiled function writes to be reached in one way",
            got=f"an argument {Spec(x.shape, x._data.dtype)} that is the same array as what the function writes",
            fix="x.copy() for one of them",
        )

    def _before_writes(self, leaves: Sequence[Any]) -> None:
        """Let the tapes that keep the values of an array that is written take copies of them."""
        for array in (*self.written, *(leaves[i] for i in self.written_arguments)):
            if array._storage is not None:
                array._storage.before_write()

    def profile(self, leaves: Sequence[Any]) -> Profile:
        """Time the steps for these arguments; nothing that the caller has is written."""
        if self.writes:
            self._refuse_aliases(leaves)
        data = list(map(_data_of, (*leaves, *self.state)))
        chain = [Link(self.program, lambda results: data)]
        if self.halves is not None:
            chain.append(Link(self.backward, functools.partial(self._backward_inputs, data)))
        return profile(chain)

    def _backward_inputs(self, data: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """What the backward program takes after a forward on ``data`` that gave ``results``: of each head, ones for its gradient."""
        assert self.halves is not None
        xp = array_module(data[0])
        heads = [xp.ones_like(results[i]) for i in self.heads]
        into = [xp.empty(data[at].shape, data[at].dtype) for at in self.variables]
        return [*results[self.n_outputs :], *(data[i] for i in self.halves.inputs), *heads, *into]

    def _record(self, inputs: list[Any], data: list[Any], outputs: list[Any], kept: _Kept) -> None:
        """One tape node for the whole call; it holds what the backward program needs."""
        heads = [outputs[i] for i in self.heads]
        tape.record(self.op, inputs, data[: len(inputs)], {"kept": kept}, tuple(heads) if len(heads) > 1 else heads[0])

    def _gradients(self, needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, kept: _Kept) -> Sequence[Any]:
        gs = g if isinstance(g, tuple) else (g,)
        grads: list[Any] = [None] * len(xs)
        if local.recording or local.trace is not None:
            return self._differentiable_gradients(xs, gs, kept)
        assert self.halves is not None
        data = [*kept.residuals, *(xs[i]._data for i in self.halves.inputs), *(h._data for h in gs)]
        running = local.propagation
        read = {id(d) for d in data}
        delivered = []
        for at in self.variables:
            x = xs[at]
            into = running.destination(x._tape)
            delivered.append(into is not None and id(into._data) not in read)
            grads[at] = into if delivered[-1] else wrap(type(x), x._device.xp.empty(x.shape, x._data.dtype), x._device)
        data += [grads[at]._data for at in self.variables]
        which = tuple(delivered) if self.program.bound_to_addresses else self.usual
        if running.retain_graph or which != self.usual:
            if which not in self.others:
                self.others[which] = self._backward(which, None)
            self.others[which](data)
        else:
            self.backward.continued(kept.lease, data)
        if not running.retain_graph:
            kept.release()
        return grads

    def _differentiable_gradients(self, xs: Sequence[Any], gs: Sequence[Any], kept: _Kept) -> list[Any]:
        """Gradients that can be differentiated again: the function once more, imperatively, and its tape."""
        n = len(kept.leaves)
        leaves = [x if isinstance(x, Array) else leaf for x, leaf in zip(xs, kept.leaves, strict=False)]
        refs: list[Any] = [x._tape for x in (*leaves, *self.state)]
        since = next(tape._sequence)
        before = [(a, call("copy", a)) for a in self.written]
        with paused_recording():
            for array, data in kept.counters:
                array._assign(wrap(type(array), data, array._device))
        modes = local.set(recording=True, training=kept.training)
        try:
            args, kwargs = unflatten(self.arguments, leaves)
            returned: list[Any] = []
            with computing_in(kept.precision):
                flatten(kept.fn(*args, **kwargs), returned)
        finally:
            local.set(recording=modes[0], training=modes[1])
        with paused_recording():
            for array, value in before:  # the state moved on once, at the call itself
                array._assign(value)
        heads = [returned[i] for i in self.heads]
        found = tape.propagate(heads, gs, targets=[r for r in refs if r is not None], since=since, retain_graph=True)
        assert n + len(self.state) == len(xs)
        return [None if r is None else found.get(r) for r in refs]

    def _backward(self, delivered: tuple[bool, ...], after: Program | None) -> Program:
        """The program of the gradients, which it computes in arrays that it is given after its other inputs.

        ``delivered``: which of those are the same at every call.
        """
        assert self.halves is not None
        graph = self.halves.backward
        into = [Value(v.shape, v.dtype, v.device) for v in graph.outputs]
        donate = {i: len(graph.inputs) + i for i in range(len(into))}
        first = len(graph.inputs)
        fixed = {self.halves.residuals + i for i, at in enumerate(self.halves.inputs) if at >= self.first_state}
        fixed |= {first + i for i, same in enumerate(delivered) if same}
        whole = Graph([*graph.inputs, *into], graph.nodes, graph.outputs)
        return make_program(whole, donate, name=self.name + "_backward", after=after, fixed=frozenset(fixed))


def _no_infer(*specs: Any) -> Any:
    raise TraceError("a compiled call is inlined when it is traced")


def _recorded_gradients(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, kept: _Kept) -> Sequence[Any]:
    """The gradient rule of every recorded call. What was compiled is reached through the call, since it holds the operator itself."""
    return kept.compiled._gradients(needs, g, y, *xs, kept=kept)


class _Kept:
    """What one recorded call keeps: its arguments, the residuals and the lease on the arena that they lie in.

    And the compiled function, with what that was made from, in case gradients of gradients run it again.
    """

    __slots__ = ("compiled", "counters", "fn", "lease", "leaves", "precision", "residuals", "training")

    def __init__(self, compiled: Compiled, leaves: Sequence[Any], residuals: Sequence[Any], lease: Any, counters: list[Any]) -> None:
        self.compiled = compiled
        self.fn = held(compiled.fn)
        self.counters = counters
        self.leaves = leaves
        self.residuals = residuals
        self.lease = lease
        self.training = local.training
        self.precision = local.precision

    def release(self) -> None:
        """Give the arena back: the backward has run for the last time."""
        self.residuals, self.lease = (), None


#: The structures of calls with 0, 1, ... arrays and nothing else.
_POSITIONAL = tuple((tuple, (tuple, *(LEAF,) * n), (dict, ())) for n in range(9))


class Jit:
    """A function that is compiled when it is called; made by :func:`jit`."""

    def __init__(self, fn: Callable[..., Any], name: str | None = None) -> None:
        self.fn = fn
        self.name = str(name or getattr(fn, "__name__", type(fn).__name__)).replace("<lambda>", "fn")
        self.cache: dict[Any, tuple[Key, Compiled]] = {}
        self.retraces: list[str] = []  # why each compilation after the first was needed
        functools.update_wrapper(self, fn, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if local.trace is not None:
            return self.fn(*args, **kwargs)
        if kwargs or len(args) >= len(_POSITIONAL):
            leaves: Any = []
            structure = flatten((args, kwargs), leaves)
        else:  # arrays alone, the common call, need no walk through their structure
            leaves, structure = args, _POSITIONAL[len(args)]
            for x in args:
                if not isinstance(x, Array):
                    leaves = []
                    structure = flatten((args, kwargs), leaves)
                    break
        return self._compiled(structure, leaves)(leaves)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a decorator of methods: one compiled function an instance."""
        if instance is None:
            return self
        bound = Jit(OwnedMethod(types.MethodType(self.fn, instance)), self.name)
        instance.__dict__[self.fn.__name__] = bound
        return bound

    def _compiled(self, structure: Any, leaves: Sequence[Any]) -> Compiled:
        recording = local.recording
        # The short form of the key, for speed; the Key itself is made when something is compiled.
        short = (
            structure,
            tuple([(x._data.shape, x._data.dtype, x._device, type(x), recording and x._tape is not None) for x in leaves]),
            current_device(),
            recording,
            local.training,
            local.precision,
            generation.count,
            config.disabled_passes,
            config.tf32,
            config.deterministic,
            config.fast_math,
        )
        entry = self.cache.get(short)
        return entry[1] if entry is not None else self._compile(short, structure, leaves)

    def _compile(self, short: Any, structure: Any, leaves: Sequence[Any]) -> Compiled:
        key = Key(
            structure,
            tuple(s[:4] for s in short[1]),
            tuple(s[4] for s in short[1]),
            short[2],
            local.recording,
            local.training,
            local.precision,
            config.disabled_passes,
            config.tf32,
            config.deterministic,
            config.fast_math,
            generation.count,
        )
        if self.cache:
            self.retraces.append(key.difference(next(reversed(self.cache.values()))[0]))
            if key.generation != next(reversed(self.cache.values()))[0].generation:
                self.cache.clear()  # nothing of an earlier generation is called again
        compiled = Compiled(self.name, self.fn, Traced(self.fn, structure, leaves, local.recording))
        # Tracing may itself finish a deferred initialisation, which counts as a change.
        self.cache[(*short[:6], generation.count, *short[7:])] = (key, compiled)
        if len(self.cache) > config.max_programs:
            del self.cache[next(iter(self.cache))]
        if config.debug >= 2:
            print(compiled.program.text)
        return compiled

    # -- looking inside -------------------------------------------------------------------------

    def _inspect(self, args: Any, kwargs: Any) -> Compiled:
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves)
        return self._compiled(structure, leaves)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The optimised graph for these arguments; it prints."""
        return self._inspect(args, kwargs).graph

    def memory(self, *args: Any, **kwargs: Any) -> Memory:
        """What the memory plan for these arguments comes to."""
        compiled = self._inspect(args, kwargs)
        sources = [compiled.program.source] + ([compiled.backward.source] if compiled.halves else [])
        planned = compiled.program.arena_bytes  # the backward runs in the forward's arena
        largest = sorted((item for s in sources for item in s.largest), reverse=True)
        return Memory(planned, sum(s.naive_bytes for s in sources), tuple(largest[:10]))

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """How the program for these arguments runs: in how many CUDA graphs, which operators stand between them, and why.

        And which operators a GPU's libraries refused to compute, and what runs instead.
        """
        compiled = self._inspect(args, kwargs)
        programs = [compiled.program, compiled.backward] if compiled.halves else [compiled.program]
        return "\n".join([*(p.explain() for p in programs), *(f"  refused: {refusal}" for refusal in compiled.refusals)])

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Each step of the program for these arguments timed alone, in the mode of now; while recording, the backward's too.

        Parameters, states of the optimizer, random state and arguments stay as they are; what the function does
        on the host besides (counting updates, say) does not happen. Takes memory for a second array of each that the program
        writes, and the time of some hundred runs. See :class:`~hybridnet.runtime.profile.Profile`.
        """
        if local.trace is not None:
            fail(TraceError, self.name, expected="profile() outside a function that is being compiled", got="a call while tracing")
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves)
        return self._compiled(structure, leaves).profile(leaves)

    def program(self, *args: Any, **kwargs: Any) -> str:
        """The text of the program that runs for these arguments."""
        compiled = self._inspect(args, kwargs)
        text = compiled.program.text
        return text if compiled.halves is None else f"{text}\n# backward\n{compiled.backward.text}"


def jit(fn: Callable[..., Any] | None = None, *, name: str | None = None) -> Any:
    """Compile ``fn``, a function of arrays (in nested tuples, lists and dicts) and other values.

    Other values must be hashable; each new one compiles anew, as do new shapes and dtypes. Arrays
    that ``fn`` reads from outside (parameters, say) are read afresh at every call; those that it
    writes in place are written at every call. Python code in ``fn`` runs when it is traced only.
    """
    if fn is None:
        return functools.partial(jit, name=name)
    if not callable(fn):
        fail(ArgumentError, "jit", expected="a function", got=type(fn).__name__)
    return Jit(fn, name)
