"""Memory of the emulated device: what ``cupy.cuda.alloc`` gives, made unkind on purpose.

Fresh memory is filled with 0xFF (NaN in every floating type), freed memory with 0xFE; each allocation lies between guard bytes and is
aligned to 512 bytes, as CuPy's are. Freed memory stays where it is for a while and goes to no other allocation, so that work which
still reads or writes it (a graph that outlived its arena) shows: reads find 0xFE, and writes are found in :func:`check`.
"""

from __future__ import annotations

import collections
import ctypes
import sys
import threading
from typing import Any

import numpy as np

from . import streams

ALIGNMENT, GUARD = 512, 512
FRESH, FREED, MARK = 0xFF, 0xFE, 0xA5
KEPT_BYTES = 256 << 20
DEFAULT_TOTAL = 80 << 30
Bytes = np.ndarray[Any, Any]


class OutOfMemoryError(MemoryError):
    """``cupy.cuda.memory.OutOfMemoryError``."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        self._size, self._total, self._limit = size, total, limit
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes"
            + (f", limit set to: {limit:,} bytes)." if limit else ").")
        )


class Heap:
    """All allocations of the device."""

    def __init__(self) -> None:
        self.total = DEFAULT_TOTAL
        self.limit = 0
        self.used = 0
        self.peak = 0
        self.allocations = 0
        self.freed: collections.deque[tuple[Bytes, slice]] = collections.deque()
        self.freed_bytes = 0
        self.damage: list[str] = []
        self.lock = threading.RLock()

    def take(self, size: int) -> tuple[Bytes, slice]:
        room = -(-size // ALIGNMENT) * ALIGNMENT
        with self.lock:
            if self.used + room > (self.limit or self.total):
                raise OutOfMemoryError(room, self.used, self.limit)
            self.used += room
            self.peak = max(self.peak, self.used)
            self.allocations += 1
        block = np.empty(size + 2 * GUARD + ALIGNMENT, np.uint8)
        start = GUARD + (-(block.ctypes.data + GUARD)) % ALIGNMENT
        block[:start], block[start : start + size], block[start + size :] = MARK, FRESH, MARK
        return block, slice(start, start + size)

    def give(self, block: Bytes, inside: slice) -> None:
        """The end of an allocation; called by finalizers, so damage is noted and told by ``check``."""
        size = inside.stop - inside.start
        self._see(block, inside)
        block[inside] = FREED
        with self.lock:
            self.used -= -(-size // ALIGNMENT) * ALIGNMENT
            self.freed.append((block, inside))
            self.freed_bytes += size
            while self.freed_bytes > KEPT_BYTES and len(self.freed) > 1:
                self._forget()

    def _see(self, block: Bytes, inside: slice) -> None:
        if (block[: inside.start] != MARK).any() or (block[inside.stop :] != MARK).any():
            self.damage.append(f"a write beside an allocation of {inside.stop - inside.start} bytes")

    def _forget(self) -> None:
        block, inside = self.freed.popleft()
        self.freed_bytes -= inside.stop - inside.start
        self._see(block, inside)
        if (block[inside] != FREED).any():
            self.damage.append(f"a write into freed memory of {inside.stop - inside.start} bytes")

    def check(self) -> None:
        """Fail if anything was written beside an allocation that has ended, or into one after its end."""
        with self.lock:
            while self.freed:
                self._forget()
            damage, self.damage = self.damage, []
        assert not damage, "; ".join(damage)


heap = Heap()


class BaseMemory:
    """Some memory: its address, size, and the bytes as NumPy sees them."""

    ptr: int
    size: int
    device_id: int
    bytes: Bytes

    @property
    def device(self) -> Any:
        from .runtime import Device

        return Device(self.device_id)


class Memory(BaseMemory):
    """Memory that is freed with this object, though NumPy may still hold its bytes."""

    def __init__(self, size: int) -> None:
        self.size, self.device_id = size, streams.current.device
        self._block: Bytes | None = None
        self._block, self._inside = heap.take(size)
        self.bytes = self._block[self._inside]
        self.ptr = int(self.bytes.ctypes.data) if size else 0

    def __del__(self) -> None:
        if self._block is not None and not sys.is_finalizing():
            heap.give(self._block, self._inside)


class UnownedMemory(BaseMemory):
    """``cupy.cuda.UnownedMemory``: memory that someone else frees."""

    def __init__(self, ptr: int, size: int, owner: object, device_id: int = -1) -> None:
        self.ptr, self.size, self._owner = ptr, size, owner
        self.device_id = streams.current.device if device_id < 0 else device_id
        self.bytes = at(ptr, size)


class MemoryPointer:
    """``cupy.cuda.MemoryPointer``: a place in some memory."""

    def __init__(self, mem: BaseMemory, offset: int) -> None:
        self.mem, self.offset = mem, offset
        self.ptr = mem.ptr + offset
        self.device_id = mem.device_id

    @property
    def device(self) -> Any:
        return self.mem.device

    def __int__(self) -> int:
        return self.ptr

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self.offset + offset)

    __radd__ = __add__

    def __sub__(self, offset: int) -> MemoryPointer:
        return self + -offset

    def copy_from_device_async(self, source: MemoryPointer, size: int, stream: Any = None) -> None:
        copy_async(self.ptr, source.ptr, size, stream)

    def copy_from_host_async(self, mem: Any, size: int, stream: Any = None) -> None:
        copy_async(self.ptr, host_address(mem), size, stream, 1)

    def copy_to_host_async(self, mem: Any, size: int, stream: Any = None) -> None:
        copy_async(host_address(mem), self.ptr, size, stream, 2)

    def copy_from_async(self, mem: Any, size: int, stream: Any = None) -> None:
        if isinstance(mem, MemoryPointer):
            self.copy_from_device_async(mem, size, stream)
        else:
            self.copy_from_host_async(mem, size, stream)

    def copy_from_device(self, source: MemoryPointer, size: int) -> None:
        streams.refuse("a synchronous copy")
        ctypes.memmove(self.ptr, source.ptr, size)

    def copy_from_host(self, mem: Any, size: int) -> None:
        streams.refuse("a synchronous copy")
        ctypes.memmove(self.ptr, host_address(mem), size)

    def copy_to_host(self, mem: Any, size: int) -> None:
        streams.refuse("a synchronous copy")
        ctypes.memmove(host_address(mem), self.ptr, size)

    def memset(self, value: int, size: int) -> None:
        streams.refuse("a synchronous memset")
        ctypes.memset(self.ptr, value, size)

    def memset_async(self, value: int, size: int, stream: Any = None) -> None:
        ptr = self.ptr
        streams.enqueue(streams.handle(stream), lambda: ctypes.memset(ptr, value, size))


def at(ptr: int, size: int) -> Bytes:
    """The bytes at a raw address."""
    return np.frombuffer((ctypes.c_ubyte * size).from_address(ptr), np.uint8) if size else np.empty(0, np.uint8)


def host_address(mem: Any) -> int:
    """The address of host memory as CuPy takes it: a number, a ctypes pointer, a pinned pointer."""
    if isinstance(mem, int):
        return mem
    return int(mem.value) if isinstance(mem, ctypes.c_void_p) else int(mem.ptr)


def may_copy(target: int, source: int, stream: Any, kind: int) -> None:
    """A capture takes host memory only where it is page-locked: that of any other array may be gone when the graph runs."""
    if streams.capturing(streams.handle(stream)):
        for address, is_host in ((target, kind in (0, 2)), (source, kind in (0, 1))):
            if is_host and not any(start <= address < start + size for start, size in _pinned.items()):
                raise streams.CaptureError("a copy of pageable host memory while the stream captures")


def copy_async(target: int, source: int, size: int, stream: Any, kind: int = 3) -> None:
    """Copy bytes in the order of a stream; ``kind`` as CUDA's cudaMemcpyKind."""
    may_copy(target, source, stream, kind)
    streams.enqueue(streams.handle(stream), lambda: ctypes.memmove(target, source, size))


