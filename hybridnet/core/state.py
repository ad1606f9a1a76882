"""What a thread is doing: recording a tape, training, tracing a graph, computing in mixed precision, telling hooks.

``special`` is true when an operator call must do more than compute; the eager fast path
reads that one flag.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol


class Trace(Protocol):
    """What :mod:`hybridnet.graph.trace` offers to the core while it traces a function."""

    site: Any  # the place that nodes are given in place of the running line

    def is_written(self, array: Any) -> bool:
        """Whether the trace has written to an array that it did not make."""

    def depends_on(self, thing: Any, name: str = "") -> None:
        """Note that more than values of arrays is read of an object; its changes are from now on told to ``core.identity``."""

    def before_run(self, callback: Any) -> None:
        """Call back on the host before each run of the compiled function."""

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


class Local(threading.local):
    """The state of one thread."""

    trace: Trace | None = None
    recording: bool = False
    training: bool = False
    special: bool = False
    hooks: tuple[Any, ...] = ()  # around operators: see ``core.hooks``; on the class, those of all threads
    propagation: Any = None  # the backward that is running: ``core.tape.Propagation``
    precision: Any = None  # the policy of mixed precision, ``core.precision.Precision``; on the class, that of all threads

    def set(self, *, recording: bool | None = None, training: bool | None = None) -> tuple[bool, bool]:
        """Change the modes that are given; returns both as they were."""
        before = self.recording, self.training
        if recording is not None:
            self.recording = recording
            self.special = recording or self.trace is not None or bool(self.hooks)
        if training is not None:
            self.training = training
        return before

    def set_trace(self, trace: Trace | None) -> Trace | None:
        """Begin or end tracing; returns the trace that was active."""
        before, self.trace = self.trace, trace
        self.special = self.recording or trace is not None or bool(self.hooks)
        return before

    def set_hooks(self, hooks: tuple[Any, ...]) -> tuple[Any, ...]:
        """Change the hooks around operators; returns those that were there."""
        before, self.hooks = self.hooks, hooks
        self.special = self.recording or self.trace is not None or bool(hooks)
        return before


local = Local()


class paused_recording:
    """Compute without writing the tape: for the inside of operators."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = local.recording
        local.recording = False
        local.special = local.trace is not None

    def __exit__(self, *exc: object) -> None:
        local.recording = self.before
        local.special = self.before or local.trace is not None or bool(local.hooks)


class computing_in:
    """Compute by another policy of mixed precision, or by none: in the inside of an operator its author chooses the types."""

    __slots__ = ("before", "policy")

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def __enter__(self) -> None:
        self.before = local.__dict__.get("precision", self)  # itself where the thread has that of all threads
        local.precision = self.policy

    def __exit__(self, *exc: object) -> None:
        if self.before is self:
            del local.precision
        else:
            local.precision = self.before


class suspended_trace:
    """Compute for real inside a trace: for what must happen once, as initialising a parameter."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = local.set_trace(None), local.set(recording=False)[0]

    def __exit__(self, *exc: object) -> None:
        trace, recording = self.before
        local.set_trace(trace)
        local.set(recording=recording)
