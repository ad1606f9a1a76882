"""Several batches at once, one upon another: what ``foreach`` in a compiled function goes along, an epoch as one program."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from hybridnet.core import Array, wrap
from hybridnet.device.transfer import empty_page_locked
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.data.placing import Run


class Stacked:
    """The batches of ``run``, ``number`` at a time: each of their arrays gets a first axis of that length.

    At the end of an epoch there may be fewer; one that has fewer samples than the others comes alone. ``lock``: whether arrays are to lie
    in page-locked memory.
    """

    def __init__(self, run: Run, number: int, lock: Callable[[], bool]) -> None:
        self._run, self._number, self._lock = run, number, lock
        self._over: Any = None  # the batch that was not like those before it
        self.counts: deque[int] = deque()  # how many batches each group has that was given out and not yet counted

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        first = next(self._run) if self._over is None else self._over
        self._over = None
        group, arrays = [first], _arrays(first)
        while len(group) < self._number:
            following = next(self._run, None)
            if following is None:
                break
            if [_spec(x) for x in _arrays(following)] != [_spec(x) for x in arrays]:
                _expect_fewer_samples(arrays, _arrays(following))
                self._over = following
                break
            group.append(following)
        self.counts.append(len(group))
        return self._stack(group)

    def is_ready(self) -> bool:
        """Whether the next batch is there: the others of its group may not be."""
        return self._over is not None or self._run.is_ready()

    def _stack(self, group: list[Any]) -> Any:
        parts = iter([self._joined(column) for column in zip(*map(_arrays, group), strict=True)])
        return _rebuilt(group[0], parts)

    def _joined(self, column: tuple[Any, ...]) -> Any:
        first = column[0]
        shape = (len(column), *first.shape)
        if self._lock():
            whole = empty_page_locked(first._data.nbytes * len(column)).view(first._data.dtype).reshape(shape)
        else:
            whole = numpy.empty(shape, first._data.dtype)
        for part, x in zip(whole, column, strict=True):
            part[...] = x._data
        return wrap(type(first), whole, first._device)


def _arrays(batch: Any) -> list[Any]:
    """The arrays of a batch, an array or lists of such."""
    if isinstance(batch, Array) and isinstance(batch._data, numpy.ndarray):
        return [batch]
    if not isinstance(batch, (list, tuple)):
        got = f"{type(batch).__name__}" if not isinstance(batch, Array) else f"an array on {batch._device}"
        fail(ArgumentError, "DataLoader", expected="with stack=, batches of arrays on the host, in lists or tuples", got=got)
    return [x for part in batch for x in _arrays(part)]


def _rebuilt(like: Any, arrays: Iterator[Any]) -> Any:
    if isinstance(like, Array):
        return next(arrays)
    parts = [_rebuilt(part, arrays) for part in like]
    return parts if isinstance(like, list) else type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def _spec(x: Any) -> tuple[Any, ...]:
    return x.shape, x._data.dtype


def _expect_fewer_samples(before: list[Any], arrays: list[Any]) -> None:
    """The last batch of an epoch may be smaller; nothing else."""
    alike = len(before) == len(arrays) and all(
        x.shape and y.shape and y.shape[0] < x.shape[0] and x.shape[1:] == y.shape[1:] and x._data.dtype == y._data.dtype
        for x, y in zip(before, arrays, strict=False)
    )
    if not alike:
        told = [" and ".join(f"{x._data.dtype}{list(x.shape)}" for x in one) for one in (before, arrays)]
        fix = "a batchify_fn that pads all batches to the same shape, or no stack="
        fail(
            ShapeError,
            "DataLoader",
            expected="with stack=, batches of one shape, but for fewer samples",
            got=" after ".join(told[::-1]),
            fix=fix,
        )
