"""``sym.random``: draws by the parameters of a distribution, which are numbers or symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hybridnet import absent
from hybridnet.errors import SignatureError, fail
from hybridnet.ndarray.register import OPERATORS
from hybridnet.symbol.register import function_of
from hybridnet.symbol.symbol import Symbol, called


def _draw(distribution: str, parameters: dict[str, Any], arrays: tuple[str, ...], kwargs: dict[str, Any]) -> Symbol:
    """The operator on numbers, or on symbols, whose parameters have the names ``arrays`` there."""
    given = {key: value for key, value in kwargs.items() if value is not None}
    kinds = [isinstance(x, Symbol) for x in parameters.values()]
    if all(kinds):
        return called(f"_sample_{distribution}", (), {**dict(zip(arrays, parameters.values(), strict=True)), **given})
    if any(kinds):
        got = ", ".join(f"{key} a {type(x).__name__}" for key, x in parameters.items())
        fail(SignatureError, f"random.{distribution}", expected="all parameters symbols, or all numbers", got=got)
    return called(f"_random_{distribution}", (), {**parameters, **given})


def uniform(low: Any = 0, high: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Uniform on [low, high): of ``shape``, or with symbols a draw of ``shape`` for each of their elements."""
    return _draw("uniform", {"low": low, "high": high}, ("low", "high"), {"shape": shape, "dtype": dtype, **kwargs})


def normal(loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Normal with mean ``loc`` and standard deviation ``scale``; shapes as in :func:`uniform`."""
    return _draw("normal", {"loc": loc, "scale": scale}, ("mu", "sigma"), {"shape": shape, "dtype": dtype, **kwargs})


def randn(*shape: int, **kwargs: Any) -> Symbol:
    """Normal draws of a shape given as numbers; ``loc`` and ``scale`` by name."""
    return normal(kwargs.pop("loc", 0), kwargs.pop("scale", 1), shape, **kwargs)


def poisson(lam: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Poisson counts with mean ``lam``; shapes as in :func:`uniform`."""
    return _draw("poisson", {"lam": lam}, ("lam",), {"shape": shape, "dtype": dtype, **kwargs})


def exponential(scale: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Exponential with mean ``scale``; shapes as in :func:`uniform`."""
    return _draw("exponential", {"lam": 1.0 / scale}, ("lam",), {"shape": shape, "dtype": dtype, **kwargs})


def gamma(alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Gamma of shape ``alpha`` and scale ``beta``; shapes as in :func:`uniform`."""
    return _draw("gamma", {"alpha": alpha, "beta": beta}, ("alpha", "beta"), {"shape": shape, "dtype": dtype, **kwargs})


def negative_binomial(k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Failures before the ``k``-th success of probability ``p``; shapes as in :func:`uniform`."""
    return _draw("negative_binomial", {"k": k, "p": p}, ("k", "p"), {"shape": shape, "dtype": dtype, **kwargs})


def generalized_negative_binomial(mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Counts of mean ``mu`` and variance mu + alpha·mu²; shapes as in :func:`uniform`."""
    given = {"shape": shape, "dtype": dtype, **kwargs}
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, ("mu", "alpha"), given)


def multinomial(data: Symbol, shape: Any = None, get_prob: bool = True, dtype: Any = "int32", **kwargs: Any) -> Symbol:
    """Numbers of classes drawn by the probabilities on the last axis of ``data``; with ``get_prob`` and their logarithms."""
    given = {} if shape is None else {"shape": shape}
    return called("_sample_multinomial", (data,), {**given, "get_prob": get_prob, "dtype": dtype, **kwargs})


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """The parts of ``data`` along its first axis in a random order."""
    return called("_shuffle", (data,), kwargs)


def randint(low: int, high: int, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Integers from ``low`` to below ``high``."""
    return _draw("randint", {"low": low, "high": high}, (), {"shape": shape, "dtype": dtype, **kwargs})


def _likes() -> dict[str, Callable[..., Symbol]]:
    """``uniform_like`` and the others, which draw in the shape of a symbol."""
    found = [op for op in OPERATORS if op.startswith("_random_") and op.endswith("_like")]
    return {op.removeprefix("_random_"): function_of(op, op.removeprefix("_random_")) for op in found}


globals().update(_likes())


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
