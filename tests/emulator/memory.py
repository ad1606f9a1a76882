"""Memory of the emulated device: what ``cupy.cuda.alloc`` gives, made unkind on purpose.

Fresh memory is filled with 0xFF (NaN in every floating type), freed memory with 0xFE; each allocation lies between guard bytes and is
aligned to 512 bytes, as CuPy's are. Freed memory stays where it is for a while and goes to no other allocation, so that work which
still reads or writes it (a graph that outlived its arena) shows: reads find 0xFE, and writes are found in :func:`check`.
Where work is asynchronous, freed memory goes back to the stream on which it was allocated, as in CuPy's pool: the next
allocation there gets it, and whatever it gets, all is overwritten when that stream has come so far, whatever other streams still do.
"""

from __future__ import annotations

import collections
import ctypes
import sys
from functools import partial
from typing import Any, NamedTuple

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


class Block(NamedTuple):
    """An allocation: its bytes with those around it, where it lies among them, and the stream that it goes back to."""

    bytes: Bytes
    inside: slice
    stream: int

    @property
    def size(self) -> int:
        return self.inside.stop - self.inside.start

    def damage(self) -> str:
        """What was written beside it."""
        outside = self.bytes[: self.inside.start], self.bytes[self.inside.stop :]
        return f"a write beside an allocation of {self.size} bytes" if any((part != MARK).any() for part in outside) else ""

    def damage_since(self) -> str:
        """What was written into it after its end."""
        return f"a write into freed memory of {self.size} bytes" if (self.bytes[self.inside] != FREED).any() else ""

    def fill(self, value: int) -> None:
        self.bytes[self.inside] = value


class Heap:
    """All allocations of the device."""

    def __init__(self) -> None:
        self.total = DEFAULT_TOTAL
        self.limit = 0
        self.used = 0
        self.peak = 0
        self.allocations = 0
        self.freed: collections.deque[Block] = collections.deque()
        self.freed_bytes = 0
        self.whole: list[Block] = []  # freed and not overwritten yet
        self.found: list[str] = []
        self.lock = streams.lock

    def take(self, size: int) -> Block:
        room, stream = _room(size), streams.key(streams.handle())
        with self.lock:
            if self.used + room > (self.limit or self.total):
                raise OutOfMemoryError(room, self.used, self.limit)
            self.used += room
            self.peak = max(self.peak, self.used)
            self.allocations += 1
            if streams.is_asynchronous():
                self._overwrite(stream)
                for block in reversed(self.freed):
                    if (block.size, block.stream) == (size, stream):
                        return self._lent_again(block)
        block = np.empty(size + 2 * GUARD + ALIGNMENT, np.uint8)
        start = GUARD + (-(block.ctypes.data + GUARD)) % ALIGNMENT
        block[:start], block[start : start + size], block[start + size :] = MARK, FRESH, MARK
        return Block(block, slice(start, start + size), stream)

    def _lent_again(self, block: Block) -> Block:
        self.freed = collections.deque(b for b in self.freed if b is not block)
        self.freed_bytes -= block.size

        def begin() -> None:
            self._note(block.damage_since())
            block.fill(FRESH)

        streams.put_behind(block.stream, begin)
        return block

    def give(self, block: Block) -> None:
        """The end of an allocation; called by finalizers, so damage is noted and told by ``check``."""

        with self.lock:
            self.used -= _room(block.size)
            self.freed.append(block)
            self.freed_bytes += block.size
            self.whole.append(block)
            if not streams.is_asynchronous():
                self._overwrite(block.stream)
                while self.freed_bytes > KEPT_BYTES and len(self.freed) > 1:
                    self._forget()

    def _overwrite(self, stream: int) -> None:
        """What a stream does from here on may be in the memory that went back to it: as the pool has it, what comes next there gets it."""

        def end(block: Block) -> None:
            self._note(block.damage())
            block.fill(FREED)

        for block in [b for b in self.whole if b.stream == stream]:
            streams.put_behind(stream, partial(end, block))
        self.whole = [b for b in self.whole if b.stream != stream]

    def _note(self, damage: str) -> None:
        if damage:
            self.found.append(damage)

    def _forget(self) -> None:
        block = self.freed.popleft()
        self.freed_bytes -= block.size
        self._note(block.damage())
        self._note(block.damage_since())

    def forget_all(self) -> None:
        """Give everything that is free back to the device, which waits for all that it does."""
        with self.lock:
            for stream in {b.stream for b in self.whole}:
                self._overwrite(stream)
            streams.synchronize_all()
            while self.freed:
                self._forget()

    def abandon(self) -> None:
        """Forget damage: after an error nobody asks, and what runs next is not to blame."""
        with self.lock:
            self.forget_all()
            self.found = []

    def check(self) -> None:
        """Fail if anything was written beside an allocation that has ended, or into one after its end."""
        with self.lock:
            self.forget_all()
            found, self.found = self.found, []
        assert not found, "; ".join(found)


