"""Updates of many weights in one call: ``multi_*``, ``preloaded_multi_*``, and what their callers need besides.

The arrays of the first weight come first: the weight, its gradient, its states and, in the operators ``multi_mp_*``, its float32
copy; then those of the second. They give the new weights, which ``out=[…]`` writes, and write the states in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import dtypes
from hybridnet.core import call
from hybridnet.core.state import paused_recording
from hybridnet.errors import ArgumentError, fail
from hybridnet.ndarray.attributes import Array, Floats, Shape
from hybridnet.ndarray.record import Attributes, numbered
from hybridnet.ndarray.register import arrays_of, classic
from hybridnet.ndarray.types import always
from hybridnet.ndarray.updates import adamw, lamb_direction, lamb_step, sgd, sgd_momentum, updated


def _inputs(parts: Sequence[str], count: str, *last: str) -> Callable[[Attributes], list[str]]:
    """The names of the inputs: ``parts`` of each weight, then ``last``."""
    return lambda a: [*(f"{part}_{i}" for i in range(a[count]) for part in parts), *last]


def _parts(with_momentum: bool, mixed: bool) -> list[str]:
    return ["weight", "grad", *(["mom"] if with_momentum else []), *(["weight32"] if mixed else [])]


def _grouped(op: str, arrays: Sequence[Any], count: int, size: int, *numbers: tuple[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The arrays weight by weight, ``size`` of each; ArgumentError unless there are so many, and numbers for every weight."""
    if len(arrays) != count * size:
        fail(ArgumentError, op, expected=f"{size} arrays for each of {count} weights", got=str(len(arrays)))
    for name, given in numbers:
        if len(given) != count:
            fail(ArgumentError, op, expected=f"{name}: one for each of {count} weights", got=str(len(given)))
    return [tuple(arrays[i : i + size]) for i in range(0, len(arrays), size)]


def _sgd(
    op: str, arrays: Sequence[Any], count: int, mixed: bool, lrs: Any, wds: Any, momentum: float | None, numbers: tuple[float, float]
) -> Any:
    """SGD of all weights, with momentum if there is one."""
    size = len(_parts(momentum is not None, mixed))
    results = []
    for i, (weight, grad, *states) in enumerate(_grouped(op, arrays, count, size, ("lrs", lrs), ("wds", wds))):
        master = states.pop() if mixed else None
        if momentum is None:
            results.append(updated(weight, master, sgd, grad, lrs[i], wds[i], *numbers))
        else:
            results.append(updated(weight, master, sgd_momentum, grad, states[0], lrs[i], momentum, wds[i], *numbers))
    return results


def _weights(a: Attributes) -> tuple[str, ...]:
    return numbered(a["num_weights"])


def _enter_sgd(mixed: bool) -> None:
    """``multi_[mp_]sgd_[mom_]update`` and the same with the rates in arrays, ``preloaded_…``: their last two inputs."""
    mp = "mp_" if mixed else ""
    plain, moving = _parts(False, mixed), _parts(True, mixed)
    last = ("lrs", "wds")

    @classic(f"multi_{mp}sgd_update", inputs=_inputs(plain, "num_weights"), outputs=_weights, by_class=True)
    def multi_sgd_update(
        *data: Array, lrs: Floats, wds: Floats, rescale_grad: float = 1.0, clip_gradient: float = -1.0, num_weights: int = 1
    ) -> Any:
        """``sgd_update`` of ``num_weights`` weights, each of a shape of its own, with a rate and a decay for each."""
        numbers = rescale_grad, clip_gradient
        return _sgd(f"multi_{mp}sgd_update", arrays_of(data), num_weights, mixed, lrs, wds, None, numbers)

    @classic(f"multi_{mp}sgd_mom_update", inputs=_inputs(moving, "num_weights"), outputs=_weights, by_class=True)
    def multi_sgd_mom_update(
        *data: Array,
        lrs: Floats,
        wds: Floats,
        momentum: float = 0.0,
        rescale_grad: float = 1.0,
        clip_gradient: float = -1.0,
        num_weights: int = 1,
    ) -> Any:
        """``sgd_mom_update`` of ``num_weights`` weights, each of a shape of its own, with a rate and a decay for each."""
        numbers = rescale_grad, clip_gradient
        return _sgd(f"multi_{mp}sgd_mom_update", arrays_of(data), num_weights, mixed, lrs, wds, momentum, numbers)

    @classic(f"preloaded_multi_{mp}sgd_update", inputs=_inputs(plain, "num_weights", *last), outputs=_weights, by_class=True)
    def preloaded_multi_sgd_update(*data: Array, rescale_grad: float = 1.0, clip_gradient: float = -1.0, num_weights: int = 1) -> Any:
        """``sgd_update`` of ``num_weights`` weights; the last two arrays, of shape (num_weights,), are their rates and decays."""
        *arrays, lrs, wds = arrays_of(data)
        numbers = rescale_grad, clip_gradient
        return _sgd(f"preloaded_multi_{mp}sgd_update", arrays, num_weights, mixed, lrs, wds, None, numbers)

    @classic(f"preloaded_multi_{mp}sgd_mom_update", inputs=_inputs(moving, "num_weights", *last), outputs=_weights, by_class=True)
    def preloaded_multi_sgd_mom_update(
        *data: Array, momentum: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float = -1.0, num_weights: int = 1
    ) -> Any:
        """``sgd_mom_update`` of ``num_weights`` weights; the last two arrays, of shape (num_weights,), are their rates and decays."""
        *arrays, lrs, wds = arrays_of(data)
        numbers = rescale_grad, clip_gradient
        return _sgd(f"preloaded_multi_{mp}sgd_mom_update", arrays, num_weights, mixed, lrs, wds, momentum, numbers)


