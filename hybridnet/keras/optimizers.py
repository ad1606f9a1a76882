"""Keras's optimizers, as Gluon's with Keras's arguments and defaults."""

from __future__ import annotations

from typing import Any

from hybridnet import optimizer
from hybridnet.errors import ArgumentError, fail


class SGD(optimizer.NAG):
    """Gradient descent, with momentum, which ``nesterov`` looks ahead with."""

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(momentum, learning_rate=learning_rate)
        self.nesterov = nesterov

    def rule(self, weight: Any, grad: Any, state: Any, wd: float, *scalars: Any) -> None:
        kind = optimizer.NAG if self.nesterov else optimizer.SGD
        kind.rule(self, weight, grad, state, wd, *scalars)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another like it."""
        return {"learning_rate": self.learning_rate, "momentum": self.momentum, "nesterov": self.nesterov}


class Adam(optimizer.Adam):
    """Adam."""

    def __init__(self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another like it."""
        return {"learning_rate": self.learning_rate, "beta_1": self.beta1, "beta_2": self.beta2, "epsilon": self.epsilon}


class RMSprop(optimizer.RMSProp):
    """RMSprop; ``momentum`` is for the ``centered`` form."""

    def __init__(
        self, learning_rate: float = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7, centered: bool = False
    ) -> None:
        if momentum and not centered:
            fail(ArgumentError, "RMSprop", expected="momentum 0, unless centered", got=str(momentum), fix="centered=True")
        super().__init__(learning_rate, rho, momentum, epsilon, centered)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another like it."""
        names = {"rho": self.gamma1, "momentum": self.gamma2, "epsilon": self.epsilon, "centered": self.centered}
        return {"learning_rate": self.learning_rate, **names}


#: The optimizers by Keras's names, with Keras's defaults.
OPTIMIZERS: dict[str, type[SGD] | type[Adam] | type[RMSprop]] = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}


def get(given: Any) -> Any:
    """Keras's optimizer of a name; any other name, and an optimizer, is Gluon's business."""
    found = OPTIMIZERS.get(given.lower()) if isinstance(given, str) else None
    return given if found is None else found()
