"""Local response normalisation (Krizhevsky et al., 2012): each element by the squares of the same place in neighbouring channels."""

from __future__ import annotations

import math
from typing import Any

from hybridnet.core import Kind, Op, Sample, Spec, apply, call, local, register
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import normal, samples
from hybridnet.ops.nn.common import narrow, wide, wide_dtype
from hybridnet.ops.nn.normalize import floating
from hybridnet.ops.nn.pooling import pooling


def _infer(x: Spec, *, size: int, alpha: float, beta: float, knorm: float) -> tuple[Spec, Spec]:
    if x.ndim < 2 or size < 1 or size % 2 == 0:
        fail(ShapeError, "lrn", expected="data with a channel axis, an odd number of channels", got=f"{x.shape}, {size} channels")
    return x, Spec(x.shape, wide_dtype(x.dtype))


def _around(x: Any, size: int) -> Any:
    """The sums over ``size`` neighbouring channels, which is its own transpose."""
    n, channels = x.shape[:2]
    rows = call("reshape", x, shape=(n, 1, channels, math.prod(x.shape[2:])))
    return call("reshape", pooling(rows, (size, 1), (1, 1), (size // 2, 0), "sum"), shape=x.shape) if x.size else x


def _lrn(x: Any, *, size: int, alpha: float, beta: float, knorm: float) -> tuple[Any, Any]:
    a = wide(x)
    scale = _around(a * a, size) * (alpha / size) + knorm
    return narrow(a * scale**-beta, x.dtype), scale


def _rule(g: Any, y: Any, x: Any, *, size: int, alpha: float, beta: float, knorm: float) -> Any:
    a, of_y, scale = wide(x), wide(g[0]), y[1]
    root = scale**-beta
    of_scale = of_y * a * root / scale * -beta
    if local.propagation.reached[1]:
        of_scale = of_scale + g[1]
    return of_y * root + a * _around(of_scale, size) * (2 * alpha / size)


LRN = register(
    Op(
        "lrn",
        Kind.OPAQUE,
        _infer,
        decomposition=_lrn,
        grad=(_rule,),
        saves=(0, "y1"),
        sample=samples(
            Sample((normal(2, 5, 2, 3),), {"size": 3, "alpha": 0.5, "beta": 0.75, "knorm": 2.0}),
            Sample((normal(3, 4),), {"size": 5, "alpha": 0.2, "beta": 1.5, "knorm": 1.0}),
            Sample((normal(2, 4, 2),), {"size": 2, "alpha": 0.2, "beta": 1.5, "knorm": 1.0}, error=ValueError),
        ),
    )
)


def lrn(data: Any, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0, nsize: int | None = None) -> Any:
    """x / (knorm + alpha / nsize · the sum of squares over ``nsize`` neighbouring channels, an odd number)**beta; channels are axis 1.

    ArgumentError without ``nsize``.
    """
    if nsize is None:
        fail(ArgumentError, "LRN", expected="nsize, a number of channels", got="none")
    return apply(LRN, (floating(data),), {"size": nsize, "alpha": float(alpha), "beta": float(beta), "knorm": float(knorm)})[0]
