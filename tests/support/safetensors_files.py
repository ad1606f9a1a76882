"""``.safetensors`` files, written out by the format's description."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

TYPES = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float64": "F64",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
}
Arrays = dict[str, Any]


def write(path: Path, arrays: Arrays, metadata: dict[str, str] | None = None, padding: int = 0) -> Path:
    """A ``.safetensors`` file, written out by its description."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    blob = b""
    for name, x in arrays.items():
        header[name] = {"dtype": TYPES[str(x.dtype)], "shape": list(x.shape), "data_offsets": [len(blob), len(blob) + x.nbytes]}
        blob += x.tobytes()
    text = json.dumps(header).encode() + b" " * padding
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)
    return path
