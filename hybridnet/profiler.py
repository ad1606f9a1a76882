"""``mx.profiler``: what operators take, and marks of a program's own, as a table or as a trace for chrome://tracing.

While it runs, operators that this thread calls are timed (:func:`hybridnet.hooks.operator_hook`). What runs inside a compiled program is
not told here: ``net.profile(x)`` times each of its steps. On a GPU the times are those of handing work over.
"""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.hooks import OperatorCall, operator_hook

#: What :func:`set_config` takes, with its defaults.
_DEFAULTS: dict[str, Any] = {
    "filename": "profile.json",
    "gpu_memory_profile_filename_prefix": "gpu_memory_profile",
    "profile_all": False,
    "profile_symbolic": False,
    "profile_imperative": False,
    "profile_memory": False,
    "profile_api": False,
    "contiguous_dump": False,
    "continuous_dump": False,
    "dump_period": 1.0,
    "aggregate_stats": False,
    "profile_process": "worker",
}
_ORDERS = {"total": 1, "avg": 4, "min": 2, "max": 3, "count": 0}


@dataclass
class _Session:
    """What is being recorded: events of the trace, and by category and name the durations in milliseconds, or a counter's values."""

    config: dict[str, Any] = field(default_factory=lambda: dict(_DEFAULTS))
    state: str = "stop"
    paused: bool = False
    hook: operator_hook | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def records(self) -> bool:
        return self.state == "run" and not self.paused

    def event(self, phase: str, category: str, name: str, **more: Any) -> None:
        if self.records:
            now = time.perf_counter_ns() // 1000
            self.events.append(
                {"name": name, "cat": category, "ph": phase, "ts": now, "pid": os.getpid(), "tid": threading.get_ident(), **more}
            )

    def add(self, category: str, name: str, value: float) -> None:
        if self.records:
            self.sums.setdefault(category, {}).setdefault(name, []).append(value)


_session = _Session()


def _around(call: OperatorCall, compute: Callable[[], Any]) -> Any:
    _session.event("B", "operator", call.name)
    begin = time.perf_counter()
    try:
        return compute()
    finally:
        _session.add("operator", call.name, (time.perf_counter() - begin) * 1e3)
        _session.event("E", "operator", call.name)


def set_config(**kwargs: Any) -> None:
    """Set up: ``filename`` of the trace, ``profile_all``, ``profile_imperative`` …. ArgumentError for what MXNet does not take.

    Operators are timed with ``profile_all`` or ``profile_imperative``; marks always.
    """
    for name in kwargs:
        if name not in _DEFAULTS:
            fail(ArgumentError, "profiler.set_config", expected="one of " + ", ".join(_DEFAULTS), got=repr(name))
    _session.config.update(kwargs)


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """``run`` or ``stop``. ArgumentError for another."""
    if state not in ("run", "stop"):
        fail(ArgumentError, "profiler.set_state", expected="'run' or 'stop'", got=repr(state))
    config = _session.config
    if state == "run" and _session.hook is None and (config["profile_all"] or config["profile_imperative"]):
        _session.hook = operator_hook(_around)
        _session.hook.attach()
    if state == "stop" and _session.hook is not None:
        _session.hook.detach()
        _session.hook = None
    _session.state = state
    _session.paused = False


def pause(profile_process: str = "worker") -> None:
    """Record nothing until :func:`resume`."""
    _session.paused = True


