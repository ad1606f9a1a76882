"""Keras's names of activations, as Gluon's layers."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon import nn
from hybridnet.gluon.training.losses import near

_GLUON_NAMES = {
    name: name for name in ("relu", "sigmoid", "tanh", "softsign", "softmax", "log_softmax", "silu", "gelu", "mish", "log_sigmoid")
}
_GLUON_NAMES |= {"softplus": "softrelu", "swish": "silu"}
_OTHERS: dict[str, Any] = {
    "elu": lambda: nn.ELU(),
    "selu": lambda: nn.SELU(),
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "relu6": lambda: nn.HybridLambda(lambda F, x: x.clip(0, 6)),
    "exponential": lambda: nn.HybridLambda(lambda F, x: x.exp()),
    "hard_sigmoid": lambda: nn.HybridLambda(lambda F, x: (x / 6 + 0.5).clip(0, 1)),
}


def get(activation: Any) -> Any:
    """The layer that an activation is, by Keras's name a function of an array or a block; ``None`` for ``linear``.

    ArgumentError for another name.
    """
    if activation is None or activation == "linear":
        return None
    if isinstance(activation, nn.Block):
        return activation
    if callable(activation):
        return nn.HybridLambda(lambda F, x: activation(x))
    if activation in _GLUON_NAMES:
        return nn.Activation(_GLUON_NAMES[activation])
    if activation not in _OTHERS:
        names = ["linear", *_GLUON_NAMES, *_OTHERS]
        fail(ArgumentError, "Activation", expected="one of " + ", ".join(names), got=repr(activation), fix=near(str(activation), names))
    return _OTHERS[activation]()
