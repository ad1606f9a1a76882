"""Iterators around iterators: an epoch of another length, and batches read ahead by threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.io.base import DataBatch, DataDesc, DataIter
from hybridnet.util import is_np_array, np_array


class ResizeIter(DataIter):
    """An epoch of ``size`` batches of another iterator, which starts again where it ends.

    ``reset_internal=False`` lets an epoch go on where the one before has stopped.
    """

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.current_batch: DataBatch | None = None
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self) -> None:
        """Start the next epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Go to the next batch; whether there is one."""
        if self.cur >= self.size:
            return False
        batch = next(self.data_iter, None)
        if batch is None:
            self.data_iter.reset()
            batch = next(self.data_iter, None)
            if batch is None:
                fail(ArgumentError, "ResizeIter", expected="an iterator with at least one batch", got="none, even after reset()")
        self.current_batch = batch
        self.cur += 1
        return True

    def next(self) -> DataBatch:
        """The next batch."""
        if not self.iter_next():
            raise StopIteration
        assert self.current_batch is not None
        return self.current_batch

    def getdata(self) -> Any:
        """The data of the current batch."""
        return _of(self.current_batch, "data")

    def getlabel(self) -> Any:
        """The labels of the current batch."""
        return _of(self.current_batch, "label")

    def getindex(self) -> Any:
        """The numbers of the current batch's samples, if they are known."""
        return _of(self.current_batch, "index")

    def getpad(self) -> Any:
        """How many samples of the current batch are padding."""
        return _of(self.current_batch, "pad")


def _of(batch: DataBatch | None, what: str) -> Any:
    if batch is None:
        fail(ArgumentError, f"get{what}", expected="a current batch", got="none yet", fix="next() first")
    return getattr(batch, what)


class PrefetchingIter(DataIter):
    """Batches of one or several iterators, each read one batch ahead by a thread of its own.

    Several iterators make one batch: their data and labels one after another. ``rename_data`` and ``rename_label`` give, for each
    iterator, a dict from its names to those in this iterator's descriptions. An error in an iterator is raised by the next call here.
    """

    def __init__(
        self,
        iters: DataIter | Sequence[DataIter],
        rename_data: Sequence[Mapping[str, str]] | None = None,
        rename_label: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        self.iters: list[DataIter] = list(iters) if isinstance(iters, (list, tuple)) else [iters]  # type: ignore[list-item]
        self.n_iter = len(self.iters)
        if not self.iters:
            fail(ArgumentError, "PrefetchingIter", expected="at least one iterator", got="none")
        for what, names in (("rename_data", rename_data), ("rename_label", rename_label)):
            if names is not None and len(names) != self.n_iter:
                fail(ArgumentError, "PrefetchingIter", expected=f"{what} with a dict for each of {self.n_iter} iterators", got=repr(names))
        self.rename_data = rename_data
        self.rename_label = rename_label
        super().__init__(self.provide_data[0].shape[0])
        self.current_batch: DataBatch | None = None
        self._workers = [ThreadPoolExecutor(1, "PrefetchingIter") for _ in self.iters]
        self._ahead: list[Future[DataBatch | None]] | None = None
        self._fetch()

    def _fetch(self) -> None:
        rules = is_np_array()  # those of this thread, which batches follow
        self._ahead = [worker.submit(_next, it, rules) for worker, it in zip(self._workers, self.iters, strict=True)]

    @property
    def provide_data(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes and dtypes of the data of a batch, of all iterators."""
        return _renamed([it.provide_data for it in self.iters], self.rename_data)

    @property
    def provide_label(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes and dtypes of the labels of a batch, of all iterators."""
        return _renamed([it.provide_label for it in self.iters], self.rename_label)

    def reset(self) -> None:
        """Start the next epoch, once what is being read has come."""
        if self._ahead is not None:
            for pending in self._ahead:
                pending.exception()  # waits; what it holds is of no interest any more
        for it in self.iters:
            it.reset()
        self._fetch()

    def iter_next(self) -> bool:
        """Go to the next batch; whether there is one."""
        if self._ahead is None:
            return False
        pending, self._ahead = self._ahead, None
        batches = [future.result() for future in pending]
        ended = [batch is None for batch in batches]
        if any(ended):
            if not all(ended):
                fail(
                    ArgumentError,
                    "PrefetchingIter",
                    expected="iterators with equally many batches",
                    got=f"the end of number {ended.index(True)}",
                )
            return False
        self.current_batch = _joined([batch for batch in batches if batch is not None], self.provide_data, self.provide_label)
        self._fetch()
        return True

    def next(self) -> DataBatch:
        """The next batch."""
        if not self.iter_next():
            raise StopIteration
        assert self.current_batch is not None
        return self.current_batch

    def getdata(self) -> Any:
        """The data of the current batch."""
        return _of(self.current_batch, "data")

    def getlabel(self) -> Any:
        """The labels of the current batch."""
        return _of(self.current_batch, "label")

    def getindex(self) -> Any:
        """The numbers of the current batch's samples, if they are known."""
        return _of(self.current_batch, "index")

    def getpad(self) -> Any:
        """How many samples of the current batch are padding."""
        return _of(self.current_batch, "pad")

    def __del__(self) -> None:
        for worker in getattr(self, "_workers", ()):
            worker.shutdown(wait=False)


def _next(it: DataIter, rules: bool) -> DataBatch | None:
    with np_array(rules):
        return next(it, None)


def _renamed(descriptions: list[list[DataDesc]], names: Sequence[Mapping[str, str]] | None) -> list[DataDesc]:
    renames = names if names is not None else [{}] * len(descriptions)
    return [
        DataDesc(rename.get(desc.name, desc.name), desc.shape, desc.dtype, desc.layout)
        for part, rename in zip(descriptions, renames, strict=True)
        for desc in (desc if isinstance(desc, DataDesc) else DataDesc(*desc) for desc in part)
    ]


def _joined(batches: list[DataBatch], data: list[DataDesc], label: list[DataDesc]) -> DataBatch:
    pads = [batch.pad for batch in batches]
    if len(set(pads)) > 1:
        fail(ArgumentError, "PrefetchingIter", expected="iterators whose batches have the same padding", got=f"padding of {pads}")
    return DataBatch(
        [x for batch in batches for x in batch.data],
        [x for batch in batches for x in batch.label or []],
        batches[0].pad,
        batches[0].index,
        provide_data=data,
        provide_label=label,
    )
