"""Sparse arrays beside their peers, in one run: products with a csr matrix beside SciPy's, training a large embedding beside MXNet.

    python tests/benchmarks/sparse_arrays.py --mxnet PYTHON --write tests/benchmarks/records/sparse-DATE.json

Products are timed with a matrix that was used before (``again``), and with a new one each time (``first``), of which SciPy's part is the
product alone. The machine should be quiet. The bars: again at most 1.2 × SciPy's; the step at most 1.2 × MXNet's, and with a hundred
times the rows no more than 1.2 × as long.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

LIMIT = 1.2
#: Rows, columns, columns of the dense operand, share that is stored.
MATRICES = {
    "10000 x 10000, 0.1 %": (10_000, 10_000, 64, 1e-3),
    "2000 x 100000, 0.1 %": (2_000, 100_000, 16, 1e-3),
    "10000 x 1000, 1 %": (10_000, 1_000, 128, 1e-2),
    "256 x 1000000, 0.002 %": (256, 1_000_000, 64, 2e-5),
}
ROWS = (10_000, 1_000_000)
ROUNDS = 3


def in_turn(calls: dict[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """The median seconds of each call, all of them taken in turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(times):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            found[name].append(time.perf_counter() - begin)
    return {name: median(seconds) for name, seconds in found.items()}


def product_times(m: int, k: int, n: int, share: float, times: int) -> dict[str, dict[str, float]]:
    """Seconds of csr · dense and of its transpose, by SciPy and by ours."""
    import scipy.sparse

    from hybridnet import nd

    random = np.random.default_rng(15)
    theirs = scipy.sparse.random(m, k, share, format="csr", dtype="float32", random_state=15)
    ours = nd.sparse.csr_matrix(theirs)
    found = {}
    for name, turned, length in (("product", False, k), ("transpose", True, m)):
        x = random.uniform(size=(length, n)).astype("float32")
        y = nd.array(x)
        new = iter([nd.sparse.csr_matrix(theirs) for _ in range(times + 1)])
        found[name] = in_turn(
            {
                "scipy": lambda a=theirs.T if turned else theirs, x=x: a @ x,
                "again": lambda y=y, turned=turned: nd.dot(ours, y, transpose_a=turned),
                "first": lambda y=y, turned=turned, new=new: nd.dot(next(new), y, transpose_a=turned),
            },
            times,
        )
    return found


def step_of(mx: Any, rows: int) -> Callable[[], None]:
    """A training step, by Adam, of an embedding of so many rows of 64, of which 2048 are looked up."""
    nd, autograd, gluon = mx.nd, mx.autograd, mx.gluon
    net = gluon.nn.Embedding(rows, 64, sparse_grad=True)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    x = nd.array(np.random.RandomState(15).randint(0, rows, (256, 8)))

    def step() -> None:
        with autograd.record():
            loss = (net(x) ** 2).sum()
        loss.backward()
        trainer.step(256)
        nd.waitall()

    for _ in range(10):
        step()
    return step


def step_seconds(library: str, rows: int, times: int) -> float:
    """The median seconds of a step."""
    return in_turn({"step": step_of(importlib.import_module(library), rows)}, times)["step"]


def in_process(python: str, library: str, rows: int, times: int) -> float:
    """The same, of a process of its own: what another size left in the allocator does not help."""
    command = [python, __file__, "--step", library, "--rows", str(rows), "--times", str(times)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def step_times(mxnet: str, times: int) -> dict[str, dict[str, float]]:
    """Seconds of the step by rows and library, the better of runs that are taken in turn."""
    found: dict[str, dict[str, float]] = {str(rows): {} for rows in ROWS}
    for _ in range(ROUNDS):
        for rows in ROWS:
            for library, python in (("hybridnet", sys.executable), ("mxnet", mxnet)):
                seconds = in_process(python, library, rows, times)
                found[str(rows)][library] = min(seconds, found[str(rows)].get(library, seconds))
    return found


def ratios(record: dict[str, Any]) -> dict[str, float]:
    """What the bars are about."""
    found = {f"{name}, {matrix}": t["again"] / t["scipy"] for matrix, parts in record["products"].items() for name, t in parts.items()}
    if "steps" in record:
        few, many = (record["steps"][str(rows)] for rows in ROWS)
        found |= {
            "step beside MXNet": many["hybridnet"] / many["mxnet"],
            "step by a hundred times the rows": many["hybridnet"] / few["hybridnet"],
        }
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mxnet", help="a Python with MXNet 1.9.1")
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--write", type=Path, help="where the record goes")
    parser.add_argument("--step", metavar="LIBRARY", help="time its steps in this process, and print seconds")
    parser.add_argument("--rows", type=int, default=ROWS[0], help="of the embedding, with --step")
    arguments = parser.parse_args()
    if arguments.step:
        print(step_seconds(arguments.step, arguments.rows, arguments.times))
        return
    record: dict[str, Any] = {"products": {name: product_times(*sizes, arguments.times) for name, sizes in MATRICES.items()}}
    if arguments.mxnet:
        record["steps"] = step_times(arguments.mxnet, arguments.times)
    for name, ratio in ratios(record).items():
        print(f"{ratio:6.2f}  {'within' if ratio <= LIMIT else 'above '} {LIMIT}  {name}")
    if arguments.write:
        arguments.write.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
