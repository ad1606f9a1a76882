"""``.safetensors``: the files of named arrays in which Hugging Face keeps weights, read and written.

    safetensors.save("model.safetensors", {"weight": x}, shard_size=5 << 30)
    arrays = safetensors.load("model.safetensors")  # a file, an index of several, or the folder that they are in

The format, little endian (huggingface.co/docs/safetensors): u64 length of the header; the header, JSON, name -> ``{"dtype", "shape",
"data_offsets": [begin, end]}``, and under ``__metadata__`` texts; then the arrays' elements in C order, at those offsets, without a gap. An
index, ``model.safetensors.index.json``, has under ``weight_map`` which array is in which file beside it. Nothing in a
file is ever executed, and nothing but NumPy is needed. ``nd.save`` and ``nd.load``, ``save_parameters`` and ``load_parameters`` know the
format too.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hybridnet import disk, dtypes
from hybridnet.errors import ArgumentError, FileFormatError, fail

_TYPES = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16,
    "I64": dtypes.int64, "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8,
    "U64": dtypes.uint64, "U32": dtypes.uint32, "U16": dtypes.uint16, "U8": dtypes.uint8, "BOOL": dtypes.bool_,
    "C64": dtypes.complex64,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
#: Where texts stand in a header: no name of an array.
_METADATA = "__metadata__"
#: The longest header, in bytes, that the format allows.
_MOST = 100_000_000
_INDEX = ".index.json"

Path = str | os.PathLike[str]
Host = np.ndarray[Any, Any]


# -- reading ------------------------------------------------------------------------------------------


def load(path: Path) -> dict[str, Host]:
    """The arrays of a file by name, read-only. They are mapped, not read: only what is used is taken from the disk.

    ``path`` may be an index of several files, which ends in ``.index.json``, or a folder with ``model.safetensors`` or its index.
    Raises ``FileFormatError`` for a file that is truncated, foreign, or has elements of a type that is not here.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        whole, index = (os.path.join(path, "model.safetensors" + end) for end in ("", _INDEX))
        if not os.path.exists(whole) and not os.path.exists(index):
            fail(FileFormatError, "safetensors", expected=f"model.safetensors, or model.safetensors{_INDEX}", got=f"neither in {path}")
        path = whole if os.path.exists(whole) else index
    return _load_parts(path) if path.endswith(_INDEX) else _load_one(path)


def is_one(path: Path) -> bool:
    """Whether :func:`load` reads what is there: a folder, an index, or a file whose header begins as such a file's does."""
    path = os.fspath(path)
    if os.path.isdir(path) or path.endswith(_INDEX):
        return True
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _load_one(path: str) -> dict[str, Host]:
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > min(size - 8, _MOST):
            _refuse(path, "8 bytes with the length of a header that follows", f"{bytes(head)!r} in {size} bytes")
        header = _parsed(path, file.read(length))
    # The elements begin behind the header; an empty file cannot be mapped.
    data = np.memmap(path, np.uint8, "r", offset=8 + length) if size > 8 + length else np.empty(0, np.uint8)
    arrays = {name: _array(path, name, described, data) for name, described in header.items() if name != _METADATA}
    end = 0
    for begin, after in sorted(described["data_offsets"] for name, described in header.items() if name != _METADATA):
        if begin != end:
            _refuse(path, f"an array at byte {end} of the elements", f"one at byte {begin}: they overlap, or leave a gap")
        end = after
    if end != data.size:
        _refuse(path, f"{end} bytes of elements", str(data.size))
    return arrays


def _load_parts(path: str) -> dict[str, Host]:
    described: Any = _parsed(path, disk.read_bytes(path)).get("weight_map")
    if not isinstance(described, dict) or not all(isinstance(part, str) for part in described.values()):
        _refuse(path, "a weight_map that says which array is in which file", repr(described)[:200])
    arrays: dict[str, Host] = {}
    for part in sorted(set(described.values())):
        if os.path.basename(part) != part or part in ("", ".", ".."):
            _refuse(path, "names of files beside it", repr(part))
        for name, array in _load_one(os.path.join(os.path.dirname(path), part)).items():
            if described.get(name) != part:
                _refuse(path, f"{name!r} in {described.get(name)}", f"it in {part}")
            arrays[name] = array
    lacking = next((name for name in described if name not in arrays), None)
    if lacking is not None:
        _refuse(path, f"{lacking!r} in {described[lacking]}", "no such array there")
    return arrays


def _parsed(path: str, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=lambda pairs: _once(path, pairs))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or deeply nested
        _refuse(path, "a header in JSON", str(error))
    if not isinstance(header, dict):
        _refuse(path, "a header that names arrays", type(header).__name__)
    return header


def _once(path: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse(path, "each name once", next(repr(name) for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i])))
    return found


