"""Where a loader is, and the seeds of its epochs.

A loader draws one key from hybridnet's random state, at its first epoch and at the first after each ``hybridnet.random.seed``. The seed
of an epoch follows from that key and the epoch's number, so that a loader which goes on in another process needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybridnet.core.random import host_key, seedings
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.data.reading import derived


@dataclass
class Epoch:
    """One time through the data."""

    number: int
    seed: int
    batches: int  # that have been given out
    sampler: Any  # its state before


class Position:
    """The epochs of a loader, of which the last may be under way."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self._key: tuple[int, int] | None = None
        self._seedings = -1  # how often there had been a seed when the key was drawn
        self._next = 0  # the number of the next epoch
        self._current: Epoch | None = None  # the one that last began or gave out a batch, until it ends
        self._resumed: dict[str, Any] | None = None

    def begin(self) -> Epoch:
        """The next epoch, or the rest of the one that was loaded."""
        state, self._resumed = self._resumed, None
        if state is None:
            self._find_key()
            epoch = Epoch(self._next, 0, 0, self._sampler_state())
        else:
            self._key, self._seedings = tuple(state["key"]), seedings()
            epoch = Epoch(state["epoch"], 0, state["batches"], state["sampler"])
            if epoch.sampler is not None:
                self._sampler.load_state_dict(epoch.sampler)
        assert self._key is not None
        epoch.seed = derived(*self._key, epoch.number)
        self._next = epoch.number + 1
        self._current = epoch
        return epoch

    def take_back(self, epoch: Epoch) -> None:
        """An epoch that has begun ahead is not gone through after all."""
        if self._current is epoch and not epoch.batches:
            self._next, self._current = epoch.number, None
            if epoch.sampler is not None:
                self._sampler.load_state_dict(epoch.sampler)

    def _find_key(self) -> tuple[int, int]:
        if self._key is None or self._seedings != seedings():
            self._key, self._seedings, self._next = host_key(), seedings(), 0
        return self._key

    def _sampler_state(self) -> Any:
        return self._sampler.state_dict() if hasattr(self._sampler, "state_dict") else None

    def advance(self, epoch: Epoch) -> None:
        """A batch of ``epoch`` is given out."""
        epoch.batches += 1
        self._current = epoch

    def end(self, epoch: Epoch) -> None:
        """All batches of ``epoch`` have been."""
        if self._current is epoch:
            self._current = None

    def state_dict(self) -> dict[str, Any]:
        if self._resumed is not None:
            return dict(self._resumed)
        if self._current is None:
            key = self._find_key()
            return {"key": list(key), "epoch": self._next, "batches": 0, "sampler": self._sampler_state()}
        assert self._key is not None
        epoch = self._current
        return {"key": list(self._key), "epoch": epoch.number, "batches": epoch.batches, "sampler": epoch.sampler}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        missing = {"key", "epoch", "batches", "sampler"} - set(state)
        if missing:
            got = f"one without {', '.join(sorted(missing))}"
            fail(ArgumentError, "load_state_dict", expected="what state_dict() of a DataLoader gave", got=got)
        self._resumed, self._current = dict(state), None