def _enter_adaptive(mixed: bool) -> None:
    """``_multi_[mp_]adamw_update`` and ``_multi_[mp_]lamb_update``."""
    mp = "mp_" if mixed else ""
    parts = ["weight", "grad", "mean", "var", *(["weight32"] if mixed else [])]

    @classic(f"_multi_{mp}adamw_update", inputs=_inputs(parts, "num_weights", "rescale_grad"), outputs=_weights, by_class=True)
    def multi_adamw_update(
        *data: Array,
        lrs: Floats,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        wds: Floats,
        etas: Floats,
        clip_gradient: float = -1.0,
        num_weights: int = 1,
    ) -> Any:
        """``_adamw_update`` of ``num_weights`` weights; the last array, of shape (1,), is ``rescale_grad``."""
        *arrays, scale = arrays_of(data)
        given = ("lrs", lrs), ("wds", wds), ("etas", etas)
        results = []
        for i, (weight, grad, mean, var, *master) in enumerate(_grouped("multi_adamw_update", arrays, num_weights, len(parts), *given)):
            numbers = lrs[i], beta1, beta2, epsilon, wds[i], etas[i], clip_gradient
            results.append(updated(weight, master[0] if master else None, adamw, grad, mean, var, scale, *numbers))
        return results

    @classic(f"_multi_{mp}lamb_update", inputs=_inputs(parts, "num_tensors"), outputs=lambda a: numbered(a["num_tensors"]), by_class=True)
    def multi_lamb_update(
        *data: Array,
        learning_rates: Floats,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        wds: Floats,
        rescale_grad: float = 1.0,
        lower_bound: float = -1.0,
        upper_bound: float = -1.0,
        clip_gradient: float = -1.0,
        bias_correction: bool = True,
        step_count: Shape,
        num_tensors: int = 1,
    ) -> Any:
        """Both phases of LAMB for ``num_tensors`` weights, each of a shape of its own, at its update ``step_count``."""

        def rule(w: Any, g: Any, mean: Any, var: Any, lr: float, wd: float, t: int) -> Any:
            numbers = beta1, beta2, epsilon, t, bias_correction, wd, rescale_grad, clip_gradient
            direction = lamb_direction(w, g, mean, var, *numbers)
            return lamb_step(w, direction, _norm(w), _norm(direction), lr, lower_bound, upper_bound)

        given = ("learning_rates", learning_rates), ("wds", wds), ("step_count", step_count)
        results = []
        groups = _grouped("multi_lamb_update", arrays_of(data), num_tensors, len(parts), *given)
        for i, (weight, grad, mean, var, *master) in enumerate(groups):
            numbers = learning_rates[i], wds[i], step_count[i]
            results.append(updated(weight, master[0] if master else None, rule, grad, mean, var, *numbers))
        return results


for _mixed in (False, True):
    _enter_sgd(_mixed)
    _enter_adaptive(_mixed)


# -- what rates are made from ---------------------------------------------------------------------


def _sum_of_squares(x: Any) -> Any:
    """One number, summed in float32."""
    return call("sum", call("square", call("cast", x, dtype="float32")), axis=tuple(range(x.ndim)), keepdims=False)


def _norm(x: Any) -> Any:
    return call("sqrt", call("reshape", _sum_of_squares(x), shape=(1,)))


@classic("multi_sum_sq", inputs=lambda a: [f"array_{i}" for i in range(a["num_arrays"])], types=always(dtypes.float32), by_class=True)
def multi_sum_sq(*data: Array, num_arrays: int | None = None) -> Any:
    """The sum of squares of each array, as float32 of shape (number of arrays,). The arrays are of any shapes."""
    return call("concatenate", *(call("reshape", _sum_of_squares(x), shape=(1,)) for x in arrays_of(data)), axis=0)


@classic("multi_lars", by_class=True)
def multi_lars(
    lrs: Array, weights_sum_sq: Array, grads_sum_sq: Array, wds: Array, eta: float, eps: float, rescale_grad: float = 1.0
) -> Any:
    """LARS's rate of each weight: lr · eta · ‖w‖ / (‖g‖ · rescale_grad + wd · ‖w‖ + eps), or lr where a norm is 0.

    All arrays are of shape (number of weights,); the norms come as squares, from ``multi_sum_sq``.
    """
    w, g = call("sqrt", weights_sum_sq), call("sqrt", grads_sum_sq) * rescale_grad
    some = call("logical_and", call("greater", weights_sum_sq, 0), call("greater", grads_sum_sq, 0))
    return lrs * call("where", some, w * eta / (g + wds * w + eps), 1.0)


@classic("reset_arrays", inputs=lambda a: [f"array_{i}" for i in range(a["num_arrays"])], outputs=(), by_class=True)
def reset_arrays(*data: Array, num_arrays: int | None = None) -> Any:
    """Makes all elements of the arrays, of any shapes, 0, in place; gives nothing, as an empty list."""
    with paused_recording():
        for x in arrays_of(data):
            x[...] = 0
    return []
