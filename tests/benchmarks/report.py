"""A record as text: the machine, the bars with their verdicts, all times, memory, and where compiling spends its time."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from bars import COMPILE_SECONDS, MEMORY, OWN, PEERS, TOLERANCES, Bar, disagreements, judged


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that also reads well as it is."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def time_text(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs" if seconds < 1e-4 else f"{seconds * 1e3:.3f} ms" if seconds < 1 else f"{seconds:.2f} s"


def bytes_text(size: float) -> str:
    return f"{size / 2**20:.2f} MiB"


def _bars(title: str, bars: Sequence[Bar], measured: dict[str, list[float]], text: Callable[[float], str]) -> str:
    rows = []
    for v in judged(bars, measured):
        if v.ratio is None:
            rows.append([v.title, text(median(v.ours)), "-", "-", "-", f"{v.limit:g}", v.word])
        else:
            spread = "{:.3f} to {:.3f}".format(*v.spread)
            rows.append([v.title, text(median(v.ours)), text(median(v.theirs)), f"{v.ratio:.3f}", spread, f"{v.limit:g}", v.word])
    return f"## {title}\n\n" + table(["hybridnet", "ours", "theirs", "ratio", "in the rounds", "at most", ""], rows)


def _agreement(losses: dict[str, list[float]]) -> str:
    wrong = disagreements(losses, TOLERANCES)
    if wrong:
        return "Losses DIFFER from the imperative ones (relative error): " + ", ".join(f"{k} {v:.1e}" for k, v in wrong.items())
    return f"Losses agree with the imperative ones in all {len(losses)} cases that compute one."


def _compile(runs: list[dict[str, Any]]) -> str:
    blocks = []
    for name in runs[0]:
        found = [run[name] for run in runs]
        seconds = median(f["seconds"] for f in found)
        word = "PASS" if seconds < COMPILE_SECONDS[name] else "MISS"
        parts = {part: median(f["parts"][part] for f in found) for part in found[0]["parts"]}
        rows = [[part, f"{s:.3f}"] for part, s in parts.items()]
        blocks.append(
            f"{name}: {seconds:.2f} s, {found[0]['lines']} lines; under {COMPILE_SECONDS[name]:g} s: {word}\n\n"
            + table(["part", "seconds"], rows)
        )
    return "## Compiling: ResNet-50's training graph (hybridized, one step), and chains\n\n" + "\n\n".join(blocks)


def report(record: dict[str, Any]) -> str:
    """The whole record."""
    machine = [f"{key}: {value}" for key, value in {**record["machine"], **record["settings"]}.items()]
    machine += [f"{peer}: " + ", ".join(f"{k} {v}" for k, v in versions.items()) for peer, versions in record["versions"].items()]
    times: dict[str, list[float]] = record["times"]
    arrays: dict[str, list[float]] = {name: [size] for name, size in record["arrays"].items()}
    blocks = ["\n".join(machine)]
    if times:
        blocks.append(_bars("Against the peers", PEERS, times, time_text))
        blocks.append(_bars("Hybridized against imperative: time", OWN, times, time_text))
        blocks.append(_agreement(record["losses"]))
    if arrays:
        blocks.append(_bars("Hybridized against imperative: memory of arrays", OWN, arrays, bytes_text))
    process: dict[str, list[float]] = {name: [size] for name, size in record["process"].items()}
    if judged(MEMORY, process):
        blocks.append(_bars("Against the peers: memory of the process", MEMORY, process, bytes_text))
    if record["compile"]:
        blocks.append(_compile(record["compile"]))
    if times:
        rows = [[name, time_text(median(values)), time_text(min(values)), time_text(max(values))] for name, values in times.items()]
        blocks.append("## All times\n\n" + table(["case", "median", "least round", "largest round"], rows))
    if arrays:
        rows = [[name, bytes_text(size), bytes_text(record["process"][name])] for name, size in record["arrays"].items()]
        blocks.append("## All memory\n\n" + table(["case", "arrays", "whole process"], rows))
    return "\n\n".join(blocks) + "\n"
