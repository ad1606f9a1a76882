"""Gradient descent, with momentum and without: SGD, NAG, Signum, SGLD, DCASGD."""

from __future__ import annotations

from typing import Any

from hybridnet.core import call
from hybridnet.ops.array.creation import zeros_like
from hybridnet.ops.random.distributions import normal
from hybridnet.optimizer.base import Optimizer, register
from hybridnet.optimizer.numbers import derived
from hybridnet.optimizer.scaling import takes_scale


@register
class SGD(Optimizer):
    """g = clip(grad) + wd · weight; m = momentum · m - lr · g; weight += m.

    With ``lazy_update`` of a gradient of row_sparse storage only the rows that it has are updated, those of m too.
    """

    by_element = linear = True
    numbers: tuple[str, ...] = ("wd", "momentum")
    state_names: tuple[str, ...] = ("momentum",)

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lazy_update = lazy_update

    def by_rows(self, weight: Any) -> bool:
        return self.lazy_update

    def create_state(self, index: Any, weight: Any) -> Any:
        return zeros_like(weight) if self.momentum else None

    @takes_scale(scalars={0: 1})
    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        (lr,) = scalars
        g = self._decayed(self._clip(grad), weight, wd)
        if state is None:
            weight -= g * lr
            return
        state._assign(state * self.momentum - g * lr)
        weight += state


@register
class ccSGD(SGD):
    """SGD, by the name of MXNet's C++ version."""


@register
class NAG(SGD):
    """Nesterov's momentum: g = clip(grad) + wd · weight; m = momentum · m - lr · g; weight += momentum · m - lr · g.

    As in MXNet, the decay that is kept in m is that of the weight after the step.
    """

    by_element = True

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(momentum, lazy_update=False, **kwargs)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        if state is None:
            super().rule(weight, grad, state, wd, *scalars)
            return
        (lr,) = scalars
        grad, kept = self._clip(grad), state * self.momentum
        step = self._decayed(grad, weight, wd) * lr
        weight += (kept - step) * self.momentum - step
        state._assign(kept - self._decayed(grad, weight, wd) * lr)


@register
class Signum(Optimizer):
    """Steps by the sign of the momentum alone.

    m = momentum · m - (1 - momentum)(wd · weight + clip(grad)); weight = (1 - lr · wd_lh) weight + lr · sign(m).
    """

    by_element = True
    numbers = ("wd", "momentum", "wd_lh", "one_minus_momentum")
    state_names = ("momentum",)
    one_minus_momentum = derived(lambda self: 1 - self.momentum)

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum, self.wd_lh = momentum, wd_lh

    def create_state(self, index: Any, weight: Any) -> Any:
        return zeros_like(weight) if self.momentum else None

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        (lr,) = scalars
        if state is None:
            # MXNet decays a plain sign step apart from the gradient.
            weight -= self._decayed(call("sign", self._clip(grad)), weight, wd) * lr
            return
        state._assign(state * self.momentum - self._decayed(self._clip(grad), weight, wd) * self.one_minus_momentum)
        weight += (call("sign", state) - weight * self.wd_lh) * lr


@register
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics: half a gradient step, and normal noise of variance lr."""

    numbers = ("wd",)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        (lr,) = scalars
        noise = normal(0.0, 1.0, weight.shape, dtype=weight.dtype, device=weight.device)
        weight += noise * lr**0.5 - self._decayed(self._clip(grad), weight, wd) * (lr * 0.5)


@register
class DCASGD(Optimizer):
    """SGD that corrects a late gradient to second order by how far the weight has moved since (Zheng et al., arXiv 1609.08326).

    g = clip(grad); step = g + wd · weight + lamda · g² · (weight - the weight before the last step); m = momentum · m - lr · step.
    """

    by_element = True
    numbers = ("wd", "momentum", "lamda")
    state_names = ("previous", "momentum")

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum, self.lamda = momentum, lamda

    def create_state(self, index: Any, weight: Any) -> Any:
        return (weight.detach().copy(), zeros_like(weight)) if self.momentum else (weight.detach().copy(),)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        (lr,) = scalars
        previous, *kept = state
        g = self._clip(grad)
        step = (self._decayed(g, weight, wd) + g * g * (weight - previous) * self.lamda) * lr
        previous._assign(weight)
        if kept:
            kept[0]._assign(kept[0] * self.momentum - step)
            weight += kept[0]
        else:
            weight -= step


@register
class Test(Optimizer):
    """weight += grad, which the state follows: for tests of what drives an optimizer."""

    by_element = True

    def create_state(self, index: Any, weight: Any) -> Any:
        return zeros_like(weight)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        weight += grad
        state._assign(weight)
