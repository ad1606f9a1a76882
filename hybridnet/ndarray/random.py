"""``nd.random`` and the classic operators that draw random numbers.

Parameters are numbers, and ``shape`` is the result's; or arrays, and each of their elements gets
a draw of ``shape`` of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridnet.core import NDArray, broadcast_shapes, call
from hybridnet.core.random import seed
from hybridnet.ndarray.register import operator
from hybridnet.ops.common import as_shape
from hybridnet.ops.random import distributions as draws

__all__ = [
    "bernoulli", "exponential", "exponential_like", "gamma", "gamma_like", "generalized_negative_binomial",
    "generalized_negative_binomial_like", "multinomial", "negative_binomial", "negative_binomial_like", "normal",
    "normal_like", "poisson", "poisson_like", "randint", "randn", "seed", "shuffle", "uniform", "uniform_like",
]  # fmt: skip


def _draw(function: Callable[..., Any], parameters: tuple[Any, ...], shape: Any, dtype: Any, ctx: Any) -> Any:
    arrays = [p for p in parameters if isinstance(p, NDArray)]
    asked = None if shape is None else as_shape("random", shape)
    if dtype == "None":
        dtype = None
    if not arrays:
        return function(*parameters, size=(1,) if asked is None else asked, dtype=dtype, ctx=ctx)
    own = broadcast_shapes("random", *(p.shape for p in arrays))
    extra = asked or ()
    spread = [call("reshape", p, shape=p.shape + (1,) * len(extra)) if isinstance(p, NDArray) else p for p in parameters]
    return function(*spread, size=own + extra, dtype=dtype, ctx=ctx)


def _like(function: Callable[..., Any], parameters: tuple[Any, ...], data: Any) -> Any:
    return function(*parameters, size=data.shape, dtype=data.dtype, device=data.device)


# -- continuous -----------------------------------------------------------------------------------


@operator("uniform", "random_uniform", "_random_uniform", "_uniform", "sample_uniform", "_sample_uniform")
def uniform(low: Any = 0.0, high: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Uniform on [low, high)."""
    return _draw(draws.uniform, (low, high), shape, dtype, ctx)


