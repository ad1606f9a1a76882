"""Streams of the emulated device: what is put on them, and when it is done.

All that is put on a stream (kernels, copies, library calls) goes through :func:`enqueue` with raw addresses. It is done

- at once, as a rule;
- while its stream captures, at each launch of the graph, on what lies there then, in any order that the capture's streams and events
  allow: another one at each launch, of which the first has each piece of work as late as can be where another may come before it;
- where :func:`asynchronous` says so, at some moment between that and a wait for it: as late as can be, or at random. Then only what
  a device promises holds: the order of a stream, of an event and those who wait for it, of the null stream and the
  streams that are not "non-blocking". What reads too early finds what was there before; what is freed too early is overwritten.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

Work = Callable[[], Any]


class CaptureError(RuntimeError):
    """What CUDA refuses while a stream captures."""


class _Current(threading.local):
    """Of a thread."""

    stream: Any = None  # None: the null stream
    device = 0


current = _Current()
lock = threading.RLock()  # held while anything is done, or memory changes hands


class Item:
    """A piece of work on a stream, and the items of other streams that come before it."""

    __slots__ = ("after", "done", "queue", "work")

    def __init__(self, queue: "Queue", work: Work, after: list["Item"]) -> None:
        self.queue, self.work, self.after, self.done = queue, work, after, False


class Queue:
    """What a stream has still to do."""

    def __init__(self, device: int, waits_for_null: bool) -> None:
        self.device, self.waits_for_null = device, waits_for_null
        self.items: deque[Item] = deque()

    def run(self, last: Item | None = None) -> None:
        """Do what is there, in order: all of it, or up to an item."""
        while self.items and not (last is not None and last.done):
            item = self.items[0]
            for before in item.after:
                if not before.done:
                    before.queue.run(before)
            self.items.popleft()
            item.done = True
            _state.running += 1
            try:
                item.work()
            finally:
                _state.running -= 1


class Captured:
    """A capture: its work, and the streams that take part."""

    def __init__(self, origin: int) -> None:
        self.origin = origin
        self.work: list[Work] = []
        self.after: list[frozenset[int]] = []  # of each piece of work those that come before it
        self.tips: dict[int, frozenset[int]] = {}  # of each stream what the next piece of work comes after
        self.last: dict[int, int] = {}  # by stream: how much work there was after its last
        self.unjoined: set[int] = set()  # streams that nobody waits for since they have work
        self.spoilt = False

    def add(self, stream: int, work: Work) -> None:
        self.after.append(self.tips.get(stream, frozenset()))
        self.tips[stream] = frozenset({len(self.work)})
        self.work.append(work)
        self.grow(stream)

    def grow(self, stream: int) -> None:
        """Note that there is something new on a stream, which the one that began the capture must wait for."""
        self.last[stream] = len(self.work)
        if stream != self.origin:
            self.unjoined.add(stream)


class _State:
    seed = 0
    chance: random.Random | None = None  # None: work is done at once
    eager = 0.0  # how likely something is done when something is enqueued
    running = 0
    ahead = 0.0  # how many seconds the device's clock is before the host's


_state = _State()
_captures: dict[int, Captured] = {}
_queues: dict[int, Queue] = {}  # by handle; those of null streams by -1 - device
_left: list[Queue] = []  # of streams that were destroyed with work to do
_handles: list[int] = []  # of streams that were destroyed, which the next ones get
_next_handle = 0x1000


@contextmanager
def asynchronous(seed: int) -> Iterator[None]:
    """Work is done later: with seed 0 when it is waited for, with another at moments that follow from the seed.

    It is also the order in which the threads and blocks of kernels run, as ``RawModule.set_order`` has it.
    """
    _state.seed, _state.chance = seed, random.Random(seed)
    _state.eager = _state.chance.uniform(0.1, 0.7) if seed else 0.0
    try:
        yield
        synchronize_all()
    except BaseException:
        _finish()
        raise
    finally:
        _state.seed, _state.chance = 0, None
        for queue in (*_queues.values(), *_left):
            queue.items.clear()
        _left.clear()


def _finish() -> None:
    """Do what is left, whatever comes of it: a device goes on when the host has failed, and memory that was freed is overwritten."""
    for queue in (*_queues.values(), *_left):
        while queue.items:
            with suppress(Exception):
                queue.run()


def is_asynchronous() -> bool:
    return _state.chance is not None


def order_of_threads() -> int:
    """In which order the threads and blocks of kernels run: forward, unless work is asynchronous."""
    return _state.seed


# -- streams ------------------------------------------------------------------------------------------


def create(device: int, waits_for_null: bool) -> int:
    """The handle of a new stream: the address of the one that was destroyed last, as allocators have it."""
    global _next_handle
    with lock:
        if _handles:
            made = _handles.pop()
        else:
            made, _next_handle = _next_handle, _next_handle + 1
        _queues[made] = Queue(device, waits_for_null)
    return made


def destroy(stream: int) -> None:
    """The stream's work is still done."""
    with lock:
        queue = _queues.pop(stream, None)
        if queue is None:
            return
        if queue.items:
            _left.append(queue)
        capture = _captures.pop(stream, None)
        if capture is not None:
            capture.spoilt = True
        _handles.append(stream)


