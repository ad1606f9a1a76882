"""Which of the algorithms that a library proposes is the fastest: found out by timing, once, and kept on disk.

A library's heuristics rank its algorithms by a model of the device; the first is not always the best. A program's first run, which
launches its calls one by one, times the first :data:`CANDIDATES` of each on the call's own operands: what an algorithm writes is what the
call writes next, and its workspace, so nothing of the user's is touched and no memory is taken. No stream captures meanwhile. What was
chosen is kept in the folder of compiled kernels (:mod:`~hybridnet.device.kernel_cache`), by what was asked, the device, and the library's
version: later processes take the same algorithm, hence compute the same numbers, and plan its workspace alone.

``HYBRIDNET_AUTOTUNE=0``: the library's first, always. Imperative calls never time; they take what a program or the disk has settled.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hybridnet.config import config
from hybridnet.device import cuda, kernel_cache
from hybridnet.device.device import Device
from hybridnet.device.stream import mark, seconds_between
from hybridnet.errors import HybridnetError

#: So many of the algorithms that a library proposes are timed.
CANDIDATES = 8
#: Bytes of workspace that a candidate may ask for where the library's first asks for less.
WORKSPACE = 32 << 20

#: Seconds for which the candidates of one call are timed at most; those that are left then are not tried.
SECONDS = 0.5
#: Seconds of work between two looks at the clock, for calls that are shorter.
SPAN = 1e-3
ROUNDS = 3  # of which the fastest counts
#: One that takes so many times as long as the best so far is not timed more closely.
HOPELESS = 2
#: A later one must be so much faster than one before it: what differs by less is noise, and would be another one next time.
MARGIN = 0.02


class Choice(NamedTuple):
    """Which of several algorithms was chosen, from 0, and by what; the seconds of each, as far as they were timed."""

    which: int
    origin: str
    seconds: tuple[float, ...] = ()


class Tuned:
    """The algorithms of one call, in the library's order, and which of them it takes.

    ``asked``: all that decides what they are, the library's version included. ``names``: what tells them apart.
    """

    def __init__(self, asked: str, names: Sequence[str], device_id: int) -> None:
        self.names = tuple(names)
        self.choice = Choice(0, "the library's first")
        self.settled = len(names) < 2 or not config.autotune
        if not self.settled:
            self._device = Device("gpu", device_id)
            self._asked = _on_device(asked, device_id)
            names, choice = kept(self._asked)
            if names == self.names:
                self.choice, self.settled = choice, True

    def __str__(self) -> str:
        """For people; empty where there was nothing to choose."""
        if len(self.names) < 2:
            return ""
        found = f"algorithm {self.choice.which + 1} of {len(self.names)}, {self.choice.origin}"
        if not self.choice.seconds:
            return found
        first, chosen = self.choice.seconds[0], self.choice.seconds[self.choice.which]
        return f"{found}: {chosen * 1e6:.1f} µs" + (f", the first {first * 1e6:.1f} µs" if self.choice.which else "")

    def settle(self, run: Callable[[int], None], stream: int) -> None:
        """Time the algorithms, unless that has been done or the stream captures; ``run`` puts one on that stream, the current one."""
        if self.settled or cuda.is_capturing(stream):
            return
        with cuda.quiet:
            if self.settled:  # by another thread
                return
            seconds = _timed([lambda i=i: run(i) for i in range(len(self.names))], self._device)  # type: ignore[misc]
            self.choice = Choice(_fastest(seconds), "by timing", seconds)
            self.settled = True
            keep(self._asked, self.names, self.choice)


def _fastest(seconds: Sequence[float]) -> int:
    """The first that no other beats clearly."""
    limit = min(seconds) * (1 + MARGIN)
    return next(i for i, s in enumerate(seconds) if s <= limit)


def _timed(runs: Sequence[Callable[[], None]], device: Device) -> tuple[float, ...]:
    """Seconds that each takes; infinite of one that fails, or that there is no time for."""

    def clocked(run: Callable[[], None], times: int) -> float:
        begin = mark(device)
        for _ in range(times):
            run()
        return seconds_between(begin, mark(device)) / times

    end = time.monotonic() + SECONDS
    found: list[float] = []
    for run in runs:
        seconds = math.inf
        if not found or time.monotonic() < end:
            try:
                run()  # the first time loads it
                seconds = clocked(run, 1)
                if seconds < HOPELESS * min(found, default=math.inf):
                    times = max(1, min(100, int(SPAN / max(seconds, 1e-9))))
                    seconds = min(clocked(run, times) for _ in range(ROUNDS))
            except (HybridnetError, RuntimeError):  # what the library proposes it may refuse all the same
                seconds = math.inf
        found.append(seconds)
    return tuple(found)


def _file(asked: str) -> str:
    return f"{hashlib.sha256(asked.encode()).hexdigest()[:40]}.algorithm"


def kept(asked: str) -> tuple[tuple[str, ...], Choice]:
    """The algorithms of which one was chosen before, and which; no algorithms where nothing is there that can be read."""
    nothing = (), Choice(0, "")
    found = kernel_cache.read(_file(asked))
    try:
        record: Any = json.loads(found) if found is not None else {"asked": ""}
        if record["asked"] != asked:
            return nothing
        names = tuple(map(str, record["algorithms"]))
        seconds = tuple(math.inf if s is None else float(s) for s in record["seconds"])
        if len(seconds) != len(names):
            return nothing
        return names, Choice(range(len(names)).index(record["chosen"]), "by an earlier timing", seconds)
    except (ValueError, KeyError, TypeError):
        return nothing


def recalled(asked: str, device_id: int) -> tuple[str, ...]:
    """The names of the algorithms of which one was chosen before, for a library that makes only what it is to run; none if none was."""
    return kept(_on_device(asked, device_id))[0]


def _on_device(asked: str, device_id: int) -> str:
    return f"{asked} on {cuda.device_name(device_id)}"


def keep(asked: str, names: Sequence[str], choice: Choice) -> None:
    """Keep what was chosen among algorithms of those names, for what was asked, until another choice is kept."""
    seconds = [None if math.isinf(s) else s for s in choice.seconds]
    record = {"asked": asked, "algorithms": list(names), "chosen": choice.which, "seconds": seconds}
    kernel_cache.write(_file(asked), json.dumps(record).encode())
