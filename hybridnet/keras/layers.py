"""Keras's layers: Gluon's under Keras's names, arguments and defaults, over channels-last data.

Each remembers the arguments that it was made with (``get_config``), which is what a saved model holds of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy

from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon import nn
from hybridnet.keras import activations, initializers
from hybridnet.ops.nn.common import as_tuple


def snake(name: str) -> str:
    """``MaxPooling2D`` as ``max_pooling2d``: Keras's names of layers."""
    return re.sub(r"(?<=[a-z0-9])([A-Z](?=[a-z]))|(?<=[a-z])([A-Z])", lambda m: "_" + m[0], name).lower()


class Layer:
    """What Keras's layers have beside Gluon's: a name, the shape of their input, their arguments, NumPy weights."""

    _given_name: str | None = None
    input_shape: tuple[int, ...] | None = None  # of one sample, where it was given
    _arguments: dict[str, Any]

    def _remember(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__``, given as its ``locals()``."""
        self._arguments = {k: v for k, v in arguments.items() if k not in ("self", "__class__")}
        self._given_name = self._arguments.get("name")
        shape = self._arguments.get("input_shape")
        if self._arguments.get("input_dim") is not None and "input_shape" in self._arguments and not isinstance(self, Embedding):
            shape = (self._arguments["input_dim"],)
        self.input_shape = None if shape is None else tuple(shape)

    @property
    def name(self) -> str:
        """Its name: as given, or by its class and number in the model."""
        return self._given_name or snake(type(self).__name__)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another like it, as JSON can hold them."""
        config = {**self._arguments, "name": self.name}
        for key, value in config.items():
            if isinstance(value, tuple):
                config[key] = list(value)
            elif hasattr(value, "dumps"):
                config[key] = value.dumps()
            elif callable(value):
                fail(ArgumentError, self.name, expected=f"{key} by name, to be saved", got="a function", fix="save_weights")
        return config

    def _weights(self) -> list[tuple[Any, tuple[int, ...]]]:
        """The parameters in Keras's order, each with the order of axes that makes it Keras's."""
        return []

    def get_weights(self) -> list[Any]:
        """The weights as NumPy arrays in Keras's order and layout: kernels end in (inputs, outputs)."""
        return [p.data().asnumpy().transpose(axes) for p, axes in self._weights()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take what :meth:`get_weights` gave. Either all are taken or none."""
        own = self._weights()
        if len(own) != len(weights):
            fail(ArgumentError, self.name, expected=f"{len(own)} weights", got=str(len(weights)))
        values = [numpy.asarray(w) for w in weights]
        for (parameter, axes), value in zip(own, values, strict=True):
            shape = tuple(parameter.shape[i] for i in axes)
            if value.shape != shape:
                fail(ShapeError, self.name, expected=f"a weight of shape {shape}", got=str(value.shape))
        for (parameter, axes), value in zip(own, values, strict=True):
            parameter.set_data(value.transpose(numpy.argsort(axes)).astype(parameter.dtype))

    def count_params(self) -> int:
        """The number of elements of all weights."""
        return sum(int(numpy.prod(p.shape)) for p, _ in self._weights())


def _plain(*parameters: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """Parameters that have Keras's layout as they are."""
    return [(p, tuple(range(len(p.shape)))) for p in parameters if p is not None]


def _channels_last(name: str, data_format: str | None) -> None:
    if data_format not in (None, "channels_last"):
        fail(
            ArgumentError,
            name,
            expected="data_format channels_last",
            got=repr(data_format),
            fix="gluon.nn, whose layers are channels-first",
        )


def _is_same(name: str, padding: str) -> bool:
    if padding not in ("valid", "same"):
        fail(ArgumentError, name, expected="padding valid or same", got=repr(padding))
    return padding == "same"


class InputLayer(Layer):
    """The shape of one sample; computes nothing."""

    def __init__(self, shape: Sequence[int] | None = None, input_shape: Sequence[int] | None = None, name: str | None = None) -> None:
        if shape is None and input_shape is None:
            fail(ArgumentError, "Input", expected="the shape of a sample", got="none", fix="Input(shape=(784,))")
        input_shape = tuple(shape if shape is not None else input_shape or ())
        shape = None
        self._remember(locals())


def Input(shape: Sequence[int], name: str | None = None) -> InputLayer:
    """The shape of one sample, as the first of a model's layers."""
    return InputLayer(shape, name=name)


class Dense(Layer, nn.Dense):
    """activation(x · kernel + bias), over the last axis."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        input_dim: int | None = None,
        input_shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self._remember(locals())
        kernel, bias = initializers.get(kernel_initializer), initializers.get(bias_initializer)
        nn.Dense.__init__(self, units, None, use_bias, flatten=False, weight_initializer=kernel, bias_initializer=bias)
        self.act = activations.get(activation)

    def _weights(self) -> list[tuple[Any, tuple[int, ...]]]:
        return [(self.weight, (1, 0)), *_plain(self.bias)]


class Conv2D(Layer, nn.Conv2D):
    """A convolution over (batch, height, width, channels); ``same`` padding keeps ceil(size / stride), as in Keras."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        input_shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self._remember(locals())
        _channels_last("Conv2D", data_format)
        self._same = _is_same("Conv2D", padding)
        kernel, bias = initializers.get(kernel_initializer), initializers.get(bias_initializer)
        nn.Conv2D.__init__(
            self, filters, kernel_size, strides, 0, dilation_rate, groups, "NHWC", None, use_bias, kernel, bias
        )  # fmt: skip
        self.act = activations.get(activation)

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        if self._same:
            x = F.pad(x, mode="constant", pad_width=(0, 0, *self._pads(x.shape[1], 0), *self._pads(x.shape[2], 1), 0, 0))
        y = F.Convolution(x, weight, bias, name="fwd", **self._kwargs)
        return y if self.act is None else self.act(y)

    def _pads(self, size: int, axis: int) -> tuple[int, int]:
        """What stands before and after an axis: as little as gives ceil(size / stride), the odd one after."""
        kernel, stride, dilation = (self._kwargs[k][axis] for k in ("kernel", "stride", "dilate"))
        total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        return total // 2, total - total // 2

    def _weights(self) -> list[tuple[Any, tuple[int, ...]]]:
        return [(self.weight, (1, 2, 3, 0)), *_plain(self.bias)]


class _Pooling2D(Layer):
    """What MaxPooling2D and AveragePooling2D share: Gluon's pooling by Keras's conventions."""

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        input_shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self._remember(locals())
        _channels_last(type(self).__name__, data_format)
        same = _is_same(type(self).__name__, padding)
        self._pool(as_tuple(type(self).__name__, "pool_size", pool_size, 2, 2), strides)
        if same:
            self._kwargs |= {"pooling_convention": "same", "pad": None}

    _kwargs: dict[str, Any]

    def _pool(self, pool_size: tuple[int, ...], strides: Any) -> None:
        raise NotImplementedError


class MaxPooling2D(_Pooling2D, nn.MaxPool2D):
    """The largest of each window over (batch, height, width, channels)."""

    def _pool(self, pool_size: tuple[int, ...], strides: Any) -> None:
        nn.MaxPool2D.__init__(self, pool_size, strides, layout="NHWC")


class AveragePooling2D(_Pooling2D, nn.AvgPool2D):
    """The mean of each window over (batch, height, width, channels), without the padding."""

    def _pool(self, pool_size: tuple[int, ...], strides: Any) -> None:
        nn.AvgPool2D.__init__(self, pool_size, strides, layout="NHWC", count_include_pad=False)


class GlobalAveragePooling2D(Layer, nn.GlobalAvgPool2D):
    """The mean over height and width: (batch, channels)."""

    def __init__(self, data_format: str | None = None, input_shape: Sequence[int] | None = None, name: str | None = None) -> None:
        self._remember(locals())
        _channels_last("GlobalAveragePooling2D", data_format)
        nn.GlobalAvgPool2D.__init__(self, "NHWC")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.Flatten(super().hybrid_forward(F, x))


class BatchNormalization(Layer, nn.BatchNorm):
    """Each channel brought to mean 0 and variance 1 over the batch, times gamma plus beta."""

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        input_shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self._remember(locals())
        nn.BatchNorm.__init__(self, axis, momentum, epsilon, center, scale)

    def _weights(self) -> list[tuple[Any, tuple[int, ...]]]:
        learnt = [self.gamma] * self._scale + [self.beta] * self._center
        return _plain(*learnt, self.running_mean, self.running_var)


class LayerNormalization(Layer, nn.LayerNorm):
    """Each row along ``axis`` brought to mean 0 and variance 1, times gamma plus beta."""

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        input_shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self._remember(locals())
        nn.LayerNorm.__init__(self, axis, epsilon, center, scale)

    def _weights(self) -> list[tuple[Any, tuple[int, ...]]]:
        return _plain(*[self.gamma] * self._scale, *[self.beta] * self._center)


class Dropout(Layer, nn.Dropout):
    """In training, elements set to 0 with probability ``rate`` and the others divided by 1 - ``rate``."""

    def __init__(self, rate: float, input_shape: Sequence[int] | None = None, name: str | None = None) -> None:
        self._remember(locals())
        nn.Dropout.__init__(self, rate)


class Embedding(Layer, nn.Embedding):
    """Rows of a table of ``input_dim`` rows by their numbers; ``input_length``: of a sample."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        input_length: int | None = None,
        input_shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        self._remember(locals())
        if input_length is not None:
            self.input_shape = (input_length,)
        nn.Embedding.__init__(self, input_dim, output_dim, weight_initializer=initializers.get(embeddings_initializer))

    def _weights(self) -> list[tuple[Any, tuple[int, ...]]]:
        return _plain(self.weight)


class Activation(Layer, nn.HybridBlock):
    """An activation function, by Keras's name or as a function of an array."""

    def __init__(self, activation: Any, input_shape: Sequence[int] | None = None, name: str | None = None) -> None:
        self._remember(locals())
        nn.HybridBlock.__init__(self)
        self.act = activations.get(activation)

    def forward(self, x: Any) -> NDArray:
        return x if self.act is None else self.act(x)


class Flatten(Layer, nn.Flatten):
    """All axes but the first made one."""

    def __init__(self, data_format: str | None = None, input_shape: Sequence[int] | None = None, name: str | None = None) -> None:
        self._remember(locals())
        _channels_last("Flatten", data_format)
        nn.Flatten.__init__(self)


#: What a saved model may consist of.
LAYERS: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Dense, Conv2D, MaxPooling2D, AveragePooling2D, GlobalAveragePooling2D, BatchNormalization, LayerNormalization, Dropout, Embedding,
        Activation, Flatten, InputLayer,
    )
}  # fmt: skip
