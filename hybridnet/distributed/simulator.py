"""A step of data parallel training on N devices: when its gradients are known on one, and what their sums take.

Gradients are joined into buckets as ``lowering/buckets.py`` does it, in the order in which they are known. A bucket is sent when all of it
is known and the one before has been sent, while the backward goes on; the update waits for the last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridnet.distributed.network import Network
from hybridnet.errors import FileFormatError, fail
from hybridnet.lowering.buckets import BUCKET_BYTES


@dataclass(frozen=True)
class Step:
    """A step on one device, in seconds. ``gradients``: when each is known, and its bytes.

    ``jitter``: the standard deviation of ``compute`` from rank to rank and step to step, as a share of it: the slowest of N, which all
    wait for, is later by that times √(2 ln N). ``contention``: the share of their time by which sums hold up what is computed meanwhile.
    """

    gradients: tuple[tuple[float, float], ...]
    compute: float
    update: float
    jitter: float = 0.0
    contention: float = 0.0

    @property
    def alone(self) -> float:
        """The step on one device."""
        return self.compute + self.update


@dataclass(frozen=True)
class Prediction:
    """A step on several devices, in seconds: all of it, what sums take, and how much of that nothing hides."""

    step: float
    sums: float
    exposed: float
    efficiency: float  # one device's step by this one


def buckets(gradients: Sequence[tuple[float, float]], limit: float = BUCKET_BYTES) -> list[tuple[float, float]]:
    """Gradients joined into messages: when the last of each is known, and their bytes."""
    found: list[tuple[float, float]] = []
    for ready, size in sorted(gradients):
        if found and found[-1][1] + size <= limit:
            found[-1] = ready, found[-1][1] + size
        else:
            found.append((ready, size))
    return found


def predict(step: Step, network: Network, devices: int, limit: float = BUCKET_BYTES, overlap: bool = True) -> Prediction:
    """The step on so many devices. Without ``overlap`` sums wait for the end of the backward, as on CPUs."""
    free = sums = 0.0
    for ready, size in buckets(step.gradients, limit):
        seconds = network.all_reduce(size, devices)
        free = max(free, ready if overlap else step.compute) + seconds
        sums += seconds
    compute = step.compute + step.contention * (min(sums, step.compute) if overlap else 0.0)
    waiting = step.jitter * step.compute * math.sqrt(2 * math.log(devices)) if devices > 1 else 0.0
    whole = max(compute, free) + waiting + step.update
    return Prediction(whole, sums, max(free - compute, 0.0), step.alone / whole)


def read_step(path: str, jitter: float = 0.0, contention: float = 0.0) -> Step:
    """A step from what ``Profile.save`` wrote, or from numbers given by hand.

    FileFormatError for another file, or one without gradients.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if "gradients" in found:
            known = tuple((float(ready), float(size)) for ready, size in found["gradients"])
            return Step(known, float(found["compute"]), float(found["update"]), jitter, contention)
        known, end = _known(found)
        whole = sum(p["seconds"] for p in found["programs"])
    except (ValueError, KeyError, TypeError) as error:
        expected = f"what Profile.save wrote, or gradients, compute and update, in {path}"
        fail(FileFormatError, "predict", expected=expected, got=f"{type(error).__name__}: {error}")
    if not known:
        fix = "profiling a step that contains loss.backward()"
        fail(FileFormatError, "predict", expected=f"a step that computes gradients of parameters in {path}", got="one without", fix=fix)
    return Step(known, end, max(whole - end, 0.0), jitter, contention)


def _known(profile: dict[str, Any]) -> tuple[tuple[tuple[float, float], ...], float]:
    """When gradients are known and their bytes; when the last is. Steps' own times are scaled to what each program takes in one go."""
    scale = {p["program"]: p["seconds"] / p["steps_seconds"] if p["steps_seconds"] else 1.0 for p in profile["programs"]}
    now, found = 0.0, []
    for step in profile["steps"]:
        now += step["seconds"] * scale[step["program"]]
        if step["gradients"]:
            found.append((now, float(step["gradients"])))
    return tuple(found), found[-1][0] if found else now
