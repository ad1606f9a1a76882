"""Run the GPU benchmarks: workers of all peers of a workload side by side, timed in turn, within a time limit.

    python -m gpu.run FOLDER --seconds 300
    python -m gpu.run FOLDER --device cpu --sizes tiny --only gpt2

Each mode of each peer is a process of its own: what crashes or hangs costs itself alone. Peers import in parallel,
are prepared (built, compiled, tuned, checked) one after the other, and then take turns. FOLDER/benchmarks.json and the table in
benchmarks.txt are written again after each workload, FOLDER/logs/ holds what the workers print. See README.md in the folder above.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from machine import describe

from gpu.findings import write
from gpu.process import DEVICES, Answering, command, ends_on_request
from gpu.record import failures_of_ours, summary
from gpu.sizes import SIZES

ROUNDS = 4
ROUND_SECONDS = 0.12  # of one point in one round
START_SECONDS = 60.0
TELL_SECONDS = 30.0  # of one program
LEAST_SECONDS = 25.0  # of a workload: to import, and to compile little
MOST_OF_THE_REST = 0.6  # of the time left to prepare, what one worker may take while others wait


class Workload(NamedTuple):
    """A workload: peers with their modes, the share of the time left that it may take, settings of hybridnet for it."""

    name: str
    peers: tuple[tuple[str, str], ...]
    share: float
    environment: dict[str, str] = {}


def _peers(*torch_modes: str) -> tuple[tuple[str, str], ...]:
    return (("hybridnet", "one step"), ("jax", "jit"), *(("torch", mode) for mode in torch_modes))


OURS = (("hybridnet", "one step"),)
SMALL = _peers("eager", "max-autotune", "captured")
OPERATOR = _peers("eager", "compiled", "captured")
TRAINING = _peers("eager", "reduce-overhead", "max-autotune")

#: In the order in which they run: cheap and certain ones first, so that the time left goes to the large networks.
WORKLOADS = (
    Workload("copy", (("copy", "memcpy"),), 0.05),
    Workload("launch", OURS, 0.05),
    Workload("perceptron", SMALL, 0.12),
    Workload("adam", _peers("eager", "captured"), 0.12),
    Workload("pointwise", (*OURS, ("torch", "compiled")), 0.15),
    Workload("layer norm", OPERATOR, 0.2),
    Workload("cross-entropy", OPERATOR, 0.2),
    Workload("gpt2", TRAINING, 0.45),
    Workload("resnet", TRAINING, 0.65),
    Workload("resnet again", OURS, 0.3),
    Workload("lstm", SMALL, 0.9, {"HYBRIDNET_TF32": "1"}),
)


class Worker(Answering):
    """One peer in one mode on one workload."""

    def __init__(self, workload: Workload, peer: str, mode: str, arguments: argparse.Namespace) -> None:
        self.name = f"{peer}/{mode}"
        device = arguments.device
        shown = ("--device", "gpu" if device == "emulated" else device, "--sizes", arguments.sizes)
        asked = command(f"gpu.peer_{peer}", workload.name, mode, *shown, device=device, python=getattr(arguments, peer, None))
        log = arguments.folder / "logs" / f"{workload.name}-{peer}-{mode}.log".replace(" ", "_")
        # JAX shares the device's memory with the others.
        super().__init__(asked, log, {**workload.environment, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"})


class Run:
    """The record as it grows."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.deadline = time.monotonic() + arguments.seconds
        self.record: dict[str, Any] = {
            "machine": {**describe(), "device": _device_name(arguments.device)},
            "about": {},
            "settings": {"sizes": arguments.sizes, "device": arguments.device, "rounds": ROUNDS, "seconds a round": ROUND_SECONDS},
            "versions": {},
            "times": {},
            "least_bytes": {},
            "checks": {},
            "figures": {},
            "memory": {},
            "programs": {},
            "failures": {},
        }

    def write(self) -> None:
        """The record, and the table of it, as far as they go."""
        write(self.arguments.folder / "benchmarks.json", self.record)
        (self.arguments.folder / "benchmarks.txt").write_text(summary(self.record) + "\n", encoding="utf-8")

    def workload(self, workload: Workload, last: bool = False) -> None:
        """Measure one workload within its share of the time that is left; the last gets all of it."""
        left = self.deadline - time.monotonic()
        seconds = left if last else min(left, max(LEAST_SECONDS, workload.share * left))
        end = time.monotonic() + seconds
        print(f"{workload.name}: {seconds:.0f} s of {left:.0f} s left", file=sys.stderr, flush=True)
        workers: list[Worker] = []
        try:
            for peer, mode in workload.peers:
                if peer not in self.arguments.peers and peer != "copy":
                    continue
                try:
                    workers.append(Worker(workload, peer, mode, self.arguments))
                except OSError as error:  # no such Python
                    self.record["failures"][f"{workload.name}/{peer}/{mode}"] = f"{type(error).__name__}: {error}"
            started = min(end, time.monotonic() + START_SECONDS)
            ready = [w for w in workers if self._guarded(workload, w, lambda w: self._started(w, started))]
            points: dict[str, list[str]] = {}
            for worker in ready:
                now, last = time.monotonic(), end - self._timing(ready)
                until = last if worker is ready[-1] else now + MOST_OF_THE_REST * (last - now)
                found = points[worker.name] = []
                self._guarded(workload, worker, lambda w, found=found, until=until: self._prepared(workload, w, found, until))
            alive = [w for w in ready if points[w.name] and w.alive]
            for _ in range(ROUNDS):
                for worker, point in _in_turn(alive, points):
                    self._guarded(workload, worker, lambda w, point=point: self._timed(workload, w, point, end + 10))
            for worker, point in _in_turn(alive, points):
                self._told(workload, worker, point)
        finally:
            for worker in workers:
                worker.end()
        self.write()

    @staticmethod
    def _timing(workers: list[Worker]) -> float:
        """Seconds to keep for taking times."""
        return 2 * ROUNDS * ROUND_SECONDS * len(workers)

    def _guarded(self, workload: Workload, worker: Worker, action: Any) -> bool:
        """Do something with a worker; one that fails is ended, and why is noted."""
        try:
            action(worker)
        except (TimeoutError, RuntimeError, OSError, ValueError) as error:
            self.record["failures"][f"{workload.name}/{worker.name}"] = f"{type(error).__name__}: {error}"
            print(f"  {worker.name}: {error}", file=sys.stderr, flush=True)
            worker.end()
            return False
        return True

    def _started(self, worker: Worker, deadline: float) -> None:
        answer = worker.answer(deadline)
        self.record["versions"].update(answer["versions"])
        self.record["about"].update(answer["about"])

    def _prepared(self, workload: Workload, worker: Worker, points: list[str], deadline: float) -> None:
        worker.ask(do="prepare")
        while True:
            answer = worker.answer(deadline)
            if "prepared" in answer:
                self.record["memory"][f"{workload.name}/{worker.name}"] = answer["memory"]
                return
            name = f"{workload.name}/{answer['point']}/{worker.name}"
            if "error" in answer:
                self.record["failures"][name] = answer["error"]
                print(f"  {name}: {answer['error'].splitlines()[-1]}", file=sys.stderr, flush=True)
                continue
            points.append(answer["point"])
            self.record["figures"][name] = answer["figures"]
            self.record["checks"][name] = answer["checks"]
            if answer["least_bytes"]:
                self.record["least_bytes"][name] = answer["least_bytes"]

    def _timed(self, workload: Workload, worker: Worker, point: str, deadline: float) -> None:
        worker.ask(do="time", point=point, seconds=ROUND_SECONDS)
        samples = worker.answer(deadline)["samples"]
        self.record["times"].setdefault(f"{workload.name}/{point}/{worker.name}", []).append(median(samples))

    def _told(self, workload: Workload, worker: Worker, point: str) -> None:
        """What the program of a point is: last, since a profile of its steps takes memory and time. One that fails spoils no figure."""
        try:
            worker.ask(do="tell", point=point)
            told = worker.answer(min(self.deadline, time.monotonic() + TELL_SECONDS))["told"]
        except (TimeoutError, RuntimeError, OSError, ValueError) as error:
            told = {"failed": f"{type(error).__name__}: {error}; see logs/{worker.log.name}"}
            worker.end()
        if told:
            self.record["programs"][f"{workload.name}/{point}/{worker.name}"] = told


