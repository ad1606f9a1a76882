"""``RNN``, ``LSTM``, ``GRU``: layers over whole sequences, one or more on top of each other, in one or both directions.

They compute through ``F.RNN`` (:func:`hybridnet.ops.nn.rnn.rnn`); the gates are in cuDNN's order, as in MXNet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.hybrid import HybridBlock
from hybridnet.gluon.parameter import Parameter
from hybridnet.gluon.rnn.cells import GRUCell, LSTMCell, LSTMPCell, RNNCell
from hybridnet.gluon.rnn.combined import BidirectionalCell, DropoutCell, HybridSequentialRNNCell
from hybridnet.gluon.rnn.recurrent import RecurrentCell
from hybridnet.gluon.rnn.states import StateInfo, batch_of, first_states, listed, states_like
from hybridnet.gluon.symbolic import is_symbolic
from hybridnet.ops.nn.recurrence import GATES

#: What a weight is applied to, and its bias where it has one: the input, the state, the output that is projected.
PARTS = ("i2h", "h2h", "h2r")


#: What MXNet's files say of a layer that has none of it.
_SPELT_OUT = {"projection_size": None, "lstm_state_clip_min": None, "lstm_state_clip_max": None, "lstm_state_clip_nan": False}


def _packed(F: Any, parts: list[Any]) -> Any:
    """All weights and biases as ``F.RNN`` takes them: arrays as they are, symbols as one vector, since a symbol's input is one."""
    if not is_symbolic(parts):
        return parts
    return F._internal._rnn_param_concat(*(F.reshape(x, shape=-1) for x in parts), dim=0)


