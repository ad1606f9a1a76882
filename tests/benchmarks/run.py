"""Run hybridnet and its peers in turn, judge the results by the bars, and keep a record.

    python tests/benchmarks/run.py --setup ~/peers
    python tests/benchmarks/run.py --mxnet PYTHON --torch PYTHON --rounds 7
    python tests/benchmarks/run.py --quick --only operators

One worker process runs at any time. See README.md beside this file.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bars import OWN_WORKLOADS, SHARED_NETWORKS, SHARED_WORKLOADS
from environments import set_up
from machine import describe
from report import report

HERE = Path(__file__).resolve().parent
THREADS = "2"
COMPILE = "compile"
ALL = tuple(dict.fromkeys([*SHARED_WORKLOADS, *SHARED_NETWORKS, *OWN_WORKLOADS, COMPILE]))
#: How libraries are told their number of threads. PyTorch is also told by its worker.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "HYBRIDNET_NUM_THREADS")
#: What makes OpenBLAS take other kernels than those of this processor.
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Workers:
    """The peers' Pythons; starts one worker at a time and reads its result.

    ``baseline``: a checkout of another version of hybridnet, a peer of that name, which is measured as hybridnet is: by NumPy alone. The
    peer ``onednn`` is hybridnet with the extra ``cpu``: that library, and loops by numba.
    """

    def __init__(self, pythons: dict[str, str], baseline: Path | None = None) -> None:
        self.pythons = pythons
        self.checkouts = {"hybridnet": HERE.parent.parent, "onednn": HERE.parent.parent, "baseline": baseline}
        self.versions: dict[str, dict[str, str]] = {}

    def run(self, peer: str, script: str, *arguments: str) -> dict[str, Any]:
        """The JSON on the last line that a worker prints."""
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, THREADS)}
        environment.pop("PYTHONPATH", None)
        if (checkout := self.checkouts.get(peer)) is not None:
            environment["PYTHONPATH"] = str(checkout)
        if peer in ("hybridnet", "baseline"):
            environment["HYBRIDNET_DISABLE_LIBRARIES"] = self._libraries(checkout)
        if peer != "mxnet":  # the choices of an OpenBLAS that knows this processor; MXNet brings an older one
            for variable in KERNEL_VARIABLES:
                environment.pop(variable, None)
        command = [self.pythons[peer], str(HERE / script), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{peer}: {script} {' '.join(arguments)} failed\n{done.stdout}{done.stderr}")
        result = json.loads(done.stdout.splitlines()[-1])
        self.versions.setdefault(peer, result.pop("versions", {}))
        return result

    def _libraries(self, checkout: Path | None) -> str:
        """What NumPy alone does without; a version from before there were loops refuses their name."""
        has_loops = checkout is not None and (checkout / "hybridnet" / "device" / "loops.py").exists()
        return "oneDNN,numba" if has_loops else "oneDNN"

    def measure(self, peer: str, what: str, workload: str, *arguments: str) -> dict[str, Any]:
        return self.run(peer, f"peer_{'hybridnet' if peer in self.checkouts else peer}.py", what, workload, *arguments)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks of hybridnet and its peers")
    parser.add_argument("--mxnet", metavar="PYTHON", help="the Python of an environment with MXNet 1.9.1")
    parser.add_argument("--torch", metavar="PYTHON", help="the Python of an environment with PyTorch")
    parser.add_argument("--setup", metavar="FOLDER", type=Path, help="make the peers' environments there, where missing, and use them")
    parser.add_argument("--baseline", metavar="CHECKOUT", type=Path, help="another version of hybridnet to measure beside this one")
    parser.add_argument("--rounds", type=int, default=7, help="how many times every worker takes its turn (7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a worker measures each case in a round (1.0)")
    parser.add_argument("--quick", action="store_true", help="one short round: to see that everything runs; the numbers mean nothing")
    parser.add_argument("--only", nargs="+", choices=ALL, metavar="WORKLOAD", help=f"these alone, of: {', '.join(ALL)}")
    parser.add_argument("--output", type=Path, help="where to write the record (records/DATE.json; with --quick or --only nowhere)")
    parser.add_argument("--show", type=Path, metavar="RECORD", help="print the tables of a record that was written before")
    return parser.parse_args()


def has_onednn() -> bool:
    """Whether this Python's environment has the extra ``cpu``."""
    try:
        importlib.metadata.version("onednn-cpu-gomp")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def schedule(peers: list[str], workloads: list[str]) -> Iterator[tuple[str, str]]:
    """Who measures what in a round: the peers of a workload one after another."""
    frameworks = ("hybridnet", "onednn", "baseline", "mxnet", "torch")
    for workload in workloads:
        for peer in peers:
            shared = (workload in SHARED_WORKLOADS and peer != "onednn") or (workload in SHARED_NETWORKS and peer in frameworks)
            if shared or peer in ("hybridnet", "baseline"):
                yield peer, workload


