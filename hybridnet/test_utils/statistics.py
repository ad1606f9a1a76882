"""Whether random numbers are of the distribution that they should be of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy

from hybridnet.device.scipy_modules import scipy_module
from hybridnet.errors import ArgumentError, fail
from hybridnet.test_utils.comparing import host

#: Gives so many random numbers, as an array of ours or NumPy's.
Generator = Callable[[int], Any]


def gen_buckets_probs_with_ppf(ppf: Callable[[float], float], nbuckets: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Intervals that a distribution hits equally often, from the inverse of its distribution function, and the probability of each.

    ArgumentError for fewer than one.
    """
    if nbuckets < 1:
        fail(ArgumentError, "gen_buckets_probs_with_ppf", expected="at least one bucket", got=repr(nbuckets))
    edges = [ppf(i / nbuckets) for i in range(nbuckets + 1)]
    return list(pairwise(edges)), [1 / nbuckets] * nbuckets


def chi_square_check(
    generator: Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000
) -> tuple[float, Any, Any]:
    """The chi-square test: the probability of a deviation as large as that of ``nsamples`` numbers, how often each bucket was
    hit, and how often it should have been.

    ``buckets``: intervals ``(low, high)`` in ascending order, which together hold all numbers, or the numbers that there are;
    ``probs``: the probability of each. ArgumentError for another number of probabilities, intervals that overlap or descend, other than
    ``nsamples`` numbers from the generator, or one in no bucket.
    """
    if not buckets or len(probs) != len(buckets):
        fail(ArgumentError, "chi_square_check", expected="a probability for each bucket", got=f"{len(probs)} for {len(buckets)}")
    samples = host(generator(nsamples)).reshape(-1)
    if len(samples) != nsamples:
        fail(ArgumentError, "chi_square_check", expected=f"{nsamples} numbers from the generator", got=str(len(samples)))
    if isinstance(buckets[0], (list, tuple)):
        edges = [low for low, _ in buckets] + [buckets[-1][1]]
        if edges != sorted(edges) or any(one[1] > other[0] for one, other in pairwise(buckets)):
            fail(ArgumentError, "chi_square_check", expected="intervals in ascending order that do not overlap", got=str(list(buckets)))
        counts = numpy.array([numpy.count_nonzero((samples >= low) & (samples < high)) for low, high in buckets])
        counts[-1] += numpy.count_nonzero(samples == buckets[-1][1])
    else:
        counts = numpy.array([numpy.count_nonzero(samples == value) for value in buckets])
    if counts.sum() != nsamples:
        got = f"{nsamples - counts.sum()} of {nsamples} outside"
        fail(ArgumentError, "chi_square_check", expected="buckets that hold all numbers that are generated", got=got)
    expected = numpy.array(probs, numpy.float64) / sum(probs) * nsamples
    statistic = ((counts - expected) ** 2 / expected).sum()
    return float(scipy_module(numpy, "special").chdtrc(len(buckets) - 1, statistic)), counts, expected


def verify_generator(
    generator: Generator,
    buckets: Sequence[Any],
    probs: Sequence[float],
    nsamples: int = 1000000,
    nrepeat: int = 5,
    success_rate: float = 0.2,
    alpha: float = 0.05,
) -> list[float]:
    """Fail unless in a part of ``success_rate`` of ``nrepeat`` chi-square tests the probability is above ``alpha``; gives those."""
    results = [chi_square_check(generator, buckets, probs, nsamples) for _ in range(nrepeat)]
    passed = [p for p, _, _ in results if p > alpha]
    if len(passed) < nrepeat * success_rate:
        p, counts, expected = results[-1]
        raise AssertionError(
            f"the generator passes {len(passed)} of {nrepeat} chi-square tests; expected {nrepeat * success_rate:g}\n"
            f" p-values: {[result[0] for result in results]}\n buckets: {list(buckets)}\n hits: {counts}\n expected: {expected}"
        )
    return [p for p, _, _ in results]


def mean_check(generator: Generator, mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the mean of ``nsamples`` numbers is within three standard errors of ``mu``."""
    return bool(abs(host(generator(nsamples)).mean() - mu) < 3 * sigma / math.sqrt(nsamples))


def var_check(generator: Generator, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the variance of ``nsamples`` normal numbers is within three standard errors of ``sigma**2``."""
    return bool(abs(host(generator(nsamples)).var(ddof=1) - sigma**2) < 3 * math.sqrt(2 * sigma**4 / (nsamples - 1)))
