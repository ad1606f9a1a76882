"""LAMB, which scales each layer's step by the layer's size: for large batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hybridnet.core import call
from hybridnet.ops.array.selection import clip, where
from hybridnet.ops.math.pointwise import FUNCTIONS
from hybridnet.ops.math.wide import in_wide
from hybridnet.optimizer.adaptive import Adam, follow, sqrt, square
from hybridnet.optimizer.base import register

minimum = FUNCTIONS["minimum"]


class _Norms(threading.local):
    """By what a thread takes norms, where arrays are slices of several parameters."""

    of_slice: Callable[[Any], Any] | None = None


_norms = _Norms()


@contextmanager
def norms_by(of_slice: Callable[[Any], Any]) -> Iterator[None]:
    """A block in which :func:`norm` is ``of_slice``: for each element of a slice the norm of all of the parameter that it is of."""
    before, _norms.of_slice = _norms.of_slice, of_slice
    try:
        yield
    finally:
        _norms.of_slice = before


@in_wide
def norm(x: Any) -> Any:
    """The Euclidean norm of all elements, an array of no dimensions; of a slice an array like it."""
    if _norms.of_slice is not None:
        return _norms.of_slice(x)
    return sqrt(call("sum", square(x), axis=tuple(range(x.ndim)), keepdims=False))


@register
class LAMB(Adam):
    """Adam's direction plus wd · weight, scaled to the norm of the weight (You et al., arXiv 1904.00962).

    ``lower_bound`` and ``upper_bound`` limit that norm; ``bias_correction`` as in AdamW.
    """

    by_element = True

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.lower_bound, self.upper_bound, self.bias_correction = lower_bound, upper_bound, bias_correction

    def by_rows(self, weight: Any) -> bool:
        return False  # as in MXNet: it goes by the size of the whole

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        return (lr, 1 - self.beta1**t, 1 - self.beta2**t) if self.bias_correction else (lr, 1.0, 1.0)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        mean, var = state
        lr, of_mean, of_var = scalars
        g = self._clip(grad)
        follow(mean, g, self.beta1, self.one_minus_beta1)
        follow(var, square(g), self.beta2, self.one_minus_beta2)
        direction = mean / of_mean / (sqrt(var / of_var) + self.epsilon) + weight * wd
        size, length = norm(weight), norm(direction)
        if self.lower_bound is not None or self.upper_bound is not None:
            size = clip(size, self.lower_bound, self.upper_bound)
        ratio = where(minimum(size, length) > 0, size / length, 1.0)
        weight -= direction * (ratio * lr)
