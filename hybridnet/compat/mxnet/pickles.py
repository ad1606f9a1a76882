"""What pickles of MXNet's ask of our classes: ``NDArray(None)`` or ``Symbol(None)``, filled then with the bytes of MXNet's file formats.

An optimizer brings its attributes; those of ours that MXNet's has not keep their defaults. Our devices are one object each, which a
state would change for everyone: a pickled ``Context`` is an object of its own, equal to the device that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet import serialization
from hybridnet.core import NDArray
from hybridnet.device import Device, cpu
from hybridnet.errors import ArgumentError, DeviceError, fail
from hybridnet.optimizer import Nadam, Optimizer
from hybridnet.symbol import Symbol, load_json


def _begin_array(self: NDArray, handle: None = None) -> None:
    """An array without elements, which ``__setstate__`` fills."""
    if handle is not None:
        fail(ArgumentError, type(self).__name__, expected="None, as pickles give", got=repr(handle), fix="nd.array(values)")
    _fill(self, np.zeros((0,), np.float32))


def _fill(array: NDArray, values: np.ndarray[Any, Any]) -> None:
    array._data, array._device, array._tape, array._storage, array._behind = values, cpu(), None, None, None


def _array_state(self: NDArray, state: Mapping[str, Any]) -> None:
    """The values in MXNet's bytes of one array; on the CPU, wherever it was."""
    if state["handle"] is not None:
        _fill(self, serialization.decode_array(bytes(state["handle"]), "the pickle").copy())


_begin_symbol = Symbol.__init__


def _begin(self: Symbol, outputs: Sequence[Any] | None) -> None:
    _begin_symbol(self, outputs or ())


def _symbol_state(self: Symbol, state: Mapping[str, Any]) -> None:
    """The graph in MXNet's JSON."""
    if state["handle"] is not None:
        _begin_symbol(self, load_json(state["handle"])._outputs)


def _optimizer_state(self: Optimizer, state: Mapping[str, Any]) -> None:
    # A class may not be made without arguments, but brings all that it has itself; those of this package can all be made so.
    ours: type = next(cls for cls in type(self).__mro__ if cls.__module__.startswith("hybridnet.optimizer."))
    self.__dict__.update(ours().__dict__)
    own = {key: value for key, value in state.items() if key not in ("_all_index_update_counts", "sym_info", "aggregate_num")}
    self.__dict__.update(own)
    if isinstance(self, Nadam) and "m_schedule" in own:
        self.m_schedule = self.__dict__.pop("m_schedule")


class PickledContext(Device):
    """A context that MXNet pickled: made before it is known which, so no device itself, but equal to the one that it names."""

    __slots__ = ()

    def __init__(self) -> None:
        self.__setstate__({"device_typeid": 1, "device_id": 0})

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        kinds = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu"}  # the last is of memory that processes share
        if state["device_typeid"] not in kinds:
            fail(DeviceError, "a pickled Context", expected=f"one of the types {list(kinds)}", got=str(state["device_typeid"]))
        self.device_type, self.device_id = kinds[state["device_typeid"]], int(state["device_id"])
        self.is_host = self.device_type == "cpu"

    def device(self) -> Device:
        """The device that it names."""
        return Device(self.device_type, self.device_id)

    def __eq__(self, other: object) -> bool:
        return self.device() is (other.device() if isinstance(other, PickledContext) else other)

    def __hash__(self) -> int:
        return hash(self.device())


_new_device = Device.__new__


def _begin_device(cls: type[Device], *args: Any, **kwargs: Any) -> Device:
    """Without arguments, as pickles ask, what ``__setstate__`` makes a context of."""
    if not args and not kwargs:
        made: PickledContext = object.__new__(PickledContext)
        made.__init__()  # type: ignore[misc]
        return made
    if args and isinstance(args[0], PickledContext):
        return args[0].device()
    return _new_device(cls, *args, **kwargs)


def teach() -> None:
    """Have the classes take them."""
    for cls, name, method in (
        (NDArray, "__init__", _begin_array),
        (NDArray, "__setstate__", _array_state),
        (Symbol, "__init__", _begin),
        (Symbol, "__setstate__", _symbol_state),
        (Optimizer, "__setstate__", _optimizer_state),
        (Device, "__new__", _begin_device),
    ):
        setattr(cls, name, method)
