"""``profiler``: what it is told of, its table and its trace, and that it costs nothing while it does not run."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulator.emulator import COMPILER
from support.paths import ROOT
from support.trace_format import faults

import hybridnet as mx
from hybridnet import autograd, gluon, profiler
from hybridnet.config import config
from hybridnet.errors import ArgumentError, HybridnetError
from hybridnet.gluon import nn
from hybridnet.profiler.marks import session
from hybridnet.runtime.program import programs


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    profiler.set_config(**profiler._DEFAULTS | {"filename": str(tmp_path / "trace.json")})
    session.events.clear()
    session.sums.clear()
    yield
    profiler.set_state("stop")


def times() -> dict[str, Any]:
    return json.loads(profiler.dumps(format="json"))["Time"]


def trace(tmp_path: Path) -> list[dict[str, Any]]:
    """The trace as it is in the file, which is as it should be."""
    profiler.dump()
    found = json.loads((tmp_path / "trace.json").read_text())
    assert faults(found) == []
    return found["traceEvents"]


def small_net(device: Any = None) -> tuple[Any, Callable[[Any, Any], Any]]:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(8, activation="relu"), nn.Dense(3))
    net.initialize("ones", ctx=device)
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(x.shape[0])
        return loss

    return net, step


def batch(device: Any = None) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return mx.nd.array(rng.normal(size=(4, 5)), ctx=device), mx.nd.array(rng.integers(0, 3, 4), ctx=device)


def test_operators_and_marks(tmp_path: Path) -> None:
    profiler.set_config(profile_imperative=True)
    profiler.set_state("run")
    (mx.nd.ones(3) * 2).asnumpy()
    profiler.pause()
    mx.nd.exp(mx.nd.ones(3))
    profiler.resume()
    domain = profiler.Domain("mine")
    with domain.new_task("work"), profiler.Event("step"), domain.new_frame("frame"):
        counter = domain.new_counter("loss", 3)
        counter += 2
        counter -= 1
    domain.new_marker("here").mark("process")
    profiler.set_state("stop")
    mx.nd.exp(mx.nd.ones(3))  # no longer told
    sums = times()
    assert sums["operator"]["multiply"]["Count"] == 1 and "exp" not in sums["operator"]
    assert sums["mine"]["loss"] == {"Count": 3, "Total": 12, "Min": 3, "Max": 5, "Avg": 4} and sums["mine"]["work"]["Count"] == 1
    assert sums["mine,frame"]["frame"]["Count"] == 1 and sums["event"]["step"]["Count"] == 1 and sums["mine,instant_marker"] == {}
    events = trace(tmp_path)
    assert {"M", "X", "b", "e", "C", "i"} == {event["ph"] for event in events}
    assert [e["args"]["loss"] for e in events if e["ph"] == "C"] == [3, 5, 4]


def test_the_table_is_as_mxnet_prints_it() -> None:
    """The lines that MXNet 1.9.1 printed for one operator, with its numbers."""
    session.sums = {"operator": {"MXSymbolCreateAtomicSymbol": [1, 0.052, 0.052, 0.052], "FullyConnected": [2, 123.071, 0.198, 122.873]}}
    assert profiler.dumps().splitlines() == [
        "",
        "Profile Statistics:",
        "\tNote the difference in units for different entries.",
        "operator",
        "=================",
        "Name                          Total Count        Time (ms)    Min Time (ms)    Max Time (ms)    Avg Time (ms)",
        "----                          -----------        ---------    -------------    -------------    -------------",
        "FullyConnected                          2         123.0710           0.1980         122.8730          61.5355",
        "MXSymbolCreateAtomicSymbol               1           0.0520           0.0520           0.0520           0.0520",
        "",
    ]
    first = [line.split()[0] for line in profiler.dumps(sort_by="count", ascending=True).splitlines()[7:9]]
    assert first == ["MXSymbolCreateAtomicSymbol", "FullyConnected"]
    assert "FullyConnected" in profiler.dumps(reset=True)
    assert profiler.dumps() == "\nProfile Statistics:\n\tNote the difference in units for different entries.\n"


def test_steps_of_programs(tmp_path: Path) -> None:
    """Those that are there when it begins and those made meanwhile, with place and block; what they give is what it was."""
    net, step = small_net()
    x, y = batch()
    step(x, y)
    expected = net(x).asnumpy()
    profiler.set_config(profile_all=True)
    profiler.set_state("run")
    np.testing.assert_array_equal(net(x).asnumpy(), expected)
    jitted = mx.jit(lambda x: mx.np.exp(x) @ x.T, name="jitted")
    jitted(x)
    step(x, y)
    step(x, y)
    profiler.set_state("stop")
    sums = times()
    assert (
        sums["program"]["net"]["Count"] == 3 and sums["program"]["net_backward"]["Count"] == 2 and sums["program"]["jitted"]["Count"] == 1
    )
    assert sums["compile"]["jitted"]["Count"] == 1 and "net" not in sums["compile"]
    assert sums["operator"]["matmul"]["Count"] >= 2 * 3 + 1
    events = [e for e in trace(tmp_path) if e.get("args", {}).get("program") == "net"]
    assert {e["args"]["block"] for e in events} >= {"net.dense0", "net.dense1"}
    assert all(e["args"]["from"].startswith("test_profiler.py:") for e in events)
    products = [e for e in events if e["name"] == "matmul"]
    assert {e["args"]["flops"] for e in products} == {2 * 4 * 5 * 8, 2 * 4 * 8 * 3}


def test_a_loader_is_waited_for() -> None:
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(np.zeros((10, 2), "float32")), batch_size=4)
    batches = iter(loader)
    next(batches)
    profiler.set_config(profile_api=True)
    profiler.set_state("run")  # in the middle of an epoch, as programs do
    assert len(list(batches)) == 2
    assert times()["wait"]["DataLoader"]["Count"] == 2
    assert "operator" not in times()


def test_an_error_in_a_watched_program_is_the_same(tmp_path: Path) -> None:
    """And what was recorded until then is there."""

    def broken(x: Any) -> Any:
        return mx.np.linalg.cholesky(x - 2)

    f = mx.jit(broken)
    good = mx.np.eye(3) * 9 + 2
    f(good)
    messages = []
    for state in ("stop", "run"):
        profiler.set_config(profile_symbolic=True)
        profiler.set_state(state)
        with pytest.raises(HybridnetError, match="cholesky") as caught:
            f(good - 20)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    f(good)
    assert times()["program"]["broken"]["Count"] == 1
    trace(tmp_path)


def test_threads_have_tracks(tmp_path: Path) -> None:
    f = mx.jit(lambda x: x * 2 + 1)
    x = mx.np.ones((3,))
    f(x)
    profiler.set_config(profile_symbolic=True)
    profiler.set_state("run")
    thread = threading.Thread(target=lambda: [f(x) for _ in range(5)])
    thread.start()
    for _ in range(5):
        f(x)
    thread.join()
    events = [e for e in trace(tmp_path) if e.get("cat") == "program"]
    assert len(events) == 10 and len({e["tid"] for e in events}) == 2


def test_another_thread_may_end_it() -> None:
    profiler.set_config(profile_imperative=True)
    profiler.set_state("run")
    x = mx.nd.ones(3)
    thread = threading.Thread(target=profiler.set_state, args=("stop",))
    thread.start()
    thread.join()
    x * 2
    assert "multiply" not in times()["operator"]
    profiler.set_state("run")
    x * 2
    assert times()["operator"]["multiply"]["Count"] == 1
    profiler.set_state("stop")


def test_scopes_have_names(tmp_path: Path) -> None:
    profiler.set_state("run")
    with profiler.scope("encoder:"):
        with profiler.scope("attention"):
            pass
        with profiler.scope("alone", append_mode=False):
            pass
    again = profiler.scope("again")
    for _ in range(2):
        with again:
            pass
    assert {name: v["Count"] for name, v in times()["scope"].items()} == {"encoder": 1, "encoder:attention": 1, "alone": 1, "again": 2}
    trace(tmp_path)


def test_arguments_are_checked() -> None:
    for call, match in (
        (lambda: profiler.set_config(file="a"), "one of filename"),
        (lambda: profiler.set_state("go"), "'run' or 'stop'"),
        (lambda: profiler.dumps(sort_by="name"), "sort_by of total"),
        (lambda: profiler.dumps(format="xml"), "format table or json"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()


def calls_of(work: Callable[[], Any]) -> list[str]:
    """Every call that Python makes in it, by file and name, also of functions in C."""
    found: list[str] = []

    def told(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
        elif event == "c_call":
            found.append(argument.__qualname__)

    before = sys.getprofile()
    sys.setprofile(told)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("kind", ["operator", "hybridized", "step"])
def test_it_costs_nothing_while_it_does_not_run(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are those of a process in which it never ran, in their number and order, and none is of the profiler."""
    monkeypatch.setattr(config, "disabled_libraries", frozenset({"numba"}))  # whose loops come when they are compiled
    net, step = small_net()
    x, y = batch()
    compiled = mx.jit(step)
    work = {"operator": lambda: x * 2, "hybridized": lambda: net(x), "step": lambda: compiled(x, y)}[kind]
    for _ in range(12):  # until arenas are bound and lines are written
        work()
    before = calls_of(work)
    profiler.set_config(profile_all=True)
    profiler.set_state("run")
    work()
    assert any("watched" in call or "_around" in call for call in calls_of(work))
    profiler.set_state("stop")
    work()  # binds an arena anew
    after = calls_of(work)
    assert after == before
    assert not [call for call in after if call.split(":")[0] in ("watching.py", "session.py")]


