"""Scaling and shifting by given statistics, and its gradients: what batch, group and instance norm are made of, beside their moments.

Scale and shift are joined first where they are smaller than the data, so that the data is touched by one product and one
sum, which fuse with what stands beside them. The gradients are the closed forms: two sums (``centred_sums``) and one
pointwise expression. Both are plain functions; the operators that call them are composites.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Spec, apply, broadcast_shapes
from hybridnet.errors import ShapeError, fail
from hybridnet.ops.common import tensor
from hybridnet.ops.nn.common import narrow, sum_to, wide
from hybridnet.ops.nn.moments import CENTRED_SUMS, root_of


def floating(x: ArrayLike) -> Any:
    """``x`` as an array of a floating type."""
    x = tensor(x)
    return x.astype(dtypes.floating(x.dtype), copy=False)


def check_sizes(op: str, parameters: dict[str, Any], *sizes: int) -> None:
    """A ShapeError unless each of the parameters, by its name, has one axis of one of the ``sizes``."""
    for name, parameter in parameters.items():
        if not any(parameter.shape == (n,) for n in sizes):
            fail(ShapeError, op, expected=f"{name} of shape " + " or ".join(f"({n},)" for n in sizes), got=str(parameter.shape))


def _is_small(x: Any, scale: Any) -> bool:
    """Whether the joined scale is smaller than the data; if not, joining saves nothing."""
    return bool(scale.shape != x.shape)


def _joined_shape(mean: Any, gamma: Any) -> Spec:
    return Spec(broadcast_shapes("normalize", mean.shape, gamma.shape), mean.dtype)


def normalize(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) · gamma + beta, in the type of ``x``; all others broadcast to it and are wide."""
    a = wide(x)
    root = root_of(var, eps)
    if _is_small(x, _joined_shape(mean, gamma)):
        scale = root * gamma
        return narrow(a * scale + (beta - mean * scale), x.dtype)
    return narrow((a - mean) * root * gamma + beta, x.dtype)


class Slopes(NamedTuple):
    """The gradients of a normalisation; None where they were not asked for."""

    x: Any  # wide
    mean: Any
    var: Any
    gamma: Any  # this and the next are of the shape of the mean and gamma together, still to be summed
    beta: Any


def normalize_slopes(
    of_y: Any, x: Any, mean: Any, var: Any, gamma: Any, eps: float, of_x: bool, of_statistics: bool, of_parameters: bool
) -> Slopes:
    """The gradients of what :func:`normalize` takes, of those that are needed.

    ``of_y`` is of the shape of ``x``; each gradient is of the shape of what it belongs to, with length 1 where that was
    broadcast.
    """
    root = root_of(var, eps)
    scale = root * gamma
    dx = wide(of_y) * scale if of_x else None
    if not (of_statistics or of_parameters):
        return Slopes(dx, None, None, None, None)
    if _is_small(x, scale):
        axis = tuple(i for i, n in enumerate(scale.shape) if n != x.shape[i])
        total, product = apply(CENTRED_SUMS, (of_y, x, mean), {"axis": axis})
    else:
        total, product = wide(of_y), wide(of_y) * (wide(x) - mean)
    dmean = dvar = None
    if of_statistics:
        dmean = -sum_to(total * scale, mean.shape)
        dvar = sum_to(product * scale, var.shape) * (-0.5 / (var + eps))
    return Slopes(dx, dmean, dvar, *((product * root, total) if of_parameters else (None, None)))
