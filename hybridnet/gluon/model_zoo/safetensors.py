"""Reading ``.safetensors``: the files of named arrays in which Hugging Face keeps weights.

The format, little endian (huggingface.co/docs/safetensors): u64 length of the header; the header, JSON, name -> ``{"dtype", "shape",
"data_offsets": [begin, end]}``, and under ``__metadata__`` texts; then the arrays' elements in C order, at those offsets. Nothing in a
file is ever executed, and nothing but NumPy is needed to read it.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from hybridnet import dtypes
from hybridnet.errors import FileFormatError, fail

_TYPES = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16,
    "I64": dtypes.int64, "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8,
    "U64": dtypes.uint64, "U32": dtypes.uint32, "U16": dtypes.uint16, "U8": dtypes.uint8, "BOOL": dtypes.bool_,
}  # fmt: skip

Host = np.ndarray[Any, Any]


def load(filename: str | os.PathLike[str]) -> dict[str, Host]:
    """The arrays of a file by name, read-only. They are mapped, not read: only what is used is taken from the disk.

    Raises ``FileFormatError`` for a file that is truncated, foreign, or has elements of a type that is not here.
    """
    size = os.path.getsize(filename)
    with open(filename, "rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > size - 8:
            _refuse(filename, "8 bytes with the length of a header that follows", f"{bytes(head)!r} in {size} bytes")
        header = _parsed(filename, file.read(length))
    # The elements begin behind the header; an empty file cannot be mapped.
    data = np.memmap(filename, np.uint8, "r", offset=8 + length) if size > 8 + length else np.empty(0, np.uint8)
    return {name: _array(filename, name, described, data) for name, described in header.items() if name != "__metadata__"}


def _parsed(filename: str | os.PathLike[str], text: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:  # no JSON, or no UTF-8
        _refuse(filename, "a header in JSON", str(error))
    if not isinstance(header, dict):
        _refuse(filename, "a header that names arrays", type(header).__name__)
    return header


def _array(filename: str | os.PathLike[str], name: str, described: Any, data: Host) -> Host:
    try:
        kind, shape, (begin, end) = described["dtype"], tuple(described["shape"]), described["data_offsets"]
    except (TypeError, KeyError, ValueError):
        return _refuse(filename, f"dtype, shape and data_offsets of {name!r}", repr(described)[:200])
    if kind not in _TYPES:
        _refuse(filename, f"elements {', '.join(_TYPES)}", f"{kind} in {name!r}")
    whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    if not whole or end > data.size or end - begin != math.prod(shape) * _TYPES[kind].itemsize:
        got = f"bytes {begin} to {end} of {data.size} for {kind}{list(shape)}: the file is truncated or broken"
        _refuse(filename, f"the elements of {name!r} within the file", got)
    return np.asarray(data[begin:end]).view(_TYPES[kind]).reshape(shape)


def _refuse(filename: str | os.PathLike[str], expected: str, got: str) -> Any:
    fail(FileFormatError, "safetensors", expected=f"{expected} in {os.fspath(filename)}", got=got, fix="copying the file again")
