"""The questions for a GPU: asked on an emulated one as far as it goes; all cases of one are asked; workers that fail cost one case."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from gpu import compiled, isolated, process, smoke, testing, tools
from gpu.findings import Findings, read, reason, summary, wrong
from gpu.questions import ALONE, QUESTIONS, Cases, costs, threads
from support import operator_steps

from hybridnet.config import config

pytestmark = pytest.mark.slow

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")

#: What the emulated device cannot answer: it has no cuDNN of its own, no NCCL, and no compiler of CuPy's.
BEYOND = {
    "properties for cudnn",
    "a communicator of one in a capture",
    "copy bandwidth",
    "cublaslt heuristics against the first",
    "attention backward deterministic or not",
}


@needs_compiler
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in BEYOND])
def test_questions_on_an_emulated_gpu(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "CHAIN", 4)
    monkeypatch.setattr(costs, "EPOCHS", (2,))
    monkeypatch.setattr(costs, "TRAINED", 2)
    monkeypatch.setattr(costs, "COPIED", (512,))
    monkeypatch.setattr(costs, "ELEMENTS", (32,))
    monkeypatch.setattr(threads, "CALLS", 5)
    with emulated_gpu():
        assert smoke.answer(name, tmp_path)


def test_questions_are_known() -> None:
    assert QUESTIONS.keys() > BEYOND and QUESTIONS.keys() > ALONE


def test_all_cases_of_a_question_are_asked() -> None:
    cases = Cases()
    cases.ask("good", lambda: 1e-7, 1e-5)
    cases.ask("far", lambda: 0.5, 1e-5)
    cases.ask("nothing", lambda: float("nan"), 1e-5)
    cases.ask("broken", lambda: [][0])
    cases.ask("said", lambda: {"time": 3})
    with pytest.raises(isolated.Wrong, match=r"^3 wrong of 5: far: 0.5.*; nothing: nan.*; broken: IndexError") as error:
        cases.answer()
    assert error.value.found["found"]["said"] == {"time": 3} and set(error.value.found["wrong"]) == {"far", "nothing", "broken"}


# -- cases in workers -----------------------------------------------------------------------------


WORKER = """
import os, sys, time
from gpu.isolated import Wrong, answer_all

def answer(name):
    print("a library says something of", name, flush=True)
    if name == "crashes":
        os.abort()
    if name == "hangs":
        time.sleep(600)
    if name == "ends":
        sys.exit(5)
    if name == "wrong":
        raise Wrong("one of two", {"a": 1})
    return {"pid": os.getpid(), "name": name}

