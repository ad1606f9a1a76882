"""What is recorded while a profile is made: spans of the host's time and of GPUs', numbers and moments.

Times are nanoseconds of ``time.perf_counter_ns``. A GPU's marks become times when they are asked for, so that recording waits for nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hybridnet.core import Array
from hybridnet.device import Device, mark, named_range, seconds_between
from hybridnet.hooks import OperatorCall, operator_hook
from hybridnet.runtime.timing import TimedStep
from hybridnet.runtime.watching import watch

now = time.perf_counter_ns


class Span(NamedTuple):
    """Something that took time: on a thread of the host (its number) or on a GPU (its name)."""

    category: str
    name: str
    begin: int
    end: int
    track: int | str
    args: dict[str, Any] = {}
    nests: bool = True  # whether it lies within, or apart from, every other of its track


class Reading(NamedTuple):
    """A counter's value at a time."""

    category: str
    name: str
    time: int
    value: float


class Moment(NamedTuple):
    """A marker. ``scope``: ``g``, ``p`` or ``t``, how wide it is shown."""

    category: str
    name: str
    time: int
    track: int
    scope: str


class _Pending(NamedTuple):
    """Steps on a GPU between marks, of which the times are not known yet; a name and a dict of each."""

    device: Device
    category: str
    steps: Sequence[tuple[str, dict[str, Any]]]
    marks: Sequence[Any]


class Session:
    """One profile: its state, what it has recorded, and the sums by name."""

    def __init__(self) -> None:
        self.state, self.paused = "stop", False
        self.events: list[Span | Reading | Moment] = []
        self.sums: dict[str, dict[str, list[float]]] = {}  # category, name: count, total, least and largest, in ms (or a counter's values)
        self._pending: list[_Pending] = []
        self._starts: dict[Device, tuple[Any, int]] = {}  # a mark of each GPU, and when the host saw that it was reached
        self._own = threading.local()  # ``hook``: around the operators of a thread that has begun a profile
        self._lock = threading.Lock()
        self.told = frozenset[str]()  # of what it is told: operators, programs, host

    @property
    def records(self) -> bool:
        """Whether anything is recorded now."""
        return self.state == "run" and not self.paused

    def begin(self, told: frozenset[str]) -> None:
        """Record from now on, of what is named: ``operators`` of this thread, steps of ``programs``, the ``host``."""
        self.end()
        self.state, self.paused, self.told = "run", False, told
        if "operators" in told:
            self._own.hook = operator_hook(self._around)
            self._own.hook.attach()
        if told & {"programs", "host"}:
            watch(self)

    def end(self) -> None:
        """Record no more; programs run as they did before, and operators of this thread. What another began tells in vain from now on."""
        if self.state == "run":
            watch(None)
        hook = self._own.__dict__.pop("hook", None)
        if hook is not None:
            hook.detach()
        self.state, self.paused = "stop", False

    # -- what is recorded ---------------------------------------------------------------------------

    def add(self, event: Span | Reading | Moment) -> None:
        """An event, counted in its sum."""
        if self.records:
            self._add(event)

    def _add(self, event: Span | Reading | Moment) -> None:
        with self._lock:
            self.events.append(event)
            names = self.sums.setdefault(event.category, {})
            if isinstance(event, Moment):
                return  # as MXNet's: a group without a line
            value = event.value if isinstance(event, Reading) else (event.end - event.begin) / 1e6
            found = names.setdefault(event.name, [0, 0.0, value, value])
            found[:] = found[0] + 1, found[1] + value, min(found[2], value), max(found[3], value)

    def resolve(self) -> None:
        """Turn what GPUs have done into spans; waits for them."""
        pending, self._pending = self._pending, []
        for device, category, steps, marks in pending:
            first, seen = self._starts[device]
            times = [seen + round(seconds_between(first, m) * 1e9) for m in marks]
            for (name, args), begin, end in zip(steps, times, times[1:], strict=False):
                self._add(Span(category, name, begin, max(begin, end), str(device), args))

    def _start(self, device: Device) -> None:
        if device not in self._starts:
            first = mark(device)
            first.synchronize()
            self._starts[device] = first, now()

    # -- who tells ----------------------------------------------------------------------------------

    def _around(self, call: OperatorCall, compute: Callable[[], Any]) -> Any:
        """The hook around operators."""
        if not (self.records and "operators" in self.told):
            return compute()
        device = next((x._device for x in call.inputs if isinstance(x, Array) and x._device.is_gpu), None)
        if device is not None:
            self._start(device)
            with named_range(call.name):
                first = mark(device)
                result = compute()
                self._pending.append(_Pending(device, "operator", [(call.name, {})], [first, mark(device)]))
            return result
        begin = now()
        try:
            return compute()
        finally:
            self._add(Span("operator", call.name, begin, now(), threading.get_ident()))

    def ran(self, program: str, steps: Sequence[TimedStep], stamps: Sequence[int]) -> None:
        """A NumPy program has run."""
        if self.records and "programs" in self.told and stamps:
            track = threading.get_ident()
            self._add(Span("program", program, stamps[0], stamps[-1], track))
            for step, begin, end in zip(steps, stamps, stamps[1:], strict=False):
                if step.kind != "view":  # which computes nothing
                    self._add(Span("operator", step.operator, begin, end, track, _described(program, step)))

    def launched(self, program: str, device: Device, steps: Sequence[TimedStep], marks: Sequence[Any], begin: int, end: int) -> None:
        """Steps of a CUDA program have been put on a stream."""
        if self.records and "programs" in self.told:
            self._start(device)
            self._add(Span("launch", program, begin, end, threading.get_ident()))
            self._pending.append(_Pending(device, "operator", [(s.operator, _described(program, s)) for s in steps], marks))

    def spent(self, kind: str, name: str, begin: int, end: int) -> None:
        """The host has compiled something, or waited for it."""
        if self.records and "host" in self.told:
            self._add(Span(kind, name, begin, end, threading.get_ident()))


def _described(program: str, step: TimedStep) -> dict[str, Any]:
    site = step.node.site if step.node is not None else None
    found = {"program": program, "kind": step.kind, "by": step.name, "bytes": step.bytes, "flops": step.flops}
    return found | ({"from": f"{site.file}:{site.line}", "block": site.scope} if site else {})
