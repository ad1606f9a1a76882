"""Ranks that are threads of this process: what a training of several does, without MPI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hybridnet.core import local
from hybridnet.device import communicate
from hybridnet.device.communicate import Communicator


class Threads(Communicator):
    """A communicator whose rank is that of the thread which asks."""

    name = "threads"

    def __init__(self, size: int) -> None:
        self.size = self.local_size = size
        self.number = threading.local()
        self.meeting = threading.Barrier(size, timeout=60)
        self.slots: list[Any] = [None] * size
        self.lock = threading.Lock()
        self.made: dict[tuple[int, ...], Threads] = {}

    def part(self, parts: Any) -> Communicator:
        if not parts:
            return self
        members = next(part for part in parts if self.rank in part)
        with self.lock:
            found = self.made.setdefault(members, Threads(len(members)))
        found.number.rank = members.index(self.rank)
        return found

    def abort(self) -> None:
        """Wake those that wait for a rank that failed."""
        self.meeting.abort()
        for part in self.made.values():
            part.abort()

    @property
    def rank(self) -> int:  # type: ignore[override]
        return int(self.number.rank)

    local_rank = rank  # type: ignore[assignment]

    def gather_objects(self, value: Any) -> list[Any]:
        self.slots[self.rank] = value
        self.meeting.wait()
        found = list(self.slots)
        self.meeting.wait()
        return found

    def all_reduce(self, source: Any, target: Any) -> None:
        found = self.gather_objects(source.copy())
        np.copyto(target, sum(found[1:], found[0]))

    def reduce_scatter(self, source: Any, target: Any) -> None:
        found = self.gather_objects(source.copy())
        total = sum(found[1:], found[0])
        np.copyto(target, np.split(total, self.size)[self.rank])

    def all_gather(self, source: Any, target: Any) -> None:
        np.copyto(target, np.concatenate(self.gather_objects(source.copy())))

    def all_to_all(self, source: Any, target: Any) -> None:
        np.copyto(target, np.concatenate([np.split(x, self.size)[self.rank] for x in self.gather_objects(source.copy())]))

    def broadcast(self, array: Any, root: int) -> None:
        np.copyto(array, self.gather_objects(array.copy())[root])

    def barrier(self) -> None:
        self.gather_objects(None)

    def agree(self, subject: str, lines: Any, why: str = "") -> None:
        found = self.gather_objects((subject, tuple(lines)))
        assert len(set(found)) == 1, found


@contextmanager
def _world(communicator: Communicator) -> Iterator[None]:
    before = communicate.replace_world(communicator)
    try:
        yield
    finally:
        communicate.replace_world(before)


def on_ranks(size: int, function: Callable[[int], Any]) -> list[Any]:
    """What ``function(rank)`` gives on each of so many ranks; the first error of one is raised."""
    threads = Threads(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        threads.number.rank = rank
        try:
            results[rank] = function(rank)
        except threading.BrokenBarrierError:  # another one's error
            pass
        except BaseException as error:
            errors.append(error)
            local.set_trace(None)
            threads.abort()

    with _world(threads):
        running = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(120)
    if errors:
        raise errors[0]
    return results
