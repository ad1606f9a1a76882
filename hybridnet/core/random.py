"""The random state: a seed and a counter on each device, both plain arrays.

A random operator is a pure function of (seed, counter): drawing takes a counter value and moves
the counter on. Since the state is held in arrays, a trace sees it read and written, and so a
compiled function takes it in and gives it back like any other state.

The ranks of one training have one state, and draw from seeds of their own that follow from it (dropout differs from rank to rank);
but what is drawn within :func:`alike` (first values of parameters) is the same on all.

What is drawn on the host alone (where to crop an image, whether to flip it) comes from :func:`host`,
a generator of Python's that follows the same seed: it costs a hundredth of an operator.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.core.apply import call
from hybridnet.core.array import wrap
from hybridnet.core.conversion import array
from hybridnet.core.identity import named
from hybridnet.core.ndarray import NDArray
from hybridnet.core.state import local, suspended_trace
from hybridnet.device import Device, cpu, current_device
from hybridnet.device.communicate import world
from hybridnet.errors import ArgumentError, fail

_lock = threading.Lock()
_states: dict[Device, tuple[NDArray, NDArray]] = {}
_of_rank: dict[tuple[Device, int], NDArray] = {}  # the seeds that a rank of that number draws from, where it is one of several
_DEFAULT_SEED = 0


class _Host(threading.local):
    """A thread's generator for the host, and of which call of ``seed`` it is."""

    generation = -1
    generator: random.Random


class _Alike(threading.local):
    """As the rank of which number a thread draws, if not of its own."""

    number: int | None = None


class _Seeding:
    """How often ``seed`` was called for the CPU, with what, and how many threads have drawn on the host since."""

    generation = 0
    value = 0
    threads = 0


_host, _seeding, _alike = _Host(), _Seeding(), _Alike()


@contextmanager
def alike(number: int = 0) -> Iterator[None]:
    """A block whose draws are the same on all ranks that give the same number; by default what one rank alone draws."""
    before, _alike.number = _alike.number, number
    try:
        yield
    finally:
        _alike.number = before


