"""``LoggingHandler``: what an estimator says of training, and how far an epoch is."""

from __future__ import annotations

import importlib
import math
import time
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training import together
from hybridnet.gluon.training.events import BatchBegin, BatchEnd, EpochBegin, EpochEnd, TrainBegin, TrainEnd
from hybridnet.metric import EvalMetric


class LoggingHandler(TrainBegin, TrainEnd, EpochBegin, EpochEnd, BatchBegin, BatchEnd):
    """Logs to ``estimator.logger``: metrics after each epoch, or with ``log_interval=k`` after every k batches as well.

    On a terminal a bar shows how far the epoch is meanwhile.
    """

    kept = ("batch_index", "current_epoch", "processed_samples")

    def __init__(self, log_interval: Any = "epoch", metrics: Any = None, priority: float = math.inf) -> None:
        if log_interval != "epoch" and not isinstance(log_interval, int):
            fail(ArgumentError, "LoggingHandler", expected="log_interval to be a number of batches or 'epoch'", got=repr(log_interval))
        self.metrics: list[EvalMetric] = metrics if isinstance(metrics, list) else [] if metrics is None else [metrics]
        self.log_interval, self.priority = log_interval, priority
        self.batch_index = self.current_epoch = self.processed_samples = 0
        self.log_interval_time = 0.0
        self._train_start = self._epoch_start = self._batch_start = time.perf_counter()
        self._bar: Any = None

    def _values(self) -> str:
        return ", ".join(f"{name}: {value:.4f}" for metric in self.metrics for name, value in metric.get_name_value())

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.batch_index = self.current_epoch = self.processed_samples = 0
        self._train_start = time.perf_counter()
        optimizer = type(estimator.trainer.optimizer).__name__
        rate = estimator.trainer.learning_rate
        estimator.logger.info("Training begin: using optimizer %s with current learning rate %.4f ", optimizer, rate)
        if estimator.max_epoch:
            estimator.logger.info("Train for %d epochs.", estimator.max_epoch)
        else:
            estimator.logger.info("Train for %d batches.", estimator.max_batch)

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        seconds = time.perf_counter() - self._train_start
        estimator.logger.info("Train finished using total %ds with %d epochs. %s", seconds, self.current_epoch, self._values())

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self._epoch_start = time.perf_counter()
        self.batch_index = self.processed_samples = 0
        if self.metrics and all(metric.name.startswith("validation ") for metric in self.metrics):
            estimator.logger.info("Validation Begin")
        else:
            estimator.logger.info("[Epoch %d] Begin, current learning rate: %.4f", self.current_epoch, estimator.trainer.learning_rate)

    def _show(self, estimator: Any) -> None:
        """A bar that begins with the first batch; tqdm leaves it out where there is no terminal."""
        if self._bar is None:
            data = getattr(estimator, "running", estimator.run).source.data
            total = len(data) if hasattr(data, "__len__") else None
            self._bar = importlib.import_module("tqdm").tqdm(
                total=total,
                initial=self.batch_index,
                desc=f"[Epoch {self.current_epoch}]",
                disable=None if together.leads() else True,
                leave=False,
            )
        self._bar.update()

    def batch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self._batch_start = time.perf_counter()

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self._show(estimator)
        self.log_interval_time += time.perf_counter() - self._batch_start
        labels = kwargs["label"] if isinstance(kwargs["label"], (list, tuple)) else [kwargs["label"]]
        self.processed_samples += sum(map(len, labels))
        if isinstance(self.log_interval, int) and self.batch_index % self.log_interval == 0:
            place = f"[Epoch {self.current_epoch}][Batch {self.batch_index}][Samples {self.processed_samples}]"
            estimator.logger.info("%s time/interval: %.3fs %s", place, self.log_interval_time, self._values())
            self.log_interval_time = 0.0
        self.batch_index += 1

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        seconds = time.perf_counter() - self._epoch_start
        estimator.logger.info("[Epoch %d] Finished in %.3fs, %s", self.current_epoch, seconds, self._values())
        self.current_epoch += 1
        self.batch_index = 0
