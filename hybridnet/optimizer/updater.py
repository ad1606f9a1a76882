"""``Updater``: an optimizer with the states of what it has updated, for programs that update by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridnet.optimizer import states as files
from hybridnet.optimizer.base import Optimizer
from hybridnet.optimizer.sweep import Sweep, can_sweep


class Updater:
    """Call it with an index, a gradient and a weight to move the weight; with lists of them to move all, by one program if that can be."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self._loaded: dict[str, Any] = {}  # values for states that are not made yet
        self._sweeps: dict[Any, Sweep] = {}  # by device

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        if not isinstance(index, (list, tuple)):
            index, grad, weight = [index], [grad], [weight]
        if can_sweep(self.optimizer, index, weight, grad):
            self._sweep(index, grad, weight)
            return
        for i, g, w in zip(index, grad, weight, strict=True):
            self._have_state(i, w)
            self.optimizer.update_multi_precision(i, w, g, self.states[i])

    def _sweep(self, index: Sequence[Any], grad: Sequence[Any], weight: Sequence[Any]) -> None:
        for i, w in zip(index, weight, strict=True):
            self._have_state(i, w)
        device = weight[0].device
        if device not in self._sweeps:
            self._sweeps[device] = Sweep(self.optimizer, device)
        self._sweeps[device](index, weight, grad, [self.states[i] for i in index])

    def _have_state(self, index: Any, weight: Any) -> None:
        if index not in self.states:
            self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
            self._fill(index)

    def sync_state_context(self, state: Any, context: Any) -> Any:
        """A state, ``None``, an array or a tuple of such, on another device."""
        if isinstance(state, (tuple, list)):
            return type(state)(self.sync_state_context(s, context) for s in state)
        return state if state is None else state.to_device(context)

    def _fill(self, index: Any) -> None:
        """Give a new state the values that were loaded for it."""
        mine = {name: value for name, value in self._loaded.items() if name.split(".")[0] == str(index)}
        if mine:
            files.write(files.check({index: self.states[index]}, mine, "the loaded states"), mine)
            for name in mine:
                del self._loaded[name]

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """The states as bytes. They say which update each index is at, whether or not ``dump_optimizer``."""
        counts = list(self.optimizer._index_update_count.items())
        return files.pack(
            self.states, {"optimizer": type(self.optimizer).__name__, "num_update": self.optimizer.num_update, "counts": counts}
        )

    def set_states(self, states: bytes) -> None:
        """Take the states that :meth:`get_states` gave; those of indices not seen yet wait for their first update."""
        header, arrays = files.unpack(states, "the given states")
        self.optimizer.num_update = header["num_update"]
        self.optimizer._index_update_count.update((k, v) for k, v in header["counts"])
        self._loaded = dict(arrays)
        for index in self.states:
            self._fill(index)


def get_updater(optimizer: Optimizer) -> Updater:
    """An :class:`Updater` of this optimizer."""
    return Updater(optimizer)
