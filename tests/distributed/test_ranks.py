"""Trainings by 1, 2 and 4 ranks under both MPIs: as by one process, and the same on all ranks to the bit."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import fit_checks
from support.divided_language import train as train_divided
from support.mpi import PACKAGES, require
from support.rank_checks import CHECKS, WAYS, trained

from hybridnet import distributed


@pytest.fixture(scope="module", name="alone")
def _alone() -> dict[tuple[bool, str], list[Any]]:
    """By whether there are batch norms, and by optimizer."""
    return {(norm, optimizer): trained("eager" + " norm" * norm, optimizer) for norm in (False, True) for optimizer in ("sgd", "adam")}


@pytest.fixture(scope="module", name="divided")
def _divided() -> dict[str, list[Any]]:
    """By the way, what one rank comes to with all of the layers that others divide."""
    mesh = distributed.mesh(data=1, model=1)
    return {way: train_divided(mesh, way, dropout=dropout)[0] for way, dropout in (("eager", 0.5), ("jit", 0.0))}


#: MPICH starts in a quarter of a second, so it is the one that is always tried.
CASES = [
    pytest.param(name, ranks, marks=() if (name, ranks) == ("mpich", 2) else pytest.mark.slow) for name in PACKAGES for ranks in (1, 2, 4)
]


@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_ranks(name: str, ranks: int, alone: dict[tuple[bool, str], list[Any]], divided: dict[str, list[Any]], tmp_path: Path) -> None:
    """All that ``rank_checks`` checks on each rank; of trainings, that they come to what one process comes to, whatever the way to run."""
    done = require(name).run(ranks, "tests/support/rank_checks.py", str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "done.json").read_text()) == {"ranks": ranks, "checks": [f.__name__ for f in CHECKS]}
    with np.load(tmp_path / "trained.npz") as found:
        for way in WAYS:
            for optimizer in ("sgd", "adam"):
                for i, p in enumerate(alone["norm" in way, optimizer]):
                    np.testing.assert_allclose(found[f"{way} {optimizer} {i}"], p, rtol=1e-9, atol=1e-11, err_msg=f"{way} {optimizer} {i}")
    with np.load(tmp_path / "fitted.npz") as found:
        fit_checks.compare(found)
    with np.load(tmp_path / "divided.npz") as found:
        for key in found:
            way, _, i = key.split()
            np.testing.assert_allclose(found[key], divided[way][int(i)], rtol=1e-6, atol=1e-7, err_msg=key)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "mpich" else pytest.mark.slow) for name in PACKAGES])
def test_ranks_that_have_fewer_cores_than_threads_wait_asleep(name: str) -> None:
    """Also those of a part of them; BLAS has no more threads than its rank."""
    program = """
import time
import numpy as np
import hybridnet as hn
from hybridnet.device import threads
rank = hn.distributed.rank()
model = hn.distributed.mesh(data=-1, model=2)["model"]
assert all(library.get() <= threads.count() for library in threads.libraries())
for among in ({}, {"group": model}):
    hn.distributed.all_reduce(hn.np.ones(3), **among).tolist()
    hn.distributed.barrier()
    begin = time.thread_time()
    if rank == 0:
        time.sleep(1.0)
    assert hn.distributed.all_reduce(hn.np.ones(3), **among).tolist() == [2.0] * 3
    assert time.thread_time() - begin < 0.05
print("asleep")
"""
    most = str(os.cpu_count() or 1)
    done = require(name).run(2, "-c", program, HYBRIDNET_NUM_THREADS=most, OPENBLAS_NUM_THREADS=str(int(most) + 2))
    assert done.returncode == 0 and done.stdout.count("asleep") == 2, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_the_example(name: str) -> None:
    done = require(name).run(2, "examples/distributed_digits.py", "--epochs", "8")
    found = re.search(r"^2 ranks, [\d.]+ s: held-out accuracy ([\d.]+); parameters (\w+) (\w+)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    assert float(found[1]) > 0.93 and found[2] == found[3]
    assert done.stdout.count("epoch ") == 8
