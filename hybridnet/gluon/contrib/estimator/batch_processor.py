"""``BatchProcessor``: what an ``Estimator`` does with a batch. One of your own overrides ``fit_batch`` or ``evaluate_batch``."""

from __future__ import annotations

from typing import Any

from hybridnet import autograd
from hybridnet.gluon.utils import split_and_load
from hybridnet.io.base import DataBatch

Parts = tuple[list[Any], list[Any], list[Any], list[Any]]  # data, label, pred, loss: one of each a device


class BatchProcessor:
    """Forward, loss and backward of a batch, cut up for the estimator's devices."""

    def _get_data_and_label(self, batch: Any, ctx: Any, batch_axis: int = 0) -> tuple[list[Any], list[Any]]:
        """Data and labels of ``batch`` (a pair, or a ``DataBatch`` of an iterator), a part for each device of ``ctx``."""
        data, label = (batch.data[0], batch.label[0]) if isinstance(batch, DataBatch) else (batch[0], batch[1])
        return tuple(split_and_load(x, ctx, batch_axis, even_split=False) for x in (data, label))  # type: ignore[return-value]

    def evaluate_batch(self, estimator: Any, val_batch: Any, batch_axis: int = 0) -> Parts:
        """Predict, and take the loss; nothing is recorded. Gives data, label, prediction and loss, a list of parts each."""
        data, label = self._get_data_and_label(val_batch, estimator.context, batch_axis)
        pred = [estimator.val_net(x) for x in data]
        loss = [estimator.val_loss(p, y) for p, y in zip(pred, label, strict=True)]
        return data, label, pred, loss

    def fit_batch(self, estimator: Any, train_batch: Any, batch_axis: int = 0) -> Parts:
        """Predict, take the loss, and deliver gradients; ``GradientUpdateHandler`` then moves the parameters."""
        data, label = self._get_data_and_label(train_batch, estimator.context, batch_axis)
        with autograd.record():
            pred = [estimator.net(x) for x in data]
            loss = [estimator.loss(p, y) for p, y in zip(pred, label, strict=True)]
        for part in loss:
            part.backward()
        return data, label, pred, loss
