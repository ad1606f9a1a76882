"""16-bit copies of weights that a program's update writes: the arrays, and whether they are what a cast would give now.

Everything that writes an array in place tells its storage before and after (:class:`~hybridnet.core.array.Storage`). A copy is right
as long as no write has begun since a program wrote it along with the weight, but for that of the program that is about to run. An array
whose memory others can write, who tell nobody, is taken to be written all the time. Programs that update the same weight (one for each
shape of its batches, say) share its copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from hybridnet.core import Array
from hybridnet.core.array import Storage
from hybridnet.dtypes import Dtype
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import CAST
from hybridnet.lowering.working_copies import WorkingCopies
from hybridnet.runtime.spec import ProgramSpec

_NEVER = -1


class _Copy:
    """The copy of one array; ``seen``: the writes to the array of which the last wrote the copy as well."""

    __slots__ = ("__weakref__", "array", "data", "seen", "storage")

    def __init__(self, data: Any, storage: Storage, array: Any) -> None:
        self.data = data
        self.storage = storage
        self.array = array
        self.seen = _NEVER


_lock = threading.Lock()
_copies: WeakValueDictionary[tuple[int, Dtype], _Copy] = WeakValueDictionary()  # by the array's identity, which a copy keeps alive


def _copy_of(state: Array, data: Any, dtype: Dtype) -> _Copy:
    """The copy that there is of a state's array, or a new one, which holds nothing yet."""
    storage = state.storage()
    with _lock:
        found = _copies.get((id(data), dtype))
        if found is None or found.storage is not storage:
            found = _copies[id(data), dtype] = _Copy(data, storage, state._device.xp.empty(data.shape, dtype))
        return found


class KeptCopies:
    """The copies that a program reads and replaces."""

    def __init__(self, cut: WorkingCopies, states: Mapping[int, Any], name: str, make: Callable[[ProgramSpec], Any]) -> None:
        """``states``: the arrays, by position, that are inputs of the program; ``make``: makes the program that casts them."""
        self._of = cut.of
        self._states = [states[at] for at, _ in cut.of]
        self._values = [cut.graph.inputs[at] for at, _ in cut.of]
        self._name, self._make = name, make
        self._casts: Any = None  # made when it is needed
        self._kept: list[_Copy] = []
        self._arrays: list[Any] = []

    def __len__(self) -> int:
        return len(self._of)

    def complete(self, inputs: Sequence[Any]) -> list[Any]:
        """A program's inputs with the copies behind them; those are cast first if any of them may be out of date."""
        if not self._are_current(inputs):
            self._cast(inputs)
        for copy in self._kept:  # if the program fails, nobody knows what it has written
            copy.seen = _NEVER
        return [*inputs, *self._arrays]

    def written(self) -> None:
        """The program has run: it has written arrays and copies."""
        for copy in self._kept:
            copy.seen = copy.storage.begun

    def _are_current(self, inputs: Sequence[Any]) -> bool:
        if not self._kept:
            return False
        for (at, _), state, copy in zip(self._of, self._states, self._kept, strict=True):
            storage = copy.storage
            if inputs[at] is not copy.data or state._storage is not storage or not storage.is_first_write_since(copy.seen):
                return False
        return True

    def _cast(self, inputs: Sequence[Any]) -> None:
        if self._casts is None:
            self._casts = self._make(_casts_of(self._values, [dtype for _, dtype in self._of], self._name))
        data = [inputs[at] for at, _ in self._of]
        self._kept = [_copy_of(state, x, dtype) for state, x, (_, dtype) in zip(self._states, data, self._of, strict=True)]
        self._arrays = [copy.array for copy in self._kept]
        self._casts([*data, *self._arrays])


def _casts_of(values: Sequence[Value], dtypes: Sequence[Dtype], name: str) -> ProgramSpec:
    """What the program is made from that casts arrays into others, which it is given behind them."""
    given = [Value(v.shape, v.dtype, v.device) for v in values]
    into = [Value(v.shape, dtype, v.device) for v, dtype in zip(values, dtypes, strict=True)]
    nodes = [Node(CAST, (x,), {"dtype": y.dtype}, [y.spec], x.device) for x, y in zip(given, into, strict=True)]
    count = len(values)
    return ProgramSpec(
        Graph([*given, *into], nodes, [node.output for node in nodes]),
        f"{name}_copies",
        {i: count + i for i in range(count)},
        fixed=frozenset(range(2 * count)),
    )
