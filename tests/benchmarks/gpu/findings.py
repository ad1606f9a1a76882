"""What a part of the run found, case by case: written to its file as it comes, and read from there for the table at the end."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write(place: Path, content: Any) -> None:
    """JSON under another name, then renamed: what is there is always whole."""
    made = place.with_suffix(".tmp")
    made.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    made.replace(place)


#: Lines that say more than the last one does: errors of NVRTC and g++, and the first complaint of compute-sanitizer.
TELLING = re.compile(r"\): error|: error:|^={5,} (?!COMPUTE-SANITIZER)\S")


def reason(text: str) -> str:
    """Of a traceback, or of the words of a compiler or a tool, the line that says most."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()] or [""]
    return next((line for line in lines if TELLING.search(line)), lines[-1])


class Findings:
    """The cases of one part; all methods may be called from several threads."""

    def __init__(self, folder: Path, part: str, expected: Iterable[str]) -> None:
        """``expected``: the names of the cases; what is not noted at the end was not asked, and counts as wrong."""
        self.place = folder / f"{part}.json"
        self.text = folder / f"{part}.txt"
        self.expected = list(dict.fromkeys(expected))
        self.cases: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self.text.write_text("", encoding="utf-8")
        self._write()

    def expect(self, name: str) -> None:
        with self._lock:
            if name not in self.expected:
                self.expected.append(name)

    def note(self, name: str, good: bool, found: Any = None, why: str = "", seconds: float = 0.0) -> None:
        """A case has come to its end: what was found, and if that is not good, why."""
        with self._lock:
            self.cases[name] = {"good": good, "seconds": round(seconds, 2), "found": found, "why": why}
            said = reason(why) if not good else found if isinstance(found, str) else json.dumps(found, default=str)
            print(f"{'ok' if good else 'FAILED'}  {name}: {said}"[:240], flush=True)
            with open(self.text, "a", encoding="utf-8") as text:
                print(f"{'ok' if good else 'FAILED'}  {name} ({seconds:.1f} s)\n{said if good else why}\n", file=text)
            self._write()

    def _write(self) -> None:
        write(self.place, {"expected": self.expected, "cases": self.cases})

    @property
    def status(self) -> int:
        """Of the process: 0 if every case was asked and is good, and there was one."""
        return int(bool(wrong({"expected": self.expected, "cases": self.cases})))


def read(place: Path) -> dict[str, Any]:
    """What a part wrote; nothing expected and found if it wrote nothing."""
    try:
        return dict(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {"expected": [], "cases": {}}


def wrong(found: dict[str, Any]) -> dict[str, str]:
    """The cases that are not good, and why in a line."""
    if not found["expected"]:
        return {"no case": "nothing was asked"}
    bad = {name: reason(case["why"]) for name, case in found["cases"].items() if not case["good"]}
    return bad | {name: "not asked: no time was left, or the part ended before" for name in found["expected"] if name not in found["cases"]}


def summary(found: dict[str, Any]) -> str:
    """In a few words: how many cases are good."""
    return f"{sum(case['good'] for case in found['cases'].values())} of {len(found['expected'])} good"
