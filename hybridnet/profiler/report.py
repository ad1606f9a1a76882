"""What a profile gives: a table as MXNet prints it, the same as JSON, and a trace for Perfetto and chrome://tracing.

The trace is in Google's "Trace Event Format": complete events (``X``) where spans nest, pairs (``b``, ``e``) where they may not, counters
(``C``), instants (``i``) and names of tracks (``M``). Its times are in microseconds.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

from hybridnet.profiler.session import Moment, Reading, Session, Span

#: By what lines are sorted: a field of ``count, total, least, largest, mean``.
ORDERS = {"total": 1, "avg": 4, "min": 2, "max": 3, "count": 0}
_HEAD = ("Time (ms)", "Min Time (ms)", "Max Time (ms)", "Avg Time (ms)")
_KEYS = ("Count", "Total", "Min", "Max", "Avg")

Rows = list[tuple[str, tuple[float, ...]]]


def groups(session: Session, sort_by: str, ascending: bool) -> dict[str, Rows]:
    """The sums of each category, in the order that is asked for."""
    found = {}
    for category in sorted(session.sums):
        rows = [(name, (*sums, sums[1] / sums[0])) for name, sums in session.sums[category].items()]
        found[category] = sorted(rows, key=lambda row: row[1][ORDERS[sort_by]], reverse=not ascending)
    return found


def table(found: dict[str, Rows]) -> str:
    """As MXNet prints it: a part for each category, a line for each name."""
    lines = ["", "Profile Statistics:", "\tNote the difference in units for different entries."]
    for category, rows in found.items():
        lines += [category, "=" * 17, f"{'Name':<25}{'Total Count':>16}" + "".join(f" {h:>16}" for h in _HEAD)]
        lines += [f"{'----':<25}{'-' * 11:>16}" + "".join(f" {'-' * len(h):>16}" for h in _HEAD)]
        lines += [
            f"{name:<25}{n:>16}" + "".join(f" {x:>16.4f}" for x in (total, low, high, mean)) for name, (n, total, low, high, mean) in rows
        ]
        lines.append("")
    return "\n".join([*lines, ""])


def as_json(found: dict[str, Rows]) -> str:
    """The same by names."""
    times = {category: {name: dict(zip(_KEYS, values, strict=True)) for name, values in rows} for category, rows in found.items()}
    return json.dumps({"Time": times, "Unit": {"Time": "ms", "Memory": "kB"}}, indent=4)


def trace(session: Session) -> dict[str, Any]:
    """All events, of a process: a track for each thread that told of something, and one for each GPU."""
    tracks: dict[int | str, int] = {}
    numbers, pid = itertools.count(1), os.getpid()

    def place(track: int | str) -> dict[str, int]:
        return {"pid": pid, "tid": tracks.setdefault(track, len(tracks))}

    events = [event for told in sorted(session.events, key=_age) for event in _written(told, place, numbers)]
    names = [{"name": "process_name", "ph": "M", "pid": pid, "tid": 0, "args": {"name": "hybridnet"}}]
    for track, tid in tracks.items():
        shown = track if isinstance(track, str) else f"thread {tid}"
        names.append({"name": "thread_name", "ph": "M", "pid": pid, "tid": tid, "args": {"name": shown}})
    return {"traceEvents": [*names, *events], "displayTimeUnit": "ms"}


def _age(event: Span | Reading | Moment) -> tuple[int, int]:
    """When it began; of those that began at once the longest first."""
    return (event.begin, -event.end) if isinstance(event, Span) else (event.time, 0)


def _written(event: Span | Reading | Moment, place: Any, numbers: Any) -> list[dict[str, Any]]:
    common = {"name": event.name, "cat": event.category}
    if isinstance(event, Reading):
        return [{**common, "ph": "C", "ts": event.time / 1000, **place(0), "args": {event.name: event.value}}]
    if isinstance(event, Moment):
        return [{**common, "ph": "i", "ts": event.time / 1000, **place(event.track), "s": event.scope}]
    if event.nests:
        times = {"ts": event.begin / 1000, "dur": (event.end - event.begin) / 1000}
        return [{**common, "ph": "X", **times, **place(event.track), "args": event.args}]
    pair = {**common, **place(event.track), "id": next(numbers)}
    return [{**pair, "ph": "b", "ts": event.begin / 1000}, {**pair, "ph": "e", "ts": event.end / 1000}]
