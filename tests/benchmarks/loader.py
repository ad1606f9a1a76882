"""Samples a second that data loaders give: hybridnet's and PyTorch's in turn, with no workers and with two.

    python tests/benchmarks/loader.py --torch PYTHON

See README.md beside this file.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from environments import set_up
from loading import BATCH, DATASETS
from machine import describe
from report import table
from run import HERE, THREADS, Workers

WORKERS = (0, 2)
LIMIT = 1.0  # times PyTorch's samples a second, at least


def measure(workers: Workers, datasets: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Samples a second of every round, and the seconds of the first epoch, which starts workers; named ``dataset/workers/peer``."""
    speeds: dict[str, list[float]] = {}
    firsts: dict[str, list[float]] = {}
    for n in range(rounds):
        for dataset in datasets:
            for number in WORKERS:
                for peer in workers.pythons:
                    print(f"round {n + 1} of {rounds}: {dataset}, {number} workers, {peer}", file=sys.stderr, flush=True)
                    found = workers.run(peer, "loading.py", peer, dataset, str(number), "--seconds", str(seconds))
                    speeds.setdefault(f"{dataset}/{number}/{peer}", []).append(found["speed"])
                    firsts.setdefault(f"{dataset}/{number}/{peer}", []).append(found["first"])
    return {"samples a second": speeds, "first epoch": firsts}


def report(record: Mapping[str, Any]) -> str:
    """The machine, and a row for each dataset and number of workers."""
    lines = [f"{key}: {value}" for key, value in {**record["machine"], **record["settings"]}.items()]
    lines += [f"{peer}: " + ", ".join(f"{k} {v}" for k, v in versions.items()) for peer, versions in record["versions"].items()]
    speeds, firsts = record["samples a second"], record["first epoch"]
    rows = []
    for case in dict.fromkeys(name.rpartition("/")[0] for name in speeds):
        ours, theirs = speeds[f"{case}/hybridnet"], speeds.get(f"{case}/torch")
        ratio, spread, word = judged(ours, theirs)
        first = [f"{median(firsts[f'{case}/{peer}']):.2f} s" if f"{case}/{peer}" in firsts else "-" for peer in ("hybridnet", "torch")]
        shown = [f"{median(s):,.0f}" if s else "-" for s in (ours, theirs)]
        rows.append([*case.split("/"), *shown, ratio, spread, *first, word])
    heads = ["dataset", "workers", "ours", "PyTorch's", "ratio", "in the rounds", "our first epoch", "PyTorch's", f"at least {LIMIT:g}"]
    return "\n".join(lines) + "\n\nSamples a second\n\n" + table(heads, rows)


def judged(ours: list[float], theirs: list[float] | None) -> tuple[str, str, str]:
    """Our speed over PyTorch's, the least and the largest of a round, and the verdict."""
    if not theirs:
        return "-", "-", "not run"
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    ratio = median(ours) / median(theirs)
    return f"{ratio:.2f}", f"{min(rounds):.2f} to {max(rounds):.2f}", "PASS" if ratio >= LIMIT else "MISS"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Data loaders")
    parser.add_argument("--torch", metavar="PYTHON", help="the Python of an environment with PyTorch")
    parser.add_argument("--setup", metavar="FOLDER", type=Path, help="make the peers' environments there, where missing, and use them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a worker measures in each round (1.0)")
    parser.add_argument("--only", nargs="+", choices=DATASETS, default=list(DATASETS), metavar="DATASET")
    parser.add_argument("--output", type=Path, help="where to write the record (records/loader-DATE.json; with --only nowhere)")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    if arguments.setup:
        _, arguments.torch = set_up(arguments.setup)
    machine = describe()
    pythons = {"hybridnet": sys.executable, "torch": arguments.torch}
    workers = Workers({peer: python for peer, python in pythons.items() if python})
    found = measure(workers, arguments.only, arguments.rounds, arguments.seconds)
    settings = {"threads": THREADS, "batch": BATCH, "rounds": arguments.rounds, "seconds a round": arguments.seconds}
    record = {"machine": machine, "settings": settings, "versions": workers.versions, **found}
    print(report(record))
    output = arguments.output
    if output is None and arguments.only == list(DATASETS):
        output = HERE / "records" / f"loader-{machine['date'][:10]}.json"
    if output is not None:
        output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
