"""Samplers: in which order samples are read, and which of them make a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from hybridnet.core.random import host_generator
from hybridnet.errors import ArgumentError, fail


class Sampler:
    """The base of samplers: one of your own defines ``__iter__``, which gives numbers of samples (or lists of them), and ``__len__``."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__")


class SequentialSampler(Sampler):
    """``start``, ``start + 1`` … : ``length`` numbers."""

    def __init__(self, length: int, start: int = 0) -> None:
        self._numbers = range(start, start + length)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class RandomSampler(Sampler):
    """The numbers below ``length`` in an order that is drawn anew each time, as ``hybridnet.random.seed`` has it."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __iter__(self) -> Iterator[int]:
        return iter(host_generator().permutation(self._length).tolist())

    def __len__(self) -> int:
        return self._length


class SplitSampler(Sampler):
    """The numbers below ``length`` that are those of part ``part_index`` of ``num_parts``, one for each rank of a training.

    All parts have the same length: ``rest`` says what happens to numbers that are left over, ``"pad"`` (parts that lack one take one of
    the first numbers again) or ``"discard"``. With ``shuffle`` all numbers are put into an order, another each time, from which each part
    takes every ``num_parts``-th; the order follows from ``seed``, which is the same for all parts, alone. ArgumentError for a part
    that there is not.
    """

    def __init__(
        self, length: int, num_parts: int = 1, part_index: int = 0, shuffle: bool = False, seed: int = 0, rest: str = "pad"
    ) -> None:
        if num_parts < 1 or not 0 <= part_index < num_parts:
            fail(ArgumentError, "SplitSampler", expected=f"a part_index from 0 to below num_parts={num_parts}", got=repr(part_index))
        if rest not in ("pad", "discard"):
            fail(ArgumentError, "SplitSampler", expected="rest pad or discard", got=repr(rest))
        self._length, self._num_parts, self._part_index = length, num_parts, part_index
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._own = -(-length // num_parts) if rest == "pad" else length // num_parts

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._length) if self._shuffle else np.arange(self._length)
        self._epoch += 1
        places = np.arange(self._own) * self._num_parts + self._part_index
        return iter(order[places % max(self._length, 1)].tolist())

    def __len__(self) -> int:
        return self._own

    def state_dict(self) -> dict[str, Any]:
        """How often it has begun."""
        return {"epoch": self._epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the order that comes after what :meth:`state_dict` gave."""
        self._epoch = int(state["epoch"])


class FilterSampler(Sampler):
    """The numbers of the samples for which ``fn`` gives true; each sample is read once for that, now."""

    def __init__(self, fn: Callable[[Any], Any], dataset: Any) -> None:
        self._numbers = [i for i in range(len(dataset)) if fn(dataset[i])]

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class BatchSampler(Sampler):
    """Lists of ``batch_size`` numbers that ``sampler`` gives one after the other.

    ``last_batch`` says what happens to fewer numbers at the end: ``keep`` gives a shorter list, ``discard`` leaves them out,
    ``rollover`` puts them first the next time.
    """

    WAYS: ClassVar[tuple[str, ...]] = ("keep", "discard", "rollover")

    def __init__(self, sampler: Any, batch_size: int, last_batch: str = "keep") -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            fail(ArgumentError, "BatchSampler", expected="a batch_size of 1 or more", got=repr(batch_size))
        if last_batch not in self.WAYS:
            fail(ArgumentError, "BatchSampler", expected="last_batch one of " + ", ".join(self.WAYS), got=repr(last_batch))
        self._sampler, self._batch_size, self._last_batch = sampler, batch_size, last_batch
        self._over: list[int] = []  # what "rollover" keeps for the next time

    def __iter__(self) -> Iterator[list[int]]:
        batch, self._over = self._over, []
        for number in self._sampler:
            batch.append(number)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch and self._last_batch == "keep":
            yield batch
        elif self._last_batch == "rollover":
            self._over = batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self._sampler) + len(self._over), self._batch_size)
        return whole + (1 if rest and self._last_batch == "keep" else 0)

    def ends_short(self) -> bool:
        """Whether the last list will be of fewer numbers."""
        return self._last_batch == "keep" and bool(len(self._sampler) % self._batch_size)

    def state_dict(self) -> dict[str, Any]:
        """What the next time begins with: the numbers that rolled over, and the state of the sampler within, if it has one."""
        inner = self._sampler.state_dict() if hasattr(self._sampler, "state_dict") else None
        return {"over": list(self._over), "sampler": inner}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next time with what :meth:`state_dict` gave."""
        self._over = list(state["over"])
        if state.get("sampler") is not None:
            self._sampler.load_state_dict(state["sampler"])
