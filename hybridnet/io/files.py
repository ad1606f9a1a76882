"""What the iterators over files share: which samples a batch has, what of a file is this process's part, and where files are.

MXNet wrote these iterators in C++ and calls what Python sees of them ``MXDataIter``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy

from hybridnet.core import Array
from hybridnet.errors import ArgumentError, FileFormatError, ShapeError, fail
from hybridnet.io.base import DataBatch, DataDesc, DataIter, array_of, check_batch_size

Host = numpy.ndarray[Any, Any]


class Rounds:
    """The samples of each batch, and how many of its last ones are padding: places in an endless row of rounds through all samples.

    ``place % samples`` is a sample, ``place // samples`` the number of its round. ``round_batch=True``: the last batch of an epoch goes
    on in the next round, and the next epoch after that. ``False``: the last batch has the samples of the batch before at its end.
    ``None``: a rest is left out. An epoch that is left early is over.
    """

    def __init__(self, samples: int, batch_size: int, round_batch: bool | None) -> None:
        self.samples, self.batch_size, self.round_batch = samples, batch_size, round_batch
        self.at, self._end = 0, samples
        self._before: Host = numpy.zeros(batch_size, numpy.int64)

    def reset(self, early: bool = False) -> None:
        """Start the next epoch. ``early``: not all that was given of this one has been used."""
        self.at = self.at if self.round_batch and self.at > self._end and not early else self._end
        self._end = (self.at // self.samples + 1) * self.samples

    def next(self) -> tuple[Host, int] | None:
        """The places of the next batch's samples, and its padding; ``None`` at the end."""
        pad = max(self.at + self.batch_size - self._end, 0)
        if self.at >= self._end or (pad and self.round_batch is None):
            return None
        places = numpy.arange(self.at, self.at + self.batch_size)
        if self.round_batch is False and pad:
            places[self.batch_size - pad :] = self._before[self.batch_size - pad :]
        self._before = places
        self.at += self.batch_size
        return places, pad


class MXDataIter(DataIter):
    """The base class of iterators over files. All of a batch lies on the CPU, as one array of data and one of labels.

    A subclass reads its files, calls :meth:`_open` with the number of samples and the shapes of one, and gives :meth:`_load`.
    """

    def __init__(self, op: str, batch_size: int, data_name: str = "data", label_name: str = "softmax_label") -> None:
        super().__init__(check_batch_size(op, batch_size))
        self._op, self._names = op, (data_name, label_name)
        self._skipping = False

    def _open(self, samples: int, data: DataDesc, label: DataDesc, round_batch: bool | None) -> None:
        """Begin: ``data`` and ``label`` describe one sample."""
        if not samples:
            fail(ArgumentError, self._op, expected="at least one sample", got="none in this part of the files")
        batched = [DataDesc(n, (self.batch_size, *d.shape), d.dtype) for n, d in zip(self._names, (data, label), strict=True)]
        self.provide_data, self.provide_label = batched[:1], batched[1:]
        self._rounds = Rounds(samples, self.batch_size, round_batch)
        self._current: tuple[Array, Array, Host, int] | None = None

    def _load(self, rows: Host) -> tuple[Host, Host, Host]:
        """Data, labels and the numbers of the samples at ``rows``: new arrays, which are given away."""
        raise NotImplementedError

    def reset(self) -> None:
        """Start the next epoch."""
        self._rounds.reset()
        self._current = None

    def iter_next(self) -> bool:
        """Go to the next batch; whether there is one."""
        batch = self._rounds.next()
        if batch is None:
            self._current = None
            return False
        data, label, index = self._load(batch[0] % self._rounds.samples)
        self._current = array_of(data), array_of(label), index, batch[1]
        return True

    def debug_skip_load(self) -> None:
        """From now on give the next batch again and again, without end: for measuring how fast all else is."""
        self._skipping = True

    def next(self) -> DataBatch:
        """The next batch, in which data and labels are lists of one array."""
        if not (self._skipping and self._current is not None) and not self.iter_next():
            raise StopIteration
        return DataBatch([self.getdata()], [self.getlabel()], self.getpad(), self.getindex())

    def _get(self, what: int) -> Any:
        if self._current is None:
            fail(
                ArgumentError, self._op, expected="a current batch", got="none: before the first, or after the last", fix="next(), reset()"
            )
        return self._current[what]

    def getdata(self) -> Any:
        """The data of the current batch, one array."""
        return self._get(0)

    def getlabel(self) -> Any:
        """The labels of the current batch, one array."""
        return self._get(1)

    def getindex(self) -> Any:
        """The numbers of the current batch's samples: uint64, of NumPy."""
        return self._get(2).astype(numpy.uint64)

    def getpad(self) -> int:
        """How many samples of the current batch are padding."""
        return int(self._get(3))


def check_part(op: str, num_parts: int, part_index: int) -> None:
    """Refuse a part that there is not."""
    if num_parts < 1 or not 0 <= part_index < num_parts:
        fail(ArgumentError, op, expected=f"a part_index from 0 to below num_parts={num_parts}", got=repr(part_index))


def part_of_bytes(total: int, num_parts: int, part_index: int, align: int = 1) -> tuple[int, int]:
    """The bytes of a part of ``total`` bytes, as MXNet cuts files: equally large, their size rounded up to ``align``."""
    step = -(-total // num_parts)
    step = -(-step // align) * align
    return min(step * part_index, total), min(step * (part_index + 1), total)


def files_of(op: str, path: Any) -> list[str]:
    """A file, or those of a folder by name."""
    path = os.fspath(path)
    if os.path.isdir(path):
        files = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        return [file for file in files if os.path.isfile(file)]
    if not os.path.isfile(path):
        fail(FileFormatError, op, expected="a file or a folder of files", got=f"{path!r}, which is not there")
    return [path]


def shape_of(op: str, what: str, shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of numbers of 1 or more."""
    numbers = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else (shape,)
    if not all(isinstance(n, (int, numpy.integer)) and n > 0 for n in numbers):
        fail(ShapeError, op, expected=f"a {what} of numbers of 1 or more", got=repr(shape))
    return tuple(int(n) for n in numbers)
