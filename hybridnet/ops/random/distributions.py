"""Random numbers: the distributions, made of a few primitive draws and ordinary operators.

The primitives draw standard variates (uniform, normal, exponential, gamma, ...); the rest is
arithmetic on them, so that gradients flow to the parameters (reparameterisation) and tracing and
fusion need to know nothing more. Parameters are numbers or arrays; ``size`` is the result's shape,
by default that of the broadcast parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, DeviceLike, DTypeLike, NDArray, Op, apply, broadcast_shapes, call, cuda_rule
from hybridnet.core.random import next_key
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.array.creation import full
from hybridnet.ops.array.gather import pick, take
from hybridnet.ops.array.sorting import argsort
from hybridnet.ops.common import as_shape, tensor
from hybridnet.ops.math import pointwise
from hybridnet.ops.random.draws import (
    BINOMIAL,
    CATEGORICAL,
    EXPONENTIAL,
    GAMMA,
    MULTINOMIAL,
    NORMAL,
    PERMUTATION,
    POISSON,
    RANDINT,
    UNIFORM,
)

_math = pointwise.FUNCTIONS


# -- what the distributions share -----------------------------------------------------------------


def _drawn(op: Op, device: Device, parameters: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The next draw of a device. A GPU's kernels take numbers as arrays, and it draws in parts what is made of other draws."""
    operands = (*next_key(device), *parameters)
    if not device.is_gpu:
        return apply(op, operands, attrs)
    operands = tuple(x if isinstance(x, NDArray) else full((), x, np.asarray(x).dtype, device) for x in operands)
    parts = cuda_rule(op).decomposition
    return apply(op, operands, attrs) if parts is None else parts(*operands, **attrs)


class Draw:
    """One call of a distribution: its dtype, its device, its shape, its parameters in that dtype."""

    def __init__(self, op: str, size: Any, dtype: Any, device: Any, ctx: Any, *parameters: Any) -> None:
        arrays = [p for p in parameters if isinstance(p, NDArray)]
        asked = device if device is not None else ctx
        self.device = Device(asked) if asked is not None else arrays[0].device if arrays else current_device()
        self.dtype = dtypes.as_dtype(dtype)
        if not dtypes.is_floating(self.dtype):
            fail(ArgumentError, op, expected="a floating dtype", got=str(self.dtype))
        self.parameters = [
            p if isinstance(p, (int, float)) else tensor(p, arrays[0] if arrays else None).astype(self.dtype, copy=False)
            for p in parameters
        ]
        self.shape = (
            broadcast_shapes(op, *(p.shape for p in self.parameters if isinstance(p, NDArray))) if size is None else as_shape(op, size)
        )

    def __call__(self, op: Op, *parameters: Any) -> Any:
        return _drawn(op, self.device, parameters, {"shape": self.shape, "dtype": self.dtype})


def _log_exponential(draw: Draw) -> Any:
    """The logarithm of a standard exponential draw, kept finite."""
    return _math["log"](_math["maximum"](draw(EXPONENTIAL), float(np.finfo(np.float16 if draw.dtype.itemsize == 2 else np.float32).tiny)))


# -- continuous distributions ---------------------------------------------------------------------