def here() -> Any:
    """The current stream of the current device; None for its null stream."""
    stream = current.stream
    return stream if stream is not None and stream.device_id in (-1, current.device) else None


def handle(stream: Any = None) -> int:
    """The handle of a stream: a number, an object with ``ptr``, or None for the current one."""
    if stream is None:
        stream = here()
    return 0 if stream is None else int(getattr(stream, "ptr", stream))


def key(stream: int) -> int:
    """What tells a stream from all others: null streams have one handle on all devices."""
    return stream or -1 - current.device


def queue_of(stream: int) -> Queue:
    """By handle or key."""
    stream = key(stream)
    if stream not in _queues:
        if stream >= 0:
            raise ValueError(f"no stream has the handle {stream}: it was destroyed, or never was")
        _queues[stream] = Queue(-1 - stream, False)
    return _queues[stream]


# -- work ---------------------------------------------------------------------------------------------


def enqueue(stream: int, work: Work, after: Item | None = None, seconds: float = 0.0) -> Item | None:
    """Do ``work`` in the order of the stream of that handle, and after an item of another one. None where that is done.

    ``seconds``: what it takes besides by the device's clock, which events tell.
    """
    if seconds:
        work = partial(_taking, seconds, work)
    with lock:
        capture = _captures.get(stream)
        if capture is not None:
            capture.add(stream, work)
            return None
        if not stream and any(q.waits_for_null and q.device == current.device for q in map(_queues.get, _captures) if q):
            raise CaptureError("work on the null stream while a stream that waits for it captures")
        queue = queue_of(stream)
        if _state.chance is None:
            work()
            return None
        made = _put(queue, work, after)
        _go_on()
        return made


def _taking(seconds: float, work: Work) -> Any:
    _state.ahead += seconds
    return work()


def clock() -> float:
    """Seconds, by the device's clock: the host's, and what work takes by what was said of it."""
    return time.perf_counter() + _state.ahead


def _put(queue: Queue, work: Work, after: Item | None) -> Item:
    before = [] if after is None or after.done else [after]
    null = queue_of(-1 - queue.device)
    if queue is null:
        others = [q for q in (*_queues.values(), *_left) if q.waits_for_null and q.device == queue.device]
    else:
        others = [null] if queue.waits_for_null else []
    before += [q.items[-1] for q in others if q.items]
    item = Item(queue, work, before)
    queue.items.append(item)
    return item


def put_behind(stream: int, work: Work) -> None:
    """Do ``work`` when a stream, given by its key, has come so far; at once if it captures or is gone. No part of a capture."""
    with lock:
        if _state.chance is None or stream in _captures or (stream >= 0 and stream not in _queues):
            work()
        else:
            _put(queue_of(stream), work, None)


def _go_on() -> None:
    """Let the device do something, or nothing."""
    assert _state.chance is not None
    while not _state.running and _state.chance.random() < _state.eager:
        busy = [q for q in (*_queues.values(), *_left) if q.items]
        if not busy:
            return
        queue = _state.chance.choice(busy)
        queue.run(queue.items[0])


# -- waiting ------------------------------------------------------------------------------------------


def synchronize(stream: Any = None) -> None:
    """Wait for what is on a stream (the current one, if none is given)."""
    with lock:
        queue_of(handle(stream)).run()


def synchronize_all() -> None:
    """Wait for everything on all devices."""
    with lock:
        for queue in (*_queues.values(), *_left):
            queue.run()


def wait_for(item: Item | None) -> None:
    """Wait for an item."""
    if item is not None and not item.done:
        with lock:
            item.queue.run(item)


