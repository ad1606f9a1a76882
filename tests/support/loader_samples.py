"""Datasets and functions for tests of the loader, in a module that worker processes can import."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from typing import Any

import numpy

import hybridnet as hn
from hybridnet.config import config
from hybridnet.device import threads
from hybridnet.gluon import data


class Images(data.Dataset):
    """Pairs of an array that holds its number everywhere and the number."""

    def __init__(self, length: int, shape: tuple[int, ...] = (3, 4)) -> None:
        self.length, self.shape = length, shape

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> tuple[Any, int]:
        if not 0 <= i < self.length:
            raise IndexError(i)
        return numpy.full(self.shape, i, "float32"), i


def as_it_is(*sample: Any) -> Any:
    return sample if len(sample) > 1 else sample[0]


def drawn(x: Any) -> Any:
    """What the three global generators give next."""
    return numpy.float64([numpy.random.normal(), random.random(), hn.np.random.uniform(size=()).item(), x])


def fails_at_6(x: int) -> int:
    if x == 6:
        raise KeyError("the sixth")
    return x


class Unportable(Exception):
    """Does not come back from pickle: its constructor takes something else than it has."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def fails_unportably(x: int) -> int:
    raise Unportable("left", "right")


def longer(x: int) -> Any:
    """Arrays that grow with their number."""
    return numpy.full(x + 1, x, "float32")


def much_longer(x: int) -> Any:
    return numpy.full(1 << x, x, "int16")


def made_here_alone() -> Any:
    if multiprocessing.parent_process() is not None:
        raise ImportError("nothing of that name here")
    return Unloadable(3)


class Unloadable(Images):
    """Cannot be unpickled in another process, as what a notebook defines cannot."""

    def __reduce__(self) -> Any:
        return made_here_alone, ()


def sleeps(x: int) -> int:
    time.sleep(60)
    return x


def is_killed_at_9(x: int) -> int:
    if x == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def leaves_at_3(x: int) -> int:
    if x == 3:
        os._exit(5)
    return x


def its_threads(x: int) -> Any:
    """The threads that shared work has, those of BLAS, and the process."""
    return numpy.int64([threads.count(), config.threads or 0, *(b.get() for b in threads.libraries()), os.getpid()])


def interrupts(x: int) -> int:
    """Ctrl-C for this process alone."""
    os.kill(os.getpid(), signal.SIGINT)
    return x


def its_thread(x: int) -> int:
    time.sleep(0.01)
    return threading.get_ident()


def writes(x: Any) -> Any:
    x[0] = -1
    return x


class Words(data.Dataset):
    """Texts with arrays of different lengths, in dicts."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"text": "word " * i, "codes": hn.np.arange(i), "none": None}


def together(samples: list[Any]) -> dict[str, Any]:
    """A batch that is neither array nor list."""
    return {"texts": [s["text"] for s in samples], "codes": [s["codes"] for s in samples], "count": len(samples)}


class Shuffled(data.Sampler):
    """A sampler as programs of MXNet have it: it shuffles by NumPy's global generator when it begins."""

    def __init__(self, length: int) -> None:
        self.order = numpy.arange(length)

    def __iter__(self) -> Any:
        numpy.random.shuffle(self.order)
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def numbers_of(record: bytes) -> Any:
    return numpy.frombuffer(record, "int32")


class Mapped(data.Dataset):
    """Rows of a file in memory, and whether they still are that."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Any:
        return numpy.array(self.rows[i]), isinstance(self.rows, numpy.memmap) and self.rows.mode == "r"