def alloc(size: int) -> MemoryPointer:
    """``cupy.cuda.alloc``."""
    return MemoryPointer(Memory(int(size)), 0)


class MemoryPool:
    """``cupy.cuda.MemoryPool``: here only the account of it."""

    def malloc(self, size: int) -> MemoryPointer:
        return alloc(size)

    def used_bytes(self) -> int:
        return heap.used

    def total_bytes(self) -> int:
        return heap.used

    def free_bytes(self) -> int:
        return 0

    def n_free_blocks(self) -> int:
        return 0

    def free_all_blocks(self, stream: Any = None) -> None:
        pass

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        heap.limit = int(heap.total * fraction) if fraction is not None else int(size or 0)

    def get_limit(self) -> int:
        return heap.limit


pool = MemoryPool()


# -- page-locked host memory ------------------------------------------------------------------------

_pinned: dict[int, int] = {}


class PinnedMemory:
    """Page-locked host memory: a buffer, as CuPy's is."""

    def __init__(self, size: int) -> None:
        self.bytes = np.full(max(size, 1), FRESH, np.uint8)
        self.ptr, self.size = int(self.bytes.ctypes.data), size
        _pinned[self.ptr] = self.bytes.size

    def __del__(self) -> None:
        _pinned.pop(self.ptr, None)


class PinnedMemoryPointer:
    """``cupy.cuda.PinnedMemoryPointer``: what its instances have beside being buffers, for which they are arrays of ctypes."""

    mem: PinnedMemory
    ptr: int

    def __add__(self, offset: int) -> Any:
        return pinned_pointer(self.mem, self.ptr - self.mem.ptr + offset)

    def __int__(self) -> int:
        return self.ptr

    def size(self) -> int:
        return self.mem.size - (self.ptr - self.mem.ptr)


def pinned_pointer(mem: PinnedMemory, offset: int) -> Any:
    """A place in page-locked memory."""
    buffer = type("PinnedMemoryPointer", (PinnedMemoryPointer, ctypes.c_ubyte * (mem.size - offset)), {})
    pointer = buffer.from_address(mem.ptr + offset)
    pointer.mem, pointer.ptr = mem, mem.ptr + offset
    return pointer


def alloc_pinned_memory(size: int) -> Any:
    """``cupy.cuda.alloc_pinned_memory``."""
    return pinned_pointer(PinnedMemory(int(size)), 0)
