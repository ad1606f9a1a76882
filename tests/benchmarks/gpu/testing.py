"""The tests marked ``gpu``, each by itself in a worker; of a group of operators that fails, each operator by itself.

    python -m gpu.testing FOLDER

Files are found by the mark in their text, so that the other sixteen thousand tests are not collected. A test that hangs is ended, and
says where it was; one that is skipped has failed (see tests/conftest.py). FOLDER/tests.json and tests.txt hold what failed, with its
words.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from gpu.findings import Findings
from gpu.isolated import answer_all, ask_all, chosen, options
from gpu.process import TESTS, Answering, command, ends_on_request

ROOT = TESTS.parent
SECONDS = 90  # of one test
AT_ONCE = 4
COLLECT = "which tests there are"
ALONE = "operator "
MARK = re.compile(r"\bmark\.gpu\b")


def files() -> list[str]:
    """The files that have tests with the mark."""
    return sorted(str(p.relative_to(ROOT)) for p in TESTS.rglob("test_*.py") if MARK.search(p.read_text(encoding="utf-8")))


# -- the worker -----------------------------------------------------------------------------------------


class _Watching:
    """A plugin of pytest: which tests are collected, and what became of one."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.passed, self.words = False, ""

    def pytest_collection_finish(self, session: Any) -> None:
        self.names = [item.nodeid for item in session.items]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.words += report.longreprtext

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.words += report.longreprtext
        elif report.when == "call":
            self.passed = report.passed


def _pytest(*arguments: str) -> _Watching:
    import pytest

    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # what else lies there may warn, and a warning is an error
    watching = _Watching()
    plain = ("--gpu", "-m", "gpu", "-q", "-p", "no:cacheprovider", "--tb=short")
    status = pytest.main([*plain, *arguments], plugins=[watching])
    if status != pytest.ExitCode.OK:
        raise AssertionError(watching.words or f"pytest ended with {status!r}; its words are in logs")
    return watching


def _answer(name: str) -> Any:
    if name == COLLECT:
        return _pytest("--collect-only", *files()).names
    if name.startswith(ALONE):
        return _alone(name.removeprefix(ALONE))
    if not _pytest(name).passed:
        raise AssertionError("it did not run")
    return "passed"


def _alone(operator: str) -> str:
    from support import operator_steps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        operator_steps.check([op for op in operator_steps.CHECKED if op.name == operator])
    return "passed"


# -- the part of the run --------------------------------------------------------------------------------


def collected(asked: list[str], log: Path) -> list[str]:
    """The names of the tests, from a worker."""
    worker = Answering(asked, log)
    deadline = time.monotonic() + SECONDS
    try:
        worker.answer(deadline)
        worker.ask(name=COLLECT)
        answer = worker.answer(deadline)
    finally:
        worker.end()
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return list(answer["found"])


def operators_of(failed: list[str]) -> list[str]:
    """The cases of single operators for the groups that failed."""
    groups = [match[1] for name in failed if (match := re.search(r"::test_operators\[(.*)\]$", name))]
    if not groups:
        return []
    from support import operator_steps

    return [f"{ALONE}{op.name}" for ops in operator_steps.CHUNKS if operator_steps.name_of(ops) in groups for op in ops]


def tested(arguments: argparse.Namespace) -> int:
    """Run all; the status of the process."""
    deadline = time.monotonic() + arguments.seconds
    asked = command("gpu.testing", str(arguments.folder), "--device", arguments.device, "--serve", device=arguments.device)
    findings = Findings(arguments.folder, "tests", [COLLECT])
    try:
        names = chosen(collected(asked, arguments.folder / "logs" / "tests-collecting.log"), arguments.only)
    except (OSError, RuntimeError, TimeoutError, ValueError) as error:
        findings.note(COLLECT, False, why=f"{error}; see logs/tests-collecting.log")
        return findings.status
    findings.note(COLLECT, bool(names), f"{len(names)} in {len(files())} files", "" if names else "no such test is marked gpu")
    for name in names:
        findings.expect(name)
    ask_all(asked, names, findings, AT_ONCE, SECONDS, deadline)
    lone = operators_of([name for name, case in findings.cases.items() if not case["good"]])
    for name in lone:
        findings.expect(name)
    ask_all(asked, lone, findings, AT_ONCE, SECONDS, deadline)
    return findings.status


def main() -> None:
    arguments = options("The tests marked gpu").parse_args()
    if arguments.serve:
        answer_all(_answer)
        return
    ends_on_request()
    sys.exit(tested(arguments))


if __name__ == "__main__":
    main()
