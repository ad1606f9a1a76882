"""Metrics of classes: accuracy, scores from the confusion matrix, likelihoods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.metric.base import EvalMetric, Host, alias, pairs, register


@alias("acc")
class Accuracy(EvalMetric):
    """The share of right classes. Predictions are scores along ``axis``, or classes if of the labels' shape."""

    def __init__(self, axis: int = 1, name: str = "accuracy", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names, axis=axis)
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            if pred.shape != label.shape:
                pred = pred.argmax(self.axis)
            if pred.size != label.size:
                fail(ShapeError, "Accuracy", expected=f"{label.size} predictions for labels of shape {label.shape}", got=str(pred.size))
            self.add(int((pred.ravel().astype(np.int64) == label.ravel().astype(np.int64)).sum()), pred.size)


@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """The share of labels among the ``top_k`` classes of the highest scores, which lie along the last axis."""

    def __init__(self, top_k: int = 1, name: str = "top_k_accuracy", output_names: Any = None, label_names: Any = None) -> None:
        if top_k <= 1:
            fail(ArgumentError, "TopKAccuracy", expected="a top_k above 1", got=str(top_k), fix="Accuracy")
        super().__init__(f"{name}_{top_k}", output_names, label_names, top_k=top_k)
        self.top_k = top_k

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            if pred.ndim != 2 or len(pred) != label.size:
                fail(ShapeError, "TopKAccuracy", expected=f"scores of shape ({label.size}, classes)", got=str(pred.shape))
            best = np.argpartition(pred.astype(np.float32), -min(self.top_k, pred.shape[1]), axis=1)[:, -self.top_k :]
            self.add(int((best == label.reshape(-1, 1).astype(np.int64)).any(axis=1).sum()), len(pred))


def _decisions(name: str, label: Host, pred: Host) -> tuple[Host, Host]:
    """True and predicted classes of a problem of two classes, as bools."""
    label = label.ravel().astype(np.int64)
    if pred.ndim != 2 or len(pred) != len(label) or pred.shape[1] > 2:
        fail(ShapeError, name, expected=f"scores of shape ({len(label)}, 2)", got=str(pred.shape))
    if len(label) and not np.isin(label, (0, 1)).all():
        fail(ArgumentError, name, expected="labels 0 and 1", got=f"labels up to {label.max()}", fix="Accuracy, or one metric a class")
    return label == 1, pred.argmax(axis=1) == 1


class _Binary(EvalMetric):
    """A score from the 2×2 confusion matrix; ``macro``: averaged over updates; ``micro``: of all instances together."""

    def __init__(self, name: str, output_names: Any, label_names: Any, average: str) -> None:
        if average not in ("macro", "micro"):
            fail(ArgumentError, type(self).__name__, expected="average macro or micro", got=repr(average))
        self.average = average
        super().__init__(name, output_names, label_names, average=average)

    def _score(self, tp: int, fp: int, tn: int, fn: int) -> float:
        raise NotImplementedError

    def reset_local(self) -> None:
        super().reset_local()
        self._counts = np.zeros(4, np.int64)

    def reset(self) -> None:
        super().reset()
        self._global_counts = np.zeros(4, np.int64)

    def merge(self, other: Any) -> None:
        super().merge(other)
        self._counts, self._global_counts = self._counts + other._counts, self._global_counts + other._global_counts

    def update(self, labels: Any, preds: Any) -> None:
        counts = np.zeros(4, np.int64)
        for label, pred in pairs(labels, preds):
            true, said = _decisions(type(self).__name__, label, pred)
            counts += [(true & said).sum(), (~true & said).sum(), (~true & ~said).sum(), (true & ~said).sum()]
        self._counts += counts
        self._global_counts += counts
        if self.average == "macro":
            self.add(self._score(*counts.tolist()), 1)

    def get(self) -> tuple[Any, Any]:
        return super().get() if self.average == "macro" else self._micro(self._counts)

    def get_global(self) -> tuple[Any, Any]:
        return super().get_global() if self.average == "macro" else self._micro(self._global_counts)

    def _micro(self, counts: Any) -> tuple[str, float]:
        return self.name, self._score(*counts.tolist()) if counts.any() else float("nan")


@register
class F1(_Binary):
    """The harmonic mean of precision and recall of class 1 (of two classes)."""

    def __init__(self, name: str = "f1", output_names: Any = None, label_names: Any = None, average: str = "macro") -> None:
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp: int, fp: int, tn: int, fn: int) -> float:
        return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


