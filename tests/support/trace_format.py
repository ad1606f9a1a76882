"""A checker of Google's "Trace Event Format", as Perfetto and chrome://tracing read it: what they would leave out or draw wrongly.

Perfetto drops an event without a time, a complete event that neither lies within another of its thread nor apart from it, and an end
without a begin; it reads counters' values as numbers.
"""

import math
from collections.abc import Iterator
from typing import Any

NAMES = {
    "process_name": "name",
    "process_labels": "labels",
    "process_sort_index": "sort_index",
    "thread_name": "name",
    "thread_sort_index": "sort_index",
}
Event = dict[str, Any]


def faults(trace: Any) -> list[str]:
    """What is wrong with a trace, event by event; nothing if it is read as it is meant."""
    if not isinstance(trace, dict) or not isinstance(trace.get("traceEvents"), list):
        return ["expected an object with a list traceEvents"]
    events = trace["traceEvents"]
    found = [f"event {i}: {fault}" for i, event in enumerate(events) for fault in _of_one(event)]
    if trace.get("displayTimeUnit", "ms") not in ("ms", "ns"):
        found.append("displayTimeUnit is ms or ns")
    return found or [*_nesting(events), *_pairs(events, "B", "E"), *_pairs(events, "b", "e")]


def _of_one(event: Any) -> Iterator[str]:
    if not isinstance(event, dict):
        yield "no object"
        return
    phase = event.get("ph")
    for key in ("pid", "tid"):
        if not isinstance(event.get(key), int):
            yield f"{key} is no integer"
    if phase != "E" and not (isinstance(event.get("name"), str) and event["name"]):
        yield "no name"
    if not isinstance(event.get("args", {}), dict):
        yield "args is no object"
        return
    if phase != "M" and not _is_time(event.get("ts")):
        yield "ts is no time"
    args = event.get("args", {})
    match phase:
        case "X" if not _is_time(event.get("dur")):
            yield "dur is no time"
        case "M" if NAMES.get(event.get("name", "")) not in args:
            yield "metadata without its value"
        case "C" if not args or not all(_is_number(v) for v in args.values()):
            yield "a counter without numbers"
        case "i" if event.get("s", "t") not in ("g", "p", "t"):
            yield "a scope that there is not"
        case "b" | "e" | "n" if "id" not in event or not event.get("cat"):
            yield "an asynchronous event without id or category"
        case "X" | "M" | "C" | "i" | "b" | "e" | "n" | "B" | "E":
            pass
        case _:
            yield f"a phase that there is not: {phase!r}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_time(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _nesting(events: list[Event]) -> Iterator[str]:
    """Complete events of one thread lie within one another, or apart; in whole nanoseconds, as they are read."""
    open_: dict[tuple[int, int], list[tuple[int, str]]] = {}
    spans = [(round(e["ts"] * 1000), round((e["ts"] + e["dur"]) * 1000), e) for e in events if e["ph"] == "X"]
    for begin, end, event in sorted(spans, key=lambda s: (s[0], -s[1])):
        stack = open_.setdefault((event["pid"], event["tid"]), [])
        while stack and stack[-1][0] <= begin:
            stack.pop()
        if stack and end > stack[-1][0]:
            yield f"{event['name']} ends after {stack[-1][1]}, in which it began"
        stack.append((end, event["name"]))


def _pairs(events: list[Event], begin: str, end: str) -> Iterator[str]:
    """Each begin has its end: of a thread the last that is open, or the one of the same id."""
    open_: dict[Any, list[Event]] = {}
    for event in sorted((e for e in events if e["ph"] in (begin, end)), key=lambda e: e["ts"]):
        key = (event["pid"], event["tid"]) if begin == "B" else (event["cat"], event["id"])
        stack = open_.setdefault(key, [])
        if event["ph"] == begin:
            stack.append(event)
        elif not stack:
            yield f"an end of {event.get('name')} that has not begun"
        elif stack.pop().get("name") != event.get("name", ""):
            yield f"an end of {event.get('name')} in another"
    yield from (f"{event['name']} does not end" for stack in open_.values() for event in stack)
