"""``Estimator``: a network, a loss, metrics and a trainer, and ``fit``, which tells handlers of what happens.

The loop is :class:`hybridnet.gluon.training.run.Run`, as for ``net.fit``. Here each batch is computed imperatively (or by a hybridized
network), so that handlers see predictions and losses; ``net.fit`` compiles the whole step, and its handlers do not.
"""

from __future__ import annotations

import copy
import logging
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from hybridnet import initializer
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.contrib.estimator.batch_processor import BatchProcessor
from hybridnet.gluon.contrib.estimator.event_handler import (
    EventHandler,
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    ValidationHandler,
)
from hybridnet.gluon.loss import Loss, SoftmaxCrossEntropyLoss
from hybridnet.gluon.trainer import Trainer
from hybridnet.gluon.training import together
from hybridnet.gluon.training.run import Run, Source
from hybridnet.metric import Accuracy, CompositeEvalMetric, EvalMetric
from hybridnet.metric import Loss as LossMetric


class Estimator:
    """Trains ``net`` by ``loss`` (a ``gluon.loss`` block).

    ``train_metrics``: a metric or several; without, the loss, and for a loss of classes the accuracy. ``val_metrics``: those of validation,
    copies of the training's if they are not given. ``trainer``: a ``gluon.Trainer``; SGD at a rate of 0.001 without. ``context``: a device
    or several, among which each batch is divided; the current one without. ``initializer``: for a network that has no values yet.
    ``val_net``, ``val_loss``: what validation uses, where it differs. ``batch_processor``: what is done with a batch, a
    :class:`BatchProcessor`.

    Of several ranks (``mpirun``) each has its own batches, as many as the others, and a trainer with ``kvstore="dist_sync"``. Metrics are
    of all ranks' batches once an epoch has ended; the first rank logs, and writes checkpoints.

    ``run`` is the call of ``fit`` that is under way, or was the last; ``running`` what goes through data now, ``evaluate`` too.
    """

    def __init__(
        self,
        net: Any,
        loss: Any,
        train_metrics: Any = None,
        val_metrics: Any = None,
        initializer: Any = None,
        trainer: Any = None,
        context: Any = None,
        val_net: Any = None,
        val_loss: Any = None,
        batch_processor: Any = None,
    ) -> None:
        self.net, self.val_net = net, net if val_net is None else val_net
        self.loss = self._check_loss(loss)
        self.val_loss = self.loss if val_loss is None else self._check_loss(val_loss)
        self._train_metrics, self._val_metrics = _metrics(train_metrics), _metrics(val_metrics)
        self._add_default_training_metrics()
        self._add_validation_metrics()
        self.logger = logging.Logger("Estimator", logging.INFO)
        self.logger.addHandler(logging.StreamHandler(sys.stdout))
        if not together.leads():  # one of several ranks tells
            self.logger.setLevel(logging.WARNING)
        self.context = self._check_context(context)
        self._initialize(initializer)
        self.trainer = self._check_trainer(trainer)
        self.batch_processor = self._check_batch_processor(batch_processor)
        self.max_epoch: int | None = None
        self.max_batch: int | None = None
        self.batch_axis = 0
        self.run: Run | None = None
        self.running: Run | None = None

    # -- what it was given ----------------------------------------------------------------------

    def _check_loss(self, loss: Any) -> Loss:
        if not isinstance(loss, Loss):
            fail(ArgumentError, "Estimator", expected="loss to be a gluon.loss.Loss", got=repr(loss))
        return loss

    def _check_context(self, context: Any) -> list[Device]:
        if context is None:
            return [current_device()]
        devices = context if isinstance(context, (list, tuple)) else [context]
        if not devices or not all(isinstance(device, Device) for device in devices):
            fail(
                ArgumentError, "Estimator", expected="context to be a device or a list of devices", got=repr(context), fix="hybridnet.cpu()"
            )
        return list(devices)

    def _check_trainer(self, trainer: Any) -> Trainer:
        if trainer is None:
            warnings.warn("Estimator: without a trainer SGD with a learning rate of 0.001 is taken", stacklevel=3)
            store = "dist_sync" if together.ranks() > 1 else "device"
            return Trainer(self.net.collect_params(), "sgd", {"learning_rate": 0.001}, kvstore=store)
        if not isinstance(trainer, Trainer):
            fail(ArgumentError, "Estimator", expected="trainer to be a gluon.Trainer", got=repr(trainer))
        return trainer

    def _check_batch_processor(self, processor: Any) -> Any:
        if processor is None:
            return BatchProcessor()
        if not all(callable(getattr(processor, name, None)) for name in ("fit_batch", "evaluate_batch")):
            fail(ArgumentError, "Estimator", expected="a batch_processor with fit_batch() and evaluate_batch()", got=repr(processor))
        return processor

    def _is_initialized(self) -> bool:
        return all(p._data is not None or p._deferred_init is not None for p in self.net.collect_params().values())

    def _initialize(self, init: Any) -> None:
        if not self._is_initialized():
            self.net.initialize(init=init or initializer.Uniform(), ctx=self.context)
            return
        if init is not None:
            warnings.warn("Estimator: the network is initialized already, and its initializer left out", stacklevel=3)
        for parameter in self.net.collect_params().values():
            if not set(self.context) <= set(parameter.list_ctx()):
                self.net.collect_params().reset_ctx(self.context)
                break

    # -- metrics --------------------------------------------------------------------------------

    def _add_default_training_metrics(self) -> None:
        if not self._train_metrics:
            self._train_metrics = [Accuracy()] if isinstance(self.loss, SoftmaxCrossEntropyLoss) else []
            self._train_metrics.append(LossMetric(self.loss.name.rstrip("0123456789")))
        for metric in self._train_metrics:
            metric.name = "training " + metric.name

    def _add_validation_metrics(self) -> None:
        if not self._val_metrics:
            self._val_metrics = [copy.deepcopy(metric) for metric in self._train_metrics]
            for metric in self._val_metrics:
                metric.name = metric.name.removeprefix("training ")
        for metric in self._val_metrics:
            metric.name = "validation " + metric.name

    @property
    def train_metrics(self) -> list[EvalMetric]:
        """The metrics of training, the loss's among them."""
        return self._train_metrics

    @property
    def val_metrics(self) -> list[EvalMetric]:
        """The metrics of validation."""
        return self._val_metrics

    # -- doing it -------------------------------------------------------------------------------

    def evaluate_batch(self, val_batch: Any, batch_axis: int = 0) -> Any:
        """What validation does with a batch: the batch processor's ``evaluate_batch``."""
        return self.batch_processor.evaluate_batch(self, val_batch, batch_axis)

    def fit_batch(self, train_batch: Any, batch_axis: int = 0) -> Any:
        """What training does with a batch: the batch processor's ``fit_batch``."""
        return self.batch_processor.fit_batch(self, train_batch, batch_axis)

    def evaluate(self, val_data: Any, batch_axis: int = 0, event_handlers: Any = None) -> None:
        """Measure ``val_metrics`` over ``val_data``, a ``DataLoader`` or another iterable of batches.

        Handlers of metrics and of logging are added, where ``event_handlers`` has none.
        """
        _check_data("Estimator.evaluate", val_data)
        run = Run(self, Source(val_data), self._prepare_default_validation_handlers(event_handlers))
        before, self.running = self.running, run
        try:
            run.tell("epoch_begin")
            for batch in run.source:
                run.tell("batch_begin", batch=batch)
                run.tell("batch_end", batch=batch, **_told(self.evaluate_batch(batch, batch_axis)))
            run.tell("epoch_end")
        finally:
            self.running = before

    def fit(
        self,
        train_data: Any,
        val_data: Any = None,
        epochs: int | None = None,
        event_handlers: Any = None,
        batches: int | None = None,
        batch_axis: int = 0,
    ) -> None:
        """Train for ``epochs`` times through ``train_data``, or for ``batches`` batches.

        ``train_data``: a ``DataLoader``, or another iterable of pairs of data and labels that begins anew each time. ``val_data`` is
        measured after each epoch. ``event_handlers``: one or several; those that stop, update, measure, validate and log are added where
        there are none of their kind. A run with a ``CheckpointHandler`` that resumes trains what is left of ``epochs`` or ``batches``.
        """
        if (epochs is None) == (batches is None):
            fail(ArgumentError, "Estimator.fit", expected="either epochs or batches", got=f"epochs={epochs}, batches={batches}")
        _check_data("Estimator.fit", train_data)
        self.max_epoch, self.max_batch, self.batch_axis = epochs, batches, batch_axis
        handlers = self._prepare_default_handlers(val_data, event_handlers)
        self.run = self.running = Run(self, Source(train_data, keeper=train_data), handlers)
        self.run.go(lambda batch: _told(self.fit_batch(batch, batch_axis)))

    # -- handlers -------------------------------------------------------------------------------

    def _prepare_default_handlers(self, val_data: Any, given: Any) -> list[EventHandler]:
        handlers = _handlers(given)
        self._check_known(handlers)
        _add(handlers, StoppingHandler, lambda: StoppingHandler(self.max_epoch, self.max_batch))
        _add(handlers, GradientUpdateHandler, GradientUpdateHandler)
        _add(handlers, MetricHandler, lambda: MetricHandler(self.train_metrics))
        if val_data is not None:
            _check_data("Estimator.fit", val_data)
            _add(handlers, ValidationHandler, lambda: ValidationHandler(val_data, self.evaluate))
        _add(handlers, LoggingHandler, lambda: LoggingHandler(metrics=self.train_metrics))
        return handlers

    def _prepare_default_validation_handlers(self, given: Any) -> list[EventHandler]:
        handlers = _handlers(given)
        self._check_known(handlers)
        _add(handlers, MetricHandler, lambda: MetricHandler(self.val_metrics))
        _add(handlers, LoggingHandler, lambda: LoggingHandler(metrics=self.val_metrics))
        return handlers

    def _check_known(self, handlers: list[EventHandler]) -> None:
        """Metrics of handlers are the estimator's: others would never be updated."""
        known = {id(metric) for metric in [*self.train_metrics, *self.val_metrics]}
        for handler in handlers:
            for metric in [*getattr(handler, "metrics", []), getattr(handler, "monitor", None)]:
                if isinstance(metric, EvalMetric) and id(metric) not in known:
                    expected = f"{type(handler).__name__} to have metrics of estimator.train_metrics or estimator.val_metrics"
                    fail(ArgumentError, "Estimator", expected=expected, got=str(metric))