def is_done(item: Item | None) -> bool:
    """Whether an item is done, to whoever asks again and again: each time the device does something."""
    with lock:
        done = item is None or item.done
        if not done:
            item.queue.run(item.queue.items[0])  # type: ignore[union-attr]
        return done


def is_idle(stream: int) -> bool:
    """Whether a stream has nothing to do."""
    with lock:
        items = queue_of(stream).items
        return is_done(items[-1] if items else None)


# -- captures -----------------------------------------------------------------------------------------


def begin(stream: int) -> None:
    """From here on the stream keeps its work in place of doing it."""
    if not stream:
        raise CaptureError("the null stream cannot capture")
    if stream in _captures:
        raise CaptureError("the stream captures already")
    _captures[stream] = Captured(stream)


def end(stream: int) -> Captured:
    """What was kept."""
    capture = _captures.get(stream)
    if capture is None or capture.origin != stream:
        raise CaptureError("cudaErrorIllegalState: the stream did not begin a capture")
    for member in [s for s, c in _captures.items() if c is capture]:
        del _captures[member]
    if capture.spoilt:
        raise CaptureError("cudaErrorStreamCaptureInvalidated: the capture was spoilt by an error before")
    if capture.unjoined:
        raise CaptureError("cudaErrorStreamCaptureUnjoined: the capture was not joined again by all streams that it was forked to")
    return capture


def in_some_order(after: Sequence[frozenset[int]], launch: int) -> Iterator[int]:
    """The numbers of pieces of work, each behind those that it comes ``after``: the last that can go first, at later launches any."""
    chance = random.Random(launch) if launch else None
    left = [len(pieces) for pieces in after]
    followers: list[list[int]] = [[] for _ in after]
    for i, pieces in enumerate(after):
        for p in pieces:
            followers[p].append(i)
    ready = [i for i, number in enumerate(left) if not number]
    while ready:
        i = ready.pop(ready.index(max(ready)) if chance is None else chance.randrange(len(ready)))
        yield i
        for f in followers[i]:
            left[f] -= 1
            if not left[f]:
                ready.append(f)


def capture_of(stream: int) -> Captured | None:
    """The capture that a stream takes part in."""
    return _captures.get(stream)


def goes_on(capture: Captured) -> bool:
    """Whether a capture has not ended."""
    return any(c is capture for c in _captures.values())


def join(stream: int, capture: Captured, other: int, recorded: int, tips: frozenset[int]) -> None:
    """Make a stream wait for what ``other`` had to do in a capture when there was so much work: it takes part from here on."""
    mine = _captures.get(stream)
    if mine is not None and mine is not capture:
        capture.spoilt = mine.spoilt = True
        raise CaptureError("cudaErrorStreamCaptureMerge: a wait of one capture for another")
    _captures[stream] = capture
    capture.tips[stream] = capture.tips.get(stream, frozenset()) | tips
    if other != stream:
        capture.grow(stream)
        if capture.last.get(other, 0) <= recorded:
            capture.unjoined.discard(other)


def isolate(stream: int) -> None:
    """A capture that was made to wait for what is no part of it."""
    _captures[stream].spoilt = True
    raise CaptureError("cudaErrorStreamCaptureIsolation: a dependency that crosses the boundary of the capture")


def capturing(stream: int | None = None) -> bool:
    """Whether the stream of that handle captures; without one, whether any does."""
    return bool(_captures) if stream is None else stream in _captures


def refuse(what: str, stream: Any = None, spoils: bool = False) -> None:
    """To be called by what a stream that captures (the current one, if none is given) does not take.

    ``spoils``: CUDA finds out, which makes the capture invalid, where else CuPy looks before it asks CUDA.
    """
    capture = _captures.get(handle(stream))
    if capture is not None:
        capture.spoilt |= spoils
        raise CaptureError(f"{what} while the stream captures")


def wait(what: str, stream: Any = None, spoils: bool = False) -> None:
    """To be called by what waits for a stream, which one that captures does not take."""
    refuse(what, stream, spoils)
    synchronize(stream)


def refuse_everywhere(what: str) -> None:
    """To be called by what waits for the whole device: makes all captures invalid."""
    for capture in _captures.values():
        capture.spoilt = True
    if _captures:
        raise CaptureError(f"{what} while a stream captures")


def abandon() -> None:
    """Forget captures that were not ended."""
    _captures.clear()
