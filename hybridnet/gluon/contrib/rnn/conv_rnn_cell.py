"""Recurrent cells whose states are images: convolutions in place of products, in one to three dimensions."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.nn.activations import activated
from hybridnet.gluon.nn.convolution import LAYOUTS, checked_layout
from hybridnet.gluon.rnn.recurrent import HybridRecurrentCell
from hybridnet.gluon.rnn.states import StateInfo, batch_of, listed
from hybridnet.ndarray.shapes import kernel_shape
from hybridnet.ops.nn.common import as_tuple
from hybridnet.ops.nn.windows import output_size


class _ConvCell(HybridRecurrentCell):
    """What all of them share.

    ``input_shape``: of one sample's step, (channels, *size) or by ``conv_layout`` (*size, channels). The convolution of the
    inputs is padded by ``i2h_pad``, that of the state so that it keeps its size, for which ``h2h_kernel`` is odd.
    """

    nd: int
    gates: int
    states = 1
    hint: str

    def __init__(
        self,
        input_shape: tuple[int, ...],
        hidden_channels: int,
        i2h_kernel: Any,
        h2h_kernel: Any,
        i2h_pad: Any = 0,
        i2h_dilate: Any = 1,
        h2h_dilate: Any = 1,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        conv_layout: str | None = None,
        activation: Any = "tanh",
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        name, nd = type(self).__name__, self.nd
        self._layout = checked_layout(name, conv_layout or LAYOUTS[nd][0], nd)
        self._input_shape, self._hidden_channels = tuple(input_shape), hidden_channels
        if len(self._input_shape) != nd + 1:
            fail(ArgumentError, name, expected=f"input_shape {self._layout[1:]}", got=str(input_shape))
        self._i2h = self._convolution(i2h_kernel, i2h_pad, i2h_dilate)
        kernel, dilate = as_tuple(name, "h2h_kernel", h2h_kernel, nd, 1), as_tuple(name, "h2h_dilate", h2h_dilate, nd, 1)
        if any(k % 2 == 0 for k in kernel):
            fail(ArgumentError, name, expected="an odd h2h_kernel, which keeps the state's size", got=str(h2h_kernel))
        self._h2h = self._convolution(kernel, tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilate, strict=True)), dilate)
        rows, last = self._i2h["num_filter"], self._layout.endswith("C")
        in_channels = self._input_shape[-1 if last else 0]
        self.i2h_weight = self._parameter("i2h_weight", kernel_shape(rows, in_channels, self._i2h["kernel"], last), i2h_weight_initializer)
        self.h2h_weight = self._parameter("h2h_weight", kernel_shape(rows, hidden_channels, kernel, last), h2h_weight_initializer)
        self.i2h_bias = self._parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = self._parameter("h2h_bias", (rows,), h2h_bias_initializer)
        self.act: Any = activated(activation) if isinstance(activation, str) else activation

    def _alias(self) -> str:
        return self.hint

    def _convolution(self, kernel: Any, pad: Any, dilate: Any) -> dict[str, Any]:
        name, nd = type(self).__name__, self.nd
        return {
            "kernel": as_tuple(name, "kernel", kernel, nd, 1),
            "stride": (1,) * nd,
            "dilate": as_tuple(name, "dilate", dilate, nd, 1),
            "pad": as_tuple(name, "pad", pad, nd, 0),
            "num_filter": self.gates * self._hidden_channels,
            "layout": self._layout,
        }

    def _parameter(self, name: str, shape: tuple[int, ...], init: Any) -> Any:
        return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

    def state_info(self, batch_size: int = 0) -> StateInfo:
        last, k = self._layout.endswith("C"), self._i2h
        given = self._input_shape[:-1] if last else self._input_shape[1:]
        size = tuple(output_size(n, *(k[key][i] for key in ("kernel", "stride", "pad", "dilate"))) for i, n in enumerate(given))
        shape = (batch_size, *size, self._hidden_channels) if last else (batch_size, self._hidden_channels, *size)
        return [{"shape": shape, "__layout__": self._layout} for _ in range(self.states)]

    def hybrid_forward(
        self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any, h2h_bias: Any
    ) -> tuple[Any, list[Any]]:
        held = listed(type(self).__name__, states, self.state_info(batch_of(inputs, self._layout)))
        i2h = F.Convolution(inputs, i2h_weight, i2h_bias, name="i2h", **self._i2h)
        h2h = F.Convolution(held[0], h2h_weight, h2h_bias, name="h2h", **self._h2h)
        after = self._step(F, i2h, h2h, *held)
        return after[0], after

    def _step(self, F: Any, i2h: Any, h2h: Any, *states: Any) -> list[Any]:
        """The next states, of which the first is the output."""
        raise NotImplementedError

    def _parts(self, F: Any, x: Any) -> Any:
        """Gate by gate, along the channels."""
        return F.SliceChannel(x, num_outputs=self.gates, axis=self._layout.index("C"))

    def __repr__(self) -> str:
        channels = self._input_shape[self._layout.index("C") - 1]
        act = self.act._act_type if hasattr(self.act, "_act_type") else self.act
        return f"{type(self).__name__}({channels} -> {self.gates * self._hidden_channels}, {act}, {self._layout})"


class _ConvRNNCell(_ConvCell):
    gates, hint = 1, "conv_rnn"

    def _step(self, F: Any, i2h: Any, h2h: Any, *states: Any) -> list[Any]:
        return [self.act(i2h + h2h)]


class _ConvLSTMCell(_ConvCell):
    gates, states, hint = 4, 2, "conv_lstm"

    def _step(self, F: Any, i2h: Any, h2h: Any, *states: Any) -> list[Any]:
        enter, forget, new, leave = self._parts(F, i2h + h2h)
        c = F.sigmoid(forget) * states[1] + F.sigmoid(enter) * self.act(new)
        return [F.sigmoid(leave) * self.act(c), c]


class _ConvGRUCell(_ConvCell):
    gates, hint = 3, "conv_gru"

    def _step(self, F: Any, i2h: Any, h2h: Any, *states: Any) -> list[Any]:
        xr, xz, xn = self._parts(F, i2h)
        hr, hz, hn = self._parts(F, h2h)
        update = F.sigmoid(xz + hz)
        new = self.act(xn + F.sigmoid(xr + hr) * hn)
        return [new + update * (states[0] - new)]


class Conv1DRNNCell(_ConvRNNCell):
    """h' = tanh(W ∗ x + R ∗ h + biases), or another ``activation``. ``inputs``: (batch, channels, width); one state, the output."""

    nd = 1