def _metrics(given: Any) -> list[EvalMetric]:
    """A list of metrics, from one or several."""
    if isinstance(given, CompositeEvalMetric):
        given = given.metrics
    metrics = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    for metric in metrics:
        if not isinstance(metric, EvalMetric):
            fail(ArgumentError, "Estimator", expected="metrics to be a metric or several", got=repr(metric), fix="metric.Accuracy()")
    return metrics


def _check_data(op: str, data: Any) -> None:
    if isinstance(data, (str, dict)) or not isinstance(data, Iterable):
        fail(ArgumentError, op, expected="a DataLoader, or another iterable of batches", got=type(data).__name__)


def _handlers(given: Any) -> list[EventHandler]:
    handlers = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    for handler in handlers:
        if not isinstance(handler, EventHandler):
            fail(ArgumentError, "Estimator", expected="event_handlers to be an EventHandler or several", got=repr(handler))
    return handlers


def _add(handlers: list[EventHandler], kind: type[EventHandler], make: Any) -> None:
    if not any(isinstance(handler, kind) for handler in handlers):
        handlers.append(make())


def _told(result: Any) -> dict[str, Any]:
    """What ``batch_end`` is told of a batch."""
    _, label, pred, loss = result
    return {"pred": pred, "label": label, "loss": loss}
