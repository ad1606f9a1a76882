"""Processes that no launcher of MPI started, joined by what torchrun, or a hand, tells them: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT.

MPICH asks a process manager who the others are, through a socket. :func:`meet` has rank 0 start one, a process of its own that runs
:mod:`hybridnet.device.process_manager` (a thread would stand still while MPI is initialised), and tells MPI of it by the environment.
Open MPI asks another kind of manager, PMIx, and finds each process alone.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time

from hybridnet.config import environment_of, set_environment
from hybridnet.device import process_manager

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def meet(timeout: float) -> bool:
    """Tell MPI, which is not initialised yet, of the manager that the variables name; whether all variables are there.

    TimeoutError where rank 0's is not reached within so many seconds.
    """
    rank, size, address, begin = map(environment_of, _NEEDED)
    if rank is None or size is None or address is None or begin is None:
        return False
    # At that port torchrun keeps a store of its own.
    port = int(begin) + (environment_of("TORCHELASTIC_USE_AGENT_STORE") == "True")
    if int(rank) == 0:
        local = environment_of("LOCAL_WORLD_SIZE") or size
        command = [sys.executable, "-I", "-S", process_manager.__file__, address, str(port), size, local, str(timeout)]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    _await(address, port, timeout)
    set_environment({"PMI_PORT": f"{address}:{port}", "PMI_ID": rank, "PMI_RANK": rank, "PMI_SIZE": size})
    return True


def _await(address: str, port: int, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((address, port), 1.0).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError(f"rank 0 at {address}:{port} (MASTER_ADDR, MASTER_PORT): {error}") from error
            time.sleep(0.05)
