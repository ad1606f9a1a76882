"""What a worker process of a ``DataLoader`` does: it reads the batches that it is told of into shared memory.

It ends when its connection is closed, and at once when the process that started it is gone, however that ended.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator
from multiprocessing import connection, parent_process
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from threadpoolctl import threadpool_limits

from hybridnet.config import config, one_thread
from hybridnet.gluon.data.reading import Reader, Task
from hybridnet.gluon.data.shared import Packed, bytes_of, unpacked

# Of the messages to a worker: a batch to read, a slot that is large enough for the one that did not go into its own.
READ, SLOT = range(2)
# Of those from it: ready, a batch is in its slot, one needs so many bytes, an exception came.
READY, DONE, LARGER, ERROR = range(4)

_kept: list[SharedMemory] = []  # what the dataset's arrays lie in, until the process ends
_MOST_BYTES = 1 << 14  # of an exception: messages must fit a pipe, whose other end may be busy


def work(pipe: connection.Connection, name: str, size: int) -> None:
    """The life of a worker; its :class:`Reader` lies in the shared memory of that name."""
    _settle()
    try:
        _kept.append(SharedMemory(name))
        reader: Reader = unpacked(_read_only(_kept[0], size))
    except BaseException as error:
        pipe.send((ERROR, -1, *_portable(error)))
        return
    pipe.send((READY, -1))
    slots = _Slots(pipe)
    try:
        for number, slot, task in slots.tasks():
            try:
                packed = Packed(reader(task))
            except Exception as error:
                pipe.send((ERROR, number, *_portable(error)))
                continue
            slots.send(number, slot, packed)
    except (EOFError, ConnectionError):  # nobody wants batches any more
        pass


def _read_only(memory: SharedMemory, size: int) -> Any:
    """What all workers share: who wrote to it would change the others' data."""
    data = bytes_of(memory)[:size]
    data.flags.writeable = False
    return data


def _settle() -> None:
    """Ctrl-C is for the process that started this one; the cores are for its program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    config.threads = 1
    one_thread()  # libraries that the dataset's module imports
    threadpool_limits(1)  # and those that are there


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


class _Slots:
    """The shared memory that this worker writes batches to, and the messages about it."""

    def __init__(self, pipe: connection.Connection) -> None:
        self._pipe = pipe
        self._waiting: deque[tuple[int, int, Task]] = deque()
        self._memories: dict[int, SharedMemory] = {}

    def tasks(self) -> Iterator[tuple[int, int, Task]]:
        """The batches to read, in order: number, slot, samples; until the connection is closed."""
        while True:
            while not self._waiting:
                self._receive()
            yield self._waiting.popleft()

    def _receive(self) -> bool:
        """Take the next message; whether it is about a slot."""
        kind, *rest = self._pipe.recv()
        if kind == READ:
            number, slot, name, task = rest
            if name is not None:
                self._memories[slot] = SharedMemory(name)
            self._waiting.append((number, slot, task))
            return False
        slot, name = rest
        if slot in self._memories:
            self._memories.pop(slot).close()
        self._memories[slot] = SharedMemory(name)
        return True

    def send(self, number: int, slot: int, packed: Packed) -> None:
        """A batch, through its slot, which is asked for anew if it is too small."""
        if slot not in self._memories or self._memories[slot].size < packed.size:
            self._pipe.send((LARGER, number, packed.size))
            while not self._receive():
                pass
        target = bytes_of(self._memories[slot])
        packed.write(target)
        del target
        self._pipe.send((DONE, number, packed.size))


def _portable(error: BaseException) -> tuple[bytes | None, str]:
    """An exception, if it goes through pickle and comes back, and its traceback as text."""
    text = "".join(traceback.format_exception(error))[-_MOST_BYTES:]
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return None, text
    return (data if len(data) <= _MOST_BYTES else None), text
