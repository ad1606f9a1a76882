"""Deformable convolutions, with the convolution that gives their offsets."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.nn.activations import activated
from hybridnet.ops.nn.common import as_tuple


class DeformableConvolution(HybridBlock):
    """Convolution over (batch, channels, height, width) whose windows are read at offsets that a second one finds (arXiv 1703.06211).

    ``num_deformable_group``: into how many parts with offsets of their own the channels fall. ``groups`` holds for both
    convolutions. ``layout`` is NCHW; ``op_name`` and ``adj`` are MXNet's and mean nothing here.
    """

    _per_place = 2  # numbers that the second convolution gives for an element of a window
    _own_first = False  # which convolution's parameters come first, as MXNet has them
    offset_weight: Any
    deformable_conv_weight: Any
    deformable_conv_bias: Any

    def __init__(
        self,
        channels: int,
        kernel_size: Any = (1, 1),
        strides: Any = (1, 1),
        padding: Any = (0, 0),
        dilation: Any = (1, 1),
        groups: int = 1,
        num_deformable_group: int = 1,
        layout: str = "NCHW",
        use_bias: bool = True,
        in_channels: int = 0,
        activation: str | None = None,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        offset_weight_initializer: Any = "zeros",
        offset_bias_initializer: Any = "zeros",
        offset_use_bias: bool = True,
        op_name: str = "DeformableConvolution",
        adj: Any = None,
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        name = type(self).__name__
        if layout != "NCHW":
            fail(ArgumentError, name, expected="layout NCHW", got=repr(layout))
        kernel = as_tuple(name, "kernel_size", kernel_size, 2, 1)
        self._channels, self._in_channels, self._groups = channels, in_channels, groups
        self._sizes: dict[str, Any] = {
            "kernel": kernel,
            "stride": as_tuple(name, "strides", strides, 2, 1),
            "dilate": as_tuple(name, "dilation", dilation, 2, 1),
            "pad": as_tuple(name, "padding", padding, 2, 0),
            "num_group": groups,
        }
        self._deformable_groups = num_deformable_group
        self._places = num_deformable_group * kernel[0] * kernel[1]
        of_offsets = self._per_place * self._places
        made = [
            ("offset", of_offsets, offset_weight_initializer, offset_bias_initializer, offset_use_bias),
            ("deformable_conv", channels, weight_initializer, bias_initializer, use_bias),
        ]
        with self.name_scope():
            for part, filters, of_weight, of_bias, biased in made[:: -1 if self._own_first else 1]:
                setattr(self, f"{part}_weight", self._weight(f"{part}_weight", filters, of_weight))
                setattr(self, f"{part}_bias", self._bias(f"{part}_bias", filters, of_bias, biased))
            self.act = activated(activation)

    def _alias(self) -> str:
        return "deformable_conv"

    def _weight(self, name: str, filters: int, init: Any) -> Any:
        shape = (filters, self._in_channels // self._groups, *self._sizes["kernel"])
        return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

    def _bias(self, name: str, filters: int, init: Any, used: bool) -> Any:
        return self.params.get(name, shape=(filters,), init=init, allow_deferred_init=True) if used else None

    def infer_shape(self, x: Any, *args: Any) -> None:
        if x.ndim != 4 or x.shape[1] % self._groups:
            expected = f"data NCHW with channels that {self._groups} groups divide"
            fail(ArgumentError, type(self).__name__, expected=expected, got=str(x.shape))
        for weight in (self.offset_weight, self.deformable_conv_weight):
            weight.shape = (weight.shape[0], x.shape[1] // self._groups, *weight.shape[2:])

    def hybrid_forward(
        self, F: Any, x: Any, offset_weight: Any, deformable_conv_weight: Any, offset_bias: Any = None, deformable_conv_bias: Any = None
    ) -> Any:
        filters = self._per_place * self._places
        offset = F.Convolution(x, offset_weight, offset_bias, num_filter=filters, no_bias=offset_bias is None, **self._sizes)
        y = self._convolved(F, x, offset, deformable_conv_weight, deformable_conv_bias)
        return y if self.act is None else self.act(y)

    def _convolved(self, F: Any, x: Any, offset: Any, weight: Any, bias: Any) -> Any:
        return F.contrib.DeformableConvolution(x, offset, weight, bias, name="fwd", **self._given(bias))

    def _given(self, bias: Any) -> dict[str, Any]:
        own = {"num_filter": self._channels, "num_deformable_group": self._deformable_groups, "no_bias": bias is None}
        return {**self._sizes, **own}

    def __repr__(self) -> str:
        k = self._sizes
        inputs = self.deformable_conv_weight.shape[1]  # of a group, as MXNet tells it
        parts = [f"{inputs or None} -> {self._channels}", f"kernel_size={k['kernel']}", f"stride={k['stride']}"]
        parts += [f"padding={k['pad']}"] * (k["pad"] != (0, 0)) + [f"dilation={k['dilate']}"] * (k["dilate"] != (1, 1))
        parts += [f"groups={self._groups}"] * (self._groups != 1) + ["bias=False"] * (self.deformable_conv_bias is None)
        return f"{type(self).__name__}({', '.join(parts + [repr(self.act)] * (self.act is not None))})"


class ModulatedDeformableConvolution(DeformableConvolution):
    """Deformable convolution whose windows' elements are also multiplied by 0 … 2, which is learnt too (arXiv 1811.11168)."""

    _per_place = 3
    _own_first = True

    def _alias(self) -> str:
        return "modulated_deformable_conv"

    def _convolved(self, F: Any, x: Any, offset: Any, weight: Any, bias: Any) -> Any:
        places = F.slice_axis(offset, axis=1, begin=0, end=2 * self._places)
        mask = F.sigmoid(F.slice_axis(offset, axis=1, begin=2 * self._places, end=None)) * 2
        return F.contrib.ModulatedDeformableConvolution(x, places, mask, weight, bias, name="fwd", **self._given(bias))
