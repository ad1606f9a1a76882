"""Batch norm by the batch's own statistics, and its gradients, each as one operator: what a library computes in one go.

Both are composites of :mod:`~hybridnet.ops.nn.moments` and :mod:`~hybridnet.ops.nn.normalize`, written out where no library computes
them. Neither has a gradient of its own: ``batch_norm``, which is made of them, has one.
"""

from __future__ import annotations

from typing import Any

from hybridnet import dtypes
from hybridnet.core import Kind, Op, Permuted, Sample, Spec, apply, call, on_cpu, permutes, register
from hybridnet.core.kernel import HostCall
from hybridnet.device import onednn, refusals
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, reduced_shape, uniform
from hybridnet.ops.nn.common import along, fill_like, wide, wide_dtype
from hybridnet.ops.nn.moments import MOMENTS, count, moments_slope
from hybridnet.ops.nn.normalize import check_sizes, normalize, normalize_slopes


def others(x: Any, axis: int) -> tuple[int, ...]:
    """All axes of ``x`` but one."""
    return tuple(i for i in range(x.ndim) if i != axis)


def scale_of(gamma: tuple[Any, ...], mean: Any, axis: int) -> Any:
    """Gamma of shape (channels,) along ``axis``, as the mean is; 1 where none is given."""
    return along(wide(gamma[0]), axis, mean.ndim) if gamma else fill_like(mean, mean.shape, 1)


def _statistic(x: Spec, axis: int) -> Spec:
    return Spec(reduced_shape(x.shape, others(x, axis), True), wide_dtype(x.dtype))


def _infer_forward(x: Spec, *parameters: Spec, axis: int, eps: float) -> tuple[Spec, ...]:
    check_sizes("batch_norm_forward", dict(zip(("beta", "gamma"), reversed(parameters), strict=False)), x.shape[axis])
    return x, _statistic(x, axis), _statistic(x, axis)


def _forward(x: Any, *parameters: Any, axis: int, eps: float) -> tuple[Any, ...]:
    """The result, mean and variance; of the parameters the last is beta, gamma may come before it."""
    *gamma, beta = parameters
    mean, var = apply(MOMENTS, (x,), {"axis": others(x, axis)})
    return normalize(x, mean, var, scale_of(tuple(gamma), mean, axis), along(wide(beta), axis, x.ndim), eps), mean, var


def _infer_backward(of_y: Spec, x: Spec, mean: Spec, var: Spec, *gamma: Spec, axis: int, eps: float) -> tuple[Spec, ...]:
    small, n = _statistic(x, axis), x.shape[axis]
    if of_y.shape != x.shape or {mean.shape, var.shape} != {small.shape}:
        expected = f"a gradient, a mean and a variance for data {x.shape}"
        fail(ShapeError, "batch_norm_backward", expected=expected, got=f"{of_y.shape}, {mean.shape} and {var.shape}")
    check_sizes("batch_norm_backward", dict(zip(("gamma",), gamma, strict=False)), n)
    return (Spec(x.shape, small.dtype), *[Spec((n,), small.dtype)] * (1 + len(gamma)))


def _backward(of_y: Any, x: Any, mean: Any, var: Any, *gamma: Any, axis: int, eps: float) -> tuple[Any, ...]:
    """The gradients, wide: of the data, of gamma, if it is given, and of beta."""
    mean, var = wide(mean), wide(var)
    slopes = normalize_slopes(of_y, x, mean, var, scale_of(gamma, mean, axis), eps, True, True, True)
    dx = slopes.x + moments_slope(wide(x), mean, slopes.mean, slopes.var, count(x, others(x, axis)))
    shape = (x.shape[axis],)
    return dx, *(call("reshape", slopes.gamma, shape=shape) for _ in gamma), call("reshape", slopes.beta, shape=shape)


def _library(backward: bool, x: Spec, given: tuple[Spec, ...], axis: int, eps: float, scaled: bool) -> HostCall | None:
    if not onednn.available():
        return None
    wanted = onednn.BatchNorm(backward, x.shape, axis, eps, scaled)
    if any(v.dtype != dtypes.float32 for v in given):
        refusals.tell(onednn.NAME, wanted, "it is asked for float32 alone")
        return None
    if not (2 <= x.ndim <= 5 and axis):
        refusals.tell(onednn.NAME, wanted, "it takes channels behind a batch, in two to five dimensions")
        return None
    return onednn.plan(wanted)


def _forward_call(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float) -> HostCall | None:
    return _library(False, inputs[0], inputs, axis, eps, len(inputs) == 3)


def _backward_call(inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], *, axis: int, eps: float) -> HostCall | None:
    return _library(True, inputs[1], inputs, axis, eps, len(inputs) == 5)


def _forward_permuted(order: tuple[int, ...], *specs: Spec, axis: int, eps: float) -> Permuted:
    return Permuted({"axis": order.index(axis), "eps": eps}, (True, *[False] * (len(specs) - 1)), (True, True, True))


def _backward_permuted(order: tuple[int, ...], *specs: Spec, axis: int, eps: float) -> Permuted:
    parameters = len(specs) - 4
    return Permuted({"axis": order.index(axis), "eps": eps}, (*[True] * 4, *[False] * parameters), (True, *[False] * (1 + parameters)))


_CASES: tuple[tuple[tuple[int, ...], int], ...] = (((2, 3, 4), 1), ((5, 2, 3), 2), ((4, 3), 1), ((2, 16, 3, 4), 1), ((2, 3, 4, 32), 3))


def _forward_sample(shape: tuple[int, ...], axis: int, scaled: bool) -> Sample:
    n = shape[axis]
    parameters = [uniform(0.5, 2, n, seed=1)] * scaled + [normal(n, seed=2)]
    return Sample((normal(*shape), *parameters), {"axis": axis, "eps": 1e-3}, differentiable=False)


def _backward_sample(shape: tuple[int, ...], axis: int, scaled: bool) -> Sample:
    x, n = normal(*shape), shape[axis]
    over = tuple(i for i in range(len(shape)) if i != axis)
    gamma = [uniform(0.5, 2, n, seed=1)] * scaled
    inputs = (normal(*shape, seed=3), x, x.mean(over, keepdims=True), x.var(over, keepdims=True), *gamma)
    return Sample(inputs, {"axis": axis, "eps": 1e-3}, differentiable=False)


BATCH_NORM_FORWARD = register(
    Op(
        "batch_norm_forward",
        Kind.OPAQUE,
        _infer_forward,
        decomposition=_forward,
        sample=lambda: [
            *(_forward_sample(*case, scaled) for case in _CASES for scaled in (True, False)),
            Sample((normal(2, 3, 4), normal(3), normal(4)), {"axis": 1, "eps": 1e-3}, error=ValueError),
        ],
    )
)
on_cpu(BATCH_NORM_FORWARD, _forward_call)
permutes(BATCH_NORM_FORWARD, _forward_permuted)

BATCH_NORM_BACKWARD = register(
    Op(
        "batch_norm_backward",
        Kind.OPAQUE,
        _infer_backward,
        decomposition=_backward,
        sample=lambda: [
            *(_backward_sample(*case, scaled) for case in _CASES for scaled in (True, False)),
            Sample((normal(2, 3), normal(2, 4), normal(1, 4), normal(1, 4)), {"axis": 1, "eps": 1e-3}, error=ValueError),
        ],
    )
)
on_cpu(BATCH_NORM_BACKWARD, _backward_call)
permutes(BATCH_NORM_BACKWARD, _backward_permuted)
