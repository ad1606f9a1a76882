"""What ``fit`` is given, as batches of arrays on the network's device: arrays cut up, or an iterable of batches.

NumPy arrays stay on the host and are moved batch by batch. Floating inputs are brought to the network's dtype
(NumPy's default is float64, the network's float32); integers stay, being class numbers or words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy

from hybridnet import dtypes
from hybridnet.core import Array, asarray
from hybridnet.core.random import alike
from hybridnet.device import Device, cpu
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.training import together
from hybridnet.io.base import DataBatch, DataIter
from hybridnet.ops.random.distributions import permutation

Check = Callable[[list[Any]], None]  # of labels that lie on the host, one for each output


class Batch(NamedTuple):
    """A batch: the network's inputs, a label for each of its outputs (none in prediction), the weights of samples if they have some.

    ``total``: how many samples it has on all ranks together, where that is known.
    """

    inputs: tuple[Any, ...]
    labels: tuple[Any, ...]
    weight: Any = None
    total: int | None = None


@dataclass(frozen=True)
class Place:
    """Where batches go: a device, the dtype of floating values, the class of arrays."""

    device: Device
    dtype: dtypes.Dtype
    cls: type[Any]
    others: tuple[Device, ...] = ()  # on which training goes on as well

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, of which batches go to the first."""
        return (self.device, *self.others)

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


def _several(y: Any) -> tuple[Any, ...]:
    """The labels of several outputs, or of one: a tuple, or a list of arrays, is several."""
    several = isinstance(y, tuple) or (isinstance(y, list) and y and all(hasattr(part, "shape") for part in y))
    return tuple(y) if several else (y,)


