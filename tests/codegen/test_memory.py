"""Where requests lie in the arena: none that live at one time share a byte, and each is where the rule says, in the smallest gap."""

import random
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridnet.codegen import memory
from hybridnet.codegen.memory import Request, place
from hybridnet.codegen.plan import alone

ALIGNMENT = 8

_made = st.builds(
    lambda size, start, length, offset: Request(size, start, start + length, offset),
    st.integers(0, 60),
    st.integers(0, 12),
    st.integers(0, 8),
    st.one_of(st.just(-1), st.just(-1), st.integers(0, 20).map(lambda n: n * ALIGNMENT)),
)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _smallest_gap(request: Request, placed: list[Request]) -> int:
    """Where a request belongs among those that are placed, by the definition: the first of the smallest gaps, else behind all."""
    living = sorted((r for r in placed if r.start <= request.stop and request.start <= r.stop), key=lambda r: r.offset)
    gaps, end = [], 0
    for other in living:
        if other.offset - end >= _aligned(request.size):
            gaps.append((other.offset - end, end))
        end = max(end, other.offset + _aligned(other.size))
    return min(gaps)[1] if gaps else end


@given(st.lists(_made, max_size=30))
def test_each_lies_in_the_smallest_gap(requests: list[Request]) -> None:
    placed = [Request(r.size, r.start, r.stop, r.offset) for r in requests if r.offset >= 0]
    waiting = [r for r in requests if r.offset < 0]
    total = place(requests, ALIGNMENT)
    for r in sorted(waiting, key=lambda r: (-r.size, r.start)):
        assert r.offset == _smallest_gap(r, placed)
        placed.append(r)
    assert total == max((r.offset + _aligned(r.size) for r in requests), default=0)


@given(st.lists(_made.map(lambda r: Request(r.size, r.start, r.stop)), max_size=30))
def test_what_lives_at_one_time_is_apart(requests: list[Request]) -> None:
    place(requests, ALIGNMENT)
    for i, a in enumerate(requests):
        for b in requests[:i]:
            if a.start <= b.stop and b.start <= a.stop and a.size and b.size:
                assert a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=8))
def test_extents_that_are_alone(extents: list[tuple[int, int]]) -> None:
    taken = [set(range(start, start + size)) for start, size in extents]
    apart = {e for i, e in enumerate(extents) if not any(taken[i] & other for j, other in enumerate(taken) if j != i)}
    assert alone(extents) == apart


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("free", [0, 400])
def test_what_is_better_apart_moves_where_the_arena_does_not_grow(seed: int, free: int) -> None:
    rng = random.Random(seed)

    def requests() -> list[Request]:
        return [Request(r.size, r.start, r.stop) for r in made]

    starts = [rng.randrange(12) for _ in range(rng.randrange(2, 30))]
    made = [Request(rng.randrange(1, 60), start, start + rng.randrange(5)) for start in starts]
    number = len(made)
    apart = np.array([[rng.random() < 0.3 for _ in made] for _ in made])
    apart = (apart | apart.T) & ~np.eye(number, dtype=bool)
    least, spread = requests(), requests()
    with mock.patch.object(memory, "FREE_BYTES", free):
        total, grown = place(least, ALIGNMENT), place(spread, ALIGNMENT, apart)
    assert grown == max(r.offset + _aligned(r.size) for r in spread) <= max(total, free)

    def meet(a: Request, b: Request) -> bool:
        return a.offset < b.offset + _aligned(b.size) and b.offset < a.offset + _aligned(a.size)

    pairs = [(i, j) for i in range(number) for j in range(i)]
    assert not any(meet(a, b) for a, b in ((spread[i], spread[j]) for i, j in pairs) if a.start <= b.stop and b.start <= a.stop)
    before, after = ({(i, j) for i, j in pairs if apart[i, j] and meet(rs[i], rs[j])} for rs in (least, spread))
    assert len(after) <= len(before)
    if not before:
        assert [r.offset for r in spread] == [r.offset for r in least]
    if free and grown < free - 60:  # there was room for each
        assert not after
