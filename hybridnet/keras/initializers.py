"""Keras's initializers, as Gluon's; by name or class."""

from __future__ import annotations

import math
from typing import Any

from hybridnet import initializer
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.training.losses import near

Zeros, Ones, Constant = initializer.Zero, initializer.One, initializer.Constant
#: A normal distribution that is cut at two standard deviations has this one in units of the uncut one's.
_CUT = 0.87962566103423978


def RandomNormal(mean: float = 0.0, stddev: float = 0.05) -> Any:
    """Normal around 0 with that deviation. ArgumentError for a ``mean`` other than 0."""
    if mean:
        fail(ArgumentError, "RandomNormal", expected="mean 0", got=str(mean), fix="TruncatedNormal(mean, stddev)")
    return initializer.Normal(stddev)


def TruncatedNormal(mean: float = 0.0, stddev: float = 0.05) -> Any:
    """Normal, drawn again beyond two deviations."""
    return initializer.TruncNorm(mean, stddev)


def RandomUniform(minval: float = -0.05, maxval: float = 0.05) -> Any:
    """Uniform on ±maxval.

    ArgumentError unless ``minval`` is -``maxval``.
    """
    if minval != -maxval:
        fail(ArgumentError, "RandomUniform", expected="minval = -maxval", got=f"{minval} and {maxval}")
    return initializer.Uniform(maxval)


def Orthogonal(gain: float = 1.0) -> Any:
    """Orthogonal rows or columns, times ``gain``."""
    return initializer.Orthogonal(gain, "normal")


@initializer.register
class VarianceScaling(initializer.Initializer):
    """Variance ``scale`` over the number of inputs (``fan_in``), of outputs (``fan_out``), or their mean (``fan_avg``).

    ``distribution``: ``uniform`` or ``truncated_normal``. For weights of ``Dense`` (out, in) and of convolutions over
    channels-last data (out, height, width, in).
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution)
        if mode not in ("fan_in", "fan_out", "fan_avg") or distribution not in ("uniform", "truncated_normal"):
            expected = "mode fan_in, fan_out or fan_avg, distribution uniform or truncated_normal"
            fail(ArgumentError, "VarianceScaling", expected=expected, got=f"{mode!r} and {distribution!r}")
        self.scale, self.mode, self.distribution = scale, mode, distribution

    def _init_weight(self, name: str, arr: Any) -> None:
        receptive = math.prod(arr.shape[1:-1])
        fan_in, fan_out = arr.shape[-1] * receptive, arr.shape[0] * receptive
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(fan, 1))
        if self.distribution == "uniform":
            initializer.Uniform(deviation * math.sqrt(3))._init_weight(name, arr)
        else:
            initializer.TruncNorm(0.0, deviation / _CUT)._init_weight(name, arr)


_NAMED: dict[str, Any] = {
    "zeros": Zeros,
    "ones": Ones,
    "normal": RandomNormal,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform,
    "random_uniform": RandomUniform,
    "orthogonal": Orthogonal,
    "glorot_uniform": lambda: VarianceScaling(1.0, "fan_avg", "uniform"),
    "glorot_normal": lambda: VarianceScaling(1.0, "fan_avg", "truncated_normal"),
    "he_uniform": lambda: VarianceScaling(2.0, "fan_in", "uniform"),
    "he_normal": lambda: VarianceScaling(2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": lambda: VarianceScaling(1.0, "fan_in", "uniform"),
    "lecun_normal": lambda: VarianceScaling(1.0, "fan_in", "truncated_normal"),
}
GlorotUniform, GlorotNormal = _NAMED["glorot_uniform"], _NAMED["glorot_normal"]
HeUniform, HeNormal = _NAMED["he_uniform"], _NAMED["he_normal"]
LecunUniform, LecunNormal = _NAMED["lecun_uniform"], _NAMED["lecun_normal"]


def get(given: Any) -> Any:
    """An initializer of Gluon's from Keras's name, from a saved model, or one itself. ArgumentError for another name."""
    if not isinstance(given, str) or given.startswith("["):  # the text that dumps gave
        return initializer.create(given)
    if given not in _NAMED:
        fail(ArgumentError, "initializer", expected="one of " + ", ".join(_NAMED), got=repr(given), fix=near(given, list(_NAMED)))
    return _NAMED[given]()
