"""Losses: one number for each sample, the mean over everything but ``batch_axis``.

``weight`` multiplies the loss, ``sample_weight`` (of a shape that broadcasts) each sample's. Of 16-bit predictions a loss
is computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.core import NDArray
from hybridnet.device.groups import Group
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.parallel import own_classes
from hybridnet.gluon.symbolic import is_symbolic
from hybridnet.ops.collective.collective import all_gather, all_reduce
from hybridnet.ops.math.wide import in_wide

_EPS = 1e-12


def _apply_weighting(F: Any, loss: Any, weight: float | None = None, sample_weight: Any = None) -> Any:
    """``loss`` times the weights that are given; for losses that programs define themselves."""
    if sample_weight is not None:
        loss = F.broadcast_mul(loss, sample_weight)
    if weight is not None:
        if not isinstance(weight, (int, float)):
            fail(ArgumentError, "loss", expected="weight to be a number", got=type(weight).__name__, fix="sample_weight")
        loss = loss * weight
    return loss


def _reshape_like(F: Any, x: Any, y: Any) -> Any:
    """``x`` in the shape of ``y``."""
    if isinstance(x, NDArray):
        if x.shape == y.shape:
            return x
        if x.size != y.size:
            fail(ShapeError, "loss", expected=f"labels of shape {y.shape}, the predictions'", got=str(x.shape))
    return F.reshape_like(x, y)


class Loss(HybridBlock):
    """The base: subclasses define ``hybrid_forward(self, F, pred, label, sample_weight=None)``."""

    def __init__(self, weight: float | None, batch_axis: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._weight = weight
        self._batch_axis = batch_axis

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def _finish(self, F: Any, loss: Any, sample_weight: Any) -> Any:
        """The weighted mean of each sample."""
        loss = _apply_weighting(F, loss, self._weight, sample_weight)
        if self._batch_axis is not None and isinstance(loss, NDArray) and loss.ndim == 1:
            return loss  # a number a sample already
        return F.mean(loss, axis=self._batch_axis, exclude=True)


class L2Loss(Loss):
    """weight / 2 · (label - pred)²."""

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._finish(F, F.square(_reshape_like(F, label, pred) - pred) * 0.5, sample_weight)


class L1Loss(Loss):
    """abs(label - pred)."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._finish(F, F.abs(_reshape_like(F, label, pred) - pred), sample_weight)


