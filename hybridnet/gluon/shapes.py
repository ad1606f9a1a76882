"""The unknown shapes of a block's own weights, from what its ``hybrid_forward`` does with them.

It is run once, imperatively and in prediction mode, with operators whose records find the shape of a weight from the
other arguments, as MXNet's shape inference does: ``F.FullyConnected(x, weight)`` says that ``weight`` is (num_hidden,
inputs). A weight of unknown shape is an :class:`Unknown` until an operator has settled it. What no operator settles
stays unknown, and the block says that it needs ``infer_shape``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from hybridnet import ndarray
from hybridnet.core import local
from hybridnet.errors import SignatureError
from hybridnet.ndarray.record import ClassicOperator
from hybridnet.ndarray.register import OPERATORS
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


class _Operators:
    """``F``, or a namespace in it: the classic operators, whose records settle the weights that they are given."""

    def __init__(self, of: Any = ndarray) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if isinstance(found, (ModuleType, SimpleNamespace)):
            return _Operators(found)
        return functools.partial(_call, found) if callable(found) else found


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if any(map(_is_open, (*args, *kwargs.values()))):
        _settle(OPERATORS.get(function.__name__), args, kwargs)
    args = tuple(map(_value, args))
    return function(*args, **{key: _value(x) for key, x in kwargs.items()})


def _is_open(x: Any) -> bool:
    return isinstance(x, Unknown) and x.array is None


def _value(x: Any) -> Any:
    return x.array if isinstance(x, Unknown) else x


def _settle(record: ClassicOperator | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Give the weights of a call the shapes that follow from its other arguments."""
    if record is None or record.variadic or len(args) > len(record.positions):
        raise _Unsettled
    given = {**dict(zip(record.positions, args, strict=False)), **kwargs}
    inputs = {name: x for name, x in given.items() if name in record.inputs and x is not None}
    attributes = {name: x for name, x in given.items() if name in record.attributes}
    shapes = record.shapes_of_inputs({name: _value(x).shape for name, x in inputs.items() if not _is_open(x)}, attributes)
    for name, x in inputs.items():
        if _is_open(x):
            if name not in shapes:
                raise _Unsettled
            x.settle(shapes[name])


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
    except (_Unsettled, SignatureError, TypeError, AttributeError):
        return  # what is unknown still, the block will name
    finally:
        local.set(recording=before[0], training=before[1])
