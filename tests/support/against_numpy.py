"""Comparing functions of arrays with NumPy's and with finite differences, eager and compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import autograd
from hybridnet.compile import jit
from hybridnet.core import array
from hybridnet.ops.math import reduction

Data = np.ndarray[Any, Any]


def rand(*shape: int, seed: int = 0) -> Data:
    return np.random.default_rng(seed + 100).normal(size=shape)


def same(ours: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    """Compare results, or lists and tuples of them, in shape and value."""
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, tolerance)
        return
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.asnumpy(), theirs, rtol=tolerance, atol=tolerance)


def check_gradient(function: Callable[..., Any], *points: Data, tolerance: float = 1e-6) -> None:
    """The tape's gradient of a random projection of ``function`` against central differences, eager and compiled."""
    weights = rand(*function(*map(array, points)).shape, seed=9)

    def loss(*xs: Any) -> Any:
        return reduction.sum(function(*xs) * array(weights))

    def gradients(f: Callable[..., Any]) -> list[Data]:
        xs = [array(p) for p in points]
        for x in xs:
            x.attach_grad()
        with autograd.record():
            y = f(*xs)
        y.backward()
        return [x.grad.asnumpy() for x in xs]

    found, compiled = gradients(loss), gradients(jit(loss))
    for i, point in enumerate(points):
        expected = np.zeros_like(point)
        for at in np.ndindex(*point.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = point.copy()
                moved[at] += step
                values.append(loss(*[array(moved if j == i else p) for j, p in enumerate(points)]).item())
            expected[at] = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose(found[i], expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(compiled[i], found[i], rtol=1e-10, atol=1e-10)


def same_eager_and_compiled(ours: Callable[..., Any], theirs: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    """Compare a function with NumPy's on the same inputs."""
    expected = theirs(*inputs)
    same(ours(*map(array, inputs)), expected)
    same(jit(ours)(*map(array, inputs)), expected)
