"""What must hold on one GPU, and which of it did: the table of bars, from what the workers measured.

A record's ``times`` are named ``workload/point/peer/mode``, each with the median of every round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from statistics import median
from typing import Any, NamedTuple

OURS = "hybridnet/one step"
TORCH_COMPILED = ("reduce-overhead", "max-autotune", "compiled", "captured")

#: How far what two peers computed may lie apart, relative to the largest number compared: bfloat16 has 8 bits.
TOLERANCES = {
    "perceptron": 1e-2,  # PyTorch and JAX add Adam's epsilon elsewhere
    "pointwise": 1e-2,
    "adam": 1e-4,
    "layer norm": 2e-2,
    "cross-entropy": 2e-2,
    "lstm": 1e-2,
    "resnet": 5e-2,
    "gpt2": 2e-2,
}
COPY = ("copy/library/copy/memcpy", "copy/kernel/copy/memcpy")
#: What names mean in a bar: the workload, and the points that it is about.
POINTWISE = ("chain", "chain of two, bf16", "sum", "sums of rows", "sums of columns", "softmax")


class Bar(NamedTuple):
    """``measure(record)`` gives (ours, theirs, ratio), or None where something was not measured; ``ratio`` is held against both limits."""

    title: str
    workload: str
    measure: Callable[[Mapping[str, Any]], tuple[str, str, float] | None]
    limit: float
    aim: float
    at_least: bool = False


class Verdict(NamedTuple):
    title: str
    ours: str
    theirs: str
    ratio: float | None
    limit: float
    aim: float
    word: str


def time_text(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def bytes_text(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"


def _peers(names: Mapping[str, Any], prefix: str, compiled_only: bool) -> list[str]:
    """The peers' entries of a point."""
    found = [n for n in names if n.startswith(prefix) and not n.endswith(OURS)]
    return [n for n in found if "/torch/" in n and n.rsplit("/", 1)[1] in TORCH_COMPILED] if compiled_only else found


def against(workload: str, point: str, compiled_only: bool = False) -> Callable[[Mapping[str, Any]], tuple[str, str, float] | None]:
    """Our time over the least of the peers'."""

    def measure(record: Mapping[str, Any]) -> tuple[str, str, float] | None:
        times, prefix = record["times"], f"{workload}/{point}/"
        peers = _peers(times, prefix, compiled_only)
        if prefix + OURS not in times or not peers:
            return None
        best = min(peers, key=lambda name: median(times[name]))
        ours, theirs = median(times[prefix + OURS]), median(times[best])
        return time_text(ours), f"{time_text(theirs)} {best.removeprefix(prefix)}", ours / theirs

    return measure


def bandwidth(workload: str, point: str) -> Callable[[Mapping[str, Any]], tuple[str, str, float] | None]:
    """The bytes that must be moved over our time, as a share of the copy bandwidth of this run."""

    def measure(record: Mapping[str, Any]) -> tuple[str, str, float] | None:
        times, ours = record["times"], f"{workload}/{point}/{OURS}"
        copies = [record["least_bytes"][name] / median(times[name]) for name in COPY if name in times]
        if ours not in times or not copies:
            return None
        rate = record["least_bytes"][ours] / median(times[ours])
        return f"{rate / 1e12:.3f} TB/s", f"{max(copies) / 1e12:.3f} TB/s copy", rate / max(copies)

    return measure


def seconds(workload: str, point: str, figure: str | None = None) -> Callable[[Mapping[str, Any]], tuple[str, str, float] | None]:
    """Our time itself, or what was measured once under the name ``figure``; the ratio is in seconds."""

    def measure(record: Mapping[str, Any]) -> tuple[str, str, float] | None:
        name = f"{workload}/{point}/{OURS}"
        found = record["figures"].get(name, {}).get(figure) if figure else median(record["times"].get(name, [float("nan")]))
        return None if found is None or found != found else (time_text(found), "-", found)

    return measure


