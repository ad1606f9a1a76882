"""The worker's side: one peer runs one workload in one mode, in a process of its own that the runner commands.

It is served as ``gpu/process.py`` says. The worker says ``started`` once its imports are done; ``prepare`` builds and compiles
everything and compares; ``time`` takes samples of one point; ``tell`` says what its program is, for the record.
"""

from __future__ import annotations

import argparse
import gc
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from gpu.process import serve
from gpu.sizes import SIZES, Sizes

SAMPLE_SECONDS = 0.01  # a sample is as many calls as take this long, at least one
MOST_CALLS = 200  # of one sample: what is queued on a device has a limit
LEAST_SAMPLES = 3


class Clock(Protocol):
    """How a peer measures time."""

    def sample(self, call: Callable[[], Any], n: int) -> float:
        """Seconds a call, from ``n`` calls in a row, by the device where that can be asked."""

    def wait(self) -> None:
        """Return once everything asked for is computed."""


class HostClock:
    """The host's clock around the calls and a wait for them."""

    def __init__(self, wait: Callable[[], Any] = lambda: None) -> None:
        self.wait = wait

    def sample(self, call: Callable[[], Any], n: int) -> float:
        begin = time.perf_counter()
        for _ in range(n):
            call()
        self.wait()
        return (time.perf_counter() - begin) / n


class LaunchClock(HostClock):
    """The host's clock around the calls alone: how long asking takes, not computing."""

    def sample(self, call: Callable[[], Any], n: int) -> float:
        begin = time.perf_counter()
        for _ in range(n):
            call()
        spent = (time.perf_counter() - begin) / n
        self.wait()
        return spent


@dataclass
class Point:
    """One thing to time.

    call: one step; it may leave its work queued.
    checks: called once before anything is timed: numbers that all peers must agree on, by name.
    figures: filled by ``checks``: what is measured once.
    least_bytes: what must be read and written at least, where that is what limits.
    clock: another than the peer's.
    programs: what it compiles, for machines that compile its CUDA C++ beforehand or count its steps.
    memory: what the memory plan of its step comes to, of a compiled one.
    tell: called once after everything has been timed: what the record says of its program.
    """

    call: Callable[[], Any]
    checks: Callable[[], dict[str, list[float]]]
    figures: dict[str, float] = field(default_factory=dict)
    least_bytes: int = 0
    clock: Clock | None = None
    programs: Callable[[], Sequence[Any]] = tuple
    memory: Callable[[], Any] = dict
    tell: Callable[[], dict[str, Any]] = dict


#: A workload in one mode: its points by name, each built when it is its turn.
Build = Callable[[Sizes, str], Mapping[str, Callable[[], Point]]]


@dataclass
class Peer:
    """A library: its workloads, each with its modes; its clock; the largest number of bytes its arrays took on the device.

    ``about``: what it says of the device and of the libraries that it found.
    """

    workloads: Mapping[str, Mapping[str, Build]]
    clock: Callable[[str], Clock]
    memory: Callable[[str], int]
    versions: Mapping[str, str]
    about: Callable[[str], dict[str, Any]] = lambda device: {}


def numbers(array: Any) -> list[float]:
    """What is compared of an array: its size is cut to a million numbers; their norm and their sums with two patterns."""
    flat = np.asarray(array, dtype="float64").reshape(-1)[: 1 << 20]
    pattern = np.arange(flat.size) * 0.7
    return [float(np.linalg.norm(flat)), float(flat @ np.cos(pattern)), float(flat @ np.sin(pattern))]


def losses_of(step: Callable[[], Any], number: Callable[[Any], float], count: int, settled: Callable[[], Any]) -> list[float]:
    """The losses of the first ``count`` steps; ``settled`` is called after the first."""
    found = [number(step())]
    settled()
    return found + [number(step()) for _ in range(count - 1)]


def _take(point: Point, clock: Clock, seconds: float) -> list[float]:
    clock = point.clock or clock
    clock.sample(point.call, 1)
    n = max(1, min(MOST_CALLS, round(SAMPLE_SECONDS / max(clock.sample(point.call, 2), 1e-7))))
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < LEAST_SAMPLES or time.perf_counter() < end:
        samples.append(clock.sample(point.call, n))
    return samples


class _Session:
    def __init__(self, peer: Peer, build: Build, sizes: Sizes, device: str) -> None:
        self.peer, self.build, self.sizes, self.device = peer, build, sizes, device
        self.clock = peer.clock(device)
        self.points: dict[str, Point] = {}

    def prepare(self, say: Callable[..., None]) -> None:
        """Build, compile and check each point; one that fails costs itself alone."""
        for name, make in self.build(self.sizes, self.device).items():
            begin = time.perf_counter()
            try:
                point = make()
                checks = point.checks()
                self.clock.sample(point.call, 3)
            except Exception:
                say(point=name, error=traceback.format_exc(limit=-6))
                continue
            self.points[name] = point
            say(
                point=name,
                checks=checks,
                figures={**point.figures, "seconds to prepare": time.perf_counter() - begin},
                least_bytes=point.least_bytes,
            )
        gc.collect()
        say(prepared=True, memory=self.peer.memory(self.device))


def main(peer: Peer) -> None:
    """The command line of a worker: workload, mode, ``--device`` and ``--sizes``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=list(peer.workloads))
    parser.add_argument("mode")
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--sizes", choices=list(SIZES), default="full")
    arguments = parser.parse_args()
    session = _Session(peer, peer.workloads[arguments.workload][arguments.mode], SIZES[arguments.sizes], arguments.device)
    session.clock.wait()

    def answer(command: dict[str, Any], say: Callable[..., None]) -> None:
        if command["do"] == "prepare":
            session.prepare(say)
        elif command["do"] == "time":
            say(samples=_take(session.points[command["point"]], session.clock, command["seconds"]))
        else:
            say(told=session.points[command["point"]].tell())

    serve(answer, versions=dict(peer.versions), about=peer.about(arguments.device))
