"""Activation layers: by name, and those with arguments or parameters of their own."""

from __future__ import annotations

from typing import Any

from hybridnet import initializer
from hybridnet.gluon.hybrid import HybridBlock
from hybridnet.ops.nn import activation as functions
from hybridnet.ops.nn.common import one_of
from hybridnet.ops.nn.softmax import log_softmax, softmax

#: What ``Activation`` and the layers' ``activation=`` take; the softmaxes go over the last axis.
ACTIVATIONS: dict[str, Any] = {**functions.ACTIVATIONS, "swish": functions.swish, "softmax": softmax, "log_softmax": log_softmax}


class Activation(HybridBlock):
    """A function of the elements by its name: ``relu``, ``sigmoid``, ``tanh``, ``softrelu``, ``softsign``, ``softmax`` …"""

    def __init__(self, activation: str, **kwargs: Any) -> None:
        self._act_type = one_of("Activation", "activation", activation, ACTIVATIONS)
        super().__init__(**kwargs)

    def _alias(self) -> str:
        return self._act_type

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return ACTIVATIONS[self._act_type](x)

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
        return functions.leaky_relu(x, act_type="leaky", slope=self._alpha)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._alpha})"


class PReLU(HybridBlock):
    """x where x > 0, else alpha · x, with learnt slopes: one, or one a channel (``in_channels``)."""

    def __init__(self, alpha_initializer: Any = initializer.Constant(0.25), in_channels: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = self.params.get("alpha", shape=(in_channels,), init=alpha_initializer)

    def hybrid_forward(self, F: Any, x: Any, alpha: Any) -> Any:
        return functions.prelu(x, alpha)


class ELU(HybridBlock):
    """x where x > 0, else ``alpha`` · (exp(x) - 1)."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return functions.elu(x, self._alpha)


class SELU(HybridBlock):
    """The self-normalising ELU."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return functions.selu(x)


class GELU(HybridBlock):
    """x · Φ(x): exact (``erf``), or by the usual formula (``tanh``)."""

    def __init__(self, approximation: str = "erf", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._approximation = approximation

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return functions.gelu(x, self._approximation)


class Swish(HybridBlock):
    """x · sigmoid(``beta`` · x)."""

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._beta = beta

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return functions.swish(x, self._beta)


class SiLU(HybridBlock):
    """x · sigmoid(x)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return functions.silu(x)
