"""Normalisation of samples by themselves: layer, group, instance, L2 and root mean square norm. Batch norm has a file of its own.

Each is one operator. Those of layer and root mean square norm have kernels (:mod:`~hybridnet.ops.nn.row_norm`); the others are
composites, group and instance norm of ``moments`` and :func:`~hybridnet.ops.nn.normalize.normalize`, as batch norm is.
Statistics of 16-bit data are float32.
"""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import ArrayLike, Kind, NDArray, Op, Sample, Spec, apply, call, local, register
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import normal, normalize_axis, reduced_shape, uniform
from hybridnet.ops.nn.common import along, fill_like, narrow, one_of, sum_to, wide, wide_dtype
from hybridnet.ops.nn.moments import MOMENTS, count, moments_slope, root_of
from hybridnet.ops.nn.normalize import check_sizes, floating, normalize, normalize_slopes
from hybridnet.ops.nn.row_norm import LAYER_NORM, RMS_NORM

# -- group and instance norm, by moments ------------------------------------------------------------


def _infer_group(x: Spec, gamma: Spec, beta: Spec, *, groups: int, eps: float) -> tuple[Spec, Spec, Spec]:
    if x.ndim < 3 or groups < 1 or x.shape[1] % groups:
        fail(ShapeError, "group_norm", expected=f"3 dimensions or more, channels that {groups} groups divide", got=str(x.shape))
    check_sizes("group_norm", {"gamma": gamma, "beta": beta}, x.shape[1], groups)
    small = Spec((x.shape[0], groups, 1, 1), wide_dtype(x.dtype))
    return x, small, small


