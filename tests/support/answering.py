"""Calls answered by another library in a Python of its own, which may end at one of them: a script appends answers, another goes on.

Such a script is run as ``python SCRIPT LIBRARY CALLS ANSWERS`` and calls :func:`append_answers`; it needs NumPy and the library.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Answer = dict[str, Any]


def append_answers(answer: Callable[[Any, Any], Answer], library: str, calls: str, answers: str) -> None:
    """Answer the calls of a file that have no answer yet."""
    module = importlib.import_module(library)
    asked = json.loads(Path(calls).read_text())
    done = len(read(answers))
    with open(answers, "ab") as file:
        os.utime(answers)  # the library is there, and the first call begins
        for call in asked[done:]:
            with np.errstate(all="ignore"):
                pickle.dump(answer(module, call), file)
            file.flush()


def read(path: str | Path) -> list[Answer]:
    """The answers of a file, as far as it is whole."""
    return _whole(Path(path))[0]


def _whole(path: Path) -> tuple[list[Answer], int]:
    """The answers of a file, and where they end: a process that was ended may have left half of one behind them."""
    found: list[Answer] = []
    end = 0
    if path.exists():
        with open(path, "rb") as file:
            try:
                while True:
                    found.append(pickle.load(file))
                    end = file.tell()
            except (EOFError, pickle.UnpicklingError):
                pass
    return found, end


def answered(python: str, script: Path, calls: list[Any], patience: float = 60.0) -> list[Answer]:
    """MXNet's answers. At a call its process may end, or give no answer for ``patience`` seconds, whereupon it is ended: then the answer
    is ``crash`` with the code, or ``hang`` with the seconds, and another process goes on behind that call."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answers = Path(folder) / "calls.json", Path(folder) / "answers"
        asked.write_text(json.dumps(calls))
        command = [python, str(script), "mxnet", str(asked), str(answers)]
        while (done := len(read(answers))) < len(calls):
            ended, said = _attempt(command, answers, patience)
            found, end = _whole(answers)
            if len(found) == len(calls):
                break
            if ended is not None and ended > 0 and not found and not done:
                raise RuntimeError(said)
            with open(answers, "ab") as file:
                file.truncate(end)
                pickle.dump({"hang": patience} if ended is None else {"crash": ended}, file)
        return read(answers)


def _attempt(command: list[str], answers: Path, patience: float) -> tuple[int | None, str]:
    """The code with which a process ended, or None if it gave no answer for so long and was ended, and the end of what it said.

    Until it has the library it is waited for ten times as long.
    """
    with tempfile.TemporaryFile() as errors, subprocess.Popen(command, cwd=answers.parent, stdout=errors, stderr=errors) as process:
        seen, limit, waited = _sign(answers), 10 * patience, 0.0
        while process.returncode is None:
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                if (sign := _sign(answers)) != seen:
                    seen, limit, waited = sign, patience, 0.0
                elif (waited := waited + patience) >= limit:
                    process.kill()
                    return None, ""
        errors.seek(0)
        return process.returncode, errors.read().decode(errors="replace")[-2000:]


def _sign(answers: Path) -> Any:
    """What changes with each answer."""
    return (found.st_size, found.st_mtime_ns) if answers.exists() and (found := answers.stat()) else None