def memory(workload: str) -> Callable[[Mapping[str, Any]], tuple[str, str, float] | None]:
    """The bytes that we take from the device over the least that a peer's arrays take."""

    def measure(record: Mapping[str, Any]) -> tuple[str, str, float] | None:
        found = {name: size for name, size in record["memory"].items() if name.startswith(f"{workload}/") and size}
        peers = _peers(found, f"{workload}/", False)
        ours = found.get(f"{workload}/{OURS}")
        if not ours or not peers:
            return None
        best = min(peers, key=lambda name: found[name])
        return bytes_text(ours), f"{bytes_text(found[best])} {best.removeprefix(f'{workload}/')}", ours / found[best]

    return measure


def bars(norm_widths: Sequence[int], classes: Sequence[int]) -> list[Bar]:
    """The project's bars: a title, what is measured, what it must come to, and what is aimed for."""
    return [
        Bar("perceptron step", "perceptron", against("perceptron", "step"), 0.8, 0.5),
        *(Bar(f"1 GiB: {p}", "pointwise", bandwidth("pointwise", p), 0.85, 0.92, True) for p in POINTWISE),
        *(Bar(f"layer norm, {w} wide", "layer norm", against("layer norm", f"{w} wide", True), 0.75, 0.6) for w in norm_widths),
        *(Bar(f"cross-entropy, {n} classes", "cross-entropy", against("cross-entropy", f"{n} classes"), 0.8, 0.6) for n in classes),
        Bar("Adam, 100 M parameters", "adam", bandwidth("adam", "update"), 0.85, 0.92, True),
        Bar("LSTM language model step", "lstm", against("lstm", "step"), 1.0, 0.8),
        Bar("ResNet-50 training", "resnet", against("resnet", "step"), 1.0, 0.9),
        Bar("GPT-2 124M training", "gpt2", against("gpt2", "step"), 1.0, 0.9),
        Bar("host time to launch a forward", "launch", seconds("launch", "forward"), 15e-6, 8e-6),
        Bar("ResNet-50, first to second call", "resnet", seconds("resnet again", "step", "seconds from first to second call"), 3.0, 1.0),
        Bar("memory, ResNet-50 training", "resnet", memory("resnet"), 1.0, 0.8),
        Bar("memory, GPT-2 training", "gpt2", memory("gpt2"), 1.0, 0.8),
    ]


def _error(numbers: Sequence[float], ours: Sequence[float]) -> float:
    """The largest difference, relative to the largest number; NaN where there is one."""
    differences = [abs(a - b) for a, b in zip(numbers, ours, strict=True)]
    return sum(differences) if any(map(isnan, differences)) else max(differences) / (max(map(abs, numbers)) or 1.0)


def disagreements(record: Mapping[str, Any]) -> dict[str, float]:
    """What peers computed that differs from ours by more than the workload's tolerance, and by how much."""
    found = {}
    for name, checks in record["checks"].items():
        workload, point, *_ = name.split("/")
        ours = record["checks"].get(f"{workload}/{point}/{OURS}")
        if ours is None or name.endswith(OURS):
            continue
        for key, numbers in checks.items():
            error = _error(numbers, ours[key])
            if not error <= TOLERANCES[workload]:
                found[f"{name}: {key}"] = error
    return found


def judged(record: Mapping[str, Any], all_bars: Sequence[Bar]) -> list[Verdict]:
    """The verdict on each bar; what computes something else than the peers meets none."""
    wrong = {name.split("/")[0] for name in disagreements(record)}
    verdicts = []
    for bar in all_bars:
        measured = bar.measure(record)
        if measured is None:
            verdicts.append(Verdict(bar.title, "-", "-", None, bar.limit, bar.aim, "not measured"))
            continue
        ours, theirs, ratio = measured
        sign = -1 if bar.at_least else 1
        word = "AIM MET" if sign * ratio <= sign * bar.aim else "met" if sign * ratio <= sign * bar.limit else "MISSED"
        verdicts.append(Verdict(bar.title, ours, theirs, ratio, bar.limit, bar.aim, "DIFFERS" if bar.workload in wrong else word))
    return verdicts
