"""The GPU benchmarks: our side runs, at tiny sizes; the runner survives its workers; the bars judge as they say."""

import argparse
import contextlib
import json
import math
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulator import nvrtc
from emulator.compilers import VERSIONS
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from emulator.libraries import installed
from emulator.nvrtc import needs_cupy
from gpu import bars, counts, peer_hybridnet, precompile, process, record, run, sizes, worker

import hybridnet as hn
from hybridnet import gluon
from hybridnet.config import config
from hybridnet.core import local
from hybridnet.device import compiler
from hybridnet.runtime.work import operator_of

NETWORKS = ("perceptron", "lstm", "resnet", "gpt2")


@pytest.fixture(autouse=True)
def precision_is_put_back() -> Iterator[None]:
    """Workers switch mixed precision on for their process; a test must not."""
    kind = type(local)
    before = kind.precision
    yield
    kind.precision = before


def prepared(workload: str, device: str = "cpu") -> dict[str, Any]:
    return {name: make() for name, make in peer_hybridnet.BUILDERS[workload](sizes.TINY, device).items()}


# -- our side -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workload", [w for w in peer_hybridnet.BUILDERS if w != "resnet again"])
def test_workloads_run(workload: str) -> None:
    for point in prepared(workload).values():
        for key, numbers in point.checks().items():
            assert all(map(math.isfinite, numbers)) and any(numbers)
            if key == "losses":
                assert numbers[-1] < numbers[0]
                assert point.figures["seconds from first to second call"] > 0
        assert min(worker._take(point, worker.HostClock(), 0.001)) > 0


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
@pytest.mark.parametrize("workload", NETWORKS)
def test_networks_on_an_emulated_gpu(workload: str) -> None:
    with emulated_gpu(), installed():
        found = prepared(workload, "gpu")["step"].checks()["losses"]
    agree(workload, found)


@pytest.mark.gpu
@pytest.mark.parametrize("workload", NETWORKS)
def test_networks_on_a_gpu(workload: str) -> None:
    agree(workload, prepared(workload, "gpu")["step"].checks()["losses"])


def agree(workload: str, found: list[float]) -> None:
    """With the losses on the CPU."""
    expected = prepared(workload)["step"].checks()["losses"]
    assert found == pytest.approx(expected, rel=bars.TOLERANCES[workload])


def test_full_sizes_are_those_of_the_papers() -> None:
    full = sizes.FULL
    net = [sizes.stem(full.resnet)]
    for block in sizes.bottlenecks(full.resnet):
        net += [*block.body, *([block.shortcut] if block.shortcut else [])]
    weights = sum(c.inputs * c.outputs * c.kernel**2 + 2 * c.outputs for c in net)
    assert weights + (sizes.features(full.resnet) + 1) * full.resnet.classes == 25_557_032
    g = full.gpt2
    matrices = sum(outputs * inputs * g.units**2 + outputs * g.units for outputs, inputs in sizes.GPT2_LAYERS.values())
    padding = (g.words - 50257) * g.units
    assert (g.words + g.length) * g.units - padding + g.layers * (matrices + 4 * g.units) + 2 * g.units == 124_439_808
    assert full.pointwise.rows * full.pointwise.columns * 4 == 2**30
    assert full.adam.tensors * full.adam.elements > 100_000_000


# -- the runner -----------------------------------------------------------------------------------


def waited(condition: Any, seconds: float = 30) -> None:
    """Return once it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def commands_with(text: str) -> list[str]:
    """The commands of processes of this machine in which a text occurs."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [words] * (text in words)
    return found


def arguments(folder: Path, **more: Any) -> argparse.Namespace:
    settings = {
        "folder": folder,
        "seconds": 60.0,
        "device": "cpu",
        "sizes": "tiny",
        "peers": ["hybridnet", "jax"],
        "torch": None,
        "jax": None,
    }
    return argparse.Namespace(**{**settings, **more})


def test_a_workload_is_measured_and_a_worker_that_cannot_start_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROUND_SECONDS", 0.01)
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    running = run.Run(arguments(tmp_path, jax=str(broken)))
    running.workload(run.Workload("launch", (("hybridnet", "one step"), ("jax", "jit")), 1.0))
    found = json.loads((tmp_path / "benchmarks.json").read_text())
    assert len(found["times"]["launch/forward/hybridnet/one step"]) == run.ROUNDS
    assert found["failures"] == {"launch/jax/jit": "RuntimeError: ended with status 3"}
    assert not record.failures_of_ours(found)
    assert found["versions"]["hybridnet"] == hn.__version__
    told = found["programs"]["launch/forward/hybridnet/one step"]
    assert told["explain"] and told.keys() == {"explain", "algorithms", "refused", "profile"}
    text = (tmp_path / "benchmarks.txt").read_text()
    assert "Tiny sizes" in text and "host time to launch a forward" in text and "status 3" in text


