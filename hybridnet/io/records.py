"""The records that an iterator reads: where each of them begins, in one file or several, and which of them are this process's part."""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import Any

import numpy

from hybridnet.device.communicate import world
from hybridnet.errors import ArgumentError, FileFormatError, fail
from hybridnet.io.files import check_part, files_of, part_of_bytes
from hybridnet.recordio import MXIndexedRecordIO, positions
from hybridnet.recordio.parts import RecordFile


class Records:
    """Records by number, read in any thread.

    Without an index, ``path`` is a file or a folder of them, their headers are gone through once, and a part is equally many bytes; with
    one, records are those that it names, in its order, and a part is equally many of them. That is how MXNet cuts files.

    A part for each rank of a training has as many records as the longest: shorter ones begin again. All have as many batches then; MXNet's
    workers have not, and those that have one more wait for the others for ever.
    """

    def __init__(self, op: str, path: Any, index: Any, num_parts: int, part_index: int) -> None:
        check_part(op, num_parts, part_index)
        paths = files_of(op, path)
        if index:
            if len(paths) > 1:
                fail(ArgumentError, op, expected="one record file with an index", got=f"the folder {os.fspath(path)!r}")
            places = [(0, at) for at in _indexed(op, os.fspath(index), paths[0])]
            step = -(-len(places) // num_parts)
            parts = [places[step * i : step * (i + 1)] for i in range(num_parts)]
        else:
            parts = _parts(paths, num_parts)
        places = parts[part_index]
        if places and world().size == num_parts:
            longest = max(map(len, parts))
            places = (places * -(-longest // len(places)))[:longest]
        self._files = [RecordFile(file) for file in paths]
        self._which = numpy.array([which for which, _ in places], numpy.int32)
        self._at = numpy.array([at for _, at in places], numpy.int64)

    def __len__(self) -> int:
        return len(self._at)

    def __del__(self) -> None:
        for file in getattr(self, "_files", ()):
            file.close()

    def name(self, number: int) -> str:
        """What an error calls a record."""
        return f"the record at byte {self._at[number]} of {self._files[self._which[number]].path}"

    def __getitem__(self, number: int) -> bytes:
        file, at = self._files[self._which[number]], int(self._at[number])
        found = file.record(at)
        if found is None:
            fail(FileFormatError, "recordio", expected=f"a record at byte {at} of {file.path}", got="the end of the file")
        return found[0]


def _indexed(op: str, index: str, path: str) -> list[int]:
    if not os.path.isfile(index):
        fix = f"python -m hybridnet.tools.rec2idx {path} {index}, or no path_imgidx"
        fail(FileFormatError, op, expected="an index of records", got=f"{index!r}, which is not there", fix=fix)
    file = MXIndexedRecordIO(index, path, "r")
    try:
        return [file.idx[key] for key in file.keys]
    finally:
        file.close()


def _parts(paths: list[str], num_parts: int) -> list[list[tuple[int, int]]]:
    """File and byte of the records that begin within each part of all bytes."""
    total = sum(map(os.path.getsize, paths))
    ends = [part_of_bytes(total, num_parts, i, align=4)[1] for i in range(num_parts)]
    parts: list[list[tuple[int, int]]] = [[] for _ in range(num_parts)]
    before = 0
    for number, path in enumerate(paths):
        for at in positions(path):
            parts[bisect_right(ends, before + at)].append((number, at))
        before += os.path.getsize(path)
    return parts
