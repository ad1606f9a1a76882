"""``npx.random``: the seed, and distributions whose ``batch_shape`` comes before their parameters' shape."""

from __future__ import annotations

from typing import Any

from hybridnet.core import NDArray, broadcast_shapes
from hybridnet.numpy.random import seed
from hybridnet.ops.common import as_shape
from hybridnet.ops.random import distributions as draws
from hybridnet.ops.vocabulary import NUMPY

__all__ = ["bernoulli", "normal_n", "seed", "uniform_n"]

bernoulli = NUMPY.wrap(draws.bernoulli)


def _size(batch_shape: Any, *parameters: Any) -> tuple[int, ...]:
    own = broadcast_shapes("random", *(p.shape for p in parameters if isinstance(p, NDArray)))
    return (() if batch_shape is None else as_shape("random", batch_shape)) + own


@NUMPY.wrap
def uniform_n(low: Any = 0.0, high: Any = 1.0, batch_shape: Any = None, dtype: Any = None, device: Any = None, ctx: Any = None) -> Any:
    """Uniform on [low, high), ``batch_shape`` times over."""
    return draws.uniform(low, high, _size(batch_shape, low, high), dtype, device, ctx)


@NUMPY.wrap
def normal_n(loc: Any = 0.0, scale: Any = 1.0, batch_shape: Any = None, dtype: Any = None, device: Any = None, ctx: Any = None) -> Any:
    """Normal, ``batch_shape`` times over."""
    return draws.normal(loc, scale, _size(batch_shape, loc, scale), dtype, device, ctx)