def _room(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


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
        self._block: Block | None = None
        self._block = heap.take(size)
        self.bytes = self._block.bytes[self._block.inside]
        self.ptr = int(self.bytes.ctypes.data) if size else 0

    def __del__(self, is_finalizing: Any = sys.is_finalizing) -> None:  # a default, since the module may be gone by then
        if self._block is not None and not is_finalizing():
            heap.give(self._block)


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
        copy_now("a synchronous copy", self.ptr, source.ptr, size)

    def copy_from_host(self, mem: Any, size: int) -> None:
        copy_now("a synchronous copy", self.ptr, host_address(mem), size)

    def copy_to_host(self, mem: Any, size: int) -> None:
        copy_now("a synchronous copy", host_address(mem), self.ptr, size)

    def memset(self, value: int, size: int) -> None:
        streams.refuse("a synchronous memset")
        ptr = self.ptr
        streams.enqueue(0, lambda: ctypes.memset(ptr, value, size))

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


def is_pinned(address: int) -> bool:
    """Whether host memory is page-locked."""
    return any(start <= address < start + size for start, size in _pinned.items())


def may_copy(target: int, source: int, stream: Any, kind: int) -> None:
    """A capture takes host memory only where it is page-locked: that of any other array may be gone when the graph runs."""
    if streams.capturing(streams.handle(stream)):
        for address, is_host in ((target, kind in (0, 2)), (source, kind in (0, 1))):
            if is_host and not is_pinned(address):
                raise streams.CaptureError("a copy of pageable host memory while the stream captures")


def copy_async(target: int, source: int, size: int, stream: Any, kind: int = 3) -> None:
    """Copy bytes in the order of a stream; ``kind`` as CUDA's cudaMemcpyKind.

    Host memory that is not page-locked is read before this returns, and written as well.
    """
    may_copy(target, source, stream, kind)
    handle = streams.handle(stream)
    if kind in (0, 1) and not is_pinned(source):
        contents = ctypes.string_at(source, size)
        streams.enqueue(handle, lambda: ctypes.memmove(target, contents, size))
    else:
        streams.enqueue(handle, lambda: ctypes.memmove(target, source, size))
    if kind in (0, 2) and not is_pinned(target):
        streams.synchronize(handle)


def copy_now(what: str, target: int, source: int, size: int, spoils: bool = False) -> None:
    """Copy bytes in the order of the null stream, and wait for it."""
    streams.refuse(what, spoils=spoils)
    streams.enqueue(0, lambda: ctypes.memmove(target, source, size))
    streams.synchronize(0)


def alloc(size: int) -> MemoryPointer:
    """``cupy.cuda.alloc``."""
    return MemoryPointer(Memory(int(size)), 0)


class MemoryPool:
    """``cupy.cuda.MemoryPool``: the account of it; where memory goes is the heap's."""

    def malloc(self, size: int) -> MemoryPointer:
        return alloc(size)

    def used_bytes(self) -> int:
        return heap.used

    def total_bytes(self) -> int:
        return heap.used + self.free_bytes()

    def free_bytes(self) -> int:
        return sum(_room(block.size) for block in heap.freed)

    def n_free_blocks(self) -> int:
        return len(heap.freed)

    def free_all_blocks(self, stream: Any = None) -> None:
        heap.forget_all()

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        heap.limit = int(heap.total * fraction) if fraction is not None else int(size or 0)

    def get_limit(self) -> int:
        return heap.limit


pool = MemoryPool()


# -- page-locked host memory ------------------------------------------------------------------------

_pinned: dict[int, int] = {}
_unpinned: collections.deque[Bytes] = collections.deque(maxlen=64)  # freed, but not gone, so that what still reads it finds it overwritten


class PinnedMemory:
    """Page-locked host memory: a buffer, as CuPy's is, whose pool lends it again as soon as it is free."""

    def __init__(self, size: int) -> None:
        self.bytes = np.full(max(size, 1), FRESH, np.uint8)
        self.ptr, self.size = int(self.bytes.ctypes.data), size
        _pinned[self.ptr] = self.bytes.size

    def __del__(self, is_finalizing: Any = sys.is_finalizing) -> None:
        if is_finalizing():
            return
        _pinned.pop(self.ptr, None)
        self.bytes[...] = FREED
        _unpinned.append(self.bytes)


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
