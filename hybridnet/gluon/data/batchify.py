"""Samples to a batch: what a ``DataLoader`` calls with the list of a batch's samples.

Each is a callable object, so that it goes to worker processes. Arrays that they make are of the class that new arrays
have now (``hybridnet.util``), unless the samples are arrays of ours; dtypes stay as they are, NumPy's float64 too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy

from hybridnet import dtypes, util
from hybridnet import ndarray as nd
from hybridnet import numpy as np
from hybridnet.core import Array, wrap
from hybridnet.device import cpu
from hybridnet.device.device import array_module
from hybridnet.errors import ArgumentError, DtypeError, ShapeError, fail

__all__ = ["Append", "AsList", "Group", "List", "Pad", "Stack", "Tuple", "default_batchify_fn"]

_numbers: ContextVar[Sequence[Any] | None] = ContextVar("numbers of the samples in the dataset", default=None)


@contextmanager
def numbered(numbers: Sequence[Any]) -> Iterator[None]:
    """In the body, messages name samples by these numbers, which they have in the dataset."""
    token = _numbers.set(numbers)
    try:
        yield
    finally:
        _numbers.reset(token)


def _named(position: int) -> str:
    numbers = _numbers.get()
    if numbers is None or position >= len(numbers):
        return f"number {position} of the batch"
    return f"sample {numbers[position]} of the dataset"


def host_array(data: Any) -> Any:
    """A NumPy array as one of ours, of the class that new arrays have now."""
    return wrap(np.ndarray if util.is_np_array() else nd.NDArray, data, cpu())


def _raw(name: str, samples: Sequence[Any]) -> tuple[list[Any], Callable[[Any], Any]]:
    """The samples as NumPy arrays (CuPy's, where they lie on a GPU), and what makes one of them an array of ours again."""
    first = samples[0] if len(samples) else _refuse_nothing(name)
    if isinstance(first, Array):
        odd = next((i for i, s in enumerate(samples) if not isinstance(s, Array) or s._device is not first._device), None)
        if odd is not None:
            other = samples[odd]._device if isinstance(samples[odd], Array) else type(samples[odd]).__name__
            got = f"{first._device} for {_named(0)} and {other} for {_named(odd)}"
            fail(ArgumentError, name, expected="arrays on one device", got=got)
        return [s._data for s in samples], lambda data: wrap(type(first), data, first._device)
    if {type(s) for s in samples} == {numpy.ndarray} and all(map(dtypes.is_known, {s.dtype for s in samples})):  # as a rule
        return list(samples), host_array
    return [_host(name, i, s) for i, s in enumerate(samples)], host_array


def _host(name: str, position: int, sample: Any) -> Any:
    """A sample as a NumPy array, in this machine's order of bytes."""
    try:
        data = numpy.asarray(sample)
    except ValueError:  # lists that are not equally long
        data = numpy.asarray(None)
    if not dtypes.is_known(data.dtype):
        data = data.astype(data.dtype.newbyteorder("="))
        if not dtypes.is_known(data.dtype):
            fix = "a batchify_fn of your own, as gluon.data.batchify.AsList() for what stays a list"
            got = f"{_named(position)}, a {type(sample).__name__}" + (f" of {data.dtype}" if isinstance(sample, numpy.ndarray) else "")
            fail(DtypeError, name, expected="samples of numbers", got=got, fix=fix)
    return data


def _refuse_nothing(name: str) -> Any:
    fail(ArgumentError, name, expected="at least one sample", got="none")


def _check_shapes(name: str, raw: Sequence[Any]) -> None:
    shape = raw[0].shape
    odd = next((i for i, x in enumerate(raw) if x.shape != shape), None)
    if odd is not None:
        got = f"{shape} for {_named(0)} and {raw[odd].shape} for {_named(odd)}"
        fix = "batchify_fn=gluon.data.batchify.Pad(), or a transform that makes them alike"
        fail(ShapeError, name, expected="samples of one shape", got=got, fix=fix)


def _stacked(name: str, samples: Sequence[Any]) -> Any:
    raw, made = _raw(name, samples)
    _check_shapes(name, raw)
    xp, shape = array_module(raw[0]), (len(raw), *raw[0].shape)
    if len(shape) == 1:
        return made(xp.stack(raw))
    return made(xp.concatenate(raw).reshape(shape))  # which xp.stack does more slowly


def default_batchify_fn(data: Sequence[Any]) -> Any:
    """Arrays and numbers stacked along a new first axis; of samples that are tuples, a list of such batches, element by element."""
    first = data[0] if len(data) else _refuse_nothing("batchify")
    if isinstance(first, tuple):
        return [default_batchify_fn(part) for part in _elements("batchify", data, len(first))]
    if isinstance(first, (int, float, numpy.generic)):  # the usual label: one call for all of them
        try:
            numbers = numpy.asarray(data)
        except ValueError:
            return _stacked("batchify", data)
        if numbers.ndim == 1 and dtypes.is_known(numbers.dtype):
            return host_array(numbers)
    return _stacked("batchify", data)


def _elements(name: str, samples: Sequence[Any], count: int) -> Iterator[tuple[Any, ...]]:
    """The elements of samples, each with those of all samples together."""
    odd = next((i for i, s in enumerate(samples) if not isinstance(s, (tuple, list)) or len(s) != count), None)
    if odd is not None:
        other = f"{len(samples[odd])}" if isinstance(samples[odd], (tuple, list)) else f"a {type(samples[odd]).__name__}"
        expected = f"samples of {count} elements"
        fail(ShapeError, name, expected=expected, got=f"{other} for {_named(odd)}")
    return zip(*samples, strict=True)


class Stack:
    """Samples of one shape along a new first axis: ``(batch, ...)``."""

    def __call__(self, data: Sequence[Any]) -> Any:
        return _stacked("Stack", data)


class Pad:
    """Samples along a new first axis, each filled up with ``val`` at the end of its axes to the length of the longest.

    ``dtype``: of the batch; that of the samples if it is not given. ``round_to``: the lengths are multiples of it, so that
    a compiled network meets fewer shapes.
    """

    def __init__(self, val: float = 0, dtype: Any = None, round_to: int | None = None) -> None:
        if round_to is not None and round_to < 1:
            fail(ArgumentError, "Pad", expected="round_to of 1 or more", got=str(round_to))
        self._val, self._dtype, self._round_to = val, dtype, round_to or 1

    def __call__(self, data: Sequence[Any]) -> Any:
        raw, made = _raw("Pad", data)
        odd = next((i for i, x in enumerate(raw) if x.ndim != raw[0].ndim), None)
        if odd is not None:
            got = f"{raw[0].shape} for {_named(0)} and {raw[odd].shape} for {_named(odd)}"
            fail(ShapeError, "Pad", expected="samples of as many axes", got=got)
        longest = [max(lengths) for lengths in zip(*(x.shape for x in raw), strict=True)]
        shape = tuple(-(-n // self._round_to) * self._round_to for n in longest)
        dtype = numpy.result_type(*{x.dtype for x in raw}) if self._dtype is None else dtypes.as_dtype(self._dtype)
        padded = array_module(raw[0]).full((len(raw), *shape), self._val, dtype)
        for i, x in enumerate(raw):
            padded[(i, *map(slice, x.shape))] = x
        return made(padded)


class Append:
    """A list of the samples as arrays, which may differ in shape; each with an axis of length 1 at ``batch_axis`` if ``expand``."""

    def __init__(self, expand: bool = True, batch_axis: int = 0) -> None:
        self._expand, self._batch_axis = expand, batch_axis

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        raw, made = _raw("Append", data)
        copies = [x.copy() for x in raw]  # a batch may be written to
        return [made(numpy.expand_dims(x, self._batch_axis) if self._expand else x) for x in copies]


class Group:
    """For samples that are tuples: a function for each element, as ``Group(Pad(), Stack())``, and a tuple of what they give."""

    def __init__(self, fn: Any, *args: Any) -> None:
        self._functions = tuple(fn) if isinstance(fn, (list, tuple)) else (fn, *args)
        odd = next((f for f in self._functions if not callable(f)), None)
        if odd is not None or (isinstance(fn, (list, tuple)) and args):
            got = "a list and more" if odd is None else f"a {type(odd).__name__}"
            fail(ArgumentError, "Group", expected="functions, or one list of them", got=got)

    def __call__(self, data: Sequence[Any]) -> tuple[Any, ...]:
        elements = _elements("Group", data, len(self._functions))
        return tuple(f(part) for f, part in zip(self._functions, elements, strict=True))


class AsList:
    """The samples as they are, in a list: text, and whatever else is no array."""

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        return list(data)


#: GluonNLP's names of the same.
Tuple, List = Group, AsList
