"""The generator behind every random operator: Philox, a pure function of (seed, counter).

Each draw owns the 2**64 blocks of the Philox sequence that begin at its counter, so that draws
never overlap and the same (seed, counter) always gives the same numbers. On a GPU the draws are
device functions (``kernels/random.cuh``) over the same sequence in blocks of 128 bits, and give other
numbers than here. NumPy's generator object is reused and only its state is set, since building one
costs more than most draws.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


class _Philox(threading.local):
    """One bit generator a thread, and the state record that moves it to a draw."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(0)
        self.generator = np.random.Generator(self.bits)
        self.position = np.zeros(4, np.uint64)
        self.key = np.zeros(2, np.uint64)
        self.state: Any = {
            **self.bits.state,
            "state": {"counter": self.position, "key": self.key},
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }


_philox = _Philox()


def generator(seed: Any, counter: Any) -> np.random.Generator:
    """NumPy's random generator of one draw, for use before the next call in this thread.

    ``seed`` and ``counter`` are uint64 arrays of no dimensions.
    """
    _philox.key[0] = seed
    _philox.position[1] = counter
    _philox.bits.state = _philox.state
    return _philox.generator


#: The draw of a random operator whose first inputs are seed and counter, in CUDA C++ (``CudaRule.functor``), and the element's number.
DRAW = "hn_draw{{{0}, {1}}}, {index}"
