"""Ranks of one machine that together have more threads than it has cores: they wait for one another asleep.

MPI waits by asking again and again. A rank that comes early to a sum so takes half a core from one that still computes, and since its
core is busy the system moves nobody there: of four ranks on two cores three may share one for ever. Ranks that meet before they call
MPI leave their cores to those that are still to come. Where each rank has cores of its own MPI's way is the faster one.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_HERE = b"."


class Meeting:
    """The ranks of one machine, of which the first is told by all others that they have come, and tells them that all have."""

    def __init__(self, first: bool, others: list[socket.socket]) -> None:
        self._first, self._others = first, others

    def meet(self) -> None:
        """Wait until every rank of the machine is here.

        One that has ended, or that others end meanwhile, is not waited for: what MPI's call that follows makes of it is the watchdog's.
        """
        with suppress(OSError):
            if self._first:
                for other in self._others:
                    other.recv(1)
            for other in self._others:
                other.send(_HERE)
            if not self._first:
                for other in self._others:
                    other.recv(1)

    def close(self) -> None:
        """Meet no more."""
        for other in self._others:
            other.close()


def arrange(rank: int, size: int, gather: Callable[[Any], list[Any]]) -> Meeting | None:
    """A meeting of ``size`` ranks of a machine, all of which call this; None on all of them where they cannot be connected.

    gather: every rank's value, in the order of ranks.
    """
    with ExitStack() as stack:
        own = stack.enter_context(socket.socket(socket.AF_UNIX))
        path = None
        with suppress(OSError):  # a name may be too long
            if rank == 0:  # in a folder that nobody else can enter
                name = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hybridnet-"))) / "ranks"
                own.bind(str(name))
                own.listen(size)
                path = str(name)
        path = gather(path)[0]
        reached = path is not None
        if reached and rank:
            try:
                own.connect(path)
            except OSError:  # a container of its own
                reached = False
        if not all(gather(reached)):
            return None
        if rank == 0:
            return Meeting(True, [own.accept()[0] for _ in range(size - 1)])
        stack.pop_all()
        return Meeting(False, [own])
