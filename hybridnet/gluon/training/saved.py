"""Plain things as bytes and back: numbers, strings, lists and dicts as JSON, arrays in MXNet's list. Loading runs no code.

And what of an object is plain: the state of a metric, an optimizer, a schedule, whose class the program that goes on makes itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy

from hybridnet import serialization
from hybridnet.core import Array
from hybridnet.errors import FileFormatError, fail

_FORMAT = "hybridnet run, version 1"
_ARRAY = "$array"  # stands for an array, by its number


def pack(tree: Mapping[str, Any]) -> bytes:
    """The bytes of nested dicts (by string), lists, numbers, strings, ``None`` and arrays of ours or NumPy's."""
    arrays: list[Any] = []
    text = json.dumps({"format": _FORMAT, "tree": _without_arrays(tree, arrays)}).encode()
    return serialization.encode([numpy.frombuffer(text, numpy.uint8), *arrays])


def _without_arrays(x: Any, arrays: list[Any]) -> Any:
    if isinstance(x, (Array, numpy.ndarray)):
        arrays.append(x.asnumpy() if isinstance(x, Array) else x)  # type: ignore[attr-defined]
        return {_ARRAY: len(arrays)}
    if isinstance(x, numpy.generic):
        return x.item()
    if isinstance(x, Mapping):
        return {str(key): _without_arrays(value, arrays) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_without_arrays(value, arrays) for value in x]
    return x


def unpack(data: bytes, source: str) -> dict[str, Any]:
    """What :func:`pack` was given, with lists for tuples and NumPy's arrays; an error for anything else."""
    arrays = serialization.decode(data, source)
    found: Any = None
    if isinstance(arrays, list) and arrays:
        try:
            found = json.loads(arrays[0].tobytes())
        except ValueError:
            found = None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        fail(FileFormatError, "resume", expected=_FORMAT, got=f"something else in {source}")
    return dict(_with_arrays(found["tree"], arrays))


def _with_arrays(x: Any, arrays: Any) -> Any:
    if isinstance(x, dict):
        return arrays[x[_ARRAY]].copy() if x.keys() == {_ARRAY} else {key: _with_arrays(value, arrays) for key, value in x.items()}
    return [_with_arrays(value, arrays) for value in x] if isinstance(x, list) else x


def snapshot(thing: Any) -> dict[str, Any]:
    """The plain attributes of an object, and of those of its attributes that are objects of hybridnet's."""
    return {name: kept for name, value in vars(thing).items() if (kept := _kept(value)) is not None}


def _kept(value: Any) -> Any:
    """A plain value in a list of one, an object's state as a dict, ``None`` for what is neither."""
    if _is_plain(value):
        return [value]
    if isinstance(value, (list, tuple)) and value and all(_has_state(item) for item in value):
        return {"items": [snapshot(item) for item in value]}
    return {"object": snapshot(value)} if _has_state(value) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, (bool, int, float, str, numpy.ndarray, numpy.generic))


def _has_state(value: Any) -> bool:
    module = type(value).__module__
    return module.startswith(("hybridnet.metric", "hybridnet.lr_scheduler")) and hasattr(value, "__dict__")


def restore(thing: Any, state: Mapping[str, Any]) -> None:
    """Give an object's attributes the values that :func:`snapshot` found."""
    for name, kept in state.items():
        if isinstance(kept, list):
            now, value = getattr(thing, name, None), kept[0]
            if not (type(now) is type(value) and _is_scalar(now) and now == value):
                setattr(thing, name, tuple(value) if isinstance(now, tuple) else value)
        elif "items" in kept:
            for item, one in zip(getattr(thing, name), kept["items"], strict=True):
                restore(item, one)
        else:
            restore(getattr(thing, name), kept["object"])


def _is_scalar(x: Any) -> bool:
    return isinstance(x, (bool, int, float, str, type(None)))
