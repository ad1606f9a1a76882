"""What a store needs to hold mean gradients beside parameters: an optimizer that moves these and keeps those as they come."""

from __future__ import annotations

import inspect
from typing import Any

from hybridnet.optimizer import Optimizer, create, register

#: What a parameter's name ends in where its mean gradient is meant.
FULL = "_full"


@register
class _AssignmentOptimizer(Optimizer):
    """The weight becomes the gradient."""

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        weight[:] = grad


@register
class _SVRGOptimizer(Optimizer):
    """``default_optimizer`` for parameters, and assignment for their mean gradients, whose names end in ``_full``.

    ``default_optimizer``: an optimizer, or its name; then all other arguments are its own.
    """

    def __init__(self, default_optimizer: Any, **kwargs: Any) -> None:
        common = inspect.signature(Optimizer).parameters
        super().__init__(**{name: value for name, value in kwargs.items() if name in common})
        self.default_opt = create(default_optimizer, **kwargs) if isinstance(default_optimizer, str) else default_optimizer
        self.aux_opt = _AssignmentOptimizer()

    def _one_for(self, index: Any) -> Optimizer:
        return self.aux_opt if str(self.idx2name.get(index, index)).endswith(FULL) else self.default_opt

    def create_state(self, index: Any, weight: Any) -> Any:
        """The state of the optimizer that is the index's."""
        return self._one_for(index).create_state(index, weight)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Move the weight, or write the gradient to it. ``index``: a name, or a number of ``param_idx2name``."""
        self._one_for(index).update(index, weight, grad, state)
