"""Losses: one number for each sample, the mean over everything but ``batch_axis``.

``weight`` multiplies the loss, ``sample_weight`` (of a shape that broadcasts) each sample's. Of 16-bit predictions a loss
is computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.hybrid import HybridBlock
from hybridnet.ops.array.gather import pick
from hybridnet.ops.array.selection import where
from hybridnet.ops.array.shape import expand_dims, reshape
from hybridnet.ops.math import reduction
from hybridnet.ops.math.norms import norm_over
from hybridnet.ops.math.pointwise import FUNCTIONS
from hybridnet.ops.math.wide import in_wide
from hybridnet.ops.nn.activation import relu, softrelu
from hybridnet.ops.nn.loss import softmax_cross_entropy
from hybridnet.ops.nn.softmax import log_softmax

absolute, exp, log, square = (FUNCTIONS[name] for name in ("absolute", "exp", "log", "square"))
maximum = FUNCTIONS["maximum"]
_EPS = 1e-12


def _apply_weighting(F: Any, loss: Any, weight: float | None = None, sample_weight: Any = None) -> Any:
    """``loss`` times the weights that are given; for losses that programs define themselves."""
    if sample_weight is not None:
        loss = loss * sample_weight
    if weight is not None:
        if not isinstance(weight, (int, float)):
            fail(ArgumentError, "loss", expected="weight to be a number", got=type(weight).__name__, fix="sample_weight")
        loss = loss * weight
    return loss


def _reshape_like(F: Any, x: Any, y: Any) -> Any:
    """``x`` in the shape of ``y``."""
    if x.shape == y.shape:
        return x
    if x.size != y.size:
        fail(ShapeError, "loss", expected=f"labels of shape {y.shape}, the predictions'", got=str(x.shape))
    return reshape(x, y.shape)


class Loss(HybridBlock):
    """The base: subclasses define ``hybrid_forward(self, F, pred, label, sample_weight=None)``."""

    def __init__(self, weight: float | None, batch_axis: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._weight = weight
        self._batch_axis = batch_axis

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def _other_axes(self, x: Any) -> tuple[int, ...]:
        """All axes of ``x`` but the batch's."""
        return tuple(i for i in range(x.ndim) if self._batch_axis is None or i != self._batch_axis % x.ndim)

    def _finish(self, loss: Any, sample_weight: Any) -> Any:
        """The weighted mean of each sample."""
        loss = _apply_weighting(None, loss, self._weight, sample_weight)
        axes = self._other_axes(loss)
        return reduction.mean(loss, axes) if axes else loss


class L2Loss(Loss):
    """weight / 2 · (label - pred)²."""

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._finish(square(_reshape_like(F, label, pred) - pred) * 0.5, sample_weight)


class L1Loss(Loss):
    """abs(label - pred)."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._finish(absolute(_reshape_like(F, label, pred) - pred), sample_weight)


class HuberLoss(Loss):
    """(label - pred)² / (2 rho) up to a distance of ``rho``, a line from there."""

    def __init__(self, rho: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._rho = rho

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        distance = absolute(_reshape_like(F, label, pred) - pred)
        return self._finish(where(distance > self._rho, distance - 0.5 * self._rho, square(distance) * (0.5 / self._rho)), sample_weight)


class HingeLoss(Loss):
    """max(0, margin - pred · label), labels -1 and 1."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._finish(self._violation(pred, label), sample_weight)

    def _violation(self, pred: Any, label: Any) -> Any:
        return relu(self._margin - pred * _reshape_like(None, label, pred))


class SquaredHingeLoss(HingeLoss):
    """max(0, margin - pred · label)², labels -1 and 1."""

    def _violation(self, pred: Any, label: Any) -> Any:
        return square(super()._violation(pred, label))


