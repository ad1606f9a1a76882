"""The layout of a ``.rec`` file: a record's bytes to and from its parts.

Little endian (learnt from files that MXNet 1.9.1 wrote)::

    part  u32 0xced7230a, u32 place << 29 | length, <length> bytes, zeros up to a multiple of 4

``place`` is 0 for a record of one part. A record in which the magic word stands at a multiple of 4 is cut there: the word is
left out, and the parts before and after it have the places 1 (first), 2 (between) and 3 (last). So the word begins a part
wherever it stands at a multiple of 4, which is how a reader finds its way again behind damage.

Reads name their position and keep none, so that threads and forked processes may share a file.
"""

from __future__ import annotations

import io
import os
import struct
import threading
from collections.abc import Iterator
from typing import NoReturn

from hybridnet.errors import ArgumentError, FileFormatError, fail

MAGIC = struct.pack("<I", 0xCED7230A)
_HEADER = struct.Struct("<4sI")
_WHOLE, _FIRST, _BETWEEN, _LAST = range(4)
#: Bytes that a part may have: its length is written in 29 bits.
LONGEST = (1 << 29) - 1

_one_at_a_time = threading.Lock()


def _seek_and_read(number: int, length: int, at: int, /) -> bytes:
    with _one_at_a_time:
        os.lseek(number, at, os.SEEK_SET)
        return os.read(number, length)


_pread = getattr(os, "pread", _seek_and_read)  # Windows has none


def encode(data: bytes) -> bytes:
    """A record as it stands in a file."""
    if MAGIC not in data:
        return _part(_WHOLE, data)
    cuts = list(_aligned(data))
    if not cuts:
        return _part(_WHOLE, data)
    starts = [0, *(cut + len(MAGIC) for cut in cuts)]
    pieces = [data[start:end] for start, end in zip(starts, [*cuts, len(data)], strict=True)]
    places = [_FIRST, *[_BETWEEN] * (len(pieces) - 2), _LAST]
    return b"".join(_part(place, piece) for place, piece in zip(places, pieces, strict=True))


def _part(place: int, data: bytes) -> bytes:
    length = len(data)
    if length > LONGEST:
        fail(ArgumentError, "recordio", expected=f"a record of at most {LONGEST} bytes", got=f"{length} bytes", fix="several records")
    return b"".join((_HEADER.pack(MAGIC, place << 29 | length), data, bytes(-length % 4)))


def _aligned(data: bytes) -> Iterator[int]:
    """Where in ``data`` the magic word stands at a multiple of 4."""
    at = data.find(MAGIC)
    while at >= 0:
        if at % 4 == 0:
            yield at
        at = data.find(MAGIC, at + 1)


class RecordFile:
    """A ``.rec`` file open for reading, by positions."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = io.FileIO(path)
        self._number = self._file.fileno()
        self._size = os.fstat(self._number).st_size

    def close(self) -> None:
        self._file.close()

    def size(self) -> int:
        """Bytes of the file as it is now."""
        self._size = os.fstat(self._number).st_size
        return self._size

    def record(self, at: int) -> tuple[bytes, int] | None:
        """The record that begins at byte ``at``, and where the next one begins; ``None`` at the end of the file."""
        header = _pread(self._number, 8, at)
        if not header:
            return None
        place, length = self._parsed(header, at)
        if place == _WHOLE:
            return self._payload(at, length), at + 8 + length + -length % 4
        if place != _FIRST:
            self._broken("the first part of a record", "a later part", at)
        pieces = []
        begin = at
        while True:
            pieces.append(self._payload(at, length))
            at += 8 + length + -length % 4
            if place == _LAST:
                return MAGIC.join(pieces), at
            place, length = self._parsed(_pread(self._number, 8, at), at)
            if place not in (_BETWEEN, _LAST):
                self._broken(f"the next part of the record at byte {begin}", "the beginning of another record", at)

    def after(self, at: int) -> int | None:
        """Where the record that follows the one at byte ``at`` begins, of which only headers are read; ``None`` at the end."""
        while header := _pread(self._number, 8, at):
            place, length = self._parsed(header, at)
            self._check_length(at, length)
            at += 8 + length + -length % 4
            if place in (_WHOLE, _LAST):
                return at
        return None

    def found_after(self, at: int) -> int | None:
        """Where behind byte ``at`` a record seems to begin, whatever stands between; ``None`` if none does."""
        base, block = (at // 4 + 1) * 4, 1 << 12
        while True:
            data = self._read(block + 4, base)  # 4 more: what follows a magic word at the end
            for here in _aligned(data):
                word = data[here + 4 : here + 8]
                if len(word) == 4 and struct.unpack("<I", word)[0] >> 29 in (_WHOLE, _FIRST):
                    return base + here
            if len(data) < block + 4:
                return None
            base, block = base + block, min(4 * block, 1 << 20)

    def _parsed(self, header: bytes, at: int) -> tuple[int, int]:
        if len(header) < 8:
            self._broken("the 8 bytes that a record begins with", f"{len(header)} bytes, then the end of the file", at)
        magic, word = _HEADER.unpack(header)
        if magic != MAGIC:
            self._broken(f"a record, which begins with {MAGIC.hex(' ')}", magic.hex(" "), at)
        return word >> 29, word & LONGEST

    def _payload(self, at: int, length: int) -> bytes:
        self._check_length(at, length)  # nothing is allocated for a length that cannot be
        data = self._read(length, at + 8)
        if len(data) < length:
            self._broken(f"a record of {length} bytes", f"{len(data)} bytes, then the end of the file", at)
        return data

    def _check_length(self, at: int, length: int) -> None:
        end = at + 8 + length
        if end > self._size and end > self.size():
            self._broken(f"a record of {length} bytes", f"{self._size - at - 8} bytes, then the end of the file", at)

    def _read(self, length: int, at: int) -> bytes:
        """``length`` bytes, or as many as there are: one read of the system may give fewer."""
        data = _pread(self._number, length, at)
        while len(data) < length and (more := _pread(self._number, length - len(data), at + len(data))):
            data += more
        return data

    def _broken(self, expected: str, got: str, at: int) -> NoReturn:
        fix = "strict=False, which passes over what is broken, or writing the file anew"
        fail(FileFormatError, "recordio", expected=expected, got=f"{got}, at byte {at} of {self.path}", fix=fix)


def positions(uri: str) -> Iterator[int]:
    """Where each record of a ``.rec`` file begins, in order. Only the headers are read."""
    file = RecordFile(uri)
    try:
        at = 0
        while (following := file.after(at)) is not None:
            yield at
            at = following
    finally:
        file.close()
