"""What a program computes once for many calls, of arrays that are seldom written: kept until one of them is.

The proof that none has been is that nobody has announced a write: everything that writes an array in place tells its storage before and
after (:class:`~hybridnet.core.array.Storage`), whose keepers hear of it. An array whose memory others can write, who tell nobody (NumPy's
view of it, DLPack), is taken to be written all the time. So a call pays for a look at one flag, and at which arrays it was given.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet.codegen.numpy_program import Source, write_numpy_program
from hybridnet.core.array import Storage
from hybridnet.graph.ir import Graph, Value
from hybridnet.runtime.arena import take


class Prepared:
    """The arrays that a graph computes of settled inputs, and whether they are what it would compute now."""

    def __init__(self, graph: Graph, states: Mapping[int, Any], bound: Any) -> None:
        """``states``: the arrays, by position, that are the graph's settled inputs; ``bound(source)`` gives the function of a text."""
        into = [Value(v.shape, v.dtype, v.device) for v in graph.outputs]
        first = len(graph.inputs)
        whole = Graph([*graph.inputs, *into], graph.nodes, graph.outputs)
        self.source: Source = write_numpy_program(whole, {i: first + i for i in range(len(into))})
        self.arrays = [np.empty(v.shape, v.dtype) for v in into]
        self._bind = bound(self.source)
        read = {v for node in graph.nodes for v in node.inputs}
        self._positions = [i for i, v in enumerate(graph.inputs) if v.is_settled and v in read]
        self._states = [states[i] for i in self._positions]
        self._told: dict[Storage, None] = {}  # those that tell of the next write
        self._data: tuple[Any, ...] = ()  # what was read
        self._is_current = False
        self._lock = threading.RLock()

    def take_copy(self, storage: Storage) -> None:
        """One of the arrays is about to be written."""
        with self._lock:
            self._told.pop(storage, None)
            self._is_current = False

    def refresh(self, inputs: Sequence[Any]) -> None:
        """See to it that ``arrays`` belong to these inputs of the graph."""
        if self._is_current and all(map(operator.is_, [inputs[i] for i in self._positions], self._data)):
            return
        with self._lock:
            self._compute(inputs)

    def _compute(self, inputs: Sequence[Any]) -> None:
        self._is_current = True  # from here on a write makes it false
        storages = [state.storage() for state in self._states]
        for storage in storages:
            if storage not in self._told:
                self._told[storage] = None
                storage.keep(self)
        is_written = any(storage.is_written for storage in storages)
        self._data = tuple(inputs[i] for i in self._positions)
        arena = take(self.source.arena_bytes)
        try:
            self._bind(arena.view)([*inputs, *self.arrays])
        except BaseException:
            self._is_current = False
            raise
        finally:
            arena.taken.release()
        if is_written:
            self._is_current = False
