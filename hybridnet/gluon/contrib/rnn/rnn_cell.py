"""Dropout with one mask for a whole sequence, and the projected lstm."""

from __future__ import annotations

from typing import Any

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.rnn.cells import LSTMPCell
from hybridnet.gluon.rnn.combined import BidirectionalCell, ModifierCell
from hybridnet.gluon.rnn.recurrent import RecurrentCell

__all__ = ["LSTMPCell", "VariationalDropoutCell"]


class VariationalDropoutCell(ModifierCell):
    """Dropout of a cell's inputs, first state and outputs, by the same mask at every step (Gal and Ghahramani, arXiv 1512.05287).

    The masks are drawn at the first step after ``reset()``, which ``unroll`` calls, and kept in the cell: hybridize what unrolls it.
    """

    def __init__(self, base_cell: RecurrentCell, drop_inputs: float = 0.0, drop_states: float = 0.0, drop_outputs: float = 0.0) -> None:
        if drop_states and isinstance(base_cell, BidirectionalCell):
            name, fix = "VariationalDropoutCell", "VariationalDropoutCell in each direction"
            fail(ArgumentError, name, expected="a cell of one step for drop_states", got="BidirectionalCell", fix=fix)
        super().__init__(base_cell)
        self.drop_inputs, self.drop_states, self.drop_outputs = drop_inputs, drop_states, drop_outputs
        self._masks: dict[str, Any] = {}

    def _alias(self) -> str:
        return "vardrop"

    def reset(self) -> None:
        super().reset()
        self._masks = {}

    def _dropped(self, F: Any, what: str, rate: float, x: Any) -> Any:
        if not rate:
            return x
        if what not in self._masks:
            self._masks[what] = F.Dropout(F.ones_like(x), p=rate)
        return x * self._masks[what]

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        if self.drop_states:
            states = [self._dropped(F, "states", self.drop_states, states[0]), *states[1:]]
        y, states = self.base_cell(self._dropped(F, "inputs", self.drop_inputs, inputs), states)
        return self._dropped(F, "outputs", self.drop_outputs, y), states

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p_out = {self.drop_outputs}, p_state = {self.drop_states})"