def test_what_a_program_tells_of_itself() -> None:
    class Profile:
        def json(self) -> dict[str, Any]:
            return {"steps": [{"step": "add", "seconds": 1e-6}]}

    class Compiled:
        def __init__(self, made: Any) -> None:
            self.programs, self.refusals = made.programs, {("cuDNN", "a convolution"): None}

    class Step:
        """A compiled function that can be profiled, and of which a library refused something."""

        def __init__(self, function: Any) -> None:
            self._inspect, self.explain = lambda *given: Compiled(function._inspect(*given)), function.explain

        def profile(self, *arguments: Any) -> Profile:
            return Profile()

    x = hn.np.ones((2, 3))
    with emulated_gpu():
        on_gpu = x.to_device(hn.gpu(0))
        told = peer_hybridnet.told(hn.jit(lambda a: a @ a.T), on_gpu)
    assert "1 CUDA graph" in told["explain"] and sum(told["algorithms"].values()) == 1 and "cuBLASLt" in next(iter(told["algorithms"]))
    told = peer_hybridnet.told(Step(hn.jit(lambda a: a + 1)), x)
    assert told["profile"] == {"steps": [{"step": "add", "seconds": 1e-6}]} and told["refused"] == ["('cuDNN', 'a convolution')"]


@pytest.mark.parametrize("fault", ["raise ValueError('oh')", "import time; time.sleep(60)"])
def test_a_program_that_cannot_tell_of_itself_was_measured_all_the_same(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(run, "TELL_SECONDS", 2)
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nif 'gpu.peer_hybridnet' in sys.orig_argv:\n    from gpu import worker\n    def tell(self):\n        {fault}\n"
        "    worker.Point.tell = property(lambda self: lambda: tell(self), lambda self, value: None)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    running = run.Run(arguments(tmp_path, peers=["hybridnet"]))
    running.workload(run.Workload("launch", (("hybridnet", "one step"),), 1.0))
    name = "launch/forward/hybridnet/one step"
    assert running.record["times"][name] and not running.record["failures"] and running.record["programs"][name].keys() == {"failed"}


def test_a_run_that_is_told_to_end_leaves_its_record(tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nsleep 600\n")
    hanging.chmod(0o755)
    asked = ("--device", "cpu", "--sizes", "tiny", "--only", "perceptron", "--peers", "jax", "--jax", str(hanging))
    running = process.Process(process.command("gpu.run", str(tmp_path / "found"), *asked), tmp_path / "log")
    try:
        log = tmp_path / "found" / "logs" / "perceptron-jax-jit.log"
        waited(log.exists)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == process.STOPPED
    finally:
        running.end()
    assert "not measured" in (tmp_path / "found" / "benchmarks.txt").read_text()
    assert json.loads((tmp_path / "found" / "benchmarks.json").read_text())["times"] == {}
    waited(lambda: not commands_with(str(hanging)), 10)  # all were sent SIGKILL; a child of the worker's dies when it is next scheduled


def test_a_python_that_is_not_there_costs_its_peer(tmp_path: Path) -> None:
    running = run.Run(arguments(tmp_path, jax=str(tmp_path / "nowhere"), peers=["jax"]))
    running.workload(run.Workload("perceptron", (("jax", "jit"),), 1.0))
    assert "nowhere" in running.record["failures"]["perceptron/jax/jit"] and not running.record["times"]
    assert record.failures_of_ours(running.record) == {"benchmarks": "nothing was measured"}


def test_a_worker_that_hangs_is_ended(tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nsleep 60\n")
    hanging.chmod(0o755)
    running = run.Run(arguments(tmp_path, seconds=0.5, jax=str(hanging), peers=["jax"]))
    running.workload(run.Workload("launch", (("jax", "jit"),), 1.0))
    assert running.record["failures"] == {"launch/jax/jit": "TimeoutError: no answer in time"}


def test_everything_that_is_to_run_exists() -> None:
    ours = {w.name for w in run.WORKLOADS if ("hybridnet", "one step") in w.peers}
    assert ours == set(peer_hybridnet.PEER.workloads)
    judged = {bar.workload for bar in bars.bars((1,), (1,))}
    assert judged | {"copy", "resnet again"} == {w.name for w in run.WORKLOADS}
    assert set(bars.TOLERANCES) == {w.name for w in run.WORKLOADS if len(w.peers) > 1}
    assert set(bars.POINTWISE) == set(peer_hybridnet.pointwise(sizes.TINY, "cpu"))


# -- verdicts -------------------------------------------------------------------------------------


def recorded(**times: float) -> dict[str, Any]:
    gpt2 = {"gpt2/step/hybridnet/one step": {"losses": [4.0, 3.0]}, "gpt2/step/jax/jit": {"losses": [4.0, 3.01]}}
    return {
        "times": {name.replace("__", "/").replace("_", " "): [t] for name, t in times.items()},
        "least_bytes": {"adam/update/hybridnet/one step": 9e9, "copy/kernel/copy/memcpy": 2e9},
        "checks": gpt2,
        "figures": {"resnet again/step/hybridnet/one step": {"seconds from first to second call": 2.0}},
        "memory": {"gpt2/hybridnet/one step": 3 << 30, "gpt2/jax/jit": 4 << 30, "gpt2/torch/eager": 5 << 30},
    }


def verdict(title: str, found: dict[str, Any]) -> bars.Verdict:
    return next(v for v in bars.judged(found, bars.bars((1024,), (50304,))) if v.title == title)


def test_verdicts() -> None:
    found = recorded(
        gpt2__step__hybridnet__one_step=0.95,
        gpt2__step__jax__jit=1.0,
        gpt2__step__torch__eager=2.0,
        adam__update__hybridnet__one_step=5.0,
        copy__kernel__copy__memcpy=1.0,
        layer_norm__1024_wide__hybridnet__one_step=1.0,
        layer_norm__1024_wide__jax__jit=0.5,
        layer_norm__1024_wide__torch__compiled=2.0,
        launch__forward__hybridnet__one_step=20e-6,
    )
    assert verdict("GPT-2 124M training", found)[3:] == (0.95, 1.0, 0.9, "met")
    assert verdict("Adam, 100 M parameters", found)[3:] == (0.9, 0.85, 0.92, "met")
    assert verdict("layer norm, 1024 wide", found).word == "AIM MET"  # PyTorch's compiled time is the measure, not JAX's
    assert (
        verdict("host time to launch a forward", found)[1] == "20.0 µs" and verdict("host time to launch a forward", found).word == "MISSED"
    )
    assert verdict("ResNet-50, first to second call", found).word == "met"
    assert verdict("memory, GPT-2 training", found)[1:4] == ("3.00 GiB", "4.00 GiB jax/jit", 0.75)
    assert verdict("perceptron step", found).word == "not measured"


def test_what_computes_something_else_meets_no_bar() -> None:
    found = recorded(gpt2__step__hybridnet__one_step=0.1, gpt2__step__jax__jit=1.0)
    found["checks"]["gpt2/step/jax/jit"]["losses"] = [4.0, 3.5]
    assert bars.disagreements(found) == {"gpt2/step/jax/jit: losses": 0.125}
    assert verdict("GPT-2 124M training", found).word == "DIFFERS"
    found["checks"]["gpt2/step/jax/jit"]["losses"] = [4.0, float("nan")]
    assert verdict("GPT-2 124M training", found).word == "DIFFERS"


def test_records_of_several_runs_are_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each workload from where most took part; the table is that of the joined record."""
    empty = {part: {} for part in (*record.BY_WORKLOAD, "versions", "about")}
    about = {"machine": {"device": "a device"}, "settings": {"sizes": "full"}}
    alone, beside, neither = (
        {**empty, **about, "times": times}
        for times in (
            {"gpt2/step/hybridnet/one step": [1.0], "launch/forward/hybridnet/one step": [5e-6]},
            {"gpt2/step/hybridnet/one step": [2.0], "gpt2/step/jax/jit": [4.0]},
            {},
        )
    )
    neither["failures"] = {"resnet/torch/eager": "RuntimeError: ended with status 1"}
    found = record.joined([beside, alone, neither])
    assert found["times"] == beside["times"] | {"launch/forward/hybridnet/one step": [5e-6]}
    assert found["failures"] == neither["failures"]
    places = []
    for name, one in (("a", alone), ("b", beside), ("c", neither)):
        folder = tmp_path / name / "results" / "part"
        folder.mkdir(parents=True)
        (folder / "benchmarks.json").write_text(json.dumps(one))
        places.append(tmp_path / name)
    archive = tmp_path / "results.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(places[1] / "results", "results")
    given = [str(places[0]), str(archive), str(places[2] / "results" / "part" / "benchmarks.json")]
    monkeypatch.setattr("sys.argv", ["record", *given, "--write", str(tmp_path / "joined.json")])
    record.main()
    shown = capsys.readouterr().out
    assert "2.00 s" in shown and "gpt2/step: " not in shown and "resnet/torch/eager" in shown and "5.0 µs" in shown
    assert json.loads((tmp_path / "joined.json").read_text())["times"] == found["times"]
    assert "with no peer beside it:\n  gpt2/step: 1.00 s\n  launch/forward: 5.0 µs" in record.summary(alone)


def test_samples_are_taken_until_the_time_is_over() -> None:
    calls: list[int] = []
    samples = worker._take(worker.Point(lambda: calls.append(1), dict), worker.HostClock(), 0.02)
    assert len(samples) >= worker.LEAST_SAMPLES and len(calls) >= worker.MOST_CALLS


# -- kernels beforehand ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="needs g++")
def test_steps_compile() -> None:
    """By every version of NVRTC that may be there; what they come to on each architecture is a matter of tests/codegen."""
    sources = [source for workload in precompile.WORKLOADS for source in precompile.written(workload, "tiny")]
    for version in VERSIONS:
        nvrtc.compile_all(sources, ["sm_90"], version)


@pytest.mark.slow
def test_steps_are_counted() -> None:
    """In one program each: what is launched, by kind and by operator, adds up."""
    with emulated_gpu():
        for workload in counts.WORKLOADS:
            found, _ = counts.count(workload, sizes.TINY)
            assert found["steps"] == sum(found[kind] for kind in counts.KINDS.values()) == sum(found["by operator"].values())
            assert found["kernels"] > found["library calls"] / 2 > 0
            assert found["CuPy"] == 0
            assert found["mask bytes"] == 0


def dropped() -> Any:
    """The program of a step with ReLU and dropout before a product, on an emulated GPU."""
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(64, in_units=32, activation="relu"), gluon.nn.Dropout(0.4), gluon.nn.Dense(5, in_units=64))
    net.initialize(ctx=hn.gpu(0))
    batch = sizes.normal("dropped", 16, 32), sizes.integers("classes", 5, 16)
    (program,) = peer_hybridnet.supervised(net, batch, "sgd", {"learning_rate": 0.1}, 1, "gpu").programs()
    return program


def test_masks_are_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """ReLU's follow from what is kept anyway, and dropout draws again; without what sees to that they are found."""
    with emulated_gpu():
        program = dropped()
        names = [operator_of(s.node) for s in program.source.steps if s.node is not None]
        assert sum("dropout_mask" in name for name in names) == 2
        assert counts.counted(program)["mask bytes"] == 0
        monkeypatch.setattr(config, "disabled_passes", frozenset({"fuse", "recompute"}))
        assert counts.counted(dropped())["mask bytes"] == 16 * 64 * (4 + 1)


@pytest.mark.slow
@needs_cupy
@pytest.mark.skipif(COMPILER is None, reason="needs g++")
def test_kernels_are_compiled_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cache_dir", config.cache_dir)
    sources = precompile.written("perceptron", "tiny")
    assert all('extern "C" __global__' in source for source in sources)
    precompile.main(["--sizes", "tiny", "--only", "perceptron", "--folder", str(tmp_path)])
    config.cache_dir = str(tmp_path)
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("compiled again"))
    assert all(compiler.cubin(source, "sm_90")[:4] == b"\x7fELF" for source in sources)


@pytest.mark.slow
@needs_cupy
@pytest.mark.skipif(COMPILER is None, reason="needs g++")
def test_kernels_are_compiled_beforehand_by_the_version_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code that another version would not ask for."""
    nvrtc.need("13.0.88")
    arguments = ["--nvrtc", "13.0.88", "--sizes", "tiny", "--only", "perceptron", "--folder", str(tmp_path)]
    done = subprocess.run([sys.executable, precompile.__file__, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("NVRTC 13.0 for sm_90\n")
    monkeypatch.setattr(compiler, "_version", lambda: "13.0")
    assert {f"{compiler._key(source, 'sm_90')}.cubin" for source in precompile.written("perceptron", "tiny")} == {
        p.name for p in tmp_path.iterdir()
    }
