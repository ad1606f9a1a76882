"""The update operators of classic optimizers, of one weight at a time: by momentum, signs and norms; the adaptive ones stand beside.

They give the new weight, which ``out=weight`` writes; the states are written in place (by the rows of a row_sparse gradient). In all
the gradient is first multiplied by ``rescale_grad`` and then, unless ``clip_gradient`` is negative, cut to plus and minus that. The
operators ``mp_*`` update a float32 copy of a weight of 16 bits, and give it in the weight's dtype. Nothing here is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.core import call
from hybridnet.core.state import paused_recording
from hybridnet.ndarray.attributes import Array
from hybridnet.ndarray.register import classic
from hybridnet.ndarray.row_updates import by_rows


def scaled(grad: Any, rescale_grad: float | Any, clip_gradient: float) -> Any:
    """The gradient as the rules read it: rescaled, and cut where there is a bound."""
    return bounded(grad * rescale_grad, -clip_gradient, clip_gradient) if clip_gradient >= 0 else grad * rescale_grad


def bounded(x: Any, low: float, high: float) -> Any:
    """``x`` with its elements within two numbers."""
    return call("minimum", call("maximum", x, low), high)


def follow(state: Any, value: Any, beta: float) -> Any:
    """beta · state + (1 - beta) · value, written to the state and given."""
    state._assign(state * beta + value * (1 - beta))
    return state


def updated(weight: Any, master: Any, rule: Callable[..., Any], grad: Any, *operands: Any) -> Any:
    """What ``rule(weight, grad, …)`` makes of a weight, in its shape.

    With a float32 ``master`` of the weight, that is updated, and given in the weight's dtype.
    """
    with paused_recording():
        if master is None:
            return rule(weight, grad, *operands)
        master._assign(rule(master, call("cast", grad, dtype=master._data.dtype), *operands))
        return call("cast", master, dtype=weight._data.dtype)


# -- the rules: (weight, grad, states, numbers) to the new weight ---------------------------------


def sgd(w: Any, g: Any, lr: float, wd: float, rescale_grad: float, clip_gradient: float) -> Any:
    """(1 - lr · wd) · weight - lr · grad, of one shape."""
    return w * (1 - lr * wd) - scaled(g, rescale_grad, clip_gradient) * lr


def sgd_momentum(w: Any, g: Any, mom: Any, lr: float, momentum: float, wd: float, rescale_grad: float, clip_gradient: float) -> Any:
    """mom = momentum · mom - lr · (grad + wd · weight); weight + mom. All are of one shape."""
    mom._assign(mom * momentum - w * (lr * wd) - scaled(g, rescale_grad, clip_gradient) * lr)
    return w + mom


def nesterov(w: Any, g: Any, mom: Any, lr: float, momentum: float, wd: float, rescale_grad: float, clip_gradient: float) -> Any:
    """As SGD with momentum, where the weight goes on by momentum · mom after the step of the gradient. All are of one shape."""
    step = (scaled(g, rescale_grad, clip_gradient) + w * wd) * lr
    mom._assign(mom * momentum - step)
    return w + mom * momentum - step


def lamb_direction(
    w: Any,
    g: Any,
    mean: Any,
    var: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    t: int,
    correct: bool,
    wd: float,
    rescale: float,
    clip: float,
) -> Any:
    """mean / (sqrt(var) + epsilon) + wd · weight, in which the moments have followed the gradient and may be freed of their bias.

    All are of one shape.
    """
    g = scaled(g, rescale, clip)
    follow(mean, g, beta1)
    follow(var, call("square", g), beta2)
    m, v = (mean / (1 - beta1**t), var / (1 - beta2**t)) if correct else (mean, var)
    return m / (call("sqrt", v) + epsilon) + w * wd


def lamb_step(w: Any, g: Any, r1: Any, r2: Any, lr: float, lower_bound: float, upper_bound: float) -> Any:
    """weight - lr · r1 / r2 · g, where ``r1``, the weight's norm, of shape (1,), is bounded, and the ratio is 1 where either norm is 0."""
    if lower_bound >= 0:
        r1 = call("maximum", r1, lower_bound)
    if upper_bound >= 0:
        r1 = call("minimum", r1, upper_bound)
    none = call("logical_or", call("equal", r1, 0), call("equal", r2, 0))
    ratio = call("where", none, 1.0, r1 / call("where", none, 1.0, r2))
    return w - g * (ratio * lr)


