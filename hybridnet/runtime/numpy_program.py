"""Running a NumPy program.

A program's text is compiled once and bound to each arena that it is lent; a run that must keep
values for a backward holds its arena until that has run or died.
"""

from __future__ import annotations

import linecache
import traceback
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from hybridnet.codegen.loop_text import loops_of
from hybridnet.codegen.numpy_program import Source, write_numpy_program
from hybridnet.core import failure
from hybridnet.device import loops, threads
from hybridnet.device.communicate import world
from hybridnet.errors import HybridnetError
from hybridnet.graph.backend import LibraryPlan, implementation_of
from hybridnet.graph.ir import Node
from hybridnet.graph.messages import told
from hybridnet.graph.refusals import refused
from hybridnet.lowering import prepare
from hybridnet.runtime.arena import Arena, take
from hybridnet.runtime.flat import FlatState, can_flatten
from hybridnet.runtime.lease import Lease, leased
from hybridnet.runtime.prepared import Prepared
from hybridnet.runtime.spec import ProgramSpec
from hybridnet.runtime.sweep import sweep


def bound_text(text: str, names: Mapping[str, Any], file: str) -> Any:
    """The function ``bind`` of a program's text. Tracebacks show the program's lines, in a file of that name."""
    found = {**names, "sweep": sweep}
    exec(compile(text, file, "exec"), found)
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    bind = found.pop("bind")  # whose globals these names are: the two would hold each other
    weakref.finalize(bind, linecache.cache.pop, file, None)
    return bind


def _library_line(node: Node) -> str:
    """What a library computes of a program, or refused to and why; nothing of a node that is no library's."""
    chosen = implementation_of(node)
    if node.communicates:
        return f"  {told(node)} by {world().name}"
    if isinstance(chosen, LibraryPlan):
        return f"  {node.op.name} by {chosen.call.name}"
    if (refusal := refused(node)) is not None:
        return f"  {node.op.name} by NumPy: {refusal.library} has no plan for {refusal.wanted}: {refusal.reason}"
    return ""


class Instance:
    """A program bound to an arena."""

    __slots__ = ("arena", "run", "then")

    def __init__(self, arena: Arena, bind: Any) -> None:
        self.arena = arena
        self.run = bind(arena.view)
        self.then: Any = None  # the run of the program that takes over this arena: a backward's


class NumpyProgram:
    """A graph compiled to NumPy; call it with the inputs' arrays, then the flat arrays of ``flat_inputs``."""

    bound_to_addresses = False

    def __init__(self, spec: ProgramSpec) -> None:
        self.name, states, after = spec.name, spec.states, spec.after
        self._file = f"<hybridnet {self.name} {id(self):x}>"
        cut = prepare(spec.graph)
        self.prepared = None if cut is None else Prepared(cut.first, states, self._bound_first)
        self.source: Source = write_numpy_program(
            spec.graph if cut is None else cut.main,
            spec.donate,
            spec.resident,
            lambda flat: all(i in states for i in flat) and can_flatten([states[i] for i in flat]),
            after.source.resident if after is not None else (),
            () if self.prepared is None else self.prepared.arrays,
        )
        self.donate = spec.donate
        self.written = frozenset(spec.donate.values())
        self.arena_bytes = self.source.arena_bytes
        if after is not None:
            after.arena_bytes = max(after.arena_bytes, self.arena_bytes)
        self.flats = [FlatState([states[i] for i in flat]) for flat in self.source.flats]
        self._own_bind = self.bind = bound_text(self.source.text, self.source.names, self._file)
        self.bound: dict[Arena, Instance] = {}
        self._last: Instance | None = None

    def _bound_first(self, source: Source) -> Any:
        return bound_text(source.text, source.names, f"{self._file[:-1]}, prepared>")

    @property
    def text(self) -> str:
        """The program as it runs; before it what it computes once, until an array that it reads has been written."""
        return self.source.text if self.prepared is None else f"# once\n{self.prepared.source.text}\n# at each call\n{self.source.text}"

    def explain(self) -> str:
        """How it runs, in a line, and a line for what libraries compute and for each call of the user's Python."""
        head = f"{self.name}: one NumPy program, {self.arena_bytes:,} bytes of arena; {threads.describe()}"
        called = [n for n in dict.fromkeys(self.source.nodes.values()) if n.op.python]
        found = Counter(line for node in self.source.lowered.nodes if (line := _library_line(node)))
        lines = [f"{line}, {number} times" if number > 1 else line for line, number in found.items()]
        if number := len(loops_of(self.source.names)):
            lines.append(f"  {number} regions by {loops.NAME}, once they have been called {loops.CALLS} times")
        return "\n".join(
            [head, *lines, *(f"  {n.op.name} at {n.site}: Python of its own, called between the program's lines" for n in called)]
        )

    def flat_inputs(self) -> list[Any]:
        """The buffers in which states lie flat. To be asked for before the states' own arrays: it may move them."""
        return [flat.current() for flat in self.flats]

    def rebind(self, bind: Any) -> None:
        """From the next call on run what ``bind`` gives for an arena; with ``None`` the program itself."""
        self.bind = bind or self._own_bind
        self.bound, self._last = {}, None

    def _instance(self) -> Instance:
        """The program bound to a free arena, which is held; the one of the last run if it is free."""
        instance = self._last
        if instance is None or not instance.arena.taken.acquire(blocking=False):
            arena = take(self.arena_bytes)
            try:
                instance = self.bound.get(arena)
                if instance is None:
                    instance = self.bound[arena] = Instance(arena, self.bind)
            except BaseException:
                arena.taken.release()
                raise
            self._last = instance
        return instance

    def __call__(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        if self.prepared is not None:
            self.prepared.refresh(inputs)
        instance = self._instance()
        try:
            return instance.run(inputs)
        except Exception as error:
            self._explain(error)
        finally:
            instance.arena.taken.release()

    def leased(self, inputs: Sequence[Any]) -> tuple[tuple[Any, ...], Lease]:
        """As a call, with the arena kept until the lease is dropped: returned arrays may lie in it."""
        if self.prepared is not None:
            self.prepared.refresh(inputs)
        try:
            return leased(self._instance(), inputs)
        except Exception as error:
            self._explain(error)

    def continued(self, lease: Lease, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run in the arena of another program's lease, over what is no longer read there."""
        instance = lease.instance
        if instance.then is None:
            instance.then = self.bind(instance.arena.view)
        try:
            return instance.then(inputs)
        except Exception as error:
            self._explain(error)

    def _explain(self, error: Exception) -> NoReturn:
        """Say of which operator, from which line of the user's, an error of NumPy's is: as if it had been called eagerly."""
        node = None
        for frame, line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename == self._file:
                node = self.source.nodes.get(line, node)
        if node is None or isinstance(error, (HybridnetError, MemoryError)):
            raise error
        raise failure(node.op.name, [v.spec for v in node.inputs], node.attrs, error, node.site) from error
