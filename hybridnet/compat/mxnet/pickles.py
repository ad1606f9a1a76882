"""What pickles of MXNet's ask of our classes: ``NDArray(None)`` or ``Symbol(None)``, filled then with the bytes of MXNet's file formats.

An optimizer brings its attributes; those of ours that MXNet's has not keep their defaults. A pickled ``Context`` is refused: ours are
one object each, which a state would change for everyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hybridnet import serialization
from hybridnet.core import NDArray
from hybridnet.device import Device, cpu
from hybridnet.errors import ArgumentError, DeviceError, fail
from hybridnet.optimizer import Optimizer
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


def _device_state(self: Device, state: Mapping[str, Any]) -> None:
    fail(
        DeviceError,
        "a pickled Context",
        expected="a context's type and number",
        got="a Context that MXNet pickled",
        fix="mx.cpu() or mx.gpu(0)",
    )


def teach() -> None:
    """Have the classes take them."""
    for cls, name, method in (
        (NDArray, "__init__", _begin_array),
        (NDArray, "__setstate__", _array_state),
        (Symbol, "__init__", _begin),
        (Symbol, "__setstate__", _symbol_state),
        (Optimizer, "__setstate__", _optimizer_state),
        (Device, "__setstate__", _device_state),
    ):
        setattr(cls, name, method)