class LogisticLoss(Loss):
    """log(1 + exp(-pred · label)); ``label_format``: ``signed`` for labels -1 and 1, ``binary`` for 0 and 1."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, label_format: str = "signed", **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        if label_format not in ("signed", "binary"):
            fail(ArgumentError, "LogisticLoss", expected="label_format signed or binary", got=repr(label_format))
        self._label_format = label_format

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        label = _reshape_like(F, label, pred)
        if self._label_format == "signed":
            label = (label + 1) * 0.5
        return self._finish(_logistic(pred, label), sample_weight)


def _logistic(pred: Any, label: Any) -> Any:
    """-log of the probability of a label 0 or 1 (or between), from a logit and without overflow."""
    return relu(pred) - pred * label + softrelu(-absolute(pred))


class SigmoidBinaryCrossEntropyLoss(Loss):
    """-(label · log(p) + (1 - label) · log(1 - p)) with p = sigmoid(pred); or p = pred, with ``from_sigmoid``.

    ``pos_weight``, a fourth input, multiplies the part of the labels 1.
    """

    def __init__(self, from_sigmoid: bool = False, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_sigmoid = from_sigmoid

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None, pos_weight: Any = None) -> Any:
        label = _reshape_like(F, label, pred)
        if self._from_sigmoid:
            positive = log(pred + _EPS) * label
            loss = -((positive if pos_weight is None else positive * pos_weight) + log(1.0 - pred + _EPS) * (1.0 - label))
        elif pos_weight is None:
            loss = _logistic(pred, label)
        else:
            loss = pred - pred * label + (label * (pos_weight - 1) + 1) * (softrelu(-absolute(pred)) + relu(-pred))
        return self._finish(loss, sample_weight)


class SoftmaxCrossEntropyLoss(Loss):
    """-log(softmax(pred)) of the label, along ``axis``.

    ``sparse_label``: labels are class numbers, of the shape of ``pred`` without ``axis``; otherwise
    distributions of its shape. ``from_logits``: ``pred`` holds log-probabilities already.
    """

    def __init__(
        self,
        axis: int = -1,
        sparse_label: bool = True,
        from_logits: bool = False,
        weight: float | None = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._axis = axis
        self._sparse_label = sparse_label
        self._from_logits = from_logits

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        if not self._sparse_label:
            likely = pred if self._from_logits else log_softmax(pred, self._axis)
            loss = -reduction.sum(likely * _reshape_like(F, label, pred), self._axis, keepdims=True)
            return self._finish(loss, sample_weight)
        axis = self._axis % pred.ndim
        if label.ndim == pred.ndim and label.shape[axis] == 1:
            label = reshape(label, label.shape[:axis] + label.shape[axis + 1 :])
        if self._from_logits:
            loss = -pick(pred, label, axis)
        else:
            loss = softmax_cross_entropy(pred, label, axis)
        # Weights are meant for losses that keep the axis, with length 1.
        return self._finish(loss if sample_weight is None and loss.ndim == 1 else expand_dims(loss, axis), sample_weight)


class KLDivLoss(Loss):
    """The sum of label · (log(label) - pred) of each sample.

    ``pred`` holds log-probabilities; or, without ``from_logits``, what gives them by log_softmax along ``axis``.
    """

    def __init__(self, from_logits: bool = True, axis: int = -1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._axis = axis

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        if not self._from_logits:
            pred = log_softmax(pred, self._axis)
        loss = _apply_weighting(F, label * (log(label + _EPS) - pred), self._weight, sample_weight)
        return reduction.sum(loss, self._other_axes(loss))


class CosineEmbeddingLoss(Loss):
    """1 - cos of two vectors (last axis) where label is 1; max(0, cos - margin) where it is -1: a column, one row a pair."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, margin: float = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    @in_wide
    def hybrid_forward(self, F: Any, input1: Any, input2: Any, label: Any, sample_weight: Any = None) -> Any:
        input1 = _reshape_like(F, input1, input2)
        lengths = norm_over(input1, 2, (-1,)) * norm_over(input2, 2, (-1,))
        cos = reduction.sum(input1 * input2, -1) / maximum(lengths, _EPS)
        cos = reshape(cos, (cos.size, 1))
        loss = where(_reshape_like(F, label, cos) == 1, 1 - cos, relu(cos - self._margin))
        return _apply_weighting(F, loss, self._weight, sample_weight)


class TripletLoss(Loss):
    """max(0, sum((pred - positive)² - (pred - negative)²) + margin), the sum over each sample."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, positive: Any, negative: Any, sample_weight: Any = None) -> Any:
        positive, negative = _reshape_like(F, positive, pred), _reshape_like(F, negative, pred)
        total = reduction.sum(square(positive - pred) - square(negative - pred), self._other_axes(pred))
        loss = relu(total + self._margin)
        return _apply_weighting(F, loss, self._weight, sample_weight)


class PoissonNLLLoss(Loss):
    """rate - target · log(rate), the mean over everything; rate is exp(pred), or pred without ``from_logits``.

    ``compute_full`` adds Stirling's formula for log(target!).
    """

    def __init__(
        self, weight: float | None = None, from_logits: bool = True, batch_axis: int = 0, compute_full: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._compute_full = compute_full

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, target: Any, sample_weight: Any = None, epsilon: float = 1e-08) -> Any:
        target = _reshape_like(F, target, pred)
        loss = exp(pred) - target * pred if self._from_logits else pred - target * log(pred + epsilon)
        if self._compute_full:
            counts = maximum(target, 1.0)  # only where the target is above 1 does the formula hold
            stirling = counts * log(counts) - counts + log(counts * (2 * math.pi)) * 0.5
            loss = loss + where(target > 1, stirling, 0.0)
        return reduction.mean(_apply_weighting(F, loss, self._weight, sample_weight))


SoftmaxCELoss = SoftmaxCrossEntropyLoss
SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
