"""The worker processes of a ``DataLoader``, seen from the process that started them.

Numbers of samples go to a worker through a pipe, batches
come back through shared memory that this process makes, gives to one worker, and uses again and again.

Names of shared memory are given up as soon as the worker has opened it, and the system's pipes end when either side does,
however it does: nothing is left behind, and nothing waits for what is gone.
"""

from __future__ import annotations

import errno
import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import connection
from typing import Any, NoReturn

import numpy

from hybridnet.device.transfer import empty_page_locked
from hybridnet.errors import WorkerError, WorkerTimeoutError, fail
from hybridnet.gluon.data import worker as messages
from hybridnet.gluon.data.inside import Source
from hybridnet.gluon.data.reading import Reader, Task
from hybridnet.gluon.data.shared import bytes_of, discard, reserve, unlink, unpacked
from hybridnet.gluon.data.starting import GUARD, context, main_left_out, packed_reader

_START_SECONDS = 60.0  # at least, for a worker to start: it may import what the dataset needs
_END_SECONDS = 2.0  # for one to end by itself
_GONE = (errno.EPIPE, errno.ECONNRESET, None)  # what a pipe says whose other end is gone; without a number, in the middle of a message


class WorkerTraceback(Exception):
    """The traceback of an exception in a worker process: the cause of the exception that is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


class _Reach:
    """``with _Reach() as reach:`` around the use of a pipe: whether its other end was ``gone``, between two messages or in one."""

    gone = False

    def __enter__(self) -> _Reach:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        self.gone = isinstance(error, EOFError) or (isinstance(error, OSError) and error.errno in _GONE)
        return self.gone


class _Slot:
    """Shared memory for one batch."""

    def __init__(self, size: int) -> None:
        self.memory = reserve(size, "a batch")
        self.data = bytes_of(self.memory)
        self.named = True

    def opened(self) -> None:
        """The worker has it, or it is given up: it needs no name any more."""
        if self.named:
            unlink(self.memory)
            self.named = False

    def close(self) -> None:
        del self.data
        self.memory.close()


class _Worker:
    """One process, and what it has to do."""

    def __init__(self, number: int, payload: Any, size: int) -> None:
        self.number = number
        self.ready = False
        self.tasks: dict[int, Task] = {}  # those that it was told of and has not answered, by ticket
        self.slots: dict[int, _Slot | None] = {}
        self.free: list[int] = []
        self.slot_of: dict[int, int] = {}  # by ticket
        started = context()
        self.pipe, theirs = started.Pipe()
        self.process = started.Process(
            target=messages.work, args=(theirs, payload.name, size), name=f"DataLoader worker {number}", daemon=True
        )
        try:
            with _Reach() as reach:
                self.process.start()
        finally:
            theirs.close()
        if reach.gone:
            got = f"worker {number} gone before it was told what to do"
            fail(WorkerError, "DataLoader", expected="workers that live", got=got, fix="a look at what ends processes on this machine")

    def send(self, ticket: int, task: Task, size: int) -> None:
        """Have a batch read, into a free slot or a new one of ``size`` bytes; of a first one the size is not known yet."""
        name = None
        if self.free:
            slot = self.free.pop()
        else:
            slot = len(self.slots)
            made = self.slots[slot] = _Slot(size) if size else None
            name = made.memory.name if made is not None else None
        self.tasks[ticket], self.slot_of[ticket] = task, slot
        self.pipe.send((messages.READ, ticket, slot, name, task))

    def enlarge(self, ticket: int, size: int) -> None:
        """Give the worker a slot of so many bytes for the batch that does not go into its own."""
        slot = self.slot_of[ticket]
        before = self.slots[slot]
        if before is not None:
            before.opened()
            before.close()
            self.slots[slot] = None
        made = self.slots[slot] = _Slot(size)
        self.pipe.send((messages.SLOT, slot, made.memory.name))


class Processes(Source):
    """Reads batches in worker processes."""

    def __init__(self, reader: Reader, number: int) -> None:
        self._pid = os.getpid()
        self._workers: list[_Worker] = []
        self._next = 0
        self._size = 0  # of slots
        self._owner: dict[int, _Worker] = {}  # of every ticket that has not been taken
        self._done: dict[int, Any] = {}  # ticket -> size of the batch in its slot, or the error and its text
        self._cancelled: set[int] = set()
        self.closed = False
        packed = packed_reader(reader)
        self._payload: Any = reserve(packed.size, "the dataset")
        try:
            data = bytes_of(self._payload)
            packed.write(data)
            del data
            with main_left_out() if b"__main__" not in packed.text else nullcontext():
                for i in range(number):
                    self._workers.append(_Worker(i, self._payload, packed.size))
        except BaseException:
            self.close()
            raise

    # -- what a loader calls --------------------------------------------------------------------

    def submit(self, task: Task) -> int:
        self._check_open()
        worker = min(self._workers, key=lambda w: len(w.tasks))
        ticket, self._next = self._next, self._next + 1
        with self._closing():
            with _Reach() as reach:
                worker.send(ticket, task, self._size)
            if reach.gone:
                self._fail_ended(worker)
        self._owner[ticket] = worker
        return ticket

    def is_ready(self, ticket: int) -> bool:
        with self._closing():
            while ticket not in self._done and self._receive(0):
                pass
        return ticket in self._done

    def result(self, ticket: int, timeout: float, locked: bool) -> Any:
        """The batch, or the error that came when it was read. It lies in page-locked memory, if ``locked``.

        WorkerTimeoutError if it has not come within ``timeout`` seconds; while its worker starts, within a minute at least.
        """
        self._check_open()
        worker = self._owner[ticket]
        with self._closing():
            begin = time.monotonic()
            while ticket not in self._done:
                limit = timeout if worker.ready else max(timeout, _START_SECONDS)
                left = begin + limit - time.monotonic()
                if left <= 0:
                    self._fail_late(worker, ticket, limit)
                self._receive(left)
        found = self._done.pop(ticket)
        del self._owner[ticket]
        slot = worker.slot_of.pop(ticket)
        if isinstance(found, tuple):
            worker.free.append(slot)
            _raise(worker, *found)
        with self._closing():
            shared = worker.slots[slot]
            assert shared is not None
            data = empty_page_locked(found) if locked else numpy.empty(found, numpy.uint8)
            data[:] = shared.data[:found]
        worker.free.append(slot)
        return unpacked(data)

    def cancel(self, ticket: int) -> None:
        if self.closed or ticket not in self._owner:
            return
        worker = self._owner.pop(ticket)
        if self._done.pop(ticket, None) is None:
            self._cancelled.add(ticket)
        else:
            worker.free.append(worker.slot_of.pop(ticket))

    def close(self) -> None:
        """End all workers and give their memory back. A process that was forked from this one lets go of it, and no more."""
        if self.closed:
            return
        self.closed = True
        ours = os.getpid() == self._pid
        for w in self._workers:
            w.pipe.close()
        if ours:
            self._end()
        for slot in (slot for w in self._workers for slot in w.slots.values() if slot is not None):
            if ours:
                slot.opened()
            slot.close()
        if self._payload is not None:
            discard(self._payload) if ours else self._payload.close()

    def _end(self) -> None:
        """Workers that have nothing to do end with their pipes, others by a signal."""
        for w in self._workers:
            if w.tasks:
                w.process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for w in self._workers:
            w.process.join(max(0.0, deadline - time.monotonic()))
            if w.process.exitcode is None:
                w.process.kill()
                w.process.join()

    # -- messages -------------------------------------------------------------------------------

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Whatever breaks off in the body, Ctrl-C included, may have left half a message behind: the workers are of no use then."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _receive(self, timeout: float) -> bool:
        """Take what workers have sent, once there is something; whether there was."""
        pipes: dict[Any, _Worker] = {w.pipe: w for w in self._workers}
        found = connection.wait(list(pipes), timeout)
        for pipe in found:
            worker = pipes[pipe]
            message = None
            with _Reach():
                message = worker.pipe.recv()
            if message is None:
                self._fail_ended(worker)
            self._take(worker, *message)
        return bool(found)

    def _take(self, worker: _Worker, kind: int, ticket: int, *rest: Any) -> None:
        if kind == messages.READY:
            worker.ready = True
            if all(w.ready for w in self._workers):
                discard(self._payload)  # all of them have opened it
                self._payload = None
        elif kind == messages.LARGER:
            (needed,) = rest
            self._size = max(self._size, needed + needed // 4)
            with _Reach() as reach:
                worker.enlarge(ticket, self._size)
            if reach.gone:
                self._fail_ended(worker)
        elif ticket < 0:
            self._fail_start(*rest)
        else:
            del worker.tasks[ticket]
            slot = worker.slots[worker.slot_of[ticket]]
            if slot is not None:
                slot.opened()
            if ticket in self._cancelled:
                self._cancelled.remove(ticket)
                worker.free.append(worker.slot_of.pop(ticket))
            else:
                self._done[ticket] = rest[0] if kind == messages.DONE else tuple(rest)

    # -- errors ---------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self.closed:
            got, fix = "some that were ended when another loop over the loader failed", "a new loop, for which new ones are started"
            fail(WorkerError, "DataLoader", expected="workers that live", got=got, fix=fix)

    def _fail_ended(self, worker: _Worker) -> NoReturn:
        worker.process.join(_END_SECONDS)
        code = worker.process.exitcode
        how = f"exit code {code}"
        fix = "num_workers=0, to see it happen in this process"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            how = f"signal {name}"
            if name == "SIGKILL":
                fix = "fewer workers or smaller batches, if memory ran out (the system's log says so)"
        if not worker.ready:
            what, fix = "while it started; what it printed says why", GUARD
        elif worker.tasks:
            what = f"while it read samples {_shown(next(iter(worker.tasks.values())))}"
        else:
            what = "while it had nothing to do"
        got = f"worker {worker.number} (process {worker.process.pid}) ended by {how} {what}"
        fail(WorkerError, "DataLoader", expected="workers that live", got=got, fix=fix)

    def _fail_late(self, worker: _Worker, ticket: int, limit: float) -> NoReturn:
        task = worker.tasks.get(ticket)
        samples = f" of samples {_shown(task)}" if task is not None else ""
        fail(
            WorkerTimeoutError,
            "DataLoader",
            expected=f"a batch{samples} within {limit:g} s",
            got=f"none from worker {worker.number} (process {worker.process.pid})",
            fix="a larger timeout if samples take that long; num_workers=0, to see where it waits",
        )

    def _fail_start(self, data: bytes | None, text: str) -> NoReturn:
        last = text.strip().rpartition("\n")[2]
        fix = "the dataset's classes and functions in a module of their own, which a worker can import, or thread_pool=True"
        try:
            fail(WorkerError, "DataLoader", expected="a dataset that worker processes can unpickle", got=last, fix=fix)
        except WorkerError as error:
            raise error from WorkerTraceback(text)


def _shown(task: Task) -> str:
    numbers = [str(n) for n in task.numbers[:4]]
    return ", ".join(numbers) + (" …" if len(task.numbers) > 4 else "")


def _raise(worker: _Worker, data: bytes | None, text: str) -> NoReturn:
    """An exception of a worker, here."""
    error = None
    if data is not None:
        with suppress(Exception):
            error = pickle.loads(data)
    if not isinstance(error, Exception):
        lines = [line for line in text.strip().splitlines() if not line.startswith(" ")]
        error = WorkerError("[DataLoader] a worker could not read a batch: " + " ".join(lines[1:]))
    error.add_note(f"in worker {worker.number} (process {worker.process.pid}) of a DataLoader")
    raise error from WorkerTraceback(text)
