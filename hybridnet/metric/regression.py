"""Metrics of numbers: mean errors and correlation. Means are taken over updates, as MXNet takes them."""

from __future__ import annotations

import math
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

    def reset_micro(self) -> None:
        """Forget what ``micro`` has seen since the last reset."""
        self._moments = _NONE

    def reset_local(self) -> None:
        super().reset_local()
        self.reset_micro()

    def reset(self) -> None:
        super().reset()
        self._global_moments = _NONE

    def update_variance(self, new_values: Any, *aggregate: Any) -> tuple[int, float, float]:
        """A count, a mean and a sum of squares from it (Welford, 1962), with an array's values taken in, for subclasses."""
        count, mean, squares = aggregate
        own = _moments_of(host := np.asarray(new_values, np.float64).ravel(), host)
        joined = _joined((count, mean, mean, squares, squares, squares), own)
        return int(joined[0]), joined[1], joined[3]

    def update_cov(self, label: Any, pred: Any) -> None:
        """Take the products of pairs from the means of now into ``micro``'s covariance, and nothing else: as MXNet's has it."""
        n, mean_x, mean_y, *squares, product = self._moments
        more = float(((np.asarray(label, np.float64) - mean_x) * (np.asarray(pred, np.float64) - mean_y)).sum())
        self._moments = (n, mean_x, mean_y, squares[0], squares[1], product + more)

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            if label.shape != pred.shape:
                fail(ShapeError, "PearsonCorrelation", expected=f"predictions of shape {label.shape}, the labels'", got=str(pred.shape))
            x, y = label.ravel().astype(np.float64), pred.ravel().astype(np.float64)
            moments = _moments_of(x, y)
            self._moments, self._global_moments = _joined(self._moments, moments), _joined(self._global_moments, moments)
            if self.average == "macro":
                self.add(_correlation(moments), 1)

    def merge(self, other: Any) -> None:
        super().merge(other)
        self._moments, self._global_moments = _joined(self._moments, other._moments), _joined(self._global_moments, other._global_moments)

    def get(self) -> tuple[Any, Any]:
        return super().get() if self.average == "macro" else (self.name, _correlation(self._moments))

    def get_global(self) -> tuple[Any, Any]:
        return super().get_global() if self.average == "macro" else (self.name, _correlation(self._global_moments))


#: Of pairs (x, y): how many, the means of x and of y, and the sums of (x - mean)², (y - mean)² and their product. Sums of squares that
#: are not taken from the means would lose the digits of numbers that lie far from 0.
_Moments = tuple[float, float, float, float, float, float]
_NONE: _Moments = (0, 0.0, 0.0, 0.0, 0.0, 0.0)


def _moments_of(x: Host, y: Host) -> _Moments:
    if not x.size:
        return _NONE
    mean_x, mean_y = float(x.mean()), float(y.mean())
    x, y = x - mean_x, y - mean_y
    return x.size, mean_x, mean_y, float((x * x).sum()), float((y * y).sum()), float((x * y).sum())


def _joined(a: _Moments, b: _Moments) -> _Moments:
    """The moments of two sets of pairs together (Chan, Golub and LeVeque, 1979)."""
    n = a[0] + b[0]
    if not (a[0] and b[0]):
        return a if a[0] else b
    x, y, weight = b[1] - a[1], b[2] - a[2], a[0] * b[0] / n
    means = a[1] + x * b[0] / n, a[2] + y * b[0] / n
    return n, *means, a[3] + b[3] + x * x * weight, a[4] + b[4] + y * y * weight, a[5] + b[5] + x * y * weight


def _correlation(moments: _Moments) -> float:
    *_, xx, yy, xy = moments
    spread = math.sqrt(xx) * math.sqrt(yy)  # of each: the product of two small or large ones may not be a number
    return xy / spread if spread > 0 else float("nan")
