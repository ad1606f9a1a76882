"""Which steps of a program wait for which: a partial order, from the bytes that each step reads and writes.

A reader waits for the writer before it, a writer for the readers and the writer before it, of the same bytes; all else may run in any
order, or at once. Bytes of the arena that are used again make no exception, so an order is made when everything has its place.
States that share memory, which addresses would not show, are refused when a function is traced.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from hybridnet.errors import GraphError, fail

#: Steps among which an order is looked for; the time that it takes grows with their square.
WINDOW = 1024
LOOKED_AT = 4  # lanes, for a step that waits directly for the last of none


class Span(NamedTuple):
    """Bytes from ``begin`` to before ``end`` of some memory; memories of different ``base`` share no byte."""

    base: int
    begin: int
    end: int


class Touched(NamedTuple):
    """What a step reads and writes.

    ``channel``: steps of one channel follow one another; "": it is on none. ``alone``: it runs between all before it and all after it.
    """

    reads: tuple[Span, ...] = ()
    writes: tuple[Span, ...] = ()
    channel: str = ""
    alone: bool = False


@dataclass(frozen=True)
class Order:
    """The steps that each waits for, without those that follow from others; all have smaller numbers.

    ``lanes``: for each step the number of a lane, a chain of steps of which each waits, directly or not, for the one before. A channel
    is a lane of its own. ``channels``: those of the steps.
    """

    before: tuple[tuple[int, ...], ...]
    lanes: tuple[int, ...]
    channels: tuple[str, ...]

    @cached_property
    def depths(self) -> list[int]:
        """For each step how many are on the longest way to it, itself included."""
        depths: list[int] = []
        for steps in self.before:
            depths.append(1 + max((depths[p] for p in steps), default=0))
        return depths

    @property
    def critical_path(self) -> int:
        """The number of steps of which each waits for the one before, at most."""
        return max(self.depths, default=0)

    @property
    def width(self) -> int:
        """The number of lanes."""
        return max(self.lanes, default=-1) + 1

    def part(self, start: int, stop: int) -> Order:
        """The order among the steps from ``start`` to before ``stop``, which are numbered from 0."""
        before = tuple(tuple(p - start for p in steps if p >= start) for steps in self.before[start:stop])
        number = {lane: k for k, lane in enumerate(dict.fromkeys(self.lanes[start:stop]))}
        return Order(before, tuple(number[lane] for lane in self.lanes[start:stop]), self.channels[start:stop])


def chain(number: int) -> Order:
    """The order in which each of so many steps waits for the one before."""
    return Order(tuple((i - 1,) if i else () for i in range(number)), (0,) * number, ("",) * number)


def order_of(touched: Sequence[Touched]) -> Order:
    """The order of steps that touch these bytes, given as they would run one by one.

    After ``WINDOW`` steps one waits for all before it, and all behind it for that one: long programs, of loops, cost no more a step.
    """
    memory = _Memory()
    before: list[tuple[int, ...]] = []
    reaches = _Reaches()
    fence, start = -1, 0  # the last step that waited for all before it, and from where on steps are told apart
    latest: dict[str, int] = {}  # of each channel
    for i, step in enumerate(touched):
        waits_for_all = step.alone or i - start >= WINDOW
        if waits_for_all:
            found: Iterable[int] = range(start, i)
        else:
            found = memory.conflicts(i, step) | ({fence} if fence >= 0 else set())
            found |= {latest[step.channel]} if latest.get(step.channel, -1) >= start else set()
        known, kept = 0, []
        for p in sorted(found, reverse=True):
            if not known >> p - start & 1:
                kept.append(p)
                known |= reaches.masks[p] | 1 << p - start
        before.append(tuple(reversed(kept)))
        if waits_for_all:
            fence, start, memory, known = i, i, _Memory(), 0
        reaches.add(start, known)
        if step.channel:
            latest[step.channel] = i
    return Order(tuple(before), _lanes(before, [step.channel for step in touched], reaches), tuple(step.channel for step in touched))


class _Reaches:
    """For each step all that it waits for, directly or not: all before a ``start``, and of those from there on the ones of a mask."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.masks: list[int] = []

    def add(self, start: int, mask: int) -> None:
        self.starts.append(start)
        self.masks.append(mask)

    def holds(self, i: int, j: int) -> bool:
        """Whether step ``i`` waits for step ``j``."""
        start = self.starts[i]
        return j < start or bool(self.masks[i] >> j - start & 1)


