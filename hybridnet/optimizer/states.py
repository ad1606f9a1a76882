"""Optimizer states as bytes and back: MXNet's array list, with a header in JSON. No code is run on loading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridnet import serialization
from hybridnet.core import Array, asarray, suspended_trace
from hybridnet.errors import FileFormatError, fail

_FORMAT = "hybridnet optimizer states, version 1"


def _flatten(state: Any, name: str, found: dict[str, Any]) -> None:
    """Collect the arrays of a state by name: ``<name>.0.1`` is the second of its first item."""
    if isinstance(state, (tuple, list)):
        for i, item in enumerate(state):
            _flatten(item, f"{name}.{i}", found)
    elif state is not None:
        found[name] = state


def pack(states: Mapping[Any, Any], header: Mapping[str, Any]) -> bytes:
    """The bytes of states by key and of a JSON-able header.

    FileFormatError for a state that is no array, nor a tuple or list of them.
    """
    found: dict[str, Any] = {}
    for key, state in states.items():
        _flatten(state, str(key), found)
    for name, array in found.items():
        if not isinstance(array, Array):
            fail(FileFormatError, "save_states", expected="states of arrays, in tuples and lists", got=f"{type(array).__name__} at {name}")
    text = json.dumps({"format": _FORMAT, **header}).encode()
    return serialization.encode({"header": np.frombuffer(text, np.uint8), **found})


def unpack(data: bytes, source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the arrays by name; an error if the bytes are not what :func:`pack` wrote."""
    arrays = serialization.decode(data, source)
    header: Any = None
    if isinstance(arrays, dict) and "header" in arrays:
        try:
            header = json.loads(arrays.pop("header").tobytes())
        except ValueError:
            header = None
    whole = isinstance(header, dict) and header.get("format") == _FORMAT and {"optimizer", "num_update", "counts"} <= header.keys()
    if not whole:
        fail(
            FileFormatError,
            "load_states",
            expected=_FORMAT,
            got=f"something else in {source}",
            fix="a file that save_states wrote; MXNet's are pickles, which could run code",
        )
    assert isinstance(arrays, dict)
    return header, arrays


def check(states: Mapping[Any, Any], arrays: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The arrays of ``states`` by name, after comparing them with what was loaded.

    FileFormatError if there are others, or of another shape or dtype.
    """
    found: dict[str, Any] = {}
    for key, state in states.items():
        _flatten(state, str(key), found)
    if found.keys() != arrays.keys():
        odd = sorted(found.keys() ^ arrays.keys())
        fail(
            FileFormatError,
            "load_states",
            expected=f"the {len(found)} states of these parameters in {source}",
            got=f"{len(arrays)}, which differ in {', '.join(odd[:5])}",
        )
    for name, array in found.items():
        if array.shape != arrays[name].shape or array.dtype != arrays[name].dtype:
            fail(
                FileFormatError,
                "load_states",
                expected=f"{array.dtype}{list(array.shape)} for state {name} in {source}",
                got=f"{arrays[name].dtype}{list(arrays[name].shape)}",
            )
    return found


def write(found: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Put loaded values into the states that :func:`check` gave, in place."""
    with suspended_trace():
        for name, array in found.items():
            array._assign(asarray(arrays[name], device=array._device))
