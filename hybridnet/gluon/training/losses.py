"""The losses that ``compile(loss=...)`` knows by name, as functions ``(output, label)`` -> a loss for each sample.

Labels come in two forms, told apart by their shape beside the output's ``(batch, ..., classes)``:
of the same shape they are distributions (one-hot rows, say), without its last axis (or with 1 there)
they are the numbers of classes. All cross-entropies take both.

A cross-entropy is computed from logits wherever they can be had. If the network's last operator is a softmax
(or sigmoid), the loss is taken of what went into it: the same loss and the same gradients, without the overflow of the
logarithm of a rounded probability. So ``softmax_cross_entropy`` after ``Dense(10, activation="softmax")`` means what
its writer meant: the cross-entropy of the probabilities, never a softmax of a softmax.

Relies on tracing: losses run inside a compiled step. Gluon's ``Loss`` blocks are taken as they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from hybridnet import numpy as np
from hybridnet.core import plain, wrap
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.nn.activation import softrelu
from hybridnet.ops.nn.loss import softmax_cross_entropy
from hybridnet.ops.nn.softmax import log_softmax

_LEAST = 1e-7  # probabilities are taken as at least this before their logarithm


@dataclass(frozen=True)
class Loss:
    """A loss, and what it takes outputs and labels for.

    ``of(output, label)`` gives an array whose first axis is the batch. ``kind``: ``classes`` (distributions over the
    last axis), ``binary`` (each element a yes or no), ``values``, or ``""`` where that is not known.
    ``from_logits``: whether outputs that are no softmax's or sigmoid's results are logits.
    """

    name: str
    of: Callable[[Any, Any], Any]
    kind: str = ""
    from_logits: bool = False

    def per_sample(self, output: Any, label: Any) -> Any:
        """The loss of each sample: the mean over all axes but the first."""
        if self.kind:
            return per_sample(self.of(plain(output), plain(label)))
        return per_sample(plain(self.of(output, label)))  # the user's own, over the class of the user's arrays

    def check_shapes(self, label: Any, output: Any) -> None:
        """Raise for labels whose shape does not fit the outputs'."""
        if self.kind == "classes":
            is_class_numbers(self.name, label.shape, output.shape)
        elif self.kind:
            check_alike(self.name, label.shape, output.shape)

    def check_labels(self, label: Any, output: Any) -> None:
        """Raise for labels (a NumPy array, of any number of samples) whose values no output could be meant for."""
        shape = (len(label), *output.shape[1:])
        if self.kind == "classes" and label.size and is_class_numbers(self.name, label.shape, shape):
            least, most, classes = label.min(), label.max(), output.shape[-1]
            if not 0 <= least <= most < classes:
                self._refuse(f"labels from 0 to {classes - 1}, for {classes} outputs", f"labels from {least} to {most}")
            if label.dtype.kind == "f" and (label != numpy.floor(label)).any():
                self._refuse("numbers of classes, or distributions of the output's shape", f"fractions as labels of shape {label.shape}")
        if self.kind == "binary" and label.size and not 0 <= label.min() <= label.max() <= 1:
            self._refuse("labels from 0 to 1", f"labels from {label.min()} to {label.max()}", "softmax_cross_entropy, for several classes")

    def _refuse(self, expected: str, got: str, fix: str = "") -> None:
        fail(ArgumentError, self.name, expected=expected, got=got, fix=fix)


