"""``MXRecordIO`` and ``MXIndexedRecordIO``: record files read and written under MXNet's names.

A reader may be used by several threads (``read_idx``), pickled (it is opened anew where it is unpickled) and taken into forked
processes. A writer belongs to the process that opened it; each record reaches the system whole when it is written, so that a
process that dies leaves all records but the one that it was writing.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, Self

from hybridnet.errors import ArgumentError, AxisError, DtypeError, FileFormatError, HybridnetError, fail
from hybridnet.recordio.parts import RecordFile, encode


class RecordFileError(HybridnetError, RuntimeError):
    """A record file is used in a way, or in a process, that its opening does not allow."""


class MXRecordIO:
    """A ``.rec`` file, open for reading (``flag="r"``) or, emptied, for writing (``"w"``).

    ``strict=False``: ``read`` passes over what is broken, with a warning, and goes on at the next record that it finds.
    """

    def __init__(self, uri: str | os.PathLike[str], flag: str, strict: bool = True) -> None:
        if flag not in ("r", "w"):
            fail(ArgumentError, "MXRecordIO", expected='a flag "r" or "w"', got=repr(flag))
        self.uri = os.fspath(uri)
        self.flag = flag
        self.strict = strict
        self.is_open = False
        self.open()

    @property
    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return self.flag == "w"

    def open(self) -> None:
        """Open the file, or open it anew: at the first record, or emptied."""
        self.close()
        self._reader = None if self.writable else RecordFile(self.uri)
        self._writer = _appender(self.uri) if self.writable else None
        self._at = 0  # of the next record
        self._pid = os.getpid()
        self.is_open = True

    def close(self) -> None:
        """Close the file; nothing happens the second time."""
        if self.is_open:
            for file in (self._reader, self._writer):
                if file is not None:
                    file.close()
        self.is_open = False

    def reset(self) -> None:
        """Go back to the first record; a file that is being written is emptied."""
        if self.writable or not self.is_open:
            self.open()
        self._at = 0

    def read(self) -> bytes | None:
        """The next record; ``None`` at the end of the file."""
        reader = self._reading()
        while True:
            try:
                found = reader.record(self._at)
            except FileFormatError as error:
                if self.strict:
                    raise
                self._pass_over(reader, error)
                continue
            if found is None:
                return None
            data, self._at = found
            return data

    def _pass_over(self, reader: RecordFile, error: FileFormatError) -> None:
        following = reader.found_after(self._at)
        where = "at the end of the file" if following is None else f"at byte {following}"
        warnings.warn(f"{error}. Passed over; reading goes on {where}", stacklevel=3)
        self._at = reader.size() if following is None else following

    def write(self, buf: bytes) -> None:
        """Add a record: anything that holds bytes."""
        writer = self._writing()
        if isinstance(buf, str):
            fail(DtypeError, "MXRecordIO.write", expected="bytes", got="a str", fix="text.encode()")
        data = encode(bytes(buf))
        _write_all(writer, data)
        self._at += len(data)

    def tell(self) -> int:
        """The byte at which the next record is written, or read."""
        return self._at

    def _reading(self) -> RecordFile:
        if not self.is_open or self._reader is None:
            self._misused("reading")
        return self._reader

    def _writing(self) -> io.FileIO:
        if not self.is_open or self._writer is None:
            self._misused("writing")
        if self._pid != os.getpid():
            got = f"a write in another one (opened in {self._pid}, written to in {os.getpid()})"
            fail(RecordFileError, self.uri, expected="writes in the process that opened it", got=got, fix="a file for each process")
        return self._writer

    def _misused(self, use: str) -> NoReturn:
        got = f"one that was opened with {self.flag!r}" if self.is_open else "a closed one"
        fail(
            RecordFileError,
            self.uri,
            expected=f"a file open for {use}",
            got=got,
            fix="" if self.is_open else "reset(), which opens it again",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "is_open"):  # __init__ came as far as that
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self.writable:
            fail(RecordFileError, self.uri, expected="a file open for reading, to be pickled", got="one open for writing")
        return {**self.__dict__, "_reader": None, "is_open": False, "_was_open": self.is_open}

    def __setstate__(self, state: dict[str, Any]) -> None:
        was_open = state.pop("_was_open")
        self.__dict__.update(state)
        if was_open:
            MXRecordIO.open(self)  # alone: an index is in the state


class MXIndexedRecordIO(MXRecordIO):
    """A ``.rec`` file whose records are read, or written, by keys; the ``.idx`` file says where they begin.

    ``keys``: all of them, in the order of the index; ``idx``: key to byte. ``key_type`` makes a key of its text. An index has a
    line ``key<tab>byte`` for each record.
    """

    def __init__(
        self,
        idx_path: str | os.PathLike[str],
        uri: str | os.PathLike[str],
        flag: str,
        key_type: Callable[[Any], Any] = int,
        strict: bool = True,
    ) -> None:
        self.idx_path = os.fspath(idx_path)
        self.key_type = key_type
        super().__init__(uri, flag, strict)

    def open(self) -> None:
        self.close()
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.fidx: io.FileIO | None = None
        if not self.writable:
            self._read_index()
        super().open()
        if self.writable:
            self.fidx = _appender(self.idx_path)

    def close(self) -> None:
        if self.is_open and self.fidx is not None:
            self.fidx.close()
        super().close()

    def _read_index(self) -> None:
        with open(self.idx_path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                key, tab, byte = line.rstrip().partition("\t")
                try:
                    at = int(byte)
                    name = self.key_type(key)
                    if at < 0:
                        raise ValueError(byte)
                except ValueError:
                    if line.isspace():
                        continue
                    self._bad_index(number, line)
                self.keys.append(name)
                self.idx[name] = at

    def _bad_index(self, number: int, line: str) -> NoReturn:
        fail(
            FileFormatError,
            "MXIndexedRecordIO",
            expected=f"a key ({getattr(self.key_type, '__name__', self.key_type)}), a tab and a byte of {self.uri} in each line",
            got=f"{line[:60]!r} in line {number} of {self.idx_path}",
            fix=f"python -m hybridnet.tools.rec2idx {self.uri} {self.idx_path}, which makes an index anew",
        )

    def seek(self, idx: Any) -> None:
        """Let ``read`` go on at the record of key ``idx``."""
        self._reading()
        self._at = self._place(idx)

    def read_idx(self, idx: Any) -> bytes:
        """The record of key ``idx``; ``read`` goes on behind it. Safe in several threads."""
        reader = self._reading()
        at = self._place(idx)
        try:
            found = reader.record(at)
        except FileFormatError as error:
            raise FileFormatError(f"{error} (where {self.idx_path} says that the record of key {idx!r} begins)") from None
        if found is None:
            got = f"byte {at} for the key {idx!r} in {self.idx_path}"
            fix = f"python -m hybridnet.tools.rec2idx {self.uri} {self.idx_path}, which makes an index anew"
            fail(FileFormatError, "read_idx", expected=f"a byte of {self.uri}, which has {reader.size()}", got=got, fix=fix)
        data, self._at = found
        return data

    def _place(self, idx: Any) -> int:
        try:
            return self.idx[idx]
        except KeyError:
            raise KeyNotFoundError(
                f"[MXIndexedRecordIO] expected one of the {len(self.idx)} keys in {self.idx_path}; got {idx!r} ({type(idx).__name__})"
            ) from None

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Add a record under the key ``idx``; the last record of a key is the one that is read by it."""
        key, at = self.key_type(idx), self.tell()
        self.write(buf)
        assert self.fidx is not None
        _write_all(self.fidx, f"{key}\t{at}\n".encode())
        self.idx[key] = at
        self.keys.append(key)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "fidx": None}


class KeyNotFoundError(AxisError, KeyError):
    """A key that an index does not have."""

    __str__ = Exception.__str__  # a KeyError shows its message quoted


def _appender(path: str) -> io.FileIO:
    """An empty file without a buffer: what one process has buffered, a forked one would write again."""
    return io.FileIO(path, "w")


def _write_all(file: io.FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
