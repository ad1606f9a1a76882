"""Processes that nobody started as ranks, but for the variables that torchrun, or a hand, has set."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from support.mpi import require, segments, sweep
from support.paths import ROOT

from hybridnet.device.process_manager import Manager

PROGRAM = """
import hybridnet as hn
from hybridnet import distributed
rank, size = distributed.rank(), distributed.size()
total = distributed.all_reduce(hn.np.full(2, rank + 1.0))
print("rank", rank, "of", size, distributed.local_rank(), distributed.local_size(), total.tolist())
"""


def started(name: str, size: int, **more: str) -> list[tuple[int, str]]:
    """The exit status of each process, and what it says."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    before = set(segments())
    own = require(name).environment() | {key: str(value) for key, value in variables.items()} | more
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=own | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        said = [process.communicate(timeout=100)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
        sweep(before)
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("store", ["False", pytest.param("True", marks=pytest.mark.slow)])
def test_processes_join_by_variables_under_mpich(size: int, store: str) -> None:
    total = size * (size + 1) / 2
    for rank, (status, said) in enumerate(started("mpich", size, TORCHELASTIC_USE_AGENT_STORE=store)):
        assert status == 0 and f"rank {rank} of {size} {rank} {size} [{total}, {total}]" in said, said


@pytest.mark.slow
def test_open_mpi_finds_each_alone_and_says_what_joins_them() -> None:
    for status, said in started("openmpi", 2):
        assert status != 0 and "finds alone" in said and "mpirun -n 2 python" in said and "MPICH (pip install mpich)" in said, said


def test_a_first_rank_that_is_not_there_is_named() -> None:
    own = require("mpich").environment() | {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=own | {"HYBRIDNET_DEADLINE": "1"}, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0
    assert "expected rank 0 within 1 s (HYBRIDNET_DEADLINE); got rank 0 at 127.0.0.1:1 (MASTER_ADDR, MASTER_PORT)" in done.stderr, (
        done.stderr
    )


def test_the_manager_keeps_a_table_and_lets_all_go_on_together() -> None:
    manager = Manager(3, 2)

    def said(asker: str, line: str) -> list[str]:
        assert all(other == asker for other, _ in manager.answers(asker, line))
        return [answer for _, answer in manager.answers(asker, line)]

    assert said("a", "cmd=initack pmiid=2")[2] == "cmd=set rank=2"
    assert said("a", "cmd=get kvsname=table key=x") == ["cmd=get_result rc=-1 msg=unknown"]
    assert said("b", "cmd=put kvsname=table key=x value=of = two words") == ["cmd=put_result rc=0 msg=success"]
    assert said("a", "cmd=get kvsname=table key=x") == ["cmd=get_result rc=0 msg=success value=of = two words"]
    assert said("a", "cmd=get kvsname=table key=PMI_process_mapping")[0].endswith("value=(vector,(0,2,2))")
    assert [list(manager.answers(asker, "cmd=barrier_in")) for asker in "ab"] == [[], []]
    assert [asker for asker, _ in manager.answers("c", "cmd=barrier_in")] == ["a", "b", "c"]
    assert list(manager.answers("c", "cmd=barrier_in")) == []
