"""``np.random``: NumPy's distributions; ``size`` is the result's shape, ``dtype`` is float32 by default."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hybridnet.core import DeviceLike
from hybridnet.core import random as _random
from hybridnet.ops.random import distributions as draws
from hybridnet.ops.random import further
from hybridnet.ops.vocabulary import NUMPY

_NAMES = """
    bernoulli beta binomial chisquare choice exponential f gamma generalized_negative_binomial geometric gumbel laplace logistic lognormal
    multinomial multivariate_normal negative_binomial normal pareto permutation poisson power rand randint randn random rayleigh
    standard_exponential standard_gamma standard_normal uniform weibull
"""
_FURTHER = """
    dirichlet hypergeometric logseries noncentral_chisquare noncentral_f random_integers standard_cauchy standard_t triangular vonmises
    wald zipf
"""
_ALIASES = {"ranf": "random", "random_sample": "random", "sample": "random"}


def seed(seed: int | None = None, ctx: DeviceLike = None, device: DeviceLike = None) -> None:
    """Start the random numbers anew, of every device or of one; without a seed by the system's entropy. ArgumentError if it is negative."""
    _random.seed(secrets.randbits(63) if seed is None else seed, device if device is not None else ctx)


def get_state(legacy: bool = True) -> dict[str, Any]:
    """The random state of all devices and of draws on the host, for :func:`set_state`; ``legacy`` changes nothing."""
    return _random.state_dict()


def set_state(state: dict[str, Any]) -> None:
    """Draw on as where :func:`get_state` was called."""
    _random.load_state_dict(state)


FUNCTIONS: dict[str, Callable[..., Any]] = {name: NUMPY.wrap(getattr(draws, name)) for name in _NAMES.split()}
FUNCTIONS |= {name: NUMPY.wrap(getattr(further, name)) for name in _FURTHER.split()}
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}
FUNCTIONS |= {"seed": seed, "get_state": get_state, "set_state": set_state, "shuffle": draws.shuffle, "bytes": further.random_bytes}
globals().update(FUNCTIONS)
__all__ = list(FUNCTIONS)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
