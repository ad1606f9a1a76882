"""The checker of traces finds what it is for."""

from typing import Any

import pytest
from support.trace_format import faults

GOOD: list[dict[str, Any]] = [
    {"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": "p"}},
    {"name": "a", "ph": "X", "ts": 10, "dur": 10.5, "pid": 1, "tid": 0},
    {"name": "b", "ph": "X", "ts": 12, "dur": 8.5, "pid": 1, "tid": 0, "args": {"k": 1}},
    {"name": "c", "ph": "C", "ts": 12, "pid": 1, "tid": 0, "args": {"c": 3}},
    {"name": "i", "ph": "i", "ts": 13, "pid": 1, "tid": 0, "s": "p"},
    {"name": "t", "cat": "x", "ph": "b", "id": 1, "ts": 13, "pid": 1, "tid": 0},
    {"name": "t", "cat": "x", "ph": "e", "id": 1, "ts": 15, "pid": 1, "tid": 1},
    {"name": "s", "ph": "B", "ts": 1, "pid": 1, "tid": 3},
    {"name": "s", "ph": "E", "ts": 2, "pid": 1, "tid": 3},
]


def test_a_good_trace() -> None:
    assert faults({"traceEvents": GOOD, "displayTimeUnit": "ms"}) == []


@pytest.mark.parametrize(
    ("event", "change", "fault"),
    [
        (0, {"args": {}}, "metadata without its value"),
        (1, {"ts": float("nan")}, "ts is no time"),
        (1, {"dur": -1}, "dur is no time"),
        (1, {"pid": "1"}, "pid is no integer"),
        (1, {"ph": "Z"}, "a phase that there is not"),
        (1, {"name": ""}, "no name"),
        (2, {"dur": 8.6}, "b ends after a, in which it began"),
        (2, {"args": []}, "args is no object"),
        (3, {"args": {"c": "3"}}, "a counter without numbers"),
        (4, {"s": "x"}, "a scope that there is not"),
        (5, {"cat": ""}, "without id or category"),
        (6, {"id": 2}, "that has not begun"),
        (7, {"tid": 4}, "that has not begun"),
        (8, {"name": "r"}, "an end of r in another"),
    ],
)
def test_each_fault_is_found(event: int, change: dict[str, Any], fault: str) -> None:
    events = [e | change if i == event else e for i, e in enumerate(GOOD)]
    assert any(fault in found for found in faults({"traceEvents": events}))


def test_what_is_no_trace() -> None:
    assert faults([]) and faults({"traceEvents": 3}) and faults({"traceEvents": [3]})
    assert faults({"traceEvents": [], "displayTimeUnit": "s"})
