"""``Updater``: an optimizer with the states of what it has updated, for programs that update by index."""

from __future__ import annotations

from typing import Any

from hybridnet.optimizer import states as files
from hybridnet.optimizer.base import Optimizer


class Updater:
    """Call it with an index, a gradient and a weight (or lists of them) to move the weight."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self._loaded: dict[str, Any] = {}  # values for states that are not made yet

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        if not isinstance(index, (list, tuple)):
            index, grad, weight = [index], [grad], [weight]
        for i, g, w in zip(index, grad, weight, strict=True):
            if i not in self.states:
                self.states[i] = self.optimizer.create_state_multi_precision(i, w)
                self._fill(i)
            self.optimizer.update_multi_precision(i, w, g, self.states[i])

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