def _rank_seed(value: int, number: int) -> int:
    """The seed of a rank that follows from that of all: other ranks', and other seeds', are far away (Knuth's multiplicative hash)."""
    return (value + number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF


def host() -> random.Random:
    """This thread's generator for draws on the host. It begins anew with each :func:`seed`.

    Threads have generators of their own, numbered as they first draw: where the order of threads is not fixed, give each
    sample its own seed (:func:`seed_host`).
    """
    if _host.generation != _seeding.generation:
        with _lock:
            number, _seeding.threads = _seeding.threads, _seeding.threads + 1
        seed_host((number << 64) + _rank_seed(_seeding.value, world().rank) if world().size > 1 else (number << 64) + _seeding.value)
    return _host.generator


def seed_host(value: int) -> None:
    """Start the generator of this thread alone anew, until the next :func:`seed`."""
    _host.generator = random.Random(value)
    _host.generation = _seeding.generation


def _state(device: Device) -> tuple[NDArray, NDArray]:
    state = _states.get(device)
    if state is None:
        with _lock, suspended_trace():
            made = array(_DEFAULT_SEED, dtypes.uint64, device), array(0, dtypes.uint64, device)
            state = _states.setdefault(device, (named(made[0], "random.seed"), named(made[1], "random.counter")))
    return state


def _seed_here(device: Device) -> NDArray:
    """What this process draws from on a device."""
    common = _state(device)[0]
    number = world().rank if _alike.number is None else _alike.number
    if number == 0 or world().size == 1:
        return common
    own = _of_rank.get((device, number))
    if own is None:
        with _lock, suspended_trace():
            made = named(array(_rank_seed(int(common.item()), number), dtypes.uint64, device), "random.rank_seed")
            own = _of_rank.setdefault((device, number), made)
    return own


def seed(value: int, device: Device | str | None = None) -> None:
    """Start the random numbers anew; of every device, or of one.

    The same seed gives the same numbers on the same kind of device, however the operators run:
    imperatively, hybridized or as one compiled step. ArgumentError if it is negative, or no number.
    """
    global _DEFAULT_SEED
    try:
        value, given = int(value), value
    except (TypeError, ValueError):
        value, given = -1, value
    if value < 0:
        fail(ArgumentError, "random.seed", expected="a non-negative integer", got=repr(given))
    if device is None or device == "all":
        _DEFAULT_SEED = value
        targets = list(_states)
    else:
        targets = [Device(device)]
    if any(target.device_type == "cpu" for target in targets) or device in (None, "all"):
        _seeding.generation, _seeding.value, _seeding.threads = _seeding.generation + 1, value, 0
    for target in targets:
        _set(target, value, 0)


def _set(device: Device, value: int, count: int) -> None:
    seed_array, counter = _state(device)
    with suspended_trace():
        seed_array[...] = value
        counter[...] = count
        for (where, number), own in _of_rank.items():
            if where == device:
                own[...] = _rank_seed(value, number)


def _set_quickly(*values: int, own: int | None = None) -> None:
    """The CPU's state, past all operators: for every batch that a loader reads. ``own``: this rank's seed, if there are several."""
    parts, values = [*_state(cpu())], (*values,)
    if (mine := _of_rank.get((cpu(), world().rank))) is not None:
        parts, values = [*parts, mine], (*values, values[0] if own is None else own)
    for part, value in zip(parts, values, strict=True):
        part._write(value)


def seedings() -> int:
    """How often :func:`seed` was called for the CPU: who has drawn a seed of its own from the random state draws it anew after that."""
    return _seeding.generation


class seeded:
    """``with seeded(value):`` the CPU draws in the body as after ``seed(value)``, and goes on afterwards as if it had not drawn there.

    So does :func:`host`, in this thread.
    """

    def __init__(self, value: int) -> None:
        self.value = value

    def __enter__(self) -> None:
        self.before = [int(part._data) for part in _state(cpu())]
        _set_quickly(self.value, 0)
        self.generator = host()
        seed_host(self.value)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _set_quickly(*self.before, own=_rank_seed(self.before[0], world().rank))
        _host.generator = self.generator


def host_key() -> tuple[int, int]:
    """The (seed, counter) of the CPU's next draw, as numbers."""
    with suspended_trace():
        seed_array, drawn = next_key(cpu())
    return int(seed_array._data), int(drawn._data)


def host_generator() -> np.random.Generator:
    """A generator of NumPy's that follows the CPU's random state: for draws on the host that no compiled function contains."""
    return np.random.default_rng(host_key())


def state_dict() -> dict[str, Any]:
    """The random state of all devices and of this thread's draws on the host, as plain numbers and lists."""
    generator = None
    if _host.generation == _seeding.generation:
        version, numbers, gauss = _host.generator.getstate()
        generator = [version, list(numbers), gauss]
    return {
        "default": _DEFAULT_SEED,
        "devices": [[d.device_type, d.device_id, *(int(part.item()) for part in state)] for d, state in _states.items()],
        "host": generator,
        "seeding": [_seeding.value, _seeding.threads],
    }


def load_state_dict(state: dict[str, Any]) -> None:
    """Draw on as where :func:`state_dict` was called; loaders that have drawn keys of their own keep them."""
    global _DEFAULT_SEED
    _DEFAULT_SEED = state["default"]
    known = {Device(kind, number): (value, count) for kind, number, value, count in state["devices"]}
    for device in {**dict.fromkeys(_states), **known}:
        _set(device, *known.get(device, (_DEFAULT_SEED, 0)))
    _seeding.value, _seeding.threads = state["seeding"]
    _host.generation = -1
    if state["host"] is not None:
        version, numbers, gauss = state["host"]
        _host.generator = random.Random()
        _host.generator.setstate((version, tuple(numbers), gauss))
        _host.generation = _seeding.generation


def next_key(device: Device | None = None) -> tuple[NDArray, NDArray]:
    """The (seed, counter) of the next draw, as two uint64 arrays of no dimensions."""
    device = current_device() if device is None else device
    seed_array, counter = _seed_here(device), _state(device)[1]
    if local.trace is None:
        # Plain data: the state is not differentiable and this is called for every draw.
        drawn: Any = wrap(NDArray, counter._data.copy(), device)
        counter._data += 1
        return seed_array, drawn
    drawn = call("copy", counter)
    counter._assign(call("add", drawn, 1))
    return seed_array, drawn
