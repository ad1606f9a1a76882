"""``nd.random`` and the classic operators that draw random numbers.

A distribution has two operators: ``_random_X`` takes numbers, and ``shape`` is the result's; ``_sample_X`` takes arrays, and
each of their elements gets a draw of ``shape`` of its own. ``nd.random.X`` is the one or the other by what it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from hybridnet import absent, dtypes
from hybridnet.core import NDArray, broadcast_shapes, call
from hybridnet.core.random import seed as core_seed
from hybridnet.ndarray.attributes import Array, Context, Dtype, Shape
from hybridnet.ndarray.record import numbered
from hybridnet.ndarray.register import classic, helper
from hybridnet.ndarray.types import drawn, of_classes
from hybridnet.ops.common import as_shape
from hybridnet.ops.random import distributions as draws

__all__ = [
    "bernoulli", "exponential", "exponential_like", "gamma", "gamma_like", "generalized_negative_binomial",
    "generalized_negative_binomial_like", "multinomial", "negative_binomial", "negative_binomial_like", "normal",
    "normal_like", "poisson", "poisson_like", "randint", "randn", "seed", "shuffle", "uniform", "uniform_like",
]  # fmt: skip


def seed(seed_state: int, ctx: Context | None = None) -> None:
    """Start the random numbers anew: of every device, or of one.

    The same seed gives the same numbers on the same kind of device, however the operators run. ArgumentError if it is negative.
    """
    core_seed(seed_state, ctx)


def _draw(function: Callable[..., Any], parameters: tuple[Any, ...], shape: Any, dtype: Any, ctx: Any) -> Any:
    arrays = [p for p in parameters if isinstance(p, NDArray)]
    asked = None if shape is None else as_shape("random", shape)
    dtype = dtype or "float32"
    if not arrays:
        return function(*parameters, size=(1,) if asked is None else asked, dtype=dtype, ctx=ctx)
    own = broadcast_shapes("random", *(p.shape for p in arrays))
    extra = asked or ()
    spread = [call("reshape", p, shape=p.shape + (1,) * len(extra)) if isinstance(p, NDArray) else p for p in parameters]
    return function(*spread, size=own + extra, dtype=dtype, ctx=ctx)


def _like(function: Callable[..., Any], parameters: tuple[Any, ...], data: Any) -> Any:
    return function(*parameters, size=data.shape, dtype=data.dtype, device=data.device)


# -- by numbers -----------------------------------------------------------------------------------


@classic("_random_uniform", "random_uniform", "uniform")
def random_uniform(
    low: float = 0.0, high: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None
) -> Any:
    """Uniform on [low, high)."""
    return _draw(draws.uniform, (low, high), shape, dtype, ctx)


@classic("_random_normal", "random_normal", "normal")
def random_normal(
    loc: float = 0.0, scale: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None
) -> Any:
    """Normal with mean ``loc`` and standard deviation ``scale``."""
    return _draw(draws.normal, (loc, scale), shape, dtype, ctx)


@classic("_random_gamma", "random_gamma")
def random_gamma(
    alpha: float = 1.0, beta: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None
) -> Any:
    """Gamma of shape ``alpha`` and scale ``beta``."""
    return _draw(draws.gamma, (alpha, beta), shape, dtype, ctx)


@classic("_random_exponential", "random_exponential")
def random_exponential(lam: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """Exponential with rate ``lam``, that is with mean 1/lam."""
    return _draw(draws.exponential, (1 / lam,), shape, dtype, ctx)


@classic("_random_poisson", "random_poisson")
def random_poisson(lam: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """Poisson counts with mean ``lam``."""
    return _draw(draws.poisson, (lam,), shape, dtype, ctx)


@classic("_random_negative_binomial", "random_negative_binomial")
def random_negative_binomial(
    k: int = 1, p: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None
) -> Any:
    """Failures before the ``k``-th success of probability ``p``."""
    return _draw(draws.negative_binomial, (k, p), shape, dtype, ctx)


@classic("_random_generalized_negative_binomial", "random_generalized_negative_binomial")
def random_generalized_negative_binomial(
    mu: float = 1.0, alpha: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None
) -> Any:
    """Counts of mean ``mu`` and variance mu + alpha·mu²."""
    return _draw(draws.generalized_negative_binomial, (mu, alpha), shape, dtype, ctx)


@classic("_random_randint", "random_randint", types=drawn(dtypes.int32))
def random_randint(low: int, high: int, shape: Shape | None = None, ctx: Context | None = None, dtype: Dtype | None = None) -> Any:
    """Integers from ``low`` to below ``high``; int32 by default."""
    return draws.randint(low, high, (1,) if shape is None else shape, dtype or "int32", None, ctx)


# -- by arrays ------------------------------------------------------------------------------------


@classic("_sample_uniform", "sample_uniform", types=drawn())
def sample_uniform(low: Array, high: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Uniform on [low, high) for each of their elements.

    ``low`` and ``high`` are of one shape; gives that shape followed by ``shape``.
    """
    return _draw(draws.uniform, (low, high), shape, dtype, None)


