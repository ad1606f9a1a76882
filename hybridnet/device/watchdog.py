"""A thread in each rank that notices when another one is lost: killed, stopped, or somewhere else while the others wait for it.

Every rank tells rank 0 a few times a second how far it has come, and hears what the others told; nothing in that is a collective,
so that it works while collectives wait. A rank that has waited for ``HYBRIDNET_DEADLINE`` seconds in one says who has not come, all
ranks print where each of their threads is, and all end with status 75, upon which a launcher may start them again. What a rank tells
travels through a socket of rank 0, to which only those have the key that MPI has told it.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from hybridnet.errors import RankError, Site, is_users, message

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: The exit status of ranks that end because one is lost (EX_TEMPFAIL of sysexits.h: try again).
LOST = 75
_BEATS = 4  # a second
_SOON = 0.02  # seconds between beats while all are about to end
_PATIENCE = 2.0  # seconds for which a connection that broke may yet be followed by the launcher's own end of all
_LAST_WORDS = 1.0  # seconds for all ranks to print where they are
_OLD = 3.0  # seconds without a beat after which a rank counts as stopped

_END, _GONE = "the end", "gone"  # kinds: of a rank that waits for the others to end with it, and of one that has ended as it should
_OURS = "hybridnet-"  # how names of threads of this file begin

Told = dict[str, Any]


def _connections() -> Any:
    """Python's module of them, which a process that is alone need not load."""
    return importlib.import_module("multiprocessing.connection")


class Progress:
    """How far a rank has come: how many collectives it has begun, in which it is now, and since when.

    They are counted for each group of ranks that has some of its own; ``members`` are the ranks of one, and () is all.
    """

    def __init__(self) -> None:
        self.counts: dict[tuple[int, ...], int] = {}
        self.kind, self.since = "", 0.0
        self.members: tuple[int, ...] = ()

    def enter(self, kind: str, members: tuple[int, ...] = ()) -> None:
        """Note that a collective of these ranks begins."""
        self.counts[members] = self.counts.get(members, 0) + 1
        self.members, self.kind, self.since = members, kind, time.monotonic()

    def end(self) -> None:
        """Note that this rank waits for the others to end with it."""
        self.members, self.kind, self.since = (), _END, time.monotonic()

    def leave(self) -> None:
        """Note that the collective is over."""
        self.kind = ""

    def waited(self) -> float:
        """Seconds in the collective of now."""
        return time.monotonic() - self.since if self.kind else 0.0


class Board:
    """What every rank told last, kept by rank 0. ``key`` lets others in; ``address`` is where."""

    def __init__(self, size: int, on_one_machine: bool) -> None:
        self.size, self.key = size, secrets.token_bytes(32)
        self._listener = _connections().Listener(("127.0.0.1" if on_one_machine else "", 0), backlog=size, authkey=self.key)
        port = self._listener.address[1]
        # By name: what a machine takes its own name for may be an address that others do not reach.
        self.address = ("127.0.0.1" if on_one_machine else socket.gethostname(), port)
        self._closed = False
        self._told: dict[int, Told] = {}
        self._heard: dict[int, float] = {}
        self._lost: dict[int, str] = {}
        self._alarm: Told = {}
        self._lock = threading.Lock()
        self.empty = threading.Event()  # all others have gone
        threading.Thread(target=self._serve, name=f"{_OURS}board", daemon=True).start()

    def exchange(self, told: Told) -> Told:
        """Note what a rank tells; gives what all told, with the seconds since, and the alarm if there is one."""
        with self._lock:
            now = time.monotonic()
            self._told[told["rank"]], self._heard[told["rank"]] = told, now
            if told.get("alarm") and not self._alarm:
                self._alarm = {"by": told["rank"], "text": told["alarm"]}
            ranks = [{**t, "age": now - self._heard[r], "lost": self._lost.get(r, "")} for r, t in sorted(self._told.items())]
            return {"ranks": ranks, "alarm": self._alarm}

    def _serve(self) -> None:
        connections: dict[Connection, int] = {}
        with self._listener:
            while len(connections) < self.size - 1 and not self._closed:
                with suppress(OSError, EOFError, _connections().AuthenticationError):  # of somebody else, who found the port
                    connection = self._listener.accept()
                    told = json.loads(connection.recv_bytes())
                    connections[connection] = told["rank"]
                    self.exchange(told)
        while connections:
            for ready in _connections().wait(list(connections)):
                if not self._answer(ready, connections[ready]):
                    del connections[ready]
                    ready.close()
        self.empty.set()

    def close(self) -> None:
        """Have done with it: not all ranks reach it."""
        self._closed = True
        with suppress(OSError):  # what waits for the next rank is let go by one more
            _connections().Client(self._listener.address, authkey=self.key).close()

    def _answer(self, connection: Connection, rank: int) -> bool:
        """Answer one message of a rank; whether there may be more."""
        try:
            told = json.loads(connection.recv_bytes())
            if told["kind"] == _GONE:
                self.exchange(told)
                return False
            connection.send_bytes(json.dumps(self.exchange(told)).encode())
            return True
        except (OSError, EOFError):
            with self._lock:
                self._lost[rank] = "its process has ended"
            return False


