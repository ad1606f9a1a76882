"""The metrics that ``compile(metrics=...)`` knows by name: functions ``(output, label, loss)`` -> a number for each sample.

They run inside the compiled step and add up on the device, so that nothing waits for them. Any other name is looked up
in :mod:`hybridnet.metric`, whose metrics (given as objects too) run on the host after each step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hybridnet import metric
from hybridnet import numpy as np
from hybridnet.core import plain
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.training import losses
from hybridnet.gluon.training.losses import Loss, is_class_numbers, like


@dataclass(frozen=True)
class Measure:
    """A metric that is computed on the device; ``of(output, label, loss)`` has the batch as first axis."""

    name: str
    of: Callable[[Any, Any, Loss], Any]


def _binary_accuracy(output: Any, label: Any, loss: Loss) -> Any:
    """The share of elements on the side of 1/2 (of 0, where they are logits) that their label is on."""
    threshold = 0.0 if loss.from_logits and losses.before("sigmoid", output) is None else 0.5
    return (output > threshold) == (like("binary_accuracy", output, label) > 0.5)


def class_numbers(name: str, output: Any, label: Any) -> Any:
    """Labels of either form as integers, of the shape of ``output`` without its last axis."""
    if is_class_numbers(name, label.shape, output.shape):
        return label.reshape(output.shape[:-1]).astype("int32")
    return label.argmax(axis=-1).astype("int32")


def _class_accuracy(output: Any, label: Any, loss: Loss) -> Any:
    return output.argmax(axis=-1).astype("int32") == class_numbers("accuracy", output, label)


def _accuracy(output: Any, label: Any, loss: Loss) -> Any:
    """Of classes or of yes and no, by what the loss takes the outputs for, else by their last axis."""
    if loss.kind == "values":
        fail(ArgumentError, "accuracy", expected="a loss of classes", got=loss.name, fix="metrics=['mae']")
    binary = loss.kind == "binary" or (loss.kind != "classes" and output.shape[1:] in ((), (1,)))
    return (_binary_accuracy if binary else _class_accuracy)(output, label, loss)


def top_k(k: int, name: str | None = None) -> Measure:
    """The share of labels that are among the ``k`` classes with the largest outputs. ArgumentError if ``k`` is below 1."""
    if k < 1:
        fail(ArgumentError, "top_k_accuracy", expected="k of 1 or more", got=str(k))

    def of(output: Any, label: Any, loss: Loss) -> Any:
        label = class_numbers("top_k_accuracy", output, label)
        score = np.take_along_axis(output, np.expand_dims(label, -1), -1)
        return (output > score).sum(axis=-1) < k

    return Measure(name or f"top_{k}_accuracy", of)


_MEASURES = {
    "accuracy": _accuracy,
    "acc": _accuracy,
    "binary_accuracy": _binary_accuracy,
    "categorical_accuracy": _class_accuracy,
    "sparse_categorical_accuracy": _class_accuracy,
}
_TOP_K = re.compile(r"(?:sparse_)?top_(k|\d+)_?(?:categorical_)?acc(?:uracy)?")


def find(given: Any) -> Any:
    """A :class:`Measure` or a metric of the host, from a name, a metric object, or a function of NumPy arrays.

    ArgumentError for an unknown name, which lists those that there are.
    """
    if isinstance(given, Measure):
        return given
    if not isinstance(given, str):
        return metric.create(given)
    if given in _MEASURES:
        return Measure(given, _MEASURES[given])
    match = _TOP_K.fullmatch(given)
    if match:
        return top_k(5 if match[1] == "k" else int(match[1]), given)
    loss = losses.named(given)
    if loss is not None:
        return Measure(given, lambda output, label, _: loss.of(output, label))
    host = metric.base.REGISTRY.classes
    if given.lower() not in host:
        names = list(dict.fromkeys([*_MEASURES, "top_k_accuracy", *losses.LOSSES, *host]))
        fail(ArgumentError, "compile", expected="metrics of " + ", ".join(names), got=repr(given), fix=losses.near(given, names))
    return metric.create(given)


def checked_per_sample(measure: Measure, output: Any, label: Any, loss: Loss) -> Any:
    """What ``measure`` says of each sample, as floating numbers.

    ShapeError if it is not a number for each sample (the first axis of ``output``).
    """
    values = measure.of(plain(output), plain(label), loss)
    if not values.ndim or values.shape[0] != output.shape[0]:
        fail(ShapeError, measure.name, expected=f"a number for each of {output.shape[0]} samples", got=str(values.shape))
    return losses.per_sample(values.astype("float32"))