@classic("_sample_normal", "sample_normal", types=drawn())
def sample_normal(mu: Array, sigma: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Normal for each mean ``mu`` and standard deviation ``sigma``.

    ``mu`` and ``sigma`` are of one shape; gives that shape followed by ``shape``.
    """
    return _draw(draws.normal, (mu, sigma), shape, dtype, None)


@classic("_sample_gamma", "sample_gamma", types=drawn())
def sample_gamma(alpha: Array, beta: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Gamma for each shape ``alpha`` and scale ``beta``."""
    return _draw(draws.gamma, (alpha, beta), shape, dtype, None)


@classic("_sample_exponential", "sample_exponential", types=drawn())
def sample_exponential(lam: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Exponential for each rate ``lam``.

    Gives the shape of ``lam`` followed by ``shape``.
    """
    return _draw(draws.exponential, (1 / lam,), shape, dtype, None)


@classic("_sample_poisson", "sample_poisson", types=drawn())
def sample_poisson(lam: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Poisson counts for each mean ``lam``.

    Gives the shape of ``lam`` followed by ``shape``.
    """
    return _draw(draws.poisson, (lam,), shape, dtype, None)


@classic("_sample_negative_binomial", "sample_negative_binomial", types=drawn())
def sample_negative_binomial(k: Array, p: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Failures before the ``k``-th success of probability ``p``, for each of their elements.

    ``k`` and ``p`` are of one shape; gives that shape followed by ``shape``.
    """
    return _draw(draws.negative_binomial, (k, p), shape, dtype, None)


@classic("_sample_generalized_negative_binomial", "sample_generalized_negative_binomial", types=drawn())
def sample_generalized_negative_binomial(mu: Array, alpha: Array, shape: Shape = (), dtype: Dtype | None = None) -> Any:
    """Counts of mean ``mu`` and variance mu + alpha·mu², for each of their elements.

    ``mu`` and ``alpha`` are of one shape; gives that shape followed by ``shape``.
    """
    return _draw(draws.generalized_negative_binomial, (mu, alpha), shape, dtype, None)


@classic(
    "_sample_multinomial",
    "sample_multinomial",
    "multinomial",
    outputs=lambda a: numbered(2) if a["get_prob"] else ("output",),
    types=of_classes,
)
def multinomial(data: Array, shape: Shape = (), get_prob: bool = False, dtype: Dtype = "int32") -> Any:
    """Class numbers drawn by the probabilities on the last axis; with ``get_prob`` also their log probabilities."""
    drawn = draws.categorical(data, shape, dtype)
    return [drawn, draws.log_probability(data, drawn)] if get_prob else drawn


@classic("_shuffle", "shuffle")
def shuffle(data: Array) -> Any:
    """The rows in random order, as a new array."""
    return draws.permutation(data)


# -- in the shape of another array ----------------------------------------------------------------


@classic("_random_uniform_like", "random_uniform_like", "uniform_like")
def uniform_like(data: Array, low: float = 0.0, high: float = 1.0) -> Any:
    """Uniform on [low, high), shaped as ``data``."""
    return _like(draws.uniform, (low, high), data)


@classic("_random_normal_like", "random_normal_like", "normal_like")
def normal_like(data: Array, loc: float = 0.0, scale: float = 1.0) -> Any:
    """Normal, shaped as ``data``."""
    return _like(draws.normal, (loc, scale), data)


@classic("_random_gamma_like", "random_gamma_like", "gamma_like")
def gamma_like(data: Array, alpha: float = 1.0, beta: float = 1.0) -> Any:
    """Gamma, shaped as ``data``."""
    return _like(draws.gamma, (alpha, beta), data)


@classic("_random_exponential_like", "random_exponential_like", "exponential_like")
def exponential_like(data: Array, lam: float = 1.0) -> Any:
    """Exponential with rate ``lam``, shaped as ``data``."""
    return _like(draws.exponential, (1 / lam,), data)


@classic("_random_poisson_like", "random_poisson_like", "poisson_like")
def poisson_like(data: Array, lam: float = 1.0) -> Any:
    """Poisson counts, shaped as ``data``."""
    return _like(draws.poisson, (lam,), data)


@classic("_random_negative_binomial_like", "random_negative_binomial_like", "negative_binomial_like")
def negative_binomial_like(data: Array, k: int = 1, p: float = 1.0) -> Any:
    """Failures before the ``k``-th success, shaped as ``data``."""
    return _like(draws.negative_binomial, (k, p), data)


@classic("_random_generalized_negative_binomial_like", "random_generalized_negative_binomial_like", "generalized_negative_binomial_like")
def generalized_negative_binomial_like(data: Array, mu: float = 1.0, alpha: float = 1.0) -> Any:
    """Counts of mean ``mu`` and variance mu + alpha·mu², shaped as ``data``."""
    return _like(draws.generalized_negative_binomial, (mu, alpha), data)


# -- nd.random: numbers or arrays -----------------------------------------------------------------

#: A distribution's parameter here: a number, or an array of them.
Values: TypeAlias = float | Array


def _either(
    numbers: Callable[..., Any], arrays: Callable[..., Any], parameters: tuple[Values, ...], shape: Any, dtype: Any, ctx: Any
) -> Any:
    """The operator of a distribution that takes what the parameters are."""
    if any(isinstance(p, NDArray) for p in parameters):
        return arrays(*parameters, shape=() if shape is None else shape, dtype=dtype)
    return numbers(*parameters, shape=shape, ctx=ctx, dtype=dtype)


@helper()
def uniform(
    low: Values = 0.0, high: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None
) -> Any:
    """Uniform on [low, high)."""
    return _either(random_uniform, sample_uniform, (low, high), shape, dtype, ctx)


@helper()
def normal(
    loc: Values = 0.0, scale: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None
) -> Any:
    """Normal with mean ``loc`` and standard deviation ``scale``."""
    return _either(random_normal, sample_normal, (loc, scale), shape, dtype, ctx)


@helper()
def gamma(
    alpha: Values = 1.0, beta: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None
) -> Any:
    """Gamma of shape ``alpha`` and scale ``beta``."""
    return _either(random_gamma, sample_gamma, (alpha, beta), shape, dtype, ctx)


@helper()
def exponential(scale: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None) -> Any:
    """Exponential with mean ``scale``."""
    return _either(random_exponential, sample_exponential, (1 / scale,), shape, dtype, ctx)


@helper("exponential")
def exponential_of_rate(lam: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None) -> Any:
    """Exponential with rate ``lam``, that is with mean 1/lam."""
    return _either(random_exponential, sample_exponential, (lam,), shape, dtype, ctx)


def randn(
    *shape: int,
    loc: Values = 0.0,
    scale: Values = 1.0,
    dtype: Dtype | None = None,
    ctx: Context | None = None,
    out: Array | None = None,
) -> Any:
    """Normal, the shape given as arguments."""
    return normal(loc, scale, shape or None, dtype, ctx, out=out)


@helper("poisson")
def poisson(lam: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None) -> Any:
    """Poisson counts with mean ``lam``."""
    return _either(random_poisson, sample_poisson, (lam,), shape, dtype, ctx)


@helper("negative_binomial")
def negative_binomial(
    k: Values = 1, p: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None
) -> Any:
    """Failures before the ``k``-th success of probability ``p``."""
    return _either(random_negative_binomial, sample_negative_binomial, (k, p), shape, dtype, ctx)


@helper("generalized_negative_binomial")
def generalized_negative_binomial(
    mu: Values = 1.0, alpha: Values = 1.0, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None
) -> Any:
    """Counts of mean ``mu`` and variance mu + alpha·mu²."""
    return _either(random_generalized_negative_binomial, sample_generalized_negative_binomial, (mu, alpha), shape, dtype, ctx)


@helper("bernoulli", "random_bernoulli")
def bernoulli(prob: Values = 0.5, shape: Shape | None = None, dtype: Dtype | None = None, ctx: Context | None = None) -> Any:
    """1 with probability ``prob``, else 0."""
    dtype = None if dtype == "None" else dtype
    return _draw(lambda p, **kwargs: draws.bernoulli(p, None, **kwargs), (prob,), shape, dtype, ctx)


@helper()
def randint(low: int, high: int, shape: Shape | None = None, dtype: Dtype | None = "int32", ctx: Context | None = None) -> Any:
    """Integers from ``low`` to below ``high``."""
    return random_randint(low, high, shape, ctx, dtype)


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
