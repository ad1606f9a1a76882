"""What ranks tell one another while they wait, by threads that stand for ranks: who is named when one does not come."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hybridnet.device import communicate, watchdog
from hybridnet.device.watchdog import LOST, Board, Progress, Watchdog


class Ranks:
    """So many watchdogs of one process, what they said when they ended all, and with which status."""

    def __init__(self, size: int, deadline: float) -> None:
        self.board = Board(size, True)
        self.progress = [Progress() for _ in range(size)]
        self.status: list[int] = []
        self.ended = threading.Event()
        self.dogs = [Watchdog(rank, size, p, lambda: deadline, self.end_all) for rank, p in enumerate(self.progress)]

    def start(self) -> None:
        for dog in self.dogs:
            assert dog.connect(self.board if dog.rank == 0 else None, self.board.address, self.board.key) == ""
            dog.start()

    def end_all(self, status: int) -> None:
        self.status.append(status)
        self.ended.set()


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranks]:
    monkeypatch.setattr(watchdog, "_LAST_WORDS", 0.1)
    monkeypatch.setattr(watchdog, "_PATIENCE", 0.5)
    made = Ranks(3, 0.7)
    made.start()
    yield made
    stopping = [threading.Thread(target=dog.stop) for dog in made.dogs if not made.status]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join(20)
        assert not thread.is_alive(), "ranks that all end have not met"
    for dog in made.dogs:
        if dog._connection is not None:
            dog._connection.close()


def said(capsys: Any, ranks: Ranks) -> str:
    assert ranks.ended.wait(20)
    time.sleep(0.4)
    assert set(ranks.status) == {LOST}
    return str(capsys.readouterr().err)


def test_who_is_missing_is_named(ranks: Ranks, capsys: Any) -> None:
    for p in ranks.progress:
        p.enter("all_reduce")
        p.leave()
    ranks.progress[0].enter("all_reduce")
    ranks.progress[1].enter("all_reduce")
    text = said(capsys, ranks)
    assert text.count("ends all: RankError: [all_reduce 2] expected all 3 ranks within 0.7 s (HYBRIDNET_DEADLINE); got rank 2 (pid ") == 1
    assert "it runs, after 1 collectives, and has not come to the next; at " in text
    assert all(f"rank {r} of 3 is here:" in text for r in range(3))
    assert "in test_who_is_missing_is_named" in text, "the main thread's trace"


def test_one_that_is_behind_is_named_where_it_waits(ranks: Ranks, capsys: Any) -> None:
    ranks.progress[2].enter("broadcast")
    for p in ranks.progress[:2]:
        p.enter("broadcast")
        p.leave()
        p.enter("all_reduce")
    assert "got rank 2 (pid " in (text := said(capsys, ranks)) and "it runs, in broadcast 1" in text


def test_one_that_ended_before_the_others(ranks: Ranks, capsys: Any) -> None:
    for p in ranks.progress[:2]:
        p.enter("all_reduce")
    threading.Thread(target=ranks.dogs[2].stop, daemon=True).start()
    assert "got rank 2 (pid " in (text := said(capsys, ranks)) and "it has ended, before its first collective" in text
    ranks.dogs[2]._met.set()


def test_groups_count_for_themselves(ranks: Ranks, capsys: Any) -> None:
    """One that is ahead in another group, and one that has nothing to do with this one, are not named."""
    for _ in range(3):
        ranks.progress[1].enter("all_reduce", (1, 2))
        ranks.progress[1].leave()
    ranks.progress[0].enter("all_gather", (0, 1))
    text = said(capsys, ranks)
    assert "[all_gather 1 of ranks 0, 1] expected all 2 ranks within 0.7 s" in text
    assert "got rank 1 (pid " in text and "it runs, before its first collective" in text and "rank 2 (pid" not in text


def test_all_there_and_no_sum(ranks: Ranks, capsys: Any) -> None:
    for p in ranks.progress:
        p.enter("all_reduce")
    assert "got all ranks there, of which MPI has not brought the numbers together" in said(capsys, ranks)


def test_what_a_library_finds_wrong(ranks: Ranks, capsys: Any) -> None:
    """NCCL's errors come later than its calls; they are given up, and all ends at once."""
    given_up: list[bool] = []

    class Communicator:
        def check_async_error(self) -> None:
            raise OSError("unhandled system error")

        def abort(self) -> None:
            given_up.append(True)

    ranks.dogs[1].checks.append(lambda: communicate._nccl_error(Communicator()))
    assert "got NCCL's OSError: unhandled system error" in said(capsys, ranks) and given_up


def test_nobody_waits_and_all_end(ranks: Ranks, capsys: Any) -> None:
    """However long a rank takes for itself, at the end too: the others wait for it."""
    ended = threading.Thread(target=ranks.dogs[2].stop)
    ended.start()
    ranks.progress[0].enter("all_reduce")
    ranks.progress[0].leave()
    assert not ranks.ended.wait(1.2) and ended.is_alive()
    others = [threading.Thread(target=dog.stop) for dog in ranks.dogs[:2]]
    for thread in others:
        thread.start()
    for thread in (ended, *others):
        thread.join(20)
        assert not thread.is_alive()
    assert not capsys.readouterr().err


def test_one_that_stops_while_the_others_end(ranks: Ranks, capsys: Any) -> None:
    ranks.dogs[2]._ended.set()  # its thread tells no more
    for dog in ranks.dogs[:2]:
        threading.Thread(target=dog.stop, daemon=True).start()
    assert "[the end] expected all 3 ranks" in (text := said(capsys, ranks)) and "got rank 2 (pid" in text and ": stopped " in text
    for dog in ranks.dogs[:2]:
        dog._met.set()


def test_a_process_that_is_gone(ranks: Ranks, capsys: Any) -> None:
    connection = ranks.dogs[2]._connection
    assert connection is not None
    ranks.dogs[2]._ended.set()
    time.sleep(0.6)
    connection.close()
    ranks.progress[0].enter("all_reduce")
    ranks.progress[0].since -= 0.4  # so long it has waited, though not for as long as the deadline
    ranks.dogs[0]._deadline = ranks.dogs[1]._deadline = lambda: 1e9
    assert "its process has ended" in said(capsys, ranks)


def test_where_a_rank_does_not_reach_the_first_all_do_without() -> None:
    made = Ranks(3, 0.7)
    host, port = made.board.address
    first, second, third = made.dogs
    assert first.connect(made.board, (host, port), made.board.key) == second.connect(None, (host, port), made.board.key) == ""
    with socket.socket() as closed:  # a port at which nobody listens
        closed.bind((host, 0))
        reason = third.connect(None, (host, closed.getsockname()[1]), made.board.key)
    assert reason.startswith("rank 2 on ") and f"does not reach rank 0 at {host}:" in reason
    for dog in made.dogs:
        dog.give_up()
    for dog in made.dogs:
        dog.stop()  # at once


def test_others_who_find_the_port_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Ranks(2, 5.0)
    with socket.create_connection(made.board.address) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    made.start()
    stopping = [threading.Thread(target=dog.stop) for dog in made.dogs]
    for thread in stopping:
        thread.start()
    for thread in stopping:
        thread.join(20)
        assert not thread.is_alive()
