"""Convolutions and transposed convolutions in one to three dimensions."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.activations import activated
from hybridnet.ops.nn.common import as_tuple

#: The layouts of a number of axes: channels first, channels last.
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


def checked_layout(name: str, layout: str, nd: int) -> str:
    """``layout`` if it is one of ``nd`` dimensions. Else an ArgumentError, which lists them."""
    if layout not in LAYOUTS[nd]:
        fail(ArgumentError, name, expected=f"layout {' or '.join(LAYOUTS[nd])}", got=repr(layout))
    return layout


class _Conv(HybridBlock):
    """What all convolutions share; ``nd`` is the number of axes that the kernel has."""

    nd: int
    transposed = False

    def __init__(
        self,
        channels: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        layout: str | None = None,
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        dtype: Any = "float32",
        output_padding: Any = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        name, nd = type(self).__name__, self.nd
        layout = checked_layout(name, layout or LAYOUTS[nd][0], nd)
        if channels % groups or in_channels % groups:
            fail(ArgumentError, name, expected=f"channels that {groups} groups divide", got=f"{in_channels} -> {channels}")
        self._channels, self._in_channels = channels, in_channels
        self._kwargs: dict[str, Any] = {
            "kernel": as_tuple(name, "kernel_size", kernel_size, nd, 1),
            "stride": as_tuple(name, "strides", strides, nd, 1),
            "dilate": as_tuple(name, "dilation", dilation, nd, 1),
            "pad": as_tuple(name, "padding", padding, nd, 0),
            "num_filter": channels,
            "num_group": groups,
            "no_bias": not use_bias,
            "layout": layout,
        }
        if self.transposed:
            self._kwargs["adj"] = as_tuple(name, "output_padding", output_padding, nd, 0)
        with self.name_scope():
            self.weight = self.params.get(
                "weight", shape=self._weight_shape(in_channels), init=weight_initializer, dtype=dtype, allow_deferred_init=True
            )
            self.bias = self.params.get("bias", shape=(channels,), init=bias_initializer, dtype=dtype) if use_bias else None
            self.act = activated(activation)

    def _alias(self) -> str:
        return "conv"

    def _weight_shape(self, in_channels: int) -> tuple[int, ...]:
        groups, kernel = self._kwargs["num_group"], self._kwargs["kernel"]
        outer, inner = (in_channels, self._channels // groups) if self.transposed else (self._channels, in_channels // groups)
        return (outer, *kernel, inner) if self._kwargs["layout"][-1] == "C" else (outer, inner, *kernel)

    def infer_shape(self, x: Any, *args: Any) -> None:
        layout, groups = self._kwargs["layout"], self._kwargs["num_group"]
        if x.ndim != len(layout) or x.shape[layout.index("C")] % groups:
            fail(ArgumentError, type(self).__name__, expected=f"data {layout} with channels that {groups} groups divide", got=str(x.shape))
        self._in_channels = x.shape[layout.index("C")]
        self.weight.shape = self._weight_shape(self._in_channels)

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        y = (F.Deconvolution if self.transposed else F.Convolution)(x, weight, bias, name="fwd", **self._kwargs)
        return y if self.act is None else self.act(y)

    def __repr__(self) -> str:
        k = self._kwargs
        parts = [f"{self._in_channels or None} -> {self._channels}", f"kernel_size={k['kernel']}", f"stride={k['stride']}"]
        for name, key, default in (("padding", "pad", 0), ("dilation", "dilate", 1), ("output_padding", "adj", 0)):
            if any(n != default for n in k.get(key, ())):
                parts.append(f"{name}={k[key]}")
        if k["num_group"] != 1:
            parts.append(f"groups={k['num_group']}")
        if k["no_bias"]:
            parts.append("bias=False")
        if self.act is not None:
            parts.append(repr(self.act))
        return f"{type(self).__name__}({', '.join(parts)})"


class Conv1D(_Conv):
    """Convolution over (batch, channels, width), or NWC."""

    nd = 1


class Conv2D(_Conv):
    """Convolution over (batch, channels, height, width), or NHWC."""

    nd = 2


class Conv3D(_Conv):
    """Convolution over (batch, channels, depth, height, width), or NDHWC."""

    nd = 3


class _ConvTranspose(_Conv):
    """A convolution backwards: each element spreads over a window. ``output_padding`` adds to the result's size."""

    transposed = True
    _AFTER_PADDING = ("dilation", "groups", "layout", "activation", "use_bias", "weight_initializer", "bias_initializer", "in_channels")

    def __init__(
        self, channels: int, kernel_size: Any, strides: Any = 1, padding: Any = 0, output_padding: Any = 0, *args: Any, **kwargs: Any
    ) -> None:
        # MXNet's order of arguments: output_padding stands before dilation, at whose place the rest begins.
        kwargs.update(zip(self._AFTER_PADDING, args, strict=False))
        super().__init__(channels, kernel_size, strides, padding, output_padding=output_padding, **kwargs)


class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution over (batch, channels, width), or NWC."""

    nd = 1


class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution over (batch, channels, height, width), or NHWC."""

    nd = 2


class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over (batch, channels, depth, height, width), or NDHWC."""

    nd = 3
