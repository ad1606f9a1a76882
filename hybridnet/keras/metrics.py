"""Keras's metrics: the ones that ``compile`` knows by name, as classes."""

from __future__ import annotations

from dataclasses import replace

from hybridnet.gluon.training import measures
from hybridnet.gluon.training.measures import Measure


def BinaryAccuracy(name: str = "binary_accuracy") -> Measure:
    """The share of elements on the right side of 1/2."""
    return replace(measures.find("binary_accuracy"), name=name)


def CategoricalAccuracy(name: str = "categorical_accuracy") -> Measure:
    """The share of right classes, by one-hot labels."""
    return replace(measures.find("categorical_accuracy"), name=name)


def SparseCategoricalAccuracy(name: str = "sparse_categorical_accuracy") -> Measure:
    """The share of right classes, by their numbers."""
    return replace(measures.find("sparse_categorical_accuracy"), name=name)


def TopKCategoricalAccuracy(k: int = 5, name: str = "top_k_categorical_accuracy") -> Measure:
    """The share of labels among the ``k`` classes with the largest outputs."""
    return measures.top_k(k, name)


def SparseTopKCategoricalAccuracy(k: int = 5, name: str = "sparse_top_k_categorical_accuracy") -> Measure:
    """The share of labels among the ``k`` classes with the largest outputs."""
    return measures.top_k(k, name)


def MeanSquaredError(name: str = "mean_squared_error") -> Measure:
    """The mean of the squared differences."""
    return replace(measures.find("mean_squared_error"), name=name)


def MeanAbsoluteError(name: str = "mean_absolute_error") -> Measure:
    """The mean of the absolute differences."""
    return replace(measures.find("mean_absolute_error"), name=name)
