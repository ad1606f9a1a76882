"""What a thread is doing: recording a tape, training, tracing a graph, computing in mixed precision, telling hooks.

``special`` says whether an operator call must do more than compute; the straight path through ``apply``
reads that one number.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol


class Trace(Protocol):
    """What :mod:`hybridnet.graph.trace` offers to the core while it traces a function."""

    site: Any  # the place that nodes are given in place of the running line
    unrolls: bool  # whether short loops are traced step by step

    def is_written(self, array: Any) -> bool:
        """Whether the trace has written to an array that it did not make."""

    def depends_on(self, thing: Any, name: str = "") -> None:
        """Note that more than values of arrays is read of an object; its changes are from now on told to ``core.identity``."""

    def before_run(self, callback: Any) -> None:
        """Call back on the host before each run of the compiled function."""

    def from_host(self, draw: Any, dtype: Any, devices: Any, name: str, first: float) -> list[Any]:
        """Arrays, one on each device, with the number that ``draw`` gives on the host each time the compiled code comes by here."""

    def read(self, array: Any) -> Any:
        """The graph value that stands for ``array`` now; an unknown array becomes an input."""

    def alias(self, source: Any, view: Any) -> None:
        """Note that ``view`` was made as a view of ``source``."""

    def is_part(self, view: Any, source: Any, key: Any) -> bool:
        """Whether an array is the view ``source[key]``, as what ``x[0] += 1`` writes back is."""

    def is_view(self, array: Any) -> bool:
        """Whether an array is a view that was made while tracing."""

    def write(self, array: Any, value: Any) -> None:
        """Make ``value`` what ``array`` holds from here on."""

    def emit(self, op: Any, operands: list[Any], attrs: dict[str, Any], device: Any) -> Any:
        """Append a node; operands are values or Python numbers; returns one value or a tuple."""


#: ``Local.special``: operators only compute; they are written to the tape besides; they are traced, or go through hooks.
COMPUTING, RECORDING, ELSEWHERE = 0, 1, 2


class Local(threading.local):
    """The state of one thread.

    Its modes lie in the thread's own dictionary from the beginning, which those who read or write several look up once.
    """

    trace: Trace | None
    recording: bool
    training: bool
    special: int
    modes: list[tuple[bool, bool]]  # recording and training, as each context of ``autograd`` that is open found them
    hooks: tuple[Any, ...] = ()  # around operators: see ``core.hooks``; on the class, those of threads to come
    propagation: Any = None  # the backward that is running: ``core.tape.Propagation``
    precision: Any = None  # the policy of mixed precision, ``core.precision.Precision``; on the class, that of all threads

    def __init__(self) -> None:
        self.trace = None
        self.recording = self.training = False
        self.modes = []
        self.hooks = type(self).hooks
        self.special = special_of(self.__dict__)

    def set(self, *, recording: bool | None = None, training: bool | None = None) -> tuple[bool, bool]:
        """Change the modes that are given; returns both as they were."""
        before = self.recording, self.training
        if recording is not None:
            self.recording = recording
            self.special = special_of(self.__dict__)
        if training is not None:
            self.training = training
        return before

    def set_trace(self, trace: Trace | None) -> Trace | None:
        """Begin or end tracing; returns the trace that was active."""
        before, self.trace = self.trace, trace
        self.special = special_of(self.__dict__)
        return before

    def set_hooks(self, hooks: tuple[Any, ...]) -> tuple[Any, ...]:
        """Change the hooks around operators; returns those that were there."""
        before, self.hooks = self.hooks, hooks
        self.special = special_of(self.__dict__)
        return before


def special_of(own: dict[str, Any]) -> int:
    """``special`` for the other modes of a thread, which are given as its dictionary."""
    return ELSEWHERE if own["trace"] is not None or own["hooks"] else RECORDING if own["recording"] else COMPUTING


local = Local()


class paused_recording:
    """Compute without writing the tape: for the inside of operators."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        own = local.__dict__
        self.before = own["recording"]
        own["recording"] = False
        own["special"] = COMPUTING if own["trace"] is None else ELSEWHERE

    def __exit__(self, *exc: object) -> None:
        own = local.__dict__
        own["recording"] = self.before
        own["special"] = special_of(own)


_UNSET = object()


class computing_in:
    """Compute by another policy of mixed precision, or by none: in the inside of an operator its author chooses the types."""

    __slots__ = ("before", "policy")

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def __enter__(self) -> None:
        own = local.__dict__
        self.before = own.get("precision", _UNSET)  # where the thread has the policy of all threads
        own["precision"] = self.policy

    def __exit__(self, *exc: object) -> None:
        own = local.__dict__
        if self.before is _UNSET:
            del own["precision"]
        else:
            own["precision"] = self.before


class suspended_trace:
    """Compute for real inside a trace: for what must happen once, as initialising a parameter."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = local.set_trace(None), local.set(recording=False)[0]

    def __exit__(self, *exc: object) -> None:
        trace, recording = self.before
        local.set_trace(trace)
        local.set(recording=recording)
