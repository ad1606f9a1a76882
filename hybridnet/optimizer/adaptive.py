"""Optimizers that scale each element by the history of its gradients: Adam and its kin."""

from __future__ import annotations

from typing import Any

from hybridnet.core import call
from hybridnet.ops.array.creation import zeros_like
from hybridnet.ops.array.selection import clip, where
from hybridnet.ops.math.pointwise import FUNCTIONS
from hybridnet.optimizer.base import Optimizer, is_zero, like, register
from hybridnet.optimizer.numbers import derived
from hybridnet.optimizer.scaling import takes_scale

sqrt, square, maximum = FUNCTIONS["sqrt"], FUNCTIONS["square"], FUNCTIONS["maximum"]
absolute, sign = FUNCTIONS["absolute"], FUNCTIONS["sign"]


def follow(mean: Any, value: Any, beta: Any, one_minus_beta: Any) -> None:
    """mean = beta · mean + (1 - beta) · value."""
    mean._assign(mean * beta + value * one_minus_beta)


@register
class Adam(Optimizer):
    """g = clip(grad + wd · weight); m and v follow g and g²; weight -= lr · sqrt(1 - beta2ᵗ) / (1 - beta1ᵗ) · m / (sqrt(v) + epsilon).

    With ``lazy_update`` of a gradient of row_sparse storage only the rows that it has are updated, those of m and v too.
    """

    by_element = True
    numbers = ("wd", "beta1", "beta2", "epsilon", "one_minus_beta1", "one_minus_beta2")
    state_names = ("mean", "var")
    one_minus_beta1 = derived(lambda self: 1 - self.beta1)
    one_minus_beta2 = derived(lambda self: 1 - self.beta2)

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.lazy_update = lazy_update

    def by_rows(self, weight: Any) -> bool:
        return self.lazy_update

    def create_state(self, index: Any, weight: Any) -> Any:
        return like(weight, 2)

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        return (lr * (1 - self.beta2**t) ** 0.5 / (1 - self.beta1**t),)

    @takes_scale({"one_minus_beta1": 1, "one_minus_beta2": 2})
    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        mean, var = state
        g = self._clip(self._decayed(grad, weight, wd))
        follow(mean, g, self.beta1, self.one_minus_beta1)
        follow(var, square(g), self.beta2, self.one_minus_beta2)
        weight -= mean * scalars[0] / (sqrt(var) + self.epsilon)


@register
class AdamW(Adam):
    """Adam with the weight decay apart from the gradient: weight -= lr · (m̂ / (sqrt(v̂) + epsilon) + wd · weight).

    ``correct_bias``: whether m̂ and v̂ are m / (1 - beta1ᵗ) and v / (1 - beta2ᵗ), or m and v.
    """

    by_element = True

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        correct_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, **kwargs)
        self.correct_bias = correct_bias

    def by_rows(self, weight: Any) -> bool:
        return False  # as in MXNet

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        if not self.correct_bias:
            return lr, lr, 1.0
        root = (1 - self.beta2**t) ** 0.5
        return lr, lr * root / (1 - self.beta1**t), root

    @takes_scale({"one_minus_beta1": 1, "one_minus_beta2": 2}, apart=True)
    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        mean, var = state
        lr, rate, root = scalars
        g = self._clip(grad)
        follow(mean, g, self.beta1, self.one_minus_beta1)
        follow(var, square(g), self.beta2, self.one_minus_beta2)
        step = mean * rate / (sqrt(var) + self.epsilon * root)
        weight -= step if is_zero(wd) else step + weight * (lr * wd)


