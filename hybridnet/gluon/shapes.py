"""The unknown shapes of a block's own weights, from what its ``hybrid_forward`` does with them.

It is run once, imperatively and in prediction mode, with operators that find the shape of a weight from the other
arguments, as MXNet's shape inference does: ``F.FullyConnected(x, weight)`` says that ``weight`` is (num_hidden, inputs).
A weight of unknown shape is an :class:`Unknown` until an operator has settled it. What no operator here settles stays
unknown, and the block says that it needs ``infer_shape``.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet import ndarray
from hybridnet.core import local
from hybridnet.ops.array.creation import zeros

Shape = tuple[int, ...]


class Unknown:
    """A parameter without a shape, and what stands for it once it has one: zeros."""

    def __init__(self, parameter: Any, like: Any) -> None:
        self.parameter, self.like = parameter, like
        self.array: Any = None

    def settle(self, shape: Shape) -> Any:
        """Zeros of ``shape``, which the parameter gets; an error if that does not fit what is known."""
        if self.array is None:
            self.parameter.shape = shape
            self.array = zeros(self.parameter.shape, self.parameter.dtype, self.like.device)
            self.array = ndarray.array(self.array) if isinstance(self.like, ndarray.NDArray) else self.array
        return self.array


class _Unsettled(Exception):
    """An operator was given a weight whose shape it cannot find."""


# -- what each operator says of the shapes of its weights -------------------------------------------


def _full(a: Mapping[str, Any]) -> dict[str, Shape]:
    inputs = math.prod(a["data"].shape[1:]) if a["flatten"] else a["data"].shape[-1]
    return {"weight": (a["num_hidden"], inputs), "bias": (a["num_hidden"],)}


def _convolution(a: Mapping[str, Any]) -> dict[str, Shape]:
    last = str(a["layout"]).endswith("C")
    own = a["data"].shape[-1 if last else 1] // a["num_group"]
    kernel = tuple(a["kernel"])
    return {"weight": (a["num_filter"], *kernel, own) if last else (a["num_filter"], own, *kernel), "bias": (a["num_filter"],)}


def _deconvolution(a: Mapping[str, Any]) -> dict[str, Shape]:
    return {"weight": (a["data"].shape[1], a["num_filter"] // a["num_group"], *a["kernel"]), "bias": (a["num_filter"],)}


def _along(axis: int | None, *names: str) -> Callable[[Mapping[str, Any]], dict[str, Shape]]:
    return lambda a: dict.fromkeys(names, (a["data"].shape[a["axis"] if axis is None else axis],))


_RULES: dict[str, Callable[[Mapping[str, Any]], dict[str, Shape]]] = {
    "FullyConnected": _full,
    "Convolution": _convolution,
    "Deconvolution": _deconvolution,
    "Embedding": lambda a: {"weight": (a["input_dim"], a["output_dim"])},
    "BatchNorm": _along(None, "gamma", "beta", "moving_mean", "moving_var"),
    "LayerNorm": _along(None, "gamma", "beta"),
    "GroupNorm": _along(1, "gamma", "beta"),
    "InstanceNorm": _along(1, "gamma", "beta"),
    "LeakyReLU": _along(1, "gamma"),
    **dict.fromkeys(("elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div"), lambda a: _alike(a)),
}


def _alike(a: Mapping[str, Any]) -> dict[str, Shape]:
    known = next((x for x in a.values() if not isinstance(x, Unknown)), None)
    return {} if known is None else dict.fromkeys(("lhs", "rhs"), known.shape)


class _Operators:
    """``F``: the classic operators, those with a rule settling the weights that they are given."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(ndarray, name)
        if not callable(found):
            return found
        return functools.partial(_call, name, found)


def _call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    values = [*args, *kwargs.values()]
    if any(isinstance(x, Unknown) and x.array is None for x in values):
        rule = _RULES.get(name)
        if rule is None:
            raise _Unsettled
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        shapes = rule(bound.arguments)
        for key, x in bound.arguments.items():
            if isinstance(x, Unknown) and x.array is None:
                if key not in shapes or None in shapes[key]:
                    raise _Unsettled
                x.settle(shapes[key])
    args = tuple(x.array if isinstance(x, Unknown) else x for x in args)
    return function(*args, **{key: x.array if isinstance(x, Unknown) else x for key, x in kwargs.items()})


def infer(block: Any, args: tuple[Any, ...], like: Any) -> None:
    """Set what shapes of the block's own parameters its ``hybrid_forward`` tells for these inputs."""
    known = {name: p for name, p in block._reg_params.items() if p._data is not None}
    weights: dict[str, Any] = {name: p.data(like.device) for name, p in known.items()}
    weights |= {name: Unknown(p, like) for name, p in block._reg_params.items() if name not in known}
    for x in weights.values():
        if isinstance(x, Unknown) and x.parameter.shape is not None and all(n > 0 for n in x.parameter.shape):
            x.settle(x.parameter.shape)
    before = local.set(recording=False, training=False)
    try:
        block.hybrid_forward(_Operators(), *args, **weights)
    except (_Unsettled, TypeError, AttributeError):
        return  # what is unknown still, the block will name
    finally:
        local.set(recording=before[0], training=before[1])
