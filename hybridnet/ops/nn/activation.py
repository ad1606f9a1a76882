"""Activation functions: one operator each, written in primitive ones, with a gradient that is cheaper than that of its parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core import ArrayLike, Kind, Op, Sample, Spec, apply, call, local, register
from hybridnet.core.random import next_key
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.common import NONE, normal, tensor, uniform
from hybridnet.ops.nn.common import narrow, one_of, sum_to, wide

#: exp of these is still finite; beyond them a sigmoid is 0 or 1 in its type.
_EXP_LIMIT = {dtypes.float16: 11.0, dtypes.bfloat16: 88.0, dtypes.float32: 88.0, dtypes.float64: 709.0}


#: The slopes far out, where parts of the formulas are beyond every type.
_FAR = {
    **dict.fromkeys(("relu", "softrelu", "silu", "gelu", "gelu_tanh", "mish"), (0, 1)),
    "sigmoid": (0, 0),
    "log_sigmoid": (1, 0),
}


def _activation(
    name: str,
    decomposition: Callable[..., Any],
    rule: Callable[..., Any],
    saves: tuple[int | str, ...],
    precision: str = "follow",
    **attrs: Any,
) -> Op:
    def samples() -> list[Sample]:
        mixed = uniform(0.1, 2.0, 2, 3) * np.array([[1, -1, 1], [-1, 1, -1]])  # away from 0, where some of them have a kink
        far = [Sample((np.array([-1e4, 1e4]),), attrs, gradients=(np.array(_FAR[name]),))] if name in _FAR else []
        return [Sample((mixed,), attrs), Sample((uniform(-2, -0.1, 4, seed=1),), attrs), *far]

    return register(
        Op(
            name,
            Kind.OPAQUE,
            lambda x, **attrs: x,
            decomposition=decomposition,
            grad=(rule,),
            saves=saves,
            promote="float",
            precision=precision,
            sample=samples,
        )
    )


def _in_wide(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function with 16-bit numbers computed in float32 and rounded once, since some lose digits on the way (1 + erf near -1)."""
    return lambda x: narrow(fn(wide(x)), x.dtype)


def _sigmoid(x: Any) -> Any:
    return 1 / (call("exp", call("minimum", -x, _EXP_LIMIT[x.dtype])) + 1)


def _softrelu(x: Any) -> Any:
    return call("maximum", x, 0) + call("log1p", call("exp", -call("absolute", x)))


