"""A program in a session of its own, its processes, and what it leaves in ``/dev/shm``. Linux only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.paths import ROOT

SHARED = Path("/dev/shm")
available = SHARED.exists() and Path("/proc/self/stat").exists()


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State, parent and session of a process; ``None`` if there is none."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return words[0], int(words[1]), int(words[3])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def in_session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
    stats = {pid: stat for pid in pids if (stat := _stat(pid)) is not None}
    return [pid for pid, (state, _, session) in stats.items() if session == leader and state not in "ZX"]


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or only what its parent has yet to ask for."""
    stat = _stat(pid)
    return stat is None or stat[0] in "ZX"


def left_in_shared_memory(pid: int) -> list[str]:
    """The names that a loader of that process has there."""
    return sorted(p.name for p in SHARED.glob(f"hybridnet-{pid}-*"))


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What ``condition`` gives once it is true; its last word if that takes too long."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def _hears_interrupts() -> None:
    """What a shell starts in its background ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Program:
    """``with Program(text) as program:`` Python text that runs in a session of its own; what is left of it at the end is killed."""

    def __init__(self, text: str, path: Path) -> None:
        path.write_text(text)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_hears_interrupts,
            env=environment,
            cwd=ROOT,
        )
        self.pid = self.process.pid

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        for pid in self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def lines(self, number: int) -> list[str]:
        """The next lines that it prints."""
        assert self.process.stdout is not None
        return [self.process.stdout.readline() for _ in range(number)]

    def rest(self, seconds: float = 60.0) -> str:
        """Everything else that it prints, until it ends."""
        return self.process.communicate(timeout=seconds)[0]

    def alive(self) -> list[int]:
        """Its processes that have not ended."""
        return in_session(self.pid)

    def workers(self) -> list[int]:
        """Its processes that were forked from its server of forks."""
        servers = {pid for pid in self.alive() if "forkserver" in _command(pid)}
        return sorted(pid for pid in servers if (stat := _stat(pid)) is not None and stat[1] in servers)

    def leaves_nothing(self) -> bool:
        """Whether all of its processes end, and its shared memory goes, within seconds."""
        return bool(until(lambda: not self.alive() and not left_in_shared_memory(self.pid)))