def per_sample(x: Any) -> Any:
    """The mean over all axes but the first."""
    return x.mean(axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x


def is_class_numbers(name: str, label: tuple[int, ...], output: tuple[int, ...]) -> bool:
    """Whether labels of that shape are numbers of classes (else they are distributions), or a ShapeError."""
    if len(output) < 2 or output[-1] < 2:
        expected = "outputs (batch, ..., classes) for two classes or more"
        fail(ShapeError, name, expected=expected, got=str(output), fix="binary_crossentropy for one output that says yes or no")
    if label in (output[:-1], (*output[:-1], 1)):
        return True
    if label != output:
        forms = f"labels of shape {output[:-1]} (numbers of classes) or {output} (one-hot)"
        fail(ShapeError, name, expected=f"{forms} for outputs of shape {output}", got=str(label))
    return False


def before(operator: str, output: Any) -> Any:
    """What ``output`` is the result of ``operator`` of, over the last axis if it has one; ``None`` if it is not.

    Read off the graph that is being traced, with its place on the tape, so that gradients flow from there.
    """
    node = getattr(output._data, "node", None)
    if node is None or node.op.name != operator or node.attrs.get("axis", output.ndim - 1) != output.ndim - 1:
        return None
    x = wrap(type(output), node.inputs[0], output._device)
    x._tape = output._tape[0].parents[0] if output._tape is not None else None
    return x


def _cross_entropy(name: str, from_logits: bool) -> Callable[[Any, Any], Any]:
    """The cross-entropy over the last axis."""

    def of(output: Any, label: Any) -> Any:
        logits = before("softmax", output)
        if logits is None and from_logits:
            logits = output
        if not is_class_numbers(name, label.shape, output.shape):
            logs = log_softmax(logits) if logits is not None else _log(output)
            return -(logs * label.astype(logs.dtype)).sum(axis=-1)
        label = label.reshape(output.shape[:-1])
        if logits is not None:
            return softmax_cross_entropy(logits, label)
        # Of logarithms of probabilities the softmax is the probabilities again, made to sum to 1.
        return softmax_cross_entropy(_log(output), label)

    return of


def _log(probabilities: Any) -> Any:
    return np.log(np.clip(probabilities, _LEAST, 1.0))


def check_alike(name: str, label: tuple[int, ...], output: tuple[int, ...]) -> None:
    """Raise unless the shapes differ at most by axes of length 1 at the end."""
    shorter, longer = sorted((label, output), key=len)
    if longer[: len(shorter)] != shorter or any(n != 1 for n in longer[len(shorter) :]):
        fail(ShapeError, name, expected=f"labels of the shape of the outputs, {output}", got=str(label))


def like(name: str, output: Any, label: Any) -> Any:
    """The label in the output's shape and dtype."""
    check_alike(name, label.shape, output.shape)
    return label.reshape(output.shape).astype(output.dtype)


def _binary(name: str, from_logits: bool) -> Callable[[Any, Any], Any]:
    """The cross-entropy of each element between its label and the probability of yes."""

    def of(output: Any, label: Any) -> Any:
        label = like(name, output, label)
        logits = before("sigmoid", output)
        if logits is None and from_logits:
            logits = output
        if logits is not None:
            return softrelu(logits) - logits * label
        return -(_log(output) * label + _log(1 - output) * (1 - label))

    return of


def _of_difference(name: str, f: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda output, label: f(output - like(name, output, label))


def _huber(d: Any) -> Any:
    size = np.abs(d)
    return np.where(size < 1, d * d * 0.5, size - 0.5)


def _losses() -> list[Loss]:
    classes = {"categorical_crossentropy": False, "sparse_categorical_crossentropy": False, "softmax_cross_entropy": True}
    binary = {"binary_crossentropy": False, "sigmoid_binary_cross_entropy": True}
    values = {"mean_squared_error": np.square, "mean_absolute_error": np.abs, "huber": _huber, "l1": np.abs, "l2": lambda d: d * d * 0.5}
    return [
        *(Loss(name, _cross_entropy(name, logits), "classes", logits) for name, logits in classes.items()),
        *(Loss(name, _binary(name, logits), "binary", logits) for name, logits in binary.items()),
        *(Loss(name, _of_difference(name, f), "values") for name, f in values.items()),
    ]


#: The losses by name; ``l2`` is Gluon's ``L2Loss``, half the squared error.
LOSSES = {loss.name: loss for loss in _losses()}
_ALIASES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "sigmoid_bce": "sigmoid_binary_cross_entropy"}


def bare(name: str) -> str:
    """A name without case, underscores and a ``Loss`` at its end, so that ``SoftmaxCrossEntropyLoss`` is found too."""
    return name.lower().replace("_", "").replace("-", "").removesuffix("loss")


_BY_NAME = {bare(name): loss for name, loss in LOSSES.items()} | {bare(alias): LOSSES[name] for alias, name in _ALIASES.items()}


def named(name: str) -> Loss | None:
    """The loss of that name."""
    return _BY_NAME.get(bare(name))


def find(loss: Any) -> Loss:
    """A loss from its name, a Gluon ``Loss`` block or any function ``(output, label)`` of arrays.

    ArgumentError for another name or object.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        found = named(loss)
        if found is None:
            names = [*LOSSES, *_ALIASES]
            fail(ArgumentError, "compile", expected="loss one of " + ", ".join(names), got=repr(loss), fix=near(loss, names))
        return found
    if not callable(loss):
        expected = "loss to be a name, a gluon.loss block or a function (output, label)"
        fail(ArgumentError, "compile", expected=expected, got=type(loss).__name__)
    name = str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))
    # SigmoidBinaryCrossEntropyLoss takes logits unless told otherwise; of others it is not known.
    return Loss(name, _called(loss), from_logits=not getattr(loss, "_from_sigmoid", True))


def _called(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def of(output: Any, label: Any) -> Any:
        result = loss(output, label)
        if not hasattr(result, "ndim"):
            fail(ArgumentError, "fit", expected="a loss that gives an array", got=type(result).__name__)
        return result if result.ndim else result.reshape(1)

    return of


def near(name: str, names: list[str]) -> str:
    """The names that one may have meant, for an error's way out."""
    return " or ".join(map(repr, difflib.get_close_matches(name.lower(), names, 3)))
