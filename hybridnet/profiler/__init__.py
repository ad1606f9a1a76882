"""``mx.profiler``: where the time goes, under MXNet's names, as a table and as a trace for https://ui.perfetto.dev or chrome://tracing.

::

    profiler.set_config(profile_all=True, filename="profile.json")
    profiler.set_state("run")
    ...                                 # some steps of training
    profiler.set_state("stop")
    print(profiler.dumps())             # a table
    profiler.dump()                     # the trace

It is told of operators that the thread which began it calls, of each step of each run of a compiled program, of what the host spends
on compiling and on waiting for a ``DataLoader``, and of a program's own marks. On a GPU a step's time is that of the GPU, between two
CUDA events; and NVIDIA's tools see each by its name, as an NVTX range. The steps of a CUDA program are then launched one by one, since
a CUDA graph shows none of its own.

While it does not run it costs nothing: operators and programs ask for no profiler (:mod:`hybridnet.runtime.watching`). ``net.profile(x)``
is another thing: it repeats one program's steps, each alone, and compares them with what the device can do.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.profiler.marks import Counter, Domain, Event, Frame, Marker, Task, scope, session
from hybridnet.profiler.report import ORDERS, as_json, groups, table, trace

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
_TOLD = {"profile_imperative": "operators", "profile_symbolic": "programs", "profile_api": "host"}
_config = dict(_DEFAULTS)


def set_config(**kwargs: Any) -> None:
    """Set up: ``filename`` of the trace, and what is recorded. ArgumentError for what MXNet does not take.

    ``profile_imperative``: operators that are called; ``profile_symbolic``: steps of compiled programs; ``profile_api``: what the host
    compiles and waits for; ``profile_all``: all three. Marks are always. What else MXNet takes is kept, without effect.
    """
    for name in kwargs:
        if name not in _DEFAULTS:
            fail(ArgumentError, "profiler.set_config", expected="one of " + ", ".join(_DEFAULTS), got=repr(name))
    _config.update(kwargs)


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """``run`` or ``stop``. ArgumentError for another."""
    if state not in ("run", "stop"):
        fail(ArgumentError, "profiler.set_state", expected="'run' or 'stop'", got=repr(state))
    if state == "run" and session.state != "run":
        session.begin(frozenset(told for flag, told in _TOLD.items() if _config[flag] or _config["profile_all"]))
    elif state == "stop":
        session.end()


def pause(profile_process: str = "worker") -> None:
    """Record nothing until :func:`resume`."""
    session.paused = True


def resume(profile_process: str = "worker") -> None:
    """Record again after :func:`pause`."""
    session.paused = False


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write the trace to the file of :func:`set_config`; with ``finished`` recording ends. Waits for GPUs."""
    session.resolve()
    Path(_config["filename"]).write_text(json.dumps(trace(session), allow_nan=False), encoding="utf-8")
    if finished:
        set_state("stop")


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:
    """The sums by name: a table, or JSON; ``reset`` begins them anew. Waits for GPUs.

    ``sort_by``: ``total``, ``avg``, ``min``, ``max`` or ``count``. ArgumentError for another, and for another ``format``.
    """
    if sort_by not in ORDERS:
        fail(ArgumentError, "profiler.dumps", expected="sort_by of " + ", ".join(ORDERS), got=repr(sort_by))
    if format not in ("table", "json"):
        fail(ArgumentError, "profiler.dumps", expected="format table or json", got=repr(format))
    session.resolve()
    found = groups(session, sort_by, ascending)
    if reset:
        session.sums = {}
    return table(found) if format == "table" else as_json(found)


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


__all__ = [
    "Counter",
    "Domain",
    "Event",
    "Frame",
    "Marker",
    "Task",
    "dump",
    "dump_profile",
    "dumps",
    "pause",
    "profiler_set_config",
    "profiler_set_state",
    "resume",
    "scope",
    "set_config",
    "set_kvstore_handle",
    "set_state",
]
