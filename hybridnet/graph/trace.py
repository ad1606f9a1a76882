"""Tracing: run a function once with symbols in place of arrays and keep what it did as a graph.

The trace stands behind ``apply`` (see :class:`hybridnet.core.state.Trace`). Arrays that it did
not make are state: read ones become inputs, written ones become outputs as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet.core import Array, Kind, NDArray, Op, Spec, computing_in, spec_of, wrap
from hybridnet.core.array import Storage
from hybridnet.core.identity import Identity, identity, name_of
from hybridnet.core.state import local
from hybridnet.device import Device
from hybridnet.errors import TraceError, fail, user_site
from hybridnet.exact import exact
from hybridnet.graph.aliases import Aliases
from hybridnet.graph.host_numbers import HostNumbers
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import FULL


class State:
    """An array from outside that a trace uses: its value at entry, and now."""

    __slots__ = ("array", "before", "now")

    def __init__(self, array: Any, before: Value) -> None:
        self.array = array
        self.before = before
        self.now = before


class Trace:
    """A graph in the making."""

    def __init__(self, outer: Any = None, unrolls: bool = True) -> None:
        self.outer = outer  # the trace that this one is within
        self.unrolls: bool = unrolls if outer is None else outer.unrolls  # whether short loops are traced step by step
        self.site: Any = None
        self.arguments: list[Value] = []
        self.nodes: list[Node] = []
        self.states: dict[int, State] = {}  # by id of the array; State keeps it alive
        self.callbacks: list[Callable[[], None]] = []
        self.notes: list[str] = []  # what ``explain`` says besides
        self.read_of: dict[Identity, None] = {}  # the objects that more than values was read of, in order
        self._sharing: dict[Storage, list[State]] = {}  # the states of a buffer with several handles
        self._named: dict[str, int] = {}  # how many states have a name
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._aliases = Aliases(self.emit, self.outer is not None)
        # Of buffers with several handles: the writes so far, and after how many of them a value is what its handle sees.
        self._writes: dict[Storage, int] = {}
        self._current: dict[tuple[Storage, Value], int] = {}

    # -- what the core asks ---------------------------------------------------------------------

    def read(self, array: Any) -> Value:
        """The value that an array has now, at this point of the trace; of an array from outside, an input."""
        value = self._value(array)
        storage = array._storage
        if storage is not None and self._current.get((storage, value), 0) != self._writes.get(storage, 0):
            value = self._again(array, value)
        return value

    def _again(self, array: Any, before: Value) -> Value:
        """The value of a view, now that its memory was written through another array."""
        value = self._aliases.again(array, self.read)
        if value is None:
            fail(
                TraceError,
                "in-place write",
                expected="no writes to arrays that share memory, unless they are views made in the compiled function",
                got=f"a use of {before.spec}, whose memory was written through another array",
                fix="x[...] = v on the array itself, or a copy in place of the view",
            )
        self._hold(array, value)
        return value

    def _value(self, array: Any) -> Value:
        data = array._data
        if type(data) is Value and data.owner is self:
            return data
        return self._state(array).now

    def alias(self, source: Any, view: Any) -> None:
        """Note that ``view`` shares the memory of ``source``, so that a write to one shows in the other."""
        before, after = self._value(source), self._value(view)
        if not self._aliases.add(source, view, after.node if after is not before else None):
            return
        storage = view._storage = source.storage()
        if (state := self.states.get(id(source))) is not None:
            self._sharers(state, storage)
        for value in (before, after):
            self._current[storage, value] = self._writes.get(storage, 0)

    def is_part(self, view: Any, source: Any, key: Any) -> bool:
        """Whether ``view`` is the part of ``source`` that ``key`` names."""
        return self._aliases.is_part(view, source, key)

    def is_view(self, array: Any) -> bool:
        """Whether an array shares the memory of another that the trace knows."""
        return self._aliases.is_view(array)

    def write(self, array: Any, value: Value) -> None:
        """From here on ``array``, and what shares its memory, has ``value``."""
        if (storage := array._storage) is not None:
            self._writes[storage] = self._writes.get(storage, 0) + 1
        self._hold(array, value)
        for source, whole in self._aliases.behind(array, value, self._value):
            self._hold(source, whole)

    def _hold(self, array: Any, value: Value) -> None:
        """Make ``value`` what ``array`` is from here on."""
        if (storage := array._storage) is not None:
            self._current[storage, value] = self._writes.get(storage, 0)
        data = array._data
        if type(data) is Value and data.owner is self:
            array._data = value
            return
        state = self._state(array)
        state.now = value
        self._refuse_aliases(state)

    @property
    def in_order(self) -> set[int]:
        """The ids of the arrays from outside that must lie in order, without gaps, for what was traced to hold."""
        return set(self._aliases.in_order)

    def is_written(self, array: Any) -> bool:
        """Whether the trace has written to an array from outside."""
        state = self.states.get(id(array))
        return state is not None and state.now is not state.before

    def depends_on(self, thing: Any, name: str = "") -> None:
        """Note that the trace read ``name`` of an object: another version of it is another program."""
        if self.outer is not None:
            self.outer.depends_on(thing, name)
        else:
            self.read_of[identity(thing, name)] = None

    def before_run(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on the host before each run of what is being compiled, the first included."""
        if callback not in self.callbacks:
            self.callbacks.append(callback)

    def on_host(self, action: Callable[[], None]) -> None:
        """Run ``action`` on the host for each time that the compiled code comes by here, in the order of the code, before it runs."""
        self.callbacks.append(action)

    def from_host(self, draw: Callable[[], float], dtype: Any, devices: Sequence[Device], name: str, first: float) -> list[Any]:
        """Arrays of no dimensions, one on each device, with the number that ``draw`` gives on the host each time the code comes by here.

        ``name`` is what graphs call them; ``first`` is what they are until the first run.
        """
        table, arrays = self.host_numbers((), dtype, devices, name, first)
        self.on_host(functools.partial(table.take, draw))
        return arrays

    def host_numbers(
        self, shape: tuple[int, ...], dtype: Any, devices: Sequence[Device], name: str, first: float
    ) -> tuple[HostNumbers, list[Any]]:
        """A table of such numbers, and its part that the traced code reads."""
        table = HostNumbers(shape, dtype, devices, name, first)
        self.before_run(table.begin)
        return table, table.arrays

    def note(self, line: str) -> None:
        """Have ``explain`` say it of what is being compiled."""
        if line not in self.notes:
            self.notes.append(line)

    def emit(self, op: Op, operands: Sequence[Any], attrs: dict[str, Any], device: Device) -> Any:
        """Append a node; its output, or a tuple of them. Python numbers among the operands become constants."""
        if any(type(x) is not Value for x in operands):
            # Beside arrays of one dtype a number is of that; to other operators it is a value by itself.
            dtype = next((x.dtype for x in operands[op.promote_from :] if type(x) is Value), None) if op.promote else None
            operands = [x if type(x) is Value else self._constant(x, dtype, device) for x in operands]
        if op.kind is Kind.COMMUNICATION and self.outer is not None:
            fail(
                TraceError,
                op.name,
                expected="communication outside of control flow",
                got="a call in the body of a loop or branch, which processes might run differently often",
                fix="calling it before or after",
            )
        result = op.infer(*[x.spec for x in operands], **attrs)
        single = isinstance(result, Spec)
        specs: Any = (result,) if single else result
        for spec in specs:
            _refuse_storage(op.name, spec)
        node = Node(op, operands, attrs, specs, device, self.site or user_site())
        self.nodes.append(node)
        for v in node.outputs:
            v.owner = self
        return node.outputs[0] if single else node.outputs

    # -- making the graph -----------------------------------------------------------------------

    def argument(self, spec: Spec, device: Device, name: str) -> Value:
        """A new input of the graph."""
        _refuse_storage("argument", spec)
        value = Value(spec.shape, spec.dtype, device)
        value.owner, value.name = self, name
        self.arguments.append(value)
        return value

    def _state(self, array: Any) -> State:
        state = self.states.get(id(array))
        if state is None:
            if type(array._data) is Value and not self._encloses(array._data.owner):
                got = f"{array._data.spec} that another trace made"
                fail(
                    TraceError,
                    "read",
                    expected="arrays of this call",
                    got=got,
                    fix="returning it from the traced function or body in place of storing it",
                )
            _refuse_storage("read", spec_of(array))
            value = Value(array.shape, array._data.dtype, array._device)
            value.owner, value.name = self, self._name(array)
            state = self.states[id(array)] = State(array, value)
            self.depends_on(array)
            self._refuse_aliases(state)
        return state

    def _name(self, array: Any) -> str:
        """What the graph calls a state: its own name, with a number where another has the same."""
        name = name_of(array) or "state"
        number = self._named[name] = self._named.get(name, -1) + 1
        return f"{name}{number}" if name == "state" else f"{name}:{number}" if number else name

    def _encloses(self, owner: object) -> bool:
        """Whether this trace is within ``owner``."""
        return self.outer is not None and (self.outer is owner or self.outer._encloses(owner))

    def _refuse_aliases(self, state: State) -> None:
        """Two handles on one buffer, one of them written: a graph of values cannot say that."""
        storage = state.array._storage
        if storage is None:
            return
        same = self._sharers(state, storage)
        if len(same) > 1 and any(s.now is not s.before for s in same):
            fail(
                TraceError,
                "in-place write",
                expected="arrays that a compiled function writes to be reached through one handle",
                got=f"two views of one buffer, {' and '.join(str(s.before.spec) for s in same)}",
                fix="copying one of them before the call",
            )

    def _sharers(self, state: State, storage: Storage) -> list[State]:
        """The states that share a buffer with one, it included."""
        same = self._sharing.setdefault(storage, [])
        if state not in same:
            same.append(state)
        return same

    def _constant(self, number: Any, dtype: Any, device: Device) -> Value:
        dtype = np.asarray(number).dtype if dtype is None else dtype
        key = (exact(number), dtype, device)
        value = self._constants.get(key)
        if value is None:
            value = self._constants[key] = self.emit(FULL, (), {"shape": (), "value": number, "dtype": dtype}, device)
        return value

    def close(self) -> None:
        """Let go of what was read and called: values of the graph go on referring to the trace that made them."""
        self.states, self.callbacks, self._sharing = {}, [], {}
        self._writes, self._current, self._aliases = {}, {}, Aliases(self.emit, self.outer is not None)

    @property
    def written(self) -> list[State]:
        """The arrays from outside that the trace has written to."""
        return [s for s in self.states.values() if s.now is not s.before]

    def graph(self, outputs: Sequence[Value]) -> Graph:
        """Everything traced so far: arguments then states in, ``outputs`` then written states out."""
        states = self.states.values()
        return Graph([*self.arguments, *(s.before for s in states)], self.nodes, [*outputs, *(s.now for s in self.written)])