class _RNNLayer(HybridBlock):
    """What the three share; parameters are named ``l0_i2h_weight``, in the other direction ``r0_i2h_weight``."""

    def __init__(
        self,
        mode: str,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        dtype: Any = "float32",
        use_sequence_length: bool = False,
        projection_size: int | None = None,
        h2r_weight_initializer: Any = None,
        clip: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        if layout not in ("TNC", "NTC"):
            fail(ArgumentError, name, expected="layout TNC or NTC", got=repr(layout))
        self._mode, self._gates = mode, GATES[mode]
        self._hidden_size, self._num_layers, self._layout = hidden_size, num_layers, layout
        self._dropout, self._use_sequence_length = dropout, use_sequence_length
        self._projection_size, self._clip, self._dtype = projection_size, dict(clip or {}), dtype
        self._limits = self._clip if projection_size is None else {"projection_size": projection_size, **self._clip}
        self._directions = "lr" if bidirectional else "l"
        #: Of the parameters of a layer's direction, as the cells of the same names take them.
        self._initializers: dict[str, Any] = {
            "i2h_weight_initializer": i2h_weight_initializer,
            "h2h_weight_initializer": h2h_weight_initializer,
            "i2h_bias_initializer": i2h_bias_initializer,
            "h2h_bias_initializer": h2h_bias_initializer,
        }
        if projection_size is not None:
            self._initializers["h2r_weight_initializer"] = h2r_weight_initializer
        rows, outputs = self._gates * hidden_size, projection_size or hidden_size
        for layer in range(num_layers):
            columns = {"i2h": outputs * len(self._directions) if layer else input_size, "h2h": outputs}
            for direction in self._directions:
                for key, init in self._initializers.items():
                    part, kind = key.split("_")[:2]
                    shape = (outputs, hidden_size) if part == "h2r" else (rows, columns[part]) if kind == "weight" else (rows,)
                    self._parameter(f"{direction}{layer}_{part}_{kind}", shape, init)

    def _parameter(self, name: str, shape: tuple[int, ...], init: Any) -> None:
        setattr(self, name, self.params.get(name, shape=shape, init=init, dtype=self._dtype, allow_deferred_init=True))

    def infer_shape(self, inputs: Any, *args: Any) -> None:
        self._check(inputs)
        for direction in self._directions:
            self._reg_params[f"{direction}0_i2h_weight"].shape = (self._gates * self._hidden_size, inputs.shape[2])

    def _check(self, inputs: Any) -> None:
        if isinstance(inputs, NDArray) and inputs.ndim != 3:
            fail(ShapeError, type(self).__name__, expected=f"inputs of three dimensions, {self._layout}", got=str(inputs.shape))

    def state_info(self, batch_size: int = 0) -> StateInfo:
        """Shape, layout and dtype of each state: (layers · directions, batch, units), the output's and, of an lstm, the cell's."""
        sizes = (self._projection_size or self._hidden_size, self._hidden_size)[: 2 if self._mode == "lstm" else 1]
        places = self._num_layers * len(self._directions)
        return [{"shape": (places, batch_size, size), "__layout__": "LNC", "dtype": self._dtype} for size in sizes]

    def begin_state(self, batch_size: int = 0, func: Callable[..., Any] | None = None, **kwargs: Any) -> list[Any]:
        """A list of first states: zeros, or ``func(shape=..., **kwargs)``; ``ctx`` and ``dtype`` are among the ``kwargs``."""
        return first_states(self.state_info(batch_size), func, **kwargs)

    def hybrid_forward(  # type: ignore[override]
        self, F: Any, inputs: Any, states: Any = None, sequence_length: Any = None, **weights: Any
    ) -> Any:
        """The outputs; if ``states`` are given, the outputs and the list of last states."""
        self._check(inputs)
        if self._use_sequence_length != (sequence_length is not None):
            expected = "sequence_length" if self._use_sequence_length else "use_sequence_length=True"
            fail(ArgumentError, type(self).__name__, expected=f"{expected}, since the other was given", got="none")
        info = self.state_info(batch_of(inputs, self._layout))
        first = states_like(F, info, inputs, "h0") if states is None else listed(type(self).__name__, states, info)
        parts = [
            weights[f"{direction}{layer}_{part}_{kind}"]
            for kind in ("weight", "bias")
            for layer in range(self._num_layers)
            for direction in self._directions
            for part in (PARTS[: 2 + (self._projection_size is not None)] if kind == "weight" else PARTS[:2])
        ]
        y, *last = F.RNN(
            inputs if self._layout == "TNC" else F.swapaxes(inputs, dim1=0, dim2=1),
            _packed(F, parts),
            *first,
            **({"sequence_length": sequence_length} if self._use_sequence_length else {}),
            mode=self._mode,
            state_size=self._hidden_size,
            num_layers=self._num_layers,
            bidirectional=len(self._directions) == 2,
            p=self._dropout,
            state_outputs=True,
            use_sequence_length=self._use_sequence_length,
            **{**(_SPELT_OUT if is_symbolic((inputs,)) else {}), **self._limits},
        )
        y = y if self._layout == "TNC" else F.swapaxes(y, dim1=0, dim2=1)
        return y if states is None else (y, last)

    def unfuse(self) -> HybridSequentialRNNCell:
        """A stack of cells with the same parameters, dropout between them."""
        stack = HybridSequentialRNNCell(prefix=self.prefix, params=self.params)
        with stack.name_scope():
            for layer in range(self._num_layers):
                forth, *back = (self._cell(f"{direction}{layer}_") for direction in self._directions)
                stack.add(BidirectionalCell(forth, back[0]) if back else forth)
                if self._dropout > 0 and layer < self._num_layers - 1:
                    stack.add(DropoutCell(self._dropout))
        return stack

    _unfuse = unfuse  # MXNet's name

    def _cell(self, prefix: str) -> RecurrentCell:
        if self._mode.startswith("rnn"):
            return RNNCell(self._hidden_size, self._mode[4:], prefix=prefix, **self._initializers)
        if self._clip:
            fail(ArgumentError, type(self).__name__, expected="cell states without limits", got=str(self._clip), fix="the layer itself")
        if self._projection_size is not None:
            return LSTMPCell(self._hidden_size, self._projection_size, prefix=prefix, **self._initializers)
        return (LSTMCell if self._mode == "lstm" else GRUCell)(self._hidden_size, prefix=prefix, **self._initializers)

    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Parameter]:
        """By the places that the parameters have in MXNet 1.x's files, which go by a stack of cells."""
        prefix = prefix + "." if prefix else ""
        return {prefix + self._place(name): parameter for name, parameter in self._reg_params.items()}

    def _place(self, name: str) -> str:
        direction, layer, rest = re.fullmatch(r"([lr])(\d+)_(.*)", name).groups()  # type: ignore[union-attr]
        return f"_unfused.{layer}.{rest}" if len(self._directions) == 1 else f"_unfused.{layer}.{direction}_cell.{rest}"

    def __repr__(self) -> str:
        shape = self._reg_params["l0_i2h_weight"].shape or (0, 0)
        parts = [f"{shape[1] or None} -> {self._hidden_size}", self._layout]
        parts += [f"num_layers={self._num_layers}"] * (self._num_layers != 1) + [f"dropout={self._dropout}"] * (self._dropout != 0)
        return f"{type(self).__name__}({', '.join(parts + ['bidirectional'] * (len(self._directions) == 2))})"


