"""A profile in Chrome's trace format, for chrome://tracing and https://ui.perfetto.dev.

Steps stand one after another, each as long as it took alone, in the blocks that they come from: complete events (``"ph": "X"``)
on one thread, which nest where one lies within another. The format: Google's "Trace Event Format". Times are in microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hybridnet.runtime.record import ProgramRecord, StepRecord

Event = dict[str, Any]


class _Timeline:
    """Events in the making. Times are whole nanoseconds, so that what should end together does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 0
        self.open: list[tuple[str, int, Event]] = []  # name, start, event

    def enter(self, path: Sequence[str]) -> None:
        """Close the blocks that are not on the path, open those that are missing."""
        common = 0
        while common < min(len(path), len(self.open)) and self.open[common][0] == path[common]:
            common += 1
        while len(self.open) > common:
            _, start, event = self.open.pop()
            event["dur"] = (self.now - start) / 1000
        for name in path[common:]:
            self.open.append((name, self.now, self.add(name, "block", 0, {})))

    def add(self, name: str, category: str, nanoseconds: int, args: dict[str, Any]) -> Event:
        times = {"ts": self.now / 1000, "dur": nanoseconds / 1000}
        event = {"name": name, "cat": category, "ph": "X", "pid": 0, "tid": 0, **times, "args": args}
        self.events.append(event)
        self.now += nanoseconds
        return event


def chrome_trace(device: str, programs: Sequence[ProgramRecord], steps: Sequence[StepRecord]) -> dict[str, Any]:
    """The trace: steps within blocks, these within their program."""
    timeline = _Timeline()
    whole = {p.program: asdict(p) for p in programs}
    for step in steps:
        # A program may be called as its outermost block is: they are two levels all the same.
        timeline.enter([f"program {step.program}", *(step.block.split(".") if step.block else ())])
        timeline.add(step.operator, step.kind, round(step.seconds * 1e9), asdict(step))
    timeline.enter([])
    for event in timeline.events:
        if event["cat"] == "block" and event["name"].startswith("program "):
            event["cat"], event["args"] = "program", whole[event["name"].removeprefix("program ")]
    names = [_metadata("process_name", f"hybridnet on {device}"), _metadata("thread_name", "steps, each alone")]
    return {"traceEvents": [*names, *timeline.events], "displayTimeUnit": "ns"}


def _metadata(kind: str, name: str) -> Event:
    return {"name": kind, "ph": "M", "pid": 0, "tid": 0, "args": {"name": name}}
