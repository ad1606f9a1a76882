"""The worker's side: time cases in turn, or measure one case's memory, and print JSON.

Used by every peer in its own Python environment, so it imports the standard library alone. A peer
is a script that ends with ``main(WORKLOADS, versions)``; ``WORKLOADS`` maps a workload's name to its
cases, each a function that builds a :class:`Case`.

    python peer_torch.py time mlp --seconds 1
    python peer_hybridnet.py memory pointwise-train hybridized
"""

import argparse
import contextlib
import gc
import json
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

SAMPLE_SECONDS = 0.01  # a sample is as many calls as take this long, at least one
LEAST_SAMPLES = 5
STEPS = 3  # calls before and during a measurement of memory
NUMPY_DOMAIN = 389047  # how NumPy marks the memory of arrays to tracemalloc: numpy.lib.tracemalloc_domain


def nothing() -> None:
    """What a library without a queue does to finish its work."""


@dataclass
class Case:
    """One thing to time.

    statement: Python source, written into the timing loop so that no call of a function is added.
    names: what the statement refers to.
    finish: waits for the queued work of all calls of a sample; part of the time.
    around: a context in which the loop runs (recording, say).
    losses: called once before timing; the losses of the first training steps, to be compared.
    compilations: how many times the case has compiled so far; must not change while it is timed.
    """

    statement: str
    names: Mapping[str, Any]
    finish: Callable[[], None] = nothing
    around: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    losses: Callable[[], list[float]] | None = None
    compilations: Callable[[], int] = int


Cases = Mapping[str, Callable[[], Case]]


def loop_of(case: Case) -> Callable[[int], float]:
    """``loop(n)``: the seconds that one call takes, from ``n`` calls in a row. The garbage collector runs as it does for users."""
    names = {**case.names, "_finish": case.finish, "_clock": time.perf_counter}
    body = case.statement.replace("\n", "\n        ")
    text = f"""
def loop(n):
    begin = _clock()
    for _ in range(n):
        {body}
    _finish()
    return (_clock() - begin) / n
"""
    exec(text, names)
    loop, around = names["loop"], case.around

    def run(n: int) -> float:
        with around():
            return loop(n)

    return run


def calls_a_sample(loop: Callable[[int], float]) -> int:
    """Warm up, then choose how many calls make a sample."""
    for _ in range(STEPS):
        loop(1)
    n = 1
    while loop(n) * n < SAMPLE_SECONDS / 2:
        n *= 2
    return max(1, round(SAMPLE_SECONDS / loop(n)))


def time_cases(builders: Cases, seconds: float) -> dict[str, Any]:
    """Samples of all cases, taken in turn until each has had ``seconds``."""
    cases = {name: build() for name, build in builders.items()}
    losses = {name: case.losses() for name, case in cases.items() if case.losses is not None}
    loops = {name: loop_of(case) for name, case in cases.items()}
    calls = {name: calls_a_sample(loop) for name, loop in loops.items()}
    compiled = {name: case.compilations() for name, case in cases.items()}
    gc.collect()
    samples: dict[str, list[float]] = {name: [] for name in loops}
    end = time.perf_counter() + seconds * len(loops)
    while time.perf_counter() < end or min(map(len, samples.values())) < LEAST_SAMPLES:
        for name, loop in loops.items():
            samples[name].append(loop(calls[name]))
    for name, case in cases.items():
        if case.compilations() != compiled[name]:
            raise RuntimeError(f"{name} compiled while it was timed")
    return {"times": samples, "losses": losses}


def memory_of_arrays(build: Callable[[], Case]) -> dict[str, Any]:
    """The largest number of bytes that arrays take at any time during a few steady calls, the case's own arrays included.

    What Python objects (modules, graphs, program texts) take at the beginning of those calls is left out.
    """
    tracemalloc.start()
    loop = loop_of(build())
    loop(STEPS)
    gc.collect()
    arrays = sum(trace.size for trace in tracemalloc.take_snapshot().traces if trace.domain == NUMPY_DOMAIN)
    gc.collect()
    others = tracemalloc.get_traced_memory()[0] - arrays
    tracemalloc.reset_peak()
    loop(STEPS)
    return {"arrays": tracemalloc.get_traced_memory()[1] - others}


def memory_of_process(build: Callable[[], Case]) -> dict[str, Any]:
    """The largest resident size of the process in bytes: imports, compiling and everything else included."""
    loop_of(build())(2 * STEPS)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


def main(workloads: Mapping[str, Cases], versions: Mapping[str, str]) -> None:
    """The command line of a worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["time", "memory", "process"])
    parser.add_argument("workload", choices=list(workloads))
    parser.add_argument("case", nargs="?", help="for memory and process: which case")
    parser.add_argument("--seconds", type=float, default=1.0, help="for time: how long to take samples of each case")
    arguments = parser.parse_args()
    cases = workloads[arguments.workload]
    if arguments.what == "time":
        result = time_cases(cases, arguments.seconds)
    else:
        result = (memory_of_arrays if arguments.what == "memory" else memory_of_process)(cases[arguments.case])
    # Libraries write to the standard output, too: the result is its last line.
    print(json.dumps({**result, "versions": {"python": sys.version.split()[0], **versions}}), flush=True)
