"""Running a NumPy program: arenas, one for each run whose buffers are still needed.

A program's text is compiled once. Each arena instance binds its own ``run`` over its own buffers;
a run that must keep values for a backward leases its instance until that has run or died.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet.codegen.numpy_program import Source, write_numpy_program
from hybridnet.graph.ir import Graph
from hybridnet.runtime.flat import FlatState, can_flatten
from hybridnet.runtime.sweep import sweep


class Instance:
    """One arena and the ``run`` that is bound to it."""

    __slots__ = ("run", "then", "view")

    def __init__(self, arena_bytes: int, bind: Any) -> None:
        arena = np.empty(arena_bytes + 64, np.uint8)
        start = -arena.ctypes.data % 64  # cache lines

        def view(offset: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
            return np.ndarray(shape, dtype, arena, start + offset)

        self.view = view
        self.run = bind(view)
        self.then: Any = None  # the run of the program that takes over this arena: a backward's


class Lease:
    """Holds an instance; gives it back to its program when dropped."""

    __slots__ = ("instance", "program")

    def __init__(self, program: NumpyProgram, instance: Instance) -> None:
        self.program = program
        self.instance = instance

    def __del__(self) -> None:
        self.program.free.append(self.instance)


class NumpyProgram:
    """A graph compiled to NumPy; call it with the inputs' arrays, then the flat arrays of ``flat_inputs``."""

    def __init__(
        self,
        graph: Graph,
        donate: Mapping[int, int] | None = None,
        resident: frozenset[int] = frozenset(),
        states: Mapping[int, Any] | None = None,
        name: str = "program",
        after: NumpyProgram | None = None,
    ) -> None:
        """``after``: the program whose resident outputs are this one's first inputs, and in whose arena it runs."""
        arrays = dict(states or {})  # the state arrays by their positions among the inputs
        self.source: Source = write_numpy_program(
            graph,
            donate,
            resident,
            lambda flat: all(i in arrays for i in flat) and can_flatten([arrays[i] for i in flat]),
            after.source.resident if after is not None else (),
        )
        self.arena_bytes = self.source.arena_bytes
        if after is not None:
            after.arena_bytes = max(after.arena_bytes, self.arena_bytes)
        self.flats = [FlatState([arrays[i] for i in flat]) for flat in self.source.flats]
        names = {**self.source.names, "sweep": sweep}
        file = f"<hybridnet {name} {id(self):x}>"
        exec(compile(self.source.text, file, "exec"), names)
        # Tracebacks then show the program's lines.
        linecache.cache[file] = (len(self.source.text), None, self.source.text.splitlines(True), file)
        self._bind = names["bind"]
        self.free: list[Instance] = []

    @property
    def text(self) -> str:
        """The program as it runs."""
        return self.source.text

    def flat_inputs(self) -> list[Any]:
        """The buffers in which states lie flat. To be asked for before the states' own arrays: it may move them."""
        return [flat.current() for flat in self.flats]

    def __call__(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        instance = self.free.pop() if self.free else Instance(self.arena_bytes, self._bind)
        try:
            return instance.run(inputs)
        finally:
            self.free.append(instance)

    def continued(self, lease: Lease, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run in the arena of another program's lease, over what is no longer read there."""
        instance = lease.instance
        if instance.then is None:
            instance.then = self._bind(instance.view)
        return instance.then(inputs)

    def leased(self, inputs: Sequence[Any]) -> tuple[tuple[Any, ...], Lease]:
        """As a call, with the arena kept until the lease is dropped: returned arrays may lie in it."""
        instance = self.free.pop() if self.free else Instance(self.arena_bytes, self._bind)
        lease = Lease(self, instance)
        return instance.run(inputs), lease
