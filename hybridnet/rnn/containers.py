"""Cells made of cells: one after another, two directions, and what modifies another: dropout, zoneout, residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet import symbol
from hybridnet.errors import ArgumentError, fail
from hybridnet.rnn.base import BaseRNNCell, RNNParams, StateInfo, divided, merged, refuse_step


def _of_all(cells: Sequence[BaseRNNCell], args: Any, op: str) -> Any:
    for cell in cells:
        args = getattr(cell, op)(args)
    return args


class SequentialRNNCell(BaseRNNCell):
    """Cells one after another, added by :meth:`add`."""

    def __init__(self, params: RNNParams | None = None) -> None:
        super().__init__(prefix="", params=params)
        self._override_cell_params = params is not None
        self._cells: list[BaseRNNCell] = []

    def add(self, cell: BaseRNNCell) -> None:
        """Put a cell at the end."""
        self._cells.append(cell)
        _share(self, cell)

    @property
    def state_info(self) -> StateInfo:
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, **kwargs: Any) -> list[Any]:  # type: ignore[override]
        """The first states of all cells, in their order."""
        self._refuse_modified("begin_state")
        return [state for cell in self._cells for state in cell.begin_state(**kwargs)]

    def unpack_weights(self, args: Any) -> Any:
        return _of_all(self._cells, args, "unpack_weights")

    def pack_weights(self, args: Any) -> Any:
        return _of_all(self._cells, args, "pack_weights")

    def _own(self, states: Sequence[Any]) -> list[tuple[BaseRNNCell, Sequence[Any]]]:
        """Each cell with its part of the states."""
        pairs, start = [], 0
        for cell in self._cells:
            stop = start + len(cell.state_info)
            pairs.append((cell, states[start:stop]))
            start = stop
        return pairs

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        self._counter += 1
        last: list[Any] = []
        for cell, own in self._own(states):
            if isinstance(cell, BidirectionalCell):
                refuse_step(cell, "unroll the whole")
            inputs, new = cell(inputs, own)
            last += new
        return inputs, last

    def unroll(
        self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None
    ) -> tuple[Any, list[Any]]:
        self.reset()
        states = self.begin_state() if begin_state is None else begin_state
        last: list[Any] = []
        for i, (cell, own) in enumerate(self._own(states)):
            ends = i == len(self._cells) - 1
            inputs, new = cell.unroll(length, inputs, own, layout, merge_outputs if ends else None)
            last += new
        return inputs, last


def _share(whole: Any, *cells: BaseRNNCell) -> None:
    """Give cells the parameters that were given to the whole, or the whole theirs. ArgumentError for two sets of them."""
    for cell in cells:
        if whole._override_cell_params:
            if not cell._own_params:
                fail(ArgumentError, type(whole).__name__, expected="params for the whole or for its cells", got="for both")
            cell.params._params.update(whole.params._params)
        whole.params._params.update(cell.params._params)


class BidirectionalCell(BaseRNNCell):
    """Two cells, of which the second goes through the sequence backward; outputs lie side by side. It is only unrolled."""

    def __init__(self, l_cell: BaseRNNCell, r_cell: BaseRNNCell, params: RNNParams | None = None, output_prefix: str = "bi_") -> None:
        super().__init__("", params=params)
        self._output_prefix = output_prefix
        self._override_cell_params = params is not None
        self._cells = [l_cell, r_cell]
        _share(self, l_cell, r_cell)

    def unpack_weights(self, args: Any) -> Any:
        return _of_all(self._cells, args, "unpack_weights")

    def pack_weights(self, args: Any) -> Any:
        return _of_all(self._cells, args, "pack_weights")

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        refuse_step(self, "unroll it")

    @property
    def state_info(self) -> StateInfo:
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, **kwargs: Any) -> list[Any]:  # type: ignore[override]
        """The first states of both directions."""
        self._refuse_modified("begin_state")
        return [state for cell in self._cells for state in cell.begin_state(**kwargs)]

    def unroll(
        self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None
    ) -> tuple[Any, list[Any]]:
        self.reset()
        steps = divided(length, inputs, layout)
        states = self.begin_state() if begin_state is None else begin_state
        forward, backward = self._cells
        count = len(forward.state_info)
        l_outputs, l_states = forward.unroll(length, steps, states[:count], layout, merge_outputs)
        r_outputs, r_states = backward.unroll(length, steps[::-1], states[count:], layout, merge_outputs)
        last = [l_states, r_states]
        if merge_outputs:
            r_outputs = symbol.reverse(merged(r_outputs, layout), axis=layout.find("T"))
            return symbol.Concat(merged(l_outputs, layout), r_outputs, dim=2, name=f"{self._output_prefix}out"), last
        pairs = zip(l_outputs, list(r_outputs)[::-1], strict=True)
        return [symbol.Concat(a, b, dim=1, name=f"{self._output_prefix}t{t}") for t, (a, b) in enumerate(pairs)], last


class DropoutCell(BaseRNNCell):
    """Dropout between cells: no states, no parameters."""

    def __init__(self, dropout: float, prefix: str = "dropout_", params: RNNParams | None = None) -> None:
        super().__init__(prefix, params)
        if not isinstance(dropout, (int, float)):
            fail(ArgumentError, "DropoutCell", expected="a probability", got=repr(dropout))
        self.dropout = dropout

    @property
    def state_info(self) -> StateInfo:
        return []

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        return (symbol.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs), list(states)

    def unroll(
        self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None
    ) -> tuple[Any, list[Any]]:
        self.reset()
        if isinstance(inputs, symbol.Symbol):  # of a whole sequence at once
            return self(inputs, [])
        return super().unroll(length, inputs, begin_state, layout, merge_outputs)


class ModifierCell(BaseRNNCell):
    """The base of cells that change what another, ``base_cell``, does; that one's parameters are theirs."""

    def __init__(self, base_cell: BaseRNNCell) -> None:
        base_cell._modified = True
        super().__init__()
        self.base_cell = base_cell

    @property
    def params(self) -> RNNParams:
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> StateInfo:
        return self.base_cell.state_info

    def begin_state(self, init_sym: Any = symbol.zeros, **kwargs: Any) -> list[Any]:  # type: ignore[override]
        """The first states of the cell within."""
        self._refuse_modified("begin_state")
        self.base_cell._modified = False
        try:
            return self.base_cell.begin_state(func=kwargs.pop("func", init_sym), **kwargs)
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args: Any) -> Any:
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: Any) -> Any:
        return self.base_cell.pack_weights(args)