def _in_groups(x: Any, groups: int) -> Any:
    return call("reshape", x, shape=(x.shape[0], groups, x.shape[1] // groups, math.prod(x.shape[2:])))


def _beside_groups(parameter: Any, groups: int) -> Any:
    return call("reshape", wide(parameter), shape=(1, groups, parameter.shape[0] // groups, 1))


def _group_norm(x: Any, gamma: Any, beta: Any, *, groups: int, eps: float) -> tuple[Any, Any, Any]:
    gamma, beta = _beside_groups(gamma, groups), _beside_groups(beta, groups)
    y, mean, var = _normed(_in_groups(x, groups), gamma, beta, eps)
    return call("reshape", y, shape=x.shape), mean, var


def _group_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, gamma: Any, beta: Any, *, groups: int, eps: float) -> tuple[Any, ...]:
    of_y = _in_groups(g[0], groups)
    slopes = _normed_slopes(needs, (of_y, *g[1:]), y, _in_groups(x, groups), _beside_groups(gamma, groups), eps)
    return tuple(None if d is None else call("reshape", d, shape=of.shape) for d, of in zip(slopes, (x, gamma, beta), strict=True))


def _infer_instance(x: Spec, gamma: Spec, beta: Spec, *, eps: float) -> tuple[Spec, Spec, Spec]:
    if x.ndim < 3:
        fail(ShapeError, "instance_norm", expected="data of 3 dimensions or more", got=str(x.shape))
    check_sizes("instance_norm", {"gamma": gamma, "beta": beta}, x.shape[1])
    small = Spec((*x.shape[:2], *(1,) * (x.ndim - 2)), wide_dtype(x.dtype))
    return x, small, small


def _instance_norm(x: Any, gamma: Any, beta: Any, *, eps: float) -> tuple[Any, Any, Any]:
    return _normed(x, along(wide(gamma), 1, x.ndim), along(wide(beta), 1, x.ndim), eps)


def _instance_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, gamma: Any, beta: Any, *, eps: float) -> tuple[Any, ...]:
    slopes = _normed_slopes(needs, g, y, x, along(wide(gamma), 1, x.ndim), eps)
    return tuple(None if d is None else call("reshape", d, shape=of.shape) for d, of in zip(slopes, (x, gamma, beta), strict=True))


def _normed(x: Any, gamma: Any, beta: Any, eps: float) -> tuple[Any, Any, Any]:
    """``x`` normalised over the axes from 2 on, with the mean and the variance."""
    mean, var = apply(MOMENTS, (x,), {"axis": tuple(range(2, x.ndim))})
    return normalize(x, mean, var, gamma, beta, eps), mean, var


def _normed_slopes(needs: tuple[bool, ...], g: Any, y: Any, x: Any, gamma: Any, eps: float) -> tuple[Any, Any, Any]:
    """The gradients of x, and of gamma and beta in their shapes beside it, from those of what :func:`_normed` gives."""
    (of_y, of_mean, of_var), (_, mean, var), reached = g, y, local.propagation.reached
    dx, dmean, dvar, dgamma, dbeta = normalize_slopes(of_y, x, mean, var, gamma, eps, needs[0], needs[0], needs[1] or needs[2])
    if needs[0]:
        dmean, dvar = dmean + of_mean if reached[1] else dmean, dvar + of_var if reached[2] else dvar
        dx = dx + moments_slope(wide(x), mean, dmean, dvar, count(x, tuple(range(2, x.ndim))))
    return dx, *(None if d is None else sum_to(d, gamma.shape) for d in (dgamma, dbeta))


def _sample(shape: tuple[int, ...], n: int, **attrs: Any) -> Sample:
    return Sample((normal(*shape), uniform(0.5, 2, n, seed=1), normal(n, seed=2)), {"eps": 1e-3, **attrs})


GROUP_NORM = register(
    Op(
        "group_norm",
        Kind.OPAQUE,
        _infer_group,
        decomposition=_group_norm,
        grad=_group_rule,
        saves=(0, 1, "y1", "y2"),
        sample=lambda: [
            _sample((2, 4, 3), 4, groups=2),
            _sample((3, 4, 2, 2), 2, groups=2),
            _sample((2, 3, 3), 3, groups=1),
            Sample((normal(2, 3, 4), normal(3), normal(3)), {"groups": 2, "eps": 1e-3}, error=ValueError),
            Sample((normal(2, 4, 4), normal(4), normal(3)), {"groups": 2, "eps": 1e-3}, error=ValueError),
        ],
    )
)
INSTANCE_NORM = register(
    Op(
        "instance_norm",
        Kind.OPAQUE,
        _infer_instance,
        decomposition=_instance_norm,
        grad=_instance_rule,
        saves=(0, 1, "y1", "y2"),
        sample=lambda: [
            _sample((2, 3, 4), 3),
            _sample((3, 2, 2, 3), 2),
            Sample((normal(2, 3), normal(3), normal(3)), {"eps": 1e-3}, error=ValueError),
            Sample((normal(2, 3, 4), normal(4), normal(3)), {"eps": 1e-3}, error=ValueError),
        ],
    )
)


# -- L2 normalisation -------------------------------------------------------------------------------


def _l2(x: Any, *, axis: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    a = wide(x)
    total = call("sum", a * a, axis=axis, keepdims=True)
    return narrow(a * root_of(total, eps), x.dtype), total


def _infer_l2(x: Spec, *, axis: tuple[int, ...], eps: float) -> tuple[Spec, Spec]:
    return x, Spec(reduced_shape(x.shape, axis, True), wide_dtype(x.dtype))


def _l2_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], eps: float) -> Any:
    """(g - x · sum(g · x) / (total + eps)) / sqrt(total + eps), and 2 x times the gradient of the total."""
    a, of_y, root = wide(x), wide(g[0]), root_of(y[1], eps)
    slope = -call("sum", of_y * a, axis=axis, keepdims=True) * root * root * root
    if local.propagation.reached[1]:
        slope = slope + g[1] * 2
    return of_y * root + a * slope


L2_NORMALIZATION = register(
    Op(
        "l2_normalization",
        Kind.OPAQUE,
        _infer_l2,
        decomposition=_l2,
        grad=(_l2_rule,),
        saves=(0, "y1"),
        sample=lambda: [
            Sample((normal(2, 3, 4),), {"axis": (1, 2), "eps": 1e-3}),
            Sample((normal(2, 3, 4),), {"axis": (1,), "eps": 0.1}),
        ],
    )
)


# -- the public functions ---------------------------------------------------------------------------


def layer_norm(data: Any, gamma: Any, beta: Any, axis: int = -1, eps: float = 1e-5, output_mean_var: bool = False) -> Any:
    """Each row along ``axis`` brought to mean 0 and variance 1, times gamma plus beta (of the axis's length).

    With ``output_mean_var`` the mean and sqrt(var + eps) follow, with length 1 on ``axis``.
    """
    data = floating(data)
    axis = normalize_axis("layer_norm", axis, data.ndim)
    check_sizes("layer_norm", {"gamma": gamma, "beta": beta}, data.shape[axis])
    y, mean, var = apply(LAYER_NORM, (data, gamma, beta), {"axis": axis, "eps": float(eps)})
    return (y, mean, call("sqrt", var + eps)) if output_mean_var else y


def group_norm(
    data: ArrayLike, gamma: ArrayLike, beta: ArrayLike, num_groups: int = 1, eps: float = 1e-5, output_mean_var: bool = False
) -> Any:
    """Each group of channels (axis 1) of each sample brought to mean 0 and variance 1, times gamma plus beta.

    ``gamma`` and ``beta`` have one element a channel, or one a group. With ``output_mean_var`` the mean
    and sqrt(var + eps) follow, of shape (batch, num_groups).
    """
    y, mean, var = apply(GROUP_NORM, (floating(data), gamma, beta), {"groups": num_groups, "eps": float(eps)})
    if not output_mean_var:
        return y
    return y, call("reshape", mean, shape=mean.shape[:2]), call("reshape", call("sqrt", var + eps), shape=var.shape[:2])


def instance_norm(data: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float = 1e-3) -> Any:
    """Each channel (axis 1) of each sample brought to mean 0 and variance 1, times gamma plus beta."""
    return apply(INSTANCE_NORM, (floating(data), gamma, beta), {"eps": float(eps)})[0]


_L2_AXES = {
    "instance": lambda ndim: tuple(range(1, ndim)),
    "channel": lambda ndim: (1,),
    "spatial": lambda ndim: tuple(range(2, ndim)),
}


def l2_normalization(data: Any, eps: float = 1e-10, mode: str = "instance") -> Any:
    """x / sqrt(sum of x² + eps), over each sample (``instance``), over axis 1 (``channel``), or over axes 2 on (``spatial``).

    ShapeError if ``data`` has not the axes of the mode.
    """
    data = floating(data)
    axes = _L2_AXES[one_of("l2_normalization", "mode", mode, _L2_AXES)](data.ndim)
    if data.ndim < (3 if mode == "spatial" else 2):
        fail(ShapeError, "l2_normalization", expected=f"data with the axes of mode {mode}", got=str(data.shape))
    return apply(L2_NORMALIZATION, (data,), {"axis": axes, "eps": float(eps)})[0]


def rms_norm(data: Any, gamma: Any = None, axis: int = -1, eps: float = 1e-6) -> Any:
    """x / sqrt(mean of x² along ``axis`` + eps), times ``gamma`` (of the axis's length) if given."""
    data = floating(data)
    axis = normalize_axis("rms_norm", axis, data.ndim)
    if isinstance(gamma, NDArray):
        check_sizes("rms_norm", {"gamma": gamma}, data.shape[axis])
    else:
        gamma = fill_like(data, (data.shape[axis],), 1)
    return apply(RMS_NORM, (data, gamma), {"axis": axis, "eps": float(eps)})[0]
