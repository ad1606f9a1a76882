"""Cases in worker processes, several at a time: what crashes or hangs costs the case that it was on.

A part of the run is a module that is started twice over: once to share out its cases (:func:`ask_all`), and with ``--serve``
as each worker, which answers ``{"name": case}`` by ``{"found": ...}`` or ``{"error": text}`` (:func:`answer_all`).
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gpu.findings import Findings
from gpu.process import DEVICES, Answering, command, end_all, ends_on_request, serve, tail

START_SECONDS = 60.0  # of a worker: its imports


class Wrong(Exception):
    """Some of a case's answers are not good: ``found`` has all of them."""

    def __init__(self, words: str, found: Any) -> None:
        super().__init__(words)
        self.found = found


def options(description: str) -> argparse.ArgumentParser:
    """The command line that parts have in common."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="where figures and logs go")
    parser.add_argument("--device", choices=DEVICES[:2], default="gpu")
    parser.add_argument("--seconds", type=float, default=120, help="the time limit of all cases together (120)")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="some cases, by their names' beginnings")
    parser.add_argument("--serve", action="store_true", help="be a worker")
    return parser


def chosen(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    """The names that begin with one of ``only``; all without it."""
    return [name for name in names if only is None or name.startswith(tuple(only))]


def answer_all(answer: Callable[[str], Any]) -> None:
    """Be a worker: ``answer(name)`` gives what a case found, or raises."""

    def one(question: dict[str, Any], say: Callable[..., None]) -> None:
        try:
            say(found=answer(question["name"]))
        except BaseException as error:  # pytest ends by SystemExit
            say(error=traceback.format_exc(limit=-8), found=getattr(error, "found", None))

    serve(one)


class _Shared:
    """The cases still to be asked, and whether to go on."""

    def __init__(self, names: Sequence[str], seconds: float, deadline: float) -> None:
        self.names: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in names:
            self.names.put(name)
        self.seconds, self.deadline = seconds, deadline
        self.stopped = threading.Event()

    def next(self) -> str | None:
        if self.stopped.is_set() or time.monotonic() > self.deadline:
            return None
        try:
            return self.names.get_nowait()
        except queue.Empty:
            return None


def ask_all(asked: Sequence[str], names: Sequence[str], findings: Findings, at_once: int, seconds: float, deadline: float) -> None:
    """Ask workers (of the command ``asked``) all cases, each for at most ``seconds``, until the deadline of ``time.monotonic``."""
    shared = _Shared(names, seconds, deadline)
    logs = findings.place.parent / "logs"
    threads = [
        threading.Thread(target=_ask, args=(asked, logs / f"{findings.place.stem}-{i}.log", shared, findings), daemon=True)
        for i in range(min(at_once, len(names)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        shared.stopped.set()
        end_all()


def _ask(asked: Sequence[str], log: Path, shared: _Shared, findings: Findings) -> None:
    """One worker after another, each until it fails: after an error a device may be in any state."""
    worker: Answering | None = None
    while (name := shared.next()) is not None:
        begin = time.monotonic()
        try:
            if worker is None:
                worker = Answering(asked, log)
                worker.answer(min(begin + START_SECONDS, shared.deadline))
                begin = time.monotonic()
            worker.ask(name=name)
            answer = worker.answer(min(begin + shared.seconds, shared.deadline))
        except (OSError, RuntimeError, TimeoutError, ValueError) as error:
            if shared.stopped.is_set():
                return  # it was ended from here
            hangs = isinstance(error, TimeoutError)
            if worker is not None:
                worker.end(signal.SIGABRT if hangs else signal.SIGKILL)
            answer = {"error": f"{tail(log)}\n{error}" + (f" ({time.monotonic() - begin:.0f} s)" if hangs else "")}
        findings.note(name, "error" not in answer, answer.get("found"), answer.get("error", ""), time.monotonic() - begin)
        if "error" in answer and worker is not None:
            worker.end()
            worker = None
    if worker is not None:
        worker.end()


def run(module: str, names: Sequence[str], arguments: argparse.Namespace, part: str, at_once: int, seconds: float, *more: str) -> None:
    """A part's whole run: all its cases, and the status of the process. ``more``: what else its workers are started with."""
    ends_on_request()
    findings = Findings(arguments.folder, part, names)
    asked = command(module, str(arguments.folder), "--device", arguments.device, "--serve", *more, device=arguments.device)
    ask_all(asked, names, findings, at_once, seconds, time.monotonic() + arguments.seconds)
    sys.exit(findings.status)