def _lanes(before: Sequence[tuple[int, ...]], channels: Sequence[str], reaches: _Reaches) -> tuple[int, ...]:
    """Lanes for steps: each goes on where the last one is a step that it waits for, best where it does so directly.

    Else it looks at the few lanes that were gone on with last.
    """
    lanes: list[int] = []
    last: list[int] = []  # of each lane
    own: dict[str, int] = {}  # the lanes of channels
    recent: dict[int, None] = {}  # the other lanes, in the order in which they were gone on with
    for i, (steps, channel) in enumerate(zip(before, channels, strict=True)):
        if channel:
            lane = own.setdefault(channel, len(last))
        else:
            direct = [p for p in steps if lanes[p] in recent and last[lanes[p]] == p]
            looked_at = [lanes[max(direct)]] if direct else list(islice(reversed(recent), LOOKED_AT))
            lane = next((k for k in looked_at if reaches.holds(i, last[k])), len(last))
            recent.pop(lane, None)
            recent[lane] = None
        if lane == len(last):
            last.append(i)
        last[lane] = i
        lanes.append(lane)
    return tuple(lanes)


def ancestors(before: Sequence[tuple[int, ...]]) -> list[int]:
    """For each step all that it waits for, directly or not, as bits."""
    found: list[int] = []
    for steps in before:
        known = 0
        for p in steps:
            known |= found[p] | 1 << p
        found.append(known)
    return found


class _Memory:
    """Who wrote each byte last, and who has read it since."""

    def __init__(self) -> None:
        self.pieces: dict[int, _Pieces] = {}

    def conflicts(self, i: int, step: Touched) -> set[int]:
        """The steps that step ``i`` must wait for; it is noted."""
        found: set[int] = set()
        for spans, writes in ((step.reads, False), (step.writes, True)):
            for base, begin, end in spans:
                if begin < end:
                    self.pieces.setdefault(base, _Pieces()).touch(i, begin, end, writes, found)
        found.discard(i)
        return found


class _Pieces:
    """One memory, in pieces that were touched alike: where each begins, its writer (-1: nobody) and its readers since."""

    def __init__(self) -> None:
        self.begins: list[int] = [0]
        self.states: list[tuple[int, tuple[int, ...]]] = [(-1, ())]

    def _cut(self, at: int) -> int:
        """The number of the piece that begins there."""
        k = bisect_right(self.begins, at) - 1
        if self.begins[k] == at:
            return k
        self.begins.insert(k + 1, at)
        self.states.insert(k + 1, self.states[k])
        return k + 1

    def touch(self, i: int, begin: int, end: int, writes: bool, found: set[int]) -> None:
        first, stop = self._cut(begin), self._cut(end)
        for k in range(first, stop):
            writer, readers = self.states[k]
            if writer >= 0:
                found.add(writer)
            if writes:
                found.update(readers)
            elif i not in readers:
                self.states[k] = writer, (*readers, i)
        if writes:
            self.begins[first:stop] = [begin]
            self.states[first:stop] = [(i, ())]


def verify_order(order: Order, touched: Sequence[Touched], program: str) -> None:
    """Raise a GraphError if two steps touch the same bytes, one writing, and neither waits for the other.

    Found without what :func:`order_of` knows: every two spans that share a byte are looked at.
    """
    reaches = ancestors(order.before)

    def ordered(i: int, j: int) -> bool:
        return bool(reaches[max(i, j)] >> min(i, j) & 1)

    accesses: dict[int, list[_Access]] = {}
    for i, step in enumerate(touched):
        for spans, writes in ((step.reads, False), (step.writes, True)):
            for base, begin, end in spans:
                if begin < end:
                    accesses.setdefault(base, []).append(_Access(begin, end, i, writes))
    for base, found in accesses.items():
        under_way: list[_Access] = []
        for access in sorted(found):
            begin, end, i, writes = access
            under_way = [other for other in under_way if other.end > begin]
            for other in under_way:
                if i != other.step and (writes or other.writes) and not ordered(i, other.step):
                    fail_unordered(program, i, other.step, f"bytes {begin} to {min(end, other.end)} of memory {base}")
            under_way.append(access)
    latest: dict[object, int] = {}
    for i, step in enumerate(touched):
        for name in (*((step.channel,) if step.channel else ()), order.lanes[i]):
            if name in latest and not ordered(latest[name], i):
                fail_unordered(program, latest[name], i, f"channel or lane {name}")
            latest[name] = i
        for j in range(len(touched)) if step.alone else ():
            if j != i and not ordered(i, j):
                fail_unordered(program, i, j, "nothing, but one of them runs alone")


class _Access(NamedTuple):
    begin: int
    end: int
    step: int
    writes: bool


def fail_unordered(program: str, i: int, j: int, what: str) -> None:
    """Raise the GraphError for two steps that share something and have no order."""
    fail(GraphError, program, expected=f"steps {i} and {j} one after the other", got=f"no order between them; they share {what}")
