"""``sym.npx.random``: draws a batch at a time."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.symbol.numpy.creation import name_of, place
from hybridnet.symbol.numpy.random import draw
from hybridnet.symbol.symbol import Symbol, called_numpy


def bernoulli(prob: Any = None, logit: Any = None, size: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None) -> Symbol:
    """0 or 1, with the probability of 1 or its logit, a number or a symbol. ArgumentError unless one of the two is given."""
    if (prob is None) == (logit is None):
        fail(ArgumentError, "bernoulli", expected="either prob or logit", got="both" if prob is not None else "neither")
    given = prob if logit is None else logit
    numbers = {"prob": prob, "logit": logit, "is_logit": logit is not None, "size": size, "ctx": place(ctx), "dtype": name_of(dtype)}
    if isinstance(given, Symbol):
        return called_numpy("_npi_bernoulli", (given,), {**numbers, "prob": None, "logit": None})
    return called_numpy("_npi_bernoulli", (), numbers)


def uniform_n(low: Any = 0.0, high: Any = 1.0, batch_shape: Any = None, dtype: Any = None, ctx: Any = None) -> Symbol:
    """Uniform on [low, high), ``batch_shape`` times over."""
    return draw("_npi_uniform_n", {"low": low, "high": high}, batch_shape, ctx, {"dtype": name_of(dtype)})


def normal_n(loc: Any = 0.0, scale: Any = 1.0, batch_shape: Any = None, dtype: Any = None, ctx: Any = None) -> Symbol:
    """Normal, ``batch_shape`` times over."""
    return draw("_npi_normal_n", {"loc": loc, "scale": scale}, batch_shape, ctx, {"dtype": name_of(dtype)})
