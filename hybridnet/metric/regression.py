"""Metrics of numbers: mean errors and correlation. Means are taken over updates, as MXNet takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.metric.base import EvalMetric, Host, pairs, register
from hybridnet.metric.base import alias as named


class _Error(EvalMetric):
    """The mean over updates of an error of labels and predictions of one shape."""

    def _error(self, difference: Host) -> float:
        raise NotImplementedError

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            # A vector of labels stands for one column, as of predictions.
            label, pred = (x.reshape(-1, 1) if x.ndim == 1 else x for x in (label, pred))
            if label.shape != pred.shape:
                fail(ShapeError, type(self).__name__, expected=f"predictions of shape {label.shape}, the labels'", got=str(pred.shape))
            self.add(self._error(label.astype(np.float64) - pred), 1)


@register
class MAE(_Error):
    """The mean absolute error."""

    def __init__(self, name: str = "mae", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names)

    def _error(self, difference: Host) -> float:
        return float(np.abs(difference).mean())


@register
class MSE(_Error):
    """The mean squared error."""

    def __init__(self, name: str = "mse", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names)

    def _error(self, difference: Host) -> float:
        return float(np.square(difference).mean())


@register
class RMSE(_Error):
    """The square root of the mean squared error."""

    def __init__(self, name: str = "rmse", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names)

    def _error(self, difference: Host) -> float:
        return float(np.sqrt(np.square(difference).mean()))


@named("pearsonr")
class PearsonCorrelation(EvalMetric):
    """Pearson's correlation; ``macro``: averaged over updates; ``micro``: of all instances together."""

    def __init__(self, name: str = "pearsonr", output_names: Any = None, label_names: Any = None, average: str = "macro") -> None:
        if average not in ("macro", "micro"):
            fail(ArgumentError, "PearsonCorrelation", expected="average macro or micro", got=repr(average))
        self.average = average
        super().__init__(name, output_names, label_names, average=average)

    def reset_local(self) -> None:
        super().reset_local()
        self._moments = np.zeros(6)

    def reset(self) -> None:
        super().reset()
        self._global_moments = np.zeros(6)

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            if label.shape != pred.shape:
                fail(ShapeError, "PearsonCorrelation", expected=f"predictions of shape {label.shape}, the labels'", got=str(pred.shape))
            x, y = label.ravel().astype(np.float64), pred.ravel().astype(np.float64)
            moments = np.array([x.size, x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()])
            self._moments += moments
            self._global_moments += moments
            if self.average == "macro":
                self.add(_correlation(moments), 1)

    def get(self) -> tuple[Any, Any]:
        return super().get() if self.average == "macro" else (self.name, _correlation(self._moments))

    def get_global(self) -> tuple[Any, Any]:
        return super().get_global() if self.average == "macro" else (self.name, _correlation(self._global_moments))


def _correlation(moments: Host) -> float:
    n, x, y, xx, yy, xy = moments.tolist()
    spread = (n * xx - x * x) * (n * yy - y * y)
    return float((n * xy - x * y) / np.sqrt(spread)) if spread > 0 else float("nan")
