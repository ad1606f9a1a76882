"""Whether a convolution is computed by Winograd's transform or by oneDNN: found out by timing, once, and kept on disk.

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
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.config import config
from hybridnet.device import loops, onednn, threads
from hybridnet.device.autotune import Choice, keep, kept
from hybridnet.device.winograd import calls
from hybridnet.device.winograd.loops import text

#: Multiply-adds, of all windows, from which it is asked: 0.06 ms on two cores.
LEAST = 6 << 20
#: It must be so much faster than oneDNN, whose errors are smaller.
MARGIN = 0.1
#: Seconds for which the two are timed, and rounds, of which the fastest counts.
SECONDS, LEAST_ROUNDS, ROUNDS = 0.3, 2, 8
#: Bytes that are written between two timed calls, so that a weight is in no cache.
EVICTED = 64 << 20


class Offered(onednn.Call):
    """oneDNN's call of a convolution, in whose place the transform's is given where the weight is packed and that is faster."""

    def packing(self, i: int) -> tuple[Any, Any] | None:
        """How an operand is packed, and the call that takes it so; None where it is as well taken as it lies."""
        return (_transform(self) if i == 1 else None) or super().packing(i)


def offered(direct: onednn.Call) -> onednn.Call:
    """The call of a convolution, with the transform as an offer where it can compute that."""
    asked = direct.description
    assert isinstance(asked, onednn.Convolution)
    return Offered(asked, {}) if calls.takes(asked) and asked.multiply_adds >= LEAST else direct


def _transform(direct: onednn.Call) -> tuple[calls.Packing, calls.Call] | None:
    asked = direct.description
    assert isinstance(asked, onednn.Convolution)
    if not (config.winograd and config.autotune and loops.available()):
        return None
    return calls.planned(asked) if _chosen(asked, threads.count(), config.cache_dir).which else None


@lru_cache(maxsize=4096)
def _chosen(asked: onednn.Convolution, workers: int, cache_dir: str) -> Choice:
    """0: oneDNN, 1: the transform. ``cache_dir``: where it is kept."""
    direct = onednn.plan(asked)
    assert direct is not None
    names = direct.name, f"{calls.NAME}, numba {version(loops.NAME)}"
    whole = f"{asked}, {workers} threads, {_processor()}, {hashlib.sha256(text().encode()).hexdigest()}"
    before, choice = kept(whole)
    if before == names:
        return choice
    way = calls.planned(asked)
    if way is None:
        return Choice(0, "the only one")
    seconds = _timed(asked, [direct.packing(1) or (None, direct), way])
    choice = Choice(int(seconds[1] * (1 + MARGIN) < seconds[0]), "by timing", seconds)
    keep(whole, names, choice)
    return choice


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
