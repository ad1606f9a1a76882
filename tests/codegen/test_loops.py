"""Regions as loops that numba compiles: to the bit what NumPy computes, and NumPy's where they are not there."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from support.numba_loops import needed
from support.paths import ROOT
from support.special_values import special

import hybridnet as hn
from hybridnet import autograd
from hybridnet.codegen.loop_text import loops_of
from hybridnet.config import config
from hybridnet.device import loop_compiler, loops
from hybridnet.gluon import nn


@pytest.fixture(autouse=True)
def small_regions_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "block_bytes", 1 << 7)
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))


def program_of(fn: Any, *arrays: Any) -> Any:
    """The program of a jitted function."""
    (compiled,) = fn.cache.values()
    return compiled.program


def both(function: Any, arrays: list[Any]) -> tuple[list[Any], list[Any], int]:
    """What a function gives by NumPy, and by loops; and the number of these."""
    fn = hn.jit(function)
    given = [hn.np.array(x) for x in arrays]
    with np.errstate(all="ignore"):
        expected = [y.asnumpy() for y in fn(*given)]
        found = loops_of(program_of(fn).source.names)
        for x in found:
            x.loop.compile()
        return expected, [y.asnumpy() for y in fn(*given)], len(found)


UNARY = ("negative", "square", "sqrt", "abs")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
COMPARED = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")


def random_region(rng: np.random.Generator) -> Any:
    """A function of four arrays, of some twelve operators, and what it is made of."""
    steps = [(str(rng.choice([*UNARY, *BINARY, *BINARY, *COMPARED, "scaled"])), *map(int, rng.integers(0, 100, 4))) for _ in range(12)]

    def function(*xs: Any) -> Any:
        known = list(xs)
        for name, *places in steps:
            a, b, c, d = (known[i % len(known)] for i in places)
            if name in UNARY:
                known.append(getattr(hn.np, name)(a))
            elif name == "scaled":
                known.append(a * 0.3 + 1.7)
            elif name in BINARY:
                known.append(getattr(hn.np, name)(a, b))
            else:
                known.append(hn.np.where(getattr(hn.np, name)(a, b), c, d))
        return known[-1] + xs[0], known[-3] * xs[0]

    return function


#: Shapes of four operands: alike; vectors along the last axes; one number a row; single numbers.
SHAPES = (
    [(6, 4, 16)] * 4,
    [(6, 4, 16), (16,), (1, 1, 16), (6, 4, 16)],
    [(6, 64), (6, 1), (6, 64), (1,)],
    [(6, 4, 16), (6, 1, 1), (4, 16), ()],
    [(2, 3, 4, 16), (1, 1, 1, 16), (1, 1, 1, 1), (2, 3, 4, 16)],
)


@needed
@pytest.mark.parametrize(
    ("seed", "dtype"),
    [(i, ("float32", "float64")[i in (2, 7)]) if i < 8 else pytest.param(i, "float32", marks=pytest.mark.slow) for i in range(60)],
)
def test_random_regions_give_the_same_bits(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    shapes = SHAPES[seed % len(SHAPES)]
    if seed % 10 < 5:
        arrays = [rng.normal(size=s).astype(dtype) for s in shapes]
    else:  # infinities, NaN, both zeros, subnormal numbers, the ends of the range
        arrays = [special(s, np.dtype(dtype), i) for i, s in enumerate(shapes)]
    expected, found, number = both(random_region(rng), arrays)
    assert number or seed > 8
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a) & ~np.isnan(a), np.signbit(b) & ~np.isnan(b))


@needed
def test_what_rounds_in_its_own_way_or_adds_up_is_numpys() -> None:
    x = np.ones((6, 64), "float32")
    for function in (lambda x: (hn.np.exp(x) + 1, x), lambda x: ((x * 2).sum(axis=1, keepdims=True) + x, x)):
        assert both(function, [x])[2] == 0


@needed
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_goes_on_to_the_same_bits_when_the_loops_are_there(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "CALLS", 2)

    def trained(disabled: frozenset[str]) -> Any:
        hn.random.seed(1)
        net = nn.HybridSequential()
        net.add(nn.Dense(32, activation="relu", in_units=16), nn.Dense(4, in_units=32))
        net.initialize(hn.init.Xavier())
        trainer = hn.gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.01})
        x = hn.np.array(np.random.default_rng(0).normal(size=(32, 16)).astype("float32"))

        def step(x: Any) -> Any:
            with autograd.record():
                loss = (net(x) ** 2).sum()
            loss.backward()
            trainer.step(32)
            return loss

        compiled = hn.jit(step)
        with mock.patch.object(config, "disabled_libraries", disabled):
            losses = []
            for i in range(8):
                losses.append(float(compiled(x)))
                found = loops_of(program_of(compiled).source.names)
                assert bool(found) == (not disabled)
                if i == 4:
                    loops.finish()
                if i == 5:
                    assert all(loop.loop.run is not None for loop in found)
            told = compiled.explain(x)
        assert ("regions by numba" in told) == (not disabled)
        return losses, [p.data().asnumpy() for p in net.collect_params().values()]

    (losses, found), (expected_losses, expected) = trained(frozenset()), trained(frozenset({"numba"}))
    assert losses == expected_losses
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def scaled(x: Any) -> Any:
    return x * 3 + 1, x


@needed
def test_arrays_with_gaps_are_numpys() -> None:
    fn = hn.jit(scaled)
    wide = np.arange(6 * 128, dtype="float32").reshape(6, 128)
    x = hn.np.array(wide)[:, ::2]
    expected = fn(x)[0].asnumpy()
    for found in loops_of(program_of(fn).source.names):
        found.loop.compile()
    np.testing.assert_array_equal(fn(x)[0].asnumpy(), expected)
    np.testing.assert_array_equal(expected, wide[:, ::2] * 3 + 1)


@needed
def test_threads_share_a_large_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "SHARED_BYTES", 0)
    monkeypatch.setattr(config, "threads", 3)
    expected, found, number = both(lambda x, b: (x * b + 1, x), [np.ones((37, 64), "float32"), np.arange(64, dtype="float32")])
    assert number == 1
    np.testing.assert_array_equal(found[0], expected[0])


@needed
def test_what_numba_cannot_compile_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    wrong = loops.Loop("def loop(a0):\n    a0[0] = nothing\n", ("float32[::1]",))
    with caplog.at_level(logging.WARNING, "hybridnet"):
        for _ in range(2):
            wrong.compile()
    assert wrong.run is None
    assert len(caplog.records) == 1 and "numba cannot compile a loop, so NumPy computes" in caplog.text


@needed
def test_a_broken_file_in_the_cache_and_a_folder_that_cannot_be_written_lose_nothing(tmp_path: Path) -> None:
    text, types = "def loop(a0):\n    for i in range(a0.shape[0]):\n        a0[i] = 2\n", ("float64[::1]",)

    def runs() -> None:
        made, x = loops.Loop(text, types), np.zeros(5)
        made.compile()
        assert made.run is not None
        made.run(x)
        assert (x == 2).all()

    runs()
    with mock.patch("numba.core.compiler.compile_extra", side_effect=AssertionError("compiled again")):
        runs()
    kept = list(tmp_path.rglob("*.nb?"))
    assert kept
    for p in kept:
        p.write_bytes(b"broken")
    runs()
    with mock.patch.object(config, "cache_dir", str(tmp_path / next(tmp_path.glob("loop-*.py")).name / "below a file")):
        runs()


def program(text: str, cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, with an empty cache."""
    environment = {**os.environ, "HYBRIDNET_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *options, "-c", text], env=environment, capture_output=True, text=True, timeout=120)


ENDS = """
import numpy as np, hybridnet as hn
from hybridnet.config import config
from hybridnet.device import loops
config.block_bytes, loops.CALLS = 128, 2
fn, x = hn.jit(lambda x: x * 3 + 1), hn.np.ones((64, 64))
for _ in range(5):
    fn(x)
"""


@needed
def test_a_process_ends_while_a_loop_is_being_compiled(tmp_path: Path) -> None:
    done = program(ENDS, tmp_path)
    assert done.returncode == 0 and not done.stderr


@needed
def test_results_may_be_true_or_false() -> None:
    x, y = (np.random.default_rng(i).integers(0, 3, (6, 64)).astype("float32") for i in range(2))
    expected, found, number = both(lambda x, y: (x * 2 > y + 1, x), [x, y])
    assert number == 1 and found[0].dtype == np.bool_
    np.testing.assert_array_equal(found[0], expected[0])


def ordered(text: str, types: tuple[str, ...] = ("float64[::1]",)) -> loops.Loop:
    """A loop that was asked for so often that it is compiled in the background, and waited for."""
    made = loops.Loop(text, types)
    for _ in range(loops.CALLS):
        made.called()
    loops.finish()
    made.called()
    return made


def fills(number: float) -> str:
    return f"def loop(a0):\n    for i in range(a0.shape[0]):\n        a0[i] = {number}\n"


@pytest.fixture
def own_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[loop_compiler.Compiler]:
    """A compiler of its own, with which nobody else's loops are compiled."""
    made = loop_compiler.Compiler()
    monkeypatch.setattr(loops, "compiler", made)
    monkeypatch.setattr(loops, "finish", made.finish)
    yield made
    made.close()


WARNINGS = """
import threading, warnings
from unittest import mock

changed = []
class Watched(warnings.catch_warnings):
    def __enter__(self):
        changed.append(threading.current_thread().name)
        return super().__enter__()

warnings.catch_warnings = Watched
import numpy as np, hybridnet as hn
from hybridnet.codegen.loop_text import loops_of
from hybridnet.config import config
from hybridnet.device import loops
config.block_bytes, loops.CALLS = 128, 2
fn, x = hn.jit(lambda x: x * 3 + 1), hn.np.ones((64, 64))
for _ in range(5):
    fn(x)
loops.finish()
fn(x)
(compiled,) = fn.cache.values()
(found,) = loops_of(compiled.program.source.names)
assert found.loop.run is not None
assert {*changed} <= {"MainThread"}, changed
"""


@needed
def test_a_users_warnings_are_left_alone_while_loops_are_compiled(tmp_path: Path) -> None:
    """Filters are the whole process's: a thread that changes them for a while takes away or brings back what the user set meanwhile."""
    done = program(WARNINGS, tmp_path)
    assert done.returncode == 0, done.stderr


@needed
def test_a_loop_that_cannot_be_compiled_in_the_background_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "hybridnet"):
        wrong = ordered("def loop(a0):\n    a0[0] = nobody_knows\n")
    assert wrong.run is None and "nobody_knows" in caplog.text
    assert ordered(fills(4)).run is not None  # the next one