@_in_wide
def _gelu_erf_slope(x: Any) -> Any:
    density = call("exp", x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return (call("erf", x * math.sqrt(0.5)) + 1) * 0.5 + x * density


_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_inner(x: Any) -> Any:
    return call("tanh", x * (x * x * (_TANH_SCALE * _TANH_CUBE) + _TANH_SCALE))


@_in_wide  # its square is beyond float16 where 1 - t² is 0
def gelu_tanh_slope(x: Any) -> Any:
    """The derivative of GELU in its tanh form."""
    t = _gelu_tanh_inner(x)
    # Far out 1 - t² is 0, and what it is multiplied by beyond any type.
    return (t + 1) * 0.5 + call("product", x * (1 - t * t), x * x * (1.5 * _TANH_SCALE * _TANH_CUBE) + 0.5 * _TANH_SCALE)


@_in_wide
def _gelu(x: Any) -> Any:
    return x * 0.5 * (call("erf", x * math.sqrt(0.5)) + 1)


@_in_wide
def _gelu_tanh(x: Any) -> Any:
    return x * 0.5 * (_gelu_tanh_inner(x) + 1)


def _leaky(x: Any, *, slope: float) -> Any:
    if 0 <= slope <= 1:
        return call("maximum", x, x * slope)
    return call("where", x > 0, x, x * slope)


def _elu(x: Any, *, alpha: float) -> Any:
    return call("maximum", x, 0) + call("expm1", call("minimum", x, 0)) * alpha


def _elu_rule(g: Any, y: Any, x: Any, *, alpha: float) -> Any:
    slope = call("minimum", y, 0) + alpha  # alpha · exp(x) below 0, alpha above
    return g * slope if alpha == 1 else call("where", y > 0, g, g * slope)


#: The two constants of the self-normalising ELU's paper (arXiv 1706.02515).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _selu_rule(g: Any, y: Any, x: Any) -> Any:
    return g * call("where", y > 0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA)


def _silu_rule(g: Any, y: Any, x: Any) -> Any:
    s = call("sigmoid", x)
    return g * (s + y * (1 - s))


def _swish_rule(g: Any, y: Any, x: Any, *, beta: float) -> Any:
    s = call("sigmoid", x * beta)
    return g * (s + y * (1 - s) * beta)


@_in_wide
def _mish_slope(x: Any) -> Any:
    t, s = call("tanh", call("softrelu", x)), call("sigmoid", x)
    return t + x * s * (1 - t * t)


def _hard_sigmoid(x: Any, *, alpha: float, beta: float) -> Any:
    return call("clip", x * alpha + beta, a_min=0, a_max=1)


def _hard_sigmoid_rule(g: Any, y: Any, x: Any, *, alpha: float, beta: float) -> Any:
    return call("where", call("logical_and", y > 0, y < 1), g * alpha, 0)


def _softsign_rule(g: Any, y: Any, x: Any) -> Any:
    t = 1 - call("absolute", y)
    return g * t * t


RELU = _activation("relu", lambda x: call("maximum", x, 0), lambda g, y, x: call("where", y > 0, g, 0), ("y",))
SIGMOID = _activation("sigmoid", _in_wide(_sigmoid), lambda g, y, x: g * (y - y * y), ("y",))
LOG_SIGMOID = _activation("log_sigmoid", lambda x: -_softrelu(-x), lambda g, y, x: -g * call("expm1", y), ("y",), "float32")
SOFTRELU = _activation("softrelu", _in_wide(_softrelu), lambda g, y, x: g * call("sigmoid", x), (0,))
SOFTSIGN = _activation("softsign", lambda x: x / (call("absolute", x) + 1), _softsign_rule, ("y",))
SILU = _activation("silu", _in_wide(lambda x: x * call("sigmoid", x)), _silu_rule, (0, "y"))
GELU = _activation("gelu", _gelu, lambda g, y, x: g * _gelu_erf_slope(x), (0,))
GELU_TANH = _activation("gelu_tanh", _gelu_tanh, lambda g, y, x: g * gelu_tanh_slope(x), (0,))
LEAKY = _activation("leaky_relu", _leaky, lambda g, y, x, *, slope: call("where", x > 0, g, g * slope), (0,), slope=0.25)
ELU = _activation("elu", _elu, _elu_rule, ("y",), alpha=1.5)
SELU = _activation("selu", lambda x: _elu(x, alpha=_SELU_ALPHA) * _SELU_SCALE, _selu_rule, ("y",))
SWISH = _activation("swish", lambda x, *, beta: x * call("sigmoid", x * beta), _swish_rule, (0, "y"), beta=1.5)
MISH = _activation("mish", _in_wide(lambda x: x * call("tanh", call("softrelu", x))), lambda g, y, x: g * _mish_slope(x), (0,))
HARD_SIGMOID = _activation("hard_sigmoid", _hard_sigmoid, _hard_sigmoid_rule, ("y",), alpha=0.2, beta=0.5)


def _infer_prelu(x: Spec, gamma: Spec) -> Spec:
    if math.prod(gamma.shape) != 1 and (x.ndim < 2 or gamma.shape != (x.shape[1],)):
        fail(ShapeError, "prelu", expected=f"one slope or one a channel for data {x.shape}", got=str(gamma.shape))
    return x


def _slopes(gamma: Any, ndim: int) -> Any:
    """The slopes of prelu, beside data of ``ndim`` dimensions."""
    return call("reshape", gamma, shape=tuple(gamma.size if i == 1 else 1 for i in range(ndim)))


def _prelu(x: Any, gamma: Any) -> Any:
    return call("maximum", x, 0) + call("minimum", x, 0) * _slopes(gamma, x.ndim)


def _prelu_rule(needs: tuple[bool, ...], g: Any, y: Any, x: Any, gamma: Any) -> tuple[Any, Any]:
    slopes = _slopes(gamma, x.ndim)
    of_x = call("where", x > 0, g, g * slopes) if needs[0] else None
    of_gamma = call("reshape", sum_to(g * call("minimum", x, 0), slopes.shape), shape=gamma.shape) if needs[1] else None
    return of_x, of_gamma


_mixed = uniform(0.1, 2.0, 2, 3, 2) * np.array([[[1], [-1], [1]], [[-1], [1], [-1]]])
PRELU = register(
    Op(
        "prelu",
        Kind.OPAQUE,
        _infer_prelu,
        decomposition=_prelu,
        grad=_prelu_rule,
        saves=(0, 1),
        promote="float",
        sample=lambda: [
            Sample((_mixed, uniform(0.1, 0.5, 3, seed=1))),
            Sample((_mixed, uniform(0.1, 0.5, 1, seed=2))),
            Sample((np.zeros((1, 1)), np.array([0.5])), gradients=(np.array([[0.5]]), np.array([0.0]))),
            Sample((_mixed, normal(2)), error=ValueError),
        ],
    )
)


def _public(op: Op, doc: str) -> Callable[..., Any]:
    def function(data: ArrayLike) -> Any:
        return apply(op, (tensor(data),), NONE)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = doc
    return function


relu = _public(RELU, "max(x, 0); the gradient at 0 is 0.")
sigmoid = _public(SIGMOID, "1 / (1 + exp(-x)).")
log_sigmoid = _public(LOG_SIGMOID, "log(sigmoid(x)), without overflow.")
softrelu = softplus = _public(SOFTRELU, "log(1 + exp(x)), without overflow.")
softsign = _public(SOFTSIGN, "x / (1 + abs(x)).")
silu = _public(SILU, "x · sigmoid(x).")
mish = _public(MISH, "x · tanh(softrelu(x)).")
selu = _public(SELU, "The self-normalising ELU, with the two constants of its paper (arXiv 1706.02515).")


def tanh(data: ArrayLike) -> Any:
    """The hyperbolic tangent."""
    return call("tanh", tensor(data))


def swish(data: ArrayLike, beta: float = 1.0) -> Any:
    """x · sigmoid(beta · x)."""
    return silu(data) if beta == 1 else apply(SWISH, (tensor(data),), {"beta": float(beta)})


def gelu(data: ArrayLike, approximation: str = "erf") -> Any:
    """x · Φ(x), Φ the normal distribution function: exact (``erf``) or by its usual formula (``tanh``)."""
    return apply(GELU if one_of("gelu", "approximation", approximation, ("erf", "tanh")) == "erf" else GELU_TANH, (tensor(data),))


def hard_sigmoid(data: ArrayLike, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """alpha · x + beta, cut to 0 … 1; where it is cut, and just there, the gradient is 0."""
    return apply(HARD_SIGMOID, (tensor(data),), {"alpha": float(alpha), "beta": float(beta)})


def elu(data: ArrayLike, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha · (exp(x) - 1); ``alpha`` is not negative. ArgumentError if it is."""
    if alpha < 0:
        fail(ArgumentError, "elu", expected="alpha of 0 or more", got=str(alpha))
    return apply(ELU, (tensor(data),), {"alpha": float(alpha)})


def prelu(data: ArrayLike, gamma: ArrayLike) -> Any:
    """x where x > 0, else gamma · x; ``gamma`` has one element, or one for each channel (axis 1). At 0 the slope is gamma."""
    data = tensor(data)
    return apply(PRELU, (data, tensor(gamma, data)))


def rrelu(data: ArrayLike, lower: float = 0.125, upper: float = 0.334) -> tuple[Any, Any]:
    """x where x > 0, else slope · x, and the slopes, drawn from ``lower`` … ``upper``. In prediction they are the mean, and given as 0."""
    data = tensor(data)
    if not local.training:
        return apply(LEAKY, (data,), {"slope": (lower + upper) / 2}), call("multiply", data, 0).detach()
    seed, counter = next_key(data.device)
    drawn = call("random_uniform", seed, counter, shape=data.shape, dtype=dtypes.floating(data.dtype))
    slopes = drawn * (upper - lower) + lower
    return relu(data) - relu(-data) * slopes, slopes


def leaky_relu(
    data: Any,
    gamma: Any = None,
    act_type: str = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> Any:
    """The activations with a slope below 0, by name.

    ``leaky``: slope · x; ``prelu``: gamma · x; ``elu``: slope · (exp(x) - 1); ``rrelu``: a slope drawn from
    ``lower_bound`` … ``upper_bound`` for each element in training, their mean in prediction; ``selu``; ``gelu``. ArgumentError
    for another name, or for ``prelu`` without ``gamma``.
    """
    data = tensor(data)
    if act_type == "prelu" and gamma is None:
        fail(ArgumentError, "leaky_relu", expected="gamma, the slopes of prelu", got="none")
    chosen = {
        "leaky": lambda: apply(LEAKY, (data,), {"slope": float(slope)}),
        "prelu": lambda: prelu(data, gamma),
        "elu": lambda: elu(data, slope),
        "selu": lambda: selu(data),
        "gelu": lambda: gelu(data),
        "rrelu": lambda: rrelu(data, lower_bound, upper_bound)[0],
    }
    return chosen[one_of("leaky_relu", "act_type", act_type, chosen)]()


#: What ``activation`` and Gluon's layers accept by name.
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
    "mish": mish,
    "tanh": tanh,
    "softrelu": softrelu,
    "softsign": softsign,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": lambda data: gelu(data, "tanh"),
}


def activation(data: ArrayLike, act_type: str = "relu") -> Any:
    """An activation function by its name in :data:`ACTIVATIONS`."""
    return ACTIVATIONS[one_of("activation", "act_type", act_type, ACTIVATIONS)](data)
