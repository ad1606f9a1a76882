"""``sym.np.random``: draws whose parameters are numbers or symbols, each by itself."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.numpy.creation import name_of, place
from hybridnet.symbol.symbol import Symbol, called_numpy


def draw(op: str, parameters: dict[str, Any], size: Any, ctx: Any, given: dict[str, Any] | None = None) -> Symbol:
    """The operator with the parameters that are symbols as inputs, and those that are numbers as attributes."""
    symbols = [x for x in parameters.values() if isinstance(x, Symbol)]
    numbers = {key: None if isinstance(x, Symbol) else x for key, x in parameters.items()}
    return called_numpy(op, symbols, {**numbers, "size": size, "ctx": place(ctx), **(given or {})})


def uniform(low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Uniform on [low, high)."""
    return draw("_npi_uniform", {"low": low, "high": high}, size, ctx, {"dtype": name_of(dtype)})


def normal(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Normal with mean ``loc`` and standard deviation ``scale``."""
    return draw("_npi_normal", {"loc": loc, "scale": scale}, size, ctx, {"dtype": name_of(dtype)})


def lognormal(mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """e to the power of normal draws."""
    return called_numpy("_npi_exp", (normal(mean, sigma, size, dtype, ctx),), {})


def logistic(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Logistic."""
    return draw("_npi_logistic", {"loc": loc, "scale": scale}, size, ctx)


def gumbel(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Gumbel's distribution."""
    return draw("_npi_gumbel", {"loc": loc, "scale": scale}, size, ctx)


def gamma(shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Gamma of a shape and a scale."""
    return draw("_npi_gamma", {"shape": shape, "scale": scale}, size, ctx, {"dtype": name_of(dtype)})


def beta(a: Any, b: Any, size: Any = None, dtype: Any = None, ctx: Any = None) -> Symbol:
    """Beta, of two gamma draws."""
    x: Any = gamma(a, 1, size, "float64", ctx)
    y: Any = gamma(b, 1, size, "float64", ctx)
    return called_numpy("Cast", (x / (x + y),), {"dtype": name_of(dtype)})


def chisquare(df: Any, size: Any = None, dtype: Any = None, ctx: Any = None) -> Symbol:
    """χ² with ``df`` degrees of freedom."""
    return gamma(df / 2, 2.0, size, dtype, ctx)


def exponential(scale: Any = 1.0, size: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Exponential with mean ``scale``."""
    return draw("_npi_exponential", {"scale": scale}, size, ctx)


def rayleigh(scale: Any = 0.0, size: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Rayleigh's distribution."""
    return draw("_npi_rayleigh", {"scale": scale}, size, ctx)


def weibull(a: Any, size: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Weibull's distribution of a shape."""
    return draw("_npi_weibull", {"a": a}, size, ctx)


def pareto(a: Any, size: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Pareto's distribution of a shape."""
    return draw("_npi_pareto", {"a": a}, size, ctx)


def power(a: Any, size: Any = None) -> Symbol:
    """Powers of uniform draws: of density a·x^(a - 1) on [0, 1]."""
    given = {"a": None if isinstance(a, Symbol) else a, "size": size}
    return called_numpy("_npi_powerd", (a,) if isinstance(a, Symbol) else (), given)


def rand(*size: int, **kwargs: Any) -> Symbol:
    """Uniform on [0, 1) in a shape given as numbers."""
    return uniform(0, 1, size, **kwargs)


def randint(low: int, high: int | None = None, size: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Integers from ``low`` to below ``high``, or from 0 to below ``low``; int64 unless told."""
    first, last = (0, low) if high is None else (low, high)
    given = {"low": first, "high": last, "shape": () if size is None else size, "ctx": place(ctx)}
    return called_numpy("_random_randint", (), {**given, "dtype": "int64" if dtype is None else name_of(dtype)}, "random_randint")


def choice(a: Any, size: Any = None, replace: bool = True, p: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """Numbers below ``a``, with or without putting back, by the probabilities that a symbol holds if there is one."""
    symbols = [x for x in (a, p) if isinstance(x, Symbol)]
    number = None if isinstance(a, Symbol) else a
    given = {"a": number, "size": () if size is None else size, "ctx": place(ctx), "replace": replace, "weighted": p is not None}
    return called_numpy("_npi_choice", symbols, given)


def shuffle(x: Symbol) -> Symbol:
    """The parts along the first axis in a random order."""
    return called_numpy("_shuffle", (x,), {}, "shuffle")


def multivariate_normal(mean: Symbol, cov: Symbol, size: Any = None, check_valid: Any = None, tol: Any = None) -> Symbol:
    """Normal vectors of a mean and a covariance matrix. ArgumentError for ``check_valid`` and ``tol``, as in MXNet."""
    if check_valid is not None or tol is not None:
        fail(ArgumentError, "multivariate_normal", expected="neither check_valid nor tol", got="one of them")
    return called_numpy("_npi_multivariate_normal", (mean, cov), {"size": size})