class HuberLoss(Loss):
    """(label - pred)² / (2 rho) up to a distance of ``rho``, a line from there."""

    def __init__(self, rho: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._rho = rho

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        distance = F.abs(_reshape_like(F, label, pred) - pred)
        near, far = F.square(distance) * (0.5 / self._rho), distance - 0.5 * self._rho
        return self._finish(F, F.where(distance > self._rho, far, near), sample_weight)


class HingeLoss(Loss):
    """max(0, margin - pred · label), labels -1 and 1."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._finish(F, self._violation(F, pred, label), sample_weight)

    def _violation(self, F: Any, pred: Any, label: Any) -> Any:
        return F.relu(self._margin - pred * _reshape_like(F, label, pred))


class SquaredHingeLoss(HingeLoss):
    """max(0, margin - pred · label)², labels -1 and 1."""

    def _violation(self, F: Any, pred: Any, label: Any) -> Any:
        return F.square(super()._violation(F, pred, label))


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
        return self._finish(F, _logistic(F, pred, label), sample_weight)


def _logistic(F: Any, pred: Any, label: Any) -> Any:
    """-log of the probability of a label 0 or 1 (or between), from a logit and without overflow."""
    return F.relu(pred) - pred * label + F.Activation(-F.abs(pred), act_type="softrelu")


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
            positive = F.log(pred + _EPS) * label
            positive = positive if pos_weight is None else F.broadcast_mul(positive, pos_weight)
            loss = -(positive + F.log(1.0 - pred + _EPS) * (1.0 - label))
        elif pos_weight is None:
            loss = _logistic(F, pred, label)
        else:
            of_positive = F.broadcast_mul(label, pos_weight - 1) + 1
            loss = pred - pred * label + of_positive * (F.Activation(-F.abs(pred), act_type="softrelu") + F.relu(-pred))
        return self._finish(F, loss, sample_weight)


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
            likely = pred if self._from_logits else F.log_softmax(pred, axis=self._axis)
            loss = -F.sum(likely * _reshape_like(F, label, pred), axis=self._axis, keepdims=True)
            return self._finish(F, loss, sample_weight)
        # Weights are meant for losses that keep the axis, with length 1.
        keepdims = sample_weight is not None or self._batch_axis != 0 or self._axis == 0 or is_symbolic((pred,))
        if self._from_logits:
            loss = -F.pick(pred, label, axis=self._axis, keepdims=keepdims)
        else:
            loss = self._of_logits(F, pred, label, keepdims)
        return self._finish(F, loss, sample_weight)

    def _of_logits(self, F: Any, pred: Any, label: Any, keepdims: bool) -> Any:
        if is_symbolic((pred,)):  # by operators that MXNet has, too
            return -F.pick(F.log_softmax(pred, axis=self._axis), label, axis=self._axis, keepdims=keepdims)
        return F.contrib.sparse_softmax_cross_entropy(pred, label, axis=self._axis, keepdims=keepdims)


class VocabParallelSoftmaxCELoss(Loss):
    """A :class:`SoftmaxCrossEntropyLoss` of logits (batch, ..., classes / ranks), each rank of ``group`` having its part of the classes.

    Labels are class numbers (batch, ...), the same on all ranks, as is the result. Two small messages are sent: the greatest logits, and
    the sums with the labels' logits.
    """

    def __init__(self, group: Group, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._group = group

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        group, own = self._group, pred.shape[-1]
        top = F.max(pred, axis=-1, keepdims=True)
        if group.size > 1:
            top = F.max(all_gather(F.expand_dims(F.BlockGrad(top), axis=0), group, once=True), axis=0)
        shifted = F.broadcast_sub(pred, F.BlockGrad(top))
        at, here = own_classes(F, label, group, own)
        total = F.sum(F.exp(shifted), axis=-1)
        logit = F.pick(shifted, at, axis=-1) * F.cast(here, dtype=pred.dtype)
        if group.size > 1:
            total, logit = all_reduce(total, logit, group=group, once=True)
        loss = F.log(total) - logit
        keeps = sample_weight is not None or self._batch_axis != 0
        return self._finish(F, F.expand_dims(loss, axis=-1) if keeps else loss, sample_weight)


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
            pred = F.log_softmax(pred, axis=self._axis)
        loss = _apply_weighting(F, label * (F.log(label + _EPS) - pred), self._weight, sample_weight)
        return F.sum(loss, axis=self._batch_axis, exclude=True)


class CosineEmbeddingLoss(Loss):
    """1 - cos of two vectors (last axis) where label is 1; max(0, cos - margin) where it is -1: a column, one row a pair."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, margin: float = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    @in_wide
    def hybrid_forward(self, F: Any, input1: Any, input2: Any, label: Any, sample_weight: Any = None) -> Any:
        input1 = _reshape_like(F, input1, input2)
        lengths = F.norm(input1, axis=-1) * F.norm(input2, axis=-1)
        cos = F.reshape(F.sum(input1 * input2, axis=-1) / F.maximum(lengths, _EPS), shape=(-1, 1))
        loss = F.where(_reshape_like(F, label, cos) == 1, 1 - cos, F.relu(cos - self._margin))
        return _apply_weighting(F, loss, self._weight, sample_weight)


class TripletLoss(Loss):
    """max(0, sum((pred - positive)² - (pred - negative)²) + margin), the sum over each sample."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    @in_wide
    def hybrid_forward(self, F: Any, pred: Any, positive: Any, negative: Any, sample_weight: Any = None) -> Any:
        positive, negative = _reshape_like(F, positive, pred), _reshape_like(F, negative, pred)
        total = F.sum(F.square(positive - pred) - F.square(negative - pred), axis=self._batch_axis, exclude=True)
        loss = F.relu(total + self._margin)
        return _apply_weighting(F, loss, self._weight, sample_weight)


class SDMLLoss(Loss):
    """Smoothed deep metric learning (Bonadiman et al., arXiv 1905.12786): row i of the one batch belongs to row i of the other.

    ``x1``, ``x2``: (batch, features). For each row of x1, the divergence of softmax(-squared distances to all rows of x2) from a
    label that gives its own row 1 - ``smoothing_parameter`` and the others the rest in equal parts. (MXNet leaves ``weight`` out.)
    """

    def __init__(self, smoothing_parameter: float = 0.3, weight: float | None = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._smoothing_parameter = smoothing_parameter

    @in_wide
    def hybrid_forward(self, F: Any, x1: Any, x2: Any) -> Any:  # type: ignore[override]
        apart = F.broadcast_sub(F.expand_dims(x1, axis=1), F.expand_dims(x2, axis=0))
        likely = F.log_softmax(-F.sum(F.square(apart), axis=2), axis=1)
        rows = F.contrib.arange_like(x1, axis=0)
        own = F.broadcast_equal(F.expand_dims(rows, axis=1), F.expand_dims(rows, axis=0))
        others = 1 - own
        rest = F.broadcast_div(others * self._smoothing_parameter, F.sum(others, axis=1, keepdims=True))
        label = own * (1 - self._smoothing_parameter) + rest
        loss = F.sum(label * (F.log(label + _EPS) - likely), axis=1)
        return _apply_weighting(F, loss, self._weight)


class CTCLoss(Loss):
    """Connectionist temporal classification: minus the logarithm of the probability of a label over all its alignments.

    ``pred``: (batch, time, symbols) before a softmax, or by ``layout`` TNC; the last symbol is the blank. ``label``: (batch, length),
    or by ``label_layout`` TN, padded by -1. ``pred_lengths`` and ``label_lengths``, (batch,): how much of each counts.
    """

    def __init__(self, layout: str = "NTC", label_layout: str = "NT", weight: float | None = None, **kwargs: Any) -> None:
        for name, value, known in (("layout", layout, ("NTC", "TNC")), ("label_layout", label_layout, ("NT", "TN"))):
            if value not in known:
                fail(ArgumentError, "CTCLoss", expected=f"{name} {' or '.join(known)}", got=repr(value))
        self._layout, self._label_layout = layout, label_layout
        super().__init__(weight, label_layout.index("N"), **kwargs)

    def hybrid_forward(
        self, F: Any, pred: Any, label: Any, pred_lengths: Any = None, label_lengths: Any = None, sample_weight: Any = None
    ) -> Any:
        pred = F.swapaxes(pred, dim1=0, dim2=1) if self._layout == "NTC" else pred
        label = F.swapaxes(label, dim1=0, dim2=1) if self._label_layout == "TN" else label
        given = {"data_lengths": pred_lengths, "label_lengths": label_lengths}
        used = {f"use_{name}": True for name, value in given.items() if value is not None}
        lengths = {name: value for name, value in given.items() if value is not None}
        loss = F.CTCLoss(pred, label, blank_label="last", **lengths, **used)
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
        loss = F.exp(pred) - target * pred if self._from_logits else pred - target * F.log(pred + epsilon)
        if self._compute_full:
            counts = F.broadcast_maximum(target, F.ones_like(pred))  # only where the target is above 1 does the formula hold
            stirling = counts * F.log(counts) - counts + F.log(counts * (2 * math.pi)) * 0.5
            loss = loss + F.where(target > 1, stirling, F.zeros_like(stirling))
        return F.mean(_apply_weighting(F, loss, self._weight, sample_weight))


SoftmaxCELoss = SoftmaxCrossEntropyLoss
SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss

if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
