"""Normalisation: batch, layer, group, instance, L2 and root mean square.

Layer and root mean square norm are operators by themselves (:mod:`~hybridnet.ops.nn.row_norm`). Batch, group and
instance norm are two: ``moments`` (:mod:`~hybridnet.ops.nn.moments`), and ``normalize``, which scales and shifts
by them; scale and shift are joined first where they are smaller than the data, so that the data is touched by
one product and one sum, which fuse with what stands beside them. The gradients are the closed
forms: two reductions and one pointwise expression. Statistics of 16-bit data are float32.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet import dtypes
from hybridnet.core import Kind, NDArray, Op, Sample, Spec, apply, broadcast_shapes, call, local, paused_recording, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, normalize_axis, samples, tensor, uniform
from hybridnet.ops.nn.common import along, fill_like, narrow, one_of, sum_to, wide
from hybridnet.ops.nn.moments import CENTRED_SUMS, MOMENTS, root_of
from hybridnet.ops.nn.row_norm import LAYER_NORM, RMS_NORM


def _infer_normalize(x: Spec, *small: Spec, eps: float) -> Spec:
    for s in small:
        if s.ndim != x.ndim or broadcast_shapes("normalize", x.shape, s.shape) != x.shape:
            fail(ShapeError, "normalize", expected=f"parameters that broadcast to {x.shape}", got=str(s.shape))
    return x


def _is_small(x: Any, scale: Any) -> bool:
    """Whether the joined scale is smaller than the data; if not, joining saves nothing."""
    return bool(scale.shape != x.shape)


def _joined_shape(mean: Any, gamma: Any) -> Spec:
    return Spec(broadcast_shapes("normalize", mean.shape, gamma.shape), mean.dtype)


def _normalize(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, *, eps: float) -> Any:
    a, mean, var, gamma, beta = map(wide, (x, mean, var, gamma, beta))
    root = root_of(var, eps)
    if _is_small(x, _joined_shape(mean, gamma)):
        scale = root * gamma
        return narrow(a * scale + (beta - mean * scale), x.dtype)
    return narrow((a - mean) * root * gamma + beta, x.dtype)


def _normalize_rule(
    needs: tuple[bool, ...], of_y: Any, y: Any, x: Any, mean: Any, var: Any, gamma: Any, beta: Any, *, eps: float
) -> tuple[Any, ...]:
    g, mean, var, gamma = map(wide, (of_y, mean, var, gamma))
    root = root_of(var, eps)
    scale = root * gamma
    dx = g * scale
    if not any(needs[1:]):
        return dx, None, None, None, None
    if _is_small(x, scale):
        axis = tuple(i for i, n in enumerate(scale.shape) if n != x.shape[i])
        total, product = apply(CENTRED_SUMS, (of_y, x, mean), {"axis": axis})
        moved = total * scale
    else:
        total, product, moved = g, g * (wide(x) - mean), dx
    return (
        dx if needs[0] else None,
        -sum_to(moved, mean.shape) if needs[1] else None,
        sum_to(product * scale, var.shape) * (-0.5 / (var + eps)) if needs[2] else None,
        product * root if needs[3] else None,
        total if needs[4] else None,
    )


_x = normal(2, 3, 4)
_channel = uniform(0.5, 2.0, 1, 3, 1, seed=1)
NORMALIZE = register(
    Op(
        "normalize",
        Kind.OPAQUE,
        _infer_normalize,
        decomposition=_normalize,
        grad=_normalize_rule,
        saves=(0, 1, 2, 3),
        sample=samples(
            Sample((_x, normal(1, 3, 1), _channel, normal(1, 3, 1, seed=2), normal(1, 3, 1, seed=3)), {"eps": 1e-3}),
            Sample((_x, normal(2, 3, 1), uniform(0.5, 2.0, 2, 3, 1), normal(1, 1, 4, seed=2), normal(1, 1, 4, seed=3)), {"eps": 1e-5}),
            Sample((_x, normal(2, 1, 1), uniform(0.5, 2.0, 2, 1, 1), normal(1, 3, 1, seed=2), normal(1, 3, 1, seed=3)), {"eps": 1e-3}),
            Sample((_x, normal(2, 1, 1), uniform(0.5, 2.0, 2, 1, 1), normal(1, 2, 1), normal(1, 3, 1)), {"eps": 1e-3}, error=ValueError),
        ),
    )
)


def _floating(x: Any) -> Any:
    x = tensor(x)
    return x.astype(dtypes.floating(x.dtype), copy=False)


def _check_size(op: str, name: str, parameter: Any, *sizes: int) -> None:
    if not any(parameter.shape == (n,) for n in sizes):
        fail(ShapeError, op, expected=f"{name} of shape " + " or ".join(f"({n},)" for n in sizes), got=str(parameter.shape))


def batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
) -> Any:
    """(x - mean) / sqrt(var + eps) · gamma + beta over all axes but ``axis``; all parameters have its length.

    In training the statistics are the batch's, and the running ones move towards them in place:
    running = momentum · running + (1 - momentum) · batch, with the biased variance. In prediction, or with
    ``use_global_stats``, they are the running ones. ``fix_gamma`` takes gamma as 1. With
    ``output_mean_var`` the mean and 1 / sqrt(var + eps) that were used follow the result.
    """
    x = _floating(x)
    axis = normalize_axis("batch_norm", axis, x.ndim)
    for name, parameter in (("gamma", gamma), ("beta", beta), ("running_mean", running_mean), ("running_var", running_var)):
        _check_size("batch_norm", name, parameter, x.shape[axis])
    if local.training and not use_global_stats:
        mean, var = apply(MOMENTS, (x,), {"axis": tuple(i for i in range(x.ndim) if i != axis)})
        with paused_recording():
            for running, batch in ((running_mean, mean), (running_var, var)):
                running._assign(running * momentum + call("reshape", batch, shape=running.shape) * (1 - momentum))
    else:
        mean, var = along(wide(running_mean), axis, x.ndim), along(wide(running_var), axis, x.ndim)
    gamma = fill_like(mean, mean.shape, 1) if fix_gamma else along(wide(gamma), axis, x.ndim)
    y = apply(NORMALIZE, (x, mean, var, gamma, along(wide(beta), axis, x.ndim)), {"eps": float(eps)})
    if not output_mean_var:
        return y
    return y, call("reshape", mean, shape=running_mean.shape), call("reshape", root_of(var, eps), shape=running_var.shape)


def fix(gamma: Any) -> None:
    """Write into ``gamma`` the 1 that ``fix_gamma`` takes, as MXNet does, for whoever reads the file.

    Not in a compiled prediction, which writes nothing, nor to what gradients flow through.
    """
    if local.trace is None or (local.training and gamma._tape is None):
        with paused_recording():
            gamma._assign(fill_like(gamma, gamma.shape, 1))


def layer_norm(data: Any, gamma: Any, beta: Any, axis: int = -1, eps: float = 1e-5, output_mean_var: bool = False) -> Any:
    """Each row along ``axis`` brought to mean 0 and variance 1, times gamma plus beta (of the axis's length).

    With ``output_mean_var`` the mean and sqrt(var + eps) follow, with length 1 on ``axis``.
    """
    data = _floating(data)
    axis = normalize_axis("layer_norm", axis, data.ndim)
    for name, parameter in (("gamma", gamma), ("beta", beta)):
        _check_size("layer_norm", name, parameter, data.shape[axis])
    y, mean, var = apply(LAYER_NORM, (data, gamma, beta), {"axis": axis, "eps": float(eps)})
    return (y, mean, call("sqrt", var + eps)) if output_mean_var else y


def group_norm(data: Any, gamma: Any, beta: Any, num_groups: int = 1, eps: float = 1e-5, output_mean_var: bool = False) -> Any:
    """Each group of channels (axis 1) of each sample brought to mean 0 and variance 1, times gamma plus beta.

    ``gamma`` and ``beta`` have one element a channel, or one a group. With ``output_mean_var`` the mean
    and sqrt(var + eps) follow, of shape (batch, num_groups).
    """
    data = _floating(data)
    if data.ndim < 3 or num_groups < 1 or data.shape[1] % num_groups:
        fail(ShapeError, "group_norm", expected=f"3 dimensions or more, channels that {num_groups} groups divide", got=str(data.shape))
    n, channels = data.shape[:2]
    shape = (n, num_groups, channels // num_groups, math.prod(data.shape[2:]))
    parameters = []
    for name, parameter in (("gamma", gamma), ("beta", beta)):
        _check_size("group_norm", name, parameter, channels, num_groups)
        parameters.append(call("reshape", wide(parameter), shape=(1, num_groups, parameter.shape[0] // num_groups, 1)))
    grouped = call("reshape", data, shape=shape)
    mean, var = apply(MOMENTS, (grouped,), {"axis": (2, 3)})
    y = call("reshape", apply(NORMALIZE, (grouped, mean, var, *parameters), {"eps": float(eps)}), shape=data.shape)
    if not output_mean_var:
        return y
    return y, call("reshape", mean, shape=shape[:2]), call("reshape", call("sqrt", var + eps), shape=shape[:2])


def instance_norm(data: Any, gamma: Any, beta: Any, eps: float = 1e-3) -> Any:
    """Each channel (axis 1) of each sample brought to mean 0 and variance 1, times gamma plus beta."""
    data = _floating(data)
    if data.ndim < 3:
        fail(ShapeError, "instance_norm", expected="data of 3 dimensions or more", got=str(data.shape))
    for name, parameter in (("gamma", gamma), ("beta", beta)):
        _check_size("instance_norm", name, parameter, data.shape[1])
    mean, var = apply(MOMENTS, (data,), {"axis": tuple(range(2, data.ndim))})
    return apply(NORMALIZE, (data, mean, var, along(wide(gamma), 1, data.ndim), along(wide(beta), 1, data.ndim)), {"eps": float(eps)})


_L2_AXES = {
    "instance": lambda ndim: tuple(range(1, ndim)),
    "channel": lambda ndim: (1,),
    "spatial": lambda ndim: tuple(range(2, ndim)),
}


def l2_normalization(data: Any, eps: float = 1e-10, mode: str = "instance") -> Any:
    """x / sqrt(sum of x² + eps), over each sample (``instance``), over axis 1 (``channel``), or over axes 2 on (``spatial``)."""
    data = _floating(data)
    axes = _L2_AXES[one_of("l2_normalization", "mode", mode, _L2_AXES)](data.ndim)
    if data.ndim < (3 if mode == "spatial" else 2):
        fail(ShapeError, "l2_normalization", expected=f"data with the axes of mode {mode}", got=str(data.shape))
    x = wide(data)
    return narrow(x * root_of(call("sum", x * x, axis=axes, keepdims=True), eps), data.dtype)


def rms_norm(data: Any, gamma: Any = None, axis: int = -1, eps: float = 1e-6) -> Any:
    """x / sqrt(mean of x² along ``axis`` + eps), times ``gamma`` (of the axis's length) if given."""
    data = _floating(data)
    axis = normalize_axis("rms_norm", axis, data.ndim)
    if isinstance(gamma, NDArray):
        _check_size("rms_norm", "gamma", gamma, data.shape[axis])
    else:
        gamma = fill_like(data, (data.shape[axis],), 1)
    return apply(RMS_NORM, (data, gamma), {"axis": axis, "eps": float(eps)})[0]
