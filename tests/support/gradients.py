"""The gradients of operators against differences of their values, of the first and of the second order."""

from typing import Any

import numpy as np
import pytest
from support.samples import Projected, as_array, directions, drawn, inner, slope, wide

from hybridnet import autograd
from hybridnet.core import Op, Sample


def check_gradient(op: Op, sample: Sample) -> None:
    """The tape's gradient is the slope of the operator, in float64 by central differences."""
    f = Projected(op, sample)
    step, tolerance = (1e-6, 2e-6) if f.exact else (1e-2, 2e-3)
    point = f.point()
    arrays = f.variables(point)
    gradients = f.gradients(arrays)
    for x, old in zip(arrays, point, strict=True):
        np.testing.assert_array_equal(wide(x), old, "an input was modified")
    for i, d in directions(point[: len(f.places)], 3):
        g = gradients[i]
        assert g is None or (g.shape, g.dtype) == (point[i].shape, point[i].dtype)
        analytic = 0.0 if g is None else inner(g, d)
        numeric = slope(f.value, point, i, d, step)
        assert analytic == pytest.approx(numeric, rel=tolerance, abs=tolerance), f"input {f.places[i]}"


def check_second_gradient(op: Op, sample: Sample) -> None:
    """The gradient of a projection of the gradient, with respect to the inputs and to the head gradients."""
    f = Projected(op, sample)
    if not f.exact:
        return  # a cast: differences of a rounded result say nothing of its second derivative
    point = f.point()
    rng = np.random.default_rng(13)
    weights = [drawn(rng, x) for x in point[: len(f.places)]]

    def projected(gradients: list[Any]) -> float:
        return sum(inner(g, w) for g, w in zip(gradients, weights, strict=True) if g is not None)

    arrays = f.variables(point)
    gradients = f.gradients(arrays, create_graph=True)
    heads = [(g, as_array(w)) for g, w in zip(gradients, weights, strict=True) if g is not None and g._tape is not None]
    second: list[Any] = [None] * len(point)
    if heads:
        gs, ws = map(list, zip(*heads, strict=True))
        for x in arrays:
            x.grad[...] = 0
        autograd.backward(gs, ws)
        second = [x.grad for x in arrays]
    for i, d in directions(point, 2):
        analytic = 0.0 if second[i] is None else inner(second[i], d)
        numeric = slope(lambda p: projected(f.gradients(f.variables(p))), point, i, d, 1e-6)
        what = f"input {f.places[i]}" if i < len(f.places) else f"head gradient {i - len(f.places)}"
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-5), what
