"""The threads that calls of oneDNN use: all of ours, unless another call or a piece of shared work uses them already.

Who runs several calls in a row takes them once (``with team:``); a call then says whether it gains from them (:meth:`Team.use`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from types import TracebackType
from typing import Any

from hybridnet.device import threads
from hybridnet.device.onednn.loading import library


class _Own(threading.local):
    """What a thread has taken."""

    depth = 0  # how many bodies it is in
    most = 1  # so many threads may each call use
    now = 0  # to so many OpenMP is set; 0 outside of all bodies
    before = 0
    holds = False


class Team(ContextDecorator):
    """``with team:`` calls in the body use our threads, if they are free; ``@team`` has them do so in a function."""

    def __init__(self) -> None:
        self._own = _Own()
        self._lock = threading.Lock()
        self._was_used = False  # OpenMP's threads have been started
        self._forked = False

    def __enter__(self) -> None:
        own = self._own
        own.depth += 1
        if own.depth > 1:
            return
        found = library()
        if found is None or found.runtime != "OpenMP":
            own.most = own.now = 1
            return
        own.before = own.now = found.get_threads()  # others use the same OpenMP
        most = threads.count()
        own.holds = most > 1 and not self._forked and not threads.is_sharing() and self._lock.acquire(blocking=False)
        own.most = most if own.holds else 1
        self._was_used = self._was_used or own.holds

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        own = self._own
        own.depth -= 1
        if own.depth:
            return
        self._set(own, own.before)
        own.now = own.before = 0
        if own.holds:
            own.holds = False
            self._lock.release()

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """A block in which the library plans for so many threads."""
        found = library()
        if found is None or found.runtime != "OpenMP":
            yield
            return
        before = found.get_threads()
        found.set_threads(number)
        try:
            yield
        finally:
            found.set_threads(before)

    def use(self, gains: bool) -> int:
        """In a body: how many threads the next call has; one, unless it ``gains`` from more."""
        own = self._own
        number = own.most if gains else 1
        if own.now != number:
            self._set(own, number)
        return number

    def _set(self, own: Any, number: int) -> None:
        if number and own.now != number:
            found = library()
            assert found is not None
            if found.runtime == "OpenMP":
                found.set_threads(number)
            own.now = number

    def begin_again(self) -> None:
        """In a process that was forked off: OpenMP's threads are not there, and GNU's OpenMP would wait for them for ever."""
        self._lock = threading.Lock()
        self._own = _Own()
        self._forked = self._forked or self._was_used


team = Team()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=team.begin_again)
