"""Classic output operators, whose gradient is that of the loss they stand for."""

from __future__ import annotations

from typing import Any

from hybridnet.ndarray.register import operator
from hybridnet.ops.nn import outputs

operator("SoftmaxOutput", "Softmax")(outputs.softmax_output)
operator("MakeLoss")(outputs.make_loss)


@operator("make_loss")
def make_loss(data: Any) -> Any:
    """``data`` as a loss: its gradient is 1."""
    return outputs.make_loss(data)


@operator("LinearRegressionOutput")
def linear_regression_output(data: Any, label: Any, grad_scale: float = 1.0) -> Any:
    """``data``, with the gradient of half the squared error."""
    return outputs.regression_output(data, label, "linear", grad_scale)


@operator("LogisticRegressionOutput")
def logistic_regression_output(data: Any, label: Any, grad_scale: float = 1.0) -> Any:
    """sigmoid(data), with the gradient of the cross entropy."""
    return outputs.regression_output(data, label, "logistic", grad_scale)


@operator("MAERegressionOutput")
def mae_regression_output(data: Any, label: Any, grad_scale: float = 1.0) -> Any:
    """``data``, with the gradient of the absolute error."""
    return outputs.regression_output(data, label, "mae", grad_scale)
