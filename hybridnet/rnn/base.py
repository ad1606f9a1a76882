"""The base of ``mx.rnn``'s cells: recurrent networks as symbols, for ``Module`` and ``BucketingModule``; Gluon's are in ``gluon.rnn``.

A cell makes the symbol of one step; ``unroll`` that of a whole sequence. Its parameters are variables whose names begin with its prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from hybridnet import ndarray as nd
from hybridnet import symbol
from hybridnet.errors import ArgumentError, fail

StateInfo = list[dict[str, Any]]


class RNNParams:
    """The variables of cells, by name; cells that are given the same share them."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._params: dict[str, Any] = {}

    def get(self, name: str, **kwargs: Any) -> Any:
        """The variable of that name behind the prefix, made at the first call with ``kwargs``."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = symbol.Variable(name, **kwargs)
        return self._params[name]


class BaseRNNCell:
    """The base of cells. ``cell(input, states)`` gives the output and the new states of a step; ``reset()`` starts another sequence."""

    def __init__(self, prefix: str = "", params: RNNParams | None = None) -> None:
        self._own_params = params is None
        self._params = RNNParams(prefix) if params is None else params
        self._prefix = prefix
        self._modified = False  # whether a modifier stands for it
        self.reset()

    def reset(self) -> None:
        """Count steps anew, before another sequence is unrolled."""
        self._init_counter = -1
        self._counter = -1
        for cell in getattr(self, "_cells", ()):
            cell.reset()

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The symbols of one step: output and new states, of an input (batch, channels) and the states before it."""
        raise NotImplementedError(f"{type(self).__name__}.__call__(self, inputs, states)")

    @property
    def params(self) -> RNNParams:
        """The cell's variables, to be given to another that shares them."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> StateInfo:
        """Shape (0 for the batch) and layout of each state."""
        raise NotImplementedError(f"{type(self).__name__}.state_info")

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        """The shapes of the states."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ()

    def begin_state(self, func: Any = symbol.zeros, **kwargs: Any) -> list[Any]:
        """The first states, made by ``func(name=, shape=, **kwargs)``: zeros, whose batch follows from the inputs, unless told."""
        self._refuse_modified("begin_state")
        states = []
        for info in self.state_info:
            self._init_counter += 1
            states.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **{**info, **kwargs}))
        return states

    def _refuse_modified(self, op: str) -> None:
        if self._modified:
            fail(ArgumentError, f"{type(self).__name__}.{op}", expected="a call of the cell that modifies it", got="one of the cell in it")

    def _gated(self) -> list[tuple[str, str]]:
        """The names of the parameters that hold all gates' rows one below the other: (``i2h``, ``weight``) …."""
        return [(group, kind) for group in ("i2h", "h2h") for kind in ("weight", "bias")]

    def unpack_weights(self, args: Any) -> dict[str, Any]:
        """Parameters by name, with those of all gates divided: ``lstm_i2h_weight`` into ``lstm_i2h_i_weight`` …."""
        args = dict(args)
        for group in ("i2h", "h2h") if self._gate_names else ():
            weight, bias = (args.pop(f"{self._prefix}{group}_{kind}") for kind in ("weight", "bias"))
            rows = bias.shape[0] // len(self._gate_names)
            for j, gate in enumerate(self._gate_names):
                args[f"{self._prefix}{group}{gate}_weight"] = weight[j * rows : (j + 1) * rows].copy()
                args[f"{self._prefix}{group}{gate}_bias"] = bias[j * rows : (j + 1) * rows].copy()
        return args

    def pack_weights(self, args: Any) -> dict[str, Any]:
        """What :meth:`unpack_weights` divided, joined again."""
        args = dict(args)
        for group, kind in self._gated() if self._gate_names else ():
            parts = [args.pop(f"{self._prefix}{group}{gate}_{kind}") for gate in self._gate_names]
            args[f"{self._prefix}{group}_{kind}"] = nd.concat(*parts, dim=0)
        return args

    def unroll(
        self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None
    ) -> tuple[Any, list[Any]]:
        """The symbols of ``length`` steps: outputs and the last states.

        ``inputs``: a list of symbols (batch, channels), one a step, or one symbol of ``layout``. ``merge_outputs=True`` gives the outputs
        as one symbol of that layout, else they are a list. ArgumentError for another number of inputs.
        """
        self.reset()
        steps = divided(length, inputs, layout)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
        return (merged(outputs, layout) if merge_outputs else outputs), states

    def _get_activation(self, inputs: Any, activation: Any, **kwargs: Any) -> Any:
        """An activation by its name, or a function of symbols."""
        if isinstance(activation, str):
            return symbol.Activation(inputs, act_type=activation, **kwargs)
        return activation(inputs, **kwargs)


def divided(length: int, inputs: Any, layout: str) -> list[Any]:
    """A sequence as a list of its steps. ArgumentError if there are not ``length`` of them."""
    if isinstance(inputs, symbol.Symbol):
        if len(inputs.list_outputs()) != 1:
            fail(ArgumentError, "unroll", expected="one symbol of a sequence, or a list of symbols", got="a group")
        axis = layout.find("T")
        return list(symbol.split(inputs, axis=axis, num_outputs=length, squeeze_axis=1))
    if len(inputs) != length:
        fail(ArgumentError, "unroll", expected=f"{length} inputs, one a step", got=str(len(inputs)))
    return list(inputs)


def merged(steps: Any, layout: str) -> Any:
    """Steps (batch, channels) as one symbol of a layout."""
    if isinstance(steps, symbol.Symbol):
        return steps
    axis = layout.find("T")
    return symbol.Concat(*(symbol.expand_dims(step, axis=axis) for step in steps), dim=axis)


def refuse_step(cell: Any, fix: str) -> NoReturn:
    """For cells that are only unrolled."""
    raise NotImplementedError(f"{type(cell).__name__} cannot be stepped; {fix}")
