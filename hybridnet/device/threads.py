"""The threads that work is shared by on a CPU, and BLAS held to one thread meanwhile.

BLAS's own threads wait for each other in the middle of a product, spinning: beside other busy processes, one of them that does not
get a core holds up all. So large work is cut into pieces here, each of which runs on one thread of BLAS. The caller takes
pieces itself and is joined by helpers as they wake: one that gets no core takes no pieces, and nobody waits for it.

How work is cut follows from its shape alone, never from the number of threads, so that results do not depend on that number.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator
from contextvars import copy_context
from functools import cache, partial
from types import TracebackType
from typing import Any

from threadpoolctl import LibController, ThreadpoolController

from hybridnet.config import config
from hybridnet.device import cores
from hybridnet.device.helpers import Helpers, Task

Work = Callable[[int, Iterator[Any]], None]


def count() -> int:
    """The threads that share work: ``HYBRIDNET_NUM_THREADS``, or the cores that this process may use."""
    return config.threads or _available()


@cache
def _available() -> int:
    return cores.available()


# -- one thread of BLAS ---------------------------------------------------------------------------


class _Library:
    """One BLAS that NumPy is linked with: its number of threads, read and written."""

    def __init__(self, found: LibController) -> None:
        self.name = " ".join(str(getattr(found, part, None) or "") for part in ("internal_api", "version", "architecture")).strip()
        self.architecture = str(getattr(found, "architecture", ""))
        self.by_thread = getattr(found, "threading_layer", None) == "openmp"  # OpenMP keeps a number for each thread that calls
        self.get: Callable[[], int] = found.get_num_threads
        self.set: Callable[[int], Any] = found.set_num_threads
        if found.internal_api == "openblas" and not self.by_thread:
            # Its own functions: threadpoolctl lets one thread alone set the number, and takes five times as long.
            self.get, self.set = (self._function(found.dynlib, word) for word in ("get", "set"))

    @staticmethod
    def _function(library: Any, word: str) -> Any:
        """OpenBLAS's function of that name, to which builds add marks of their own."""
        names = (f"{begin}openblas_{word}_num_threads{end}" for begin in ("", "scipy_") for end in ("", "64_", "_64"))
        return next(getattr(library, name) for name in names if hasattr(library, name))


@cache
def libraries() -> tuple[_Library, ...]:
    """The BLAS that NumPy calls and whose threads can be told; none where it is of another kind (Accelerate, say)."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    of_numpy = [x for x in found if "numpy" in str(x.filepath)]
    return tuple(_Library(x) for x in of_numpy or found)


class _OneThread(ContextDecorator):
    """``with one_thread:`` BLAS runs on one thread in the body, for all threads of this process; afterwards on as many as before.

    ``@one_thread`` has the same hold for a function.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = []
                for library in libraries():
                    self._before.append(library.get())
                    library.set(1)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self.restore()

    def restore(self) -> None:
        """Give BLAS the threads back that it had."""
        for library, number in zip(libraries(), self._before, strict=False):
            library.set(number)
        self._before = []

    def keep_within(self, most: int) -> None:
        """Have BLAS use at most so many threads from here on, in calls outside of bodies."""
        with self._lock:
            if self._inside:
                self._before = [min(number, most) for number in self._before]
                return
            for library in libraries():
                if library.get() > most:
                    library.set(most)

    def begin_again(self) -> None:
        """In a process that was forked off: nobody there is in a body."""
        self._lock = threading.Lock()
        self._inside = 0
        self.restore()


one_thread = _OneThread()
keep_within = one_thread.keep_within


# -- sharing work ---------------------------------------------------------------------------------


class _Local(threading.local):
    shares = False  # whether this thread is at a piece of shared work, so that it does not share parts of that again


_local = _Local()


def is_sharing() -> bool:
    """Whether this thread is at a piece of shared work, where a library is to use no threads of its own."""
    return _local.shares


def share(work: Work, pieces: Sequence[Any], workers: int | None = None) -> None:
    """Have ``work(worker, pieces)`` called by several threads, each with a number of its own, that take from the same iterator.

    ``workers``: at most so many (``count()``, if it is not given). Within a piece, and where BLAS cannot be held to one
    thread, the caller works alone. An error of any worker is raised once all have stopped.
    """
    most = count()
    workers = most if workers is None else min(workers, most)
    shared = iter(pieces)
    if workers == 1 or _local.shares or not libraries():
        work(0, shared)
        return
    # In the caller's context, which holds what NumPy does about overflow and the like (errstate).
    asked = [_helpers.ask(partial(copy_context().run, _joined, work, w, shared), most - 1) for w in range(1, workers)]
    try:
        _joined(work, 0, shared)
    finally:
        for _ in shared:  # after an error: there is nothing more to take
            pass
        _wait([task for task in asked if task is not None])


def cuts(length: int, number: int) -> list[tuple[int, int]]:
    """A length in so many pieces, as even as can be, each from its first to behind its last."""
    return [(length * i // number, length * (i + 1) // number) for i in range(number)]


def _joined(work: Work, worker: int, pieces: Iterator[Any]) -> None:
    _local.shares = True
    try:
        work(worker, pieces)
    finally:
        _local.shares = False


def _wait(tasks: Sequence[Task]) -> None:
    """Until no helper works any more, also if a signal asks otherwise: they write to memory that others use next."""
    interrupt: BaseException | None = None
    errors: list[BaseException] = []
    for task in tasks:
        while not task.take_back():  # it has begun
            try:
                task.wait()
            except KeyboardInterrupt as signal:
                interrupt = signal
                continue
            errors += [task.error] if task.error is not None else []
            break
    if interrupt is not None or errors:
        raise interrupt or errors[0]


def _begin_helper() -> None:
    for library in libraries():
        if library.by_thread:
            library.set(1)


_helpers = Helpers(_begin_helper)


def _after_fork() -> None:
    """Threads do not go along into a process that is forked off, and it may be bound to other cores."""
    _helpers.begin_again()
    _available.cache_clear()
    one_thread.begin_again()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


def describe() -> str:
    """What was chosen, in words."""
    number = count()
    words = f"{number} thread{'s' * (number != 1)}"
    if not libraries():
        return f"{words} for pointwise regions alone: NumPy's BLAS is of a kind whose threads cannot be told, so it keeps its own"
    return f"{words}, {' and '.join(library.name for library in libraries())} on one in each"