@needed
def test_a_process_that_is_killed_loses_one_loop(own_compiler: loop_compiler.Compiler, caplog: pytest.LogCaptureFixture) -> None:
    assert ordered(fills(5)).run is not None
    process = own_compiler._process
    assert process is not None
    process.kill()
    process._running.wait()
    with caplog.at_level(logging.WARNING, "hybridnet"):
        assert ordered(fills(6)).run is None
    assert "NumPy computes" in caplog.text
    assert ordered(fills(7)).run is not None


@needed
def test_a_process_that_has_nothing_to_do_ends(own_compiler: loop_compiler.Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_compiler, "LINGER", 0.05)
    ordered(fills(8))
    end = time.monotonic() + 60
    while own_compiler._process is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert own_compiler._process is None
    assert ordered(fills(9)).run is not None


@needed
@pytest.mark.parametrize("executable", ["/nowhere/python", "python", "/bin/false", "", None])
def test_a_python_that_cannot_be_started_leaves_numpy(
    executable: str | None, own_compiler: loop_compiler.Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if executable == "python":  # it starts, and fails
        path = tmp_path / "python"
        path.write_text("#!/bin/sh\nexit 3\n")
        path.chmod(0o755)
        executable = str(path)
    tried = []
    monkeypatch.setattr(loop_compiler.sys, "executable", executable)
    monkeypatch.setattr(loop_compiler, "_Process", lambda made=loop_compiler._Process: tried.append(1) or made())
    for number in range(loop_compiler.ENOUGH + 2):
        assert ordered(fills(200 + number)).run is None
    assert len(tried) == loop_compiler.ENOUGH


@needed
def test_a_program_that_is_its_own_python_is_not_started_again(
    own_compiler: loop_compiler.Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_compiler.sys, "frozen", True, raising=False)
    with mock.patch.object(loop_compiler.subprocess, "Popen", side_effect=AssertionError("started")):
        assert ordered(fills(300)).run is None


@needed
def test_paths_of_imports_that_python_passes_over_do_no_harm(own_compiler: loop_compiler.Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_compiler.sys, "path", [Path("/somewhere"), "", *sys.path])
    assert ordered(fills(301)).run is not None


@needed
def test_what_cannot_be_kept_in_the_cache_is_handed_over_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("where the folder should be")
    compiled_here = mock.patch("numba.core.compiler.compile_extra", side_effect=AssertionError("compiled in the program's own process"))
    with mock.patch.object(config, "cache_dir", str(tmp_path / "a file")), compiled_here:
        assert ordered(fills(13)).run is not None


FORKED = (
    ENDS
    + """
import os, sys
loops.finish()
child = os.fork()
if child == 0:
    sys.exit(0)  # with all that is done at the end of a process
assert os.waitpid(child, 0)[1] == 0
again = hn.jit(lambda x: x * 7 - 2)
for _ in range(5):
    again(x)
loops.finish()
again(x)
from hybridnet.codegen.loop_text import loops_of
(compiled,) = again.cache.values()
(found,) = loops_of(compiled.program.source.names)
assert found.loop.run is not None
"""
)


@needed
def test_a_process_that_is_forked_off_leaves_the_compiler_to_the_first(tmp_path: Path) -> None:
    done = program(FORKED, tmp_path, "-X", "dev")
    assert done.returncode == 0 and not done.stderr, done.stderr


LOCKED = (
    ENDS.replace("range(5)", "range(2)")
    + """
import os, signal, threading
loops.finish()  # on disk: the next call would load it
from numba.core.compiler_lock import global_compiler_lock
held, go = threading.Event(), threading.Event()
def compiles():
    with global_compiler_lock:
        held.set()
        go.wait()
threading.Thread(target=compiles, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(60)
    fn(x)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go.set()
"""
)


@needed
def test_a_process_that_is_forked_off_while_a_thread_compiles_goes_on(tmp_path: Path) -> None:
    done = program(LOCKED, tmp_path)
    assert done.returncode == 0, done.stderr


@needed
def test_the_end_does_not_wait_for_what_was_only_just_asked_for() -> None:
    made = loop_compiler.Compiler()
    process = mock.Mock()
    process.compile.side_effect = AssertionError("compiled")
    with mock.patch.object(loop_compiler, "_Process", side_effect=lambda: setattr(made, "_closed", True) or process):
        made._compile(mock.Mock())  # as if it were closed while the process is being started
    assert made._closed and not process.compile.called


@needed
def test_threads_may_ask_at_once(own_compiler: loop_compiler.Compiler) -> None:
    def ask(number: int) -> loops.Loop:
        return ordered(fills(100 + number))

    with ThreadPoolExecutor(4) as pool:
        assert all(found.run is not None for found in pool.map(ask, range(8)))
    assert sum(thread.name == "hybridnet-loops" for thread in threading.enumerate()) <= 2  # this one's, and the one of all else


@needed
def test_what_is_kept_broken_is_compiled_anew_in_the_background(tmp_path: Path) -> None:
    assert ordered(fills(11)).run is not None
    for path in tmp_path.rglob("*.nb?"):
        path.write_bytes(b"broken")
    made, x = ordered(fills(11)), np.zeros(3)
    assert made.run is not None
    made.run(x)
    assert (x == 11).all()
