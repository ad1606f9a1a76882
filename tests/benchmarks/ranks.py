"""Training by several ranks, beside what MPI takes by itself and beside one rank.

    python tests/benchmarks/ranks.py                    # both MPIs of build/mpi, 1, 2 and 4 ranks of one thread each
    python tests/benchmarks/ranks.py --mpi mpich --ranks 4 --quick

``sum``: the microseconds of the sum over ranks within a compiled step, from the moment when all are there, beside mpi4py's in-place
``Allreduce`` of as many bytes at the same place of every other step; at most 1.1 ×. ``speed``: samples a second of all ranks together,
beside one rank of one thread; at least 1.6 × for 4 ranks on 2 cores. ``at most``: what ranks come to that share the cores evenly, and then
wait for MPI's sum as it takes here; more ranks than cores wait longest for that. Medians; a step's time is that of the slowest rank. The
machine must be quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parent.parent
#: Layers of the network, and rows of a rank's batch.
NETWORKS = {"784-128-128-10": ((784, 128, 128, 10), 64), "784-1024-1024-10": ((784, 1024, 1024, 10), 64)}


def built(sizes: tuple[int, ...], rows: int) -> tuple[Callable[[], None], int]:
    """A compiled step of training on one rank's batch, and the bytes of its gradients."""
    import hybridnet as hn
    from hybridnet import autograd, gluon
    from hybridnet.gluon import nn

    net = nn.HybridSequential()
    for i, n in pairwise(sizes):
        net.add(nn.Dense(n, in_units=i, activation=None if n == sizes[-1] else "relu"))
    net.initialize(hn.init.Xavier())
    params = net.collect_params()
    trainer = gluon.Trainer(params, "adam", {"learning_rate": 1e-6}, kvstore="dist_sync")
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    @hn.jit
    def step(data: Any, label: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(data), label)
        loss.backward()
        trainer.step(rows)
        return loss.mean()

    rng = np.random.default_rng(hn.distributed.rank())
    batch = hn.np.array(rng.normal(size=(rows, sizes[0]))), hn.np.array(rng.integers(0, sizes[-1], rows))
    return lambda: step(*batch).item(), sum(p.data().size * 4 for p in params.values())


def measured(name: str, seconds: float) -> dict[str, Any]:
    """One rank's part of the measurement of a network: microseconds and samples a second."""
    from hybridnet.device import communicate, loops
    from hybridnet.ops.collective.host import HostSum

    ranks = communicate.start()
    sizes, rows = NETWORKS[name]
    step, nbytes = built(sizes, rows)
    for _ in range(loops.CALLS + 2):
        step()
    loops.finish()
    step()
    times: dict[str, list[float]] = {"step": [], "ours": [], "mpi": []}
    ranks.barrier()
    end = time.perf_counter() + seconds / 2
    while max(ranks.gather_objects(time.perf_counter() < end)):
        begin = time.perf_counter()
        for _ in range(4):
            step()
        times["step"].append(max(ranks.gather_objects((time.perf_counter() - begin) / 4)))
    result = {"ranks": ranks.size, "mpi": ranks.name, "network": name, "bytes": nbytes, "step_ms": median(times["step"]) * 1e3}
    result["samples_per_second"] = rows * ranks.size / median(times["step"])
    if ranks.size > 1:
        _time_sums(HostSum, step, nbytes, times, seconds / 2)
        for kind in ("ours", "mpi"):
            result[f"{kind}_us"] = median(times[kind]) * 1e6
    return result


def _time_sums(host_sum: Any, step: Callable[[], None], nbytes: int, times: dict[str, list[float]], seconds: float) -> None:
    """Steps whose sum is timed from when all ranks are there; of every other one it is MPI's own, of as many bytes, in its place."""
    from mpi4py import MPI

    from hybridnet.device import communicate

    ranks, plain = communicate.world(), host_sum.__call__
    spent: list[float] = []
    own = np.zeros(nbytes // 4, "float32")
    kind = "ours"

    def timed(self: Any, *arrays: Any, scratch: Any = None) -> None:
        own[:] = arrays[-1]  # the gradients, where the program has them one after another
        ranks.barrier()
        begin = time.perf_counter()
        if kind == "ours":
            plain(self, *arrays, scratch=scratch)
        else:
            MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, own)
        spent.append(time.perf_counter() - begin)

    host_sum.__call__ = timed
    end = time.perf_counter() + seconds
    while max(ranks.gather_objects(time.perf_counter() < end)):
        for kind in ("ours", "mpi"):
            spent.clear()
            step()
            times[kind].append(max(ranks.gather_objects(sum(spent))))
    host_sum.__call__ = plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpi", nargs="*", default=["openmpi", "mpich"])
    parser.add_argument("--ranks", nargs="*", type=int, default=[1, 2, 4])
    parser.add_argument("--network", nargs="*", default=list(NETWORKS))
    parser.add_argument("--quick", action="store_true", help="a second for each, with numbers that mean little")
    parser.add_argument("--write", type=Path, help="a file for the record")
    parser.add_argument("--rank", help="(what mpirun runs)")
    options = parser.parse_args()
    if options.rank:
        result = measured(options.rank, 1.0 if options.quick else 5.0)
        if sys.modules["hybridnet"].distributed.rank() == 0:
            print("RESULT", json.dumps(result), flush=True)
        return
    sys.path.insert(0, str(TESTS))
    from support.mpi import require

    records = []
    for network in options.network:
        for mpi in options.mpi:
            alone = None
            for ranks in options.ranks:
                done = require(mpi).run(
                    ranks,
                    __file__,
                    "--rank",
                    network,
                    *["--quick"] * options.quick,
                    HYBRIDNET_NUM_THREADS="1",
                    OMP_NUM_THREADS="1",
                )
                line = next((text for text in done.stdout.splitlines() if "RESULT" in text), None)
                if line is None:
                    raise SystemExit(done.stdout)
                found = json.loads(line.partition("RESULT")[2])
                records.append(found)
                alone = found["samples_per_second"] if ranks == 1 else alone
                speed = f", {found['samples_per_second'] / alone:.2f} × one rank's" if alone and ranks > 1 else ""
                rate = f"step {found['step_ms']:.3f} ms, {found['samples_per_second']:,.0f}/s{speed}"
                print(f"{network:18} {found['mpi']:18} {ranks} ranks: {rate}")
                if ranks > 1:
                    if alone is not None:
                        shared = max(ranks / len(os.sched_getaffinity(0)), 1.0)
                        own = NETWORKS[network][1]
                        most = own * ranks / (shared * own / alone + found["mpi_us"] * 1e-6)
                        print(f"    at most {most / alone:.2f} ×")
                    ratio = found["ours_us"] / found["mpi_us"]
                    print(f"    sum of {found['bytes']:,} bytes: {found['ours_us']:.0f} µs, MPI's {found['mpi_us']:.0f} µs, {ratio:.2f} ×")
    if options.write:
        options.write.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
