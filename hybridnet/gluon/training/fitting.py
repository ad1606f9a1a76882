"""One call of ``net.fit``: the training loop (``run.py``) around compiled steps, and the handlers that ``fit`` cannot do without.

:class:`Fit` is what callbacks are told of: to them it is the estimator.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet.gluon.training import saved, together
from hybridnet.gluon.training.batches import Place
from hybridnet.gluon.training.events import BatchBegin, BatchEnd, EpochBegin, EpochEnd, EventHandler, TrainBegin, TrainEnd
from hybridnet.gluon.training.progress import History, Progress
from hybridnet.gluon.training.run import Beside, Run, Source
from hybridnet.gluon.training.session import Session
from hybridnet.gluon.training.steps import Plan, Steps


class Results:
    """The results of now, as an estimator's metric: those of the batches so far, then those of the whole epoch."""

    name = "results"

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    def get_name_value(self) -> list[tuple[str, float]]:
        """Pairs of name and value."""
        return list((self._fit.results or self._fit.session.results()).items())


class Fit:
    """What a call of ``fit`` is to its callbacks. ``results``: those of the epoch that has ended, by name."""

    batch_axis = 0
    max_batch: int | None = None

    def __init__(self, net: Any, session: Session, place: Place, plan: Plan, epochs: int) -> None:
        self.net, self.session, self.place, self.max_epoch = net, session, place, epochs
        self.context = list(plan.devices)
        session.programs.start(net, session.optimizer)
        self.trainer: Any = session.programs.trainer
        self.steps = Steps(net, session.outputs, session.programs, plan)
        self.results: dict[str, float] = {}
        self.history = History()
        self.train_metrics = [Results(self)]
        self.val_metrics: list[Any] = []
        self.logger = logging.Logger("fit", logging.INFO)
        self.logger.addHandler(logging.StreamHandler(sys.stdout))
        self.run: Run | None = None
        self.divided = False  # whether each rank takes its part of batches that all know

    def go(
        self, source: Source, validation: Any, measure: Callable[[Any], dict[str, float]], callbacks: list[EventHandler], verbose: Any
    ) -> History:
        """Train, and ``measure`` validation data, if there are some, after each epoch; gives the history."""
        verbose = verbose if together.leads() else 0
        if not verbose:
            self.logger.setLevel(logging.WARNING)
        self.divided = getattr(source.data, "divided", False)
        self.run = Run(self, source, [_Epochs(validation, measure), _Shown(source.data, verbose), *callbacks])
        try:
            self.run.go(self._step)
        finally:
            self._shown().close()
        return self.history

    def _shown(self) -> _Shown:
        assert self.run is not None
        return next(handler for handler in self.run.handlers if isinstance(handler, _Shown))

    def _step(self, batch: Any) -> dict[str, Any]:
        self.steps.train(batch)
        return {"label": batch.labels[0]}

    # -- for a checkpoint -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What is counted and added up so far, and the history."""
        return {
            "programs": self.session.programs.state_dict(),
            "host": [saved.snapshot(together.metric_of_all(metric)) for metric in self.session.host],
            "history": self.history.history,
            "epochs": self.history.epoch,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what :meth:`state_dict` gave."""
        self.session.programs.load_state_dict(state["programs"])
        if together.heads():
            for metric, kept in zip(self.session.host, state["host"], strict=True):
                saved.restore(metric, kept)
        self.history.history, self.history.epoch = state["history"], state["epochs"]


class _Epochs(EpochBegin, BatchEnd, EpochEnd):
    """Counts from zero in each epoch, makes updates that wait, measures validation data, and stops after the last epoch."""

    priority = -math.inf

    def __init__(self, validation: Any, measure: Callable[[Any], dict[str, float]]) -> None:
        self.validation, self.measure = validation, measure

    def state_dict(self) -> dict[str, Any]:
        return {"validation": Beside(self.validation).state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        Beside(self.validation).load_state_dict(state["validation"])

    def epoch_begin(self, estimator: Fit, *args: Any, **kwargs: Any) -> None:
        estimator.results = {}
        estimator.session.reset(estimator.place.device)

    def batch_end(self, estimator: Fit, *args: Any, **kwargs: Any) -> None:
        if 0 < estimator.steps.plan.accumulate <= estimator.session.programs.waiting_batches:
            estimator.steps.update()

    def epoch_end(self, estimator: Fit, *args: Any, **kwargs: Any) -> bool:
        assert estimator.run is not None
        if estimator.steps.plan.ranks > 1 and not estimator.divided:
            together.ended()
        estimator.steps.update()
        estimator.results = estimator.session.results(of_all=True)
        estimator._shown().stop_clock()
        if self.validation is not None:
            estimator.results |= {f"val_{name}": value for name, value in self.measure(self.validation).items()}
        estimator.history.add(estimator.run.epoch - 1, estimator.results)
        return estimator.run.epoch >= estimator.max_epoch


class _Shown(TrainBegin, BatchBegin, BatchEnd, EpochEnd, TrainEnd):
    """The progress bar."""

    priority = math.inf

    def __init__(self, data: Any, verbose: Any) -> None:
        self.data, self.verbose = data, verbose
        self._progress: Progress | None = None

    def batch_begin(self, estimator: Fit, *args: Any, **kwargs: Any) -> None:
        if self._progress is None:
            assert estimator.run is not None
            title = f"Epoch {estimator.run.epoch + 1}/{estimator.max_epoch}"
            self._progress = Progress(title, self.data.samples, self.verbose, done=estimator.session.programs.samples).__enter__()

    def batch_end(self, estimator: Fit, *args: Any, **kwargs: Any) -> None:
        assert self._progress is not None
        self._progress.advance(estimator.steps.last, estimator.session.results)

    def stop_clock(self) -> None:
        """What follows is not training."""
        if self._progress is not None:
            self._progress.stop_clock()

    def epoch_end(self, estimator: Fit, *args: Any, **kwargs: Any) -> None:
        if self._progress is not None:
            self._progress.finish(estimator.results)
            self.close()

    def close(self) -> None:
        """Take the bar away, after an error too."""
        if self._progress is not None:
            self._progress.__exit__()
            self._progress = None