answer_all(answer)
"""


def asked(tmp_path: Path, names: list[str], at_once: int, seconds: float = 10, deadline: float = 60) -> Findings:
    (tmp_path / "worker.py").write_text(WORKER)
    findings = Findings(tmp_path, "part", names)
    command = [*process.command("runpy")[:2], str(tmp_path / "worker.py")]
    isolated.ask_all(command, names, findings, at_once, seconds, time.monotonic() + deadline)
    return findings


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_case_that_fails_costs_itself_alone(tmp_path: Path, at_once: int) -> None:
    names = ["one", "crashes", "two", "hangs", "three", "wrong", "four", "ends", "five"]
    findings = asked(tmp_path, names, at_once, seconds=2)
    found = read(tmp_path / "part.json")
    assert set(wrong(found)) == {"crashes", "hangs", "wrong", "ends"} and findings.status == 1
    assert summary(found) == "5 of 9 good"
    cases = found["cases"]
    assert "ended with status -6" in cases["crashes"]["why"] and "no answer in time" in cases["hangs"]["why"]
    assert "in answer" in cases["hangs"]["why"], "where it hung"
    assert cases["wrong"]["found"] == {"a": 1} and "SystemExit: 5" in cases["ends"]["why"]
    assert not process.Process.running
    text = (tmp_path / "part.txt").read_text()
    assert text.count("FAILED") == 4 and "Wrong: one of two" in text


def test_workers_go_on_after_what_is_good(tmp_path: Path) -> None:
    findings = asked(tmp_path, ["one", "two", "three"], 1)
    assert len({case["found"]["pid"] for case in findings.cases.values()}) == 1 and findings.status == 0


def test_what_was_not_asked_is_wrong(tmp_path: Path) -> None:
    findings = asked(tmp_path, ["hangs", "one", "two"], 1, deadline=1.5)
    assert findings.status == 1
    assert wrong(read(tmp_path / "part.json"))["two"].startswith("not asked")
    assert wrong(read(tmp_path / "nowhere.json")) == {"no case": "nothing was asked"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Traceback:\n  File x\nValueError: no\n", "ValueError: no"),
        ("NVRTC_ERROR\nx.cu(132): error: A function without\n   1 error detected\n; try reporting", "x.cu(132): error: A function without"),
        ("/tmp/kernels.cu:6:28: error: variable\nstatus 1", "/tmp/kernels.cu:6:28: error: variable"),
        ("========= COMPUTE-SANITIZER\ncase a\n========= Invalid write\n========= ERROR SUMMARY: 1", "========= Invalid write"),
        ("", ""),
    ],
)
def test_the_line_that_says_most(text: str, line: str) -> None:
    assert reason(text) == line


# -- compiling and testing ------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("name", ["kernels columns", "workload adam: update", "workload launch: forward", "workload lstm: step"])
def test_programs_are_compiled_and_loaded(name: str) -> None:
    before = config.tf32
    assert name in compiled.names("tiny")
    with emulated_gpu():
        found = compiled.loaded(name, "tiny")
        texts = compiled.written(name, "tiny")
    kernels = sum(text.count("__global__") for text in texts)
    assert found == {"kernels": kernels, "programs": len(texts)} and config.tf32 == before


@needs_compiler
def test_a_kernel_that_does_not_compile_or_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'extern "C" __global__ void __launch_bounds__(32) k(float* x) {{ x[0] = {}; }}'
    for value, names, words in (
        ("nothing", r"void .*(k)\(", "nothing"),
        ("1", r"void .*(k)\(", ""),
        ("1", "(float)", "named symbol not found"),
    ):
        monkeypatch.setattr(compiled, "written", lambda *_, value=value: [text.format(value)])
        monkeypatch.setattr(compiled, "KERNEL", re.compile(names))
        with emulated_gpu():
            if words:
                with pytest.raises(Exception, match=words):
                    compiled.loaded("kernels x", "tiny")
            else:
                assert compiled.loaded("kernels x", "tiny") == {"kernels": 1, "programs": 1}


def test_each_operator_of_a_group_that_fails_is_tried_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (f"tests/device/test_gpu_device.py::test_operators[{operator_steps.name_of(ops)}]" for ops in operator_steps.CHUNKS[:2])
    culprit = f"operator {operator_steps.CHUNKS[0][3].name}"

    def ask_all(asked: Any, names: list[str], findings: Findings, *limits: Any) -> None:
        for name in names:
            findings.note(name, name not in (first, culprit), "passed", f"AssertionError: {name}")

    monkeypatch.setattr(testing, "collected", lambda *_: [first, second])
    monkeypatch.setattr(testing, "ask_all", ask_all)
    arguments = isolated.options("").parse_args([str(tmp_path)])
    assert testing.tested(arguments) == 1
    found = read(tmp_path / "tests.json")
    assert set(wrong(found)) == {first, culprit}
    assert len(found["cases"]) == 3 + len(operator_steps.CHUNKS[0])


def test_the_files_with_gpu_tests_are_found() -> None:
    assert {"tests/device/test_gpu_device.py", "tests/benchmarks/test_gpu_suite.py"} <= set(testing.files())


@needs_compiler
def test_an_operator_alone() -> None:
    with emulated_gpu():
        assert testing._alone("tanh") == "passed"


# -- tools ----------------------------------------------------------------------------------------


def test_a_tool_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "tool", lambda name: None)
    for part in tools.PARTS:
        monkeypatch.setattr("sys.argv", ["tools", str(tmp_path), part])
        monkeypatch.setattr(tools, "ends_on_request", lambda: None)
        with pytest.raises(SystemExit) as ended:
            tools.main()
        assert ended.value.code == 0
        cases = read(tmp_path / f"{part}.json")["cases"]
        assert cases and all(case["found"].startswith("not there: ") for case in cases.values())


def test_a_check_that_complains_tries_each_case_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finished(asked: list[str], log: Path, seconds: float) -> int:
        log.write_text("========= COMPUTE-SANITIZER\n")
        if "racecheck" in asked and "columns" in asked:
            log.write_text("========= COMPUTE-SANITIZER\n========= Error: Race reported between a and b\n")
            return 1
        return 0

    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(tools, "finished", finished)
    arguments = isolated.options("").parse_args([str(tmp_path), "--only", "pointwise", "columns"])
    findings = Findings(tmp_path, "sanitize", [f"{c}: all cases" for c in tools.CHECKS])
    tools.sanitize(findings, "compute-sanitizer", arguments, time.monotonic() + 60)
    found = read(tmp_path / "sanitize.json")
    race = "========= Error: Race reported between a and b"
    assert wrong(found) == {"racecheck: all cases": race, "racecheck: columns": race}
    assert {"racecheck: pointwise", "racecheck: pointwise_16_bits"} < found["cases"].keys()


@needs_compiler
def test_the_step_that_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with emulated_gpu() as cupy:
        calls: list[str] = []
        for name in ("profilerStart", "profilerStop"):
            monkeypatch.setattr(cupy.cuda.runtime, name, lambda name=name: calls.append(name), raising=False)
        tools.run_step("perceptron", "tiny")
    assert calls == ["profilerStart", "profilerStop"]


def test_findings_are_whole_at_any_time(tmp_path: Path) -> None:
    findings = Findings(tmp_path, "part", ["a", "b"])
    findings.note("a", True, {"x": os.getpid()})
    assert json.loads((tmp_path / "part.json").read_text())["expected"] == ["a", "b"]
    assert findings.status == 1, "b was not asked"
