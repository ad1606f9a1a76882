"""What one compilation of a function gives: a call without gradients, or one with them, whose backward is a program too."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.config import config
from hybridnet.core import Array, Kind, Op, Spec, call, computing_in, local, paused_recording, tape, wrap
from hybridnet.core.array import Storage
from hybridnet.core.tree import LEAF, flatten, unflatten
from hybridnet.device import array_module
from hybridnet.device.communicate import Parts, world
from hybridnet.errors import RankError, TraceError, fail
from hybridnet.graph.backend import backend_of
from hybridnet.graph.interpret import find_nan
from hybridnet.graph.ir import Graph, Value
from hybridnet.graph.messages import messages, parts_of
from hybridnet.graph.partition import partition
from hybridnet.graph.passes import optimize
from hybridnet.graph.refusals import told_refusals
from hybridnet.owned import held
from hybridnet.retrace import Key
from hybridnet.runtime.budget import fitted
from hybridnet.runtime.check import Checked, check_program
from hybridnet.runtime.profile import Profile, profile
from hybridnet.runtime.program import Program, make_program
from hybridnet.runtime.spec import ProgramSpec
from hybridnet.runtime.timing import Link
from hybridnet.traced import Traced

_data_of = operator.attrgetter("_data")


class CompiledCall:
    """One traced and compiled version of a function; this one gives results without gradients."""

    def __init__(self, key: Key, name: str, fn: Callable[..., Any], traced: Traced) -> None:
        self.key = key
        self.name = name
        self.fn = fn
        self.read = traced.read
        self.roles = traced.roles
        self.structure = traced.structure
        self.single = traced.structure == LEAF
        self.arguments = traced.arguments
        self.classes = traced.classes
        self.callbacks = traced.callbacks
        self.notes = traced.notes
        self.in_order = traced.in_order
        self.states = traced.states
        self.written = traced.written
        self.written_arguments = traced.written_arguments
        self.writes = bool(self.written or self.written_arguments)
        self.written_ids = {id(a) for a in self.written}
        if not (self.writes or traced.variables):  # what it reads is seldom written, as parameters are in inference
            for i in self.roles.states:
                traced.graph.inputs[i].is_settled = backend_of(traced.graph.inputs[i].device).prepares
        with told_refusals() as self.refusals:
            optimized = optimize(traced.graph)
        self.recomputed = fitted(optimized, self.roles.donated, self._build, name)
        self.messages = self._messages()
        self.reason = ""  # why it was compiled, if there was another before
        self._agreed = False

    def _build(self, graph: Graph) -> int:
        """Make the programs of a graph; gives the bytes of their arena."""
        self.graph = graph
        self.spec = self._spec()
        self.program = make_program(self.spec)
        return self.program.arena_bytes

    def _spec(self) -> ProgramSpec:
        """What the program of the call is made from."""
        return ProgramSpec(self.graph, self.name, self.roles.donated, states=self._by_position(self.states))

    def _messages(self) -> list[str]:
        """What its programs say to other ranks."""
        return messages(self.program.source.lowered, self.spec.donate)

    def _parts(self) -> set[Parts]:
        """Among which ranks."""
        return parts_of(self.program.source.lowered)

    def _by_position(self, states: Sequence[Any]) -> dict[int, Any]:
        return dict(zip(self.roles.states, states, strict=True))

    @property
    def programs(self) -> tuple[Program, ...]:
        """What it runs, in order."""
        return (self.program,)

    def __call__(self, leaves: Sequence[Any]) -> Any:
        written: list[Storage] = []
        if self.writes:
            self._refuse_aliases(leaves)
            written = self._before_writes(leaves)
        for callback in self.callbacks:
            callback()
        if self.messages and not self._agreed:
            self._agree()
        flats = self.program.flat_inputs()
        data = list(map(_data_of, leaves))
        data += map(_data_of, self.states)
        if self.in_order:
            self._refuse_gaps(data)
        if config.debug >= 3:
            find_nan(self.spec.graph, data, array_module(data[0]) if data else np)
        data += flats
        try:
            outputs = self._run(leaves, data)
        finally:
            for storage in written:
                storage.after_write()
        if local.recording and any(y._tape is None for y in outputs):
            tape.note_behind((*leaves, *self.states), outputs)
        return outputs[0] if self.single else unflatten(self.structure, outputs)

    def _run(self, leaves: Sequence[Any], data: list[Any]) -> list[Any]:
        """The arrays that the function returns, from the program's inputs."""
        return [wrap(cls, d, device) for d, (cls, device) in zip(self.program(data), self.classes, strict=True)]

    def _agree(self) -> None:
        """Before the first run: all ranks must come here, with a program that sends the same, or they would wait for one another.

        If it sends within one group of ranks alone, those of other parts may compile other programs, or none.
        """
        among, *others = self._parts()
        ranks = world() if others else world().part(among)
        why = f"to run what it compiled of {self.name!r}{f', since {self.reason}' if self.reason else ''}"
        ranks.agree(f"the compiled function {self.name!r}", self.messages, why)
        self._agreed = True

    # -- arrays that are written ----------------------------------------------------------------

    def _refuse_aliases(self, leaves: Sequence[Any]) -> None:
        """An argument that is another one, or a state, that the function writes: a graph of values cannot say that."""
        for i in self.written_arguments:
            for j, x in enumerate(leaves):
                storage = leaves[i]._storage
                if i != j and (x._data is leaves[i]._data or (storage is not None and x._storage is storage)):
                    self._fail_alias(x)
        for x in leaves:
            if id(x) in self.written_ids:
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

    def _before_writes(self, leaves: Sequence[Any]) -> list[Storage]:
        """Tell whoever keeps the values of an array that is written. Gives what is to be told when that is done."""
        return _begin_writes((*self.written, *(leaves[i] for i in self.written_arguments)))

    # -- looking inside -------------------------------------------------------------------------

    def profile(self, leaves: Sequence[Any]) -> Profile:
        """Time the steps for these arguments; nothing that the caller has is written."""
        if self.messages and world().size > 1:  # which are run more often where they are fast
            got = f"{len(self.messages)} arrays that go to {world().size} ranks"
            fail(RankError, self.name, expected="to time what needs no other rank", got=got, fix="profiling on one rank: mpirun -n 1")
        if self.writes:
            self._refuse_aliases(leaves)
        return profile(self._chain(list(map(_data_of, (*leaves, *self.states)))))

    def check(self, leaves: Sequence[Any]) -> list[Checked]:
        """Hold each program against the interpreter on these arguments; nothing that the caller has is written."""
        if self.writes:
            self._refuse_aliases(leaves)
        return self._checked([x._data for x in (*leaves, *self.states)])

    def _checked(self, data: Sequence[Any]) -> list[Checked]:
        return [check_program(self.spec, data)[0]]

    def _chain(self, data: Sequence[Any]) -> list[Link]:
        """The programs, each with what it is given after the one before it."""
        return [Link(self.program, lambda results: list(data))]