class Arrays:
    """Arrays cut into batches, in a new random order each time they are gone through if ``shuffle``.

    If they are ``divided``, each rank takes its part of every batch.
    """

    def __init__(
        self, op: str, x: Any, y: Any, batch_size: int, shuffle: bool, place: Place, weight: Any = None, divided: bool = False
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            fail(ArgumentError, op, expected="a batch_size of 1 or more", got=repr(batch_size))
        self.inputs = [_array(op, part, place) for part in (x if isinstance(x, tuple) else (x,))]
        self.labels = [_array(op, part, place) for part in (() if y is None else _several(y))]
        self.weight = None if weight is None else _array(op, weight, place)
        if self.weight is not None and self.weight.ndim != 1:
            fail(ShapeError, op, expected="one sample_weight a sample", got=f"weights of shape {self.weight.shape}")
        parts = [*self.inputs, *self.labels, *([] if self.weight is None else [self.weight])]
        if len({len(part) for part in parts}) != 1:
            fail(ShapeError, op, expected="as many labels as samples", got=" and ".join(str(part.shape) for part in parts))
        self.samples: int | None = len(parts[0])
        if not self.samples:
            fail(ArgumentError, op, expected="at least one sample", got="empty data")
        self.batch_size, self.shuffle, self.place = batch_size, shuffle, place
        self.divided = divided and together.ranks() > 1

    def check_labels(self, check: Check) -> None:
        """Have all labels checked, before anything is trained on them."""
        check([x.asnumpy() if isinstance(x, Array) else x for x in self.labels])  # type: ignore[attr-defined]

    def first(self) -> Batch:
        """A batch, to learn shapes from."""
        return self._batch(slice(0, self.batch_size))

    def _batch(self, at: Any) -> Batch:
        put = self.place.put
        weight = None if self.weight is None else put(self.weight[at])
        return Batch(tuple(put(x[at]) for x in self.inputs), tuple(put(x[at]) for x in self.labels), weight)

    def __iter__(self) -> Iterator[Batch]:
        assert self.samples is not None
        with alike() if self.divided else nullcontext():
            order = permutation(self.samples).asnumpy() if self.shuffle else None
        for start in range(0, self.samples, self.batch_size):
            stop = min(start + self.batch_size, self.samples)
            first, last = start, stop
            if self.divided:
                own = together.own(stop - start)
                first, last = start + own.start, start + own.stop
            batch = self._batch(slice(first, last) if order is None else order[first:last])
            yield batch._replace(total=stop - start)


class Batches:
    """An iterable of batches ``(x, y)``, gone through anew for each epoch.

    The samples that fill up a ``DataIter``'s batch are left out, unless ``padded``: in training they count, as they do in MXNet, since
    most iterators then go on behind them.
    """

    def __init__(self, op: str, batches: Any, place: Place, times: int, padded: bool = False) -> None:
        if isinstance(batches, (str, dict)) or not isinstance(batches, Iterable):
            fail(ArgumentError, op, expected="arrays x and y, or an iterable of batches (x, y)", got=type(batches).__name__)
        if times > 1 and isinstance(batches, Iterator) and not isinstance(batches, DataIter):
            got = f"a {type(batches).__name__}, which can be gone through once"
            way_out = "a list, a DataLoader, or an object whose __iter__ starts anew"
            fail(ArgumentError, op, expected="batches that can be gone through in every epoch", got=got, fix=way_out)
        self.op, self.batches, self.place, self.padded = op, batches, place, padded
        self.samples: int | None = None  # known after the first time
        self._begun: Iterator[Any] | None = None  # what first() has begun to go through
        self._ahead: list[Any] = []  # and has taken from it
        self._check: Check | None = None
        self._used = False  # whether a DataIter has been gone through
        self._rest = False  # whether what comes may be the rest of an epoch

    def check_labels(self, check: Check) -> None:
        """Have the labels of each batch checked before it is used; not those that lie on a GPU, but for the first."""
        self._check = check
        for batch in map(self._batch, self._ahead):
            if any(label.device.is_gpu for label in batch.labels):
                check([label.asnumpy() for label in batch.labels])

    def first(self) -> Batch:
        """The first batch, which the first time through begins with."""
        self._begun = self._begin()
        batch = next(self._begun, None)
        if batch is None:
            fail(ArgumentError, self.op, expected="at least one batch", got="none")
        self._ahead = [batch]
        return self._batch(batch)

    def _begin(self) -> Iterator[Any]:
        if hasattr(self.batches, "batches_on") and self.place.device.is_gpu:  # a DataLoader copies ahead
            host = Place(cpu(), self.place.dtype, self.place.cls)
            return self.batches.batches_on(self.place.device, lambda batch: self._batch(batch, host))
        if isinstance(self.batches, DataIter):
            return map(self._taken, self._epoch(self.batches))
        return iter(self.batches)

    def _epoch(self, source: DataIter) -> Iterator[DataBatch]:
        """The batches of an epoch of an iterator, which does not start anew by itself: what is left of it the first time."""
        if self._used:
            source.reset()
        first = next(source, None)
        if first is None and not self._used and not self._rest:  # who used it before has not reset it
            source.reset()
            first = next(source, None)
        self._used = True
        return source if first is None else chain([first], source)

    def _taken(self, batch: DataBatch) -> tuple[Any, Any]:
        """Inputs and label of a ``DataIter``'s batch."""
        pad = 0 if self.padded else batch.pad or 0
        data, label = ([x[: len(x) - pad] if pad else x for x in part or []] for part in (batch.data, batch.label))
        return data[0] if len(data) == 1 else tuple(data), (label[0] if len(label) == 1 else tuple(label)) if label else None

    def _batch(self, batch: Any, place: Place | None = None) -> Batch:
        if isinstance(batch, Batch):  # a loader that copies ahead has made it
            return batch
        x, y, weight = self._parts(batch)
        if isinstance(x, list) and x and all(isinstance(part, (Array, numpy.ndarray)) for part in x):
            x = tuple(x)  # a network of several inputs: what a DataLoader makes of samples ((a, b), label)
        part = Arrays(self.op, x, y, 1, False, place or self.place, weight)
        labels = [label._data if isinstance(label, Array) else label for label in part.labels]
        if self._check is not None and all(isinstance(label, numpy.ndarray) for label in labels):
            self._check(labels)
        return part._batch(slice(None))

    def _parts(self, batch: Any) -> tuple[Any, Any, Any]:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            size = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
            fail(ArgumentError, self.op, expected="batches (x, y) or (x, y, sample_weight)", got=f"a {type(batch).__name__}{size}")
        x, y, *weight = batch
        if y is None:
            fail(ArgumentError, self.op, expected="batches (x, y)", got="batches without labels")
        return x, y, weight[0] if weight else None

    def go_on(self, behind: bool) -> None:
        """Begin anew, at the place to which what gives the batches has been set; ``behind`` the end of an epoch, or in one."""
        self._begun, self._ahead, self._used = None, [], behind
        self._rest = not behind

    def __iter__(self) -> Iterator[Batch]:
        count = 0
        ahead, begun = self._ahead, self._begun or self._begin()
        self._ahead, self._begun = [], None
        rest, self._rest = self._rest, False
        for batch in chain(ahead, begun):
            result = self._batch(batch)
            count += len(result.inputs[0])
            yield result
        if rest:
            return
        if not count:
            fail(ArgumentError, self.op, expected="at least one batch", got="none")
        self.samples = count


class Inputs(Batches):
    """An iterable of batches to predict from: ``x``, or ``(x, y)``, of which ``y`` is left aside."""

    def _parts(self, batch: Any) -> tuple[Any, Any, Any]:
        return (batch[0] if isinstance(batch, (tuple, list)) and len(batch) in (1, 2) else batch), None, None


def batches(
    op: str, x: Any, y: Any, batch_size: int, shuffle: bool, place: Place, times: int = 1, padded: bool = False, weight: Any = None
) -> Arrays | Batches:
    """The batches of arrays ``x`` and ``y``, or without ``y`` of an iterable of batches ``x`` (see :class:`Batches`).

    ArgumentError for an array ``x`` without ``y``.
    """
    if y is not None:
        return Arrays(op, x, y, batch_size, shuffle, place, weight, divided=True)
    if weight is not None:
        fail(ArgumentError, op, expected="sample_weight beside arrays x and y", got="an iterable", fix="batches (x, y, sample_weight)")
    if isinstance(x, (Array, numpy.ndarray)):
        fail(ArgumentError, op, expected="labels y beside the array x", got="x alone")
    return Batches(op, x, place, times, padded)


def inputs_of(op: str, x: Any, batch_size: int, place: Place) -> Arrays | Batches:
    """The batches to predict from: of arrays, or of a ``DataLoader`` or another iterable that is no list or tuple."""
    if isinstance(x, Iterable) and not isinstance(x, (Array, numpy.ndarray, list, tuple, str, dict)):
        return Inputs(op, x, place, 1)
    return Arrays(op, x, None, batch_size, False, place)