@register
class RMSProp(Optimizer):
    """n follows g², g = clip(grad + wd · weight); weight -= lr · g / sqrt(n + epsilon).

    ``centered``: by Graves (arXiv 1308.0850): sqrt(n - mean(g)² + epsilon), with momentum ``gamma2``.
    ``gamma1`` is how slowly n follows; ``clip_weights`` limits the weights to ±clip_weights.
    """

    by_element = True
    numbers = ("wd", "gamma1", "gamma2", "epsilon", "one_minus_gamma1")
    state_names = ("var", "mean", "delta")
    one_minus_gamma1 = derived(lambda self: 1 - self.gamma1)

    def __init__(
        self,
        learning_rate: float = 0.001,
        gamma1: float = 0.9,
        gamma2: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1, self.gamma2, self.epsilon = gamma1, gamma2, epsilon
        self.centered, self.clip_weights = centered, clip_weights

    def create_state(self, index: Any, weight: Any) -> Any:
        return like(weight, 3 if self.centered else 1)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        (lr,) = scalars
        g = self._clip(self._decayed(grad, weight, wd))
        follow(state[0], square(g), self.gamma1, self.one_minus_gamma1)
        if self.centered:
            n, mean, delta = state
            follow(mean, g, self.gamma1, self.one_minus_gamma1)
            delta._assign(delta * self.gamma2 - g * lr / sqrt(n - square(mean) + self.epsilon))
            moved = weight + delta
        else:
            moved = weight - g * lr / sqrt(state[0] + self.epsilon)
        weight._assign(clip(moved, -self.clip_weights, self.clip_weights) if self.clip_weights else moved)


@register
class AdaGrad(Optimizer):
    """h += g², g = clip(grad); weight -= lr · (g / sqrt(h + eps) + wd · weight)."""

    by_element = True
    numbers = ("wd", "float_stable_eps")
    state_names = ("history",)

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def by_rows(self, weight: Any) -> bool:
        return True

    def create_state(self, index: Any, weight: Any) -> Any:
        return zeros_like(weight)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        g = self._clip(grad)
        state += square(g)
        weight -= self._decayed(g / sqrt(state + self.float_stable_eps), weight, wd) * scalars[0]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one history a row: h += mean(g²) of the row; weight -= lr · g / sqrt(h + eps). No weight decay."""

    numbers = ("float_stable_eps",)
    state_names = ("history",)

    def __init__(self, eps: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def by_rows(self, weight: Any) -> bool:
        return True

    def create_state(self, index: Any, weight: Any) -> Any:
        return call("sum", zeros_like(weight), axis=tuple(range(1, weight.ndim)), keepdims=True)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        g = self._clip(grad)
        total = call("sum", square(g), axis=tuple(range(1, g.ndim)), keepdims=True)
        state += total * (state.size / g.size)
        weight -= g * scalars[0] / sqrt(state + self.float_stable_eps)


@register
class AdaDelta(Optimizer):
    """Steps in the ratio of the sizes of past steps and past gradients; there is no learning rate."""

    by_element = True
    numbers = ("wd", "rho", "epsilon", "one_minus_rho")
    state_names = ("gradients", "steps")
    one_minus_rho = derived(lambda self: 1 - self.rho)

    def __init__(self, rho: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho, self.epsilon = rho, epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        return like(weight, 2)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        gradients, steps = state
        g = self._clip(grad)
        follow(gradients, square(g), self.rho, self.one_minus_rho)
        step = sqrt(steps + self.epsilon) / sqrt(gradients + self.epsilon) * g
        follow(steps, square(step), self.rho, self.one_minus_rho)
        weight -= self._decayed(step, weight, wd)


@register
class Adamax(Optimizer):
    """Adam by the largest gradient: u = max(beta2 · u, abs(g)); weight -= lr / (1 - beta1ᵗ) · m / u."""

    by_element = True
    numbers = ("wd", "beta1", "beta2", "one_minus_beta1")
    state_names = ("mean", "largest")
    one_minus_beta1 = derived(lambda self: 1 - self.beta1)

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2 = beta1, beta2

    def create_state(self, index: Any, weight: Any) -> Any:
        return like(weight, 2)

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        return (lr / (1 - self.beta1**t),)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        mean, largest = state
        g = self._clip(self._decayed(grad, weight, wd))
        follow(mean, g, self.beta1, self.one_minus_beta1)
        largest._assign(maximum(largest * self.beta2, absolute(g)))
        # An element that never had a gradient has mean 0 and largest 0.
        weight -= mean * scalars[0] / maximum(largest, 1e-30)


@register
class Nadam(Optimizer):
    """Adam with Nesterov's momentum, whose strength a schedule raises: beta1 (1 - 0.5 · 0.96^(t · schedule_decay))."""

    by_element = False  # the schedule goes on with each parameter, as in MXNet
    numbers = ("wd", "beta1", "beta2", "epsilon", "schedule_decay", "one_minus_beta1", "one_minus_beta2")
    state_names = ("mean", "var", "product")
    one_minus_beta1 = derived(lambda self: 1 - self.beta1)
    one_minus_beta2 = derived(lambda self: 1 - self.beta2)

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1, self.beta2, self.epsilon, self.schedule_decay = beta1, beta2, epsilon, schedule_decay
        self._products: dict[Any, Any] = {}
        self._first = 1.0  # what products begin with

    @property
    def m_schedule(self) -> float:
        """The product of momenta so far, which an update of any parameter multiplies; of several devices that of the first."""
        return float(next(iter(self._products.values()))) if self._products else self._first

    @m_schedule.setter
    def m_schedule(self, value: float) -> None:
        self._first = float(value)
        for product in self._products.values():
            product[...] = value

    def create_state(self, index: Any, weight: Any) -> Any:
        # The product of momenta so far: MXNet has one for all parameters, which each update multiplies.
        if weight.device not in self._products:
            self._products[weight.device] = zeros_like(weight).sum().astype("float64") + self._first
        return *like(weight, 2), self._products[weight.device]

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        now = self.beta1 * (1 - 0.5 * 0.96 ** (t * self.schedule_decay))
        then = self.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * self.schedule_decay))
        return lr, now, then, 1 - self.beta2**t

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        mean, var, product = state
        lr, now, then, of_var = scalars
        g = self._clip(self._decayed(grad, weight, wd))
        product *= now
        current = product.astype(weight.dtype)
        follow(mean, g, self.beta1, self.one_minus_beta1)
        follow(var, square(g), self.beta2, self.one_minus_beta2)
        direction = g * (1 - now) / (1 - current) + mean * then / (1 - current * then)
        weight -= direction * lr / (sqrt(var / of_var) + self.epsilon)


