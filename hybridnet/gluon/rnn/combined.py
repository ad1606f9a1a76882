"""Cells made of cells: one on top of the other, both directions, and what is put around a cell or between two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from hybridnet.errors import ArgumentError, fail
from hybridnet.gluon.block import HybridBlock
from hybridnet.gluon.rnn.recurrent import HybridRecurrentCell, RecurrentCell, as_steps, first_of, masked, merged, time_axis
from hybridnet.gluon.rnn.states import StateInfo
from hybridnet.gluon.symbolic import operators_for


def _info_of(cells: Any, batch_size: int) -> StateInfo:
    return [state for cell in cells for state in cell.state_info(batch_size)]


def _share(cells: Any, states: Any) -> list[list[Any]]:
    """The part of ``states`` that each cell has."""
    rest = list(states)
    return [[rest.pop(0) for _ in cell.state_info()] for cell in cells]


class SequentialRNNCell(RecurrentCell):
    """Cells one on top of the other; the states are those of all, in turn."""

    def add(self, cell: RecurrentCell, *more: RecurrentCell) -> None:
        """Put a cell on top, or several."""
        for one in (cell, *more):
            self.register_child(one)

    def __len__(self) -> int:
        return len(self._children)

    def __getitem__(self, i: int) -> Any:
        return list(self._children.values())[i]

    def state_info(self, batch_size: int = 0) -> StateInfo:
        return _info_of(self._children.values(), batch_size)

    def hybrid_forward(self, *args: Any, **kwargs: Any) -> NoReturn:  # type: ignore[override]
        """Always a NotImplementedError, as in MXNet: its cells are called one by one."""
        raise NotImplementedError("a SequentialRNNCell is called, or unrolled; its cells compute")

    def forward(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:  # type: ignore[override]
        cells = list(self._children.values())
        after: list[Any] = []
        for cell, own in zip(cells, _share(cells, states), strict=True):
            inputs, own = cell(inputs, own)
            after += own
        return inputs, after

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """All steps of one cell, then of the next: a cell on top may need the whole sequence."""
        self.reset()
        steps = as_steps(type(self).__name__, length, inputs, layout)
        cells = list(self._children.values())
        after: list[Any] = []
        x: Any = steps
        for i, (cell, own) in enumerate(zip(cells, _share(cells, first_of(self, begin_state, steps[0])), strict=True)):
            last = i == len(cells) - 1
            x, own = cell.unroll(length, x, own, layout, merge_outputs if last else None, valid_length)  # type: ignore[attr-defined]
            after += own
        return x, after


class HybridSequentialRNNCell(SequentialRNNCell, HybridRecurrentCell):
    """Cells one on top of the other, compiled as one after ``hybridize()``."""

    forward = SequentialRNNCell.forward  # type: ignore[assignment]


class DropoutCell(HybridRecurrentCell):
    """Dropout between cells; no states. ``axes``: along these one decision holds for all elements."""

    def __init__(self, rate: float, axes: tuple[int, ...] = (), prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._rate, self._axes = rate, tuple(axes)

    def _alias(self) -> str:
        return "dropout"

    def state_info(self, batch_size: int = 0) -> StateInfo:
        return []

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        return (F.Dropout(inputs, p=self._rate, axes=self._axes, name="fwd") if self._rate > 0 else inputs), states

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """One call for the whole sequence where it is one array."""
        if not isinstance(inputs, (list, tuple)) and merge_outputs is not False and not self._axes:
            return self(inputs, list(begin_state or []))
        return super().unroll(length, inputs, list(begin_state or []), layout, merge_outputs, valid_length)

    def __repr__(self) -> str:
        return f"DropoutCell(rate={self._rate}, axes={self._axes})"


class ModifierCell(HybridRecurrentCell):
    """The base of cells that are put around another, ``base_cell``, and share its parameters and states."""

    def __init__(self, base_cell: RecurrentCell) -> None:
        super().__init__(prefix=base_cell.prefix + self._alias(), params=None)
        self.base_cell = base_cell

    @property
    def params(self) -> Any:
        """Those of the cell within."""
        return self.base_cell.params

    def state_info(self, batch_size: int = 0) -> StateInfo:
        return self.base_cell.state_info(batch_size)

    def begin_state(self, batch_size: int = 0, func: Callable[..., Any] | None = None, **kwargs: Any) -> list[Any]:
        return self.base_cell.begin_state(batch_size, func, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_cell!r})"


class ResidualCell(ModifierCell):
    """The cell's output plus its input."""

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        y, states = self.base_cell(inputs, states)
        return y + inputs, states


