"""Output operators of MXNet 1.x: they give predictions, and their gradient is that of the loss they stand for.

The gradient that reaches them from above is not asked for (except where said), so a network that
ends in one trains by ``backward()`` without a loss of its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import gather
from hybridnet.ops.common import normal, tensor
from hybridnet.ops.math import reduction
from hybridnet.ops.nn.softmax import softmax

_NORMALIZATIONS = ("null", "batch", "valid")


def _undifferentiated(*inputs: Any, error: type[Exception] | None = None, **attrs: Any) -> Sample:
    """A sample whose gradient is not the derivative, which numeric differences would look for."""
    return Sample(inputs, attrs, error=error, differentiable=False)


# -- softmax --------------------------------------------------------------------------------------


def _infer_softmax_output(x: Spec, label: Spec, *, multi: bool, **attrs: Any) -> Spec:
    expected = (x.shape[0], *x.shape[2:]) if multi else x.shape[:-1]
    if label.shape not in (expected, x.shape):
        expectation = f"labels of shape {expected}, or probabilities of shape {x.shape}, for data of shape {x.shape}"
        fail(ShapeError, "softmax_output", expected=expectation, got=str(label.shape))
    return x


def _softmax_output_rule(
    g: Any,
    y: Any,
    x: Any,
    label: Any,
    *,
    multi: bool,
    grad_scale: float,
    ignore: float,
    use_ignore: bool,
    normalization: str,
    out_grad: bool,
    smooth: float,
) -> Any:
    if label.shape == y.shape:  # probabilities; MXNet then looks at nothing else
        return (y - call("cast", label, dtype=y.dtype)) * grad_scale * (g if out_grad else 1)
    axis = 1 if multi else y.ndim - 1
    classes = y.shape[axis]
    smooth = 0.0 if multi else smooth  # as MXNet has it
    target = gather.one_hot(label, classes, 1.0 - smooth, smooth / max(classes - 1, 1), y.dtype)
    if multi:
        target = call("transpose", target, axes=(0, y.ndim - 1, *range(1, y.ndim - 1)))
    grad = y - target
    counted = call("not_equal", label, ignore)
    if use_ignore:
        spread = call("reshape", counted, shape=tuple(1 if i == axis else n for i, n in enumerate(y.shape)))
        grad = call("where", spread, grad, 0)
    if out_grad:
        grad = grad * g
    if normalization == "valid":  # which are not the label to ignore, whether it is ignored or not
        return grad * grad_scale / call("maximum", call("cast", reduction.sum(counted), dtype=y.dtype), 1)
    places = math.prod(y.shape[2:]) if multi else 1
    rows = y.shape[0] if multi else y.size // max(classes, 1)
    return grad * (grad_scale / places / (max(rows, 1) if normalization == "batch" else 1))


_attrs: dict[str, Any] = {
    "multi": False, "grad_scale": 1.0, "ignore": -1.0, "use_ignore": False, "normalization": "null", "out_grad": False, "smooth": 0.0,
}  # fmt: skip
_images = normal(2, 3, 2, 2)
_image_labels = np.arange(8).reshape(2, 2, 2) % 3
SOFTMAX_OUTPUT = register(
    Op(
        "softmax_output",
        Kind.OPAQUE,
        _infer_softmax_output,
        decomposition=lambda x, label, *, multi, **attrs: softmax(x, axis=1 if multi else -1),
        grad=(_softmax_output_rule, None),
        saves=(1, "y"),
        precision="float32",
        sample=lambda: [
            _undifferentiated(normal(2, 3), np.array([0, 2]), **_attrs),
            _undifferentiated(
                _images, _image_labels, **{**_attrs, "multi": True, "ignore": 1.0, "use_ignore": True, "normalization": "valid"}
            ),
            _undifferentiated(normal(2, 3), normal(2, 3, seed=1), **_attrs),
            _undifferentiated(normal(2, 3), np.array([0, 2, 1]), error=ValueError, **_attrs),
        ],
    )
)


def softmax_output(
    data: ArrayLike,
    label: ArrayLike,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: str = "null",
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
) -> Any:
    """softmax of ``data``, with the gradient of the cross entropy with ``label``.

    Over the last axis with ``preserve_shape``, over axis 1 with ``multi_output`` (labels then have all
    other axes), else over all but the first. ``normalization``: the gradient is divided by nothing
    (``null``), the rows (``batch``) or the labels that are not ``ignore_label`` (``valid``); with ``multi_output`` by the
    positions of an image too, but for ``valid``. Labels of the shape of ``data`` are probabilities: then only ``grad_scale`` counts.
    """
    data = tensor(data)
    label = tensor(label)
    if normalization not in _NORMALIZATIONS:
        fail(ArgumentError, "softmax_output", expected="normalization " + ", ".join(_NORMALIZATIONS), got=repr(normalization))
    attrs = {
        "multi": bool(multi_output),
        "grad_scale": float(grad_scale),
        "ignore": float(ignore_label),
        "use_ignore": bool(use_ignore),
        "normalization": normalization,
        "out_grad": bool(out_grad),
        "smooth": float(smooth_alpha),
    }
    if multi_output or preserve_shape or data.ndim <= 2:
        return apply(SOFTMAX_OUTPUT, (data, label), attrs)
    flat = call("reshape", data, shape=(data.shape[0], math.prod(data.shape[1:])))
    if label.shape == data.shape:
        label = call("reshape", label, shape=flat.shape)
    return call("reshape", apply(SOFTMAX_OUTPUT, (flat, label), attrs), shape=data.shape)


# -- regression -----------------------------------------------------------------------------------


def _infer_regression(x: Spec, label: Spec, *, kind: str, grad_scale: float) -> Spec:
    if x.size != label.size:
        fail(ShapeError, "regression_output", expected=f"labels of as many elements as data of shape {x.shape}", got=str(label.shape))
    return x


def _regression_rule(g: Any, y: Any, x: Any, label: Any, *, kind: str, grad_scale: float) -> Any:
    difference = y - call("reshape", call("cast", label, dtype=y.dtype), shape=y.shape)
    outputs = y.size // max(y.shape[0], 1) if y.ndim else 1
    return (call("sign", difference) if kind == "mae" else difference) * (grad_scale / max(outputs, 1))


REGRESSION_OUTPUT = register(
    Op(
        "regression_output",
        Kind.OPAQUE,
        _infer_regression,
        decomposition=lambda x, label, *, kind, grad_scale: call("sigmoid", x) if kind == "logistic" else call("copy", x),
        grad=(_regression_rule, None),
        saves=(1, "y"),
        precision="float32",
        sample=lambda: [
            *(_undifferentiated(normal(2, 3), normal(2, 3, seed=1), kind=kind, grad_scale=1.0) for kind in ("linear", "logistic", "mae")),
            _undifferentiated(normal(2, 3), normal(2), error=ValueError, kind="linear", grad_scale=1.0),
        ],
    )
)


def regression_output(data: ArrayLike, label: ArrayLike, kind: str, grad_scale: float = 1.0) -> Any:
    """``data`` (its sigmoid for ``logistic``), with the gradient of the squared or (``mae``) absolute error an output.

    ``label`` has as many elements as ``data``, in any shape; else ShapeError.
    """
    return apply(REGRESSION_OUTPUT, (tensor(data), tensor(label)), {"kind": kind, "grad_scale": float(grad_scale)})


# -- losses of one's own --------------------------------------------------------------------------


def _make_loss_rule(g: Any, y: Any, x: Any, *, grad_scale: float, normalization: str, threshold: float) -> Any:
    ones = y * 0 + 1
    if normalization == "valid":
        valid = reduction.sum(call("cast", call("greater", y, threshold), dtype=y.dtype))
        return ones * grad_scale / call("maximum", valid, 1)
    return ones * (grad_scale / (max(y.shape[0], 1) if normalization == "batch" and y.ndim else 1))


MAKE_LOSS = register(
    Op(
        "make_loss",
        Kind.OPAQUE,
        lambda x, **attrs: x,
        decomposition=lambda x, **attrs: call("copy", x),
        grad=(_make_loss_rule,),
        saves=("y",),
        sample=lambda: [*(_undifferentiated(normal(2, 3), grad_scale=2.0, normalization=kind, threshold=0.0) for kind in _NORMALIZATIONS)],
    )
)


def make_loss(data: ArrayLike, grad_scale: float = 1.0, valid_thresh: float = 0.0, normalization: str = "null") -> Any:
    """``data`` as a loss: its gradient is ``grad_scale``, over the batch or the elements above ``valid_thresh`` on request.

    ArgumentError for another ``normalization``.
    """
    if normalization not in _NORMALIZATIONS:
        fail(ArgumentError, "make_loss", expected="normalization " + ", ".join(_NORMALIZATIONS), got=repr(normalization))
    attrs = {"grad_scale": float(grad_scale), "normalization": normalization, "threshold": float(valid_thresh)}
    return apply(MAKE_LOSS, (tensor(data),), attrs)


GRADIENT_MULTIPLIER = register(
    Op(
        "gradient_multiplier",
        Kind.OPAQUE,
        lambda x, *, scalar: x,
        decomposition=lambda x, *, scalar: call("copy", x),
        grad=(lambda g, y, x, *, scalar: g * scalar,),
        sample=lambda: [Sample((normal(2, 3),), {"scalar": 1.0}), _undifferentiated(normal(2, 3), scalar=-0.5)],
    )
)


def gradient_multiplier(data: ArrayLike, scalar: float = 1.0) -> Any:
    """``data``, with its gradient times ``scalar`` (below 0: gradient reversal)."""
    return apply(GRADIENT_MULTIPLIER, (tensor(data),), {"scalar": float(scalar)})


# -- margins --------------------------------------------------------------------------------------


def _infer_svm(x: Spec, label: Spec, **attrs: Any) -> Spec:
    if x.ndim != 2 or label.shape != x.shape[:1]:
        fail(ShapeError, "svm_output", expected="data of shape (N, classes) and labels of shape (N,)", got=f"{x.shape} and {label.shape}")
    return x


def _svm_rule(g: Any, y: Any, x: Any, label: Any, *, margin: float, coefficient: float, linear: bool) -> Any:
    wanted = gather.one_hot(label, y.shape[1], 1.0, -1.0, y.dtype)
    lacking = call("maximum", margin - wanted * y, 0)  # how far a score is from its side of the margin
    slope = call("sign", lacking) if linear else lacking * 2
    return wanted * slope * -coefficient


SVM_OUTPUT = register(
    Op(
        "svm_output",
        Kind.OPAQUE,
        _infer_svm,
        decomposition=lambda x, label, **attrs: call("copy", x),
        grad=(_svm_rule, None),
        saves=(1, "y"),
        sample=lambda: [
            *(_undifferentiated(normal(2, 3), np.array([0, 2]), margin=1.0, coefficient=0.5, linear=linear) for linear in (False, True)),
            _undifferentiated(normal(2, 3), normal(3), error=ValueError, margin=1.0, coefficient=0.5, linear=False),
        ],
    )
)


def svm_output(data: ArrayLike, label: ArrayLike, margin: float = 1.0, coefficient: float = 1.0, linear: bool = False) -> Any:
    """``data`` (N, classes), with the gradient of ``coefficient`` times the hinge loss with ``label`` (N,), squared unless ``linear``.

    The score of the label is to be above ``margin``, all others below minus that. ShapeError for other shapes.
    """
    attrs = {"margin": float(margin), "coefficient": float(coefficient), "linear": bool(linear)}
    return apply(SVM_OUTPUT, (tensor(data), tensor(label)), attrs)


# -- penalties ------------------------------------------------------------------------------------


def _sparseness_rule(g: Any, y: Any, x: Any, mean: Any, *, target: float, penalty: float) -> Any:
    return g + ((1 - target) / (1 - mean) - target / mean) * penalty


SPARSENESS_PENALTY = register(
    Op(
        "sparseness_penalty",
        Kind.OPAQUE,
        lambda x, mean, **attrs: x,
        decomposition=lambda x, mean, **attrs: call("copy", x),
        grad=(_sparseness_rule, None),
        saves=(1,),
        sample=lambda: [_undifferentiated(normal(2, 3), np.array([0.2, 0.5, 0.9]), target=0.1, penalty=0.01)],
    )
)


def sparseness_penalty(data: ArrayLike, mean: ArrayLike, target: float = 0.1, penalty: float = 0.001) -> Any:
    """``data`` (batch, ...), with a gradient that draws the ``mean`` activation, of the shape of one example, to ``target``.

    It is ``penalty`` times that of the Kullback-Leibler divergence of two coins of these probabilities.
    """
    return apply(SPARSENESS_PENALTY, (tensor(data), tensor(mean)), {"target": float(target), "penalty": float(penalty)})