def adamw(
    w: Any,
    g: Any,
    mean: Any,
    var: Any,
    scale: Any,
    lr: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    wd: float,
    eta: float,
    clip: float,
) -> Any:
    """weight - eta · (lr · mean / (sqrt(var) + epsilon) + wd · weight).

    Nothing changes where ``scale``, of shape (1,), is 0 or no finite number.
    """
    wanted = call("logical_and", call("isfinite", scale), call("not_equal", scale, 0))
    g = scaled(g, call("where", wanted, scale, 1.0), clip)
    m, v = mean * beta1 + g * (1 - beta1), var * beta2 + call("square", g) * (1 - beta2)
    mean._assign(call("where", wanted, m, mean))
    var._assign(call("where", wanted, v, var))
    return call("where", wanted, w - (m / (call("sqrt", v) + epsilon) * lr + w * wd) * eta, w)


# -- SGD ------------------------------------------------------------------------------------------


@classic("sgd_update", by_class=True)
def sgd_update(
    weight: Array,
    grad: Array,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> Any:
    """(1 - lr · wd) · weight - lr · grad. All arrays are of one shape."""
    return by_rows(weight, grad, (), lambda w, g: sgd(w, g, lr, wd, rescale_grad, clip_gradient), lazy_update)


@classic("sgd_mom_update", aux=("mom",))
def sgd_mom_update(
    weight: Array,
    grad: Array,
    mom: Array,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> Any:
    """mom = momentum · mom - lr · (grad + wd · weight); gives weight + mom. All arrays are of one shape."""
    numbers = lr, momentum, wd, rescale_grad, clip_gradient
    return by_rows(weight, grad, (mom,), lambda w, g, m: sgd_momentum(w, g, m, *numbers), lazy_update)


@classic("mp_sgd_update", aux=("weight32",))
def mp_sgd_update(
    weight: Array,
    grad: Array,
    weight32: Array,
    lr: float,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> Any:
    """``sgd_update`` of ``weight32``. All arrays are of one shape."""
    return updated(weight, weight32, sgd, grad, lr, wd, rescale_grad, clip_gradient)


@classic("mp_sgd_mom_update", aux=("mom", "weight32"))
def mp_sgd_mom_update(
    weight: Array,
    grad: Array,
    mom: Array,
    weight32: Array,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> Any:
    """``sgd_mom_update`` of ``weight32``. All arrays are of one shape."""
    return updated(weight, weight32, sgd_momentum, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient)


@classic("nag_mom_update", aux=("mom",))
def nag_mom_update(
    weight: Array,
    grad: Array,
    mom: Array,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> Any:
    """Nesterov's momentum: step = lr · (grad + wd · weight), mom = momentum · mom - step; gives weight + momentum · mom - step.

    All arrays are of one shape.
    """
    return updated(weight, None, nesterov, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient)


@classic("mp_nag_mom_update", aux=("mom", "weight32"))
def mp_nag_mom_update(
    weight: Array,
    grad: Array,
    mom: Array,
    weight32: Array,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> Any:
    """``nag_mom_update`` of ``weight32``. All arrays are of one shape."""
    return updated(weight, weight32, nesterov, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient)


@classic("signsgd_update", by_class=True)
def signsgd_update(weight: Array, grad: Array, lr: float, wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0) -> Any:
    """(1 - lr · wd) · weight - lr · sign(grad), which no ``clip_gradient`` changes. All arrays are of one shape."""
    return updated(weight, None, lambda w, g: w * (1 - lr * wd) - call("sign", g) * lr, grad * rescale_grad)


@classic("signum_update", aux=("mom",))
def signum_update(
    weight: Array,
    grad: Array,
    mom: Array,
    lr: float,
    momentum: float = 0.0,
    wd: float = 0.0,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
    wd_lh: float = 0.0,
) -> Any:
    """mom follows -(grad + wd · weight); gives (1 - lr · wd_lh) · weight + lr · sign(mom). All arrays are of one shape."""

    def rule(w: Any, g: Any) -> Any:
        moved = follow(mom, -(scaled(g, rescale_grad, clip_gradient) + w * wd), momentum)
        return w * (1 - lr * wd_lh) + call("sign", moved) * lr

    return updated(weight, None, rule, grad)


# -- LAMB and AdamW -------------------------------------------------------------------------------


@classic("lamb_update_phase1", aux=("mean", "var"))
def lamb_update_phase1(
    weight: Array,
    grad: Array,
    mean: Array,
    var: Array,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    *,
    t: int,
    bias_correction: bool = True,
    wd: float,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> Any:
    """LAMB's direction: mean / (sqrt(var) + epsilon) + wd · weight, of the moments at update ``t``. All arrays are of one shape."""
    numbers = beta1, beta2, epsilon, t, bias_correction, wd, rescale_grad, clip_gradient
    return updated(weight, None, lamb_direction, grad, mean, var, *numbers)


@classic("mp_lamb_update_phase1", aux=("mean", "var", "weight32"))
def mp_lamb_update_phase1(
    weight: Array,
    grad: Array,
    mean: Array,
    var: Array,
    weight32: Array,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    *,
    t: int,
    bias_correction: bool = True,
    wd: float,
    rescale_grad: float = 1.0,
    clip_gradient: float = -1.0,
) -> Any:
    """LAMB's direction for ``weight32``, in float32. All arrays are of one shape."""
    numbers = beta1, beta2, epsilon, t, bias_correction, wd, rescale_grad, clip_gradient
    with paused_recording():
        return lamb_direction(weight32, call("cast", grad, dtype=weight32._data.dtype), mean, var, *numbers)


@classic("lamb_update_phase2", by_class=True)
def lamb_update_phase2(
    weight: Array, g: Array, r1: Array, r2: Array, lr: float, lower_bound: float = -1.0, upper_bound: float = -1.0
) -> Any:
    """weight - lr · r1 / r2 · g: ``g`` from the first phase, ``r1`` and ``r2``, of shape (1,), the norms of the weight and of it.

    ``r1`` is cut to the bounds that are not negative. The ratio is 1 where either norm is 0.
    """
    return updated(weight, None, lamb_step, g, r1, r2, lr, lower_bound, upper_bound)


@classic("mp_lamb_update_phase2", aux=("weight32",))
def mp_lamb_update_phase2(
    weight: Array, g: Array, r1: Array, r2: Array, weight32: Array, lr: float, lower_bound: float = -1.0, upper_bound: float = -1.0
) -> Any:
    """``lamb_update_phase2`` of ``weight32``, of the shape of ``weight``; ``r1`` and ``r2`` are of shape (1,)."""
    return updated(weight, weight32, lamb_step, g, r1, r2, lr, lower_bound, upper_bound)


@classic("_adamw_update", aux=("mean", "var"))
def adamw_update(
    weight: Array,
    grad: Array,
    mean: Array,
    var: Array,
    rescale_grad: Array,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    *,
    eta: float,
    clip_gradient: float = -1.0,
) -> Any:
    """Adam with the decay apart: weight - eta · (lr · mean / (sqrt(var) + epsilon) + wd · weight).

    Arrays are of one shape, but ``rescale_grad`` of shape (1,): where it is 0 or no finite number, nothing changes.
    """
    numbers = lr, beta1, beta2, epsilon, wd, eta, clip_gradient
    return updated(weight, None, adamw, grad, mean, var, rescale_grad, *numbers)


@classic("_mp_adamw_update", aux=("mean", "var", "weight32"))
def mp_adamw_update(
    weight: Array,
    grad: Array,
    mean: Array,
    var: Array,
    weight32: Array,
    rescale_grad: Array,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: float = 0.0,
    *,
    eta: float,
    clip_gradient: float = -1.0,
) -> Any:
    """``_adamw_update`` of ``weight32``. Arrays are of one shape, but ``rescale_grad`` of shape (1,)."""
    numbers = lr, beta1, beta2, epsilon, wd, eta, clip_gradient
    return updated(weight, weight32, adamw, grad, mean, var, call("cast", rescale_grad, dtype=weight32._data.dtype), *numbers)


# -- Adam's kin -----------------------------------------------------------------------------------