@pytest.mark.skipif(COMPILER is None, reason="needs g++, which runs CUDA C++ on the CPU here")
def test_on_a_gpu(emulated_gpu: Any, tmp_path: Path) -> None:
    """Steps by the GPU's clock on its own track, between events, within NVTX ranges; before and after it the program is a CUDA graph."""
    device = mx.gpu(0)
    net, _ = small_net(device)
    x, _ = batch(device)
    for _ in range(3):
        expected = net(x).asnumpy()
    ranges = emulated_gpu.cuda.nvtx.RangePush.__self__.seen
    ranges.clear()
    profiler.set_config(profile_all=True)
    profiler.set_state("run")
    for _ in range(3):
        np.testing.assert_array_equal(net(x).asnumpy(), expected)
    mx.nd.relu(x)
    profiler.set_state("stop")
    sums = times()
    assert sums["launch"]["net"]["Count"] == 3
    assert sum(v["Count"] for name, v in sums["operator"].items() if "matmul" in name) == 6, sums["operator"]
    assert ("relu",) in ranges and any("(net)" in name for (name, *_) in ranges)
    events = trace(tmp_path)
    (gpu,) = (e["tid"] for e in events if e["ph"] == "M" and e["args"]["name"] == "gpu(0)")
    on_gpu = [e for e in events if e["tid"] == gpu and e["ph"] == "X"]
    assert len(on_gpu) == sum(v["Count"] for v in sums["operator"].values())
    ranges.clear()
    for _ in range(3):
        np.testing.assert_array_equal(net(x).asnumpy(), expected)
    assert not ranges
    ours = [p for p in programs if p.name == "net"]
    assert any(segment.graph is not None for p in ours for instance in p.bound.values() for segment in instance.segments)


