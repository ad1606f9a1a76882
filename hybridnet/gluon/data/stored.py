"""The files of known data sets: found in a folder, packed or not, or fetched into it."""

from __future__ import annotations

import functools
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hybridnet.config import config
from hybridnet.errors import FileFormatError, fail
from hybridnet.gluon.download import DownloadError, download
from hybridnet.io.idx import read_bytes


class Stored(NamedTuple):
    """A file as it can be downloaded: its name and the SHA-1 that it then has."""

    name: str
    sha1: str


def default_root(name: str) -> str:
    """Where a data set is kept unless the user says otherwise."""
    return os.path.join(config.home, "datasets", name)


def packed_file(op: str, root: str, namespace: str, file: Stored) -> str:
    """The path of a file that may lie in ``root`` packed (``x.gz``) or unpacked (``x``); fetched if it does not."""
    places = [os.path.join(root, file.name), os.path.join(root, file.name.removesuffix(".gz"))]
    return next((place for place in places if os.path.isfile(place)), None) or _fetched(op, root, namespace, file)


def archived_files(op: str, root: str, namespace: str, archive: Stored, names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Path and bytes of files that lie in ``root``, in a folder of it, or in the archive, which is fetched if none does."""
    for folder in [root, *sorted(entry.path for entry in os.scandir(root) if entry.is_dir())] if os.path.isdir(root) else []:
        paths = [os.path.join(folder, name) for name in names]
        if all(map(os.path.isfile, paths)):
            return [(path, read_bytes(op, path)) for path in paths]
    path = os.path.join(root, archive.name)
    return _members(op, path if os.path.isfile(path) else _fetched(op, root, namespace, archive), names)


def _members(op: str, archive: str, names: Sequence[str]) -> list[tuple[str, bytes]]:
    found = {}
    try:
        for path, read in _zipped(archive) if archive.endswith(".zip") else _tarred(archive):
            if (name := os.path.basename(path)) in names:
                found[name] = f"{path} of {archive}", read()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        fail(FileFormatError, op, expected="a whole archive", got=f"{archive}: {error}")
    missing = [name for name in names if name not in found]
    if missing:
        fail(FileFormatError, op, expected=f"{', '.join(names)} in {archive}", got=f"no {missing[0]}")
    return [found[name] for name in names]


def _tarred(archive: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Of each file in an archive its path, and how to read it."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                yield member.name, file.read


def _zipped(archive: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            yield name, functools.partial(packed.read, name)


def _fetched(op: str, root: str, namespace: str, file: Stored) -> str:
    url = f"{config.repository.rstrip('/')}/gluon/dataset/{namespace}/{file.name}"
    try:
        return download(url, os.path.join(root, file.name), sha1_hash=file.sha1)
    except DownloadError as error:
        expected = f"{file.name} in {os.path.abspath(root)}, or a network to fetch it"
        fail(DownloadError, op, expected=expected, got=str(error), fix=f"putting {file.name} into {os.path.abspath(root)}")