def _in_turn(workers: list[Worker], points: dict[str, list[str]]) -> Iterator[tuple[Worker, str]]:
    """Each point of all workers that have it, one after another."""
    for point in dict.fromkeys(p for w in workers for p in points[w.name]):
        yield from ((w, point) for w in workers if point in points[w.name] and w.alive)


def _device_name(device: str) -> str:
    if device != "gpu":
        return {"cpu": "none: on the CPU", "emulated": "none: emulated on the CPU"}[device]
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of hybridnet, PyTorch and JAX on a GPU")
    parser.add_argument("folder", type=Path, help="where figures and logs go")
    parser.add_argument("--seconds", type=float, default=300, help="the time limit of all together (300)")
    parser.add_argument("--device", choices=DEVICES, default="gpu")
    parser.add_argument("--sizes", choices=list(SIZES), default="full", help="tiny: to see on a CPU that everything runs")
    parser.add_argument("--only", nargs="+", choices=[w.name for w in WORKLOADS], metavar="WORKLOAD")
    parser.add_argument("--peers", nargs="+", choices=["hybridnet", "torch", "jax"], default=["hybridnet", "torch", "jax"])
    parser.add_argument("--torch", metavar="PYTHON", help="the Python that has PyTorch, if not this one")
    parser.add_argument("--jax", metavar="PYTHON", help="the Python that has JAX, if not this one")
    arguments = parser.parse_args()
    ends_on_request()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run = Run(arguments)
    try:
        chosen = [w for w in WORKLOADS if arguments.only is None or w.name in arguments.only]
        for workload in chosen:
            run.workload(workload, last=workload is chosen[-1])
    finally:
        run.write()
        print(summary(run.record), flush=True)
    sys.exit(int(bool(failures_of_ours(run.record))))


if __name__ == "__main__":
    main()
