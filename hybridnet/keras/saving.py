"""The file that a model is saved in: one zip of two members.

``config.json`` holds the layers' classes and arguments and what ``compile`` was given, ``weights.params`` MXNet's binary
list of arrays. Nothing in it is ever executed: a class is one of a fixed table, an argument is plain data.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any, NoReturn

from hybridnet import disk, serialization
from hybridnet.errors import FileFormatError, fail

FORMAT = "hybridnet keras model, version 1"


def pack(config: Mapping[str, Any], weights: Mapping[str, Any]) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as members:
        members.writestr("config.json", json.dumps({"format": FORMAT, **config}, indent=1))
        members.writestr("weights.params", serialization.encode(weights))
    return buffer.getvalue()


def foreign(source: str, got: str) -> NoReturn:
    """Refuse a file."""
    fail(FileFormatError, "load_model", expected=FORMAT, got=f"{got} in {source}", fix="a file that model.save wrote")


def unpack(filepath: str | os.PathLike[str]) -> tuple[Any, Any]:
    """The two members of a file, checked as far as can be without making the model."""
    source = os.fspath(filepath)
    data = disk.read_bytes(filepath)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            config, weights = json.loads(members.read("config.json")), members.read("weights.params")
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, EOFError) as error:
        foreign(source, f"something else ({error})")
    if not isinstance(config, dict) or config.get("format") != FORMAT or not isinstance(config.get("model"), dict):
        foreign(source, "another format")
    return config, serialization.decode(weights, source)
