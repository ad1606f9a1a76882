"""Processes of their own for whatever may crash or hang: the commands, answers as lines of JSON, an end for all that they start.

Relies on nothing but the standard library, so that a run can say what went wrong where nothing else can be imported.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent.parent
DEVICES = ("gpu", "emulated", "cpu")
STOPPED = 128 + signal.SIGTERM  # the status of what was told to end


def command(module: str, *arguments: str, device: str = "gpu", python: str | None = None) -> list[str]:
    """The command that runs a module; on an emulated GPU if ``device`` is ``"emulated"``."""
    around = ["-m", "emulator.run"] if device == "emulated" else []
    return [python or sys.executable, "-u", *around, "-m", module, *arguments]


def environment(**more: str) -> dict[str, str]:
    """This environment with the folders that the modules are found in before those that are named there."""
    folders = dict.fromkeys([*map(str, (HERE.parent, TESTS, TESTS.parent)), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(f for f in folders if f), **more}


class Process:
    """A process in a group of its own, which ends with all that it has started."""

    running: set[Process] = set()
    starting = False  # one that runs and is not among ``running`` yet: who is told to end then waits for that
    told_to_end = False

    def __init__(self, asked: Sequence[str], log: Path, more: Mapping[str, str] | None = None, **pipes: Any) -> None:
        """``log``: the file that it prints to, where ``pipes`` do not say otherwise; ``more``: variables of its environment."""
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        Process.starting = True
        try:
            with open(log, "a", encoding="utf-8") as words:
                where = {"stdin": subprocess.DEVNULL, "stdout": words, "stderr": words, **pipes}
                self.process = subprocess.Popen(asked, env=environment(**(more or {})), text=True, start_new_session=True, **where)
            Process.running.add(self)
        finally:
            Process.starting = False
        if Process.told_to_end:
            raise SystemExit(STOPPED)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self, number: int = signal.SIGKILL, patience: float = 2.0) -> None:
        """End it: by a signal that lets it say something first, and after so many seconds by one that does not."""
        with contextlib.suppress(ProcessLookupError):
            if self.alive and number != signal.SIGKILL:
                self.process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        Process.running.discard(self)


def finished(asked: Sequence[str], log: Path, seconds: float) -> int:
    """Run a command to its end; its status. A TimeoutError after so many seconds."""
    process = Process(asked, log)
    try:
        return process.process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"not done in {seconds:.0f} s") from None
    finally:
        process.end()


def tail(log: Path, lines: int = 25) -> str:
    """The end of what a process printed."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


class Answering(Process):
    """A process that is asked by lines of JSON on its input and answers by such lines on its output."""

    def __init__(self, asked: Sequence[str], log: Path, more: Mapping[str, str] | None = None) -> None:
        super().__init__(asked, log, more, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def ask(self, **question: Any) -> None:
        assert self.process.stdin is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)

    def answer(self, deadline: float) -> dict[str, Any]:
        """The next answer; a TimeoutError once the deadline (of ``time.monotonic``) has passed, a RuntimeError if it has ended."""
        try:
            line = self._answers.get(timeout=max(deadline - time.monotonic(), 0.01))
        except queue.Empty:
            raise TimeoutError("no answer in time") from None
        if line is None:
            raise RuntimeError(f"ended with status {self.process.wait()}")
        return dict(json.loads(line))

    def end(self, number: int = signal.SIGKILL, patience: float = 2.0) -> None:
        super().end(number, patience)
        self._reader.join(timeout=5)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


def end_all() -> None:
    """End all processes that this one has started."""
    for process in tuple(Process.running):
        process.end()


def ends_on_request() -> None:
    """From here on SIGTERM unwinds the main thread, so that what is being written gets written and what was started is ended."""

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        Process.told_to_end = True
        if not Process.starting:
            raise SystemExit(STOPPED)

    signal.signal(signal.SIGTERM, stop)
    atexit.register(end_all)  # a process may have been started right before, and nobody hold it yet


# -- the other side -------------------------------------------------------------------------------------


def serve(answer: Callable[[dict[str, Any], Callable[..., None]], None], **first: Any) -> None:
    """Answer each line of the input: ``answer(question, say)``, with ``say(**fields)`` for each line of the answer.

    ``first`` is said, with ``started``, before anything is asked. What libraries print goes to the error output. The end of the
    input is the end.
    """
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**fields: Any) -> None:
        print(json.dumps(fields, default=str), file=answers, flush=True)

    say(started=True, **first)
    for line in sys.stdin:
        answer(json.loads(line), say)
