"""``np.random``: NumPy's distributions; ``size`` is the result's shape, ``dtype`` is float32 by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hybridnet.core.random import seed
from hybridnet.ops.random import distributions as draws
from hybridnet.ops.vocabulary import NUMPY

_NAMES = """
    bernoulli beta binomial chisquare choice exponential f gamma generalized_negative_binomial geometric gumbel laplace logistic lognormal
    multinomial multivariate_normal negative_binomial normal pareto permutation poisson power rand randint randn random rayleigh
    standard_exponential standard_gamma standard_normal uniform weibull
"""
_ALIASES = {"ranf": "random", "random_sample": "random", "sample": "random"}

FUNCTIONS: dict[str, Callable[..., Any]] = {name: NUMPY.wrap(getattr(draws, name)) for name in _NAMES.split()}
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}
FUNCTIONS |= {"seed": seed, "shuffle": draws.shuffle}
globals().update(FUNCTIONS)
__all__ = list(FUNCTIONS)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
