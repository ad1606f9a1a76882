"""What ``fit`` is given, as batches of arrays on the network's device: arrays cut up, or an iterable of batches.

NumPy arrays stay on the host and are moved batch by batch. Floating inputs are brought to the network's dtype
(NumPy's default is float64, the network's float32); integers stay, being class numbers or words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from hybridnet import dtypes
from hybridnet.core import Array, asarray
from hybridnet.device import Device
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.random.distributions import permutation

Batch = tuple[tuple[Any, ...], Any]  # the network's inputs, the label (None in prediction)
Check = Callable[[Any], None]  # of labels that lie on the host


@dataclass(frozen=True)
class Place:
    """Where batches go: a device, the dtype of floating values, the class of arrays."""

    device: Device
    dtype: dtypes.Dtype
    cls: type[Any]

    def put(self, x: Any) -> Any:
        """An array of anything, there."""
        if not isinstance(x, Array):
            return asarray(self.cast(numpy.asarray(x)), device=self.device, cls=self.cls)
        return self.cast(x).to_device(self.device)  # type: ignore[attr-defined]

    def cast(self, x: Any) -> Any:
        """``x`` in the network's dtype if it is floating; classes and other integers as they are."""
        return x.astype(self.dtype) if dtypes.is_floating(x.dtype) and x.dtype != self.dtype else x


def _array(op: str, x: Any, place: Place) -> Any:
    """An array of ours or of NumPy, with a first axis."""
    if not isinstance(x, Array):
        x = numpy.asarray(x)
        if x.dtype == object or x.dtype.kind in "USV":
            fail(
                ArgumentError,
                op,
                expected="arrays of numbers",
                got=f"an array of {x.dtype}",
                fix="making all rows equally long, and numbers",
            )
    if not x.ndim:
        fail(ShapeError, op, expected="arrays whose first axis is the samples", got="an array without axes")
    return place.cast(x)


class Arrays:
    """Arrays cut into batches, in a new random order each time they are gone through if ``shuffle``."""

    def __init__(self, op: str, x: Any, y: Any, batch_size: int, shuffle: bool, place: Place) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            fail(ArgumentError, op, expected="a batch_size of 1 or more", got=repr(batch_size))
        self.inputs = [_array(op, part, place) for part in (x if isinstance(x, tuple) else (x,))]
        self.label = None if y is None else _array(op, y, place)
        parts = [*self.inputs, *([] if y is None else [self.label])]
        if len({len(part) for part in parts}) != 1:
            fail(ShapeError, op, expected="as many labels as samples", got=" and ".join(str(part.shape) for part in parts))
        self.samples: int | None = len(parts[0])
        if not self.samples:
            fail(ArgumentError, op, expected="at least one sample", got="empty data")
        self.batch_size, self.shuffle, self.place = batch_size, shuffle, place

    def check_labels(self, check: Check) -> None:
        """Have all labels checked, before anything is trained on them."""
        check(self.label.asnumpy() if isinstance(self.label, Array) else self.label)  # type: ignore[attr-defined]

    def first(self) -> Batch:
        """A batch, to learn shapes from."""
        return self._batch(slice(0, self.batch_size))

    def _batch(self, at: Any) -> Batch:
        put = self.place.put
        return tuple(put(x[at]) for x in self.inputs), None if self.label is None else put(self.label[at])

    def __iter__(self) -> Iterator[Batch]:
        assert self.samples is not None
        order = permutation(self.samples).asnumpy() if self.shuffle else None
        for start in range(0, self.samples, self.batch_size):
            stop = start + self.batch_size
            yield self._batch(slice(start, stop) if order is None else order[start:stop])


class Batches:
    """An iterable of batches ``(x, y)``, gone through anew for each epoch."""

    def __init__(self, op: str, batches: Any, place: Place, times: int) -> None:
        if isinstance(batches, (str, dict)) or not isinstance(batches, Iterable):
            fail(ArgumentError, op, expected="arrays x and y, or an iterable of batches (x, y)", got=type(batches).__name__)
        if times > 1 and isinstance(batches, Iterator):
            got = f"a {type(batches).__name__}, which can be gone through once"
            way_out = "a list, a DataLoader, or an object whose __iter__ starts anew"
            fail(ArgumentError, op, expected="batches that can be gone through in every epoch", got=got, fix=way_out)
        self.op, self.batches, self.place = op, batches, place
        self.samples: int | None = None  # known after the first time
        self._ahead: list[Any] = []  # what first() took from an iterator
        self._check: Check | None = None

    def check_labels(self, check: Check) -> None:
        """Have the labels of each batch that comes from the host checked before it is used."""
        self._check = check

    def first(self) -> Batch:
        """The first batch; an iterator's is kept for later."""
        batch = next(iter(self.batches), None)
        if batch is None:
            fail(ArgumentError, self.op, expected="at least one batch", got="none")
        if isinstance(self.batches, Iterator):
            self._ahead = [batch]
        return self._batch(batch)

    def _batch(self, batch: Any) -> Batch:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            size = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
            fail(ArgumentError, self.op, expected="batches (x, y)", got=f"a {type(batch).__name__}{size}")
        x, y = batch
        part = Arrays(self.op, x, y, 1, False, self.place)
        if self._check is not None and not isinstance(y, Array):
            self._check(part.label)
        return part._batch(slice(None))

    def __iter__(self) -> Iterator[Batch]:
        count = 0
        pending, self._ahead = self._ahead, []
        for source in (pending, self.batches):
            for batch in source:
                result = self._batch(batch)
                count += len(result[0][0])
                yield result
        if not count:
            fail(ArgumentError, self.op, expected="at least one batch", got="none")
        self.samples = count


def batches(op: str, x: Any, y: Any, batch_size: int, shuffle: bool, place: Place, times: int = 1) -> Arrays | Batches:
    """The batches of arrays ``x`` and ``y``, or without ``y`` of an iterable of batches ``x``.

    ArgumentError for an array ``x`` without ``y``.
    """
    if y is not None:
        return Arrays(op, x, y, batch_size, shuffle, place)
    if isinstance(x, (Array, numpy.ndarray)):
        fail(ArgumentError, op, expected="labels y beside the array x", got="x alone")
    return Batches(op, x, place, times)