class Watchdog:
    """The thread of one rank. ``end_all`` ends every rank with a status; each of ``checks`` says what is wrong, or nothing."""

    def __init__(self, rank: int, size: int, progress: Progress, deadline: Callable[[], float], end_all: Callable[[int], object]) -> None:
        self.rank, self.size, self._progress, self._deadline, self._end_all = rank, size, progress, deadline, end_all
        self.checks: list[Callable[[], str]] = []
        self._about = {"rank": rank, "pid": os.getpid(), "host": socket.gethostname(), "counts": {}, "kind": "", "group": ""}
        self._exchange: Callable[[Told], Told]
        self._connection: Connection | None = None
        self._board: Board | None = None
        self._ended, self._met, self._hurry = threading.Event(), threading.Event(), threading.Event()

    def connect(self, board: Board | None, address: tuple[str, int], key: bytes) -> str:
        """Find what the ranks tell: rank 0 its own board, others that of the address. Why that cannot be done; "" where it is."""
        self._board = board
        if board is not None:
            self._exchange = board.exchange
            return ""
        try:
            connection = self._connection = _connections().Client(address, authkey=key)
            connection.send_bytes(json.dumps(self._about).encode())
        except (OSError, EOFError, _connections().AuthenticationError) as error:
            return f"rank {self.rank} on {self._about['host']} does not reach rank 0 at {address[0]}:{address[1]}: {error}"
        self._exchange = self._ask
        return ""

    def start(self) -> None:
        """Begin to tell and to listen."""
        threading.Thread(target=self._run, name=f"{_OURS}watchdog", daemon=True).start()

    def give_up(self) -> None:
        """Do without: not all ranks reach rank 0."""
        self._met.set()
        if self._board is not None:
            self._board.close()
        if self._connection is not None:
            self._connection.close()
        self._board = self._connection = None

    def stop(self) -> None:
        """End as one should: once all ranks are here, or one is lost, which ends all. However long others take, they are waited for."""
        self._progress.end()
        self._hurry.set()
        self._met.wait()
        if self._board is not None:  # its threads end with this one, though the process may live on in MPI's own end
            self._board.empty.wait(_PATIENCE)
        self._ended.set()
        self._hurry.set()
        if self._connection is not None:
            with suppress(OSError), self._connection:
                self._connection.send_bytes(json.dumps(self._about | {"kind": _GONE}).encode())

    def _ask(self, told: Told) -> Told:
        assert self._connection is not None
        self._connection.send_bytes(json.dumps(told).encode())
        begin = time.monotonic()
        while not self._connection.poll(1.0):
            if time.monotonic() - begin > self._deadline():
                raise TimeoutError(f"it has said nothing for {time.monotonic() - begin:.0f} s")
        answer: Told = json.loads(self._connection.recv_bytes())
        return answer

    def _next(self) -> bool:
        """Wait for the moment of the next beat; whether there is one."""
        at_end = self._progress.kind == _END and self._progress.waited() < 1
        self._hurry.wait(_SOON if at_end else 1 / _BEATS)
        self._hurry.clear()
        return not self._ended.is_set()

    def _run(self) -> None:
        while self._next():
            progress = self._progress
            counts = {_key(members): count for members, count in dict(progress.counts).items()}
            told = self._about | {"counts": counts, "kind": progress.kind, "group": _key(progress.members)}
            try:
                found = self._exchange(told)
            except (OSError, EOFError, TimeoutError) as error:
                self._without_rank_0(error)
                return
            alarm = found["alarm"]
            if not alarm and (text := self._trouble(found["ranks"])):
                with suppress(OSError, EOFError, TimeoutError):
                    alarm = self._exchange({**told, "alarm": text})["alarm"]
            if alarm and not self._ended.is_set():
                self._end(alarm["text"] if alarm["by"] == self.rank else "")
                return
            if len(found["ranks"]) == self.size and all(r["kind"] in (_END, _GONE) for r in found["ranks"]):
                self._met.set()

    def _without_rank_0(self, error: Exception) -> None:
        """Rank 0 is the first to go where all end as they should; else the launcher ends all, or this rank as soon as it waits."""
        state = str(error) if isinstance(error, TimeoutError) else "its process has ended"
        while self._next():
            if self._progress.kind == _END and not isinstance(error, TimeoutError):
                self._met.set()
            elif self._progress.waited() > _PATIENCE:
                self._end(self._text(f"rank 0: {state}"))
                return

    def _trouble(self, ranks: list[Told]) -> str:
        """What is wrong, if anything is."""
        for check in self.checks:
            if said := check():
                return self._text(said)
        waited, at_end = self._progress.waited(), self._progress.kind == _END
        lost = [r for r in ranks if r["lost"] or (at_end and r["age"] > self._deadline() and r["kind"] != _GONE)]
        if lost and waited > _PATIENCE:
            return self._text("; ".join(f"{_named(r)}: {r['lost'] or _state(r, '')}" for r in lost))
        if at_end or waited < self._deadline():
            return ""
        members, key = self._progress.members or range(self.size), _key(self._progress.members)
        count = self._progress.counts[self._progress.members]
        missing = [r for r in ranks if r["rank"] in members and r["counts"].get(key, 0) < count]
        known = {r["rank"] for r in ranks}
        absent = [f"rank {rank}, which never said anything" for rank in members if rank not in known]
        others = [f"{_named(r)}: {_state(r, key)}" for r in missing]
        return self._text("; ".join([*others, *absent]) or "all ranks there, of which MPI has not brought the numbers together")

    def _text(self, got: str) -> str:
        progress = self._progress
        count = progress.counts.get(progress.members, 0)
        where = f"{progress.kind} {count}" if progress.kind != _END else _END
        where += f" of ranks {', '.join(map(str, progress.members))}" if progress.members else ""
        expected = f"all {len(progress.members) or self.size} ranks within {self._deadline():g} s (HYBRIDNET_DEADLINE)"
        fix = "the traces below; what was saved last goes on when the launcher starts the program again"
        return message(where, expected=expected, got=got, fix=fix, site=_site_of_main())

    def _end(self, text: str) -> None:
        sys.stdout.flush()
        name = f"rank {self.rank} of {self.size}"
        if text:
            print(f"{name} ends all: {RankError.__name__}: {text}", file=sys.stderr)
        print(f"{name} is here:\n{_traces()}", file=sys.stderr, flush=True)
        time.sleep(_LAST_WORDS)
        self._end_all(LOST)


