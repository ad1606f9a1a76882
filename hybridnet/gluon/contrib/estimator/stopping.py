"""Handlers that end training: after so many epochs or batches, or when a number no longer becomes better."""

from __future__ import annotations

from typing import Any

from hybridnet.gluon.contrib.estimator.monitored import check_monitor, direction, name_of, value_of, worst
from hybridnet.gluon.training.events import BatchEnd, EpochEnd, TrainBegin, TrainEnd


class StoppingHandler(TrainBegin, BatchEnd, EpochEnd):
    """Stops after ``max_epoch`` epochs or ``max_batch`` batches; without both, after what ``fit`` was told."""

    kept = ("current_batch", "current_epoch")

    def __init__(self, max_epoch: int | None = None, max_batch: int | None = None) -> None:
        self.max_epoch, self.max_batch = max_epoch, max_batch
        self.current_batch = self.current_epoch = 0
        self.stop_training = False

    def _reached(self) -> bool:
        self.stop_training = self.current_batch == self.max_batch or self.current_epoch == self.max_epoch
        return self.stop_training

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.max_epoch, self.max_batch = estimator.max_epoch, estimator.max_batch
        self.current_batch = self.current_epoch = 0
        self.stop_training = False

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        self.current_batch += 1
        return self._reached()

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        self.current_epoch += 1
        return self.stop_training or self._reached()


class EarlyStoppingHandler(TrainBegin, EpochEnd, TrainEnd):
    """Stops when ``monitor`` has not become better, by more than ``min_delta``, in ``patience`` epochs one after the other (0 is as 1).

    ``monitor``: a metric of the estimator, or with ``net.fit`` the name of a result (``"val_loss"``). ``mode``: whether ``min`` or
    ``max`` is better, or ``auto`` by the name. ``baseline``: what it must be better than to begin with. ``stopped_epoch`` is the epoch in
    which it stopped.
    """

    kept = ("wait", "stopped_epoch", "current_epoch", "stop_training", "best")

    def __init__(self, monitor: Any, min_delta: float = 0, patience: int = 0, mode: str = "auto", baseline: float | None = None) -> None:
        check_monitor("EarlyStoppingHandler", monitor)
        self.monitor, self.patience, self.baseline = monitor, patience, baseline
        self._sign = direction("EarlyStoppingHandler", mode, monitor)
        self.min_delta = abs(min_delta)
        self._begin()

    def _begin(self) -> None:
        self.wait = self.stopped_epoch = self.current_epoch = 0
        self.stop_training = False
        self.best = worst(self._sign) if self.baseline is None else self.baseline

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self._begin()

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        now = value_of("EarlyStoppingHandler", self.monitor, estimator)
        if self._sign * (now - self.best) > self.min_delta:
            self.best, self.wait = now, 0
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.stopped_epoch = self.current_epoch
                self.stop_training = True
        self.current_epoch += 1
        return self.stop_training

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if self.stop_training:
            name = name_of(self.monitor)
            estimator.logger.info("[Epoch %d] EarlyStoppingHandler: early stopping due to %s not improving", self.stopped_epoch, name)
