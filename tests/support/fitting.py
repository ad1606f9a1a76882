"""What the tests of training in one call train: a small network on points that are easy to tell apart."""

from typing import Any

import numpy as np

import hybridnet as hn
from hybridnet.gluon import nn
from hybridnet.gluon.training import History

CLASSES = 3


def blobs(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around the corners of a triangle, and which corner: easy to learn."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    corners = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return corners[y] + rng.normal(0, 0.3, (n, 2)), y


def one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[y]


def network(activation: str | None = None, outputs: int = CLASSES, seed: int = 1) -> nn.HybridSequential:
    hn.random.seed(seed)
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="tanh", in_units=2), nn.Dense(outputs, activation=activation, in_units=8))
    net.initialize(hn.init.Xavier())
    return net


def values(net: Any) -> list[np.ndarray]:
    return [p.data().asnumpy().copy() for p in net.collect_params().values()]


def same(a: list[np.ndarray], b: list[np.ndarray], tolerance: float = 1e-6) -> bool:
    return all(np.allclose(x, y, atol=tolerance, rtol=tolerance) for x, y in zip(a, b, strict=True))


def fitted(net: Any, x: Any, y: Any, loss: Any = "softmax_cross_entropy", opt: Any = "adam", **kwargs: Any) -> History:
    net.compile(opt, loss, ["accuracy"], optimizer_params={"learning_rate": 0.05} if isinstance(opt, str) else None)
    return net.fit(x, y, **{"epochs": 8, "batch_size": 16, "verbose": 0, **kwargs})
