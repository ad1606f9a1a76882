"""Reading batches in this process: when they are asked for, or ahead by threads. Beside :mod:`.workers`, which has processes for it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from hybridnet.core.random import seed_host
from hybridnet.errors import WorkerTimeoutError, fail
from hybridnet.gluon.data.reading import Reader, Task


class Source(Protocol):
    """Who reads batches for a ``DataLoader``."""

    closed: bool

    def submit(self, task: Task) -> Any:
        """Have a batch read; gives the ticket for the other methods."""

    def is_ready(self, ticket: Any) -> bool:
        """Whether :meth:`result` would not wait for others."""

    def result(self, ticket: Any, timeout: float, locked: bool) -> Any:
        """The batch, or the error that came when it was read. What is copied goes to page-locked memory, if ``locked``."""

    def cancel(self, ticket: Any) -> None:
        """The batch is not wanted any more."""

    def close(self) -> None:
        """No batch is wanted any more."""


class Here:
    """Reads a batch when it is asked for."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.closed = False

    def submit(self, task: Task) -> Task:
        return task

    def is_ready(self, ticket: Task) -> bool:
        return True

    def result(self, ticket: Task, timeout: float, locked: bool) -> Any:
        return self._reader(ticket)

    def cancel(self, ticket: Task) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Threads:
    """Reads batches in threads. These share all generators of random numbers but that of ``core.random.host``, which transforms draw
    from: this one alone begins where the task says.
    """

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader = reader
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="DataLoader")
        self.closed = False

    def submit(self, task: Task) -> Future[Any]:
        return self._pool.submit(self._read, task)

    def _read(self, task: Task) -> Any:
        if task.seed is not None:
            seed_host(task.seed)
        return self._reader(task._replace(seed=None))

    def is_ready(self, ticket: Future[Any]) -> bool:
        return ticket.done()

    def result(self, ticket: Future[Any], timeout: float, locked: bool) -> Any:
        if not wait([ticket], timeout).done:
            fix = "a larger timeout if samples take that long"
            fail(WorkerTimeoutError, "DataLoader", expected=f"a batch within {timeout:g} s", got="none from its thread", fix=fix)
        return ticket.result()

    def cancel(self, ticket: Future[Any]) -> None:
        ticket.cancel()

    def close(self) -> None:
        self.closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
