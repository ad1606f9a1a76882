"""Objects in shared memory: pickled, their arrays beside the pickle and not in it, so that nothing but one copy of them is made.

Memory is reserved when it is made. Else a full ``/dev/shm`` (64 MB in many containers) would show when it is written to,
and end the process without a word.
"""

from __future__ import annotations

import copyreg
import errno
import io
import mmap
import os
import pickle
import secrets
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy

from hybridnet.errors import OutOfMemoryError, fail

_FOLDER = Path("/dev/shm")  # where Linux shows shared memory
_ALIGNMENT = 64
_ROOM = errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EDQUOT


def reserve(size: int, what: str) -> SharedMemory:
    """New shared memory of ``size`` bytes or more, that are there; an OutOfMemoryError says how to do without."""
    memory = None
    try:
        memory = SharedMemory(f"hybridnet-{os.getpid()}-{secrets.token_hex(4)}", create=True, size=size)
        _fill(_FOLDER / memory.name, size)
        return memory
    except OSError as error:
        if memory is not None:
            discard(memory)
        if error.errno not in _ROOM:
            raise
        _fail_room(size, what, error)


def _fill(path: Path, size: int) -> None:
    """Have the system find room for all of a file of Linux's shared memory."""
    if hasattr(os, "posix_fallocate") and path.exists():
        file = os.open(path, os.O_RDWR)
        try:
            os.posix_fallocate(file, 0, size)
        finally:
            os.close(file)


def _fail_room(size: int, what: str, error: OSError) -> NoReturn:
    free = ""
    if hasattr(os, "statvfs") and _FOLDER.exists():
        found = os.statvfs(_FOLDER)
        free = f", of which {found.f_bavail * found.f_frsize:,} bytes are free"
    fail(
        OutOfMemoryError,
        "DataLoader",
        expected=f"{size:,} bytes of shared memory for {what}",
        got=f"{error.strerror} in {_FOLDER}{free}",
        fix="thread_pool=True, which needs none; smaller batches, fewer workers; or a larger /dev/shm (docker run --shm-size)",
    )


def discard(memory: SharedMemory) -> None:
    """Give shared memory back and its name up."""
    unlink(memory)
    memory.close()


def unlink(memory: SharedMemory) -> None:
    """Give the name of shared memory up; it lasts for those who have opened it."""
    with suppress(FileNotFoundError):
        memory.unlink()


def _reduced_memmap(array: Any) -> Any:
    """A part of a file in memory, which goes to another process as that: it is opened anew there, not copied, to be read alone."""
    granted = array.flags.c_contiguous and array.mode in ("r", "r+") and array.filename is not None and array.size
    if not granted:
        return array.__reduce_ex__(5)
    begin = numpy.frombuffer(array._mmap, numpy.uint8).ctypes.data  # of what is mapped, which begins at a whole page
    offset = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY + array.ctypes.data - begin
    return numpy.memmap, (array.filename, array.dtype, "r", offset, array.shape)


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {numpy.memmap: _reduced_memmap}


class Packed:
    """An object pickled, with the arrays in it as they lie in memory. ``size`` bytes in one piece: lengths, pickle, arrays."""

    def __init__(self, value: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
        self.text = file.getvalue()
        raw: list[Any] = [self.text, *(b.raw() for b in buffers)]
        parts = [numpy.frombuffer(part, numpy.uint8) for part in raw]
        lengths = numpy.array([len(parts), *map(len, parts)], numpy.int64).view(numpy.uint8)
        self._parts = [lengths, *parts]
        self.size = sum(map(_rounded, map(len, self._parts)))

    def write(self, target: Any) -> None:
        """Into an array of bytes."""
        start = 0
        for part in self._parts:
            target[start : start + len(part)] = part
            start += _rounded(len(part))


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def unpacked(data: Any) -> Any:
    """The object that was packed into an array of bytes; the arrays in it are views of that."""
    count = int(data[:8].view(numpy.int64)[0])
    lengths = data[8 : 8 * (count + 1)].view(numpy.int64).tolist()
    start = _rounded(8 * (count + 1))
    parts = []
    for length in lengths:
        parts.append(data[start : start + length])
        start += _rounded(length)
    return pickle.loads(parts[0], buffers=parts[1:])


def bytes_of(memory: SharedMemory) -> Any:
    """Shared memory as an array of bytes, to be dropped before the memory is closed."""
    return numpy.frombuffer(cast(memoryview, memory.buf), numpy.uint8)
