"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable

Parts = Iterable[bytes | memoryview]


def write_bytes(filename: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of these bytes: see :func:`write_parts`."""
    write_parts(filename, (data,))


def write_parts(filename: str | os.PathLike[str], parts: Parts) -> None:
    """Write a file whole or not at all, and to the disk: to a temporary file beside it that is then renamed.

    What a process of the same number left when it was killed is written over. The parts are written one after the other. A link stays,
    and the file that it leads to is written; what is no file (``os.devnull``, a pipe) is written to as it is, and stays too.
    """
    path = os.path.realpath(filename)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as place:
            for part in parts:
                place.write(part)
        return
    temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(os.path.dirname(path) or ".")
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _sync_folder(path: str) -> None:
    """Have the new name on the disk as well, where a folder can be opened for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_bytes(filename: str | os.PathLike[str]) -> bytes:
    """A file's bytes."""
    with open(filename, "rb") as file:
        return file.read()
