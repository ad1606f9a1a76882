"""Images a second, from files to batches: hybridnet's readers beside MXNet's and torchvision's, in turn.

    python tests/benchmarks/images.py --mxnet PYTHON --torch PYTHON

See README.md beside this file.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from image_loading import BATCH, COUNT, PEERS, SIDES
from machine import describe
from report import table
from run import HERE, THREADS, Workers

#: Ours, the peer's that it is measured by, and how many times its images a second it should give at least.
BARS = (
    ("hybridnet/ImageRecordIter", "mxnet/ImageRecordIter", 1.0),
    ("hybridnet/DataLoader", "torch/DataLoader", 1.0),
    ("hybridnet/ImageIter", "mxnet/ImageIter", 1.0),
)


def measure(workers: Workers, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """Images a second of every round, and the seconds of the first epoch; named ``peer/reader``."""
    workers.run("hybridnet", "image_loading.py", "write", str(folder))
    workers.versions.clear()  # which it does not tell
    speeds: dict[str, list[float]] = {}
    firsts: dict[str, list[float]] = {}
    for n in range(rounds):
        for peer in workers.pythons:
            for reader in PEERS[peer][1]:
                name = f"{peer}/{reader}"
                print(f"round {n + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                found = workers.run(peer, "image_loading.py", peer, reader, str(folder), "--seconds", str(seconds))
                speeds.setdefault(name, []).append(found["speed"])
                firsts.setdefault(name, []).append(found["first"])
    return {"images a second": speeds, "first epoch": firsts}


def report(record: Mapping[str, Any]) -> str:
    """The machine, the speed of each reader, and the bars."""
    lines = [f"{key}: {value}" for key, value in {**record["machine"], **record["settings"]}.items()]
    lines += [f"{peer}: " + ", ".join(f"{k} {v}" for k, v in versions.items()) for peer, versions in record["versions"].items()]
    speeds, firsts = record["images a second"], record["first epoch"]
    rows = [[name, f"{median(s):,.0f}", f"{min(s):,.0f} to {max(s):,.0f}", f"{median(firsts[name]):.2f} s"] for name, s in speeds.items()]
    found = table(["reader", "images a second", "in the rounds", "first epoch"], rows)
    judged = [[ours, theirs, *verdict(speeds, ours, theirs, bar)] for ours, theirs, bar in BARS]
    return "\n".join(lines) + "\n\n" + found + "\n\n" + table(["ours", "beside", "ratio", "in the rounds", "at least"], judged)


def verdict(speeds: Mapping[str, list[float]], ours: str, theirs: str, bar: float) -> tuple[str, str, str]:
    """Our speed over the peer's, the least and the largest of a round, and whether it reaches the bar."""
    if theirs not in speeds:
        return "-", "-", f"{bar:g}: not run"
    rounds = [a / b for a, b in zip(speeds[ours], speeds[theirs], strict=True)]
    ratio = median(speeds[ours]) / median(speeds[theirs])
    return f"{ratio:.2f}", f"{min(rounds):.2f} to {max(rounds):.2f}", f"{bar:g}: {'PASS' if ratio >= bar else 'MISS'}"


def main() -> None:
    parser = argparse.ArgumentParser(description="From image files to batches")
    parser.add_argument("--mxnet", metavar="PYTHON", help="the Python of an environment with MXNet 1.9.1")
    parser.add_argument("--torch", metavar="PYTHON", help="the Python of an environment with PyTorch and torchvision")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a reader is measured in each round (3.0)")
    parser.add_argument("--output", type=Path, help="where to write the record (records/images-DATE.json)")
    arguments = parser.parse_args()
    if arguments.torch:
        tried = subprocess.run([arguments.torch, "-c", "import torchvision, PIL"], capture_output=True, text=True)
        if tried.returncode:
            parser.error(f"torchvision, as PyTorch's build there needs it, and Pillow: {tried.stderr.splitlines()[-1]}")
    machine = describe()
    pythons = {"hybridnet": sys.executable, "mxnet": arguments.mxnet, "torch": arguments.torch}
    workers = Workers({peer: python for peer, python in pythons.items() if python})
    with tempfile.TemporaryDirectory() as folder:
        found = measure(workers, Path(folder), arguments.rounds, arguments.seconds)
    settings = {"threads": THREADS, "batch": BATCH, "images": f"{COUNT} of {SIDES[0]}×{SIDES[1]}", "rounds": arguments.rounds}
    record = {"machine": machine, "settings": settings, "versions": workers.versions, **found}
    print(report(record))
    output = arguments.output or HERE / "records" / f"images-{machine['date'][:10]}.json"
    output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