@register
class Ftrl(Optimizer):
    """Follow the regularised leader (McMahan 2013): weights with a small accumulated gradient, up to ``lamda1``, are 0."""

    by_element = True
    numbers = ("wd", "lamda1", "beta")
    state_names = ("z", "n")

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.lamda1, self.beta = lamda1, beta

    def by_rows(self, weight: Any) -> bool:
        return weight.stype == "row_sparse"  # by rows of a dense weight MXNet moves all of it

    def create_state(self, index: Any, weight: Any) -> Any:
        return like(weight, 2)

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        (lr,) = scalars
        z, n = state
        g = self._clip(grad)
        after = n + square(g)
        z += g - (sqrt(after) - sqrt(n)) * weight / lr
        n._assign(after)
        moved = (sign(z) * self.lamda1 - z) / ((sqrt(after) + self.beta) / lr + wd)
        weight._assign(where(absolute(z) > self.lamda1, moved, 0.0))


@register
class FTML(Optimizer):
    """Follow the moving leader (Zheng and Kwok 2017)."""

    by_element = True
    numbers = ("wd", "beta1", "beta2", "epsilon", "one_minus_beta1", "one_minus_beta2")
    state_names = ("d", "v", "z")
    one_minus_beta1 = derived(lambda self: 1 - self.beta1)
    one_minus_beta2 = derived(lambda self: 1 - self.beta2)

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        return like(weight, 3)

    def scalars(self, lr: Any, t: Any) -> tuple[Any, ...]:
        return (1 - self.beta1**t) / lr, 1 - self.beta2**t

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        d, v, z = state
        slope, of_v = scalars
        g = self._clip(self._decayed(grad, weight, wd))
        follow(v, square(g), self.beta2, self.one_minus_beta2)
        after = (sqrt(v / of_v) + self.epsilon) * slope
        z._assign(z * self.beta1 + g * self.one_minus_beta1 - (after - d * self.beta1) * weight)
        d._assign(after)
        weight._assign(-z / after)
