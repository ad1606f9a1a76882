"""Training steps beside other busy processes: hybridnet and its peers in turn, under the same load, which is made here.

    python tests/benchmarks/busy.py --setup ~/hybridnet-peers
    python tests/benchmarks/busy.py --mxnet PYTHON --torch PYTHON --baseline CHECKOUT

A busy process is a Python loop that never waits. Without any the machine should be quiet. See README.md beside this file.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from environments import set_up
from machine import describe
from report import table, time_text
from run import HERE, THREADS, Workers

LOADS = (0, 2, 4)
WORKLOADS = ("mlp-train", "lenet-train", "lstm-train", "resnet18-train")
LIMIT = 1.5  # times MXNet's time under the same load
EXAMPLE_LIMIT = 3.0  # times the example's own time without load
EXAMPLE = HERE.parent.parent / "examples" / "digits.py"


@contextmanager
def busy(number: int) -> Iterator[None]:
    """So many busy processes, for the body."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def example_seconds() -> float:
    """How long the README's first command takes."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    begin = time.perf_counter()
    subprocess.run([sys.executable, str(EXAMPLE), "--quiet"], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measure(workers: Workers, workloads: list[str], loads: list[int], rounds: int, seconds: float) -> dict[str, Any]:
    """Medians of every round, named ``load/workload/peer/mode``; and the example's times by load."""
    times: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    example: dict[str, list[float]] = {}
    for n in range(rounds):
        for load in loads:
            with busy(load):
                for workload in workloads:
                    for peer in workers.pythons:
                        print(f"round {n + 1} of {rounds}: {load} busy, {workload}, {peer}", file=sys.stderr, flush=True)
                        found = workers.measure(peer, "time", workload, "--seconds", str(seconds))
                        for mode, samples in found["times"].items():
                            times.setdefault(f"{load}/{workload}/{peer}/{mode}", []).append(median(samples))
                        losses |= {f"{workload}/{peer}/{mode}": values for mode, values in found["losses"].items()}
                example.setdefault(str(load), []).append(example_seconds())
    return {"times": times, "losses": losses, "example": example}


def report(record: Mapping[str, Any]) -> str:
    """The machine, and a table with a row for each workload under each load."""
    lines = [f"{key}: {value}" for key, value in {**record["machine"], **record["settings"]}.items()]
    lines += [f"{peer}: " + ", ".join(f"{k} {v}" for k, v in versions.items()) for peer, versions in record["versions"].items()]
    times = {name: median(values) for name, values in record["times"].items()}
    columns = list(dict.fromkeys(name.split("/", 2)[2] for name in times))
    rows = []
    for load, workload in dict.fromkeys(tuple(name.split("/")[:2]) for name in times):
        found = {column: times.get(f"{load}/{workload}/{column}") for column in columns}
        ratio, word = judged(load, found)
        rows.append([load, workload, *("-" if t is None else time_text(t) for t in found.values()), ratio, word])
    heads = ["busy", "workload", *columns, "ours / MXNet's", f"at most {LIMIT:g} under load"]
    quiet = median(record["example"].get("0", [float("nan")]))
    example = [[load, f"{median(t):.1f} s", f"{median(t) / quiet:.2f}"] for load, t in record["example"].items()]
    return "\n\n".join(
        [
            "\n".join(lines),
            table(heads, rows),
            f"The README's first command, at most {EXAMPLE_LIMIT:g} times its quiet time",
            table(["busy", "seconds", "times"], example),
        ]
    )


def judged(load: str, found: Mapping[str, float | None]) -> tuple[str, str]:
    """Our hybridized time over MXNet's, and whether it meets the bar."""
    ours, theirs = found.get("hybridnet/hybridized"), found.get("mxnet/hybridized")
    if ours is None or theirs is None:
        return "-", "not run"
    return f"{ours / theirs:.2f}", "" if load == "0" else "PASS" if ours <= LIMIT * theirs else "MISS"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training beside other busy processes")
    parser.add_argument("--mxnet", metavar="PYTHON", help="the Python of an environment with MXNet 1.9.1")
    parser.add_argument("--torch", metavar="PYTHON", help="the Python of an environment with PyTorch")
    parser.add_argument("--setup", metavar="FOLDER", type=Path, help="make the peers' environments there, where missing, and use them")
    parser.add_argument("--baseline", metavar="CHECKOUT", type=Path, help="another version of hybridnet to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a worker measures each mode (1.0)")
    parser.add_argument("--loads", type=int, nargs="+", default=list(LOADS), help="numbers of busy processes (0 2 4)")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="WORKLOAD")
    parser.add_argument("--output", type=Path, help="where to write the record (records/busy-DATE.json; with --only nowhere)")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    if arguments.setup:
        arguments.mxnet, arguments.torch = set_up(arguments.setup)
    machine = describe()
    pythons = {"hybridnet": sys.executable, "mxnet": arguments.mxnet, "torch": arguments.torch}
    if arguments.baseline:
        pythons["baseline"] = sys.executable
    workers = Workers({peer: python for peer, python in pythons.items() if python}, arguments.baseline)
    found = measure(workers, arguments.only, arguments.loads, arguments.rounds, arguments.seconds)
    settings = {"threads": THREADS, "rounds": arguments.rounds, "seconds a mode and round": arguments.seconds}
    record = {"machine": machine, "settings": settings, "versions": workers.versions, **found}
    print(report(record))
    output = arguments.output
    if output is None and arguments.only == list(WORKLOADS):
        output = HERE / "records" / f"busy-{machine['date'][:10]}.json"
    if output is not None:
        output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