@register
class MCC(_Binary):
    """Matthews' correlation coefficient of two classes."""

    def __init__(self, name: str = "mcc", output_names: Any = None, label_names: Any = None, average: str = "macro") -> None:
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp: int, fp: int, tn: int, fn: int) -> float:
        terms = [n or 1 for n in (tp + fp, tp + fn, tn + fp, tn + fn)]
        return (tp * tn - fp * fn) / math.sqrt(math.prod(terms))


@register
class PCC(EvalMetric):
    """The correlation of true and predicted classes, of any number: MCC for more than two.

    ``has_global_stats`` is MXNet's: both what :meth:`get` and what :meth:`get_global` tells is counted always.
    """

    def __init__(self, name: str = "pcc", output_names: Any = None, label_names: Any = None, has_global_stats: bool = True) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def reset_local(self) -> None:
        super().reset_local()
        self._matrix = np.zeros((2, 2))

    def reset(self) -> None:
        super().reset()
        self._global_matrix = np.zeros((2, 2))

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            true = label.ravel().astype(np.int64)
            said = pred.argmax(1).ravel() if pred.shape != label.shape else pred.ravel().astype(np.int64)
            k = int(max(true.max(initial=1), said.max(initial=1))) + 1
            seen = np.bincount(said * k + true, minlength=k * k).reshape(k, k)
            self._matrix, self._global_matrix = _sum_of(self._matrix, seen), _sum_of(self._global_matrix, seen)
            self.num_inst += 1
            self.global_num_inst += 1
            self._correlate()

    def merge(self, other: Any) -> None:
        super().merge(other)
        self._matrix, self._global_matrix = _sum_of(self._matrix, other._matrix), _sum_of(self._global_matrix, other._global_matrix)
        self._correlate()

    def _correlate(self) -> None:
        """The mean over updates is then the correlation over all that was counted."""
        self.sum_metric = _correlation(self._matrix) * self.num_inst
        self.global_sum_metric = _correlation(self._global_matrix) * self.global_num_inst


def _sum_of(a: Host, b: Host) -> Host:
    """The sum of two square matrices, the smaller one filled up with zeros."""
    result = np.zeros((max(len(a), len(b)),) * 2)
    result[: len(a), : len(a)] += a
    result[: len(b), : len(b)] += b
    return result


def _correlation(matrix: Host) -> float:
    n, said, true = matrix.sum(), matrix.sum(axis=1), matrix.sum(axis=0)
    if not n:
        return float("nan")
    spread = (n * n - (said * said).sum()) * (n * n - (true * true).sum())
    return float((n * np.trace(matrix) - (said * true).sum()) / math.sqrt(spread)) if spread else float("nan")


def _of_label(name: str, label: Host, pred: Host, axis: int = -1) -> Host:
    """The probability that each prediction gives to its label."""
    label = label.ravel().astype(np.int64)
    pred = np.moveaxis(pred, axis, -1)
    pred = pred.reshape(-1, pred.shape[-1])
    if len(pred) != len(label):
        fail(ShapeError, name, expected=f"probabilities for {len(label)} labels", got=f"for {len(pred)}")
    if len(label) and not (label.min() >= 0 and label.max() < pred.shape[1]):
        fail(ArgumentError, name, expected=f"labels from 0 to {pred.shape[1] - 1}", got=f"from {label.min()} to {label.max()}")
    return pred[np.arange(len(label)), label]


@alias("ce")
class CrossEntropy(EvalMetric):
    """The mean of -log(probability of the label + ``eps``)."""

    def __init__(self, eps: float = 1e-12, name: str = "cross-entropy", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(name, output_names, label_names, eps=eps)
        self.eps = eps

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            likely = _of_label(type(self).__name__, label, pred)
            self.add(float(-np.log(likely + self.eps).sum()), len(likely))


@alias("nll_loss")
class NegativeLogLikelihood(CrossEntropy):
    """The same number as :class:`CrossEntropy`, by its other name."""

    def __init__(self, eps: float = 1e-12, name: str = "nll-loss", output_names: Any = None, label_names: Any = None) -> None:
        super().__init__(eps, name, output_names, label_names)


@register
class Perplexity(EvalMetric):
    """exp of the mean -log(probability of the label); labels equal to ``ignore_label`` do not count."""

    def __init__(
        self, ignore_label: int | None = None, axis: int = -1, name: str = "perplexity", output_names: Any = None, label_names: Any = None
    ) -> None:
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, axis=axis)
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in pairs(labels, preds):
            kept = np.ones(label.size, bool) if self.ignore_label is None else label.ravel().astype(np.int64) != self.ignore_label
            likely = _of_label("Perplexity", np.where(kept, label.ravel(), 0), pred, self.axis)[kept]
            self.add(float(-np.log(np.maximum(likely, 1e-10)).sum()), len(likely))

    def _value(self, total: float, count: int) -> float:
        return math.exp(total / count) if count else float("nan")