def _site_of_main() -> Site:
    """The user's line at which the main thread is."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and not is_users(frame):
        frame = frame.f_back
    return Site(frame.f_code, frame.f_lasti, "") if frame is not None else Site(None, 0, "")


def _traces() -> str:
    """Where each thread is but for those of this file, the main one last."""
    frames = sys._current_frames()
    threads = [t for t in threading.enumerate() if not t.name.startswith(_OURS) and t.ident in frames]
    main = threading.main_thread()
    found = [
        f"{'' if t is main else f'thread {t.name}: '}\n{''.join(traceback.format_stack(frames[t.ident or 0]))}"
        for t in sorted(threads, key=lambda t: t is main)
    ]
    return "\n".join(found).strip("\n")


def _named(told: Told) -> str:
    return f"rank {told['rank']} (pid {told['pid']} on {told['host']})"


def _state(told: Told, group: str) -> str:
    """What a rank does that others wait for, in a group of ranks."""
    count = told["counts"].get(group, 0)
    done = f"after {count} collectives" if count else "before its first collective"
    if told["kind"] in (_END, _GONE):
        return f"it has ended, {done}"
    if told["age"] > _OLD:
        return f"stopped {told['age']:.0f} s ago, {done}"
    if not told["kind"]:
        return f"it runs, {done}, and has not come to the next"
    return f"it runs, in {told['kind']} {told['counts'][told['group']]}" + (f" of ranks {told['group']}" if told["group"] else "")


def _key(members: tuple[int, ...]) -> str:
    return ", ".join(map(str, members))
