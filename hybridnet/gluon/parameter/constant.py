"""``Constant``: a parameter that is not learnt."""

from __future__ import annotations

from typing import Any

from hybridnet import initializer
from hybridnet.core import asarray, suspended_trace
from hybridnet.gluon.parameter.parameter import Parameter


class Constant(Parameter):
    """A parameter that keeps its value: never learnt, saved and moved with the others.

    ``Constant(name, value)``, or ``Constant(value)``.
    """

    def __init__(self, name: Any, value: Any = None) -> None:
        if value is None:
            name, value = "const", name
        with suspended_trace():
            self.value = asarray(value)
        super().__init__(
            name,
            grad_req="null",
            shape=self.value.shape,
            dtype=self.value.dtype,
            init=initializer.Constant(self.value),
            differentiable=False,
        )
