"""Threads that take part in work that another one shares with them, each woken by a lock of its own.

A thread pool's future, condition and semaphore take twice as long: 46 µs until nothing has been shared on two cores, where this takes 23,
with other things in the caches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Task:
    """Something that a helper is to do, unless whoever asked takes it back before it has begun. ``error``: what it raised."""

    __slots__ = ("_begun", "_ended", "_run", "error")

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self._begun, self._ended = threading.Lock(), threading.Lock()
        self._ended.acquire()
        self.error: BaseException | None = None

    def take_back(self) -> bool:
        """Whether it has not begun, so that it never will."""
        return self._begun.acquire(blocking=False)

    def wait(self) -> None:
        """Until it has ended, once; a signal may interrupt it, and it may be called again then."""
        self._ended.acquire()

    def do(self, ended: Callable[[], None]) -> None:
        """Run it, if it was not taken back; ``ended`` is called before whoever waits goes on."""
        if not self.take_back():
            ended()
            return
        try:
            self._run()
        except BaseException as error:  # which is raised where it is waited for
            self.error = error
        ended()
        self._ended.release()


class _Helper(threading.Thread):
    """A thread that does one task after another. ``task``: the next, set before ``wake`` is released."""

    def __init__(self, owner: Helpers, number: int) -> None:
        super().__init__(name=f"hybridnet_{number}", daemon=True)
        self._owner, self.wake = owner, threading.Lock()
        self.task: Task | None = None
        self.wake.acquire()
        self.start()

    def run(self) -> None:
        self._owner.begin()
        while True:
            self.wake.acquire()
            task, self.task = self.task, None
            assert task is not None
            task.do(self._is_idle)
            del task  # and what it holds

    def _is_idle(self) -> None:
        self._owner.idle.append(self)


class Helpers:
    """All of them: each is made when there is work for it. ``begin``: what each calls first."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        self.begin = begin
        self.begin_again()

    def ask(self, run: Callable[[], Any], most: int) -> Task | None:
        """Have one of them do something; None where ``most`` of them or more have work."""
        try:
            helper = self.idle.pop()
        except IndexError:
            if self._made >= most:
                return None
            self._made += 1
            helper = _Helper(self, self._made)
        task = helper.task = Task(run)
        helper.wake.release()
        return task

    def begin_again(self) -> None:
        """In a process that was forked off, into which threads do not go along."""
        self.idle: list[_Helper] = []
        self._made = 0
