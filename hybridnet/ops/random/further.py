"""NumPy's further distributions: heavy tails, angles, shares, draws without replacement; all made of the same primitive draws.

What NumPy draws until a number is accepted is drawn here a fixed number of times over, and the first accepted is taken, so that one
program does it on any device; that none is accepted happens once in more than 10⁹ draws.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, NDArray, call
from hybridnet.core.random import host_generator
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array import sorting
from hybridnet.ops.common import as_shape, tensor
from hybridnet.ops.math import pointwise
from hybridnet.ops.random.distributions import Draw, poisson, randint, uniform
from hybridnet.ops.random.draws import GAMMA, NORMAL, UNIFORM

_math = pointwise.FUNCTIONS

#: How often a number is drawn of which the first accepted is taken: each is with a chance of about two thirds or more.
_ROUNDS = 20


# -- heavy tails ----------------------------------------------------------------------------------


def standard_cauchy(size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Cauchy with mode 0: the tangent of a uniform angle."""
    draw = Draw("standard_cauchy", size, dtype, device, ctx)
    return _math["tan"]((draw(UNIFORM) - 0.5) * math.pi)


def standard_t(df: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Student's t with ``df`` degrees of freedom: a normal variate over the root of a chi-square one by its degrees."""
    draw = Draw("standard_t", size, dtype, device, ctx, df)
    (df,) = draw.parameters
    return draw(NORMAL) / _math["sqrt"](draw(GAMMA, df / 2) * 2 / df)


def noncentral_chisquare(
    df: ArrayLike, nonc: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """Chi-square with a Poisson number of further pairs of degrees of freedom, ``nonc`` / 2 on average.

    ``df`` and ``nonc`` broadcast, and to ``size`` if that is given.
    """
    draw = Draw("noncentral_chisquare", size, dtype, device, ctx, df, nonc)
    df, nonc = draw.parameters
    pairs = poisson(nonc / 2, draw.shape, draw.dtype, draw.device)
    return draw(GAMMA, pairs + df / 2) * 2


def noncentral_f(
    dfnum: ArrayLike,
    dfden: ArrayLike,
    nonc: ArrayLike,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """The ratio of a noncentral chi-square variate to a central one, each over its degrees of freedom.

    All parameters broadcast, and to ``size`` if that is given.
    """
    draw = Draw("noncentral_f", size, dtype, device, ctx, dfnum, dfden, nonc)
    top, bottom, nonc = draw.parameters
    above = noncentral_chisquare(top, nonc, draw.shape, draw.dtype, draw.device) / top
    return above / (draw(GAMMA, bottom / 2) * 2 / bottom)


def wald(
    mean: ArrayLike, scale: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """The inverse Gaussian, by the method of Michael, Schucany and Haas. ``mean`` and ``scale`` broadcast, and to ``size``."""
    draw = Draw("wald", size, dtype, device, ctx, mean, scale)
    mean, scale = draw.parameters
    squares = draw(NORMAL) ** 2 * mean
    root = _math["sqrt"](squares * (squares + 4 * scale))
    smaller = mean * (1 - 2 * squares / (squares + root))  # the smaller root of a quadratic equation, without a difference of equals
    return call("where", draw(UNIFORM) * (smaller + mean) <= mean, smaller, mean * mean / smaller)


def zipf(a: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Whole numbers from 1 with chances that fall as their power -``a``, a above 1 (Devroye); floating unless ``dtype`` says else."""
    draw = Draw("zipf", size, None, device, ctx, a)
    less = _beside(draw.parameters[0]) - 1
    base = 2.0**less if isinstance(less, (int, float)) else _math["exp2"](less)
    u, v = (1 - _rounds(draw) for _ in range(2))
    x = _math["floor"](_math["exp"](-_math["log"](u) / less))
    grown = _math["expm1"](_math["log1p"](1 / x) * less)  # (1 + 1 / x) ** (a - 1) - 1
    return _first(x, v * x * grown / (base - 1) <= (grown + 1) / base).astype(dtypes.as_dtype(dtype, dtypes.default_whole()), copy=False)


def logseries(p: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Whole numbers k from 1 with chances -pᵏ / (k · log(1 - p)) (Kemp); floating unless ``dtype`` says else."""
    draw = Draw("logseries", size, None, device, ctx, p)
    rate = _math["log1p"](-draw.parameters[0]) if isinstance(draw.parameters[0], NDArray) else math.log1p(-draw.parameters[0])
    q = -_math["expm1"](draw(UNIFORM) * rate)
    found = _math["floor"](_math["log"](1 - draw(UNIFORM)) / _math["log"](q) + 1)
    return _math["maximum"](found, 1).astype(dtypes.as_dtype(dtype, dtypes.default_whole()), copy=False)


# -- rejection ------------------------------------------------------------------------------------


def _beside(parameter: Any) -> Any:
    """A parameter with a last axis for the rounds."""
    return call("reshape", parameter, shape=(*parameter.shape, 1)) if isinstance(parameter, NDArray) else parameter


def _rounds(draw: Draw) -> Any:
    """Uniform numbers, of the shape of the draw with a last axis of rounds."""
    return uniform(0.0, 1.0, (*draw.shape, _ROUNDS), draw.dtype, draw.device)


def _first(proposed: Any, accepted: Any) -> Any:
    """The first accepted along the last axis."""
    axis = proposed.ndim - 1
    chosen = call("take_along_axis", proposed, sorting.argmax(accepted, axis, True), axis=axis)
    return call("reshape", chosen, shape=chosen.shape[:-1])


def vonmises(mu: Any, kappa: Any, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Angles from -π to π about ``mu``, the closer the larger ``kappa`` is (Best and Fisher).

    ``mu`` and ``kappa`` broadcast, and to ``size`` if that is given.
    """
    draw = Draw("vonmises", size, dtype, device, ctx, mu, kappa)
    mu, kappa = draw.parameters
    kappa = tensor(kappa).astype(draw.dtype, copy=False) if not isinstance(kappa, NDArray) else kappa
    kappa = call("broadcast_to", _math["maximum"](kappa.to_device(draw.device), 1e-4), shape=draw.shape)
    kappa = _beside(kappa)
    tau = _math["sqrt"](4 * kappa * kappa + 1) + 1
    rho = (tau - _math["sqrt"](tau * 2)) / (2 * kappa)
    r = (rho * rho + 1) / (2 * rho)
    z = _math["cos"](_rounds(draw) * math.pi)
    w = (r * z + 1) / (r + z)
    c, v = kappa * (r - w), 1 - _rounds(draw)
    accepted = call("logical_or", c * (2 - c) - v > 0, _math["log"](c / v) + 1 - c >= 0)
    angle = _math["arccos"](_math["minimum"](_math["maximum"](_first(w, accepted), -1.0), 1.0))
    turned = call("where", draw(UNIFORM) < 0.5, -angle, angle) + mu
    return call("mod", turned + math.pi, 2 * math.pi) - math.pi


# -- shares and bounds ----------------------------------------------------------------------------


def triangular(
    left: ArrayLike,
    mode: ArrayLike,
    right: ArrayLike,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """From ``left`` to ``right``, most often at ``mode``, with a density of straight lines. All broadcast, and to ``size``."""
    draw = Draw("triangular", size, dtype, device, ctx, left, mode, right)
    left, mode, right = draw.parameters
    u = draw(UNIFORM)
    width, rise, fall = right - left, mode - left, right - mode
    below = _math["sqrt"](u * width * rise) + left
    above = right - _math["sqrt"]((1 - u) * width * fall)
    return call("where", u * width <= rise, below, above)


def dirichlet(alpha: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Shares that sum to 1: gamma variates of the shapes ``alpha`` over their sum; of shape size + (classes,).

    ShapeError unless ``alpha`` is of one dimension, and not empty.
    """
    alpha = tensor(alpha)
    if alpha.ndim != 1 or not alpha.size:
        fail(ShapeError, "dirichlet", expected="alpha of one dimension, not empty", got=str(alpha.shape))
    lead = () if size is None else as_shape("dirichlet", size)
    drawn = Draw("dirichlet", (*lead, alpha.shape[0]), dtype, device, ctx, alpha)
    shares = drawn(GAMMA, drawn.parameters[0])
    return shares / call("sum", shares, axis=(len(lead),), keepdims=True)


# -- whole numbers --------------------------------------------------------------------------------


def hypergeometric(
    ngood: ArrayLike,
    nbad: ArrayLike,
    nsample: ArrayLike,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """How many good ones are among ``nsample`` drawn, without putting back, from good and bad ones; floating unless ``dtype`` says else.

    All broadcast, and to ``size``. ArgumentError for samples larger than what there is, or of arrays for more than 1000.
    """
    draw = Draw("hypergeometric", size, None, device, ctx, ngood, nbad, nsample)
    if any(isinstance(p, NDArray) for p in draw.parameters):
        return _one_by_one(draw, *draw.parameters).astype(dtypes.as_dtype(dtype, dtypes.default_whole()), copy=False)
    good, bad, count = (int(p) for p in draw.parameters)
    if min(good, bad, count) < 0 or count > good + bad:
        fail(ArgumentError, "hypergeometric", expected=f"0 to {good + bad} samples", got=str(count))
    low, high = max(0, count - bad), min(good, count)
    logs = [_log_choose(good, k) + _log_choose(bad, count - k) - _log_choose(good + bad, count) for k in range(low, high + 1)]
    bounds = tensor(np.cumsum(np.exp(logs))[:-1]).to_device(draw.device)
    u = uniform(0.0, 1.0, draw.shape, dtypes.float64, draw.device)
    return (sorting.searchsorted(bounds, u, "right") + low).astype(dtypes.as_dtype(dtype, dtypes.default_whole()), copy=False)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _one_by_one(draw: Draw, good: Any, bad: Any, count: Any) -> Any:
    most = int(count) if isinstance(count, (int, float)) else int(count._concrete("hypergeometric").max())
    if most > 1000:
        fail(ArgumentError, "hypergeometric", expected="numbers, or at most 1000 samples beside arrays", got=str(most))
    left, rest = draw(UNIFORM) * 0 + good, draw(UNIFORM) * 0 + good + bad
    found = left * 0
    for i in range(most):
        hit = call("logical_and", draw(UNIFORM) * rest < left, found * 0 + count > i)
        found, left, rest = found + hit, left - hit, rest - 1
    return found


def random_integers(low: int, high: int | None = None, size: Any = None) -> Any:
    """Integers from ``low`` to ``high``, both included (from 1 to ``low`` without it): a name of old programs; int64."""
    return randint(1, low + 1, size) if high is None else randint(low, high + 1, size)


def random_bytes(length: int) -> bytes:
    """So many random bytes, which follow the seed. Drawn on the host: a compiled function holds what it was traced with."""
    return host_generator().bytes(length)