def _array(path: str, name: str, described: Any, data: Host) -> Host:
    try:
        kind, shape, (begin, end) = described["dtype"], tuple(described["shape"]), described["data_offsets"]
        dtype = _TYPES.get(kind)
    except (TypeError, KeyError, ValueError):
        return _refuse(path, f"dtype, shape and data_offsets of {name!r}", repr(described)[:200])
    if dtype is None:
        return _refuse(path, f"elements {', '.join(_TYPES)}", f"{kind} in {name!r}")
    whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    if not whole or end > data.size or end - begin != math.prod(shape) * dtype.itemsize:
        got = f"bytes {begin} to {end} of {data.size} for {kind}{list(shape)}: the file is truncated or broken"
        _refuse(path, f"the elements of {name!r} within the file", got[:300])
    try:
        return np.asarray(data[begin:end]).view(dtype).reshape(shape)
    except (ValueError, OverflowError) as error:  # too many dimensions, or such sizes beside one of 0
        return _refuse(path, f"a shape of {name!r} that arrays can have", str(error))


def _refuse(path: Path, expected: str, got: str) -> Any:
    fail(FileFormatError, "safetensors", expected=f"{expected} in {os.fspath(path)}", got=got, fix="copying the file again")


# -- writing ------------------------------------------------------------------------------------------


def save(path: Path, arrays: Any, metadata: Mapping[str, str] | None = None, shard_size: int | None = None) -> None:
    """Write arrays by name, of anything that ``numpy.asarray`` takes, to a file that is written whole or not at all.

    ``metadata``: texts by names, kept in the header. ``shard_size``: the most bytes of elements that a file may have, but for a single
    array that is larger. What needs more is written in several, ``model-00001-of-00003.safetensors`` beside
    ``model.safetensors.index.json`` for the path ``model.safetensors``, of which the index comes last. ArgumentError for arrays without
    names, sparse ones, or ones of a type that the format lacks.
    """
    path = os.fspath(path)
    if not isinstance(arrays, Mapping):
        fail(ArgumentError, "safetensors", expected="arrays by name", got=type(arrays).__name__, fix="a dict of arrays")
    hosts = {name: _host(name, x) for name, x in arrays.items()}
    # The largest elements first: all are then aligned, and the order does not depend on the dict's.
    names = sorted(hosts, key=lambda name: (-hosts[name].dtype.itemsize, name))
    parts = _divided({name: hosts[name] for name in names}, shard_size)
    if len(parts) == 1:
        disk.write_parts(path, _written(parts[0], metadata))
        return
    stem = path.removesuffix(".safetensors")
    places: dict[str, str] = {}
    for i, part in enumerate(parts):
        file = f"{stem}-{i + 1:05}-of-{len(parts):05}.safetensors"
        disk.write_parts(file, _written(part, metadata))
        places |= dict.fromkeys(part, os.path.basename(file))
    total = sum(x.nbytes for x in hosts.values())
    disk.write_bytes(
        f"{stem}.safetensors{_INDEX}", json.dumps({"metadata": {"total_size": total}, "weight_map": places}, indent=2).encode()
    )


def _host(name: Any, x: Any) -> Host:
    if not isinstance(name, str) or name == _METADATA:
        fail(ArgumentError, "safetensors", expected=f"texts other than {_METADATA} as names", got=repr(name))
    if getattr(x, "stype", "default") != "default":
        fail(ArgumentError, "safetensors", expected="dense arrays", got=f"{x.stype} in {name!r}", fix="tostype('default')")
    host = np.asarray(x)
    if host.dtype not in _NAMES:
        kinds = ", ".join(map(str, _TYPES.values()))
        fix = "astype('complex64'), or np.savez, which keeps complex128" if host.dtype == dtypes.complex128 else ""
        fail(ArgumentError, "safetensors", expected=f"elements {kinds}", got=f"{host.dtype} in {name!r}", fix=fix)
    return host


def _divided(arrays: dict[str, Host], most: int | None) -> list[dict[str, Host]]:
    parts: list[dict[str, Host]] = [{}]
    held = 0
    for name, x in arrays.items():
        if most is not None and parts[-1] and held + x.nbytes > most:
            parts.append({})
            held = 0
        parts[-1][name] = x
        held += x.nbytes
    return parts


def _written(arrays: Mapping[str, Host], metadata: Mapping[str, str] | None) -> Iterator[bytes | memoryview]:
    """The parts of a file, one after the other: no second copy of all elements is made."""
    header: dict[str, Any] = {} if metadata is None else {_METADATA: dict(metadata)}
    at = 0
    for name, x in arrays.items():
        header[name] = {"dtype": _NAMES[x.dtype], "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the elements begin at a multiple of 8 bytes
    yield struct.pack("<Q", len(text)) + text
    for x in arrays.values():
        yield np.ascontiguousarray(x).reshape(-1).view(np.uint8).data
