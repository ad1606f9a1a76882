"""Where requests lie in the arena: none that live at one time share a byte, and each is where the rule says, in the smallest gap."""

from hypothesis import given
from hypothesis import strategies as st

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
