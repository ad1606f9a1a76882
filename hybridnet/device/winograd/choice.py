"""Whether a convolution is computed by Winograd's transform or directly: found out by timing, once, and kept on disk.

It is asked for weights that stay the same alone (``packing``), hence in inference. Both are timed in turn on arrays of the convolution's
shapes, with nothing but the data in a cache, as it is between the layers of a network whose weights are of more bytes than caches have.
What was chosen is kept as a GPU's algorithms are (:mod:`~hybridnet.device.autotune`), by the convolution, the threads, the processor and
who computes: later programs and processes compute by the same, hence the same numbers.
"""

from __future__ import annotations

import hashlib
import math
import platform
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.config import config
from hybridnet.device import loops, onednn, threads
from hybridnet.device.autotune import Choice, keep, kept
from hybridnet.device.winograd import calls
from hybridnet.device.winograd.loops import text

_Way = tuple[Any, Any]

#: Multiply-adds, of all windows, from which it is asked: 0.06 ms on two cores.
LEAST = 6 << 20
#: It must be so much faster than a direct sum, whose errors are smaller.
MARGIN = 0.1
#: Seconds for which the two are timed, and rounds, of which the fastest counts.
SECONDS, LEAST_ROUNDS, ROUNDS = 0.3, 5, 8
#: Bytes that are written between two timed calls, so that a weight is in no cache.
EVICTED = 40 << 20


def is_open(asked: onednn.Convolution) -> bool:
    """Whether a convolution of enough work may be computed otherwise, by the settings."""
    return config.winograd and config.autotune and asked.multiply_adds >= LEAST


class Offered(onednn.Call):
    """oneDNN's call of a convolution, in whose place the transform's is given where the weight is packed and that is faster."""

    def packing(self, i: int) -> tuple[Any, Any] | None:
        """How an operand is packed, and the call that takes it so; None where it is as well taken as it lies."""
        return (self._transform() if i == 1 else None) or super().packing(i)

    def _transform(self) -> tuple[calls.Packing, calls.Call] | None:
        asked = self.description
        assert isinstance(asked, onednn.Convolution)
        if not (is_open(asked) and loops.available()):
            return None
        name = f"{calls.NAME}, numba {version(loops.NAME)}, {hashlib.sha256(text().encode()).hexdigest()}"
        direct = super().packing(1) or (None, self)
        return faster(asked, (self.name, direct), (name, lambda: calls.planned(asked)))


def offered(direct: onednn.Call) -> onednn.Call:
    """The call of a convolution, with the transform as an offer where it can compute that."""
    asked = direct.description
    assert isinstance(asked, onednn.Convolution)
    return Offered(asked, {}) if calls.takes(asked) and asked.multiply_adds >= LEAST else direct


def faster(asked: onednn.Convolution, direct: tuple[str, Any], other: tuple[str, Callable[[], _Way | None]]) -> _Way | None:
    """The other way to compute a convolution, with how its weight is packed, where it is faster than the direct one; else None.

    ``direct``: its name, and how the weight is packed for it, if it is, with the call. ``other``: its name, and what plans it.
    """
    whole = f"{asked}, {threads.count()} threads, {_processor()}"
    names = direct[0], other[0]
    found = _chosen.get((config.cache_dir, whole, *names))
    way = None
    if found is None:
        before, found = kept(f"{whole}, {names}")
        if before != names:
            way = other[1]()
            if way is None:  # which may be another time, in another process
                return None
            seconds = _timed(asked, [direct[1], way])
            found = Choice(int(seconds[1] * (1 + MARGIN) < seconds[0]), "by timing", seconds)
            keep(f"{whole}, {names}", names, found)
        _chosen[config.cache_dir, whole, *names] = found
    return (way or other[1]()) if found.which else None


#: What has been chosen in this process, or read.
_chosen: dict[tuple[str, ...], Choice] = {}


def _timed(asked: onednn.Convolution, ways: Sequence[tuple[Any, Any]]) -> tuple[float, ...]:
    """Seconds that each takes."""
    operands = [np.full(x.shape, 0.5, np.float32) for x in asked.operands()]
    evicted = np.zeros(EVICTED, np.uint8)
    runs: list[Callable[[], None]] = []
    for pack, call in ways:
        weight = operands[1]
        if pack is not None:
            weight = np.empty(pack.size, np.uint8)
            pack(operands[1], weight)
        bound = call.bind([operands[0], weight, *operands[2:]], np.empty(call.workspace, np.uint8))
        runs.append(call.session(bound))
    seconds = [math.inf] * len(runs)
    end = time.monotonic() + SECONDS
    for i in range(ROUNDS):
        if i >= LEAST_ROUNDS and time.monotonic() > end:
            break
        for k, run in enumerate(runs):
            evicted += 1
            operands[0].sum()
            begin = time.perf_counter()
            run()
            seconds[k] = min(seconds[k], time.perf_counter() - begin)
    return tuple(seconds)


@cache
def _processor() -> str:
    """Its name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
