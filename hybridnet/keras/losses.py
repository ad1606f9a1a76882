"""Keras's losses: the ones that ``compile`` knows by name, as classes."""

from __future__ import annotations

from hybridnet.gluon.training.losses import LOSSES, Loss


def CategoricalCrossentropy(from_logits: bool = False) -> Loss:
    """Of one-hot labels (numbers of classes are taken too)."""
    return LOSSES["softmax_cross_entropy" if from_logits else "categorical_crossentropy"]


def SparseCategoricalCrossentropy(from_logits: bool = False) -> Loss:
    """Of numbers of classes (one-hot labels are taken too)."""
    return LOSSES["softmax_cross_entropy" if from_logits else "sparse_categorical_crossentropy"]


def BinaryCrossentropy(from_logits: bool = False) -> Loss:
    """Of yes and no, element by element."""
    return LOSSES["sigmoid_binary_cross_entropy" if from_logits else "binary_crossentropy"]


def MeanSquaredError() -> Loss:
    """The mean of the squared differences."""
    return LOSSES["mean_squared_error"]


def MeanAbsoluteError() -> Loss:
    """The mean of the absolute differences."""
    return LOSSES["mean_absolute_error"]


def Huber() -> Loss:
    """Half the squared difference up to 1, the absolute difference minus 1/2 beyond."""
    return LOSSES["huber"]


__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
]