def _refuse_storage(what: str, spec: Spec) -> None:
    """Programs compute with dense arrays alone."""
    if spec.storage != "default":
        fail(
            TraceError,
            what,
            expected="dense arrays in a compiled function",
            got=str(spec),
            fix="leaving it out of jit (blocks do so with such inputs, parameters and gradients), or x.tostype('default')",
        )


class tracing:
    """Make ``trace`` the active one of this thread for the body."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def __enter__(self) -> Trace:
        self.before = local.set_trace(self.trace)
        return self.trace

    def __exit__(self, *exc: object) -> None:
        local.set_trace(self.before)


def trace_op(name: str, parts: Any, specs: Sequence[Spec], attrs: Mapping[str, Any], device: Device) -> Graph:
    """The graph of an operator that ``parts`` writes in other operators.

    TraceError if it reads an array that is no operand.
    """
    trace = Trace()
    before = local.set(recording=False)
    try:
        with tracing(trace), computing_in(None):
            arrays = [wrap(NDArray, trace.argument(s, device, ""), device) for s in specs]
            result = parts(*arrays, **attrs)
            results = result if isinstance(result, tuple) else (result,)
            outputs = [trace.read(r) if isinstance(r, Array) else trace._constant(r, specs[0].dtype, device) for r in results]
    finally:
        local.set(recording=before[0])
    if trace.states:
        fail(TraceError, name, expected="an expansion that reads its operands alone", got=f"{len(trace.states)} other arrays")
    return trace.graph(outputs)