@operator("normal", "random_normal", "_random_normal", "_normal")
def normal(loc: Any = 0.0, scale: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Normal with mean ``loc`` and standard deviation ``scale``."""
    return _draw(draws.normal, (loc, scale), shape, dtype, ctx)


@operator("sample_normal", "_sample_normal")
def sample_normal(mu: Any, sigma: Any, shape: Any = None, dtype: Any = None) -> Any:
    """A draw for each mean ``mu`` and standard deviation ``sigma``."""
    return _draw(draws.normal, (mu, sigma), shape, dtype, None)


@operator("random_gamma", "_random_gamma", "sample_gamma", "_sample_gamma")
def gamma(alpha: Any = 1.0, beta: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Gamma of shape ``alpha`` and scale ``beta``."""
    return _draw(draws.gamma, (alpha, beta), shape, dtype, ctx)


@operator("exponential", "random_exponential", "_random_exponential", "sample_exponential", "_sample_exponential")
def exponential_of_rate(lam: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Exponential with rate ``lam``, that is with mean 1/lam."""
    return _draw(draws.exponential, (1 / lam,), shape, dtype, ctx)


@operator("_random_exponential_scale")
def exponential(scale: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Exponential with mean ``scale``."""
    return _draw(draws.exponential, (scale,), shape, dtype, ctx)


def randn(*shape: int, loc: Any = 0.0, scale: Any = 1.0, dtype: Any = None, ctx: Any = None, out: Any = None) -> Any:
    """Normal, the shape given as arguments."""
    return normal(loc, scale, shape or None, dtype, ctx, out=out)


# -- counts and classes ---------------------------------------------------------------------------


@operator("poisson", "random_poisson", "_random_poisson", "sample_poisson", "_sample_poisson")
def poisson(lam: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Poisson counts with mean ``lam``."""
    return _draw(draws.poisson, (lam,), shape, dtype, ctx)


@operator(
    "negative_binomial", "random_negative_binomial", "_random_negative_binomial", "sample_negative_binomial", "_sample_negative_binomial"
)
def negative_binomial(k: Any = 1, p: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Failures before the ``k``-th success of probability ``p``."""
    return _draw(draws.negative_binomial, (k, p), shape, dtype, ctx)


@operator(
    "generalized_negative_binomial",
    "random_generalized_negative_binomial",
    "_random_generalized_negative_binomial",
    "sample_generalized_negative_binomial",
    "_sample_generalized_negative_binomial",
)
def generalized_negative_binomial(mu: Any = 1.0, alpha: Any = 1.0, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Counts of mean ``mu`` and variance mu + alpha·mu²."""
    return _draw(draws.generalized_negative_binomial, (mu, alpha), shape, dtype, ctx)


@operator("bernoulli", "random_bernoulli")
def bernoulli(prob: Any = 0.5, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """1 with probability ``prob``, else 0."""
    return _draw(lambda p, **kwargs: draws.bernoulli(p, None, **kwargs), (prob,), shape, dtype, ctx)


@operator("random_randint", "_random_randint")
def randint(low: int, high: int, shape: Any = None, dtype: Any = "int32", ctx: Any = None) -> Any:
    """Integers from ``low`` to below ``high``."""
    return draws.randint(low, high, (1,) if shape is None else shape, "int32" if dtype == "None" else dtype, None, ctx)


@operator("multinomial", "sample_multinomial", "_sample_multinomial")
def multinomial(data: Any, shape: Any = None, get_prob: bool = False, dtype: Any = "int32") -> Any:
    """Class numbers drawn by the probabilities on the last axis; with ``get_prob`` also their log probabilities."""
    drawn = draws.categorical(data, () if shape is None else shape, dtype)
    return [drawn, draws.log_probability(data, drawn)] if get_prob else drawn


@operator("shuffle", "_shuffle")
def shuffle(data: Any) -> Any:
    """The rows in random order, as a new array."""
    return draws.permutation(data)


# -- in the shape of another array ----------------------------------------------------------------


@operator("uniform_like", "random_uniform_like", "_random_uniform_like")
def uniform_like(data: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """Uniform on [low, high), shaped as ``data``."""
    return _like(draws.uniform, (low, high), data)


@operator("normal_like", "random_normal_like", "_random_normal_like")
def normal_like(data: Any, loc: float = 0.0, scale: float = 1.0) -> Any:
    """Normal, shaped as ``data``."""
    return _like(draws.normal, (loc, scale), data)


@operator("gamma_like", "random_gamma_like", "_random_gamma_like")
def gamma_like(data: Any, alpha: float = 1.0, beta: float = 1.0) -> Any:
    """Gamma, shaped as ``data``."""
    return _like(draws.gamma, (alpha, beta), data)


@operator("exponential_like", "random_exponential_like", "_random_exponential_like")
def exponential_like(data: Any, lam: float = 1.0) -> Any:
    """Exponential with rate ``lam``, shaped as ``data``."""
    return _like(draws.exponential, (1 / lam,), data)


@operator("poisson_like", "random_poisson_like", "_random_poisson_like")
def poisson_like(data: Any, lam: float = 1.0) -> Any:
    """Poisson counts, shaped as ``data``."""
    return _like(draws.poisson, (lam,), data)


@operator("negative_binomial_like", "random_negative_binomial_like", "_random_negative_binomial_like")
def negative_binomial_like(data: Any, k: float = 1, p: float = 1.0) -> Any:
    """Failures before the ``k``-th success, shaped as ``data``."""
    return _like(draws.negative_binomial, (k, p), data)


@operator("generalized_negative_binomial_like", "random_generalized_negative_binomial_like", "_random_generalized_negative_binomial_like")
def generalized_negative_binomial_like(data: Any, mu: float = 1.0, alpha: float = 1.0) -> Any:
    """Counts of mean ``mu`` and variance mu + alpha·mu², shaped as ``data``."""
    return _like(draws.generalized_negative_binomial, (mu, alpha), data)
