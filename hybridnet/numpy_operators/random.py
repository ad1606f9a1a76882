"""Operators of ``np.random`` and ``npx.random``: parameters are numbers or inputs, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hybridnet import dtypes
from hybridnet.core import array
from hybridnet.ndarray.attributes import Array, Context, Dtype, Floats, Shape
from hybridnet.ndarray.types import always
from hybridnet.numpy.random import FUNCTIONS as DRAWS
from hybridnet.numpy_extension import random as extension
from hybridnet.numpy_operators import types
from hybridnet.numpy_operators.register import numpy_operator

_float32 = types.float_unless_told()


def _asked(*names: str) -> Mapping[str, Callable[[Any], bool]]:
    """The inputs ``input1`` and on are there for the parameters, by name, that are no numbers."""

    def nth(n: int) -> Callable[[Any], bool]:
        return lambda a: sum(a[name] is None for name in names) > n

    return {f"input{n + 1}": nth(n) for n in range(len(names))}


def _parameters(numbers: tuple[float | None, ...], inputs: tuple[Any, ...]) -> list[Any]:
    """The parameters in order: numbers, and the inputs in the places of those that are none."""
    left = iter(inputs)
    return [next(left) if number is None else number for number in numbers]


def _of_location(name: str, function: Callable[..., Any], typed: bool, output: str) -> None:
    """A distribution of a location and a scale."""
    if typed:

        def operator(
            input1: Array | None = None,
            input2: Array | None = None,
            loc: float | None = None,
            scale: float | None = None,
            size: Shape | None = None,
            ctx: Context | None = None,
            dtype: Dtype | None = "float32",
        ) -> Any:
            return function(*_parameters((loc, scale), (input1, input2)), size, dtype=dtype, ctx=ctx)
    else:

        def operator(  # type: ignore[misc]
            input1: Array | None = None,
            input2: Array | None = None,
            loc: float | None = None,
            scale: float | None = None,
            size: Shape | None = None,
            ctx: Context | None = None,
        ) -> Any:
            return function(*_parameters((loc, scale), (input1, input2)), size, ctx=ctx)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", asked=_asked("loc", "scale"), outputs=(output,), types=_float32)(operator)


_of_location("normal", DRAWS["normal"], True, "output0")
_of_location("normal_n", extension.normal_n, True, "output0")
_of_location("gumbel", DRAWS["gumbel"], False, "output0")
_of_location("logistic", DRAWS["logistic"], False, "output0")


def _of_range(name: str, function: Callable[..., Any]) -> None:
    def operator(
        input1: Array | None = None,
        input2: Array | None = None,
        low: float | None = None,
        high: float | None = None,
        size: Shape | None = None,
        ctx: Context | None = None,
        dtype: Dtype | None = "float32",
    ) -> Any:
        return function(*_parameters((low, high), (input1, input2)), size, dtype=dtype, ctx=ctx)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", asked=_asked("low", "high"), types=_float32)(operator)


_of_range("uniform", DRAWS["uniform"])
_of_range("uniform_n", extension.uniform_n)


@numpy_operator("_npi_gamma", asked=_asked("shape", "scale"), types=_float32)
def gamma(
    input1: Array | None = None,
    input2: Array | None = None,
    shape: float | None = None,
    scale: float | None = None,
    size: Shape | None = None,
    ctx: Context | None = None,
    dtype: Dtype | None = "float32",
) -> Any:
    """Gamma of a shape and a scale."""
    return DRAWS["gamma"](*_parameters((shape, scale), (input1, input2)), size, dtype=dtype, ctx=ctx)


def _of_scale(name: str) -> None:
    function: Callable[..., Any] = DRAWS[name]

    def operator(input1: Array | None = None, scale: float | None = 1.0, size: Shape | None = None, ctx: Context | None = None) -> Any:
        return function(*_parameters((scale,), (input1,)), size, ctx=ctx)

    operator.__doc__ = function.__doc__
    numpy_operator(f"_npi_{name}", asked=_asked("scale"), outputs=("output0",), types=_float32)(operator)


_of_scale("exponential")
_of_scale("rayleigh")


def _of_power(op: str, name: str, output: str) -> None:
    function: Callable[..., Any] = DRAWS[name]

    def operator(input1: Array | None = None, a: float | None = None, size: Shape | None = None, ctx: Context | None = None) -> Any:
        return function(*_parameters((a,), (input1,)), size, ctx=ctx)

    operator.__doc__ = function.__doc__
    numpy_operator(op, asked=_asked("a"), outputs=(output,), types=_float32)(operator)


_of_power("_npi_weibull", "weibull", "output0")
_of_power("_npi_pareto", "pareto", "output0")
_of_power("_npi_powerd", "power", "output")


@numpy_operator("_npi_bernoulli", asked={"input1": lambda a: a["prob"] is None and a["logit"] is None}, types=_float32)
def bernoulli(
    input1: Array | None = None,
    prob: float | None = None,
    logit: float | None = None,
    size: Shape | None = None,
    ctx: Context | None = None,
    dtype: Dtype | None = "float32",
    is_logit: bool = False,
) -> Any:
    """0 or 1, with the probability of 1 or its logit."""
    given = (logit if is_logit else prob) if input1 is None else input1
    return DRAWS["bernoulli"](None if is_logit else given, given if is_logit else None, size, dtype=dtype, ctx=ctx)


@numpy_operator(
    "_npi_choice",
    asked={"input1": lambda a: a["a"] is None or a["weighted"], "input2": lambda a: a["a"] is None and a["weighted"]},
    types=always(dtypes.int64),
)
def choice(
    input1: Array | None = None,
    input2: Array | None = None,
    a: int | None = None,
    size: Shape | None = None,
    ctx: Context | None = None,
    replace: bool = True,
    weighted: bool = False,
) -> Any:
    """Numbers below ``a``, or elements of an array, drawn with or without putting back, by weights if there are some."""
    of, weights = (a, input1) if a is not None else (input1, input2)
    return DRAWS["choice"](of, size or None, replace, weights if weighted else None, ctx=ctx).astype("int64", copy=False)


@numpy_operator("_npi_multivariate_normal", types=types.floating)
def multivariate_normal(mean: Array, cov: Array, size: Shape | None = None) -> Any:
    """Normal vectors of a mean and a covariance matrix, which is not one of MXNet's operators: its front end has none that works."""
    return DRAWS["multivariate_normal"](mean, cov, size)


@numpy_operator("_npi_multinomial", asked={"a": lambda a: a["pvals"] is None}, types=always(dtypes.int64))
def multinomial(a: Array | None = None, n: int = 1, pvals: Floats | None = None, size: Shape | None = None) -> Any:
    """How often each class came in ``n`` draws by the probabilities ``pvals``, numbers or an input."""
    return DRAWS["multinomial"](n, a if pvals is None else array(pvals, dtypes.float64), size)
