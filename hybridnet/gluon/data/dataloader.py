"""``DataLoader``: batches of a dataset, read ahead by worker processes or threads while the program computes.

What an epoch draws (its order, and what transforms draw from NumPy's global generator, Python's ``random`` or hybridnet on the
CPU) follows from ``hybridnet.random.seed`` and the numbers of epoch and batch alone: it is the same with any number of worker
processes, and with none. Threads share these generators, so what several of them draw is not.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from hybridnet import util
from hybridnet.device import Device, cpu_pinned
from hybridnet.errors import ArgumentError, fail, user_site
from hybridnet.gluon.data.batchify import default_batchify_fn
from hybridnet.gluon.data.inside import Here, Source, Threads
from hybridnet.gluon.data.placing import placed
from hybridnet.gluon.data.position import Epoch, Position
from hybridnet.gluon.data.reading import Reader, Task, derived, drawing
from hybridnet.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from hybridnet.gluon.data.stacking import Stacked
from hybridnet.gluon.data.workers import Processes
from hybridnet.runtime.watching import waited

__all__ = ["DataLoader", "default_batchify_fn"]


class DataLoader:
    """Batches of ``dataset`` (anything with ``len()`` and ``[i]``), anew for each ``for batch in loader``.

    Parameters
    ----------
    batch_size, shuffle, sampler, last_batch, batch_sampler
        Which samples make a batch: ``batch_size`` of them, in order, in random order with ``shuffle``, or as ``sampler`` gives their
        numbers; ``last_batch`` says what happens to fewer at the end (``keep``, ``discard``, ``rollover``). Or
        ``batch_sampler`` alone, which gives lists of numbers.
    batchify_fn
        Makes a batch of a list of samples; :func:`default_batchify_fn`, if it is not given, and see :mod:`.batchify`.
    num_workers
        Processes that read batches; 0: this one reads a batch when it is asked for. They begin at the first batch and live as long as
        the loader. The dataset goes to them by pickle, its arrays by shared memory, which they cannot write to.
    thread_pool
        Threads in place of processes: nothing needs to be pickled, and reading shares this process's Python.
    prefetch
        Batches that workers may be ahead; twice their number, if it is not given.
    timeout
        Seconds that a batch may take.
    pin_memory, pin_device_id
        Give batches in page-locked memory (``cpu_pinned``), from which a GPU copies while the program goes on.
    device
        Give batches on this device. On a GPU the next batch is copied while the step before it is computed. hybridnet's own.
    stack
        Give so many batches at once, their arrays stacked along a new first axis, for a compiled function that goes along them with
        ``foreach``. The last of an epoch may be fewer, and a smaller last batch comes alone (``last_batch="discard"`` leaves it out).
        ShapeError where other batches differ in shape. hybridnet's own.
    auto_reload
        Begin to read the next epoch when one ends (and the first when the loader is made).
    try_nopython
        MXNet 2's; nothing else would be done.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = None,
        shuffle: bool = False,
        sampler: Any = None,
        last_batch: str | None = None,
        batch_sampler: Any = None,
        batchify_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        prefetch: int | None = None,
        thread_pool: bool = False,
        timeout: float = 120,
        auto_reload: bool = False,
        try_nopython: bool | None = None,
        *,
        device: Device | None = None,
        stack: int | None = None,
    ) -> None:
        self._batch_sampler = _batch_sampler(dataset, batch_size, shuffle, sampler, last_batch, batch_sampler)
        if timeout <= 0:
            fail(ArgumentError, "DataLoader", expected="a timeout of more than 0 seconds", got=str(timeout))
        if device is not None and pin_memory:
            fix = "device alone: page-locked memory is used on the way there"
            fail(ArgumentError, "DataLoader", expected="pin_memory or a device", got="both", fix=fix)
        if stack is not None and (not isinstance(stack, int) or stack < 1):
            fail(ArgumentError, "DataLoader", expected="stack to be a number of batches, 1 or more", got=repr(stack))
        self._stack = stack
        self._number, self._thread_pool, self._timeout = max(0, num_workers), thread_pool, timeout
        self._prefetch = max(0, 2 * self._number if prefetch is None else prefetch)
        self._device = cpu_pinned(pin_device_id) if pin_memory else device
        self._reader = Reader(dataset, batchify_fn or default_batchify_fn)
        self._source: Source | None = None  # made at the first batch, in the process of that number
        self._pid = os.getpid()
        self._position = Position(self._batch_sampler)
        self._ahead: _Run | None = None  # an epoch that has begun before it was asked for
        self._auto_reload = auto_reload
        if auto_reload:
            self.refresh()

    def __len__(self) -> int:
        number = len(self._batch_sampler)
        if self._stack is None:
            return number
        alone = isinstance(self._batch_sampler, BatchSampler) and self._batch_sampler.ends_short()
        return -(-(number - alone) // self._stack) + alone

    def __iter__(self) -> Iterator[Any]:
        return self.batches_on(self._device)

    def batches_on(self, device: Device | None, prepare: Callable[[Any], Any] | None = None) -> Iterator[Any]:
        """An epoch's batches on a device (``None``: on the host), through ``prepare`` before they go there."""
        run, self._ahead = self._ahead, None
        if run is None:
            run = self._begun()
        run.prepare, run.locked = prepare, device is not None and device.device_type != "cpu"
        groups = None if self._stack is None else Stacked(run, self._stack, lambda: run.locked)
        try:
            for batch in waited("DataLoader", placed(groups or run, device)):
                for _ in range(groups.counts.popleft() if groups else 1):
                    self._position.advance(run.epoch)
                yield batch
            self._position.end(run.epoch)
        finally:
            run.close()
        if self._auto_reload:
            self.refresh()

    def refresh(self) -> None:
        """Begin to read the next epoch now."""
        self.clean()
        self._ahead = self._begun()

    def clean(self) -> None:
        """Drop the epoch that has begun before it was asked for, if one has."""
        if self._ahead is not None:
            self._ahead.close()
            self._position.take_back(self._ahead.epoch)
            self._ahead = None

    def _begun(self) -> _Run:
        return _Run(self._workers(), self._batch_sampler, self._position.begin(), self._prefetch, self._timeout)

    def _workers(self) -> Source:
        """Who reads batches, started where that is needed: in this process, if this is a fork of the one that had some."""
        if self._source is None or self._source.closed or self._pid != os.getpid():
            self._pid = os.getpid()
            if not self._number:
                self._source = Here(self._reader)
            elif self._thread_pool:
                self._source = Threads(self._reader, self._number)
            else:
                self._source = Processes(self._reader, self._number)
            weakref.finalize(self, self._source.close)
        return self._source

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is, in the middle of an epoch too: after the last batch that it has given out. Plain numbers and lists.

        The sampler's own state is a part of it if that has ``state_dict()`` and ``load_state_dict()``.
        """
        return self._position.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a loader of the same arguments was, at the next ``for batch in loader``: with the same batches."""
        self.clean()
        self._position.load_state_dict(state)


class _Run:
    """The batches of an epoch in order; some of them are being read."""

    def __init__(self, source: Source, sampler: Any, epoch: Epoch, ahead: int, timeout: float) -> None:
        self.epoch = epoch
        self.prepare: Callable[[Any], Any] | None = None
        self.locked = False
        self._source, self._ahead, self._timeout = source, ahead, timeout
        self._tasks = _tasks(sampler, epoch)
        self._tickets: deque[Any] = deque()
        self._fill(ahead)

    def _fill(self, number: int) -> None:
        while len(self._tickets) < number and (task := next(self._tasks, None)) is not None:
            self._tickets.append(self._source.submit(task))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._fill(max(1, self._ahead))
        if not self._tickets:
            raise StopIteration
        batch = self._source.result(self._tickets.popleft(), self._timeout, self.locked)
        self._fill(self._ahead)
        return batch if self.prepare is None else self.prepare(batch)

    def is_ready(self) -> bool:
        """Whether the next batch can be had without waiting for others."""
        self._fill(max(1, self._ahead))
        return not self._tickets or self._source.is_ready(self._tickets[0])

    def close(self) -> None:
        """No more of them are wanted."""
        while self._tickets:
            self._source.cancel(self._tickets.popleft())


def _tasks(sampler: Any, epoch: Epoch) -> Iterator[Task]:
    """What is to be read in an epoch, from where it stands; what the sampler draws before its first numbers follows from the seed."""
    rules, place = (util.is_np_array(), util.is_np_default_dtype()), str(user_site())
    with drawing(epoch.seed):
        numbers = iter(sampler)
        first = next(numbers, None)
    position, begin = 0, epoch.batches
    while first is not None:
        if position >= begin:
            yield Task(first, derived(epoch.seed, position), rules, place)
        position, first = position + 1, next(numbers, None)


def _batch_sampler(dataset: Any, batch_size: int | None, shuffle: bool, sampler: Any, last_batch: str | None, batch_sampler: Any) -> Any:
    """What gives the numbers of each batch, from the arguments that say it in one way or another."""
    if batch_sampler is not None:
        given = {"batch_size": batch_size, "shuffle": shuffle or None, "sampler": sampler, "last_batch": last_batch}
        beside = [name for name, value in given.items() if value is not None]
        if beside:
            fail(ArgumentError, "DataLoader", expected="batch_sampler alone", got="also " + ", ".join(beside))
        return batch_sampler
    if batch_size is None:
        fail(ArgumentError, "DataLoader", expected="a batch_size or a batch_sampler", got="neither")
    if sampler is not None and shuffle:
        fail(ArgumentError, "DataLoader", expected="shuffle or a sampler", got="both")
    if sampler is None:
        sampler = RandomSampler(len(dataset)) if shuffle else SequentialSampler(len(dataset))
    return BatchSampler(sampler, batch_size, last_batch or "keep")


#: What libraries on Gluon take from here: batches go to this process by memory that is shared anyway.
default_mp_batchify_fn = default_batchify_fn


class _MultiWorkerIter:
    """MXNet's iterator over worker processes, which libraries import to build loaders of their own on it. Refused: ours is another."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fix = "DataLoader(num_workers=...)"
        fail(ArgumentError, "_MultiWorkerIter", expected="a DataLoader", got="the inside of MXNet's, which is not here", fix=fix)