class ZoneoutCell(ModifierCell):
    """Zoneout (Krueger et al., arXiv 1606.01305): outputs and states keep the values of the step before with these probabilities."""

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if isinstance(base_cell, BidirectionalCell) or (isinstance(base_cell, SequentialRNNCell) and _has_directions(base_cell)):
            fail(
                ArgumentError,
                "ZoneoutCell",
                expected="a cell that can be stepped",
                got="a BidirectionalCell",
                fix="zoneout in each direction",
            )
        if not hasattr(base_cell, "_counter") or type(base_cell).__name__ == "FusedRNNCell":
            fail(ArgumentError, "ZoneoutCell", expected="a cell that can be stepped", got="a FusedRNNCell", fix="its unfuse()")
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states
        self.prev_output: Any = None

    def reset(self) -> None:
        super().reset()
        self.prev_output = None
        if hasattr(self, "base_cell"):
            self.base_cell.reset()

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        new_output, new_states = self.base_cell(inputs, states)

        def kept(p: float, new: Any, old: Any) -> Any:
            if not p:
                return new
            mask = symbol.Dropout(symbol.ones_like(new), p=p)
            return symbol.where(mask, new, symbol.zeros((0, 0)) if old is None else old)

        output = kept(self.zoneout_outputs, new_output, self.prev_output)
        self.prev_output = output
        return output, [kept(self.zoneout_states, new, old) for new, old in zip(new_states, states, strict=True)]


def _has_directions(cell: SequentialRNNCell) -> bool:
    return any(isinstance(c, BidirectionalCell) for c in cell._cells)


class ResidualCell(ModifierCell):
    """The output of a cell, plus its input (Wu et al., arXiv 1609.08144)."""

    def reset(self) -> None:
        super().reset()
        if hasattr(self, "base_cell"):
            self.base_cell.reset()

    def __call__(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        output, new_states = self.base_cell(inputs, states)
        return symbol.elemwise_add(output, inputs, name=f"{output.name}_plus_residual"), new_states

    def unroll(
        self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None
    ) -> tuple[Any, list[Any]]:
        self.reset()
        self.base_cell._modified = False
        outputs, states = self.base_cell.unroll(length, inputs, begin_state, layout, merge_outputs)
        self.base_cell._modified = True
        if isinstance(outputs, symbol.Symbol):
            return symbol.elemwise_add(outputs, merged(inputs, layout), name=f"{outputs.name}_plus_residual"), states
        steps = divided(length, inputs, layout)
        return [symbol.elemwise_add(o, i, name=f"{o.name}_plus_residual") for o, i in zip(outputs, steps, strict=True)], states
