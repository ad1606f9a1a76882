"""How many cores this process may use: what the system grants it, what its user has asked for, what processes beside it share.

``os.cpu_count()`` is none of these: it counts the machine's cores, also those that a scheduler, a container or a launcher of
several processes has given to others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hybridnet.config import RANK_VARIABLES, THREAD_VARIABLES, numbers

ROOT = Path("/")


def available() -> int:
    """Cores for this process, 1 or more: the least of those that it is bound to, its control group's quota, and what the user allows.

    Processes that a launcher (MPI, Slurm, torchrun) has started together on this machine and not bound to cores divide them.
    """
    granted = bound()
    whole = granted == (os.cpu_count() or 1)
    ranks = max(numbers(RANK_VARIABLES), default=1)
    if whole and ranks > 1:  # a launcher that binds its processes has divided the cores already
        granted //= ranks
    limits = [granted, *numbers(THREAD_VARIABLES), *(math.floor(q) for q in quotas())]
    return max(1, min(limits))


def bound() -> int:
    """The number of cores that the system may run this process on."""
    return len(processors())


def processors() -> frozenset[int]:
    """The cores that the system may run this process on, by their numbers."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def together(granted: Iterable[frozenset[int]]) -> int:
    """How many cores some processes of this machine have together, of which each may run on the given ones."""
    return min([len(frozenset().union(*granted)), *(max(1, math.floor(q)) for q in quotas())])


def quotas(root: Path = ROOT) -> Iterator[float]:
    """The cores that Linux's control groups allow this process: of its own group and of those around it."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, group = line.split(":", 2)
        files: list[tuple[str, str, str | None]] = []
        if number == "0" and not controllers:
            files = [("sys/fs/cgroup", "cpu.max", None)]
        elif "cpu" in controllers.split(","):
            files = [(f"sys/fs/cgroup/{name}", "cpu.cfs_quota_us", "cpu.cfs_period_us") for name in ("cpu", "cpu,cpuacct")]
        for mounted, quota, period in files:
            inside = Path(group.lstrip("/"))
            for folder in (inside, *inside.parents):
                yield from _quota(root / mounted / folder, quota, period)


def _quota(folder: Path, quota: str, period: str | None) -> Iterator[float]:
    """Of one group: version 2 has both numbers in one file, version 1 one in each."""
    words = [word for line in _lines(folder / quota) for word in line.split()]
    words += _lines(folder / period) if period is not None else []
    if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):  # "max" or -1: no limit
        yield int(words[0]) / int(words[1])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
