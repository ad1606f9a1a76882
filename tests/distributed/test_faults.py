"""Ranks that go wrong: an error that says what, on all of them, in place of waiting for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.mpi import PACKAGES, require
from support.paths import ROOT

from hybridnet.device.watchdog import LOST

#: Of each fault what the ranks print.
SAID = {
    "exception": ("rank 1 of 2 ends all:", "ValueError: of rank 1 alone"),
    "exits": ("no data on this machine", "rank 1 of 2 ends all: it exits with no data on this machine"),
    "frozen_layer": (
        "[the compiled function 'step'] expected the same on every rank; got ranks that differ; of rank 0 (-) and rank 1 (+):",
        "-all_reduce 0: float32[4,3] of net_dense0_weight.grad",
        "freezing layers",
    ),
    "frozen_layer_eager": ("[the compiled function 'update']", "-all_reduce 0: float32[4,3] of net_dense0_weight.grad"),
    "other_network": ("[the parameters of a Trainer] expected the same on every rank", "+dense0_weight: float32[1,2]"),
    "other_values": ("[parameters at the first step of a Trainer]", "-net_dense1_bias: float32[2] ", "+net_dense1_bias: float32[2] "),
    "other_rate": ("learning rate 0.1", "learning rate 0.2"),
    "one_retraces": (
        "[the compiled function 'step'] expected all 2 ranks within 4 s (HYBRIDNET_DEADLINE); got rank 1 alone",
        "since argument 0: float32[4,3] became float32[3,3], rank 0 did not",
        "last_batch='discard'",
    ),
    "elsewhere": (
        "ends all: RankError: [all_reduce 2] expected all 3 ranks within 4 s (HYBRIDNET_DEADLINE); got rank 1 (pid ",
        "it runs, after 1 collectives, and has not come to the next; at rank_faults.py:",
        "rank 1 of 3 is here:",
        "in wait_for_ever",
        "rank 2 of 3 is here:",
    ),
    "stopped": ("got rank 1 (pid ", "stopped ", "rank 2 of 3 is here:"),
    "first_stopped": ("got rank 0: it has said nothing for ", "rank 2 of 3 is here:"),
    "killed": (),  # the launcher says it, in words of its own
    "several_devices": ("[Trainer] expected with several ranks, one device each; got 2 devices in one process", "mpirun"),
}


QUICK = ("exception", "exits", "frozen_layer", "elsewhere")
WATCHED = ("elsewhere", "stopped", "first_stopped", "killed")
CASES = [
    pytest.param(name, fault, marks=() if name == "mpich" and fault in QUICK else pytest.mark.slow) for name in PACKAGES for fault in SAID
]


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_faults(name: str, fault: str) -> None:
    deadline = "4" if fault in ("one_retraces", *WATCHED) else "60"
    done = require(name).run(3 if fault in WATCHED else 2, "tests/support/rank_faults.py", fault, HYBRIDNET_DEADLINE=deadline)
    assert done.returncode != 0
    assert fault not in ("elsewhere", "stopped", "first_stopped") or done.returncode == LOST
    for words in SAID[fault]:
        assert words in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_rank_that_is_slow_is_waited_for(name: str) -> None:
    done = require(name).run(2, "tests/support/rank_faults.py", "slow", HYBRIDNET_DEADLINE="5")
    assert done.returncode == 0 and done.stdout.count("nothing went wrong") == 2, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), [("openmpi", "--enable-recovery"), ("mpich", "-disable-auto-cleanup")])
def test_a_killed_rank_of_which_the_launcher_takes_no_notice(name: str, option: str) -> None:
    """MPICH's does now and then, on a machine that has much to do; then all end at once, and nobody says why."""
    for _ in range(5):
        done = require(name).run(3, "tests/support/rank_faults.py", "killed", HYBRIDNET_DEADLINE="60", options=(option,))
        assert done.returncode != 0
        if "its process has ended" in done.stdout:
            return
    raise AssertionError(done.stdout)


def test_an_exit_that_is_caught_ends_nothing() -> None:
    program = (
        "import sys, hybridnet as hn\nhn.distributed.init()\n"
        "try:\n    sys.exit(3)\nexcept SystemExit as error:\n    assert error.code == 3\n"
        "hn.distributed.barrier()\nprint('at the end')\nsys.exit(0)"
    )
    done = require("mpich").run(2, "-c", program)
    assert done.returncode == 0 and done.stdout.count("at the end") == 2, done.stdout


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "4"}, "expected 4 ranks, as the launcher's environment says; got a process that MPI (MPICH"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "under Slurm srun --mpi=pmix"),
        ({"WORLD_SIZE": "8"}, "mpirun -n 8 python"),
        ({"DMLC_ROLE": "worker"}, "expected a launcher of MPI; got MXNet's launch.py (DMLC_ROLE=worker); "),
    ],
)
def test_a_launcher_that_started_single_processes(variables: dict[str, str], said: str) -> None:
    environment = {**require("mpich").environment(), **variables}
    command = [sys.executable, "-c", "import hybridnet as hn; hn.kv.create('dist_sync')"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and said in done.stderr, done.stderr


def test_without_mpi4py_ranks_are_refused_with_how_to_get_it() -> None:
    program = "import sys; sys.modules['mpi4py'] = None; import hybridnet as hn; hn.distributed.init()"
    environment = {**require("mpich").environment(), "PMI_SIZE": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert 'try pip install "hybridnet[mpi]"' in done.stderr, done.stderr
