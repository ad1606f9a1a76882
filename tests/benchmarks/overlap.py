"""Whether a sum over ranks goes on while products are computed on a CPU: waited for at once, not at all, polled, in a thread.

    mpirun -n 2 python tests/benchmarks/overlap.py [MILLIONS]

prints medians in milliseconds, of sums of so many million float32 (2). Programs on CPUs wait
for a message where they send it; the last but one is what polls between their steps could gain.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

REPEATS, PRODUCTS = 9, 24
WORLD = MPI.COMM_WORLD


def main() -> None:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 2) * 2**20)
    a, x = np.random.rand(500, 500).astype("float32"), np.random.rand(size).astype("float32")
    total = np.empty_like(x)

    def work(request: Any = None) -> None:
        for _ in range(PRODUCTS):
            a @ a
            if request is not None:
                request.Test()

    def one_after_another() -> None:
        work()
        WORLD.Allreduce(x, total)

    def started(polled: bool) -> None:
        request = WORLD.Iallreduce(x, total)
        work(request if polled else None)
        request.Wait()

    def in_a_thread() -> None:
        thread = threading.Thread(target=WORLD.Allreduce, args=(x, total))
        thread.start()
        work()
        thread.join()

    ways: dict[str, Callable[[], None]] = {
        "products": work,
        "sum": lambda: WORLD.Allreduce(x, total),
        "one after another": one_after_another,
        "started, then waited for": lambda: started(False),
        "started and polled": lambda: started(True),
        "in a thread": in_a_thread,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS + 1):
        for name, way in ways.items():
            WORLD.Barrier()
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    if not WORLD.rank:
        version = MPI.Get_library_version().split(",")[0].splitlines()[0]
        print(version, {name: round(statistics.median(s[1:]) * 1e3, 1) for name, s in seconds.items()})


if __name__ == "__main__":
    main()
