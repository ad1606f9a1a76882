"""``mx.random``: the seed, and MXNet 1.x's random functions."""

from __future__ import annotations

from hybridnet.ndarray.random import (
    exponential,
    gamma,
    generalized_negative_binomial,
    multinomial,
    negative_binomial,
    normal,
    poisson,
    randint,
    randn,
    seed,
    shuffle,
    uniform,
)

__all__ = [
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson", "randint", "randn",
    "seed", "shuffle", "uniform",
]  # fmt: skip
