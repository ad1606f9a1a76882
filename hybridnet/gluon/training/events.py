"""What can be told of training while it runs: the six events, each a base class of the handlers that hear it.

The names are MXNet's (``gluon.contrib.estimator``); callbacks of ``net.fit`` are the same handlers. Relies on nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EventHandler:
    """The base of handlers. Those with a low ``priority`` are told first, equal ones in the order in which they were given."""

    priority: float = 0

    #: The attributes that a run which was killed goes on with: numbers, strings, arrays, and lists of such.
    kept: ClassVar[tuple[str, ...]] = ()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this handler: what ``kept`` names."""
        return {name: getattr(self, name) for name in self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what :meth:`state_dict` gave."""
        for name in self.kept:
            setattr(self, name, state[name])


class TrainBegin(EventHandler):
    """Hears that training begins."""

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called once, before the first epoch."""


class TrainEnd(EventHandler):
    """Hears that training has ended."""

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called once, after the last epoch."""


class EpochBegin(EventHandler):
    """Hears that an epoch begins."""

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called before an epoch's first batch is read."""


class EpochEnd(EventHandler):
    """Hears that an epoch has ended."""

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called after an epoch's last batch; what is true stops training."""


class BatchBegin(EventHandler):
    """Hears that a batch begins."""

    def batch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called with ``batch`` before it is trained on."""


class BatchEnd(EventHandler):
    """Hears that a batch has ended."""

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called with ``batch``, ``pred``, ``label`` and ``loss``; what is true ends the epoch."""


#: The events and their classes.
EVENTS: dict[str, type[EventHandler]] = {
    "train_begin": TrainBegin,
    "train_end": TrainEnd,
    "epoch_begin": EpochBegin,
    "epoch_end": EpochEnd,
    "batch_begin": BatchBegin,
    "batch_end": BatchEnd,
}
