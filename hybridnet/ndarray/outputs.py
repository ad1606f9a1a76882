"""Classic output operators, whose gradient is that of the loss they stand for, and the loss of alignments."""

from __future__ import annotations

from typing import Any, Literal

from hybridnet.core import local
from hybridnet.core.state import paused_recording
from hybridnet.ndarray.attributes import Array, Shape
from hybridnet.ndarray.record import Attributes, numbered, when
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.shapes import from_input
from hybridnet.ndarray.types import apart, following
from hybridnet.ops.math import reduction
from hybridnet.ops.nn import ctc, outputs


def _labels(data: Shape, a: Attributes) -> dict[str, Shape]:
    return {"label": (data[0], *data[2:]) if a["multi_output"] else data[:-1]}


@classic("SoftmaxOutput", "Softmax", shapes=from_input("data", _labels), types=following("label"))
def softmax_output(
    data: Array,
    label: Array,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: Literal["batch", "null", "valid"] = "null",
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
) -> Any:
    """softmax(data), with the gradient of the cross entropy with ``label``.

    ``data``: (N, classes) with ``label``: (N,); with ``multi_output`` (N, classes, ...) and (N, ...). A label of ``data``'s shape
    holds probabilities.
    """
    return outputs.softmax_output(
        data, label, grad_scale, ignore_label, multi_output, use_ignore, preserve_shape, normalization, out_grad, smooth_alpha
    )


@classic("MakeLoss")
def make_scaled_loss(
    data: Array, grad_scale: float = 1.0, valid_thresh: float = 0.0, normalization: Literal["batch", "null", "valid"] = "null"
) -> Any:
    """``data`` as a loss: its gradient is ``grad_scale``, over the number of elements or of those above ``valid_thresh`` if asked."""
    return outputs.make_loss(data, grad_scale, valid_thresh, normalization)


def _targets(data: Shape, a: Attributes) -> dict[str, Shape]:
    return {"label": data[:1] if len(data) == 2 and data[1] == 1 else data}


_TARGETS = from_input("data", _targets)


@classic("make_loss", outputs=("loss",))
def make_loss(data: Array) -> Any:
    """``data`` as a loss: its gradient is 1."""
    return outputs.make_loss(data)


@classic("LinearRegressionOutput", shapes=_TARGETS)
def linear_regression_output(data: Array, label: Array, grad_scale: float = 1.0) -> Any:
    """``data``, with the gradient of half the squared error.

    ``label`` has as many elements as ``data``, in any shape; else ShapeError.
    """
    return outputs.regression_output(data, label, "linear", grad_scale)


@classic("LogisticRegressionOutput", shapes=_TARGETS)
def logistic_regression_output(data: Array, label: Array, grad_scale: float = 1.0) -> Any:
    """sigmoid(data), with the gradient of the cross entropy.

    ``label`` has as many elements as ``data``, in any shape; else ShapeError.
    """
    return outputs.regression_output(data, label, "logistic", grad_scale)


@classic("MAERegressionOutput", shapes=_TARGETS)
def mae_regression_output(data: Array, label: Array, grad_scale: float = 1.0) -> Any:
    """``data``, with the gradient of the absolute error.

    ``label`` has as many elements as ``data``, in any shape; else ShapeError.
    """
    return outputs.regression_output(data, label, "mae", grad_scale)


@classic(
    "CTCLoss",
    "ctc_loss",
    "_contrib_CTCLoss",
    "_contrib_ctc_loss",
    asked={"data_lengths": when("use_data_lengths"), "label_lengths": when("use_label_lengths")},
    outputs=numbered(1),
    types=apart("label", "data_lengths", "label_lengths"),
)
def ctc_loss(
    data: Array,
    label: Array,
    data_lengths: Array | None = None,
    label_lengths: Array | None = None,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: Literal["first", "last"] = "first",
) -> Any:
    """Minus the logarithm of the probability of ``label`` (batch, length) over all its alignments with ``data`` (time, batch, symbols).

    ``data`` comes before the softmax. The blank is symbol 0 and labels are padded by 0, or with ``blank_label`` last the last symbol and
    labels are padded by -1. With ``use_data_lengths`` and ``use_label_lengths`` the lengths (batch,) count. A label that is too long
    for the steps has the loss 0. See :func:`hybridnet.ops.nn.ctc.ctc_loss`.
    """
    lengths = data_lengths if use_data_lengths else None, label_lengths if use_label_lengths else None
    return ctc.ctc_loss(data, label, *lengths, blank_label == "first")


@classic("SVMOutput", shapes=from_input("data", lambda data, a: {"label": data[:-1]}))
def svm_output(data: Array, label: Array, margin: float = 1.0, regularization_coefficient: float = 1.0, use_linear: bool = False) -> Any:
    """``data``, with the gradient of the hinge loss of a support vector machine: squared, or linear with ``use_linear``.

    ``data``: (N, classes), scores; ``label``: (N,), numbers of classes.
    """
    return outputs.svm_output(data, label, margin, regularization_coefficient, use_linear)


@classic("IdentityAttachKLSparseReg", aux=("moving_avg",), shapes=from_input("data", lambda data, a: {"moving_avg": data[1:]}))
def identity_attach_kl_sparse_reg(
    data: Array, moving_avg: Array, sparseness_target: float = 0.1, penalty: float = 0.001, momentum: float = 0.9
) -> Any:
    """``data`` (batch, ...), with a penalty in the gradient for activations whose mean is not ``sparseness_target``.

    The penalty is the divergence of two coins: ``sparseness_target`` and ``moving_avg``, of the shape of ``data`` without its first axis,
    which follows the means of batches in training.
    """
    if local.training:
        with paused_recording():
            mean = reduction.mean(data, 0)
            moving_avg._assign(moving_avg * momentum + mean * (1 - momentum))
    return outputs.sparseness_penalty(data, moving_avg, sparseness_target, penalty)