class ZoneoutCell(ModifierCell):
    """In training, elements of the output and of the states that stay as they were a step before, by these probabilities.

    The output of the step before is kept in the cell: hybridize what unrolls it, not the cell (Krueger et al., 2016).
    """

    def __init__(self, base_cell: RecurrentCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if isinstance(base_cell, BidirectionalCell):
            fail(ArgumentError, "ZoneoutCell", expected="a cell of one step", got="BidirectionalCell", fix="zoneout in each direction")
        super().__init__(base_cell)
        self._zoneout_outputs, self._zoneout_states = zoneout_outputs, zoneout_states
        self._before: Any = None

    def _alias(self) -> str:
        return "zoneout"

    def reset(self) -> None:
        super().reset()
        self._before = None

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        y, new = self.base_cell(inputs, states)
        before = F.zeros_like(y) if self._before is None else self._before
        y = self._mixed(F, self._zoneout_outputs, y, before)
        self._before = y
        return y, [self._mixed(F, self._zoneout_states, n, s) for n, s in zip(new, states, strict=True)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p_out={self._zoneout_outputs}, p_state={self._zoneout_states}, {self.base_cell!r})"

    @staticmethod
    def _mixed(F: Any, rate: float, new: Any, old: Any) -> Any:
        return F.where(F.Dropout(F.ones_like(new), p=rate), new, old) if rate else new


class BidirectionalCell(HybridRecurrentCell):
    """Two cells, one of which reads the sequence from its end; it can only be unrolled."""

    def __init__(self, l_cell: RecurrentCell, r_cell: RecurrentCell, output_prefix: str = "bi_", params: Any = None) -> None:
        super().__init__(prefix="", params=params)
        self.l_cell, self.r_cell = l_cell, r_cell

    def state_info(self, batch_size: int = 0) -> StateInfo:
        return _info_of((self.l_cell, self.r_cell), batch_size)

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        fail(ArgumentError, "BidirectionalCell", expected="a whole sequence", got="one step", fix="unroll(length, inputs)")

    forward = HybridBlock.forward

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Any = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
        valid_length: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Both directions over the sequence, their outputs joined along the last axis."""
        name, axis = type(self).__name__, time_axis(type(self).__name__, layout)
        self.reset()
        steps = as_steps(name, length, inputs, layout)
        left, right = _share((self.l_cell, self.r_cell), first_of(self, begin_state, steps[0]))
        F = operators_for(steps)

        def backwards(x: Any) -> Any:
            x = merged(x, layout)
            if valid_length is None:
                return F.flip(x, axis=axis)
            turned = F.SequenceReverse(x if axis == 0 else F.swapaxes(x, dim1=0, dim2=1), valid_length, use_sequence_length=True)
            return turned if axis == 0 else F.swapaxes(turned, dim1=0, dim2=1)

        forth, left = self.l_cell.unroll(length, steps, left, layout, True, valid_length)
        back, right = self.r_cell.unroll(length, backwards(steps), right, layout, True, valid_length)
        both = F.concat(forth, backwards(back), dim=-1)
        both = both if valid_length is None else masked(both, valid_length, layout)
        return (as_steps(name, length, both, layout) if merge_outputs is False else both), [*left, *right]

    def __repr__(self) -> str:
        return f"BidirectionalCell(forward={self.l_cell!r}, backward={self.r_cell!r})"
