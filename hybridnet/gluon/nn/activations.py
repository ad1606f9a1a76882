"""Activation layers: by name, and those with arguments or parameters of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet import initializer
from hybridnet.gluon.hybrid import HybridBlock
from hybridnet.gluon.symbolic import is_symbolic
from hybridnet.ops.nn import activation as functions
from hybridnet.ops.nn.common import one_of

#: What ``Activation`` and the layers' ``activation=`` take beside those of ``F.Activation``; the softmaxes go over the last axis.
_OTHERS: dict[str, Callable[[Any, Any], Any]] = {
    "gelu": lambda F, x: F.LeakyReLU(x, act_type="gelu", name="fwd"),
    "swish": lambda F, x: x * F.sigmoid(x, name="fwd") if is_symbolic((x,)) else F.Activation(x, act_type="silu", name="fwd"),
    "softmax": lambda F, x: F.softmax(x, name="fwd"),
    "log_softmax": lambda F, x: F.log_softmax(x, name="fwd"),
}


class Activation(HybridBlock):
    """A function of the elements by its name: ``relu``, ``sigmoid``, ``tanh``, ``softrelu``, ``softsign``, ``softmax`` …"""

    def __init__(self, activation: str, **kwargs: Any) -> None:
        self._act_type = one_of("Activation", "activation", activation, {**functions.ACTIVATIONS, **_OTHERS})
        super().__init__(**kwargs)

    def _alias(self) -> str:
        return self._act_type

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        other = _OTHERS.get(self._act_type)
        return F.Activation(x, act_type=self._act_type, name="fwd") if other is None else other(F, x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._act_type})"


def activated(name: str | None) -> Activation | None:
    """The layer of a layer's ``activation=``."""
    return None if name is None else Activation(name, prefix=name + "_")


class LeakyReLU(HybridBlock):
    """x where x > 0, else ``alpha`` · x."""

    def __init__(self, alpha: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.LeakyReLU(x, act_type="leaky", slope=self._alpha, name="fwd")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._alpha})"


class PReLU(HybridBlock):
    """x where x > 0, else alpha · x, with learnt slopes: one, or one a channel (``in_channels``)."""

    def __init__(self, alpha_initializer: Any = initializer.Constant(0.25), in_channels: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = self.params.get("alpha", shape=(in_channels,), init=alpha_initializer)

    def hybrid_forward(self, F: Any, x: Any, alpha: Any) -> Any:
        return F.LeakyReLU(x, gamma=alpha, act_type="prelu", name="fwd")


class ELU(HybridBlock):
    """x where x > 0, else ``alpha`` · (exp(x) - 1)."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.LeakyReLU(x, act_type="elu", slope=self._alpha)


class SELU(HybridBlock):
    """The self-normalising ELU."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.LeakyReLU(x, act_type="selu", name="fwd")


class GELU(HybridBlock):
    """x · Φ(x): exact (``erf``), by the usual formula (``tanh``), or as x · sigmoid(1.702 x) (``sigmoid``)."""

    def __init__(self, approximation: str = "erf", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._approximation = one_of("GELU", "approximation", approximation, ("erf", "tanh", "sigmoid"))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        if self._approximation == "sigmoid":
            return x * F.sigmoid(1.702 * x, name="fwd")
        if self._approximation == "tanh":
            return F.Activation(x, act_type="gelu_tanh", name="fwd")
        return F.LeakyReLU(x, act_type="gelu", name="fwd")


class Swish(HybridBlock):
    """x · sigmoid(``beta`` · x)."""

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._beta = beta

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        if self._beta == 1 and not is_symbolic((x,)):  # a symbol is by operators that MXNet has, too
            return F.Activation(x, act_type="silu", name="fwd")
        return x * F.sigmoid(self._beta * x, name="fwd")


class SiLU(HybridBlock):
    """x · sigmoid(x)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return x * F.sigmoid(x, name="fwd") if is_symbolic((x,)) else F.Activation(x, act_type="silu", name="fwd")
