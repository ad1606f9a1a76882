"""``FusedRNNCell``: a whole recurrent network as one operator, ``RNN``, whose parameters are one flat array."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from hybridnet import initializer as init
from hybridnet import ndarray as nd
from hybridnet import symbol
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.ops.nn.rnn import parameter_shapes, rnn_param_size
from hybridnet.rnn.base import BaseRNNCell, RNNParams, StateInfo, divided, merged, refuse_step
from hybridnet.rnn.cells import GRUCell, LSTMCell, RNNCell
from hybridnet.rnn.containers import BidirectionalCell, DropoutCell, SequentialRNNCell

_GATES = {"rnn_relu": ("",), "rnn_tanh": ("",), "lstm": ("_i", "_f", "_c", "_o"), "gru": ("_r", "_z", "_o")}


class FusedRNNCell(BaseRNNCell):
    """Layers of relu, tanh, lstm or gru cells, in one or both directions, with dropout between layers; only unrolled.

    ``get_next_state``: :meth:`unroll` gives the last states too. ``prefix``: the mode and ``_``, unless given.
    """

    def __init__(
        self,
        num_hidden: int,
        num_layers: int = 1,
        mode: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        get_next_state: bool = False,
        forget_bias: float = 1.0,
        prefix: str | None = None,
        params: RNNParams | None = None,
    ) -> None:
        if mode not in _GATES:
            fail(ArgumentError, "FusedRNNCell", expected="one of " + ", ".join(_GATES), got=repr(mode))
        super().__init__(prefix=f"{mode}_" if prefix is None else prefix, params=params)
        self._num_hidden, self._num_layers, self._mode = num_hidden, num_layers, mode
        self._bidirectional, self._dropout, self._get_next_state = bidirectional, dropout, get_next_state
        self._directions = ["l", "r"] if bidirectional else ["l"]
        first = init.FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter = self.params.get("parameters", init=first)

    @property
    def state_info(self) -> StateInfo:
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"}] * (2 if self._mode == "lstm" else 1)

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return _GATES[self._mode]

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    def _parts(self, inputs: int) -> list[tuple[str, tuple[int, ...], int]]:
        """Name, shape and first element of each gate's part of the flat array, for that many channels of input."""
        shapes = iter(parameter_shapes(self._mode, inputs, self._num_hidden, self._num_layers, len(self._directions), None))
        parts, start = [], 0
        for kind in ("weight", "bias"):
            for layer, direction, group in itertools.product(range(self._num_layers), self._directions, ("i2h", "h2h")):
                rows, *columns = next(shapes)
                for gate in self._gate_names:
                    shape = (rows // self._num_gates, *columns)
                    parts.append((f"{self._prefix}{direction}{layer}_{group}{gate}_{kind}", shape, start))
                    start += math.prod(shape)
        return parts

    def _inputs_of(self, size: int) -> int:
        """The channels of input that a flat array of that size is for."""
        arguments = self._num_hidden, self._num_layers, self._bidirectional
        none, one = (rnn_param_size(self._mode, n, *arguments) for n in (0, 1))
        inputs, over = divmod(size - none, one - none)
        if over or inputs < 1:
            fail(
                ShapeError,
                "FusedRNNCell.unpack_weights",
                expected=f"parameters of {self._mode} with {self._num_hidden} units",
                got=f"{size} numbers",
            )
        return inputs

    def unpack_weights(self, args: Any) -> dict[str, Any]:
        """The flat array as each gate's weight and bias: ``lstm_l0_i2h_i_weight`` …, as the cells of :meth:`unfuse` unpack theirs."""
        args = dict(args)
        flat = args.pop(self._parameter.name)
        for name, shape, start in self._parts(self._inputs_of(flat.size)):
            args[name] = flat[start : start + math.prod(shape)].reshape(shape).copy()
        return args

    def pack_weights(self, args: Any) -> dict[str, Any]:
        args = dict(args)
        first = args[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"]
        parts = [args.pop(name).reshape((-1,)) for name, _, _ in self._parts(first.shape[1])]
        return {**args, self._parameter.name: nd.concat(*parts, dim=0)}

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        refuse_step(self, "unroll it")

    def unroll(
        self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None
    ) -> tuple[Any, list[Any]]:
        self.reset()
        sequence = merged(inputs, layout)
        if layout == "NTC":
            sequence = symbol.swapaxes(sequence, dim1=0, dim2=1)
        elif layout != "TNC":
            fail(ArgumentError, "FusedRNNCell.unroll", expected="layout NTC or TNC", got=repr(layout))
        states = self.begin_state() if begin_state is None else begin_state
        named = dict(zip(("state", "state_cell"), states, strict=False))
        out = symbol.RNN(
            data=sequence,
            parameters=self._parameter,
            state_size=self._num_hidden,
            num_layers=self._num_layers,
            bidirectional=self._bidirectional,
            p=self._dropout,
            state_outputs=self._get_next_state,
            mode=self._mode,
            name=f"{self._prefix}rnn",
            **named,
        )
        outputs, last = (out[0], list(out)[1:]) if self._get_next_state else (out, [])
        for state in last:
            state._set_attr(__layout__="LNC")
        if layout == "NTC":
            outputs = symbol.swapaxes(outputs, dim1=0, dim2=1)
        return (divided(length, outputs, layout) if merge_outputs is False else outputs), last

    def unfuse(self) -> SequentialRNNCell:
        """The same network of plain cells, which :meth:`unpack_weights` and their ``pack_weights`` give these parameters."""
        make: Any = {
            "rnn_relu": lambda prefix: RNNCell(self._num_hidden, activation="relu", prefix=prefix),
            "rnn_tanh": lambda prefix: RNNCell(self._num_hidden, activation="tanh", prefix=prefix),
            "lstm": lambda prefix: LSTMCell(self._num_hidden, prefix=prefix),
            "gru": lambda prefix: GRUCell(self._num_hidden, prefix=prefix),
        }[self._mode]
        stack = SequentialRNNCell()
        for i in range(self._num_layers):
            cells = [make(f"{self._prefix}{direction}{i}_") for direction in self._directions]
            if self._bidirectional:
                stack.add(BidirectionalCell(cells[0], cells[1], output_prefix=f"{self._prefix}bi_l{i}_"))
            else:
                stack.add(cells[0])
            if self._dropout > 0 and i != self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{i}_"))
        return stack
