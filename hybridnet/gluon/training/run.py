"""The training loop: the only one, for ``net.fit`` and for ``Estimator.fit``.

It goes through epochs and batches, tells the handlers, and knows at every moment where it is, so that a checkpoint can say it and
another process can go on there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hybridnet.gluon.ranks import average_statistics
from hybridnet.gluon.training import randomness
from hybridnet.gluon.training.events import EVENTS, EventHandler
from hybridnet.io.base import DataIter


class Source:
    """The batches of all epochs, and the place in them.

    What has ``state_dict`` and ``load_state_dict`` (a ``DataLoader``) says itself where it is. Of any other data the epoch is begun again
    from the random state in which it began, and the batches that were done are passed over.
    """

    def __init__(self, data: Iterable[Any], keeper: Any = None) -> None:
        self.data = data
        self.keeper = keeper if hasattr(keeper, "load_state_dict") else None
        self._begun: Any = None  # the random state in which the epoch began
        self._skipped = 0  # how many batches of the coming epoch are done already
        self._resumed = self._primed = False
        self._used = False  # whether a DataIter, which does not start anew by itself, has been gone through

    def __iter__(self) -> Iterator[Any]:
        resumed, self._resumed = self._resumed, False
        if isinstance(self.data, DataIter):
            if self._used and not resumed:
                self.data.reset()
            self._used = True
        if resumed:
            return self._rest()
        if not self._primed:
            self._begun = randomness.state_dict()
        self._primed = False
        return iter(self.data)

    def prime(self) -> None:
        """The first epoch begins in the random state of now: before somebody looks at the data."""
        self._begun, self._primed = randomness.state_dict(), True

    def _rest(self) -> Iterator[Any]:
        skipped, self._skipped = self._skipped, 0
        now = randomness.state_dict()
        if skipped:
            randomness.load_state_dict(self._begun)
        batches = iter(self.data)
        for _ in range(skipped):
            next(batches, None)
        if skipped:
            randomness.load_state_dict(now)
        yield from batches

    def state_dict(self, batch: int) -> dict[str, Any]:
        """The place after ``batch`` batches of this epoch (0: before the next)."""
        keeper = None if self.keeper is None else self.keeper.state_dict()
        return {"keeper": keeper, "begun": self._begun if batch and keeper is None else None}

    def load_state_dict(self, state: Mapping[str, Any], epoch: int, batch: int) -> None:
        """Go on after ``batch`` batches of ``epoch``."""
        kept = state["keeper"]
        self._primed = False
        if hasattr(self.data, "go_on"):
            self.data.go_on(behind=kept is not None and not batch)
        if self.keeper is not None and kept is not None:
            if not batch and kept.get("batches"):  # the epoch before was not gone through to its end
                kept = {**kept, "epoch": kept["epoch"] + 1, "batches": 0}
            self.keeper.load_state_dict(kept)
            self._resumed, self._used = bool(batch), True
            return
        batches = getattr(self.data, "batches", self.data)
        if isinstance(batches, DataIter):
            for _ in range(epoch):
                batches.reset()
            self._used = False
        self._begun, self._skipped, self._resumed = state["begun"], batch, bool(batch)


class Beside:
    """Data that is gone through as a whole beside a run's: to validate. A loader draws a key of its own, which a checkpoint keeps."""

    def __init__(self, data: Any) -> None:
        self.data = data
        loader = getattr(data, "batches", data)
        self._loader = loader if hasattr(loader, "load_state_dict") and not isinstance(loader, DataIter) else None

    def state_dict(self) -> Any:
        """Which time through is the next; ``None`` for what is no loader."""
        return None if self._loader is None else self._loader.state_dict()

    def load_state_dict(self, state: Any) -> None:
        """Go on with that time; one that has only been looked into is begun again."""
        if self._loader is not None and state is not None:
            self._loader.load_state_dict({**state, "batches": 0})
            if hasattr(self.data, "go_on"):
                self.data.go_on(behind=True)


class Run:
    """One call of ``fit``: the handlers, the data, and how far it is.

    ``epoch``: how many epochs are done; ``batch``: how many batches of this one are; ``batches``: how many in all.
    ``resumed``: whether it went on from a checkpoint.
    """

    def __init__(self, estimator: Any, source: Source, handlers: Sequence[EventHandler]) -> None:
        self.estimator, self.source = estimator, source
        self.handlers = sorted(handlers, key=lambda handler: getattr(handler, "priority", 0))
        self.epoch = self.batch = self.batches = 0
        self.resumed = False
        self._afterwards: list[Callable[[], None]] = []

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do something when all handlers have been told of the event: save what they are then, or go on from what they were."""
        self._afterwards.append(action)

    def tell(self, event: str, **what: Any) -> bool:
        """Tell all handlers that hear ``event``; whether one of them wants to stop."""
        answers = [getattr(h, event)(self.estimator, **what) for h in self.handlers if isinstance(h, EVENTS[event])]
        actions, self._afterwards = self._afterwards, []
        for action in actions:
            action()
        return any(answer is not None and bool(answer) for answer in answers)

    def go(self, step: Callable[[Any], Mapping[str, Any]]) -> None:
        """Train until a handler says to stop. ``step`` takes a batch and gives what the handlers are told at its end."""
        self.tell("train_begin")
        stop = self.resumed and self._had_ended()
        while not stop:
            if not self.batch:
                self.tell("epoch_begin")
            self._epoch(step)
            average_statistics(self.estimator.net.collect_params().values())
            self.epoch, self.batch = self.epoch + 1, 0
            stop = self.tell("epoch_end")
        self.tell("train_end")

    def _had_ended(self) -> bool:
        """Whether there was nothing left to do when it was saved, and is nothing now."""
        epochs, batches = self.estimator.max_epoch, self.estimator.max_batch
        if (epochs is not None and self.epoch >= epochs) or (batches is not None and self.batches >= batches):
            return True
        return any(getattr(handler, "stop_training", False) for handler in self.handlers)

    def _epoch(self, step: Callable[[Any], Mapping[str, Any]]) -> None:
        batches = iter(self.source)
        try:
            for batch in batches:
                self.tell("batch_begin", batch=batch)
                results = step(batch)
                self.batch += 1
                self.batches += 1
                if self.tell("batch_end", batch=batch, **results):
                    break
        finally:
            if hasattr(batches, "close"):
                batches.close()

    # -- where it is ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the run is, with its data and handlers."""
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "batches": self.batches,
            "source": self.source.state_dict(self.batch),
            "handlers": {name: handler.state_dict() for name, handler in self._named()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another run was. Handlers that it did not have begin anew."""
        self.epoch, self.batch, self.batches = state["epoch"], state["batch"], state["batches"]
        self.source.load_state_dict(state["source"], self.epoch, self.batch)
        for name, handler in self._named():
            if name in state["handlers"]:
                handler.load_state_dict(state["handlers"][name])
        self.resumed = True

    def _named(self) -> Iterator[tuple[str, EventHandler]]:
        """Handlers by class and number: what tells the same handlers of two processes apart."""
        seen: dict[str, int] = {}
        for handler in self.handlers:
            name = type(handler).__name__
            seen[name] = seen.get(name, -1) + 1
            yield f"{name}.{seen[name]}", handler
