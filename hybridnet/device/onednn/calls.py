"""Planned calls: as imperative operators make them, bound to a program's arrays, and with operands packed beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from hybridnet.device import refusals, threads
from hybridnet.device.onednn.layouts import address, strides_without_gaps
from hybridnet.device.onednn.loading import NAME, Unusable, available, library
from hybridnet.device.onednn.plans import PAGE, Description, Execution, Placed, Plan, planned, rounded
from hybridnet.device.onednn.team import team

#: Multiply-adds from which threads share a call. MobileNet on two otherwise idle cores: 7.8 ms; with 4 << 20, below which a call alone
#: takes less than to wake a thread, 10.2: in a program a thread has hardly gone to sleep when the next call begins.
SHARED = 20_000


def plan(description: Description) -> Call | None:
    """The call for a description; None where the library is not there or refuses, which is told."""
    return _planned_call(description, {}) if available() else None


def _planned_call(description: Description, packed: Mapping[int, Any]) -> Call | None:
    call = Call(description, packed)
    # One thread too: a call has no more beside another call, and in a process that was forked off.
    for number in (_most(call.gains), 1):
        found = call.plan(number)
        if isinstance(found, str):
            refusals.tell(NAME, description, found)
            return None
    return call


def _most(gains: bool) -> int:
    found = library()
    return threads.count() if gains and found is not None and found.runtime == "OpenMP" else 1


@lru_cache(maxsize=4096)
def _planned(description: Description, number: int) -> Plan | str:
    """The plan for a number of threads, or why there is none."""
    return _plan_on(description, number, {})


def _plan_on(description: Description, number: int, packed: Mapping[int, Any]) -> Plan | str:
    found = library()
    assert found is not None
    with team.of(number):
        return planned(found, description, packed)


class Call:
    """A planned call, on as many threads as there are when it runs."""

    session: ClassVar[Any] = team

    def __init__(self, description: Description, packed: Mapping[int, Any]) -> None:
        self.description = description
        self.gains = description.multiply_adds >= SHARED
        self._packed = packed
        self._plans: dict[int, Plan | str] = {}

    @property
    def name(self) -> str:
        """The library and what it chose."""
        return f"oneDNN {self.kernel}"

    @property
    def kernel(self) -> str:
        """What the library chose, as it calls it."""
        return self._usable(_most(self.gains)).name

    @property
    def workspace(self) -> int:
        """Bytes of scratch."""
        return max(self._usable(number).workspace for number in (_most(self.gains), 1))

    def plan(self, number: int) -> Plan | str:
        """The plan for a number of threads, or why there is none."""
        if not self._packed:
            return _planned(self.description, number)
        if number not in self._plans:
            self._plans[number] = _plan_on(self.description, number, self._packed)
        return self._plans[number]

    def _usable(self, number: int) -> Plan:
        plan = self.plan(number)
        if isinstance(plan, str):  # of a number of threads that is another than when the call was planned
            plan = self.plan(1)
            assert isinstance(plan, Plan)
        return plan

    def __call__(self, *arrays: Any, scratch: Any = None) -> None:
        """Compute the last of the arrays, the results, from the others.

        ``scratch``: an array of ``workspace`` bytes; one is made if none is given.
        """
        with team:
            plan = self._usable(team.use(self.gains))
            if scratch is None or scratch.nbytes < plan.workspace:
                scratch = np.empty(plan.workspace, np.uint8)
            try:
                _run(plan, arrays, scratch)
            except Unusable:  # of strides that it has no reorder for, before anything has run
                first = plan.first_result
                results = [np.empty(out.shape, out.dtype) for out in arrays[first:]]
                _run(plan, [*map(np.ascontiguousarray, arrays[:first]), *results], scratch)
                for out, result in zip(arrays[first:], results, strict=True):
                    out[...] = result

    def bind(self, arrays: Sequence[Any], scratch: Any) -> BoundCall:
        """The call on arrays and scratch that stay the same, but for those that are None, which each run is given."""
        return BoundCall(self, arrays, scratch)

    def packing(self, i: int) -> tuple[Packing, Call] | None:
        """How an operand is packed, and the call that takes it so; None where the library takes it as it lies, or refuses."""
        description = self.description.when_packed()
        best = self if description == self.description else _planned_call(description, self._packed)
        if best is None or not (chosen := best._usable(_most(self.gains)).placed[i]).moved_bytes:
            return None
        call = _planned_call(description, {**self._packed, i: chosen.layout})
        return None if call is None else (Packing(chosen), call)


def _run(plan: Plan, arrays: Sequence[Any], scratch: Any) -> None:
    execution = plan.execution([x.strides for x in arrays])
    for i, array in enumerate(arrays):
        execution.place(i, array)
    execution.place_scratch(scratch)
    execution.run()


class BoundCall:
    """A call on arrays that stay where they are. No two threads may run one at once, nor outside of ``with team:``."""

    __slots__ = ("_arrays", "_call", "_executions", "_given", "_scratch")

    def __init__(self, call: Call, arrays: Sequence[Any], scratch: Any) -> None:
        self._call, self._arrays, self._scratch = call, list(arrays), scratch
        self._given = [i for i, x in enumerate(arrays) if x is None]
        self._executions: dict[Any, Execution] = {}

    def __call__(self, *given: Any) -> None:
        """Compute, from the arrays that it was not bound to, in their order."""
        number = team.use(self._call.gains)
        key = (number, *[x.strides for x in given])
        execution = self._executions.get(key)
        if execution is None:
            execution = self._bound(number, given)
            if execution is None:
                return
            self._executions[key] = execution
        for i, array in zip(self._given, given, strict=True):
            execution.place(i, array)
        execution.run()

    def _bound(self, number: int, given: Sequence[Any]) -> Execution | None:
        """The execution for arrays of other strides; None if the library does not take them, and all is done."""
        arrays = list(self._arrays)
        for i, array in zip(self._given, given, strict=True):
            arrays[i] = array
        plan = self._call._usable(number)
        try:
            execution = Execution(plan, [x.strides for x in arrays])
        except Unusable:
            self._call(*arrays, scratch=self._scratch)
            return None
        for i, array in enumerate(arrays):
            execution.place(i, array)
        execution.place_scratch(self._scratch)
        return execution


class Packing:
    """An array put into the order that a call wants, once for many calls: ``packing(array, out)``, ``out`` being ``size`` bytes."""

    def __init__(self, placed: Placed) -> None:
        self._placed = placed
        self.name = "oneDNN reorder"
        self.size = placed.bytes + PAGE

    def __call__(self, array: Any, out: Any) -> None:
        """Pack an array of any strides."""
        try:
            move = self._placed.move(array.strides, out=False)
        except Unusable:
            array = np.ascontiguousarray(array)
            move = self._placed.move(strides_without_gaps(array.shape), out=False)
        assert move is not None
        bound = move.bind()
        bound.place(0, address(array))
        bound.place(1, rounded(address(out)))
        with team:
            team.use(gains=True)
            bound.run()
