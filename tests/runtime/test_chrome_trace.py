"""Profiles in Chrome's trace format: events nest by program and block."""

from typing import Any

import numpy
import pytest
from support.trace_format import faults

from hybridnet.runtime.chrome_trace import chrome_trace
from hybridnet.runtime.record import ProgramRecord, StepRecord


def spans(trace: dict[str, Any]) -> list[tuple[int, int, dict[str, Any]]]:
    """Begin and end, in nanoseconds, of each event that lasts."""
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    return [(round(e["ts"] * 1000), round((e["ts"] + e["dur"]) * 1000), e) for e in events]


@pytest.mark.parametrize("seed", range(8))
def test_the_chrome_trace_nests(seed: int) -> None:
    """Events lie beside or within each other; around each step lie its program and the blocks of its path, and no others."""
    rng = numpy.random.default_rng(seed)
    steps = []
    for i in range(60):
        path = ".".join(["net", "dense0", "relu", "dense0"][: rng.integers(0, 5)]) if i % 7 else f"net.dense{i}"
        program = "forward" if i < 40 else "backward"
        steps.append(
            StepRecord(i, program, "kernel", "k", "add", "a.py:1", path, float(rng.uniform(1e-6, 1e-3)), 8, 0, 0.5, "copy", "1x1", 0)
        )
    programs = [ProgramRecord(name, 1e-3, 2e-3, 40) for name in ("forward", "backward")]
    trace = chrome_trace("cpu(0)", programs, steps)
    assert faults(trace) == []
    found = spans(trace)
    for a, b, _ in found:
        assert all(d <= a or b <= c or (a <= c and d <= b) or (c <= a and b <= d) for c, d, _ in found)
    assert [e["args"]["step"] for _, _, e in found if e["cat"] == "kernel"] == [s.step for s in steps]
    for begin, end, event in found:
        if event["cat"] == "kernel":
            around = [e["name"] for c, d, e in found if c <= begin and end <= d and e["cat"] != "kernel"]
            s = steps[event["args"]["step"]]
            assert around == [f"program {s.program}", *(s.block.split(".") if s.block else [])]
    assert max(end for _, end, _ in found) == sum(round(s.seconds * 1e9) for s in steps)
