"""The layers without geometry: Dense, Embedding, Dropout, Flatten, and functions as layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from hybridnet import ndarray
from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.nn.activations import activated


class Dense(HybridBlock):
    """activation(x · weightᵀ + bias).

    ``flatten``: all axes but the first are one axis of inputs; otherwise the last alone is.
    ``in_units``: the number of inputs, or ``input_shape`` without the batch axis; else the first
    forward finds it.
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        flatten: bool = True,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_units: int = 0,
        input_shape: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if input_shape is not None:
            in_units = math.prod(input_shape) if flatten else input_shape[-1]
        self._units, self._in_units, self._flatten = units, in_units, flatten
        with self.name_scope():
            self.weight = self._made("weight", (units, in_units), init=weight_initializer, dtype=dtype, allow_deferred_init=True)
            self.bias = self._made("bias", (units,), init=bias_initializer, dtype=dtype) if use_bias else None
            self.act = activated(activation)

    def _made(self, name: str, shape: tuple[int, ...], **settings: Any) -> Any:
        """One of the layer's parameters; a layer that is divided among ranks makes slices."""
        return self.params.get(name, shape=shape, **settings)

    def infer_shape(self, x: Any, *args: Any) -> None:
        self.weight.shape = (self._units, math.prod(x.shape[1:]) if self._flatten else x.shape[-1])

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        y = F.FullyConnected(x, weight, bias, num_hidden=self._units, no_bias=bias is None, flatten=self._flatten, name="fwd")
        return y if self.act is None else self.act(y)

    def __repr__(self) -> str:
        shape = self.weight.shape
        return f"{type(self).__name__}({(shape and shape[1]) or None} -> {self._units}, {self.act or 'linear'})"


class Embedding(HybridBlock):
    """Rows of a table of shape (``input_dim``, ``output_dim``) by their numbers.

    With ``sparse_grad`` the gradient is of row_sparse storage: of the rows that were taken, and an optimizer may then move those alone.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        sparse_grad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._kwargs = {"input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": sparse_grad}
        stype = "row_sparse" if sparse_grad else "default"
        self.weight = self.params.get("weight", shape=(input_dim, output_dim), init=weight_initializer, dtype=dtype, grad_stype=stype)

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        return F.Embedding(x, weight, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        return "{}({input_dim} -> {output_dim}, {dtype})".format(type(self).__name__, **self._kwargs)


class Dropout(HybridBlock):
    """In training, elements set to 0 with probability ``rate`` and the others divided by 1 - ``rate``.

    ``axes``: along these one decision holds for all elements.
    """

    def __init__(self, rate: float, axes: Sequence[int] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate, self._axes = rate, tuple(axes)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.Dropout(x, p=self._rate, axes=self._axes, cudnn_off=False, name="fwd") if self._rate > 0 else x

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class Flatten(HybridBlock):
    """All axes but the first made one."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.Flatten(x)

    def __repr__(self) -> str:
        return type(self).__name__


class Identity(HybridBlock):
    """The input itself."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return x


def _named_function(function: Any) -> tuple[Callable[..., Any], str]:
    """A function, or the operator of that name, and what to call it."""
    if isinstance(function, str):
        found = getattr(ndarray, function, None)
        if found is None:
            fail(ArgumentError, "Lambda", expected="a function, or the name of one in nd", got=repr(function))
        return found, function
    if not callable(function):
        fail(ArgumentError, "Lambda", expected="a function or a name", got=type(function).__name__)
    return function, getattr(function, "__name__", type(function).__name__)


class Lambda(Block):
    """A function of arrays as a block; a string names an operator of ``nd``."""

    def __init__(self, function: Any, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._func_impl, self._func_name = _named_function(function)

    def forward(self, *args: Any) -> Any:
        return self._func_impl(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function ``f(F, x)`` as a block, ``F`` being the operators; a string names one of them."""

    def __init__(self, function: Any, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        found, self._func_name = _named_function(function)
        self._func = (lambda F, *args: getattr(F, function)(*args)) if isinstance(function, str) else found

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        return self._func(F, x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"