#: MXNet's way to profile a Gluon network, as its documentation goes about it: a step between "run" and "stop", the table, the trace.
MXNET_PROGRAM = """
import mxnet as mx
from mxnet import autograd, gluon, profiler

profiler.set_config(profile_all=True, aggregate_stats=True, continuous_dump=True, filename="profile_output.json")
net = gluon.nn.HybridSequential()
with net.name_scope():
    net.add(gluon.nn.Conv2D(channels=4, kernel_size=3, activation="relu"))
    net.add(gluon.nn.MaxPool2D(pool_size=2, strides=2))
    net.add(gluon.nn.Flatten())
    net.add(gluon.nn.Dense(10))
images = mx.nd.random.uniform(shape=(32, 1, 12, 12))
data = gluon.data.DataLoader(gluon.data.ArrayDataset(images, mx.nd.zeros(32)), batch_size=8)
net.initialize(mx.init.Xavier(), ctx=mx.cpu())
net.hybridize()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
criterion = gluon.loss.SoftmaxCrossEntropyLoss()

def run_training_iteration(images, labels):
    with autograd.record():
        loss = criterion(net(images.as_in_context(mx.cpu())), labels.as_in_context(mx.cpu()))
    loss.backward()
    trainer.step(images.shape[0])

batches = iter(data)
run_training_iteration(*next(batches))
profiler.set_state("run")
run_training_iteration(*next(batches))
mx.nd.waitall()
profiler.set_state("stop")
print(profiler.dumps())
domain = profiler.Domain(name="custom")
profiler.set_state("run")
task, event = profiler.Task(domain, "iteration"), profiler.Event("one more")
task.start(), event.start()
run_training_iteration(*next(batches))
event.stop(), task.stop()
profiler.Marker(domain, "half").mark("process")
profiler.pause()
run_training_iteration(*next(batches))
profiler.resume()
profiler.set_state("stop")
profiler.dump(True)
"""


def test_mxnets_example_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "hybridnet.compat.mxnet", "-c", MXNET_PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines() if line[-1:].isdigit()}
    convolution = next(name for name in counts if name.startswith("convolution"))  # oneDNN's has the relu behind it, and says so
    assert counts[convolution] == counts["max_pool"] == counts["DataLoader"] == 1
    trace = json.loads((tmp_path / "profile_output.json").read_text())
    assert faults(trace) == []
    assert [e["name"] for e in trace["traceEvents"]].count(convolution) == 2  # not of the steps before and while it was paused
