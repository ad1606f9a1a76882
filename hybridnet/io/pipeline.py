"""Batches made ahead by threads, into memory that is used again once nobody holds it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy

from hybridnet.errors import set_caller, user_site
from hybridnet.io.files import Host, Rounds

#: Makes the sample at a place: writes its data, and its labels (a batch of one), and gives its number.
Fill = Callable[[int, Host, Host], int]


class Buffers:
    """Arrays of one shape. One that has been given away is given again when no view of it is left."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype
        self._made: list[Host] = []

    def take(self) -> Host:
        """A view of a whole array that nobody else has; what is in it is of no meaning."""
        for i in range(len(self._made)):
            if sys.getrefcount(self._made[i]) == 2:  # the list's, and that of asking
                return self._made[i][:]
        self._made.append(numpy.empty(self.shape, self.dtype))
        return self._made[-1][:]


@dataclass
class Batch:
    """A batch in the making: done when all of its pieces are."""

    data: Host
    label: Host
    index: Host
    pad: int
    pieces: list[Future[None]]


class Pipeline:
    """Makes the batches of ``rounds``, ``ahead`` of them at a time, each in as many pieces as there are threads."""

    def __init__(self, fill: Fill, rounds: Rounds, data: Buffers, label: Buffers, threads: int, ahead: int) -> None:
        self._fill, self._rounds, self._data, self._label = fill, rounds, data, label
        self._ahead = ahead
        self._cuts = numpy.linspace(0, rounds.batch_size, min(threads, rounds.batch_size) + 1).astype(int).tolist()
        self._pool = ThreadPoolExecutor(threads, "ImageRecordIter")
        self._waiting: deque[Batch] = deque()

    def reset(self) -> None:
        """Start the next epoch; what is being made is left, and an epoch of which something is left is left as a whole."""
        early = bool(self._waiting)
        while self._waiting:
            pieces = self._waiting.popleft().pieces
            for piece in pieces:
                if not piece.cancel():
                    piece.exception()  # waits
        self._rounds.reset(early)

    def next(self) -> Batch | None:
        """The next batch; ``None`` at the end of an epoch."""
        while len(self._waiting) <= self._ahead and self._submit():
            pass
        if not self._waiting:
            return None
        batch = self._waiting.popleft()
        for piece in batch.pieces:
            piece.result()
        return batch

    def _submit(self) -> bool:
        found = self._rounds.next()
        if found is None:
            return False
        places, pad = found
        batch = Batch(self._data.take(), self._label.take(), numpy.empty(len(places), numpy.uint64), pad, [])
        caller = str(user_site())
        for first, end in pairwise(self._cuts):
            batch.pieces.append(self._pool.submit(self._make, batch, places, first, end, caller))
        self._waiting.append(batch)
        return True

    def _make(self, batch: Batch, places: Host, first: int, end: int, caller: str) -> None:
        set_caller(caller)
        for i in range(first, end):
            batch.index[i] = self._fill(int(places[i]), batch.data[i], batch.label[i : i + 1])

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
