"""Measures of how good predictions are: ``metric.create("acc")``, ``Accuracy().update(labels, preds)``.

They are computed in NumPy on the host, over lists of label and prediction arrays.
"""

from hybridnet import ndarray, registry
from hybridnet.metric.base import (
    Caffe,
    CompositeEvalMetric,
    CustomMetric,
    EvalMetric,
    Loss,
    Torch,
    alias,
    check_label_shapes,
    create,
    np,
    register,
)
from hybridnet.metric.classification import F1, MCC, PCC, Accuracy, CrossEntropy, NegativeLogLikelihood, Perplexity, TopKAccuracy
from hybridnet.metric.regression import MAE, MSE, RMSE, PearsonCorrelation

__all__ = [
    "F1", "MAE", "MCC", "MSE", "PCC", "RMSE", "Accuracy", "Caffe", "CompositeEvalMetric", "CrossEntropy", "CustomMetric", "EvalMetric",
    "Loss", "NegativeLogLikelihood", "PearsonCorrelation", "Perplexity", "TopKAccuracy", "Torch", "alias", "check_label_shapes", "create",
    "ndarray", "np", "register", "registry",
]  # fmt: skip
