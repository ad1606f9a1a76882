"""``mx.contrib.autograd``: the older names of what is in :mod:`hybridnet.autograd`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import autograd
from hybridnet import ndarray as nd
from hybridnet.autograd import mark_variables
from hybridnet.core import Array
from hybridnet.errors import ArgumentError, DtypeError, fail

__all__ = [
    "TrainingStateScope", "backward", "compute_gradient", "grad", "grad_and_loss", "mark_variables", "set_is_training", "test_section",
    "train_section",
]  # fmt: skip


def set_is_training(is_train: bool) -> bool:
    """Record, and work as in training, from now on or no longer; what was before."""
    before = autograd.set_recording(is_train)
    autograd.set_training(is_train)
    return before


class TrainingStateScope:
    """A block in which the state is set so."""

    def __init__(self, enter_state: bool) -> None:
        self._enter_state = enter_state
        self._before = False

    def __enter__(self) -> None:
        self._before = set_is_training(self._enter_state)

    def __exit__(self, *exc: object) -> None:
        set_is_training(self._before)


def train_section() -> TrainingStateScope:
    """A block that is recorded."""
    return TrainingStateScope(True)


def test_section() -> TrainingStateScope:
    """A block that is not recorded."""
    return TrainingStateScope(False)


def backward(outputs: Sequence[Any], out_grads: Sequence[Any] | None = None, retain_graph: bool = False) -> None:
    """The gradients of marked variables, of a list of outputs. DtypeError for outputs that are no list."""
    if not isinstance(outputs, (list, tuple)):
        fail(DtypeError, "backward", expected="a list of arrays", got=f"a {type(outputs).__name__}")
    autograd.backward(list(outputs), None if out_grads is None else list(out_grads), retain_graph=retain_graph)


def compute_gradient(outputs: Sequence[Any]) -> None:
    """The older name of :func:`backward`."""
    backward(outputs)


def grad_and_loss(func: Callable[..., Any], argnum: Any = None) -> Callable[..., tuple[list[Any], Any]]:
    """A function that gives the gradients of ``func`` by its arguments (those numbered by ``argnum``, or all) and its value.

    It raises ArgumentError for arguments that are no arrays.
    """

    @functools.wraps(func)
    def wrapped(*args: Any) -> tuple[list[Any], Any]:
        numbers = range(len(args)) if argnum is None else argnum if isinstance(argnum, (list, tuple)) else [argnum]
        variables = [args[i] for i in numbers]
        if not all(isinstance(x, Array) for x in variables):
            fail(ArgumentError, "grad_and_loss", expected="arrays", got=", ".join(type(x).__name__ for x in variables))
        grads = [nd.zeros_like(x) for x in variables]
        mark_variables(variables, grads)
        with train_section():
            outputs = func(*args)
        backward([outputs] if isinstance(outputs, Array) else outputs)
        return grads, outputs

    return wrapped


def grad(func: Callable[..., Any], argnum: Any = None) -> Callable[..., list[Any]]:
    """A function that gives the gradients of ``func``; see :func:`grad_and_loss`."""
    both = grad_and_loss(func, argnum)

    @functools.wraps(both)
    def wrapped(*args: Any) -> list[Any]:
        return both(*args)[0]

    return wrapped
