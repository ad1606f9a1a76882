"""First values of parameters: ``Xavier``, ``Normal``, ``Constant`` and the rest of MXNet's.

An initializer is called with a description (the parameter's name and attributes) and the array to
fill. A Gluon parameter names its initializer (its own, else the network's), and that fills the array.
Called with a mere name it goes by the end of that: weights are drawn, biases, betas and running means
become 0, gammas and running variances 1. Drawing uses the random state of :mod:`hybridnet.core.random`, so one seed decides all.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hybridnet import absent
from hybridnet import ndarray as ndarray  # a name of this module in MXNet
from hybridnet import registry as registry  # likewise
from hybridnet.core import NDArray
from hybridnet.device.scipy_modules import scipy_module
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.nn import rnn
from hybridnet.ops.random import distributions as random
from hybridnet.registry import Registry

REGISTRY: Registry[Any] = Registry("initializer")
register = REGISTRY.register
alias = REGISTRY.alias


class InitDesc(str):
    """A parameter's name, with its attributes and the network-wide initializer."""

    attrs: dict[str, Any]
    global_init: Any

    def __new__(cls, name: str, attrs: dict[str, Any] | None = None, global_init: Any = None) -> InitDesc:
        self = super().__new__(cls, name)
        self.attrs = attrs or {}
        self.global_init = global_init
        return self


class Initializer:
    """The base: override ``_init_weight(self, name, arr)``, which fills ``arr`` in place.

    Keyword arguments given to the base's ``__init__`` are what :meth:`dumps` writes down.
    """

    _verbose = False
    _print_func: Callable[[NDArray], str] | None = None

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs

    def set_verbosity(self, verbose: bool = False, print_func: Callable[[NDArray], str] | None = None) -> Initializer:
        """Log each array that is filled, with what ``print_func`` says of it: the root of its mean square, unless given."""
        self._verbose, self._print_func = verbose, print_func
        return self

    def _tell(self, desc: str, how: str, arr: NDArray) -> None:
        if self._verbose:
            print_func = self._print_func or (lambda x: str(np.sqrt(np.mean(np.square(x.asnumpy(), dtype=np.float64)).astype(np.float32))))
            logging.info("Initialized %s as %s: %s", desc, how, print_func(arr))

    def __call__(self, desc: Any, arr: NDArray) -> None:
        """Fill ``arr``: by ``desc``'s own initializer if it has one, else by the end of its name."""
        own = getattr(desc, "attrs", {}).get("__init__")
        if own:
            create(own)._init_weight(desc, arr)
            self._tell(desc, str(own), arr)
            return
        for pattern, method in _BY_NAME:
            if found := pattern.search(desc):
                getattr(self, method)(desc, arr)
                self._tell(desc, found.group(), arr)
                return
        self._init_default(desc, arr)

    def dumps(self) -> str:
        """Name and arguments as JSON, which :func:`create` takes."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kwargs == other._kwargs  # type: ignore[attr-defined]

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._kwargs.items())})"

    def _init_weight(self, name: str, arr: NDArray) -> None:
        raise NotImplementedError(f"{type(self).__name__}._init_weight(self, name, arr)")

    def _init_zero(self, name: str, arr: NDArray) -> None:
        arr[...] = 0

    def _init_one(self, name: str, arr: NDArray) -> None:
        arr[...] = 1

    _init_bias = _init_beta = _init_zero
    _init_gamma = _init_one

    def _init_default(self, name: str, arr: NDArray) -> None:
        fail(
            ArgumentError,
            "initializer",
            expected="a name that ends in weight, bias, gamma, beta, running_mean, running_var, min or max",
            got=repr(str(name)),
            fix=f"Parameter({str(name)!r}, init=...) to say how it begins",
        )


_BY_NAME = [
    (re.compile(pattern + "$"), method)
    for pattern, method in (
        ("weight", "_init_weight"),
        ("bias", "_init_bias"),
        ("gamma", "_init_gamma"),
        ("beta", "_init_beta"),
        ("(running|moving)_mean|moving_avg|min", "_init_zero"),
        ("(running|moving)_var|moving_inv_var|max", "_init_one"),
    )
]


def create(init: Any, **kwargs: Any) -> Any:
    """An initializer from an object, a name, or the text that ``dumps`` gave. ArgumentError for what is none of these."""
    if not isinstance(init, str):
        if not callable(init):
            fail(ArgumentError, "initializer", expected="an initializer or its name", got=repr(init), fix="init.Normal(0.01) or 'normal'")
        return init
    if init.startswith("["):
        name, arguments = json.loads(init)
        return REGISTRY.create(name, **arguments)
    return REGISTRY.create(init, **kwargs)


@alias("zeros")
class Zero(Initializer):
    """Zeros."""

    def __init__(self) -> None:
        super().__init__()

    _init_weight = Initializer._init_zero


@alias("ones")
class One(Initializer):
    """Ones."""

    def __init__(self) -> None:
        super().__init__()

    _init_weight = Initializer._init_one


@register
class Constant(Initializer):
    """One number, or an array of the parameter's shape."""

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[...] = self.value.to_device(arr.device) if isinstance(self.value, NDArray) else self.value

    def dumps(self) -> str:
        value = self.value.tolist() if hasattr(self.value, "tolist") else self.value
        return json.dumps(["constant", {"value": value}])