def uniform(
    low: ArrayLike = 0.0,
    high: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Uniform on [low, high)."""
    draw = Draw("uniform", size, dtype, device, ctx, low, high)
    low, high = draw.parameters
    u = draw(UNIFORM)
    if isinstance(low, NDArray) or isinstance(high, NDArray):
        return low + u * (high - low)
    u = u if high - low == 1 else u * float(high - low)
    return u if low == 0 else u + float(low)


def normal(
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Normal with mean ``loc`` and standard deviation ``scale``."""
    draw = Draw("normal", size, dtype, device, ctx, loc, scale)
    return _scaled(draw(NORMAL), *draw.parameters)


def _scaled(x: Any, loc: Any, scale: Any) -> Any:
    """loc + scale · x without the steps that change nothing."""
    if isinstance(scale, NDArray) or scale != 1:
        x = x * scale
    return x + loc if isinstance(loc, NDArray) or loc != 0 else x


def lognormal(
    mean: ArrayLike = 0.0,
    sigma: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """The exponential of a normal variate."""
    return _math["exp"](normal(mean, sigma, size, dtype, device, ctx))


def exponential(
    scale: ArrayLike = 1.0, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """Exponential with mean ``scale``."""
    draw = Draw("exponential", size, dtype, device, ctx, scale)
    return _scaled(draw(EXPONENTIAL), 0, draw.parameters[0])


def gumbel(
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Gumbel, the distribution of maxima: loc - scale · log(exponential)."""
    draw = Draw("gumbel", size, dtype, device, ctx, loc, scale)
    return _scaled(-_log_exponential(draw), *draw.parameters)


def logistic(
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Logistic: the difference of two Gumbel variates."""
    draw = Draw("logistic", size, dtype, device, ctx, loc, scale)
    return _scaled(_log_exponential(draw) - _log_exponential(draw), *draw.parameters)


def laplace(
    loc: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Laplace: the difference of two exponential variates."""
    draw = Draw("laplace", size, dtype, device, ctx, loc, scale)
    return _scaled(draw(EXPONENTIAL) - draw(EXPONENTIAL), *draw.parameters)


def gamma(
    shape: Any,
    scale: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Gamma of shape ``shape``; gradients flow to ``scale`` alone."""
    draw = Draw("gamma", size, dtype, device, ctx, shape, scale)
    return _scaled(draw(GAMMA, draw.parameters[0]), 0, draw.parameters[1])


def beta(a: ArrayLike, b: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Beta: x / (x + y) of two gamma variates.

    ``a`` and ``b`` broadcast, and to ``size`` if that is given.
    """
    draw = Draw("beta", size, dtype, device, ctx, a, b)
    x, y = (draw(GAMMA, p) for p in draw.parameters)
    return x / (x + y)


def chisquare(df: Any, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Chi-square with ``df`` degrees of freedom."""
    draw = Draw("chisquare", size, dtype, device, ctx, df)
    return draw(GAMMA, draw.parameters[0] / 2) * 2


def f(dfnum: Any, dfden: Any, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """F: the ratio of two chi-square variates, each over its degrees of freedom.

    ``dfnum`` and ``dfden`` broadcast, and to ``size`` if that is given.
    """
    draw = Draw("f", size, dtype, device, ctx, dfnum, dfden)
    top, bottom = ((draw(GAMMA, p / 2) / p) for p in draw.parameters)
    return top / bottom


def pareto(a: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Pareto II (Lomax) of shape ``a``, as NumPy's."""
    draw = Draw("pareto", size, dtype, device, ctx, a)
    return _math["expm1"](draw(EXPONENTIAL) / draw.parameters[0])


def power(a: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """On [0, 1] with density a·x**(a-1)."""
    draw = Draw("power", size, dtype, device, ctx, a)
    return draw(UNIFORM) ** (1 / draw.parameters[0])


def rayleigh(scale: ArrayLike = 1.0, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Rayleigh: the length of a two-dimensional normal vector."""
    draw = Draw("rayleigh", size, dtype, device, ctx, scale)
    return _scaled(_math["sqrt"](draw(EXPONENTIAL) * 2), 0, draw.parameters[0])


def weibull(a: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Weibull of shape ``a``."""
    draw = Draw("weibull", size, dtype, device, ctx, a)
    return draw(EXPONENTIAL) ** (1 / draw.parameters[0])


def multivariate_normal(
    mean: ArrayLike,
    cov: ArrayLike,
    size: Any = None,
    check_valid: str | None = None,
    tol: float | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Normal vectors of the given mean (..., n) and positive definite covariance (..., n, n). Else ShapeError.

    ``check_valid`` ``raise``: an ArgumentError unless the covariance is symmetric and its eigenvalues are above -``tol`` (1e-8), which
    is eager only. Without, or with ``warn`` and ``ignore``, nothing is checked, and what is no covariance gives NaN.
    """
    if check_valid not in (None, "warn", "raise", "ignore"):
        fail(ArgumentError, "multivariate_normal", expected="check_valid warn, raise or ignore", got=repr(check_valid))
    if check_valid == "raise":
        matrix, least = tensor(cov).asnumpy().astype(np.float64), -(1e-8 if tol is None else tol)
        if not np.allclose(matrix, np.swapaxes(matrix, -1, -2)) or np.linalg.eigvalsh(matrix).min() < least:
            fail(ArgumentError, "multivariate_normal", expected="a symmetric cov with no eigenvalue below 0", got="another matrix")
    mean = tensor(mean)
    cov = tensor(cov)
    if cov.ndim < 2 or mean.ndim < 1 or cov.shape[-1] != cov.shape[-2] or cov.shape[-1] != mean.shape[-1]:
        fail(ShapeError, "multivariate_normal", expected="mean (..., n) and cov (..., n, n)", got=f"{mean.shape} and {cov.shape}")
    batch = broadcast_shapes("multivariate_normal", mean.shape[:-1], cov.shape[:-2])
    lead = batch if size is None else as_shape("multivariate_normal", size) + batch
    z = normal(0.0, 1.0, (*lead, mean.shape[-1], 1), dtype, device if device is not None else mean.device, ctx)
    product = call("matmul", call("cholesky", cov.astype(z.dtype, copy=False)), z)
    return call("reshape", product, shape=product.shape[:-1]) + mean


def rand(*size: int, **kwargs: Any) -> Any:
    """Uniform on [0, 1), the shape given as arguments."""
    return uniform(0.0, 1.0, size, **kwargs)


def randn(*size: int, **kwargs: Any) -> Any:
    """Standard normal, the shape given as arguments."""
    return normal(0.0, 1.0, size, **kwargs)


def random(size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Uniform on [0, 1)."""
    return uniform(0.0, 1.0, size, dtype, device, ctx)


def standard_normal(size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Normal with mean 0 and standard deviation 1."""
    return normal(0.0, 1.0, size, dtype, device, ctx)


def standard_exponential(size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Exponential with mean 1."""
    return exponential(1.0, size, dtype, device, ctx)


def standard_gamma(shape: Any, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Gamma with scale 1."""
    return gamma(shape, 1.0, size, dtype, device, ctx)


# -- discrete distributions -----------------------------------------------------------------------


def poisson(lam: ArrayLike = 1.0, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Poisson counts with mean ``lam``, as floating numbers unless ``dtype`` says else."""
    return _counts("poisson", POISSON, size, dtype, device, ctx, lam)


def binomial(
    n: ArrayLike, p: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """The number of successes in ``n`` trials of probability ``p``."""
    return _counts("binomial", BINOMIAL, size, dtype, device, ctx, n, p)


def _counts(name: str, op: Op, size: Any, dtype: Any, device: Any, ctx: Any, *parameters: Any) -> Any:
    draw = Draw(name, size, None, device, ctx, *parameters)
    draw.dtype = dtypes.as_dtype(dtype, dtypes.default_whole())
    return draw(op, *draw.parameters)


def negative_binomial(
    n: ArrayLike, p: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None
) -> Any:
    """Failures before the ``n``-th success of probability ``p``: Poisson with a gamma mean.

    ArgumentError for a number ``p`` of 0 or less.
    """
    if isinstance(p, (int, float)) and p <= 0:
        fail(ArgumentError, "negative_binomial", expected="a probability p above 0", got=str(p))
    draw = Draw("negative_binomial", size, None, device, ctx, n, p)
    n, p = draw.parameters
    return poisson(draw(GAMMA, n) * ((1 - p) / p), None, dtype)


def generalized_negative_binomial(
    mu: Any = 1.0,
    alpha: ArrayLike = 1.0,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Poisson with a gamma mean: mean ``mu``, variance mu + alpha·mu²."""
    draw = Draw("generalized_negative_binomial", size, None, device, ctx, mu, alpha)
    mu, alpha = draw.parameters
    return poisson(draw(GAMMA, 1 / alpha) * (alpha * mu), None, dtype)


def geometric(p: ArrayLike, size: Any = None, dtype: DTypeLike = None, device: DeviceLike = None, ctx: DeviceLike = None) -> Any:
    """Trials up to the first success of probability ``p``."""
    draw = Draw("geometric", size, None, device, ctx, p)
    draws = _math["ceil"](draw(EXPONENTIAL) / -_math["log1p"](-draw.parameters[0]))
    return _math["maximum"](draws, 1).astype(dtypes.as_dtype(dtype, dtypes.default_whole()), copy=False)


def bernoulli(
    prob: Any = None,
    logit: Any = None,
    size: Any = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """1 with probability ``prob`` (or with log-odds ``logit``), else 0.

    ArgumentError unless one of the two is given. The shape is ``size``, or that of the array.
    """
    if (prob is None) == (logit is None):
        fail(ArgumentError, "bernoulli", expected="one of prob and logit", got="both" if prob is not None else "neither")
    if prob is None:
        prob = 1 / (1 + _math["exp"](-tensor(logit)))
    draw = Draw("bernoulli", size, None, device, ctx, prob)
    return (draw(UNIFORM) < draw.parameters[0]).astype(dtypes.as_dtype(dtype, dtypes.default_whole()))


def randint(low: int, high: int | None = None, size: Any = None, dtype: Any = None, device: Any = None, ctx: Any = None) -> Any:
    """Integers from ``low`` to below ``high`` (from 0 to below ``low`` without it); int64 by default.

    ArgumentError unless ``low`` is below ``high``.
    """
    if high is None:
        low, high = 0, low
    if int(low) >= int(high):
        fail(ArgumentError, "randint", expected="low below high", got=f"{low} and {high}")
    target = Device(device if device is not None else ctx) if (device is not None or ctx is not None) else current_device()
    shape = () if size is None else as_shape("randint", size)
    return _drawn(RANDINT, target, (int(low), int(high)), {"shape": shape, "dtype": dtypes.as_dtype(dtype, dtypes.int64)})


def categorical(p: ArrayLike, shape: Any = (), dtype: Any = "int32") -> Any:
    """Class numbers drawn by the probabilities on the last axis of ``p``: of shape p.shape[:-1] + shape."""
    p = tensor(p)
    return _drawn(CATEGORICAL, p.device, (p,), {"shape": as_shape("categorical", shape), "dtype": dtypes.as_dtype(dtype)})


def multinomial(n: int, pvals: ArrayLike, size: Any = None) -> Any:
    """How often each class came in ``n`` draws by the probabilities ``pvals``: of shape size + (classes,).

    ShapeError unless ``pvals`` is of one dimension, and not empty.
    """
    pvals = tensor(pvals)
    if pvals.ndim != 1 or not pvals.size:
        fail(ShapeError, "multinomial", expected="pvals of one dimension", got=str(pvals.shape))
    shape = () if size is None else as_shape("multinomial", size)
    return _drawn(MULTINOMIAL, pvals.device, (pvals,), {"n": int(n), "shape": shape})


# -- orders and choices ---------------------------------------------------------------------------


def permutation(x: ArrayLike) -> Any:
    """The numbers below an integer, or the rows of an array, in random order. ShapeError for an array without dimensions."""
    if isinstance(x, (int, np.integer)):
        return _drawn(PERMUTATION, current_device(), (), {"n": int(x)})
    x = tensor(x)
    if not x.ndim:
        fail(ShapeError, "permutation", expected="an integer or an array of one dimension or more", got="zero dimensions")
    return take(x, _drawn(PERMUTATION, x.device, (), {"n": x.shape[0]}), 0)


def shuffle(x: Any) -> None:
    """Put the rows of an array into random order, in place."""
    x._assign(permutation(x))


def choice(
    a: Any,
    size: Any = None,
    replace: bool = True,
    p: Any = None,
    device: DeviceLike = None,
    ctx: DeviceLike = None,
) -> Any:
    """Elements of a one-dimensional array (or numbers below an integer), with probabilities ``p`` if given.

    ArgumentError for more than there are without ``replace``, or if there is nothing to choose from.
    """
    source = None if isinstance(a, (int, np.integer)) else tensor(a)
    n = int(a) if source is None else source.shape[0]
    shape = () if size is None else as_shape("choice", size)
    count = int(np.prod(shape))
    if not replace and count > n:
        fail(ArgumentError, "choice", expected=f"at most {n} elements without replacement", got=str(count))
    if n == 0 and count:
        fail(ArgumentError, "choice", expected="something to choose from", got="nothing")
    if replace:
        drawn = randint(0, n, shape, device=device, ctx=ctx) if p is None else categorical(p, shape, dtypes.int64)
    else:
        order = permutation(n) if p is None else _weighted_order(p)
        drawn = order[:count].reshape(shape)
    return drawn if source is None else source[drawn]


def _weighted_order(p: Any) -> Any:
    """All classes in the order in which drawing without replacement by ``p`` takes them (Gumbel's trick)."""
    p = tensor(p)
    return argsort(_math["log"](p) + gumbel(size=p.shape, device=p.device), 0, descending=True)


def log_probability(p: Any, drawn: Any) -> Any:
    """The logarithm of the probability that ``p`` (..., classes) gives to drawn class numbers (..., shape)."""
    lead, extra = p.shape[:-1], drawn.shape[p.ndim - 1 :]
    spread = call("reshape", p, shape=(*lead, *(1,) * len(extra), p.shape[-1]))
    return _math["log"](pick(call("broadcast_to", spread, shape=(*lead, *extra, p.shape[-1])), drawn))
