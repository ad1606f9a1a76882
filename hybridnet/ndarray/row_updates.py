"""Update operators by a gradient of row_sparse storage: of weight and states only the rows that it has, where MXNet does so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hybridnet.core.state import paused_recording
from hybridnet.core.stored import RowSparse


def by_rows(weight: Any, grad: Any, states: Sequence[Any], rule: Callable[..., Any], lazy: bool = True) -> Any:
    """What ``rule(weight, grad, *states)``, which writes the states, makes of a weight.

    If ``lazy``, by a gradient of row_sparse storage it is given the rows that the gradient has, and all other rows stay; weight and
    states are of one storage then, and what MXNet would compute with dense arrays otherwise, is here too. All are of one shape.
    """
    with paused_recording():
        own = [weight, *states]
        if all(x.stype == "default" for x in (grad, *own)):
            return rule(weight, grad, *states)
        if not lazy or grad.stype != "row_sparse" or len({x.stype for x in own}) > 1:
            dense = [x.tostype("default") for x in states]
            made = rule(weight.tostype("default"), grad.tostype("default"), *dense)
            for state, values in zip(states, dense, strict=True):
                if state is not values:
                    state._assign(values.tostype(state.stype))
            return made
        made = weight.copy()
        own[0] = made
        rows = grad.indices
        if rows.size:
            parts = [_rows_of(x, rows) for x in own]
            parts[0] = rule(parts[0], grad.data, *parts[1:])
            for x, part in zip(own, parts, strict=True):
                _set_rows(x, rows, part)
        return made


def _rows_of(x: Any, rows: Any) -> Any:
    """A dense copy of some rows of an array; of one of row_sparse storage all rows are stored from then on."""
    if x.stype == "default":
        return x[rows]
    if len(x._data.indices) < x.shape[0]:
        x._write(RowSparse(x._data.dense(x._device.xp), x._device.xp.arange(x.shape[0]), x.shape))
    return x.retain(rows).data


def _set_rows(x: Any, rows: Any, values: Any) -> None:
    if x.stype == "default":
        x[rows] = values
    else:
        x.set_rows(rows, values)
