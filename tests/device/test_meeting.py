"""Ranks of one machine that wait for one another asleep."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ranks import on_ranks

from hybridnet.device import communicate, cores, meeting


def arranged(rank: int) -> meeting.Meeting | None:
    ranks = communicate.world()
    return meeting.arrange(rank, ranks.size, ranks.gather_objects)


@pytest.mark.parametrize("size", [2, 5])
def test_nobody_goes_on_before_all_have_come(size: int) -> None:
    come = [0] * size

    def run(rank: int) -> float:
        found = arranged(rank)
        assert found is not None
        rng = np.random.default_rng(rank)
        begin = time.thread_time()
        for i in range(30):
            if rng.random() < 0.2:
                time.sleep(float(rng.random()) * 0.02)
            come[rank] = i + 1
            found.meet()
            assert min(come) > i
        found.close()
        return time.thread_time() - begin

    spent = on_ranks(size, run)
    assert max(spent) < 0.2  # of a second that they wait; who asks again and again spends all of it


def test_a_rank_that_has_ended_is_not_waited_for() -> None:
    def run(rank: int) -> bool:
        found = arranged(rank)
        assert found is not None
        found.meet()
        if rank == 0:
            for _ in range(3):
                found.meet()
        found.close()
        return True

    assert on_ranks(2, run) == [True, True]


def test_where_ranks_cannot_be_connected_there_is_no_meeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(rank: int) -> Any:
        """The last rank sees no folder of the first one's."""
        gather = communicate.world().gather_objects

        def moved(value: Any) -> list[Any]:
            found = gather(value)
            return [f"{tmp_path}/elsewhere", *found[1:]] if rank == 2 and isinstance(found[0], str) else found

        return meeting.arrange(rank, 3, moved)

    assert on_ranks(3, unreachable) == [None] * 3
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert on_ranks(2, arranged) == [None] * 2


def test_cores_of_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "quotas", lambda: iter(()))
    assert cores.together([frozenset({0, 1}), frozenset({1, 2})]) == 3
    assert cores.together([frozenset({0, 1})] * 4) == 2
    monkeypatch.setattr(cores, "quotas", lambda: iter((1.5, 6.0)))
    assert cores.together([frozenset({0, 1, 2})]) == 1
