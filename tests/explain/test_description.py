"""The description of a compilation: it is plain, whole, and says what the program, its plan and its profile say."""

import json
import linecache
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emulator.device import emulated_gpu
from emulator.emulator import COMPILER
from hypothesis import given
from support import training_steps
from support.programs import Program, programs

import hybridnet as hn
from hybridnet import autograd, jit, nd, np
from hybridnet.compile import Jit
from hybridnet.compiled import CompiledCall
from hybridnet.errors import ArgumentError, TraceError
from hybridnet.explain import graphs
from hybridnet.explain.description import describe
from hybridnet.gluon import nn
from hybridnet.graph.passes import PASSES
from hybridnet.lowering import LOWERING
from hybridnet.runtime import numpy_program, profile, timing
from hybridnet.runtime.profile import steps_of


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "COPIED_BYTES", (1 << 12, 1 << 12))
    monkeypatch.setattr(profile, "ROWS", (16, 16))
    monkeypatch.setattr(timing, "REPEATS", 2)


@pytest.fixture(params=["host", "emulated"])
def device(request: pytest.FixtureRequest) -> Iterator[hn.Device]:
    if request.param == "host":
        yield hn.cpu()
        return
    if COMPILER is None:
        pytest.skip("needs g++, which runs CUDA C++ on the CPU here")
    with emulated_gpu():
        yield hn.gpu()


def described(step: Jit, *args: Any, profiled: bool = False) -> dict[str, Any]:
    """What the page is given; it goes through JSON as it does there."""
    found: dict[str, Any] = json.loads(json.dumps(describe(step._compilation(args, {}, profiled)), allow_nan=False))
    return found


def perceptron(device: hn.Device) -> nn.HybridSequential:
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(8, activation="relu", in_units=6), nn.Dropout(0.5), nn.Dense(4, in_units=8))
    net.initialize(ctx=device)
    return net


def leaves(children: list[Any]) -> Iterator[int]:
    for child in children:
        yield from leaves(child[2]) if isinstance(child, list) else [child]


def arena_is_sound(d: dict[str, Any]) -> None:
    """What lies in the arena at one time lies apart, and within it; a backward's part begins where the forward's results lie."""
    for program in d["programs"]:
        rows = [row for row in program["arena"] if row[1]]
        assert all(offset >= 0 and offset + size <= d["planned"] for offset, size, *_ in rows)
        for i, (offset, size, start, stop, *_) in enumerate(rows):
            for other, length, begin, end, *_ in rows[i + 1 :]:
                if start <= end and begin <= stop and (offset, size) != (other, length):
                    assert offset + size <= other or other + length <= offset


def test_everything_of_a_step_is_there(device: hn.Device) -> None:
    net = perceptron(device)
    x = np.ones((3, 6), device=device)
    step = jit(net._run, name="step")
    with autograd.record():
        compilation = step._compilation((x,), {}, True)
    d = json.loads(json.dumps(describe(compilation), allow_nan=False))
    assert [p["name"] for p in d["programs"]] == ["step", "step_backward"]
    assert compilation.profile is not None
    start, everything = 0, []
    for program, real in zip(d["programs"], compilation.programs, strict=True):
        steps, columns = steps_of(real), program["steps"]
        assert columns["bytes"] == [s.bytes for s in steps]
        assert columns["flops"] == [s.flops for s in steps]
        assert columns["seconds"] == [s.seconds for s in compilation.profile.steps if s.program == real.name]
        nodes = real.source.lowered.nodes
        assert [nodes[n] for n in columns["node"]] == [s.node for s in steps]
        text = program["text"].splitlines()
        shown = ["\n".join(text[a:b]) for a, b in columns["text"]]
        if device.is_gpu:
            assert all(("__global__" in part) == (kind == "kernel") for part, kind in zip(shown, (s.kind for s in steps), strict=True))
        else:
            assert all(part.strip() for part in shown)
        drawn = d["graphs"][program["graph"]]
        assert len(drawn["nodes"]) == len(nodes) == program["nodes"]
        visible = [i for i, n in enumerate(nodes) if n.output.constant is None]
        assert sorted(leaves(drawn["tree"])) == visible
        everything += [start + i for i in visible]
        start += len(nodes)
    assert sorted(leaves(d["blocks"])) == everything
    assert (d["planned"], d["naive"]) == step_memory(step, x)
    arena_is_sound(d)
    assert d["left_out"] == []


def step_memory(step: Jit, x: Any) -> tuple[int, int]:
    with autograd.record():
        return step.memory(x)[:2]


def test_names_of_blocks_and_lines_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_program, "can_flatten", lambda arrays: False)  # so that the update is taken apart
    step, args = training_steps.lenet(batch=2)
    d = described(step, *args)
    names = [branch[0] for branch in d["blocks"] if isinstance(branch, list)]
    assert names[0] == "lenet" and names[1].startswith("softmaxcrossentropyloss") and "update" in names
    final = d["graphs"][d["programs"][0]["graph"]]
    assert set(final["phases"]) == set("fbu ")
    updated = {d["sites"][site][2] for site in (d["signatures"][s][1] for s in final["nodes"]) if site >= 0}
    parameters = {
        "conv0_weight",
        "conv0_bias",
        "conv1_weight",
        "conv1_bias",
        "dense0_weight",
        "dense0_bias",
        "dense1_weight",
        "dense1_bias",
    }
    assert {f"update.lenet_{p}" for p in parameters} <= updated, "what a group computes of a parameter is told to be of another one"
    (file,) = [f for f in d["files"] if f["name"] == "training_steps.py"]
    assert "            loss = loss_of(net(x), y).mean()" in file["lines"].values()