def measure(workers: Workers, workloads: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """All measurements of a record; a time is the median of a round's samples."""
    times: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    memory: dict[str, dict[str, int]] = {"arrays": {}, "process": {}}
    compiled = []
    timed = [w for w in workloads if w != COMPILE]
    for n in range(rounds):
        for peer, workload in schedule(list(workers.pythons), timed):
            print(f"round {n + 1} of {rounds}: {workload}, {peer}", file=sys.stderr, flush=True)
            found = workers.measure(peer, "time", workload, "--seconds", str(seconds))
            for case, samples in found["times"].items():
                times.setdefault(f"{peer}/{workload}/{case}", []).append(statistics.median(samples))
            losses.update({f"{peer}/{workload}/{case}": values for case, values in found["losses"].items()})
        if COMPILE in workloads:
            print(f"round {n + 1} of {rounds}: compiling", file=sys.stderr, flush=True)
            compiled.append(workers.run("hybridnet", "compiling.py"))
    for workload in timed:
        if workload in OWN_WORKLOADS:
            print(f"memory: {workload}", file=sys.stderr, flush=True)
            for case in ("imperative", "hybridized", *(["one step"] if workload.endswith("-train") else [])):
                for what, kind in (("memory", "arrays"), ("process", "process")):
                    memory[kind][f"hybridnet/{workload}/{case}"] = workers.measure("hybridnet", what, workload, case)[kind]
    for peer, workload in schedule(list(workers.pythons), [w for w in timed if w in SHARED_NETWORKS]):
        if peer == "numpy":
            continue
        print(f"memory: {workload}, {peer}", file=sys.stderr, flush=True)
        case = "eager" if peer == "torch" else "hybridized"
        memory["process"][f"{peer}/{workload}/{case}"] = workers.measure(peer, "process", workload, case)["process"]
    return {"times": times, "losses": losses, **memory, "compile": compiled}


def main() -> None:
    arguments = parsed()
    if arguments.show:
        print(report(json.loads(arguments.show.read_text())))
        return
    if arguments.setup:
        arguments.mxnet, arguments.torch = set_up(arguments.setup)
    machine = describe()
    pythons = {"hybridnet": sys.executable, "mxnet": arguments.mxnet, "torch": arguments.torch, "numpy": sys.executable}
    if has_onednn():
        pythons["onednn"] = sys.executable
    if arguments.baseline:
        pythons["baseline"] = sys.executable
    workers = Workers({peer: python for peer, python in pythons.items() if python}, arguments.baseline)
    rounds, seconds = (1, 0.02) if arguments.quick else (arguments.rounds, arguments.seconds)
    workloads = arguments.only or list(ALL)
    found = measure(workers, workloads, rounds, seconds)
    settings = {"threads": THREADS, "rounds": rounds, "seconds a case and round": seconds}
    record = {"machine": machine, "settings": settings, "versions": workers.versions, **found}
    output = arguments.output
    if output is None and not arguments.quick and not arguments.only:
        output = HERE / "records" / f"{machine['date'][:10]}.json"
    if output is not None:
        output.parent.mkdir(exist_ok=True)
        output.write_text(json.dumps(record, indent=1) + "\n")
        print(f"written to {output}", file=sys.stderr)
    print(report(record))


if __name__ == "__main__":
    main()
