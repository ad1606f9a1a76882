"""The densities of the distributions that ``nd.random`` draws from: ``random_pdf_*``, differentiable in their parameters.

A parameter has the shape of the leading axes of ``sample``: each of its elements is that of the samples on the other axes. The
gradient of a sample of counts is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hybridnet.core import call
from hybridnet.errors import ShapeError, fail
from hybridnet.ndarray.attributes import Array
from hybridnet.ndarray.register import classic
from hybridnet.ops.math import special
from hybridnet.ops.nn.like import stop_gradient

_gammaln = special.FUNCTIONS["gammaln"]


def _log(x: Any) -> Any:
    return call("log", x)


def _density(op: str, log_density: Callable[..., Any], is_log: bool, sample: Any, parameters: tuple[Any, ...]) -> Any:
    """The density of each sample, or its logarithm, with the parameters in shapes that broadcast beside the samples."""
    shape = parameters[0].shape
    if any(p.shape != shape for p in parameters) or sample.shape[: len(shape)] != shape:
        got = f"{sample.shape} and {', '.join(str(p.shape) for p in parameters)}"
        fail(ShapeError, op, expected="parameters of one shape, with which the shape of sample begins", got=got)
    beside = [call("reshape", p, shape=shape + (1,) * (sample.ndim - len(shape))) for p in parameters]
    result = log_density(sample, *beside)
    return result if is_log else call("exp", result)


@classic("_random_pdf_uniform", "random_pdf_uniform")
def uniform(sample: Array, low: Array, high: Array, is_log: bool = False) -> Any:
    """The density of the uniform distribution, 1 / (high - low), whatever the sample is.

    ``low`` and ``high``: of the shape of the leading axes of ``sample``.
    """
    return _density("random_pdf_uniform", lambda x, a, b: -_log(b - a) + stop_gradient(x) * 0, is_log, sample, (low, high))


@classic("_random_pdf_normal", "random_pdf_normal")
def normal(sample: Array, mu: Array, sigma: Array, is_log: bool = False) -> Any:
    """The density of the normal distribution of mean ``mu`` and standard deviation ``sigma``.

    Both are of the shape of the leading axes of ``sample``.
    """

    def log_density(x: Any, m: Any, s: Any) -> Any:
        return call("square", (x - m) / s) * -0.5 - _log(s) - 0.5 * math.log(2 * math.pi)

    return _density("random_pdf_normal", log_density, is_log, sample, (mu, sigma))


@classic("_random_pdf_gamma", "random_pdf_gamma")
def gamma(sample: Array, alpha: Array, beta: Array, is_log: bool = False) -> Any:
    """The density of the gamma distribution of shape ``alpha`` and rate ``beta``.

    Both are of the shape of the leading axes of ``sample``.
    """

    def log_density(x: Any, a: Any, b: Any) -> Any:
        return a * _log(b) + (a - 1) * _log(x) - b * x - _gammaln(a)

    return _density("random_pdf_gamma", log_density, is_log, sample, (alpha, beta))


@classic("_random_pdf_exponential", "random_pdf_exponential")
def exponential(sample: Array, lam: Array, is_log: bool = False) -> Any:
    """The density of the exponential distribution of rate ``lam``, which is of the shape of the leading axes of ``sample``."""
    return _density("random_pdf_exponential", lambda x, rate: _log(rate) - rate * x, is_log, sample, (lam,))


@classic("_random_pdf_poisson", "random_pdf_poisson")
def poisson(sample: Array, lam: Array, is_log: bool = False) -> Any:
    """The probability of a Poisson count of mean ``lam``, which is of the shape of the leading axes of ``sample``."""

    def log_density(x: Any, mean: Any) -> Any:
        x = stop_gradient(x)
        return x * _log(mean) - mean - _gammaln(x + 1)

    return _density("random_pdf_poisson", log_density, is_log, sample, (lam,))


def _log_negative_binomial(x: Any, k: Any, p: Any) -> Any:
    x = stop_gradient(x)
    return _gammaln(x + k) - _gammaln(x + 1) - _gammaln(k) + k * _log(p) + x * _log(1 - p)


@classic("_random_pdf_negative_binomial", "random_pdf_negative_binomial")
def negative_binomial(sample: Array, k: Array, p: Array, is_log: bool = False) -> Any:
    """The probability of so many failures before the ``k``-th success of probability ``p``.

    Both are of the shape of the leading axes of ``sample``.
    """
    return _density("random_pdf_negative_binomial", _log_negative_binomial, is_log, sample, (k, p))


@classic("_random_pdf_generalized_negative_binomial", "random_pdf_generalized_negative_binomial")
def generalized_negative_binomial(sample: Array, mu: Array, alpha: Array, is_log: bool = False) -> Any:
    """The probability of a count of mean ``mu`` and variance mu + alpha · mu².

    Both are of the shape of the leading axes of ``sample``.
    """

    def log_density(x: Any, m: Any, a: Any) -> Any:
        return _log_negative_binomial(x, 1 / a, 1 / (m * a + 1))

    return _density("random_pdf_generalized_negative_binomial", log_density, is_log, sample, (mu, alpha))


@classic("_random_pdf_dirichlet", "random_pdf_dirichlet")
def dirichlet(sample: Array, alpha: Array, is_log: bool = False) -> Any:
    """The density of the Dirichlet distribution of concentrations ``alpha`` (..., n).

    ``sample``: (..., any axes, n); gives its shape without the last axis. ShapeError for other shapes.
    """
    if sample.ndim < alpha.ndim or sample.shape[-1:] != alpha.shape[-1:] or sample.shape[: alpha.ndim - 1] != alpha.shape[:-1]:
        expected = "concentrations (..., n) and samples (..., any axes, n)"
        fail(ShapeError, "random_pdf_dirichlet", expected=expected, got=f"{alpha.shape} and {sample.shape}")
    beside = alpha.shape[:-1] + (1,) * (sample.ndim - alpha.ndim) + alpha.shape[-1:]
    a = call("reshape", alpha, shape=beside)

    def total(x: Any) -> Any:
        return call("sum", x, axis=(x.ndim - 1,), keepdims=False)

    result = total((a - 1) * _log(sample)) + _gammaln(total(a)) - total(_gammaln(a))
    return result if is_log else call("exp", result)
