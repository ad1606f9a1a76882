"""Compiling in the background: a process compiles, one thing after another, and leaves on disk what the program's own thread loads."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from hybridnet.device import numba_function

#: Seconds that the process waits for more before it ends: it takes one to start, and 190 MB.
LINGER = 10.0
#: Failures in a row to begin, or to give a first answer, after which none is started any more.
ENOUGH = 3


class Wanted(Protocol):
    """What can be compiled."""

    def path(self) -> str:
        """The file of its text."""

    @property
    def types(self) -> tuple[str, ...]:
        """Of its arguments."""

    def arrive(self, error: str | None) -> None:
        """Be told by the compiler's thread that it is on disk, or what is wrong with it."""


class _Process:
    """That compiles (:func:`~hybridnet.device.numba_function.serve`)."""

    def __init__(self) -> None:
        if getattr(sys, "frozen", False) or "py" not in Path(sys.executable or "").name.lower():
            raise OSError(f"{sys.executable!r} is no Python, which would compile it")  # but the program itself, perhaps
        self._running = subprocess.Popen(
            [sys.executable, "-I", numba_function.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # an interrupt is for the program; this ends with its input
        )
        self.has_answered = False

    def compile(self, wanted: Wanted) -> str | None:
        """What went wrong. Raises OSError if the process has ended."""
        assert self._running.stdin is not None and self._running.stdout is not None
        order = wanted.path(), wanted.types, [folder for folder in sys.path if folder and isinstance(folder, str)]
        print(json.dumps(order), file=self._running.stdin, flush=True)
        if not (answer := self._running.stdout.readline()):
            raise OSError(f"the process that compiles ended with code {self._running.wait()}")
        self.has_answered = True
        return json.loads(answer)  # type: ignore[no-any-return]

    def disown(self) -> None:
        """In a process that was forked off: it is the other one's child, and must end with that."""
        self._running.returncode = 0
        for stream in (self._running.stdin, self._running.stdout):
            cast(Any, stream).buffer.raw.close()  # nothing is written, and no lock is asked for that a thread held

    def kill(self) -> None:
        """At once, whatever it is doing: what numba keeps is written under another name and renamed."""
        self._running.kill()

    def end(self) -> None:
        """Kill it, and give back what it held."""
        self.kill()
        self._running.wait()
        for stream in (self._running.stdin, self._running.stdout):
            assert stream is not None
            with suppress(OSError):  # of what was not read any more
                stream.close()


class Compiler:
    """The process, while there is something to compile, and the thread that speaks with it."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Wanted | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process: _Process | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._closed = False
        self.is_forked = False

    def add(self, wanted: Wanted) -> None:
        """Have something compiled."""
        if self._closed:
            return
        self._waiting.put(wanted)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="hybridnet-loops", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while not self._closed:
            try:
                wanted = self._waiting.get(timeout=LINGER if self._process else None)
            except queue.Empty:
                self._end()
                continue
            if wanted is None:
                break
            if isinstance(wanted, threading.Event):
                wanted.set()
            else:
                self._compile(wanted)
        self._end()

    def _compile(self, wanted: Wanted) -> None:
        try:
            if self._process is None:
                self._process = _Process()
            if self._closed:  # since: whoever closed it has not seen the process
                return
            error = self._process.compile(wanted)
            self._failures = 0
        except Exception as raised:  # no Python there, say, or it was killed
            if self._closed:
                return
            error = str(raised)
            self._failures += self._process is None or not self._process.has_answered
            if self._failures == ENOUGH:
                self._closed = True
            self._end()
        wanted.arrive(error)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def finish(self) -> None:
        """Wait for what has been added so far."""
        if self._thread is not None and not self._closed:
            done = threading.Event()
            self._waiting.put(done)
            while not done.wait(0.1) and self._thread.is_alive():
                pass

    def close(self) -> None:
        """At the end of the process."""
        self._closed = True
        if self._thread is not None:
            if (process := self._process) is not None:
                process.kill()
            self._waiting.put(None)
            self._thread.join()

    def begin_again(self) -> None:
        """In a process that was forked off, where numba may be in the middle of something for ever: what is compiled stays."""
        if self._process is not None:
            self._process.disown()
        self._thread, self._lock, self._closed, self.is_forked = None, threading.Lock(), True, True


compiler = Compiler()

atexit.register(compiler.close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=compiler.begin_again)