@register
class Uniform(Initializer):
    """Uniform on [-scale, scale)."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[...] = random.uniform(-self.scale, self.scale, arr.shape, device=arr.device)


@register
class Normal(Initializer):
    """Normal with mean 0 and standard deviation ``sigma``."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[...] = random.normal(0.0, self.sigma, arr.shape, device=arr.device)


@register
class TruncNorm(Initializer):
    """Normal around ``mean``, cut off at two standard deviations ``stdev``."""

    def __init__(self, mean: float = 0.0, stdev: float = 0.01) -> None:
        super().__init__(mean=mean, stdev=stdev)
        self.mean, self.stdev = mean, stdev

    def _init_weight(self, name: str, arr: NDArray) -> None:
        cut = math.erf(math.sqrt(2))
        draw = random.uniform(-cut, cut, arr.shape, dtype="float64", device=arr.device).asnumpy()
        arr[...] = (self.mean + self.stdev * math.sqrt(2) * scipy_module(np, "special").erfinv(draw)).astype(np.float32)


def _fans(name: str, shape: tuple[int, ...], what: str) -> tuple[float, float]:
    """How many inputs and outputs an element of a weight joins: (in, out)."""
    if len(shape) < 2:
        fail(
            ShapeError,
            what,
            expected="an array of 2 dimensions or more",
            got=f"{str(name)!r} of shape {shape}",
            fix="another initializer for it",
        )
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


@register
class Xavier(Initializer):
    """Scaled so that signals keep their size: the variance is ``magnitude`` over a fan.

    ``rnd_type``: ``uniform`` on ±sqrt(magnitude / fan), or ``gaussian`` with that deviation;
    ``factor_type``: the fan is ``in``, ``out`` or their ``avg``.
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        if rnd_type not in ("uniform", "gaussian"):
            fail(ArgumentError, "Xavier", expected="rnd_type uniform or gaussian", got=repr(rnd_type))
        if factor_type not in ("avg", "in", "out"):
            fail(ArgumentError, "Xavier", expected="factor_type avg, in or out", got=repr(factor_type))
        self.rnd_type, self.factor_type, self.magnitude = rnd_type, factor_type, float(magnitude)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        fan_in, fan_out = _fans(name, arr.shape, type(self).__name__)
        fan = {"avg": (fan_in + fan_out) / 2, "in": fan_in, "out": fan_out}[self.factor_type]
        scale = math.sqrt(self.magnitude / fan) if fan else 0.0
        if self.rnd_type == "uniform":
            arr[...] = random.uniform(-scale, scale, arr.shape, device=arr.device)
        else:
            arr[...] = random.normal(0.0, scale, arr.shape, device=arr.device)


@register
class MSRAPrelu(Xavier):
    """Xavier's gaussian for layers followed by a PReLU of that slope: variance 2 / ((1 + slope²) fan)."""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Orthogonal(Initializer):
    """``scale`` times a matrix with orthonormal rows or columns (the weight taken as rows × the rest)."""

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale, self.rand_type = scale, rand_type

    def _init_weight(self, name: str, arr: NDArray) -> None:
        _fans(name, arr.shape, "Orthogonal")
        shape = arr.shape[0], math.prod(arr.shape[1:])
        draw = random.uniform(-1.0, 1.0, shape) if self.rand_type == "uniform" else random.normal(0.0, 1.0, shape)
        u, _, v = np.linalg.svd(draw.asnumpy().astype(np.float64), full_matrices=False)
        arr[...] = (self.scale * (u if u.shape == shape else v)).reshape(arr.shape).astype(np.float32)