class RNN(_RNNLayer):
    """Layers of h' = relu(W x + R h + biases), or tanh by ``activation``.

    ``inputs``: (time, batch, inputs), or with ``layout="NTC"`` (batch, time, inputs). The outputs have
    the same layout and directions · ``hidden_size`` channels. Without ``states`` the first state is zero
    and the outputs alone are returned; with ``states``, (layers · directions, batch, units) each, the
    outputs and the list of last states are. ``dropout`` is between layers. With
    ``use_sequence_length`` the third argument is the length of each sequence: outputs beyond it are 0,
    states stay, and the other direction begins at the sequence's end.
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        activation: str = "relu",
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        input_size: int = 0,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        if activation not in ("relu", "tanh"):
            fail(ArgumentError, "RNN", expected="activation relu or tanh", got=repr(activation))
        initializers = i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer
        layers = hidden_size, num_layers, layout, dropout, bidirectional
        super().__init__("rnn_" + activation, *layers, *initializers, input_size, dtype, **kwargs)


class LSTM(_RNNLayer):
    """Layers of long short-term memory, with two states: the output and the cell. Most arguments are those of :class:`RNN`.

    ``projection_size``: each output is projected to that size by a third weight, ``h2r_weight``, and so is its state (Sak et
    al., arXiv 1402.1128). ``state_clip_min`` and ``state_clip_max`` limit the cell state of every step; with ``state_clip_nan``
    a NaN in it becomes the lower limit. MXNet clips on a GPU only. Both are computed step by step.
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        input_size: int = 0,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        projection_size: int | None = None,
        h2r_weight_initializer: Any = None,
        state_clip_min: float | None = None,
        state_clip_max: float | None = None,
        state_clip_nan: bool = False,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        initializers = i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer
        layers = hidden_size, num_layers, layout, dropout, bidirectional
        kwargs.update(projection_size=projection_size, h2r_weight_initializer=h2r_weight_initializer)
        if (state_clip_min, state_clip_max, state_clip_nan) != (None, None, False):
            limits = {"min": state_clip_min, "max": state_clip_max, "nan": state_clip_nan}
            kwargs["clip"] = {f"lstm_state_clip_{key}": value for key, value in limits.items()}
        super().__init__("lstm", *layers, *initializers, input_size, dtype, **kwargs)


class GRU(_RNNLayer):
    """Layers of gated recurrent units; the reset gate scales the recurrent product. Arguments are those of :class:`RNN`."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int = 1,
        layout: str = "TNC",
        dropout: float = 0,
        bidirectional: bool = False,
        input_size: int = 0,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        initializers = i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer
        super().__init__("gru", hidden_size, num_layers, layout, dropout, bidirectional, *initializers, input_size, dtype, **kwargs)
