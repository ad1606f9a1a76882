"""What was compiled, kept on disk from process to process, in the folder ``config.cache_dir``.

A file is written under another name and renamed, and begins with a digest of its contents, so that processes side by
side do no harm, and one that is killed in the middle leaves nothing that is taken for whole.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from hybridnet.config import SETTINGS, config

_DIGEST = hashlib.sha256().digest_size
_UNUSABLE = (OSError, RuntimeError)  # RuntimeError: "~", and nobody knows whose home that is


def _folder() -> Path:
    return Path(config.cache_dir).expanduser()


def read(name: str) -> bytes | None:
    """The contents of a file of the cache; None if it is not there, or not whole."""
    try:
        data = (_folder() / name).read_bytes()
    except _UNUSABLE:
        return None
    digest, contents = data[:_DIGEST], data[_DIGEST:]
    return contents if hashlib.sha256(contents).digest() == digest else None


def write(name: str, contents: bytes) -> None:
    """Keep a file. A folder that is full or cannot be written costs time and nothing else, and is warned of once."""
    try:
        _write(_folder(), name, hashlib.sha256(contents).digest() + contents)
    except _UNUSABLE as error:
        _warn(config.cache_dir, str(error))


def leave(name: str, text: str) -> Path:
    """Put a text where a user can look at it: into the cache's folder, or, if that cannot be written, a temporary one.

    A file that is there already stays as old as it is. Raises OSError where neither can be written.
    """
    try:
        return _left(_folder(), name, text)
    except _UNUSABLE:
        return _left(_temporary(tempfile.gettempdir()), name, text)


@cache
def _temporary(within: str) -> Path:
    """One for this process."""
    return Path(tempfile.mkdtemp(prefix="hybridnet-", dir=within))


def _left(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if path.exists() and path.read_bytes() == text.encode():
        return path
    return _write(folder, name, text.encode())


def _write(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, made = tempfile.mkstemp(dir=folder, prefix=name.partition(".")[0], suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(made, folder / name)
    except OSError:
        with suppress(OSError):
            os.unlink(made)
        raise
    return folder / name


@cache
def _warn(folder: str, error: str) -> None:
    """Once for each folder and each thing that is wrong with it."""
    logging.getLogger("hybridnet").warning(
        "compiled kernels cannot be kept in %s (%s): every process will compile them anew, which takes seconds; %s names another folder",
        folder,
        error,
        SETTINGS["cache_dir"].variable,
    )
