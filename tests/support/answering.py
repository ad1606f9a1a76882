"""Calls answered by another library in a Python of its own, which may end at one of them: a script appends answers, another goes on.

Such a script is run as ``python SCRIPT LIBRARY CALLS ANSWERS`` and calls :func:`append_answers`; it needs NumPy and the library.
"""

from __future__ import annotations

import importlib
import json
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
        for call in asked[done:]:
            with np.errstate(all="ignore"):
                pickle.dump(answer(module, call), file)
            file.flush()


def read(path: str | Path) -> list[Answer]:
    """The answers of a file, as far as it is whole."""
    found: list[Answer] = []
    if not Path(path).exists():
        return found
    with open(path, "rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except (EOFError, pickle.UnpicklingError):
                return found


def answered(python: str, script: Path, calls: list[Answer]) -> list[Answer]:
    """MXNet's answers. A call at which its process ends is answered by that, and another process goes on."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answers = Path(folder) / "calls.json", Path(folder) / "answers"
        asked.write_text(json.dumps(calls))
        while (done := len(read(answers))) < len(calls):
            ended = subprocess.run([python, str(script), "mxnet", str(asked), str(answers)], cwd=folder, capture_output=True, check=False)
            if len(read(answers)) == len(calls):
                break
            if len(read(answers)) == done and ended.returncode > 0 and not done:
                raise RuntimeError(ended.stderr.decode()[-2000:])
            with open(answers, "ab") as file:
                pickle.dump({"crash": ended.returncode}, file)
        return read(answers)
