"""Blocks and inputs that the Gluon tests share."""

from typing import Any

import numpy

from hybridnet import gluon, init, np
from hybridnet.gluon import nn


def sample(*shape: int, seed: int = 0) -> Any:
    return np.array(numpy.random.default_rng(seed).normal(size=shape).astype(numpy.float32))


class Old(gluon.HybridBlock):
    """MXNet 1.x's style."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.dense = nn.Dense(4)
            self.scale = self.params.get("scale", shape=(4,), init="ones")
            self.shift = self.params.get_constant("shift", [1.0, 2.0, 3.0, 4.0])

    def hybrid_forward(self, F: Any, x: Any, scale: Any, shift: Any) -> Any:
        return F.broadcast_add(F.broadcast_mul(self.dense(x), scale), shift)


class New(gluon.HybridBlock):
    """MXNet 2.x's style, with a parameter whose shape the first input decides."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(4)
        self.scale = gluon.Parameter("scale", shape=(-1,), init=init.One(), allow_deferred_init=True)

    def infer_shape(self, x: Any) -> None:
        self.scale.shape = (x.shape[1],)

    def forward(self, x: Any) -> Any:
        return self.dense(x * self.scale.data(x.device))