class Conv2DRNNCell(_ConvRNNCell):
    """h' = tanh(W ∗ x + R ∗ h + biases) over (batch, channels, height, width); one state, the output."""

    nd = 2


class Conv3DRNNCell(_ConvRNNCell):
    """h' = tanh(W ∗ x + R ∗ h + biases) over (batch, channels, depth, height, width); one state, the output."""

    nd = 3


class Conv1DLSTMCell(_ConvLSTMCell):
    """Long short-term memory over (batch, channels, width) (Shi et al., arXiv 1506.04214); two states, the output and the cell."""

    nd = 1


class Conv2DLSTMCell(_ConvLSTMCell):
    """Long short-term memory over (batch, channels, height, width); two states, the output and the cell."""

    nd = 2


class Conv3DLSTMCell(_ConvLSTMCell):
    """Long short-term memory over (batch, channels, depth, height, width); two states, the output and the cell."""

    nd = 3


class Conv1DGRUCell(_ConvGRUCell):
    """Gated recurrent unit over (batch, channels, width); one state, the output."""

    nd = 1


class Conv2DGRUCell(_ConvGRUCell):
    """Gated recurrent unit over (batch, channels, height, width); one state, the output."""

    nd = 2


class Conv3DGRUCell(_ConvGRUCell):
    """Gated recurrent unit over (batch, channels, depth, height, width); one state, the output."""

    nd = 3
