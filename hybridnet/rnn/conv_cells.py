"""Cells on images: products are convolutions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from hybridnet import symbol
from hybridnet.errors import ArgumentError, fail
from hybridnet.rnn.base import BaseRNNCell, RNNParams, StateInfo

_leaky_relu: Any = symbol.LeakyReLU
_LEAKY = functools.partial(_leaky_relu, act_type="leaky", slope=0.2)
Pair = tuple[int, int]


class BaseConvRNNCell(BaseRNNCell):
    """The base of convolutional cells. ``input_shape``: of one step, batch first; the recurrent kernel has odd sides, so that states keep
    their shape."""

    _default_prefix = ""

    def __init__(
        self,
        input_shape: Sequence[int],
        num_hidden: int,
        h2h_kernel: Pair = (3, 3),
        h2h_dilate: Pair = (1, 1),
        i2h_kernel: Pair = (3, 3),
        i2h_stride: Pair = (1, 1),
        i2h_pad: Pair = (1, 1),
        i2h_dilate: Pair = (1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        activation: Any = _LEAKY,
        prefix: str | None = None,
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        super().__init__(prefix=self._default_prefix if prefix is None else prefix, params=params)
        if any(side % 2 == 0 for side in h2h_kernel):
            fail(ArgumentError, type(self).__name__, expected="a recurrent kernel with odd sides", got=str(h2h_kernel))
        self._num_hidden = num_hidden
        self._activation = activation
        self._conv_layout = conv_layout
        self._h2h = {
            "kernel": h2h_kernel,
            "dilate": h2h_dilate,
            "pad": tuple(d * (k - 1) // 2 for d, k in zip(h2h_dilate, h2h_kernel, strict=True)),
            "stride": (1, 1),
        }
        self._i2h = {"kernel": i2h_kernel, "dilate": i2h_dilate, "pad": i2h_pad, "stride": i2h_stride}
        self._iW = self.params.get("i2h_weight", init=i2h_weight_initializer)
        self._hW = self.params.get("h2h_weight", init=h2h_weight_initializer)
        self._iB = self.params.get("i2h_bias", init=i2h_bias_initializer)
        self._hB = self.params.get("h2h_bias", init=h2h_bias_initializer)
        one = symbol.Convolution(data=symbol.Variable("data"), num_filter=num_hidden, layout=conv_layout, **self._i2h)
        shape = one.infer_shape(data=tuple(input_shape))[1][0]
        self._state_shape = (0, *shape[1:])

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    @property
    def state_info(self) -> StateInfo:
        return [{"shape": self._state_shape, "__layout__": self._conv_layout}]

    def _conv_forward(self, inputs: Any, states: Sequence[Any], name: str) -> tuple[Any, Any]:
        """The gates' parts of the input and of the state."""
        filters = self._num_hidden * self._num_gates
        convolve = functools.partial(symbol.Convolution, num_filter=filters, layout=self._conv_layout)
        i2h = convolve(data=inputs, weight=self._iW, bias=self._iB, name=f"{name}i2h", **self._i2h)
        h2h = convolve(data=states[0], weight=self._hW, bias=self._hB, name=f"{name}h2h", **self._h2h)
        return i2h, h2h

    def _step(self) -> str:
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    def _divided(self, gates: Any, name: str, **axis: int) -> Any:
        channels = self._conv_layout.find("C")
        return symbol.SliceChannel(gates, num_outputs=self._num_gates, name=name, **(axis if channels == 1 else {"axis": channels}))


class ConvRNNCell(BaseConvRNNCell):
    """``RNNCell`` with convolutions."""

    _default_prefix = "ConvRNN_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("",)

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        name = self._step()
        i2h, h2h = self._conv_forward(inputs, states, name)
        output = self._get_activation(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class ConvLSTMCell(BaseConvRNNCell):
    """``LSTMCell`` with convolutions (Shi et al., arXiv 1506.04214)."""

    _default_prefix = "ConvLSTM_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_i", "_f", "_c", "_o")

    @property
    def state_info(self) -> StateInfo:
        return super().state_info * 2

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        name = self._step()
        i2h, h2h = self._conv_forward(inputs, states, name)
        gates = self._divided(i2h + h2h, f"{name}slice", axis=1)
        in_gate = symbol.Activation(gates[0], act_type="sigmoid", name=f"{name}i")
        forget_gate = symbol.Activation(gates[1], act_type="sigmoid", name=f"{name}f")
        in_transform = self._get_activation(gates[2], self._activation, name=f"{name}c")
        out_gate = symbol.Activation(gates[3], act_type="sigmoid", name=f"{name}o")
        memory = symbol._internal._plus(forget_gate * states[1], in_gate * in_transform, name=f"{name}state")
        output = symbol._internal._mul(out_gate, self._get_activation(memory, self._activation), name=f"{name}out")
        return output, [output, memory]


class ConvGRUCell(BaseConvRNNCell):
    """``GRUCell`` with convolutions."""

    _default_prefix = "ConvGRU_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_r", "_z", "_o")

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        name = self._step()
        before = states[0]
        i2h, h2h = self._conv_forward(inputs, states, name)
        i2h_r, i2h_z, i2h = self._divided(i2h, f"{name}_i2h_slice")
        h2h_r, h2h_z, h2h = self._divided(h2h, f"{name}_h2h_slice")
        reset_gate = symbol.Activation(i2h_r + h2h_r, act_type="sigmoid", name=f"{name}_r_act")
        update_gate = symbol.Activation(i2h_z + h2h_z, act_type="sigmoid", name=f"{name}_z_act")
        new = self._get_activation(i2h + reset_gate * h2h, self._activation, name=f"{name}_h_act")
        output = symbol._internal._plus((1.0 - update_gate) * new, update_gate * before, name=f"{name}out")
        return output, [output]
