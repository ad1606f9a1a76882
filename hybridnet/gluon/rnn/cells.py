"""``RNNCell``, ``LSTMCell``, ``LSTMPCell``, ``GRUCell``: one step of the layers of the same names, with the same weights."""

from __future__ import annotations

from typing import Any

from hybridnet.gluon.nn.activations import activated
from hybridnet.gluon.rnn.recurrent import HybridRecurrentCell
from hybridnet.gluon.rnn.states import StateInfo, batch_of, listed


class _Cell(HybridRecurrentCell):
    """What they share: the parameters ``i2h_weight``, ``h2h_weight``, ``i2h_bias``, ``h2h_bias``, gate below gate."""

    gates: int
    states = 1
    hint: str

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        self._hidden_size = hidden_size
        self._make_weights(input_size, i2h_weight_initializer, h2h_weight_initializer)
        rows = self.gates * hidden_size
        self.i2h_bias = self._parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = self._parameter("h2h_bias", (rows,), h2h_bias_initializer)

    def _alias(self) -> str:
        return self.hint

    def _make_weights(self, input_size: int, i2h: Any, h2h: Any) -> None:
        rows = self.gates * self._hidden_size
        self.i2h_weight = self._parameter("i2h_weight", (rows, input_size), i2h)
        self.h2h_weight = self._parameter("h2h_weight", (rows, self._hidden_size), h2h)

    def _parameter(self, name: str, shape: tuple[int, ...], init: Any) -> Any:
        return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

    def infer_shape(self, inputs: Any, *args: Any) -> None:
        self.i2h_weight.shape = (self.gates * self._hidden_size, inputs.shape[-1])

    def state_info(self, batch_size: int = 0) -> StateInfo:
        return [{"shape": (batch_size, self._hidden_size), "__layout__": "NC"} for _ in range(self.states)]

    def _listed(self, inputs: Any, states: Any) -> list[Any]:
        return listed(type(self).__name__, states, self.state_info(batch_of(inputs, "NC")))

    def _products(self, F: Any, inputs: Any, h: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any, h2h_bias: Any) -> tuple[Any, Any]:
        """What the input and the state come to, gate beside gate."""
        rows = self.gates * self._hidden_size
        i2h = F.FullyConnected(inputs, i2h_weight, i2h_bias, num_hidden=rows, name="i2h")
        return i2h, F.FullyConnected(h, h2h_weight, h2h_bias, num_hidden=rows, name="h2h")

    def __repr__(self) -> str:
        shape = self.i2h_weight.shape
        return f"{type(self).__name__}({(shape and shape[1]) or None} -> {self.gates * self._hidden_size})"


class RNNCell(_Cell):
    """h' = tanh(W x + R h + biases), or another ``activation``. ``inputs``: (batch, inputs); one state, the output."""

    gates, hint = 1, "rnn"

    def __init__(self, hidden_size: int, activation: Any = "tanh", *args: Any, **kwargs: Any) -> None:
        super().__init__(hidden_size, *args, **kwargs)
        self.act: Any = activated(activation)

    def hybrid_forward(
        self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any, h2h_bias: Any
    ) -> tuple[Any, list[Any]]:
        (h,) = self._listed(inputs, states)
        i2h, h2h = self._products(F, inputs, h, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        h = self.act.hybrid_forward(F, i2h + h2h)  # whose node is named after the step
        return h, [h]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {getattr(self.act, '_act_type', self.act)})"


class _LSTM(_Cell):
    """What an lstm does with its gates."""

    gates, states = 4, 2
    _activation, _recurrent_activation = "tanh", "sigmoid"

    def _step(self, F: Any, i2h: Any, h2h: Any, c: Any) -> tuple[Any, Any]:
        """The next output and cell state."""
        gate, value = {"act_type": self._recurrent_activation}, {"act_type": self._activation}
        enter, forget, new, leave = F.SliceChannel(i2h + h2h, num_outputs=4, name="slice")
        c = F.Activation(forget, **gate) * c + F.Activation(enter, **gate) * F.Activation(new, **value)
        return F.Activation(leave, **gate) * F.Activation(c, **value), c


class LSTMCell(_LSTM):
    """Long short-term memory: the gates input, forget, cell and output; two states, the output and the cell.

    ``activation``: of the cell's input and its output; ``recurrent_activation``: of the gates.
    """

    hint = "lstm"

    def __init__(
        self,
        hidden_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        prefix: str | None = None,
        params: Any = None,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
    ) -> None:
        initializers = i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer
        super().__init__(hidden_size, *initializers, input_size, prefix, params)
        self._activation, self._recurrent_activation = activation, recurrent_activation

    def hybrid_forward(
        self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any, h2h_bias: Any
    ) -> tuple[Any, list[Any]]:
        h, c = self._listed(inputs, states)
        i2h, h2h = self._products(F, inputs, h, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        h, c = self._step(F, i2h, h2h, c)
        return h, [h, c]


class LSTMPCell(_LSTM):
    """An lstm whose output, and first state, is projected to ``projection_size`` (Sak et al., arXiv 1402.1128)."""

    hint = "lstmp"

    def __init__(
        self,
        hidden_size: int,
        projection_size: int,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        h2r_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        self._projection_size, self._h2r_weight_initializer = projection_size, h2r_weight_initializer
        initializers = i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer
        super().__init__(hidden_size, *initializers, input_size, prefix, params)

    def _make_weights(self, input_size: int, i2h: Any, h2h: Any) -> None:
        rows = self.gates * self._hidden_size
        self.i2h_weight = self._parameter("i2h_weight", (rows, input_size), i2h)
        self.h2h_weight = self._parameter("h2h_weight", (rows, self._projection_size), h2h)
        self.h2r_weight = self._parameter("h2r_weight", (self._projection_size, self._hidden_size), self._h2r_weight_initializer)

    def state_info(self, batch_size: int = 0) -> StateInfo:
        return [{"shape": (batch_size, size), "__layout__": "NC"} for size in (self._projection_size, self._hidden_size)]

    def hybrid_forward(
        self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, h2r_weight: Any, i2h_bias: Any, h2h_bias: Any
    ) -> tuple[Any, list[Any]]:
        r, c = self._listed(inputs, states)
        i2h, h2h = self._products(F, inputs, r, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        h, c = self._step(F, i2h, h2h, c)
        r = F.FullyConnected(h, h2r_weight, num_hidden=self._projection_size, no_bias=True, name="out")
        return r, [r, c]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]} -> {self._projection_size})"


class GRUCell(_Cell):
    """Gated recurrent unit: the gates reset, update and new; the reset gate scales the recurrent product. One state."""

    gates, hint = 3, "gru"

    def hybrid_forward(
        self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any, h2h_bias: Any
    ) -> tuple[Any, list[Any]]:
        (h,) = self._listed(inputs, states)
        i2h, h2h = self._products(F, inputs, h, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        xr, xz, xn = F.SliceChannel(i2h, num_outputs=3, name="i2h_slice")
        hr, hz, hn = F.SliceChannel(h2h, num_outputs=3, name="h2h_slice")
        update = F.sigmoid(xz + hz)
        new = F.tanh(xn + F.sigmoid(xr + hr) * hn)
        h = new + update * (h - new)
        return h, [h]
