"""What a training step will take on N GPUs, from its profile on one: ``python -m hybridnet.distributed.predict``.

    step.profile(data, label).save("step.json")         # on one device
    python -m hybridnet.distributed.predict step.json --devices 8 64 512 --inside 370 --between 360 --jitter 0.02
    python -m hybridnet.distributed.predict --published    # the same model beside what others have published

Gradients are joined into buckets as ``lowering/buckets.py`` does it, in the order in which they are known. A bucket is sent when all of it
is known and the one before has been sent, while the backward goes on; the update waits for the last. See :class:`Step` for what is
assumed, and docs/distributed.md for what cannot be known from one device.

In place of a profile the file may hold ``{"gradients": [[seconds, bytes], ...], "compute": seconds, "update": seconds}``: when each is
known, counted from the step's begin, what forward and backward take together, and what the update takes.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridnet.distributed.network import Network, read_measured
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


def table(step: Step, network: Network, devices: Sequence[int], limit: float, overlap: bool, batch: int | None) -> str:
    """The predictions, a line for each number of devices."""
    rates = f"{'samples/s':>14}{'a device':>12}" if batch else ""
    lines = [f"{'devices':>8}{'step ms':>10}{'sums ms':>10}{'exposed ms':>12}{'efficiency':>12}{rates}"]
    for n in devices:
        p = predict(step, network, n, limit, overlap)
        rates = f"{batch * n / p.step:>14,.0f}{batch / p.step:>12,.0f}" if batch else ""
        lines.append(f"{n:>8}{p.step * 1e3:>10.3f}{p.sums * 1e3:>10.3f}{p.exposed * 1e3:>12.3f}{p.efficiency:>12.1%}{rates}")
    return "\n".join(lines)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hybridnet.distributed.predict", description="Step time on N GPUs, from a step on one.")
    parser.add_argument("step", nargs="?", help="what Profile.save wrote, or gradients, compute and update in JSON")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--batch", type=int, help="samples a device, for samples a second")
    parser.add_argument("--per-machine", type=int, default=8, help="GPUs of a machine (8)")
    parser.add_argument("--inside", type=float, default=370.0, help="bus bandwidth within a machine, GB/s (370: 8 H100 by NVLink)")
    parser.add_argument("--between", type=float, default=48.0, help="of a ring over machines, all cards of one together, GB/s (48)")
    parser.add_argument("--switch", type=float, default=0.0, help="of sums in the switch of one machine, GB/s (none)")
    parser.add_argument("--measured", action="append", default=[], metavar="GPUS=FILE", help="what all_reduce_perf printed on so many")
    parser.add_argument("--jitter", type=float, default=0.0, help="standard deviation of a rank's step, as a share of it (0)")
    parser.add_argument("--contention", type=float, default=0.0, help="share of the sums' time by which they hold up what is computed (0)")
    parser.add_argument("--bucket", type=float, default=BUCKET_BYTES / (1 << 20), help="MiB of a message at most (25)")
    parser.add_argument("--no-overlap", action="store_true", help="sums wait for the end of the backward, as on CPUs")
    parser.add_argument("--published", action="store_true", help="the model beside what others have published")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Print what ``python -m hybridnet.distributed.predict`` was asked for."""
    from hybridnet.distributed import published

    parser = _arguments()
    options = parser.parse_args(arguments)
    if options.published:
        print(published.report())
        return
    if options.step is None:
        parser.error("a file with a step, or --published")
    tables = []
    for given in options.measured:
        gpus, equals, path = given.partition("=")
        if not (equals and gpus.isdecimal() and int(gpus) > 1):
            parser.error(f"--measured GPUS=FILE, as in 8=all_reduce_perf.txt; got {given}")
        tables.append(read_measured(path, int(gpus)))
    network = Network(options.per_machine, options.inside * 1e9, options.between * 1e9, options.switch * 1e9, tuple(tables))
    step = read_step(options.step, options.jitter, options.contention)
    print(table(step, network, options.devices, options.bucket * (1 << 20), not options.no_overlap, options.batch))
    if not options.jitter:
        print("Without --jitter all ranks are equally fast in every step, which they never are: these are upper bounds.")


if __name__ == "__main__":
    main()
