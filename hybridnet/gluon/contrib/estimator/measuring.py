"""Handlers that move the parameters, count metrics, and validate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training import together
from hybridnet.gluon.training.events import BatchEnd, EpochBegin, EpochEnd, TrainBegin
from hybridnet.gluon.training.run import Beside
from hybridnet.metric import EvalMetric, Loss


def _told(op: str, what: dict[str, Any], name: str) -> list[Any]:
    """The parts of a batch's losses or predictions."""
    if name not in what:
        fix = "an Estimator, or net.compile(metrics=...)"
        fail(ArgumentError, op, expected=f"an estimator that tells of each batch's {name}", got="net.fit, whose step is compiled", fix=fix)
    return what[name] if isinstance(what[name], list) else [what[name]]


class GradientUpdateHandler(BatchEnd):
    """Moves the parameters at the end of each batch, before metrics are counted: ``trainer.step`` of the batch's length.

    Of several ranks' of the mean of their lengths.
    """

    def __init__(self, priority: float = -2000) -> None:
        self.priority = priority

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        losses = _told("GradientUpdateHandler", kwargs, "loss")
        size = float(sum(len(loss) for loss in losses))
        if together.ranks() > 1:  # batches of other lengths count by their samples, and all divide by the same
            size = together.summed({"samples": size})["samples"] / together.ranks()
        estimator.trainer.step(size)


class MetricHandler(EpochBegin, BatchEnd, EpochEnd):
    """Sets metrics back at the beginning of an epoch and updates them at the end of each batch: those of losses by the loss.

    At the end of an epoch those of several ranks have counted the batches of all.
    """

    def __init__(self, metrics: Any, priority: float = -1000) -> None:
        self.metrics: list[EvalMetric] = metrics if isinstance(metrics, list) else [metrics]
        self.priority = priority

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            metric.reset()

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            if isinstance(metric, Loss):
                metric.update(0, _told("MetricHandler", kwargs, "loss"))
            else:
                metric.update(kwargs["label"], _told("MetricHandler", kwargs, "pred"))

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            together.merge(metric)


class ValidationHandler(TrainBegin, BatchEnd, EpochEnd):
    """Calls ``eval_fn(val_data=..., batch_axis=..., event_handlers=...)``, an estimator's ``evaluate``, after every ``epoch_period`` epochs
    and every ``batch_period`` batches."""

    kept = ("current_batch", "current_epoch")

    def __init__(
        self,
        val_data: Any,
        eval_fn: Callable[..., Any],
        epoch_period: int | None = 1,
        batch_period: int | None = None,
        priority: float = -1000,
        event_handlers: Any = None,
    ) -> None:
        self.val_data, self.eval_fn = val_data, eval_fn
        self.epoch_period, self.batch_period = epoch_period, batch_period
        self.priority, self.event_handlers = priority, event_handlers
        self.current_batch = self.current_epoch = 0

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "data": Beside(self.val_data).state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        Beside(self.val_data).load_state_dict(state["data"])

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_batch = self.current_epoch = 0

    def _evaluate(self, estimator: Any) -> None:
        self.eval_fn(val_data=self.val_data, batch_axis=estimator.batch_axis, event_handlers=self.event_handlers)

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_batch += 1
        if self.batch_period and self.current_batch % self.batch_period == 0:
            self._evaluate(estimator)

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_epoch += 1
        if self.epoch_period and self.current_epoch % self.epoch_period == 0:
            self._evaluate(estimator)
