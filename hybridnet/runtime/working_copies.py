"""16-bit copies of weights that a program's update writes: the arrays, and whether they are what a cast would give now.

Everything that writes an array in place tells its storage before and after (:class:`~hybridnet.core.array.Storage`), which counts. A copy
is believed where it was written along with the weight by the write right before the one that now begins, and nothing else was under way
during either. So whatever else happens to a weight, a failed run included, is followed by a cast; an array whose memory others can write,
who tell nobody, is cast all the time. Programs that update the same weight (one for each shape of its batches, say) share its copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from hybridnet.core import Array
from hybridnet.core.array import Storage
from hybridnet.device import Device, Trail, current_stream
from hybridnet.dtypes import Dtype
from hybridnet.graph.ir import Graph, Node, Value
from hybridnet.graph.operators import CAST
from hybridnet.lowering.working_copies import WorkingCopies
from hybridnet.runtime.spec import ProgramSpec

_NEVER = -1


class _Copy:
    """The copy of one array; ``seen``: the write to the array that wrote the copy as well.

    It goes from stream to stream: work on one waits for that on the one before, and its memory goes back behind all of it.
    """

    __slots__ = ("__weakref__", "array", "data", "seen", "storage", "trail")

    def __init__(self, data: Any, storage: Storage, device: Device, dtype: Dtype) -> None:
        self.data = data
        self.storage = storage
        self.array = device.xp.empty(data.shape, dtype)
        self.seen = _NEVER
        self.trail = Trail(device)
        self.trail.hold(self, self.array)


_lock = threading.Lock()
_copies: WeakValueDictionary[tuple[int, Dtype], _Copy] = WeakValueDictionary()  # by the array's identity, which a copy keeps alive


def _copy_of(state: Array, data: Any, dtype: Dtype) -> _Copy:
    """The copy that there is of a state's array, or a new one, which holds nothing yet."""
    storage = state.storage()
    with _lock:
        found = _copies.get((id(data), dtype))
        if found is None or found.storage is not storage:
            found = _copies[id(data), dtype] = _Copy(data, storage, state._device, dtype)
        return found


class Completed:
    """One run of a program that reads and replaces copies: ``with completed as inputs: ...`` they are current, and after it again.

    If the run fails nobody knows what it has written.
    """

    __slots__ = ("_kept", "_writes", "inputs")

    def __init__(self, inputs: list[Any], kept: Sequence[_Copy], writes: Sequence[int]) -> None:
        self.inputs, self._kept, self._writes = inputs, kept, writes

    def __enter__(self) -> list[Any]:
        return self.inputs

    def __exit__(self, kind: Any, *exc: object) -> None:
        if kind is not None:
            return
        for copy, write in zip(self._kept, self._writes, strict=True):
            if write and copy.storage.only_write == write:
                copy.seen = write


class KeptCopies:
    """The copies that a program reads and replaces."""

    def __init__(self, cut: WorkingCopies, states: Mapping[int, Array], name: str, make: Callable[[ProgramSpec], Any]) -> None:
        """``states``: the arrays, by position, that are inputs of the program; ``make``: makes the program that casts them."""
        self._of = cut.of
        self._states = [states[at] for at, _ in cut.of]
        for state in self._states:  # which counts from the first run on
            state.storage()
        self._values = [cut.graph.inputs[at] for at, _ in cut.of]
        self._name, self._make = name, make
        self._casts: Any = None  # made when it is needed
        self._kept: list[_Copy] = []

    def __len__(self) -> int:
        return len(self._of)

    def completed(self, inputs: Sequence[Any]) -> Completed:
        """A program's inputs with the copies behind them; those are cast first if any of them may be out of date."""
        kept, current = self._kept, self._are_current(inputs)
        if not current:
            kept = self._kept = [_copy_of(x, inputs[at], dtype) for x, (at, dtype) in zip(self._states, self._of, strict=True)]
        stream = current_stream(self._values[0].device)
        for copy in kept:
            copy.seen = _NEVER
            copy.trail.follow(stream)
        arrays = [copy.array for copy in kept]
        if not current:
            self._cast(inputs, arrays)
        return Completed([*inputs, *arrays], kept, [copy.storage.only_write for copy in kept])

    def apart(self, inputs: Sequence[Any]) -> list[Any]:
        """A program's inputs with casts behind them that are no one's copies, for a run that writes other arrays than the program's own."""
        xp = self._values[0].device.xp
        arrays = [xp.empty(v.shape, dtype) for v, (_, dtype) in zip(self._values, self._of, strict=True)]
        self._casting()([*self._weights(inputs), *arrays])  # a program of its own, which keeps hold of none of them
        return [*inputs, *arrays]

    def _are_current(self, inputs: Sequence[Any]) -> bool:
        if not self._kept:
            return False
        for (at, _), state, copy in zip(self._of, self._states, self._kept, strict=True):
            storage = copy.storage
            if inputs[at] is not copy.data or state._storage is not storage:
                return False
            write = storage.only_write
            if not write or copy.seen != write - 1:
                return False
        return True

    def _cast(self, inputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        """Cast the weights among a program's inputs into these arrays."""
        if self._casts is None:
            self._casts = self._casting()
        self._casts([*self._weights(inputs), *arrays])

    def _casting(self) -> Any:
        return self._make(_casts_of(self._values, [dtype for _, dtype in self._of], self._name))

    def _weights(self, inputs: Sequence[Any]) -> list[Any]:
        return [inputs[at] for at, _ in self._of]


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
