"""tests/gpu.sh: a dry run of the whole script on an emulated device; what it leaves when parts fail, hang, or it is told to end.

And that tests marked ``gpu`` which are skipped where there is a GPU fail the run.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from emulator.emulator import COMPILER
from gpu import findings, parts, process
from gpu.record import BY_WORKLOAD
from test_gpu_suite import commands_with, waited

import hybridnet as hn

pytestmark = pytest.mark.slow

ROOT = process.TESTS.parent
SCRIPT = str(ROOT / "tests" / "gpu.sh")
#: Stand-ins of the toolkit's tools: one runs what it is given, the other writes what it would have found.
TOOLS = {
    "compute-sanitizer": '#!/bin/sh\necho "========= COMPUTE-SANITIZER"\nwhile [ "$1" != all ]; do shift; done\nshift\nexec "$@"\n',
    "ncu": '#!/bin/sh\nwhile [ "$1" != --log-file ]; do shift; done\necho "kernel,time" >"$2"\n',
}


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as packed:
        return {m.name.removeprefix("results/"): packed.extractfile(m).read() for m in packed.getmembers()}  # type: ignore[union-attr]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With the Python of this run and the tools' stand-ins on the PATH, and caches of its own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in TOOLS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python3").chmod(0o755)
    without = {k: v for k, v in os.environ.items() if k not in ("PARTS", "PYTHONPATH")}
    return {**without, "PATH": f"{programs}:{os.environ['PATH']}", "HYBRIDNET_CACHE_DIR": str(tmp_path / "cubins")}


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None or shutil.which("bash") is None, reason="needs bash, and g++, which runs CUDA C++ on the CPU here")
def test_a_dry_run_of_everything(tmp_path: Path, environment: dict[str, str]) -> None:
    """Every part that asks another module, the peers' part with a peer that cannot start."""
    environment["PARTS"] = "compile,questions,tests,sanitize,ncu,peers"
    done = subprocess.run([SCRIPT, tmp_path / "found", "--dry-run"], env=environment, capture_output=True, text=True, timeout=400, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(os.listdir(tmp_path / "found")) == ["results.tar.gz", "table.txt"], "few files come back from some machines"
    found = contents(tmp_path / "found" / "results.tar.gz")
    table = (tmp_path / "found" / "table.txt").read_text()
    assert table in done.stdout and found["table.txt"].decode() == table
    rows = {line.split()[0]: line.split()[1] for line in table.splitlines() if line.split()[1:2] in (["ok"], ["FAILED"])}
    assert rows == dict.fromkeys(("device", "compile", "questions", "tests", "sanitize", "ncu", "peers"), "ok")
    for part in ("compile", "questions", "tests", "sanitize", "ncu"):
        told = json.loads(found[f"{part}/{part}.json"])
        assert told["cases"] and not findings.wrong(told)
    assert "tests/device/test_gpu_device.py::test_results" in str(json.loads(found["tests/tests.json"])["cases"].keys())
    assert json.loads(found["sanitize/sanitize.json"])["cases"]["racecheck: all cases"]["found"] == "2 cases without complaint"
    record = json.loads(found["peers/benchmarks.json"])
    assert record["times"].keys() == {"launch/forward/hybridnet/one step", "perceptron/step/hybridnet/one step"}
    assert record["failures"].keys() == {f"perceptron/torch/{mode}" for mode in ("eager", "max-autotune", "captured")}
    assert record["about"]["name"] == "Emulated" and record["about"]["driver"] and record["about"]["nvrtc"]
    told = record["programs"]["perceptron/step/hybridnet/one step"]
    assert "1 CUDA graph" in told["explain"] and any("cuBLASLt" in name for name in told["algorithms"])
    assert "perceptron/torch/eager: RuntimeError: ended with status 1" in table and "perceptron step" in table
    assert not list((tmp_path).rglob("*.tmp"))


# -- parts that go wrong --------------------------------------------------------------------------


@pytest.fixture
def small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that are good, that fail, that find something wrong and that hang; a device."""
    folder = tmp_path / "modules"
    folder.mkdir()
    head = "import os, sys, time\nfrom pathlib import Path\nfrom gpu.findings import Findings\n"
    for name, text in {
        "describing": "print('a device')",
        "nowhere": "sys.exit('no CUDA device: expected a driver')",
        "alone": (
            "pid = Path(__file__).with_name('pid').read_text(); f = Findings(Path(sys.argv[1]), 'alone', ['a'])\n"
            "f.note('a', not Path('/proc', pid).exists(), why='the part before still runs'); sys.exit(f.status)"
        ),
        "good": "f = Findings(Path(sys.argv[1]), 'good', ['a']); f.note('a', True, 'well'); sys.exit(f.status)",
        "wrong": "f = Findings(Path(sys.argv[1]), 'wrong', ['a', 'b']); f.note('a', False, why='x.cu(3): error: that'); sys.exit(f.status)",
        "raising": "f = Findings(Path(sys.argv[1]), 'raising', ['a']); f.note('a', True, 'well'); raise ValueError('oh')",
        "hanging": (
            "Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
            "f = Findings(Path(sys.argv[1]), 'hanging', ['a', 'b']); f.note('a', True, 'well'); time.sleep(600)"
        ),
    }.items():
        (folder / f"{name}.py").write_text(head + text + "\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    known = {name: parts.Part(name, 60) for name in ("good", "wrong", "raising", "alone")}
    monkeypatch.setattr(parts, "PARTS", {**known, "hanging": parts.Part("hanging", 3)})
    monkeypatch.setattr(parts, "LEAST", 0.2)
    monkeypatch.setattr(parts, "DESCRIBING", "describing")


def run(tmp_path: Path, *names: str, seconds: float = 60) -> tuple[parts.Run, dict[str, bytes]]:
    running = parts.Run(tmp_path / "found", names, seconds, dry=False)
    try:
        running.run()
    finally:
        running.finish()
    return running, contents(tmp_path / "found" / "results.tar.gz")


def test_a_part_that_fails_costs_itself_alone(tmp_path: Path, small_parts: None) -> None:
    running, found = run(tmp_path, "wrong", "raising", "hanging", "alone")
    assert [row.word for row in running.rows] == ["ok", "FAILED", "FAILED", "FAILED", "ok"] and not running.good
    table = (tmp_path / "found" / "table.txt").read_text()
    for words in (
        "wrong: a: x.cu(3): error: that",
        "wrong: b: not asked",
        "raising: the part itself: ValueError: oh",
        "ended after 3 s; 1 of 2 good",
        "hanging: b: not asked",
        "NOT everything",
    ):
        assert words in table
    assert {"wrong/wrong.json", "hanging/hanging.json", "alone/alone.txt", "raising.log", "table.txt"} <= found.keys()
    assert not running.work.exists() and not process.Process.running


@pytest.mark.parametrize(
    ("failures", "losses", "wrong"),
    [
        ({}, [4.0, 3.01], {}),
        ({"lstm/torch/eager": "RuntimeError: ended with status 1"}, [4.0, 3.01], {}),
        ({"lstm/hybridnet/one step": "Traceback\nValueError: no"}, [4.0, 3.01], {"lstm/hybridnet/one step": "ValueError: no"}),
        ({}, [4.0, 3.5], {"gpt2/step/jax/jit: losses": "differs from ours by 1.2e-01"}),
    ],
)
def test_what_of_the_benchmarks_fails_a_run(
    tmp_path: Path,
    small_parts: None,
    monkeypatch: pytest.MonkeyPatch,
    failures: dict[str, str],
    losses: list[float],
    wrong: dict[str, str],
) -> None:
    """Ours that was not measured, or results that differ; not a peer that is not there, nor a bar that is missed."""
    record = {part: {} for part in BY_WORKLOAD} | {"times": {"gpt2/step/hybridnet/one step": [9.0], "gpt2/step/jax/jit": [1.0]}}
    record["checks"] = {"gpt2/step/hybridnet/one step": {"losses": [4.0, 3.0]}, "gpt2/step/jax/jit": {"losses": losses}}
    record |= {"failures": failures, "versions": {}, "about": {}, "machine": {"device": "one"}, "settings": {"sizes": "full"}}
    (tmp_path / "benchmarks.json").write_text(json.dumps(record))
    writing = f"import os, shutil, sys; os.makedirs(sys.argv[1]); shutil.copy({str(tmp_path / 'benchmarks.json')!r}, sys.argv[1])"
    command = parts.command

    def writes(module: str, *arguments: str, device: str = "gpu") -> list[str]:
        return [sys.executable, "-c", writing, *arguments] if module == "gpu.run" else command(module, *arguments, device=device)

    monkeypatch.setattr(parts, "command", writes)
    monkeypatch.setitem(parts.PARTS, "gpt2", parts.Part("gpu.run", 60))
    running, _ = run(tmp_path, "gpt2")
    assert running.rows[1].wrong == wrong and running.good == (not wrong)
    assert "MISSED" in (tmp_path / "found" / "table.txt").read_text() or wrong


def test_what_is_good_is_said(tmp_path: Path, small_parts: None) -> None:
    running, _ = run(tmp_path, "good")
    assert running.good and "Everything that was asked for is good." in (tmp_path / "found" / "table.txt").read_text()


def test_without_a_device_nothing_is_run(tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "DESCRIBING", "nowhere")
    running, _ = run(tmp_path, "good")
    table = (tmp_path / "found" / "table.txt").read_text()
    assert not running.good and "no CUDA device: expected a driver" in table and "not run" in table
    assert not commands_with(str(running.work))


def test_parts_for_which_no_time_is_left_are_named(tmp_path: Path, small_parts: None) -> None:
    running, _ = run(tmp_path, "good", "wrong", seconds=0.1)
    assert [row.words for row in running.rows[1:]] == ["not begun: no time was left"] * 2 and not running.good


@pytest.mark.slow
def test_the_script_without_a_device(tmp_path: Path, environment: dict[str, str]) -> None:
    if hn.num_gpus():
        pytest.skip("there is a GPU")
    done = subprocess.run([SCRIPT, tmp_path / "found"], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1 and "no CUDA device" in done.stdout and "compile" in done.stdout
    assert sorted(os.listdir(tmp_path / "found")) == ["results.tar.gz", "table.txt"]
    done = subprocess.run([SCRIPT, tmp_path / "found", "--parts", "nothing"], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and "expected some of compile,questions" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_a_run_that_is_told_to_end_leaves_table_and_archive(tmp_path: Path) -> None:
    asked = process.command("gpu.parts", str(tmp_path / "found"), "--dry-run", "--parts", "questions,tests")
    running = process.Process(asked, tmp_path / "log", {"TMPDIR": str(tmp_path)})
    workers = lambda: [c for c in commands_with(str(tmp_path)) if "--serve" in c]
    try:
        waited(workers, 60)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == process.STOPPED
    finally:
        running.end()
    table = (tmp_path / "found" / "table.txt").read_text()
    assert "device     ok" in table and "NOT everything" in table
    assert [line.split()[:2] + line.split()[3:] for line in table.splitlines() if "not run" in line] == [
        ["questions", "FAILED", "not", "run"],
        ["tests", "FAILED", "not", "run"],
    ]
    assert "questions/questions.json" in contents(tmp_path / "found" / "results.tar.gz")
    waited(lambda: not workers(), 10)
    assert table in (tmp_path / "log").read_text()


def test_logs_are_cut_and_parts_exist(tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LOG_BYTES", 10)
    running = parts.Run(tmp_path / "found", ["good"], 10, dry=False)
    (running.work / "long.log").write_text("x" * 100 + "the end123")
    running.finish()
    assert contents(tmp_path / "found" / "results.tar.gz")["long.log"] == b"the end123"


def test_every_call_that_is_advised_exists() -> None:
    """Three calls cover everything: the parts in tests/benchmarks/README.md, and each of the benchmarks' workloads."""
    from gpu.run import WORKLOADS

    text = (ROOT / "tests" / "benchmarks" / "README.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("tests/gpu.sh") and "--parts " in line]
    calls = [line.split("--parts ")[1].split()[0].split(",") for line in lines]
    assert len(calls) == 3 and {name for call in calls for name in call} == parts.PARTS.keys() - {"peers"}
    timed: list[str] = []
    for name in ("small", "gpt2", "resnet", "lstm"):
        timed += parts.PARTS[name].arguments[1:]
    assert sorted(timed) == sorted(w.name for w in WORKLOADS)
    assert set(parts.DEFAULT) <= parts.PARTS.keys()
    for part in parts.PARTS.values():
        assert (process.HERE / f"{part.module.removeprefix('gpu.')}.py").exists()


# -- tests that are skipped -----------------------------------------------------------------------


TESTS = """
import pytest

pytestmark = getattr(pytest.mark, "gpu")

def test_runs():
    pass

def test_is_left_out():
    pytest.skip("no reason that counts")

@pytest.mark.skipif(True, reason="neither this one")
def test_has_a_mark():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_is_known_to_fail():
    raise ValueError
"""


def pytest_over(tmp_path: Path, text: str, *options: str, emulated: bool) -> subprocess.CompletedProcess[str]:
    """pytest with the settings of ``tests/conftest.py`` over a file."""
    (tmp_path / "test_these.py").write_text(text)
    around = ["-m", "emulator.run"] if emulated else []
    plain = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "conftest", "-p", "no:cacheprovider", "-q", "-rA"]
    command = [sys.executable, *around, "-m", "pytest", *plain, *options, str(tmp_path / "test_these.py")]
    return subprocess.run(command, env=process.environment(), capture_output=True, text=True, timeout=100, cwd=tmp_path)


@pytest.mark.slow
def test_gpu_tests_that_are_skipped_fail_where_there_is_a_gpu(tmp_path: Path) -> None:
    done = pytest_over(tmp_path, TESTS, emulated=True)
    assert done.returncode == 1 and "1 failed, 1 passed, 1 xfailed, 1 error" in done.stdout, done.stdout + done.stderr
    assert (
        "skipped, although there is a GPU" in done.stdout and "no reason that counts" in done.stdout and "neither this one" in done.stdout
    )
    done = pytest_over(tmp_path, 'import pytest\npytest.skip("all of it", allow_module_level=True)\n', "--gpu", emulated=True)
    assert done.returncode != 0 and "skipped, although a GPU was asked for" in done.stdout and "all of it" in done.stdout


@pytest.mark.slow
def test_gpu_tests_are_skipped_where_there_is_none_unless_one_is_asked_for(tmp_path: Path) -> None:
    if hn.num_gpus():
        pytest.skip("there is a GPU")
    done = pytest_over(tmp_path, TESTS, emulated=False)
    assert done.returncode == 0 and "4 skipped" in done.stdout
    done = pytest_over(tmp_path, TESTS, "--gpu", emulated=False)
    assert done.returncode == 4 and "--gpu, but there is no CUDA device" in done.stderr and "driver" in done.stderr