@register
class Bilinear(Initializer):
    """The kernel of bilinear upsampling, for transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        if arr.ndim < 2:
            _fans(name, arr.shape, "Bilinear")
        height, width = arr.shape[-2:]
        rows, columns = _hat(height, width), _hat(width, width)
        arr[...] = np.broadcast_to(np.outer(rows, columns), arr.shape).astype(np.float32)


def _hat(n: int, width: int) -> np.ndarray[Any, Any]:
    """A triangle over ``n`` points; MXNet takes its slope from the width for rows too."""
    factor = math.ceil(width / 2.0)
    centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    return 1 - np.abs(np.arange(n) / factor - centre)


@register
class LSTMBias(Initializer):
    """Zeros, but ``forget_bias`` for the forget gate: the second quarter."""

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        hidden = arr.shape[0] // 4
        arr[...] = 0
        arr[hidden : 2 * hidden] = self.forget_bias


@register
class FusedRNN(Initializer):
    """The flat parameters of ``nd.RNN``, part by part: each gate's weight by ``init``, or the network's initializer, biases by their name.

    Of an lstm the biases of the forget gate become ``forget_bias``. The other arguments are those of the operator.
    """

    def __init__(
        self, init: Any, num_hidden: int, num_layers: int, mode: str, bidirectional: bool = False, forget_bias: float = 1.0
    ) -> None:
        init = create(init) if init is not None else None
        given = {"num_hidden": num_hidden, "num_layers": num_layers, "mode": mode, "bidirectional": bidirectional}
        super().__init__(init=None if init is None else init.dumps(), **given, forget_bias=forget_bias)
        self._init, self._num_hidden, self._num_layers = init, num_hidden, num_layers
        self._mode, self._bidirectional, self._forget_bias = mode, bidirectional, forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        size = self._num_layers, self._bidirectional
        # The flat array is the longer by one column of the first layer for each input.
        fixed, one = (rnn.rnn_param_size(self._mode, n, self._num_hidden, *size) for n in (0, 1))
        inputs, over = divmod(arr.size - fixed, one - fixed)
        if arr.ndim != 1 or over or inputs < 1:
            fail(ShapeError, "FusedRNN", expected=f"parameters of {self._mode} with {self._num_hidden} units", got=str(arr.shape))
        directions, gates = "lr"[: 1 + self._bidirectional], self._GATES[self._mode]
        shapes = iter(rnn.parameter_shapes(self._mode, inputs, self._num_hidden, self._num_layers, len(directions), None))
        start = 0
        for kind in ("weight", "bias"):
            for layer, direction, part in itertools.product(range(self._num_layers), directions, ("i2h", "h2h")):
                rows, *columns = next(shapes)
                for gate in gates:
                    shape = (rows // len(gates), *columns)
                    stop = start + math.prod(shape)
                    full = f"{direction}{layer}_{part}{gate}_{kind}"
                    arr[start:stop] = self._part(name, full, arr[start:stop].reshape(shape)).reshape(-1)
                    start = stop

    #: How MXNet calls the gates.
    _GATES: ClassVar[dict[str, tuple[str, ...]]] = {
        "rnn_relu": ("",), "rnn_tanh": ("",), "lstm": ("_i", "_f", "_c", "_o"), "gru": ("_r", "_z", "_o")
    }  # fmt: skip

    def _part(self, name: str, full: str, part: NDArray) -> NDArray:
        general = getattr(name, "global_init", None)
        if self._mode == "lstm" and full.endswith("_f_bias"):
            part[...] = self._forget_bias
        elif self._init is None and general is None:
            fail(
                ArgumentError,
                "FusedRNN",
                expected="an initializer, its own or the network's",
                got="none",
                fix="FusedRNN(init.Xavier(), ...)",
            )
        else:
            create(self._init or general)(InitDesc(full, global_init=general), part)
        return part


@register
class Mixed(Initializer):
    """The first initializer whose pattern (a regular expression) the name matches."""

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Any]) -> None:
        super().__init__()
        if len(patterns) != len(initializers):
            fail(
                ArgumentError,
                "Mixed",
                expected="as many initializers as patterns",
                got=f"{len(patterns)} patterns, {len(initializers)} initializers",
            )
        self.map = [(re.compile(p), create(i)) for p, i in zip(patterns, initializers, strict=True)]

    def __call__(self, desc: Any, arr: NDArray) -> None:
        if getattr(desc, "attrs", {}).get("__init__"):
            super().__call__(desc, arr)
        else:
            self._init_weight(desc, arr)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        for pattern, init in self.map:
            if pattern.match(name):
                init(InitDesc(str(name)), arr)
                return
        fail(ArgumentError, "Mixed", expected="a pattern for every parameter", got=repr(str(name)), fix="'.*' as the last pattern")


@register
class Load:
    """Values from a dict of arrays by name; ``default_init`` for names that it lacks."""

    def __init__(self, param: dict[str, Any], default_init: Any = None, verbose: bool = False) -> None:
        self.param = {name.removeprefix("arg:").removeprefix("aux:"): value for name, value in param.items()}
        self.default_init = default_init

    def __call__(self, desc: Any, arr: NDArray) -> None:
        value = self.param.get(str(desc))
        if value is not None:
            if value.shape != arr.shape:
                fail(ShapeError, "Load", expected=f"shape {arr.shape} for {str(desc)!r}", got=str(value.shape))
            arr[...] = value
        elif self.default_init is not None:
            self.default_init(desc, arr)
        else:
            fail(ArgumentError, "Load", expected=f"a value for {str(desc)!r}", got="none", fix="default_init=")

    _init_weight = __call__


if not TYPE_CHECKING:
    __getattr__ = absent.teller(__name__)