def resume(profile_process: str = "worker") -> None:
    """Record again after :func:`pause`."""
    _session.paused = False


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write the trace to the file of :func:`set_config`; with ``finished`` recording ends."""
    with open(_session.config["filename"], "w", encoding="utf-8") as file:
        json.dump({"traceEvents": _session.events, "displayTimeUnit": "ms"}, file)
    if finished:
        set_state("stop")


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:
    """The sums by name: a table, or JSON. ``sort_by``: ``total``, ``avg``, ``min``, ``max`` or ``count``. ArgumentError for another."""
    if sort_by not in _ORDERS:
        fail(ArgumentError, "profiler.dumps", expected="sort_by of " + ", ".join(_ORDERS), got=repr(sort_by))
    if format not in ("table", "json"):
        fail(ArgumentError, "profiler.dumps", expected="format table or json", got=repr(format))
    groups = {}
    for category, names in _session.sums.items():
        rows = [(name, (len(v), sum(v), min(v), max(v), sum(v) / len(v))) for name, v in names.items()]
        groups[category] = sorted(rows, key=lambda row: row[1][_ORDERS[sort_by]], reverse=not ascending)
    if reset:
        _session.sums = {}
    if format == "json":
        keys = ("Count", "Total", "Min", "Max", "Avg")
        return json.dumps(
            {"Time": {c: {name: dict(zip(keys, v, strict=True)) for name, v in rows} for c, rows in groups.items()}, "Unit": {"Time": "ms"}}
        )
    lines = ["", "Profile Statistics:"]
    head = ("Name", "Total Count", "Time (ms)", "Min Time (ms)", "Max Time (ms)", "Avg Time (ms)")
    for category, rows in groups.items():
        lines += [category, "=" * 17, f"{head[0]:<24}" + "".join(f"{h:>17}" for h in head[1:])]
        lines += [f"{name:<24}{v[0]:>17}" + "".join(f"{x:>17.4f}" for x in v[1:]) for name, v in rows] + [""]
    return "\n".join(lines)


def set_kvstore_handle(handle: Any) -> None:
    """Takes a store whose servers should be profiled too; stores of one process have none."""


def _older(name: str, newer: str) -> None:
    warnings.warn(f"profiler.{name}() is deprecated. Please use profiler.{newer}() instead", DeprecationWarning, stacklevel=3)


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """The older form of :func:`set_config`: ``mode`` is ``symbolic``, ``imperative``, ``api``, ``memory`` or ``all``."""
    _older("profiler_set_config", "set_config")
    set_config(filename=filename, **{f"profile_{mode}": True})


def profiler_set_state(state: str = "stop") -> None:
    """The older name of :func:`set_state`."""
    _older("profiler_set_state", "set_state")
    set_state(state)


def dump_profile() -> None:
    """The older name of :func:`dump`."""
    _older("dump_profile", "dump")
    dump(True)


class Domain:
    """A group of marks, by name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """A :class:`Task` of this group."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """A :class:`Frame` of this group."""
        return Frame(self, name)

    def new_counter(self, name: str, value: float | None = None) -> Counter:
        """A :class:`Counter` of this group."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """A :class:`Marker` of this group."""
        return Marker(self, name)


class _Span:
    """Something that starts and stops; also a ``with`` block."""

    def __init__(self, category: str, name: str) -> None:
        self.name = name
        self._category = category
        self._begin: float | None = None

    def start(self) -> None:
        """It begins."""
        self._begin = time.perf_counter()
        _session.event("B", self._category, self.name)

    def stop(self) -> None:
        """It ends. Nothing happens if it has not begun."""
        if self._begin is not None:
            _session.event("E", self._category, self.name)
            _session.add(self._category, self.name, (time.perf_counter() - self._begin) * 1e3)
            self._begin = None

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return self.name


class Task(_Span):
    """A piece of work of a program's own."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(domain.name, name)


class Frame(_Span):
    """A piece of work that comes again and again, such as a batch."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(domain.name, name)


class Event(_Span):
    """A piece of work of one thread."""

    def __init__(self, name: str) -> None:
        super().__init__("event", name)


class Counter:
    """A number that changes, as a curve in the trace."""

    def __init__(self, domain: Domain, name: str, value: float | None = None) -> None:
        self.name = name
        self._domain = domain
        self._value = 0.0
        if value is not None:
            self.set_value(value)

    def set_value(self, value: float) -> None:
        """Its value from now on."""
        self._value = value
        _session.event("C", self._domain.name, self.name, args={self.name: value})
        _session.add(self._domain.name, self.name, value)

    def increment(self, delta: float = 1) -> None:
        """Add to it."""
        self.set_value(self._value + delta)

    def decrement(self, delta: float = 1) -> None:
        """Take from it."""
        self.set_value(self._value - delta)

    def __iadd__(self, delta: float) -> Counter:
        self.increment(delta)
        return self

    def __isub__(self, delta: float) -> Counter:
        self.decrement(delta)
        return self

    def __str__(self) -> str:
        return self.name


class Marker:
    """A moment in the trace."""

    def __init__(self, domain: Domain, name: str) -> None:
        self.name = name
        self._domain = domain

    def mark(self, scope: str = "process") -> None:
        """Now. ``scope``: ``global``, ``process``, ``thread``, ``task`` or ``marker``, which says how wide the trace shows it."""
        _session.event("i", self._domain.name, self.name, s={"global": "g", "process": "p"}.get(scope, "t"))
