"""Datasets: samples by number. Whatever has ``len()`` and ``[i]`` is one; ``Dataset`` adds the ways to make one from another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from hybridnet import absent
from hybridnet.core import Array
from hybridnet.dtypes import is_known
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail
from hybridnet.gluon.data.sampler import FilterSampler, Sampler
from hybridnet.recordio import MXIndexedRecordIO


class Dataset:
    """The base of datasets: one of your own defines ``__getitem__(i)``, which gives sample ``i``, and ``__len__``."""

    def __getitem__(self, idx: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__")

    def transform(self, fn: Callable[..., Any], lazy: bool = True) -> Dataset:
        """The samples that ``fn`` gives for these; a sample that is a tuple goes in as so many arguments.

        ``lazy``: ``fn`` is called each time a sample is asked for, as it must be if it draws random numbers; else once for
        each sample, now.
        """
        made = TransformedDataset(self, fn)
        return made if lazy else SimpleDataset([made[i] for i in range(len(made))])

    def transform_first(self, fn: Callable[[Any], Any], lazy: bool = True) -> Dataset:
        """The samples with their first element replaced by what ``fn`` gives for it: the data, say, and not the label."""
        return self.transform(FirstTransform(fn), lazy)

    def filter(self, fn: Callable[[Any], Any]) -> Dataset:
        """The samples for which ``fn`` gives true; a tuple goes in as it is. Each is read once for that, now."""
        return ChosenDataset(self, list(FilterSampler(fn, self)))

    def shard(self, num_shards: int, index: int) -> Dataset:
        """The part of number ``index`` of ``num_shards``, which differ in length by one at most. Shuffle after, not before."""
        if not 0 <= index < num_shards:
            fail(ArgumentError, "shard", expected="an index from 0 to below num_shards", got=f"index {index} of {num_shards}")
        least, longer = divmod(len(self), num_shards)
        start = least * index + min(index, longer)
        return ChosenDataset(self, range(start, start + least + (index < longer)))

    def take(self, count: int | None) -> Dataset:
        """The first ``count`` samples; all of them if there are no more, or with ``None``."""
        if count is not None and count < 0:
            fail(ArgumentError, "take", expected="a count of 0 or more", got=str(count))
        return ChosenDataset(self, range(len(self) if count is None else min(count, len(self))))

    def sample(self, sampler: Sampler) -> Dataset:
        """The samples in the order that ``sampler`` gives, which is gone through once, now."""
        if not isinstance(sampler, Sampler):
            fail(DtypeError, "sample", expected="a gluon.data.Sampler", got=f"a {type(sampler).__name__}")
        return ChosenDataset(self, list(sampler))


class SimpleDataset(Dataset):
    """A list, an array, or anything else with ``len()`` and ``[i]``, as a ``Dataset``."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __getitem__(self, idx: Any) -> Any:
        return self._data[idx]

    def __len__(self) -> int:
        return len(self._data)


class ArrayDataset(Dataset):
    """Arrays, lists or datasets of one length, side by side: sample i is ``(x1[i], x2[i], ...)``, of a single one ``x1[i]``.

    Of an array of ours with one dimension, samples are NumPy's numbers.
    """

    def __init__(self, *args: Any) -> None:
        if not args:
            fail(ArgumentError, "ArrayDataset", expected="at least one array", got="none")
        lengths = [len(data) for data in args]
        if len(set(lengths)) > 1:
            fail(ShapeError, "ArrayDataset", expected="as many samples in each", got=" and ".join(map(str, lengths)))
        self._length = lengths[0]
        self._data: list[Any] = [x.asnumpy() if isinstance(x, Array) and x.ndim == 1 else x for x in args]  # type: ignore[attr-defined]

    def __getitem__(self, idx: Any) -> Any:
        return self._data[0][idx] if len(self._data) == 1 else tuple(data[idx] for data in self._data)

    def __len__(self) -> int:
        return self._length


class RecordFileDataset(Dataset):
    """The records of a ``.rec`` file, as bytes; the ``.idx`` file of the same name beside it says where they are."""

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        self.filename = os.fspath(filename)
        self.idx_file = os.path.splitext(self.filename)[0] + ".idx"
        self._record = MXIndexedRecordIO(self.idx_file, self.filename, "r")

    def __getitem__(self, idx: int) -> Any:
        return self._record.read_idx(self._record.keys[idx])

    def __len__(self) -> int:
        return len(self._record.keys)


class ChosenDataset(Dataset):
    """Some samples of another dataset, by their numbers there."""

    def __init__(self, dataset: Any, numbers: Sequence[int]) -> None:
        self._dataset = dataset
        self._numbers = numbers

    def __getitem__(self, idx: int) -> Any:
        return self._dataset[self._numbers[idx]]

    def __len__(self) -> int:
        return len(self._numbers)


class TransformedDataset(Dataset):
    """Samples through a function, each time they are asked for."""

    def __init__(self, dataset: Any, fn: Callable[..., Any]) -> None:
        self._dataset = dataset
        self._fn = fn

    def __getitem__(self, idx: Any) -> Any:
        sample = self._dataset[idx]
        return self._fn(*sample) if isinstance(sample, tuple) else self._fn(sample)

    def __len__(self) -> int:
        return len(self._dataset)


class FirstTransform:
    """A function of the first element of a sample, which leaves the others. A class, so that it goes to worker processes."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn

    def __call__(self, first: Any, *others: Any) -> Any:
        return (self._fn(first), *others) if others else self._fn(first)


def columns(dataset: Any) -> Any:
    """The arrays whose rows are the samples of a dataset: a list of them where samples are tuples. ``None`` if it is not so.

    Only of classes whose ``[i]`` is known: a subclass may read its samples in another way.
    """
    if isinstance(dataset, Array) or type(dataset) in (numpy.ndarray, numpy.memmap):
        return dataset if dataset.ndim and is_known(dataset._data.dtype if isinstance(dataset, Array) else dataset.dtype) else None
    if type(dataset) is SimpleDataset:
        return columns(dataset._data)
    if type(dataset) is ArrayDataset:
        found = [columns(data) for data in dataset._data]
        if any(column is None or isinstance(column, list) for column in found):
            return None
        return found[0] if len(found) == 1 else found
    return None


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
