"""Numbers that the host gives a compiled function, one each time that the traced code comes by: a learning rate, say.

Code that is compiled once may run many times in one call: in a loop, or because it was written out several times. What the host does
for each of those times is noted in the order of the code (:class:`Repeated` for a loop) and done before the run; what it gives lies in
tables by then, an element for each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hybridnet.core import array, named, suspended_trace
from hybridnet.device import Device


class HostNumbers:
    """The numbers that one place in the code is given during one run, of the shape of the loops around it; on each of some devices."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, devices: Sequence[Device], name: str, first: float) -> None:
        self._values: list[float] = []
        self._size = math.prod(shape)
        self._written = np.full(shape, first)
        with suspended_trace():
            self.arrays = [named(array(self._written, dtype, device), name) for device in devices]

    def begin(self) -> None:
        """Before a run: forget what one that failed has left."""
        self._values = []

    def take(self, draw: Callable[[], float]) -> None:
        """The next number. With the last one of a run the arrays are written, if one of them is another than before."""
        self._values.append(draw())
        if len(self._values) == self._size:
            values = np.array(self._values).reshape(self._written.shape)
            if not np.array_equal(values, self._written):
                self._written = values
                with suspended_trace():
                    for one in self.arrays:
                        one[...] = values


class Repeated:
    """What the host does for a loop: the same for each of its steps."""

    def __init__(self, length: int, actions: Sequence[Callable[[], None]]) -> None:
        self._length, self._actions = length, tuple(actions)

    def __call__(self) -> None:
        for _ in range(self._length):
            for action in self._actions:
                action()
