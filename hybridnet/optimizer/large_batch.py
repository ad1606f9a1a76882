"""Gradient descent for large batches, which scales each layer's rate by the sizes of its weight and gradient: LARS and LBSGD."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.ops.array.creation import zeros
from hybridnet.ops.array.selection import where
from hybridnet.ops.math.pointwise import FUNCTIONS
from hybridnet.optimizer.base import like, register
from hybridnet.optimizer.layerwise import norm
from hybridnet.optimizer.momentum import SGD

minimum = FUNCTIONS["minimum"]

#: How the names of parameters end whose rate LARS leaves alone.
_UNSCALED = ("gamma", "beta", "bias")


@register
class LARS(SGD):
    """SGD with the rate of each weight times eta · norm(weight) / (norm(grad) + wd · norm(weight) + eps) (You et al., arXiv 1708.03888).

    Biases, gammas and betas keep the plain rate, and names other than weights' have no decay. ``momentum_correction``: when a
    ``lr_scheduler`` changes the rate, the momentum of that step is multiplied by the new rate over the old (arXiv 1706.02677).
    ``lazy_update`` is MXNet's, for sparse gradients; gradients are dense here.
    """

    by_element, linear = True, False
    numbers = ("wd", "momentum", "eta", "eps")
    state_names = ("momentum", "rate")

    def __init__(
        self,
        momentum: float = 0.0,
        lazy_update: bool = True,
        eta: float = 0.001,
        eps: float = 0,
        momentum_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum, lazy_update, **kwargs)
        self.eta, self.eps, self.momentum_correction = eta, eps, momentum_correction

    def by_rows(self, weight: Any) -> bool:
        return False  # as in MXNet: it goes by the size of the whole

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        other = {n: 0.0 for n in self.idx2name.values() if not n.endswith("_weight")}
        super().set_wd_mult({**other, **args_wd_mult})

    def create_state(self, index: Any, weight: Any) -> Any:
        """The momentum, and the rate of the step before where a changed one corrects it."""
        if not self.momentum or self.lr_scheduler is None or not self.momentum_correction:
            return super().create_state(index, weight)
        return (*like(weight, 1), zeros((1,), weight.dtype, weight.device))

    def rule_of(self, index: Any) -> Callable[..., None]:
        return self.plain_rule if self._name_of(index).endswith(_UNSCALED) else self.rule

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        size, slope = norm(weight), norm(grad)
        scale = where(minimum(size, slope) > 0, size * self.eta / (slope + size * wd + self.eps), 1.0)
        self._stepped(weight, grad, state, wd, scalars[0], scale)

    def plain_rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        """:meth:`rule` without scaling."""
        self._stepped(weight, grad, state, wd, scalars[0], 1.0)

    def _stepped(self, weight: Any, grad: Any, state: Any, wd: float, lr: Any, scale: Any) -> None:
        step = self._decayed(self._clip(grad), weight, wd) * (scale * lr)
        if state is None:
            weight -= step
            return
        momentum, kept = self.momentum, state
        if isinstance(state, tuple):
            kept, before = state
            momentum = momentum * where(before > 0, lr / where(before > 0, before, 1.0), 1.0)
            before._assign(before * 0 + lr)
        kept._assign(kept * momentum - step)
        weight += kept


@register
class LBSGD(SGD):
    """SGD that adds up the gradients of ``batch_scale`` updates, then takes a step at a rate that is warmed up to ``batch_scale`` times.

    ``warmup_strategy``: over ``warmup_epochs`` of ``updates_per_epoch`` the factor goes from 1 to ``batch_scale`` along a line
    (``linear``), its square (``power2``) or root (``sqrt``); with ``lars`` it is norm(weight) / norm(gradient, decay included), within
    0.01 and 100. ``begin_epoch``: where counting begins. Updates run one by one, imperatively.
    """

    linear = False

    def __init__(
        self,
        momentum: float = 0.0,
        multi_precision: bool = False,
        warmup_strategy: str = "linear",
        warmup_epochs: int = 5,
        batch_scale: int = 1,
        updates_per_epoch: int = 32,
        begin_epoch: int = 0,
        num_epochs: int = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum, multi_precision=multi_precision, **kwargs)
        if warmup_strategy not in ("linear", "power2", "sqrt", "lars"):
            fail(ArgumentError, "LBSGD", expected="warmup_strategy linear, power2, sqrt or lars", got=repr(warmup_strategy))
        self.warmup_strategy, self.batch_scale, self.num_epochs = warmup_strategy, batch_scale, num_epochs
        self.warmup_updates, self.init_updates = warmup_epochs * updates_per_epoch, begin_epoch * updates_per_epoch
        self._sums: dict[Any, tuple[Any, int]] = {}  # of the gradients of each index, and of how many

    def by_rows(self, weight: Any) -> bool:
        return False  # as in MXNet: it may go by the size of the whole

    def _factor(self, update: int) -> float:
        """What the rate is multiplied by at an update, while it is warmed up and after."""
        if update >= self.warmup_updates:
            return float(self.batch_scale)
        if self.warmup_updates <= 1:
            return 1.0
        part = update / self.warmup_updates
        part = {"linear": part, "power2": part * part, "sqrt": math.sqrt(part)}[self.warmup_strategy]
        return 1.0 + (self.batch_scale - 1) * part

    def _ratio(self, weight: Any, grad: Any, wd: float) -> float:
        size, slope = (float(norm(x).item()) ** 2 for x in (weight, grad))
        return min(max(math.sqrt(size / (slope + wd * size + 1e-18)), 0.01), 100.0)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Add the gradient to what there is of it, and with the last of ``batch_scale`` move ``weight`` (or each in a list)."""
        if isinstance(index, (list, tuple)):
            for one in zip(index, weight, grad, state, strict=True):
                self.update(*one)
            return
        self._update_count(index)
        total, count = self._sums.get(index, (None, 0))
        total, count = grad.copy() if total is None else total + grad, count + 1
        if count < self.batch_scale:
            self._sums[index] = total, count
            return
        self._sums.pop(index, None)
        mean, wd = total / self.batch_scale, self._get_wd(index)
        lars = self.warmup_strategy == "lars"
        factor = self._ratio(weight, mean, wd) if lars else self._factor(self.num_update + self.init_updates)
        self._move(self.rule, weight, mean * self.rescale_grad, state, wd, self._get_lr(index) * factor)
