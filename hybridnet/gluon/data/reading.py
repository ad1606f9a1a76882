"""From numbers of samples to a batch: what a loader does in this process, and its workers in theirs."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy
import numpy.random.mtrand as global_generator

from hybridnet import util
from hybridnet.core import Array, wrap
from hybridnet.core.random import seeded
from hybridnet.errors import set_caller
from hybridnet.gluon.data.batchify import default_batchify_fn, host_array, numbered
from hybridnet.gluon.data.dataset import ChosenDataset, columns


class Task(NamedTuple):
    """One batch that is to be read."""

    numbers: Sequence[Any]  # of its samples in the dataset
    seed: int | None  # of what is drawn meanwhile; None: whatever the generators give
    rules: tuple[bool, bool]  # whether new arrays follow NumPy's rules, and have its default types
    place: str  # in the user's code, where batches are asked for


class Reader:
    """Calls the dataset and ``batchify_fn``; goes to worker processes by pickle.

    Where the samples are the rows of arrays and nothing is done to them, a batch is one gather.
    """

    def __init__(self, dataset: Any, batchify_fn: Any) -> None:
        self.dataset, self.batchify_fn = dataset, batchify_fn
        self._find_rows()

    def _find_rows(self) -> None:
        source, chosen = self.dataset, []
        while type(source) is ChosenDataset:
            chosen.append(source._numbers)
            source = source._dataset
        self._rows = columns(source) if self.batchify_fn is default_batchify_fn else None
        self._chosen = [numpy.asarray(numbers) for numbers in chosen] if self._rows is not None else []

    def __reduce__(self) -> Any:
        return Reader, (self.dataset, self.batchify_fn)

    def __call__(self, task: Task) -> Any:
        set_caller(task.place)
        numpys, types = task.rules
        with util.np_array(numpys), util.np_default_dtype(types):
            if self._rows is not None:
                return self._gathered(task.numbers)
            if task.seed is None:
                return self._read(task.numbers)
            with drawing(task.seed):
                return self._read(task.numbers)

    def _read(self, numbers: Sequence[Any]) -> Any:
        dataset, samples = self.dataset, []
        number = None
        try:
            for number in numbers:
                samples.append(dataset[number])
        except Exception as error:
            error.add_note(f"while sample {number} of the dataset was read")
            raise
        with numbered(numbers):
            return self.batchify_fn(samples)

    def _gathered(self, numbers: Sequence[Any]) -> Any:
        at = numpy.asarray(numbers)
        for chosen in self._chosen:
            at = chosen[at]
        if isinstance(self._rows, list):
            return [_rows_of(column, at) for column in self._rows]
        return _rows_of(self._rows, at)


def _rows_of(column: Any, at: Any) -> Any:
    if isinstance(column, Array):
        data = column._data
        return wrap(type(column), data.take(column._device.xp.asarray(at), axis=0), column._device)
    return host_array(column.take(at, axis=0))


# -- random numbers -------------------------------------------------------------------------------


def derived(*parts: int) -> int:
    """A seed of 64 bits that follows from numbers, and is another one for any others."""
    packed = struct.pack(f"<{len(parts)}Q", *(part & (2**64 - 1) for part in parts))
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")


_bits = numpy.random.MT19937(0)


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """NumPy's global generator, Python's ``random`` and hybridnet on the CPU draw from ``seed`` in the body, then go on as before it."""
    python, outer = random.getstate(), global_generator.get_bit_generator()
    global_generator.set_bit_generator(_bits)
    numpy.random.seed(seed & (2**32 - 1))
    random.seed(seed)
    try:
        with seeded(seed):
            yield
    finally:
        global_generator.set_bit_generator(outer)
        random.setstate(python)