class CompiledWithGradient(CompiledCall):
    """A call whose results have gradients: it keeps for the backward what that needs, in the arena that both run in."""

    def __init__(self, key: Key, name: str, fn: Callable[..., Any], traced: Traced) -> None:
        self.heads = traced.heads
        self.variables = traced.variables
        # Which gradients are computed right where they are delivered: those of states, as a rule.
        self.usual = tuple(at in traced.roles.states for at in self.variables)
        super().__init__(key, name, fn, traced)
        self.others: dict[tuple[bool, ...], Program] = {}  # backwards that leave the forward's arena as it is
        # The random counters, say: a second run of the function must find them as the first did.
        self.counters = [a for a in self.written if a.size == 1]
        saves = tuple({*self.halves.inputs, *self.variables})
        self.op = Op(name, Kind.OPAQUE, _no_infer, compute=lambda xp, *data: data, grad=_recorded_gradients, saves=saves)

    def _build(self, graph: Graph) -> int:
        super()._build(graph)
        self._backward_spec = self.backward_spec(self.usual, self.program)
        self.backward = make_program(self._backward_spec)
        return self.program.arena_bytes  # in which the backward runs as well

    def _messages(self) -> list[str]:
        return super()._messages() + messages(self.backward.source.lowered, self._backward_spec.donate)

    def _parts(self) -> set[Parts]:
        return super()._parts() | parts_of(self.backward.source.lowered)

    def _spec(self) -> ProgramSpec:
        roles = self.roles
        self.halves = partition(self.graph, roles.given, roles.kept, frozenset(roles.donated.values()))
        resident = frozenset(range(roles.kept, len(self.halves.forward.outputs)))
        return ProgramSpec(self.halves.forward, self.name, roles.donated, resident, self._by_position(self.states))

    def backward_spec(self, delivered: tuple[bool, ...], after: Program | None) -> ProgramSpec:
        """What the program of the gradients is made from. It computes them in arrays that it is given after its other inputs.

        ``delivered``: which of those are the same at every call.
        """
        graph, residuals = self.halves.backward, self.halves.residuals
        into = [Value(v.shape, v.dtype, v.device) for v in graph.outputs]
        first = len(graph.inputs)
        fixed = {residuals + i for i, at in enumerate(self.halves.inputs) if at in self.roles.states}
        fixed |= {first + i for i, same in enumerate(delivered) if same}
        whole = Graph([*graph.inputs, *into], graph.nodes, graph.outputs)
        donate = {i: first + i for i in range(len(into))}
        return ProgramSpec(whole, self.name + "_backward", donate, after=after, fixed=frozenset(fixed))

    @property
    def programs(self) -> tuple[Program, ...]:
        return self.program, self.backward

    def _run(self, leaves: Sequence[Any], data: list[Any]) -> list[Any]:
        counters = [(a, a._device.xp.copy(a._data)) for a in self.counters]
        results, lease = self.program.leased(data)
        outputs = [wrap(cls, d, device) for d, (cls, device) in zip(results, self.classes, strict=False)]
        kept = _Kept(self, leaves, results[len(outputs) :], lease, counters)
        heads = [outputs[i] for i in self.heads]
        # One tape node for the whole call; it holds what the backward program needs.
        inputs = [*leaves, *self.states]
        tape.record(self.op, inputs, data[: len(inputs)], {"kept": kept}, tuple(heads) if len(heads) > 1 else heads[0])
        return outputs

    def gradients(self, g: Any, xs: Sequence[Any], kept: _Kept) -> Sequence[Any]:
        """The gradients of arguments and states ``xs`` from those of the heads."""
        gs = g if isinstance(g, tuple) else (g,)
        if local.recording or local.trace is not None:
            return self._differentiable_gradients(xs, gs, kept)
        grads: list[Any] = [None] * len(xs)
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
        written = _begin_writes([grads[at] for at in self.variables])
        which = tuple(delivered) if self.program.bound_to_addresses else self.usual
        try:
            if running.retain_graph or which != self.usual:
                if which not in self.others:
                    self.others[which] = make_program(self.backward_spec(which, None))
                self.others[which](data)
            else:
                self.backward.continued(kept.lease, data)
        finally:
            for storage in written:
                storage.after_write()
        if not running.retain_graph:
            kept.release()
        return grads

    def _differentiable_gradients(self, xs: Sequence[Any], gs: Sequence[Any], kept: _Kept) -> list[Any]:
        """Gradients that can be differentiated again: the function once more, imperatively, and its tape."""
        leaves = [x if isinstance(x, Array) else leaf for x, leaf in zip(xs, kept.leaves, strict=False)]
        refs: list[Any] = [x._tape for x in (*leaves, *self.states)]
        since = next(tape._sequence)
        before = [(a, call("copy", a)) for a in self.written]
        with paused_recording():
            for array, data in kept.counters:
                array._assign(wrap(type(array), data, array._device))
        modes = local.set(recording=True, training=kept.training)
        try:
            args, kwargs = unflatten(self.arguments, leaves)
            returned: list[Any] = []
            with computing_in(kept.precision), dtypes.defaulting_to(kept.numpy_types):
                flatten(kept.fn(*args, **kwargs), returned)
        finally:
            local.set(recording=modes[0], training=modes[1])
        with paused_recording():
            for array, value in before:  # the state moved on once, at the call itself
                array._assign(value)
        heads = [returned[i] for i in self.heads]
        found = tape.propagate(heads, gs, targets=[r for r in refs if r is not None], since=since, retain_graph=True)
        assert len(refs) == len(xs)
        return [None if r is None else found.get(r) for r in refs]

    def _checked(self, data: Sequence[Any]) -> list[Checked]:
        forward, outputs = check_program(self.spec, data)
        results = [*outputs[: len(self.classes)], *outputs[self.roles.kept :]]
        backward, _ = check_program(self.backward_spec(self.usual, None), self._backward_inputs(data, results))
        return [forward, backward]

    def _chain(self, data: Sequence[Any]) -> list[Link]:
        return [*super()._chain(data), Link(self.backward, functools.partial(self._backward_inputs, data))]

    def _backward_inputs(self, data: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """What the backward program takes after a forward on ``data`` that gave ``results``: of each head, ones for its gradient."""
        xp = array_module(data[0])
        heads = [xp.ones_like(results[i]) for i in self.heads]
        into = [xp.empty(data[at].shape, data[at].dtype) for at in self.variables]
        return [*results[len(self.classes) :], *(data[i] for i in self.halves.inputs), *heads, *into]


def _begin_writes(arrays: Iterable[Any]) -> list[Storage]:
    """Announce that arrays are about to be written. Gives the storages that are to be told of the end."""
    storages = [a._storage for a in arrays if a._storage is not None]
    for storage in storages:
        storage.before_write()
    return storages


def compiled(key: Key, name: str, fn: Callable[..., Any], traced: Traced) -> CompiledCall:
    """The compiled form of what was traced."""
    kind = CompiledWithGradient if traced.variables else CompiledCall
    return kind(key, name, fn, traced)


def _no_infer(*specs: Any) -> Any:
    raise TraceError("a compiled call is inlined when it is traced")


def _recorded_gradients(needs: tuple[bool, ...], g: Any, y: Any, *xs: Any, kept: _Kept) -> Sequence[Any]:
    """The gradient rule of every recorded call. What was compiled is reached through the call, since it holds the operator itself."""
    return kept.compiled.gradients(g, xs, kept)


class _Kept:
    """What one recorded call keeps: its arguments, the residuals and the lease on the arena that they lie in.

    And the compiled function, with what that was made from, in case gradients of gradients run it again.
    """

    __slots__ = ("compiled", "counters", "fn", "lease", "leaves", "numpy_types", "precision", "residuals", "training")

    def __init__(
        self, compiled: CompiledWithGradient, leaves: Sequence[Any], residuals: Sequence[Any], lease: Any, counters: list[Any]
    ) -> None:
        self.compiled = compiled
        self.fn = held(compiled.fn)
        self.counters = counters
        self.leaves = leaves
        self.residuals = residuals
        self.lease = lease
        self.training = local.training
        self.precision = local.precision
        self.numpy_types = dtypes.defaults.numpy

    def release(self) -> None:
        """Give the arena back: the backward has run for the last time."""
        self.residuals, self.lease = (), None