def test_the_lines_of_a_file_that_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "gone.py"
    file.write_text("def f(x):\n    return x * 2\n")
    names: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    file.unlink()
    linecache.clearcache()
    d = described(jit(names["f"]), np.ones((2,)))
    assert d["files"] == [{"name": "gone.py", "lines": {}}]


@given(programs())
def test_passes_add_up(program: Program) -> None:
    """From each graph to the next: what was there, without what is gone, with what is new; and the chains are without gaps."""
    xs, states = program.arrays(program.inputs, 1), program.arrays(program.states, 2)
    d = described(jit(lambda *xs: program(list(xs), states)), *xs)
    check_passes(d)
    arena_is_sound(d)


def check_passes(d: dict[str, Any]) -> None:
    before: dict[str, int] = {}
    for p in d["passes"]:
        assert p["before"] - len(p["gone"]) + len(p["new"]) == p["after"]
        assert before.setdefault(p["part"], p["from"]) == p["from"]
        before[p["part"]] = p["to"]
        gone = Counter(d["graphs"][p["from"]]["nodes"][i] for i in p["gone"])
        new = Counter(d["graphs"][p["to"]]["nodes"][i] for i in p["new"])
        assert not gone & new, "a node that stayed is told to be gone and new"
        assert Counter(d["graphs"][p["from"]]["nodes"]) - gone + new == Counter(d["graphs"][p["to"]]["nodes"])
    for program in d["programs"]:
        assert before.get(program["name"], program["graph"]) == program["graph"]


def test_passes_of_a_training_step() -> None:
    step, args = training_steps.lenet(batch=2)
    d = described(step, *args)
    check_passes(d)
    assert [p["name"] for p in d["passes"]] == [p.name for p in (*PASSES, *LOWERING["cpu"])]
    assert all(p["reason"] for p in d["passes"])
    assert {s["title"] for s in d["stages"]} == {"as traced", "after the passes", "what train_step runs"}


def test_control_flow_has_its_graphs() -> None:
    net = nn.HybridLambda(lambda F, x: F.contrib.cond(F.sum(x) > 0, lambda: x * 2 + 1, lambda: F.exp(x)))
    d = described(jit(net.forward), nd.ones((2, 3)))
    final = d["graphs"][d["programs"][0]["graph"]]
    (bodies,) = final["bodies"].values()
    assert set(bodies) == {"then", "otherwise"}
    ops = [{d["ops"][d["signatures"][s][0]][0] for s in d["graphs"][n]["nodes"]} for n in bodies.values()]
    assert ops[0] >= {"multiply", "add"} and ops[1] >= {"exp"}


def test_a_profile_that_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Any, leaves: Any) -> Any:
        raise OSError("the clock <stopped>")

    monkeypatch.setattr(CompiledCall, "profile", failing)
    d = described(jit(lambda x: x * 2), np.ones((2,)), profiled=True)
    assert d["left_out"] == ["times, since the profile ended with an error: OSError: the clock <stopped>"]
    assert d["programs"][0]["steps"]["seconds"] is None


def test_what_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    step, args = training_steps.lenet(batch=2)
    whole = described(step, *args)
    final = len(whole["graphs"][whole["programs"][0]["graph"]]["nodes"])
    for room, stages in ((final + 60, ["what train_step runs"]), (0, [])):
        monkeypatch.setattr(graphs, "MOST_NODES", room)
        d = described(step, *args)
        assert [s["title"] for s in d["stages"]] == stages
        assert d["left_out"] and "graphs" in d["left_out"][0]
        assert d["programs"][0]["steps"] == whole["programs"][0]["steps"]
        assert counted(d) == counted(whole)


def counted(d: dict[str, Any]) -> list[Any]:
    """How many nodes of each operator came and went in each pass."""

    def by_name(ops: list[list[int]]) -> dict[str, int]:
        return {d["ops"][op][0]: n for op, n in ops}

    return [(p["name"], p["before"], p["after"], by_name(p["gone_ops"]), by_name(p["new_ops"])) for p in d["passes"]]


def test_nothing_is_changed_by_it(tmp_path: Path) -> None:
    step, args = training_steps.lenet(batch=2)
    step(*args)
    entry = next(iter(step.cache.values()))
    before = [a.asnumpy().copy() for a in entry.states]
    text = step.explain(*args, html=tmp_path / "step.html", profile=True)
    assert text == step.explain(*args)
    assert (tmp_path / "step.html").stat().st_size > 10_000
    assert all((a.asnumpy() == b).all() for a, b in zip(entry.states, before, strict=True))
    assert list(step.cache.values()) == [entry] and step.retraces == []


def test_a_block(tmp_path: Path) -> None:
    net = perceptron(hn.cpu())
    x = np.ones((3, 6))
    net.explain(x, html=str(tmp_path / "predicting.html"))
    net.explain(x, html=tmp_path / "training.html", train=True)
    names = ['"name":"net_backward"' in (tmp_path / f).read_text() for f in ("predicting.html", "training.html")]
    assert names == [False, True]


def test_errors(tmp_path: Path) -> None:
    step = jit(lambda x: x * 2)
    with pytest.raises(ArgumentError, match=r"profile=True with html="):
        step.explain(np.ones((2,)), profile=True)
    inner = jit(lambda x: x + 1)
    with pytest.raises(TraceError, match="while tracing"):
        jit(lambda x: inner.explain(x, html=tmp_path / "x.html"))(np.ones((2,)))
    assert not list(tmp_path.iterdir())
