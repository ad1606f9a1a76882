"""The update operators of optimizers that divide by averages of squares, ``adam_update`` to ``rmspropalex_update``.

As :mod:`~hybridnet.ndarray.updates` has it: they give the new weight and write the states, and nothing is recorded.
"""

from __future__ import annotations

from typing import Any

from hybridnet.core import call
from hybridnet.ndarray.attributes import Array
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.row_updates import by_rows
from hybridnet.ndarray.updates import follow, scaled, updated


@classic("adam_update", aux=("mean", "var"))
def adam_update(
    weight: Array,
    grad: Array,
    mean: Array,
    var: Array,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> Any:
    """weight - lr · mean / (sqrt(var) + epsilon), of the moments of grad + wd · weight, which is cut. All arrays are of one shape."""

    def rule(w: Any, g: Any, m: Any, v: Any) -> Any:
        g = scaled(g * rescale_grad + w * wd, 1.0, clip_gradient)
        return w - follow(m, g, beta1) * lr / (call("sqrt", follow(v, call("square", g), beta2)) + epsilon)

    return by_rows(weight, grad, (mean, var), rule, lazy_update)


@classic("ftml_update", aux=("d", "v", "z"))
def ftml_update(
    weight: Array,
    grad: Array,
    d: Array,
    v: Array,
    z: Array,
    lr: float,
    beta1: float = 0.6,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    *,
    t: int,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_grad: float = -1.0,
) -> Any:
    """Follow the moving leader, at update ``t``: gives -z / d. All arrays are of one shape."""

    def rule(w: Any, g: Any) -> Any:
        g = scaled(g * rescale_grad + w * wd, 1.0, clip_grad)
        follow(v, call("square", g), beta2)
        scale = (call("sqrt", v / (1 - beta2**t)) + epsilon) * ((1 - beta1**t) / lr)
        z._assign(z * beta1 + g * (1 - beta1) - (scale - d * beta1) * w)
        d._assign(scale)
        return -z / scale

    return updated(weight, None, rule, grad)


@classic("ftrl_update", aux=("z", "n"))
def ftrl_update(
    weight: Array,
    grad: Array,
    z: Array,
    n: Array,
    lr: float,
    lamda1: float = 0.01,
    beta: float = 1.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> Any:
    """Follow the regularised leader: 0 where abs(z) is at most ``lamda1``. All arrays are of one shape."""

    def rule(w: Any, g: Any, z: Any, n: Any) -> Any:
        g = scaled(g, rescale_grad, clip_gradient)
        after = n + call("square", g)
        z._assign(z + g - (call("sqrt", after) - call("sqrt", n)) * w / lr)
        n._assign(after)
        step = (call("sign", z) * lamda1 - z) / ((call("sqrt", n) + beta) / lr + wd)
        return call("where", call("greater", call("absolute", z), lamda1), step, 0.0)

    return by_rows(weight, grad, (z, n), rule, weight.stype == "row_sparse")


@classic("rmsprop_update", aux=("n",))
def rmsprop_update(
    weight: Array,
    grad: Array,
    n: Array,
    lr: float,
    gamma1: float = 0.95,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    clip_weights: float = -1.0,
) -> Any:
    """n follows g²; weight - lr · g / sqrt(n + epsilon), of g = grad + wd · weight, cut. All arrays are of one shape."""

    def rule(w: Any, g: Any) -> Any:
        g = scaled(g * rescale_grad + w * wd, 1.0, clip_gradient)
        follow(n, call("square", g), gamma1)
        return scaled(w - g * lr / call("sqrt", n + epsilon), 1.0, clip_weights)

    return updated(weight, None, rule, grad)


@classic("rmspropalex_update", aux=("n", "g", "delta"))
def rmspropalex_update(
    weight: Array,
    grad: Array,
    n: Array,
    g: Array,
    delta: Array,
    lr: float,
    gamma1: float = 0.95,
    gamma2: float = 0.9,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    clip_weights: float = -1.0,
) -> Any:
    """RMSProp with the mean ``g`` taken off and a momentum ``gamma2`` of ``delta``. All arrays are of one shape."""

    def rule(w: Any, gradient: Any) -> Any:
        gradient = scaled(gradient * rescale_grad + w * wd, 1.0, clip_gradient)
        follow(n, call("square", gradient), gamma1)
        follow(g, gradient, gamma1)
        delta._assign(delta * gamma2 - gradient * lr / call("sqrt", n - call("square", g) + epsilon))
        return scaled(w + delta, 1.0, clip_weights)

    return updated(weight, None, rule, grad)
