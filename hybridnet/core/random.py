"""The random state: a seed and a counter on each device, both plain arrays.

A random operator is a pure function of (seed, counter): drawing takes a counter value and moves
the counter on. Since the state is held in arrays, a trace sees it read and written, and so a
compiled function takes it in and gives it back like any other state.
"""

from __future__ import annotations

import threading
from typing import Any

from hybridnet import dtypes
from hybridnet.core.apply import call
from hybridnet.core.array import wrap
from hybridnet.core.identity import named
from hybridnet.core.ndarray import NDArray, array
from hybridnet.core.state import local, suspended_trace
from hybridnet.device import Device, current_device
from hybridnet.errors import ArgumentError, fail

_lock = threading.Lock()
_states: dict[Device, tuple[NDArray, NDArray]] = {}
_DEFAULT_SEED = 0


def _state(device: Device) -> tuple[NDArray, NDArray]:
    state = _states.get(device)
    if state is None:
        with _lock, suspended_trace():
            made = array(_DEFAULT_SEED, dtypes.uint64, device), array(0, dtypes.uint64, device)
            state = _states.setdefault(device, (named(made[0], "random.seed"), named(made[1], "random.counter")))
    return state


def seed(value: int, device: Device | str | None = None) -> None:
    """Start the random numbers anew; of every device, or of one.

    The same seed gives the same numbers on the same kind of device, however the operators run:
    imperatively, hybridized or as one compiled step.
    """
    global _DEFAULT_SEED
    value = int(value)
    if value < 0:
        fail(ArgumentError, "random.seed", expected="a non-negative integer", got=str(value))
    if device is None or device == "all":
        _DEFAULT_SEED = value
        targets = list(_states)
    else:
        targets = [Device(device)]
    for target in targets:
        seed_array, counter = _state(target)
        with suspended_trace():
            seed_array[...] = value
            counter[...] = 0


def next_key(device: Device | None = None) -> tuple[NDArray, NDArray]:
    """The (seed, counter) of the next draw, as two uint64 arrays of no dimensions."""
    device = current_device() if device is None else device
    seed_array, counter = _state(device)
    if local.trace is None:
        # Plain data: the state is not differentiable and this is called for every draw.
        drawn: Any = wrap(NDArray, counter._data.copy(), device)
        counter._data += 1
        return seed_array, drawn
    drawn = call("copy", counter)
    counter._assign(call("add", drawn, 1))
    return seed_array, drawn
