"""``RecurrentCell``: a block that computes one step, and :meth:`~RecurrentCell.unroll`, which computes a whole sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hybridnet.core import NDArray
from hybridnet.errors import ArgumentError, ShapeError, fail
from hybridnet.gluon.block import Block, HybridBlock
from hybridnet.gluon.rnn.states import StateInfo, batch_of, first_states, states_like
from hybridnet.gluon.symbolic import operators_for


class RecurrentCell(Block):
    """One step of a recurrent network: ``cell(inputs, states)`` gives the output and the list of new states.

    ``inputs``: (batch, inputs). ``states``: a list of arrays, :meth:`begin_state` at first.
    """

    # MXNet's names, which cells of programs read: the step of the sequence, as symbols, whose nodes are named after it; how often first
    # states were asked for; and whether another cell works by this one.
    _counter = _init_counter = -1
    _modified = False

    def reset(self) -> None:
        """Forget what a sequence left behind in the cell, before the next."""
        self._counter = self._init_counter = -1
        for child in self._children.values():
            if isinstance(child, RecurrentCell):
                child.reset()

    def state_info(self, batch_size: int = 0) -> StateInfo:
        """Shape and layout of each state."""
        raise NotImplementedError(f"{type(self).__name__}.state_info(self, batch_size)")

    def begin_state(self, batch_size: int = 0, func: Callable[..., Any] | None = None, **kwargs: Any) -> list[Any]:
        """A list of first states: zeros, or ``func(shape=..., **kwargs)``; ``ctx`` and ``dtype`` are among the ``kwargs``."""
        self._init_counter += 1
        return first_states(self.state_info(batch_size), func, **kwargs)

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """``length`` steps, one after the other: the outputs and the last states.

        ``inputs``: one array of that ``layout`` (NTC or TNC), or a list with an array (batch, inputs) a step.
        ``merge_outputs``: the outputs as one array of ``layout``, or as a list of arrays; unless
        said, a list where that costs nothing. ``valid_length``: the length of each sequence; outputs
        beyond it are 0, and the last states are those at its end.
        """
        self.reset()
        steps = as_steps(type(self).__name__, length, inputs, layout)
        states = first_of(self, begin_state, steps[0])
        outputs: list[Any] = []
        history: list[list[Any]] = []
        for x in steps:
            y, states = self(x, states)
            outputs.append(y)
            history.append(states)
        if valid_length is None:
            return (merged(outputs, layout) if merge_outputs else outputs), states
        F = operators_for(steps[0])
        states = [F.SequenceLast(F.stack(*each), valid_length, use_sequence_length=True) for each in zip(*history, strict=True)]
        whole = masked(merged(outputs, layout), valid_length, layout)
        return (as_steps(type(self).__name__, length, whole, layout) if merge_outputs is False else whole), states


class HybridRecurrentCell(RecurrentCell, HybridBlock):
    """A cell that ``hybridize()`` compiles: define ``hybrid_forward(self, F, inputs, states, ...)``."""

    forward = HybridBlock.forward

    def _step_name(self) -> str:
        self._counter += 1
        # A cell of a program names what it computes itself, by the counter, as MXNet's do.
        return f"t{self._counter}_" if self._style().__module__.startswith("hybridnet.") else ""


def time_axis(name: str, layout: str) -> int:
    """Which axis of ``layout`` is time. ArgumentError if it is neither NTC nor TNC."""
    if layout not in ("NTC", "TNC"):
        fail(ArgumentError, name, expected="layout NTC or TNC", got=repr(layout))
    return layout.index("T")


def as_steps(name: str, length: int, inputs: Any, layout: str) -> list[Any]:
    """The inputs of each step, from one array or from a list.

    ShapeError if there are not ``length`` of them, or none.
    """
    axis = time_axis(name, layout)
    listed = isinstance(inputs, (list, tuple))
    count = len(inputs) if listed else inputs.shape[axis] if isinstance(inputs, NDArray) else length
    if count != length or not length:
        fail(ShapeError, name, expected=f"inputs of {length} steps, one or more", got=f"{count} steps")
    steps = inputs if listed else operators_for(inputs).split(inputs, num_outputs=length, axis=axis, squeeze_axis=True)
    return [steps] if length == 1 and not listed else list(steps)


def merged(outputs: Any, layout: str) -> Any:
    """The outputs of all steps as one array."""
    return operators_for(outputs).stack(*outputs, axis=layout.index("T")) if isinstance(outputs, (list, tuple)) else outputs


def masked(outputs: Any, valid_length: Any, layout: str) -> Any:
    """``outputs``, one array, with 0 beyond each sequence's length."""
    return operators_for(outputs).SequenceMask(outputs, valid_length, use_sequence_length=True, axis=layout.index("T"))


def first_of(cell: RecurrentCell, states: Sequence[Any] | None, inputs: Any) -> list[Any]:
    """``states``, or zeros for the batch that a step's ``inputs`` are of."""
    if states is not None:
        return list(states)
    with cell.name_scope():
        return states_like(operators_for(inputs), cell.state_info(batch_of(inputs, "NC")), inputs, "begin_state")
